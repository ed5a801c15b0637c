//! A free-running crystal: true time to the time that a clock shows.
//!
//! Model: the frequency is constant within each segment, which is a [`SEGMENT`] or ends where a
//! slew begins or ends, and is the sum of a constant, a random walk, a sine, a warm-up, ramps and
//! slews. Elapsed clock time is true time plus an accumulated error in ns, so it is exact to far
//! below 1 ns over days. The last [`REMEMBERED`] segments are kept: questions may look ahead (when
//! is this timer due?) and return.

use super::streams::RandomStream;
use crate::scenario::{Crystal, Fault, PartsPerMillion, Seconds, SlewPpm};
use engine::Nanos;
use std::collections::VecDeque;

/// Length of a period of constant frequency, if no slew begins or ends in it.
pub const SEGMENT: Nanos = Nanos::from_secs(1);

/// Number of segments kept: the largest distance in seconds between two times for which the clock
/// is read alternately.
const REMEMBERED: usize = 128;

/// True time since the start of the run.
pub type TrueTime = i64;

#[derive(Clone, Copy, Debug)]
struct Segment {
    start_ns: TrueTime,
    end_ns: TrueTime,
    /// Clock minus true time at the start, ns.
    error_ns: f64,
    /// Frequency, ns/s.
    rate_ppb: f64,
}

impl Segment {
    fn error_at(&self, t: TrueTime) -> f64 {
        self.error_ns + self.rate_ppb * 1e-9 * (t - self.start_ns) as f64
    }

    fn shown_at_start(&self) -> f64 {
        self.start_ns as f64 + self.error_ns
    }

    fn shown_at_end(&self) -> f64 {
        self.end_ns as f64 + self.error_at(self.end_ns)
    }
}

/// A gradual change of frequency.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    /// Start.
    pub from_ns: TrueTime,
    /// End.
    pub to_ns: TrueTime,
    /// Change reached at the end, and kept.
    pub change_ppb: f64,
}

impl Ramp {
    /// The change of a crystal's rate by a fault. It takes a second if the fault has no duration.
    pub(crate) fn of(fault: &Fault, change: PartsPerMillion) -> Self {
        let from_ns = fault.at_s.as_ref().nanos().as_nanos();
        let length = fault.for_s.map_or(Nanos::from_secs(1), Seconds::nanos);
        Self { from_ns, to_ns: from_ns + length.as_nanos(), change_ppb: change.get() * 1e3 }
    }
}

/// A temporary change of frequency, as by a time service that steers a clock.
#[derive(Clone, Copy, Debug)]
pub struct Slew {
    /// Start.
    pub from_ns: TrueTime,
    /// End.
    pub to_ns: TrueTime,
    /// Change in between.
    pub change_ppb: f64,
}

impl Slew {
    /// The slews of a clock by a fault, one for each time that it occurs in a run of this length.
    pub(crate) fn all_of(fault: &Fault, rate: SlewPpm, duration: Nanos) -> impl Iterator<Item = Self> {
        fault.times(duration).map(move |(from, to)| Self {
            from_ns: from.as_nanos(),
            to_ns: to.map_or(TrueTime::MAX, Nanos::as_nanos),
            change_ppb: rate.get() * 1e3,
        })
    }
}

/// A crystal clock.
#[derive(Clone, Debug)]
pub struct CrystalClock {
    config: Crystal,
    ramps: Vec<Ramp>,
    slews: Vec<Slew>,
    walk: RandomStream,
    walked_ppb: f64,
    /// In order of time; never empty.
    segments: VecDeque<Segment>,
}

impl CrystalClock {
    /// A clock that shows 0 at true time 0.
    #[must_use]
    pub fn new(config: Crystal, ramps: Vec<Ramp>, walk: RandomStream) -> Self {
        Self::slewed(config, ramps, Vec::new(), walk)
    }

    /// As [`CrystalClock::new`], with slews.
    #[must_use]
    pub fn slewed(config: Crystal, ramps: Vec<Ramp>, slews: Vec<Slew>, walk: RandomStream) -> Self {
        let segments = VecDeque::with_capacity(REMEMBERED);
        let mut clock = Self { config, ramps, slews, walk, walked_ppb: 0.0, segments };
        let first = clock.segment_from(0, 0.0);
        clock.segments.push_back(first);
        clock
    }

    fn segment_from(&self, start_ns: TrueTime, error_ns: f64) -> Segment {
        let full = (start_ns / SEGMENT.as_nanos() + 1) * SEGMENT.as_nanos();
        let edges = self.slews.iter().flat_map(|slew| [slew.from_ns, slew.to_ns]).filter(|&edge| edge > start_ns);
        Segment {
            start_ns,
            end_ns: edges.fold(full, TrueTime::min),
            error_ns,
            rate_ppb: self.rate_of_segment(start_ns),
        }
    }

    fn rate_of_segment(&self, start_ns: TrueTime) -> f64 {
        let t_s = start_ns as f64 * 1e-9;
        let c = &self.config;
        let mut ppb = c.offset_ppm.get() * 1e3 + self.walked_ppb;
        if c.sine_period_s.get() > 0.0 {
            ppb += c.sine_ppm.get() * 1e3 * libm::sin(2.0 * std::f64::consts::PI * t_s / c.sine_period_s.get());
        }
        if c.warm_up_s.get() > 0.0 {
            ppb -= c.warm_up_ppm.get() * 1e3 * libm::exp(-t_s / c.warm_up_s.get());
        }
        for ramp in &self.ramps {
            let span = (ramp.to_ns - ramp.from_ns).max(1) as f64;
            ppb += ramp.change_ppb * ((start_ns - ramp.from_ns) as f64 / span).clamp(0.0, 1.0);
        }
        let slews = self.slews.iter().filter(|slew| (slew.from_ns..slew.to_ns).contains(&start_ns));
        ppb + slews.map(|slew| slew.change_ppb).sum::<f64>()
    }

    fn newest(&self) -> Segment {
        *self.segments.back().expect("there is always a segment")
    }

    fn append(&mut self) {
        let last = self.newest();
        let start_ns = last.end_ns;
        // The random walk advances once per second, wherever slews begin, so that it is the same
        // with and without slews.
        if start_ns % SEGMENT.as_nanos() == 0 {
            self.walked_ppb += self.config.random_walk_ppb.get() * self.walk.normal();
        }
        let next = self.segment_from(start_ns, last.error_at(start_ns));
        if self.segments.len() == REMEMBERED {
            self.segments.pop_front();
        }
        self.segments.push_back(next);
    }

    fn segment(&mut self, t: TrueTime) -> Segment {
        while t >= self.newest().end_ns {
            self.append();
        }
        let found = self.segments.iter().rev().find(|segment| segment.start_ns <= t);
        *found.unwrap_or(&self.segments[0])
    }

    /// Clock minus true time at `t`, ns.
    pub fn error_ns(&mut self, t: TrueTime) -> f64 {
        self.segment(t).error_at(t)
    }

    /// What the clock shows at true time `t`, rounded to 1 ns.
    pub fn read(&mut self, t: TrueTime) -> Nanos {
        Nanos::new(t + libm::round(self.error_ns(t)) as i64)
    }

    /// The clock's frequency at `t`, ppb.
    pub fn rate_ppb(&mut self, t: TrueTime) -> f64 {
        self.segment(t).rate_ppb
    }

    /// The true time at which the clock shows `shown_ns` (with fraction), rounded up to 1 ns.
    pub fn true_time_of(&mut self, shown_ns: f64) -> TrueTime {
        while self.newest().shown_at_end() <= shown_ns {
            self.append();
        }
        let found = self.segments.iter().rev().find(|segment| segment.shown_at_start() <= shown_ns);
        let segment = *found.unwrap_or(&self.segments[0]);
        let relative = (shown_ns - segment.shown_at_start()) / (1.0 + segment.rate_ppb * 1e-9);
        segment.start_ns + libm::ceil(relative) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{PartsPerMillion, SinePeriod, WanderPpb};

    fn crystal(ppm: f64) -> Crystal {
        Crystal { offset_ppm: PartsPerMillion::try_from(ppm).unwrap(), ..Crystal::default() }
    }

    fn clock(config: Crystal, ramps: Vec<Ramp>) -> CrystalClock {
        CrystalClock::new(config, ramps, RandomStream::new(7, "test"))
    }

    #[test]
    fn a_constant_offset_adds_up_exactly() {
        let mut clock = clock(crystal(120.0), vec![]);
        for hour in 1..=24 {
            let t = hour * 3_600_000_000_000;
            assert!((clock.error_ns(t) - t as f64 * 120e-6).abs() < 0.5, "hour {hour}");
        }
    }

    #[test]
    fn reading_and_its_inverse_agree() {
        let config = Crystal {
            random_walk_ppb: WanderPpb::try_from(50.0).unwrap(),
            sine_ppm: PartsPerMillion::try_from(5.0).unwrap(),
            sine_period_s: SinePeriod::try_from(100.0).unwrap(),
            ..crystal(-80.0)
        };
        let mut clock = clock(config, vec![]);
        for i in 1..2_000i64 {
            let shown = i as f64 * 20_000_000.0;
            let t = clock.true_time_of(shown);
            let error = clock.read(t).as_nanos() as f64 - shown;
            assert!((0.0..=1.5).contains(&error), "{error} ns at {t}");
        }
    }

    #[test]
    fn a_slew_lasts_from_its_start_to_its_end_to_the_nanosecond() {
        const MS: TrueTime = 1_000_000;
        let walking = Crystal { random_walk_ppb: WanderPpb::try_from(50.0).unwrap(), ..crystal(30.0) };
        let slew = Slew { from_ns: 2_300 * MS, to_ns: 62_300 * MS, change_ppb: 500_000.0 };
        let walk = || RandomStream::new(7, "test");
        let (mut plain, mut slewed) =
            (clock(walking, vec![]), CrystalClock::slewed(walking, vec![], vec![slew], walk()));
        for (at_ms, by_ns) in [(2_300, 0.0), (2_301, 500.0), (32_300, 15e6), (62_300, 30e6), (300_000, 30e6)] {
            let by = slewed.error_ns(at_ms * MS) - plain.error_ns(at_ms * MS);
            assert!((by - by_ns).abs() < 1e-3, "at {at_ms} ms: {by} ns, not {by_ns}");
        }
        let mut slewed = CrystalClock::slewed(walking, vec![], vec![slew], walk());
        for i in 1..2_000i64 {
            let shown = i as f64 * 47_000_000.0;
            let t = slewed.true_time_of(shown);
            let error = slewed.read(t).as_nanos() as f64 - shown;
            assert!((0.0..=1.5).contains(&error), "{error} ns at {t}");
        }
    }

    #[test]
    fn a_ramp_is_reached_and_kept() {
        let ramp = Ramp { from_ns: 10_000_000_000, to_ns: 20_000_000_000, change_ppb: 5_000.0 };
        let mut clock = clock(crystal(1.0), vec![ramp]);
        let rate_at = |clock: &mut CrystalClock, s: i64| clock.rate_ppb(s * 1_000_000_000);
        assert!((rate_at(&mut clock, 5) - 1_000.0).abs() < 1e-6);
        assert!((rate_at(&mut clock, 15) - 3_500.0).abs() < 1e-6);
        assert!((rate_at(&mut clock, 100) - 6_000.0).abs() < 1e-6);
    }
}
