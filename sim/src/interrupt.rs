//! Ctrl-C, and a service manager's SIGTERM: the first ends a run in order, the second at once.

use sim::world::Control;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Ended by Ctrl-C: 128 + SIGINT, the convention of shells.
const EXIT_INTERRUPTED: u8 = 130;
/// Ended by a service manager: 128 + SIGTERM.
#[cfg(unix)]
const EXIT_TERMINATED: u8 = 143;

/// The exit code of the received signal; that of Ctrl-C before any.
static CODE: AtomicU8 = AtomicU8::new(EXIT_INTERRUPTED);

/// The exit code of a run that was ended.
pub(crate) fn exit_code() -> ExitCode {
    ExitCode::from(raw_exit_code())
}

/// The same as a number.
pub(crate) fn raw_exit_code() -> u8 {
    CODE.load(Ordering::Relaxed)
}

/// Lets a signal end a run in order, and the second one at once. Threads that are there already
/// would still take the signals themselves: call it before others are started.
pub(crate) fn stop(control: &Arc<Control>) {
    let control = Arc::clone(control);
    let end = move |code: u8| {
        CODE.store(code, Ordering::Relaxed);
        if control.cancelled.swap(true, Ordering::Relaxed) {
            eprintln!("interrupted again: the files of this run are not whole");
            std::process::exit(i32::from(code));
        }
    };
    if let Err(error) = on_signals(end) {
        eprintln!("warning: Ctrl-C will not finish the files: {error}");
    }
}

/// Calls `end` with the exit code of each signal. They are blocked and waited for by a thread,
/// which may do what a signal handler may not.
#[cfg(unix)]
fn on_signals(end: impl Fn(u8) + Send + 'static) -> std::io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    signals.thread_block()?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while let Ok(signal) = signals.wait() {
            end(if signal == Signal::SIGTERM { EXIT_TERMINATED } else { EXIT_INTERRUPTED });
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn on_signals(end: impl Fn(u8) + Send + 'static) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || end(EXIT_INTERRUPTED))
}
