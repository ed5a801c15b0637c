//! `--wait` and `wait_s`: how long a command waits for its clock before it gives up, and the words for why there
//! is none; and the words for the host's own clock.

use crate::failure::{Failure, Result};
use engine::Nanos;
use engine::announce::sdp::ReferenceClock;
use engine::ptp::Diagnosis;
use net::clock;
use net::ptp::{PtpClient, PtpStatus};

/// The wait for a clock.
pub(crate) struct ClockWait {
    limit: Option<Nanos>,
    over: bool,
}

impl ClockWait {
    /// A wait of at most `seconds`, or for ever.
    pub(crate) fn new(seconds: Option<f64>) -> Result<Self> {
        if let Some(wrong) = seconds.filter(|seconds| !(0.0..1e9).contains(seconds)) {
            return Err(Failure::input(format!("a wait of {wrong} s: right would be a number of seconds, 0 or more")));
        }
        Ok(Self { limit: seconds.map(Nanos::from_secs_f64), over: false })
    }

    /// Looks whether the clock is `known` after `elapsed`.
    ///
    /// # Errors
    /// If it is not, and the time is over: once it was known, it may be lost again.
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

/// Why nothing was sent by a client's clock.
pub(crate) fn nothing_sent(client: &PtpClient) -> String {
    if client.status().is_usable() { "the clock is known, but no audio has come".to_owned() } else { reason(client) }
}

/// Whether another grandmaster is followed than a description names.
pub(crate) fn other_grandmaster(status: &PtpStatus, clock: &ReferenceClock) -> Option<Diagnosis> {
    let ReferenceClock::Ptp { grandmaster: described, .. } = *clock else { return None };
    let followed = status.grandmaster().filter(|_| status.is_usable())?;
    (followed != described).then_some(Diagnosis::OtherGrandmaster { followed, described })
}

/// `CLOCK_MONOTONIC_RAW` on Linux, and how often it ran backwards, and by how much at most.
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
