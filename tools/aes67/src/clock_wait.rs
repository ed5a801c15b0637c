//! `--wait` and `wait_s`: how long a command waits for its clock before it gives up. Also messages
//! that explain why there is no clock.

use crate::failure::{Failure, Result};
use engine::Nanos;
use engine::announce::sdp::ReferenceClock;
use engine::ptp::Diagnosis;
use net::clock;
use net::ptp::{PtpClient, PtpStatus};

/// A limited or unlimited wait for a clock.
pub(crate) struct ClockWait {
    limit: Option<Nanos>,
    over: bool,
}

impl ClockWait {
    /// Creates a wait of at most `seconds`, or without a limit.
    pub(crate) fn new(seconds: Option<f64>) -> Result<Self> {
        if let Some(wrong) = seconds.filter(|seconds| !(0.0..1e9).contains(seconds)) {
            return Err(Failure::input(format!("a wait of {wrong} s: right would be a number of seconds, 0 or more")));
        }
        Ok(Self { limit: seconds.map(Nanos::from_secs_f64), over: false })
    }

    /// Updates the wait: `known` states whether the clock is known now, after `elapsed`.
    ///
    /// # Errors
    /// If the clock has never been known and the time limit has passed. A clock that has been known
    /// may be lost again without an error.
    pub(crate) fn look(&mut self, elapsed: Nanos, known: bool, reason: impl FnOnce() -> String) -> Result<()> {
        self.over |= known;
        match self.limit.filter(|limit| !self.over && elapsed >= *limit) {
            Some(limit) => Err(Failure::run(format!("no clock within {limit}: {}", reason()))),
            None => Ok(()),
        }
    }
}

/// Why a client has no clock.
pub(crate) fn reason(client: &PtpClient) -> String {
    client.status().reason.clone()
}

/// Why a sender that is paced by this client has sent nothing.
pub(crate) fn nothing_sent(client: &PtpClient) -> String {
    if client.status().is_usable() { "the clock is known, but no audio has come".to_owned() } else { reason(client) }
}

/// The diagnosis that a grandmaster other than the described one is followed; otherwise `None`.
pub(crate) fn other_grandmaster(status: &PtpStatus, clock: &ReferenceClock) -> Option<Diagnosis> {
    let ReferenceClock::Ptp { grandmaster: described, .. } = *clock else { return None };
    let followed = status.grandmaster().filter(|_| status.is_usable())?;
    (followed != described).then_some(Diagnosis::OtherGrandmaster { followed, described })
}

/// The name of the local clock, such as `CLOCK_MONOTONIC_RAW`. If the clock ran backwards, also how
/// often, and the largest step.
pub(crate) fn local_clock((steps_back, largest): (u64, Nanos)) -> String {
    match steps_back {
        0 => clock::NAME.to_owned(),
        _ => format!(
            "{}, which ran backwards {steps_back} times, by {largest} at most: time stood still instead",
            clock::NAME
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = Nanos::from_secs(1);

    #[test]
    fn a_wait_ends_with_the_reason_unless_the_clock_was_known_once() {
        let reason = || "nobody is there".to_owned();
        let mut wait = ClockWait::new(Some(2.0)).unwrap();
        assert!(wait.look(SECOND, false, reason).is_ok());
        let failure = wait.look(SECOND.times(2), false, reason).unwrap_err();
        assert_eq!(failure.to_string(), format!("no clock within {}: nobody is there", SECOND.times(2)));
        let mut wait = ClockWait::new(Some(2.0)).unwrap();
        assert!(wait.look(SECOND, true, reason).is_ok());
        assert!(wait.look(SECOND.times(3), false, reason).is_ok());
        assert!(ClockWait::new(None).unwrap().look(SECOND.times(1000), false, reason).is_ok());
        assert!(ClockWait::new(Some(-1.0)).is_err());
    }
}
