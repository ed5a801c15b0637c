//! Decides what a slave does when the messages of its master cannot all be true.
//!
//! Model: an impossible path delay or rate proves that something is wrong, but not what is wrong. A
//! single Delay_Resp that is part of an impossible exchange is rejected. If exchanges repeatedly
//! contradict a good time, either the Syncs or the Delay_Resps may be wrong. The estimate is then
//! *suspended*: it accepts no samples until the exchanges are possible again, and then continues.
//! An estimate that has never been good is discarded, and so is an estimate that has been suspended
//! for longer than [`SUSPENDED`].

use super::*;

/// Largest possible difference of rates, ppb. Judgement: crystals are within 100 ppm, and slewing
/// changes the rate of a host's clock by 500 ppm at most (MAXFREQ of adjtimex).
const FASTEST_PPB: f64 = 1e6;
/// Standard deviation below which a rate counts as known, ppb. Derived: an offset can then be
/// extrapolated over 10 s with an error of 100 us.
const KNOWN_PPB: f64 = 1e4;
/// Number of standard deviations by which a rate must exceed [`FASTEST_PPB`] to be impossible.
/// Judgement: exceeded by chance once in 370 (normal distribution).
const RATE_SIGMAS: f64 = 3.0;
/// Number of Delay_Resps with an impossible path delay after which the clock reacquires. Judgement:
/// the length of the window of exchanges.
const IMPOSSIBLE: u32 = 5;
/// How long the estimate may remain suspended. Judgement: a crystal whose rate is known to 0.1 ppm
/// holds the time to within a few us for that long, and a master whose messages contradict each
/// other for longer will continue to do so.
const SUSPENDED: Nanos = Nanos::from_secs(60);

impl SlaveClock {
    /// Suspends the estimate if its own delay and rate are possible; otherwise discards it.
    pub(super) fn suspend(&mut self, now: LocalTime, doubt: LockCause) {
        self.doubted = Some(doubt);
        if self.is_estimate_possible() {
            self.suspended = Some(now);
        } else {
            self.reacquire(now);
        }
    }

    /// Ends a suspension when the exchanges are possible again, however long it has lasted, because
    /// a clock in holdover keeps its estimate. If they are still impossible after [`SUSPENDED`],
    /// the estimate is discarded.
    pub(super) fn end_suspension(&mut self, now: LocalTime) {
        let Some(since) = self.suspended else { return };
        if self.round_trips.impossible(self.jitter()).is_none() {
            self.suspended = None;
            self.steps = StepDetector::default();
            self.unsteady.forget();
            self.lock.discard_evidence();
        } else if now.since(since) > SUSPENDED {
            self.reacquire(now);
        }
    }

    /// Judges an exchange while the clock is not locked. An estimate that was good is suspended. An
    /// estimate that has never been good has learnt from the impossible exchanges, so it is
    /// discarded when these exchanges stop or become too many.
    pub(super) fn count_impossible(&mut self, now: LocalTime) {
        let doubt = self.doubt_of_estimate();
        if let Some(doubt) = doubt.filter(|_| self.was_usable) {
            self.suspend(now, doubt);
            return;
        }
        let ended = self.impossible > 0 && doubt.is_none();
        if doubt.is_some() {
            self.doubted = doubt;
            self.impossible += 1;
        }
        if ended || self.impossible == IMPOSSIBLE {
            self.reacquire(now);
        }
    }

    /// Counts a Sync while the clock is not locked. Discards the estimate after `unlocked_limit` of
    /// them, and doubles the limit for the next estimate.
    pub(super) fn count_unlocked_sync(&mut self, now: LocalTime) {
        self.unlocked_syncs += 1;
        if self.unlocked_syncs == self.unlocked_limit {
            self.unlocked_limit = self.unlocked_limit.saturating_mul(2);
            self.reacquire(now);
        }
    }

    /// The measured path delay, if it is impossible.
    fn impossible_delay(&self) -> Option<PathDelayClaim> {
        if self.path_delay != PathDelay::Measured {
            return None;
        }
        let exchanges = self.round_trips.impossible(self.jitter());
        exchanges.or_else(|| Some(self.estimated_delay()).filter(|_| self.answered && !self.is_delay_possible()))
    }

    /// Whether Syncs that are later by `late_ns` are being held back on the way. If the path had
    /// become longer instead, exchanges would take longer, too.
    pub(super) fn is_held_back(&self, late_ns: f64) -> bool {
        self.path_delay == PathDelay::Measured && !self.round_trips.explains_later(late_ns, self.jitter())
    }

    /// The path delay that would be computed if the path of the Syncs were longer by `late_ns`.
    pub(super) fn claim_of_later_syncs(&self, late_ns: f64) -> PathDelayClaim {
        let estimated = self.estimated_delay();
        PathDelayClaim { delay: estimated.delay + Nanos::from_nanos_f64(late_ns / 2.0), ..estimated }
    }

    /// Whether the estimated path delay and rate are both possible.
    fn is_estimate_possible(&self) -> bool {
        self.is_delay_possible() && self.impossible_rate().is_none()
    }

    fn is_delay_possible(&self) -> bool {
        !self.estimated_delay().is_impossible(self.jitter())
    }

    fn estimated_delay(&self) -> PathDelayClaim {
        PathDelayClaim { delay: self.mean_path_delay(), round_trip: self.round_trips.shortest() }
    }

    /// The estimated rate, if it is impossible.
    fn impossible_rate(&self) -> Option<Ppb> {
        let map = self.estimator.map()?;
        let (rate, sigma) = (map.rate(), map.rate_sigma());
        let beyond_ppb = rate.as_ppb().abs() - RATE_SIGMAS * sigma.as_ppb();
        (beyond_ppb.is_nan() || beyond_ppb > FASTEST_PPB).then_some(rate)
    }

    /// The rate, ppb, if it is known well enough to extrapolate an offset over some seconds.
    pub(super) fn known_rate_ppb(&self) -> Option<f64> {
        let map = self.estimator.map()?;
        let known = map.rate_sigma().as_ppb() < KNOWN_PPB && self.impossible_rate().is_none();
        known.then_some(map.rate().as_ppb())
    }

    /// Why the time in the messages cannot be true, if that is proven.
    pub(super) fn doubt(&self) -> Option<LockCause> {
        let delay = self.impossible_delay().map(|claim| claim.cause());
        delay.or_else(|| self.impossible_rate().map(|rate| LockCause::ImpossibleRate { rate }))
    }

    /// Why the estimated time cannot be true, if that is proven. While the packets of a new master
    /// are still being compared with each other, the estimate contains none of them, so
    /// contradictions between these packets do not cast doubt on the estimate.
    pub(super) fn doubt_of_estimate(&self) -> Option<LockCause> {
        self.doubt().filter(|_| self.new_master.is_none())
    }
}

#[cfg(test)]
mod tests;
