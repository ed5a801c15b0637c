//! Runs the tests: forwards the output of the runner, and counts the tests in it.

use super::tally::Tally;
use crate::cmd::Cmd;
use crate::error::Error;
use crate::files::{absolute, make_folder, read, write};
use crate::interrupt;
use skips::Record;
use std::io::{BufRead, BufReader, IsTerminal, PipeReader, Write, pipe, stderr};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// After the end of the runner, its output counts as complete when nothing was written for this
/// long. A program that a test left running may keep the output open.
const SILENCE: Duration = Duration::from_millis(500);

/// The result of a run of the tests.
pub(super) struct Ended {
    pub(super) tally: Tally,
    /// Tests that reported that they were skipped.
    pub(super) skipped: Vec<Record>,
    /// Whether the runner succeeded.
    pub(super) result: Result<(), Error>,
}

/// Runs the tests with this command.
///
/// # Errors
/// If the runner's output has no readable result, for example because a test does not compile.
pub(super) fn run(command: Cmd, is_nextest: bool, target: &Path) -> Result<Ended, Error> {
    let folder = absolute(&target.join("xtask-skips"));
    make_folder(&folder)?;
    let file = folder.join("records");
    write(&file, "")?;
    let command = command.env(skips::RECORDS, file.display().to_string());
    interrupt::check()?;
    let (status, lines) = pass_on(&command)?;
    interrupt::check()?;
    let result = if status.success() {
        Ok(())
    } else {
        Err(Error::Failed { command: command.to_string(), code: status.code() })
    };
    let unread = |reason| Error::Unread { command: command.to_string(), reason };
    let tally = if is_nextest { Tally::of_nextest(&lines) } else { Tally::of_libtest(&lines) };
    let mut tally = match (tally, result) {
        (Ok(tally), result) => (tally, result),
        // If both failed, the failure of the runner, such as a test that does not compile, is the
        // reason.
        (Err(_), Err(failed)) => return Err(failed),
        (Err(reason), Ok(())) => return Err(unread(reason)),
    };
    if tally.1.is_ok() && tally.0.failed > 0 {
        return Err(unread(format!("{} tests failed, but not the run", tally.0.failed)));
    }
    let records = skips::read(&read(&file)?);
    let records = records.map_err(|line| Error::Form { path: file, reason: format!("`{line}` is no record") })?;
    let skipped = tally.0.take_skipped(records).map_err(unread)?;
    Ok(Ended { tally: tally.0, skipped, result: tally.1 })
}

/// Runs the command and copies both of its outputs to the error output. Returns its lines without
/// colours.
fn pass_on(command: &Cmd) -> Result<(ExitStatus, Vec<String>), Error> {
    let start = |source| Error::Start { command: command.to_string(), source };
    // One pipe for both outputs, so that cargo's lines keep their places among those of the tests.
    let (reader, writer) = pipe().map_err(start)?;
    let mut process = command.process();
    process.stdout(writer.try_clone().map_err(start)?).stderr(writer);
    if stderr().is_terminal() {
        process.env("CARGO_TERM_COLOR", "always");
    }
    let child = process.spawn().map_err(start)?;
    // The process structure holds the writing end of the pipe.
    drop(process);
    collect(child, &listen(reader)).map_err(start)
}

/// Sends each line of the pipe.
fn listen(pipe: PipeReader) -> Receiver<Vec<u8>> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if tell.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    lines
}

fn collect(mut child: Child, lines: &Receiver<Vec<u8>>) -> std::io::Result<(ExitStatus, Vec<String>)> {
    let mut text = Vec::new();
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                stderr().write_all(&line)?;
                text.push(without_colours(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])));
            }
            Err(RecvTimeoutError::Disconnected) => return Ok((child.wait()?, text)),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(status) = child.try_wait()? {
                    return Ok((status, text));
                }
            }
        }
    }
}

/// Without the terminal's control sequences: ESC, `[`, parameters, and a letter.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        text + &part[end..]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out() {
        assert_eq!(
            without_colours("\u{1b}[32;1m     Summary\u{1b}[0m [ 1s] \u{1b}[1m4\u{1b}[0m"),
            "     Summary [ 1s] 4"
        );
        assert_eq!(without_colours("plain"), "plain");
    }

    fn ended(script: &str, is_nextest: bool) -> Result<Ended, Error> {
        let folder = tempfile::tempdir().unwrap();
        run(Cmd::new("sh").arg("-c").arg(script), is_nextest, folder.path())
    }

    const SUMMARY: &str = "echo '     Summary [ 1s] 2 tests run: 2 passed, 0 skipped' >&2";

    #[test]
    fn what_tests_tell_is_taken_from_the_passed_ones() {
        let tell = format!("printf 'xtask\\tinterop\\tone\\tno peer\\n' >> \"${}\"; {SUMMARY}", skips::RECORDS);
        let ended = ended(&tell, true).unwrap();
        assert_eq!((ended.tally.passed, ended.skipped.len(), ended.result.is_ok()), (1, 1, true));
        assert_eq!(ended.skipped[0].name(), "interop::one");
    }

    #[test]
    fn a_run_whose_end_cannot_be_read_is_an_error() {
        assert!(matches!(ended("echo all is well", true), Err(Error::Unread { .. })));
        assert!(matches!(ended("echo all is well", false), Err(Error::Unread { .. })));
        assert!(matches!(ended("exit 101", true), Err(Error::Failed { code: Some(101), .. })));
        let record = format!("echo nothing >> \"${}\"; {SUMMARY}", skips::RECORDS);
        assert!(matches!(ended(&record, true), Err(Error::Form { .. })));
        let removed = format!("rm \"${}\"; {SUMMARY}", skips::RECORDS);
        assert!(matches!(ended(&removed, true), Err(Error::File { .. })));
    }

    #[test]
    fn a_runner_that_hides_a_failure_is_not_believed() {
        let script = "echo '     Summary [ 1s] 2 tests run: 1 passed, 1 failed, 0 skipped
        FAIL [ 1s] (1/2) net one'";
        assert!(matches!(ended(script, true), Err(Error::Unread { .. })));
        let failed = ended(&format!("{script}; exit 100"), true).unwrap();
        assert!(matches!(failed.result, Err(Error::Failed { code: Some(100), .. })));
        assert_eq!((failed.tally.passed, failed.tally.failed), (1, 1));
    }

    #[test]
    fn a_program_that_is_left_running_does_not_hold_up_the_end() {
        let ended = ended(&format!("sleep 20 & {SUMMARY}"), true).unwrap();
        assert_eq!(ended.tally.passed, 2);
    }
}
