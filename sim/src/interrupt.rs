//! Ctrl-C and a service manager's SIGTERM: the first signal ends a run in an orderly way, the
//! second one at once.

use sim::world::Control;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Ended by Ctrl-C: 128 + SIGINT, the convention of shells.
const EXIT_INTERRUPTED: u8 = 130;
/// Ended by a service manager: 128 + SIGTERM.
#[cfg(unix)]
const EXIT_TERMINATED: u8 = 143;

/// The exit code for the received signal; before any signal, that for Ctrl-C.
static CODE: AtomicU8 = AtomicU8::new(EXIT_INTERRUPTED);

/// The exit code of a run that was ended.
pub(crate) fn exit_code() -> ExitCode {
    ExitCode::from(raw_exit_code())
}

/// The same as a number.
pub(crate) fn raw_exit_code() -> u8 {
    CODE.load(Ordering::Relaxed)
}

/// Lets the first signal end a run in an orderly way, and the second one at once. Call it before
/// other threads are started, because threads that exist already would still receive the signals
/// themselves.
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

/// Calls `end` with the exit code of each signal. The signals are blocked, and a thread waits for
/// them, because it may do what a signal handler may not.
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
