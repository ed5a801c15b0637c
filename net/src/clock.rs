//! The host clock, and the system clock alongside it.
//!
//! Model: the engine assumes a clock that nobody disciplines, so [`LocalTime`] is the time of a
//! free-running crystal, which no time service slews or steps:
//!
//! | system | the host's clock | while the machine sleeps | a receive stamp of the system |
//! |---|---|---|---|
//! | Linux | `CLOCK_MONOTONIC_RAW` | stands still | `CLOCK_REALTIME`, converted |
//! | Windows | `QueryPerformanceCounter` | runs on | none: the time at which the packet was read |
//! | macOS | `mach_absolute_time` | stands still | the host's clock itself |
//!
//! Linux's `CLOCK_MONOTONIC` is not used, because it is slewed together with the system clock by up
//! to 500 ppm, and every estimate would have to follow that slew.
//!
//! Guarantee: [`now`] never runs backwards, not even between threads. The operating systems promise
//! this for these clocks. If a clock nevertheless runs backwards (because a virtual machine is
//! migrated or restored, or the counters of two processors disagree), [`now`] stands still until
//! the clock has caught up, and [`steps_back`] counts the event. The clock may still leap forward
//! or stand still: a paused virtual machine resumes at the time at which it stopped, or later, as
//! its host decides, and a machine that sleeps behaves as stated in the table. The engine notices
//! both from PTP and from the packets.
//!
//! Linux stamps packets in system time (`CLOCK_REALTIME`). To convert a stamp, both clocks are read
//! after the packet was read, once for all packets of a system call. The age of the stamp is then
//! the same on both clocks, except for the slew of the system clock during this age: 0.1 ns for an
//! age of 1 us and a slew of 100 ppm. The remaining error is half of the time that it took to read
//! the clocks, typically about 50 ns; see [`StampConverter::worst`]. If somebody sets the system
//! clock by more than the error of a reading, in either direction, earlier stamps are converted
//! with the time that was valid before the step. Stamps that may be from before or after the step
//! are refused (`clock/steps.rs`).
//!
//! A network card stamps packets in the time of its own clock. Such a stamp is converted in the
//! same way, by reading this clock. Two crystals differ by up to 100 ppm, which would cause an
//! error of 1 us for a stamp that is 10 ms old because the program was delayed. So the age is
//! corrected by the rate of the card's clock, which is measured between two readings about a second
//! apart. The engine's estimator is not used for this: the readings are accurate to a microsecond,
//! so two of them suffice, and a card's clock is usually disciplined by another program, which may
//! step or slew it at any time.

mod steps;

use crate::platform::{self, Bracket, HardwareReading};
use engine::clock::{Discipline, SystemClock, SystemEpoch, SystemReading};
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use std::cell::OnceCell;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use steps::{Reading, Steps};

/// Readings of both clocks that take longer than this were interrupted and are repeated.
const INTERRUPTED: Nanos = Nanos::from_micros(2);
const TRIES: usize = 3;
/// Limits for the apparent age of a stamp. If the age exceeds the longest possible waiting time by
/// more than [`OLDEST`], or if the stamp is further in the future than [`EARLIEST`] (more than the
/// error of a reading), the stamp was taken before somebody set the clock.
const OLDEST: Nanos = Nanos::from_secs(1);
const EARLIEST: Nanos = Nanos::from_micros(-100);
/// Time between the two readings of a card's clock from which its rate is measured. A reading has
/// an error of a microsecond, so the rate has an error of 1 ppm, which is 10 ns in 10 ms.
const RATE_INTERVAL: Nanos = Nanos::from_secs(1);
/// If two measured rates of a card differ by more than this, its clock was stepped between them, or
/// its frequency adjustment was changed.
const AGREEMENT_PPM: f64 = 100.0;

/// The system's name for the host clock.
pub const NAME: &str = platform::clock::NAME;

static HOST: NonDecreasing = NonDecreasing::new();

/// Reads the host clock. The result is never earlier than a previous one.
#[must_use]
pub fn now() -> LocalTime {
    HOST.read(platform::clock::now)
}

/// How often the host clock ran backwards, during which [`now`] stood still, and the largest such
/// step.
#[must_use]
pub fn steps_back() -> (u64, Nanos) {
    (HOST.count.load(Ordering::Relaxed), Nanos::new(HOST.largest_ns.load(Ordering::Relaxed)))
}

/// A clock that does not run backwards.
struct NonDecreasing {
    latest_ns: AtomicI64,
    count: AtomicU64,
    largest_ns: AtomicI64,
}

impl NonDecreasing {
    const fn new() -> Self {
        Self { latest_ns: AtomicI64::new(i64::MIN), count: AtomicU64::new(0), largest_ns: AtomicI64::new(0) }
    }

    fn read(&self, clock: impl FnOnce() -> LocalTime) -> LocalTime {
        // This is loaded before the clock is read, because other threads may store a later time in
        // between.
        let latest_ns = self.latest_ns.load(Ordering::Acquire);
        let now = clock();
        if now.as_nanos() >= latest_ns {
            self.latest_ns.fetch_max(now.as_nanos(), Ordering::Release);
            return now;
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.largest_ns.fetch_max(latest_ns - now.as_nanos(), Ordering::Relaxed);
        LocalTime::from_nanos(latest_ns)
    }
}

/// Reads both clocks at one moment: the host clock, and the system clock (UTC). The result is as
/// accurate as a converted stamp.
#[must_use]
pub fn now_with_system() -> (LocalTime, PtpTime) {
    let SystemRead { both, .. } = read_system(INTERRUPTED);
    (middle(&both), both.other)
}

/// Converts the kernel's timestamps to host time.
#[derive(Clone, Copy, Debug)]
pub struct StampConverter {
    worst: Nanos,
    refused: u64,
    card: PhcRate,
    steps: Steps,
}

impl Default for StampConverter {
    fn default() -> Self {
        Self::new()
    }
}

impl StampConverter {
    /// Creates a converter for stamps that are taken from now on.
    #[must_use]
    pub fn new() -> Self {
        let mut steps = Steps::default();
        steps.observe(&read_system(INTERRUPTED).reading);
        Self { worst: Nanos::ZERO, refused: 0, card: PhcRate::default(), steps }
    }

    /// Resets the error, the number of refused stamps and the rate of the card's clock, because
    /// another card may be used from now on.
    pub(crate) fn restart(&mut self) {
        *self = Self { worst: Nanos::ZERO, refused: 0, card: PhcRate::default(), steps: self.steps };
    }

    /// Converts a stamp from system time to host time. The stamp has waited for at most `waited`
    /// plus one second, where `waited` is the time since all arrivals were last read. `None` if the
    /// time is unknown, because the system clock was set in the meantime.
    pub fn convert(&mut self, stamp: PtpTime, waited: Nanos) -> Option<LocalTime> {
        self.convert_at(stamp, waited, &Look::now())
    }

    /// Like [`StampConverter::convert`], for one of several stamps that were all made before
    /// `look`.
    pub(crate) fn convert_at(&mut self, stamp: PtpTime, waited: Nanos, look: &Look) -> Option<LocalTime> {
        self.convert_system(stamp, waited, look.system())
    }

    fn convert_system(&mut self, stamp: PtpTime, waited: Nanos, read: &SystemRead) -> Option<LocalTime> {
        self.watch(read);
        let now = read.reading.middle();
        let converted = self.steps.stamped_at(stamp, now, waited + OLDEST).map(|at| middle(&read.both) - (now - at));
        self.count(converted, &read.both)
    }

    /// Checks whether the system clock has been set since it was last read, and logs it.
    fn watch(&mut self, read: &SystemRead) -> bool {
        let step = self.steps.observe(&read.reading);
        if let Some(step) = step {
            tracing::info!(
                "the system's clock was set by {step}: packets that may be from before or after get the time at which they are read"
            );
        }
        step.is_some()
    }

    fn count(&mut self, converted: Option<LocalTime>, both: &Both) -> Option<LocalTime> {
        match converted {
            Some(_) => self.worst = self.worst.max(Nanos::new((both.after - both.before).as_nanos() / 2)),
            None => self.refused += 1,
        }
        converted
    }

    /// Converts a stamp from the time of a network card's clock, which was just read, to host time.
    /// `None` if the stamp cannot be right, because this clock was set in the meantime.
    pub(crate) fn convert_hardware(
        &mut self,
        stamp: PtpTime,
        reading: &HardwareReading,
        waited: Nanos,
    ) -> Option<LocalTime> {
        let both = match reading.bracket {
            Bracket::Host { before, after } => Both { before, other: reading.device, after },
            Bracket::System { before, after } => {
                let later = read_system(Nanos::ZERO);
                // The step may have occurred between the two readings.
                if self.watch(&later) {
                    self.refused += 1;
                    return None;
                }
                beside_system(reading.device, before, after, &later.both)
            }
        };
        self.card.observe(middle(&both), both.other);
        self.convert_beside(stamp, waited, &both, self.card.rate)
    }

    /// Converts a stamp, given a reading of both clocks. `rate` is the rate of the stamping clock
    /// relative to the host clock.
    fn convert_beside(&mut self, stamp: PtpTime, waited: Nanos, both: &Both, rate: Ppb) -> Option<LocalTime> {
        let local_age = |age: Nanos| Nanos::new((age.as_nanos() as f64 / rate.ratio()) as i64);
        self.count(age(both, stamp, waited).map(|age| middle(both) - local_age(age)), both)
    }

    /// The largest possible error of the conversions so far.
    #[must_use]
    pub const fn worst(&self) -> Nanos {
        self.worst
    }

    /// Number of refused stamps: those that could not be right, and those that may be from before
    /// or after a step of the system clock.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// How often the system clock was set.
    #[must_use]
    pub const fn system_clock_steps(&self) -> u64 {
        self.steps.count()
    }
}

/// Measures the rate of a card's clock relative to the host clock.
#[derive(Clone, Copy, Debug, Default)]
struct PhcRate {
    since: Option<(LocalTime, PtpTime)>,
    measured: Option<Ppb>,
    /// The measured rate if the last two measurements agree, otherwise zero.
    rate: Ppb,
}

impl PhcRate {
    /// Processes a reading of both clocks.
    fn observe(&mut self, local: LocalTime, card: PtpTime) {
        let Some((local_then, card_then)) = self.since else {
            self.since = Some((local, card));
            return;
        };
        if local - local_then < RATE_INTERVAL {
            return;
        }
        let ratio = (card - card_then).as_nanos() as f64 / (local - local_then).as_nanos() as f64;
        let rate = Ppb::from_ratio(ratio);
        let agrees = |before: Ppb| (rate.as_ppm() - before.as_ppm()).abs() < AGREEMENT_PPM;
        self.rate = if self.measured.is_some_and(agrees) { rate } else { Ppb::ZERO };
        (self.since, self.measured) = (Some((local, card)), Some(rate));
    }
}

/// The time of another clock, and host time before and after it was read.
struct Both {
    before: LocalTime,
    other: PtpTime,
    after: LocalTime,
}

/// The system clock, read together with the host clock and with the steady clock, which is slewed
/// like the system clock.
struct SystemRead {
    both: Both,
    reading: Reading,
}

impl SystemRead {
    fn now() -> Self {
        let (before, steady_before) = (now(), platform::clock::steady_now());
        let system = platform::clock::system_now();
        let (steady_after, after) = (platform::clock::steady_now(), now());
        Self {
            both: Both { before, other: system, after },
            reading: Reading { before: steady_before, system, after: steady_after },
        }
    }

    fn took(&self) -> Nanos {
        self.both.after - self.both.before
    }
}

/// A reading of the clocks that serves all datagrams that were read before it. The system clock is
/// read only when a stamp has to be converted.
pub(crate) struct Look {
    at: LocalTime,
    system: OnceCell<SystemRead>,
}

impl Look {
    pub(crate) fn now() -> Self {
        Self { at: now(), system: OnceCell::new() }
    }

    /// Host time of this reading.
    pub(crate) const fn at(&self) -> LocalTime {
        self.at
    }

    fn system(&self) -> &SystemRead {
        self.system.get_or_init(|| read_system(INTERRUPTED))
    }
}

/// Converts a reading that is bracketed by system times to one that is bracketed by host times.
/// `later` is a slightly later reading of system and host clock; its error adds to the first
/// reading's error.
fn beside_system(device: PtpTime, before: PtpTime, after: PtpTime, later: &Both) -> Both {
    Both { before: later.before - (later.other - before), other: device, after: later.after - (later.other - after) }
}

/// Reads the system clock up to [`TRIES`] times. Returns the fastest reading, or the first one that
/// took at most `enough`.
fn read_system(enough: Nanos) -> SystemRead {
    let mut best = SystemRead::now();
    for _ in 1..TRIES {
        if best.took() <= enough {
            break;
        }
        let again = SystemRead::now();
        if again.took() < best.took() {
            best = again;
        }
    }
    best
}

fn middle(both: &Both) -> LocalTime {
    both.before + Nanos::new((both.after - both.before).as_nanos() / 2)
}

fn age(both: &Both, stamp: PtpTime, waited: Nanos) -> Option<Nanos> {
    let age = both.other - stamp;
    (EARLIEST..waited + OLDEST).contains(&age).then_some(age)
}

/// Reads the system clock as a source for [`engine::clock::Reference`].
#[derive(Clone, Debug)]
pub struct SystemReader {
    clock: SystemClock,
}

impl Default for SystemReader {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemReader {
    /// Creates a reader that converts the system's UTC to PTP time. TAI - UTC is obtained from the
    /// kernel; if nobody has set it, 37 s are assumed (valid since 2017).
    #[must_use]
    pub fn new() -> Self {
        let tai_minus_utc_s = match platform::clock::discipline() {
            Some((_, tai)) if tai > 0 => tai,
            _ => 37,
        };
        Self { clock: SystemClock::new(SystemEpoch::Utc { tai_minus_utc_s }) }
    }

    /// Reads the clock once. Eight calls a second are enough.
    pub fn read(&mut self) {
        let discipline = platform::clock::discipline().map_or(Discipline::default(), |(discipline, _)| discipline);
        let Both { before, other: system, after } = SystemRead::now().both;
        self.clock.observe(&SystemReading { before, system, after, discipline });
    }

    /// The estimate of the clock from its readings.
    #[must_use]
    pub const fn clock(&self) -> &SystemClock {
        &self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By how much the system's clock may have been steered away from the host's meanwhile: 500 ppm
    /// is the most that Linux does.
    fn steered_since(before: LocalTime) -> Nanos {
        Nanos::new((now() - before).as_nanos() / 2_000)
    }

    #[test]
    fn a_stamp_of_now_is_now() {
        let mut converter = StampConverter::default();
        let before = now();
        let stamp = platform::clock::system_now();
        let after = now();
        let converted = converter.convert(stamp, Nanos::ZERO).unwrap();
        let error = Nanos::from_micros(5) + converter.worst() + steered_since(before);
        assert!(converted >= before - error && converted <= after + error, "{before:?} {converted:?} {after:?}");
    }

    #[test]
    fn a_stamp_from_before_the_clock_was_set_is_refused() {
        let mut converter = StampConverter::default();
        let system = platform::clock::system_now();
        assert_eq!(converter.convert(system - Nanos::from_secs(3600), Nanos::ZERO), None);
        assert_eq!(converter.convert(system + Nanos::from_secs(3600), Nanos::ZERO), None);
        assert_eq!(converter.refused(), 2);
    }

    #[test]
    fn what_waited_while_the_process_stood_still_keeps_its_time() {
        let start = read_system(Nanos::ZERO);
        let mut converter = StampConverter::new();
        let read = later(&start, 10_000, 0);
        let age = Nanos::from_millis(9_999);
        let mut converted = |waited| converter.convert_system(read.both.other - age, waited, &read);
        let at = converted(Nanos::from_secs(10)).unwrap();
        assert!((at - (middle(&read.both) - age)).abs() < Nanos::from_micros(2), "{at:?}");
        assert_eq!(converted(Nanos::from_secs(5)), None, "it cannot have waited for so long");
    }

    /// The host's clock and the system's, `at_ms` after those of `start`; the latter was set by
    /// `ahead_ms` since.
    fn later(start: &SystemRead, at_ms: i64, ahead_ms: i64) -> SystemRead {
        let (by, ahead) = (Nanos::from_millis(at_ms), Nanos::from_millis(ahead_ms));
        let Both { before, other, after } = start.both;
        let system = other + by + ahead;
        SystemRead {
            both: Both { before: before + by, other: system, after: after + by },
            reading: Reading { before: start.reading.before + by, system, after: start.reading.after + by },
        }
    }

    #[test]
    fn setting_the_systems_clock_shifts_no_packet() {
        for ahead_ms in [500, 1_000, 3_600_000, -2_000, 30, -30] {
            let start = read_system(Nanos::ZERO);
            let mut converter = StampConverter::new();
            let mut known = 0;
            // A packet each ms, read 3 ms later; the clock is set at 50 ms.
            for at_ms in 0..200 {
                let set_ms = |ms: i64| if ms < 50 { 0 } else { ahead_ms };
                let came_ms = at_ms - 3;
                let read = later(&start, at_ms, set_ms(at_ms));
                let stamp = later(&start, came_ms, set_ms(came_ms)).both.other;
                let Some(at) = converter.convert_system(stamp, Nanos::ZERO, &read) else { continue };
                let error = at - (middle(&start.both) + Nanos::from_millis(came_ms));
                assert!(error.abs() <= Nanos::from_micros(5), "{error} at {at_ms} ms, set by {ahead_ms} ms");
                known += 1;
            }
            assert_eq!(converter.system_clock_steps(), 1);
            assert_eq!(converter.refused(), 200 - known);
            // Only after a small step back a new stamp may be an old one, for as long as the step.
            assert!(if ahead_ms == -30 { known >= 165 } else { known == 200 }, "{known}, set by {ahead_ms} ms");
        }
    }

    #[test]
    fn a_slewed_clock_was_not_set() {
        let start = read_system(Nanos::ZERO);
        let mut converter = StampConverter::new();
        // 500 ppm for 1000 s, by a packet a second that is 1 ms old.
        for second in 1..1_000 {
            let mut read = later(&start, 1_000 * second, 0);
            let ahead = Nanos::from_micros(500 * second);
            read.both.other = read.both.other + ahead;
            let Reading { before, system, after } = read.reading;
            read.reading = Reading { before: before + ahead, system: system + ahead, after: after + ahead };
            let at = converter.convert_system(read.both.other - Nanos::from_millis(1), Nanos::ZERO, &read).unwrap();
            assert!((middle(&read.both) - at - Nanos::from_millis(1)).abs() <= Nanos::from_micros(2));
        }
        assert_eq!(converter.system_clock_steps(), 0);
    }

    #[test]
    fn time_stands_still_instead_of_running_backwards() {
        let clock = NonDecreasing::new();
        let told = [100, 200, 150, 199, 200, 201].map(|ns| clock.read(|| LocalTime::from_nanos(ns)).as_nanos());
        assert_eq!(told, [100, 200, 200, 200, 200, 201]);
        assert_eq!((clock.count.into_inner(), clock.largest_ns.into_inner()), (2, 50));
    }

    #[test]
    fn what_another_thread_read_meanwhile_is_no_step_back() {
        let clock = NonDecreasing::new();
        let held_up = clock.read(|| {
            clock.read(|| LocalTime::from_nanos(200));
            LocalTime::from_nanos(100)
        });
        assert_eq!((held_up, clock.count.into_inner()), (LocalTime::from_nanos(100), 0));
    }

    #[test]
    fn a_stamp_of_a_card_is_converted_by_its_own_clock() {
        let mut converter = StampConverter::default();
        let card = PtpTime::from_timestamp(77, 0);
        let age = Nanos::from_micros(300);
        let local = now();
        let half = Nanos::from_micros(1);
        let bracket = Bracket::Host { before: local - half, after: local + half };
        let at = converter.convert_hardware(card - age, &HardwareReading { device: card, bracket }, Nanos::ZERO);
        assert_eq!(at, Some(local - age));
        assert_eq!(converter.worst(), half);
        // By the system's clock it is as exact as that is known.
        let (local, system) = now_with_system();
        let bracket = Bracket::System { before: system - half, after: system + half };
        let at =
            converter.convert_hardware(card - age, &HardwareReading { device: card, bracket }, Nanos::ZERO).unwrap();
        let error = Nanos::from_micros(5) + converter.worst() + steered_since(local);
        assert!((at - (local - age)).abs() < error, "{at:?} {local:?}");
        // Set meanwhile.
        let reading = HardwareReading { device: card + Nanos::from_secs(37), bracket };
        assert_eq!(converter.convert_hardware(card, &reading, Nanos::ZERO), None);
    }

    #[test]
    fn an_old_stamp_is_as_old_as_the_cards_rate_says() {
        let mut converter = StampConverter::default();
        let (local, card) = (now(), PtpTime::from_timestamp(1_000_000, 0));
        let mut at = |local_s: f64, card: PtpTime, age_ms: i64| {
            let local = local + Nanos::new((local_s * 1e9) as i64);
            let bracket = Bracket::Host { before: local, after: local };
            let stamp = card - Nanos::from_micros(age_ms * 1_000);
            local - converter.convert_hardware(stamp, &HardwareReading { device: card, bracket }, Nanos::ZERO).unwrap()
        };
        // The card's clock runs 100 ppm fast.
        let card_at = |s: f64| card + Nanos::new((s * (1e9 + 100e3)) as i64);
        let (nominal, fast) = (Nanos::from_millis(100), Nanos::new(99_990_000));
        let ages = [0.0, 1.5, 3.0].map(|seconds| at(seconds, card_at(seconds), 100));
        assert_eq!(ages, [nominal, nominal, fast], "two measures have to agree");
        // It is stepped by half a millisecond, which tells nothing of its rate.
        let step = Nanos::from_micros(500);
        let ages = [4.5, 6.0, 7.5].map(|seconds| at(seconds, card_at(seconds) + step, 100));
        assert_eq!(ages, [nominal, nominal, fast]);
    }

    #[test]
    fn a_converted_stamp_keeps_its_age() {
        let mut converter = StampConverter::default();
        let stamp = platform::clock::system_now();
        let mut convert = || (converter.convert(stamp, Nanos::ZERO).unwrap() - LocalTime::ZERO).as_nanos();
        let mut times = [(); 1000].map(|()| convert());
        times.sort_unstable();
        let middle = times[500];
        let mut sorted = times.map(|at| (at - middle).abs());
        sorted.sort_unstable();
        assert!(sorted[500] < 1_000, "half of the conversions differ by more than {} ns", sorted[500]);
    }
}
