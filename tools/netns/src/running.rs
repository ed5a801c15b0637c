//! A program that runs on a host.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// How often is looked.
const STEP: Duration = Duration::from_millis(20);
/// How long a program may take to end when it is told to.
const ENDING_S: u32 = 15;

/// Killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

/// The end of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All that it wrote.
    pub log: String,
}

impl Running {
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Self {
        let file = File::create(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let errors = file.try_clone().unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let child = command.stdout(file).stderr(errors).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")), log }
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The file that it writes to.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Waits until it has written `text`, at most so many seconds.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_for(&self, text: &str, seconds: u32) {
        let found = self.poll(seconds, |log| log.contains(text));
        assert!(found, "no `{text}` within {seconds} s in:\n{}", self.log());
    }

    /// Waits until what it has written is as wanted, at most so many seconds; whether it is.
    #[must_use]
    pub fn poll(&self, seconds: u32, is_wanted: impl Fn(&str) -> bool) -> bool {
        for _ in 0..u64::from(seconds) * 1000 / STEP.as_millis() as u64 {
            if is_wanted(&self.log()) {
                return true;
            }
            std::thread::sleep(STEP);
        }
        is_wanted(&self.log())
    }

    /// Sends it a signal, such as `KILL`.
    ///
    /// # Panics
    /// If there is no such signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).output();
        assert!(sent.is_ok(), "kill cannot be run");
    }

    /// Ends it as a service manager does (SIGTERM), and waits.
    #[must_use]
    pub fn stop(self) -> Stopped {
        self.signal("TERM");
        self.wait(ENDING_S)
    }

    /// Whether it has ended by itself.
    pub fn is_over(&mut self) -> bool {
        self.ended().is_some()
    }

    /// Waits for its end, at most so many seconds.
    ///
    /// # Panics
    /// If it does not end.
    #[must_use]
    pub fn wait(mut self, seconds: u32) -> Stopped {
        for _ in 0..u64::from(seconds) * 1000 / STEP.as_millis() as u64 {
            if let Some(status) = self.ended() {
                return Stopped { code: status.code(), log: self.log() };
            }
            std::thread::sleep(STEP);
        }
        panic!("not ended within {seconds} s:\n{}", self.log());
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|error| panic!("cannot wait for a child: {error}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.signal("TERM");
            for _ in 0..100 {
                if self.ended().is_some() {
                    return;
                }
                std::thread::sleep(STEP);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
