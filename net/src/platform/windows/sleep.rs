//! Sleeps until a time.

use super::clock::now;
use super::wait::Waker;
use engine::LocalTime;
use std::time::Duration;

/// Returns when `due` has passed. Wakers do not end the sleep.
pub(crate) fn until(due: LocalTime) {
    thread_local! {
        // The timer of a `Waker` has a higher resolution than the system's tick, which limits an
        // ordinary sleep.
        static SLEEPER: Option<Waker> = Waker::new().ok();
    }
    let ahead = due - now();
    if ahead.as_nanos() <= 0 {
        return;
    }
    SLEEPER.with(|sleeper| match sleeper {
        Some(sleeper) => sleeper.wait(&[], ahead),
        None => std::thread::sleep(Duration::from_nanos(ahead.as_nanos() as u64)),
    });
}
