//! A program that is started, written to and read from, and ended if it does not answer.

use crate::scenario::Program;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::path::{MAIN_SEPARATOR, Path};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two looks at whether a program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Why nothing could be read.
pub(super) enum ReadError {
    /// The program has ended, or has closed its output.
    Ended,
    /// The first bytes are no length.
    TooLong(usize),
    /// Something else.
    Io(std::io::Error),
}

/// What the guard shares with whoever waits for answers.
struct Guarded {
    child: Mutex<Child>,
    /// Counts questions and answers: odd while an answer is due.
    turns: AtomicU64,
    has_ended_it: AtomicBool,
}

/// A running program.
pub(super) struct RunningProgram {
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    guarded: Arc<Guarded>,
    /// Ends the guard when it is dropped.
    guard: Option<(Sender<()>, JoinHandle<()>)>,
}

impl RunningProgram {
    /// Starts the program.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(super) fn start(program: &Program) -> Result<Self, String> {
        let words = program.command.as_ref();
        let (name, arguments) = words.split_first().ok_or("its command is empty")?;
        let failed = |error: std::io::Error| {
            format!("`{name}` cannot be started in {}: {error}; check process.command", program.folder.display())
        };
        // A path without a folder in it is that of the current one.
        let folder = if program.folder.as_os_str().is_empty() { Path::new(".") } else { &program.folder };
        let folder = folder.canonicalize().map_err(failed)?;
        // A relative path of a program means another file on each system, an absolute one does not.
        let path = if name.contains(['/', MAIN_SEPARATOR]) { folder.join(name) } else { name.into() };
        let mut command = Command::new(path);
        command.args(arguments).current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C is for the simulator, which then ends the program.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(failed)?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).ok_or("its pipes cannot be opened")?;
        let guarded = Arc::new(Guarded {
            child: Mutex::new(child),
            turns: AtomicU64::new(0),
            has_ended_it: AtomicBool::new(false),
        });
        let (sender, receiver) = channel();
        let (limit, of) = (program.answer_limit_s.nanos().as_nanos(), Arc::clone(&guarded));
        let limit = Duration::from_nanos(limit.unsigned_abs());
        let guard = std::thread::Builder::new().name("guard".to_owned()).spawn(move || guard(&of, limit, &receiver));
        let guard = guard.map_err(|error| format!("a thread cannot be started: {error}"))?;
        Ok(Self { input: Some(input), output: BufReader::new(output), guarded, guard: Some((sender, guard)) })
    }

    /// Sends a message, after which answers are due until [`RunningProgram::answered`].
    pub(super) fn ask(&mut self, message: &[u8]) -> std::io::Result<()> {
        self.guarded.turns.fetch_add(1, Ordering::Relaxed);
        match &mut self.input {
            Some(input) => input.write_all(message).and_then(|()| input.flush()),
            None => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    /// The answer is complete.
    pub(super) fn answered(&self) {
        self.guarded.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads the next message, without its length.
    pub(super) fn read(&mut self, message: &mut Vec<u8>, longest: usize) -> Result<(), ReadError> {
        let ended = |error: std::io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => ReadError::Ended,
            _ => ReadError::Io(error),
        };
        let mut length = [0; 4];
        self.output.read_exact(&mut length).map_err(ended)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > longest {
            return Err(ReadError::TooLong(length));
        }
        message.resize(length, 0);
        self.output.read_exact(message).map_err(ended)
    }

    /// Whether it was ended because it did not answer in time.
    pub(super) fn was_too_slow(&self) -> bool {
        self.guarded.has_ended_it.load(Ordering::Relaxed)
    }

    /// Closes its input, and reads what it still says.
    pub(super) fn close(&mut self) -> std::io::Result<Vec<u8>> {
        self.input = None;
        let mut rest = Vec::new();
        // A few bytes are enough to know that there are some.
        self.output.by_ref().take(16).read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// Waits for its end, at most as long as for an answer.
    pub(super) fn wait(&self) -> std::io::Result<ExitStatus> {
        loop {
            // The guard must be able to end it.
            let status = self.guarded.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?;
            match status {
                Some(status) => return Ok(status),
                None => std::thread::sleep(LOOK_EVERY),
            }
        }
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        if let Some((sender, guard)) = self.guard.take() {
            drop(sender);
            // A guard that panicked has nothing to say.
            let _ = guard.join();
        }
        self.guarded.kill();
        let mut child = self.guarded.child.lock().unwrap_or_else(PoisonError::into_inner);
        // It was killed, and nobody asks for its status any more.
        let _ = child.wait();
    }
}

impl Guarded {
    /// Ends the program and those that it has started, unless it has ended.
    fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        #[cfg(unix)]
        {
            use nix::sys::signal::{Signal, killpg};
            // If the group has ended meanwhile, so has the program.
            let _ = killpg(nix::unistd::Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        }
        // The same on systems without groups.
        let _ = child.kill();
    }
}

/// Ends a program whose answer takes longer than the limit. A limit of wall-clock time: it is
/// looked at once in that time, so an answer may take up to twice as long.
fn guard(guarded: &Guarded, limit: Duration, end: &Receiver<()>) {
    let mut before = 0;
    while end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
        let turns = guarded.turns.load(Ordering::Relaxed);
        if turns % 2 == 1 && turns == before {
            guarded.has_ended_it.store(true, Ordering::Relaxed);
            guarded.kill();
            return;
        }
        before = turns;
    }
}
