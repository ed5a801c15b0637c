//! The clock law of the plugin in the user's report.
//!
//! Law, as reported: the slope of a least-squares line through the last 32 raw offsets (4 s at 8 Sync/s) is low-passed with alpha 0.1. When its size exceeds
//! 50 ppm for 5 samples, the clock is unlocked; while it does not, it is locked. There is no announce timeout, no best master clock algorithm and no
//! holdover.
//!
//! What the report leaves open, and how it is read here, each time in the way that is kindest to the law: the raw offset is that of IEEE 1588
//! (t2 - t1 - mean path delay) with the delay low-passed by the same alpha, so that the regression's noise is that of the Syncs; a sample
//! within 50 ppm locks again at once; nothing is locked before the 32 offsets are there.

use engine::clock::{
    ClockLaw, ClockMap, ClockReading, Direction, LockCause, LockState, LockTransition, PathDelay, PtpMap, TimestampPair,
};
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use std::collections::VecDeque;

const REGRESSION_POINTS: usize = 32;
const ALPHA: f64 = 0.1;
const LIMIT: Ppb = Ppb::from_ppm(50.0);
const SAMPLES_TO_UNLOCK: u32 = 5;

/// The prototype's idea of PTP time.
#[derive(Clone, Debug)]
pub struct PrototypeClock {
    origin: Option<(LocalTime, PtpTime)>,
    /// Last Sync: PTP minus host, ns, delay included.
    forward_ns: Option<f64>,
    delay_ns: Option<f64>,
    /// Host time in s and raw offset (PTP minus host) in ns.
    points: VecDeque<(f64, f64)>,
    /// Low-passed slope: PTP against the host.
    rate: Option<Ppb>,
    exceeded: u32,
    state: LockState,
    pending: Option<LockTransition>,
}

impl Default for PrototypeClock {
    fn default() -> Self {
        Self {
            origin: None,
            forward_ns: None,
            delay_ns: None,
            points: VecDeque::with_capacity(REGRESSION_POINTS),
            rate: None,
            exceeded: 0,
            state: LockState::Listening,
            pending: None,
        }
    }
}

impl PrototypeClock {
    /// The rate that it feeds into playback: PTP against the host, while it believes to be locked.
    #[must_use]
    pub fn rate(&self) -> Option<Ppb> {
        self.rate.filter(|_| self.state == LockState::Locked)
    }

    fn sync(&mut self, at: LocalTime, t_s: f64, forward_ns: f64) {
        self.forward_ns = Some(forward_ns);
        if self.points.len() == REGRESSION_POINTS {
            self.points.pop_front();
        }
        self.points.push_back((t_s, forward_ns + self.delay_ns.unwrap_or(0.0)));
        if self.points.len() < REGRESSION_POINTS {
            self.enter(LockState::Acquiring, at, "the regression's 32 offsets are being collected");
            return;
        }
        let slope_ppb = slope(&self.points);
        let previous = self.rate.map_or(slope_ppb, Ppb::as_ppb);
        let rate_ppb = previous + ALPHA * (slope_ppb - previous);
        self.rate = Some(Ppb::new(rate_ppb));
        self.exceeded = if rate_ppb.abs() > LIMIT.as_ppb() { self.exceeded + 1 } else { 0 };
        if self.exceeded >= SAMPLES_TO_UNLOCK {
            self.enter(LockState::Unlocked, at, "the drift exceeds 50 ppm");
        } else if self.exceeded == 0 {
            self.enter(LockState::Locked, at, "the drift is within 50 ppm");
        }
    }

    fn enter(&mut self, to: LockState, at: LocalTime, reason: &'static str) {
        if to != self.state {
            self.pending = Some(LockTransition { at, from: self.state, to, cause: LockCause::Foreign(reason) });
            self.state = to;
        }
    }
}

/// Least-squares slope, ns/s.
fn slope(points: &VecDeque<(f64, f64)>) -> f64 {
    let n = points.len() as f64;
    let (mean_t, mean_x) = points.iter().fold((0.0, 0.0), |(t, x), point| (t + point.0 / n, x + point.1 / n));
    let (products, squares) = points.iter().fold((0.0, 0.0), |(products, squares), &(t, x)| {
        (products + (t - mean_t) * (x - mean_x), squares + (t - mean_t) * (t - mean_t))
    });
    if squares > 0.0 { products / squares } else { 0.0 }
}

impl ClockLaw for PrototypeClock {
    fn observe(&mut self, pair: &TimestampPair) {
        let (local, remote) = *self.origin.get_or_insert((pair.local, pair.remote));
        let elapsed = pair.local - local;
        let offset_ns = ((pair.remote - remote) - elapsed).as_nanos() as f64;
        match pair.direction {
            Direction::Forward => self.sync(pair.local, elapsed.as_secs_f64(), offset_ns),
            // Mean path delay = ((t2 - t1) + (t4 - t3)) / 2.
            Direction::Reverse => {
                if let Some(forward_ns) = self.forward_ns {
                    let delay_ns = (offset_ns - forward_ns) / 2.0;
                    let previous = self.delay_ns.unwrap_or(delay_ns);
                    self.delay_ns = Some(previous + ALPHA * (delay_ns - previous));
                }
            }
        }
    }

    fn set_sync_interval(&mut self, _interval: Nanos) {}

    fn advance(&mut self, _now: LocalTime) {}

    fn reading(&self, _now: LocalTime) -> ClockReading {
        let map = self.origin.zip(self.points.back()).map(|((local, remote), &(t_s, offset_ns))| {
            let at = local + Nanos::from_secs_f64(t_s);
            PtpMap::new(local, remote, ClockMap::exact(at, offset_ns, self.rate.unwrap_or_default()))
        });
        ClockReading { state: self.state, map, epoch: 0, path_delay: PathDelay::Measured }
    }

    fn poll_transition(&mut self) -> Option<LockTransition> {
        self.pending.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(drift_ppm: f64, jitter_us: i64, syncs: i64) -> PrototypeClock {
        let mut clock = PrototypeClock::default();
        for i in 0..syncs {
            let sent = Nanos::from_millis(125 * i);
            let received = Nanos::new((sent.as_nanos() as f64 * (1.0 + drift_ppm * 1e-6)) as i64);
            let late = Nanos::from_micros((i * 7919) % (jitter_us + 1));
            let local = LocalTime::from_nanos(1) + received + late;
            clock.observe(&TimestampPair { direction: Direction::Forward, local, remote: PtpTime::EPOCH + sent });
        }
        clock
    }

    #[test]
    fn a_quiet_host_within_50_ppm_is_locked_at_its_rate() {
        let clock = run(30.0, 0, 400);
        assert_eq!(clock.reading(LocalTime::ZERO).state, LockState::Locked);
        assert!((clock.rate().unwrap().as_ppm() + 30.0).abs() < 0.1, "{:?}", clock.rate());
    }

    #[test]
    fn a_true_drift_beyond_50_ppm_never_locks() {
        assert_eq!(run(60.0, 0, 4000).reading(LocalTime::ZERO).state, LockState::Unlocked);
    }
}
