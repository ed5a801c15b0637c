//! The host's clock, and the system's clock beside it.
//!
//! Model: the engine assumes a clock that nobody steers, so [`LocalTime`] is the crystal itself: `CLOCK_MONOTONIC_RAW` on Linux, the performance counter on Windows, mach's
//! absolute time on macOS. Linux's `CLOCK_MONOTONIC` would be slewed by whoever disciplines the system's clock, by up to 500 ppm, and every estimate would have to follow that.
//!
//! Linux stamps packets in the system's time (`CLOCK_REALTIME`). A stamp is converted by reading both clocks at the moment of the conversion: the age of the
//! stamp on the system's clock is its age on ours, but for the steering of the system's clock during that age, which is below a ms: 0.1 ns at 100 ppm
//! and 1 us. The error that remains is half of the time that the reading of the two clocks took, 20 to 50 ns on a usual machine; [`StampConverter::worst`] tells it.
//!
//! A network card stamps in the time of its own clock. Such a stamp is converted in the same way, by reading that clock. Two crystals differ by up to 100 ppm, which would be 1 us
//! for a stamp that is 10 ms old because the program was held up; so the age is measured by the rate that the card's clock had between two readings about a second apart.

use crate::platform::{self, Beside, HardwareReading};
use engine::clock::{Discipline, SystemClock, SystemEpoch, SystemReading};
use engine::{LocalTime, Nanos, Ppb, PtpTime};

/// Readings of both clocks that take longer than this were interrupted, and are tried again.
const INTERRUPTED: Nanos = Nanos::from_micros(2);
const TRIES: usize = 3;
/// Stamps older than this, or from the future by more than a reading can err, were taken before somebody set the system's clock.
const OLDEST: Nanos = Nanos::from_secs(1);
const EARLIEST: Nanos = Nanos::from_micros(-100);
/// Between the two readings of a card's clock that give its rate: a reading errs by a microsecond, so the rate by 1 ppm, which is 10 ns in 10 ms.
const RATE_INTERVAL: Nanos = Nanos::from_secs(1);
/// Two measures of a card's rate that differ by more have a step of its clock between them, or a large change of its steering.
const AGREEMENT_PPM: f64 = 100.0;

/// The host's clock now.
#[must_use]
pub fn now() -> LocalTime {
    platform::clock::now()
}

/// Both clocks at one moment: the host's, and the system's as it is (UTC). As exact as a converted stamp.
#[must_use]
pub fn now_with_system() -> (LocalTime, PtpTime) {
    let both = read_both_quickly();
    (middle(&both), both.other)
}

/// Converts the kernel's timestamps to the host's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct StampConverter {
    worst: Nanos,
    refused: u64,
    card: CardRate,
}

impl StampConverter {
    /// The host's time of a stamp in the system's time; `None` if the stamp cannot be true, because the system's clock was set meanwhile.
    pub fn convert(&mut self, stamp: PtpTime) -> Option<LocalTime> {
        self.convert_beside(stamp, &read_both_quickly(), Ppb::ZERO)
    }

    /// The host's time of a stamp in the time of a network card's clock that was just read; `None` if the stamp cannot be true, because that clock was set meanwhile.
    pub(crate) fn convert_hardware(&mut self, stamp: PtpTime, reading: &HardwareReading) -> Option<LocalTime> {
        let both = match reading.beside {
            Beside::Host { before, after } => Both { before, other: reading.device, after },
            Beside::System { before, after } => {
                beside_system(reading.device, before, after, &read_both_within(Nanos::ZERO))
            }
        };
        self.card.observe(middle(&both), both.other);
        self.convert_beside(stamp, &both, self.card.rate)
    }

    /// `rate`: how much faster the clock that stamps runs than the host's.
    fn convert_beside(&mut self, stamp: PtpTime, both: &Both, rate: Ppb) -> Option<LocalTime> {
        let local_age = |age: Nanos| Nanos::new((age.as_nanos() as f64 / rate.ratio()) as i64);
        let converted = age(both, stamp).map(|age| middle(both) - local_age(age));
        match converted {
            Some(_) => self.worst = self.worst.max(Nanos::new((both.after - both.before).as_nanos() / 2)),
            None => self.refused += 1,
        }
        converted
    }

    /// The largest error that a conversion may have had so far.
    #[must_use]
    pub const fn worst(&self) -> Nanos {
        self.worst
    }

    /// Stamps that could not be true.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

/// How much faster a card's clock runs than the host's.
#[derive(Clone, Copy, Debug, Default)]
struct CardRate {
    since: Option<(LocalTime, PtpTime)>,
    measured: Option<Ppb>,
    /// What the last two measures agree on; none else.
    rate: Ppb,
}

impl CardRate {
    /// Takes a reading of both clocks.
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

/// Another clock, and the host's before and after it was read.
struct Both {
    before: LocalTime,
    other: PtpTime,
    after: LocalTime,
}

/// With the system's clock.
fn read_both() -> Both {
    Both { before: now(), other: platform::clock::system_now(), after: now() }
}

/// A clock that was read between two moments of the system's clock, by that clock and the host's a little later: that reading's error comes on top.
fn beside_system(device: PtpTime, before: PtpTime, after: PtpTime, later: &Both) -> Both {
    Both { before: later.before - (later.other - before), other: device, after: later.after - (later.other - after) }
}

/// Again, if it was interrupted.
fn read_both_quickly() -> Both {
    read_both_within(INTERRUPTED)
}

/// The quickest of some readings, or the first that took no longer than `enough`.
fn read_both_within(enough: Nanos) -> Both {
    let mut best = read_both();
    for _ in 1..TRIES {
        if best.after - best.before <= enough {
            break;
        }
        let again = read_both();
        if again.after - again.before < best.after - best.before {
            best = again;
        }
    }
    best
}

fn middle(both: &Both) -> LocalTime {
    both.before + Nanos::new((both.after - both.before).as_nanos() / 2)
}

fn age(both: &Both, stamp: PtpTime) -> Option<Nanos> {
    let age = both.other - stamp;
    (EARLIEST..OLDEST).contains(&age).then_some(age)
}

/// The system's clock as a source for [`engine::clock::Reference`]: reads it whenever it is asked to.
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
    /// A reader of the system's UTC, as PTP time: the kernel is asked for TAI - UTC, and 37 s (since 2017) are taken if nobody has told it.
    #[must_use]
    pub fn new() -> Self {
        let tai_minus_utc_s = match platform::clock::discipline() {
            Some((_, tai)) if tai > 0 => tai,
            _ => 37,
        };
        Self { clock: SystemClock::new(SystemEpoch::Utc { tai_minus_utc_s }) }
    }

    /// Reads the clock once; eight times a second are plenty.
    pub fn read(&mut self) {
        let discipline = platform::clock::discipline().map_or(Discipline::default(), |(discipline, _)| discipline);
        let Both { before, other: system, after } = read_both();
        self.clock.observe(&SystemReading { before, system, after, discipline });
    }

    /// What is known of it.
    #[must_use]
    pub const fn clock(&self) -> &SystemClock {
        &self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_now_is_now() {
        let mut converter = StampConverter::default();
        let before = now();
        let stamp = platform::clock::system_now();
        let after = now();
        let converted = converter.convert(stamp).unwrap();
        let error = Nanos::from_micros(5) + converter.worst();
        assert!(converted >= before - error && converted <= after + error, "{before:?} {converted:?} {after:?}");
    }

    #[test]
    fn a_stamp_from_before_the_clock_was_set_is_refused() {
        let mut converter = StampConverter::default();
        let system = platform::clock::system_now();
        assert_eq!(converter.convert(system - Nanos::from_secs(3600)), None);
        assert_eq!(converter.convert(system + Nanos::from_secs(3600)), None);
        assert_eq!(converter.refused(), 2);
    }

    #[test]
    fn a_stamp_of_a_card_is_converted_by_its_own_clock() {
        let mut converter = StampConverter::default();
        let card = PtpTime::from_timestamp(77, 0);
        let age = Nanos::from_micros(300);
        let local = now();
        let half = Nanos::from_micros(1);
        let beside = Beside::Host { before: local - half, after: local + half };
        let at = converter.convert_hardware(card - age, &HardwareReading { device: card, beside });
        assert_eq!(at, Some(local - age));
        assert_eq!(converter.worst(), half);
        // By the system's clock it is as exact as that is known.
        let (local, system) = now_with_system();
        let beside = Beside::System { before: system - half, after: system + half };
        let at = converter.convert_hardware(card - age, &HardwareReading { device: card, beside }).unwrap();
        assert!((at - (local - age)).abs() < Nanos::from_micros(5), "{at:?} {local:?}");
        // Set meanwhile.
        let reading = HardwareReading { device: card + Nanos::from_secs(37), beside };
        assert_eq!(converter.convert_hardware(card, &reading), None);
    }

    #[test]
    fn an_old_stamp_is_as_old_as_the_cards_rate_says() {
        let mut converter = StampConverter::default();
        let (local, card) = (now(), PtpTime::from_timestamp(1_000_000, 0));
        let mut at = |local_s: f64, card: PtpTime, age_ms: i64| {
            let local = local + Nanos::new((local_s * 1e9) as i64);
            let beside = Beside::Host { before: local, after: local };
            let stamp = card - Nanos::from_micros(age_ms * 1_000);
            local - converter.convert_hardware(stamp, &HardwareReading { device: card, beside }).unwrap()
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
        let at = converter.convert(stamp).unwrap();
        let spread: Vec<i64> = (0..1000).map(|_| (converter.convert(stamp).unwrap() - at).as_nanos().abs()).collect();
        let mut sorted = spread;
        sorted.sort_unstable();
        assert!(sorted[500] < 1_000, "half of the conversions differ by more than {} ns", sorted[500]);
    }
}
