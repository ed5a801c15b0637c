//! What a slave does when the messages of its master cannot all be true.
//!
//! Model: a path delay or a rate that is impossible proves that something is wrong, but not what. A
//! single Delay_Resp that makes an impossible exchange is refused. If exchanges contradict a good
//! time again and again, nobody can tell whether Syncs or Delay_Resps are wrong. The estimate is
//! then *suspended*: it takes nothing until the exchanges are as they were, and continues from
//! there. One that was never good is given up, and so is one that was suspended for [`SUSPENDED`].

use super::*;

/// Largest possible difference of rates, ppb. Judgement: crystals are within 100 ppm, and slewing
/// changes the rate of a host's clock by 500 ppm at most (MAXFREQ of adjtimex).
const FASTEST_PPB: f64 = 1e6;
/// Standard deviation below which a rate is known, ppb. Derived: it propagates an offset over 10 s
/// to 100 us.
const KNOWN_PPB: f64 = 1e4;
/// Standard deviations of the rate by which it must exceed [`FASTEST_PPB`]. Judgement: exceeded by
/// chance once in 370 (normal distribution).
const RATE_SIGMAS: f64 = 3.0;
/// Delay_Resps that yield an impossible path delay, after which the clock reacquires. Judgement:
/// the length of the window of exchanges.
const IMPOSSIBLE: u32 = 5;
/// How long the estimate is suspended. Judgement: a crystal of which 0.1 ppm is known holds the time
/// to some us for that long, and a master whose messages contradict each other for longer has
/// changed its ways.
const SUSPENDED: Nanos = Nanos::from_secs(60);

impl SlaveClock {
    /// Suspends an estimate that is possible itself, and gives up another one.
    pub(super) fn suspend(&mut self, now: LocalTime, doubt: LockCause) {
        self.doubted = Some(doubt);
        if self.is_estimate_possible() {
            self.suspended = Some(now);
        } else {
            self.reacquire(now);
        }
    }

    /// Ends a suspension when the exchanges are possible again, or when it has lasted too long.
    pub(super) fn end_suspension(&mut self, now: LocalTime) {
        let Some(since) = self.suspended else { return };
        if now.since(since) > SUSPENDED {
            self.reacquire(now);
        } else if self.round_trips.impossible(self.jitter()).is_none() {
            self.suspended = None;
            self.steps = StepDetector::default();
            self.unsteady.forget();
            self.lock.hear_again();
        }
    }

    /// Judges an exchange while the clock is not locked. An estimate that was good is suspended. When
    /// exchanges that yield an impossible time end, what another one learnt from them is discarded.
    pub(super) fn count_impossible(&mut self, now: LocalTime) {
        let doubt = self.doubt();
        if let Some(doubt) = doubt.filter(|_| self.was_good) {
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

    /// Counts a Sync while the clock is not locked.
    pub(super) fn count_fruitless(&mut self, now: LocalTime) {
        self.fruitless += 1;
        if self.fruitless == self.patience {
            self.patience = self.patience.saturating_mul(2);
            self.reacquire(now);
        }
    }

    /// The measured path delay, if no path can have it.
    fn impossible_delay(&self) -> Option<PathDelayClaim> {
        let measured = self.path_delay == PathDelay::Measured && self.answered;
        if !measured {
            return None;
        }
        let claim = PathDelayClaim { delay: self.mean_path_delay(), round_trip: self.round_trips.shortest() };
        let exchanges = self.round_trips.impossible(self.jitter());
        exchanges.or_else(|| Some(claim).filter(|claim| claim.is_impossible(self.jitter())))
    }

    /// Whether Syncs that are later by `late_ns` contradict the time that exchanges take.
    pub(super) fn is_held_back(&self, late_ns: f64) -> bool {
        self.path_delay == PathDelay::Measured && !self.round_trips.explains_later(late_ns, self.jitter())
    }

    /// The path delay, if the Syncs' path were longer by `late_ns`.
    pub(super) fn claim_of_later_syncs(&self, late_ns: f64) -> PathDelayClaim {
        let delay = self.mean_path_delay() + Nanos::from_nanos_f64(late_ns / 2.0);
        PathDelayClaim { delay, round_trip: self.round_trips.shortest() }
    }

    /// Whether path delay and rate of the estimate are possible.
    fn is_estimate_possible(&self) -> bool {
        let delay = PathDelayClaim { delay: self.mean_path_delay(), round_trip: self.round_trips.shortest() };
        !delay.is_impossible(self.jitter()) && self.impossible_rate().is_none()
    }

    /// The rate, if no clock can have it.
    fn impossible_rate(&self) -> Option<Ppb> {
        let map = self.estimator.map()?;
        let (rate, sigma) = (map.rate(), map.rate_sigma());
        let beyond_ppb = rate.as_ppb().abs() - RATE_SIGMAS * sigma.as_ppb();
        (beyond_ppb.is_nan() || beyond_ppb > FASTEST_PPB).then_some(rate)
    }

    /// The rate, ppb, if it is known well enough to propagate an offset over some seconds.
    pub(super) fn known_rate_ppb(&self) -> Option<f64> {
        let map = self.estimator.map()?;
        let known = map.rate_sigma().as_ppb() < KNOWN_PPB && self.impossible_rate().is_none();
        known.then_some(map.rate().as_ppb())
    }

    /// Why the time of the messages cannot be true.
    pub(super) fn doubt(&self) -> Option<LockCause> {
        let delay = self.impossible_delay().map(|claim| claim.cause());
        delay.or_else(|| self.impossible_rate().map(|rate| LockCause::ImpossibleRate { rate }))
    }
}

#[cfg(test)]
mod tests;
