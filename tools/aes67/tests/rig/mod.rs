//! Two hosts on one wire: Linux network namespaces `a` (10.67.0.1) and `b` (10.67.0.2), joined by a pair of virtual interfaces.
//!
//! Needs root and iproute2. Where they are missing a test says so and passes: a developer's laptop is no test bench.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The program under test.
const AES67: &str = env!("CARGO_BIN_EXE_aes67");

/// The two hosts, and a folder for their files. Both are removed when it is dropped.
pub(crate) struct Wire {
    id: String,
    folder: TempDir,
}

/// A program that runs on one of the hosts; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Wire {
    /// `None`, with the reason printed, if this machine cannot do it. `tools` are programs that are needed besides.
    pub(crate) fn new(tools: &[&str]) -> Option<Self> {
        for tool in ["ip"].iter().chain(tools) {
            if Command::new(tool).arg("-V").stdin(Stdio::null()).output().is_err() {
                eprintln!("skipped: {tool} is not installed (Debian: apt-get install iproute2 linuxptp)");
                return None;
            }
        }
        // Names of interfaces have 15 letters at most, so it is the process alone that tells them apart: each test is one under nextest, and `cargo test` counts.
        let id = format!("{:x}{:x}", std::process::id(), next());
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let wire = Self { id, folder };
        let steps = [
            format!("netns add {}", wire.host('a')),
            format!("netns add {}", wire.host('b')),
            format!("link add va netns {} type veth peer name vb netns {}", wire.host('a'), wire.host('b')),
        ];
        let each = [('a', "va", 1), ('b', "vb", 2)].map(|(host, interface, address)| {
            let host = wire.host(host);
            [
                format!("-n {host} addr add 10.67.0.{address}/24 dev {interface}"),
                format!("-n {host} link set lo up"),
                format!("-n {host} link set {interface} up"),
                format!("-n {host} route add default dev {interface}"),
            ]
        });
        for step in steps.iter().chain(each.iter().flatten()) {
            let done = Command::new("ip").args(step.split(' ')).output().expect("ip runs");
            if !done.status.success() {
                eprintln!("skipped: `ip {step}`: {}", String::from_utf8_lossy(&done.stderr).trim());
                return None;
            }
        }
        Some(wire)
    }

    /// The name of a host's namespace.
    pub(crate) fn host(&self, host: char) -> String {
        format!("aes67-{}-{host}", self.id)
    }

    /// A file of the test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, host: char, program: &str, arguments: &str) -> Command {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "60", "ip", "netns", "exec", &self.host(host), program]).args(arguments.split(' '));
        command.stdin(Stdio::null()).current_dir(self.folder.path()).env("XDG_STATE_HOME", self.folder.path());
        command
    }

    /// Runs `aes67` on a host to its end.
    pub(crate) fn aes67(&self, host: char, arguments: &str) -> Output {
        self.command(host, AES67, arguments).output().expect("aes67 runs")
    }

    /// Starts `aes67` on a host.
    pub(crate) fn start(&self, host: char, arguments: &str) -> Running {
        self.start_program(host, AES67, arguments)
    }

    /// Starts any program on a host.
    pub(crate) fn start_program(&self, host: char, program: &str, arguments: &str) -> Running {
        let log = self.path(&format!("log-{}", next()));
        let file = fs::File::create(&log).expect("a log file");
        let errors = file.try_clone().expect("a log file");
        let child = self.command(host, program, arguments).stdout(file).stderr(errors).spawn();
        Running { child: child.expect("the program runs"), log }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for host in ['a', 'b'] {
            // It may not have been made.
            let _ = Command::new("ip").args(["netns", "del", &self.host(host)]).stderr(Stdio::null()).status();
        }
    }
}

impl Running {
    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has written `text`, at most so many seconds.
    pub(crate) fn wait_for(&self, text: &str, seconds: u32) {
        for _ in 0..seconds * 20 {
            if self.log().contains(text) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no `{text}` within {seconds} s in:\n{}", self.log());
    }

    /// Ends it as Ctrl-C does, and waits; its exit code and what it wrote.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        // `timeout` passes the signal on.
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        let status = self.child.wait().expect("a child");
        (status.code(), self.log())
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> String {
        self.child.wait().expect("a child");
        self.log()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

fn next() -> u32 {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// The samples of a WAV file.
pub(crate) fn samples(path: &Path) -> Vec<i32> {
    hound::WavReader::open(path).expect("a WAV file").samples().map(|sample| sample.expect("a sample")).collect()
}
