//! The rate at which timestamps advance.

use super::finding::Finding;
use crate::units::{LocalTime, Nanos, SampleRate};

/// First window of the measurement. Derived: [`RATE_TOLERANCE`] times this window permits a jitter
/// of 7 ms.
const SHORT_WINDOW: Nanos = Nanos::from_millis(250);
/// Window for rates that the short window does not distinguish. Derived: [`RATE_TOLERANCE`] times
/// this window permits a jitter of 30 ms.
const LONG_WINDOW: Nanos = Nanos::from_secs(1);
/// Consecutive windows that must agree on a rate other than the described one. Judgement: one may
/// contain a burst.
const WINDOWS: u32 = 2;
/// [`WINDOWS`] for a stream whose rate was correct before. Judgement: it is more probable that
/// something disturbs the stream than that its rate changes.
const WINDOWS_LATER: u32 = 6;
/// Pause after which a new window begins. Judgement: the packets after it may arrive in a burst.
const PAUSE: Nanos = Nanos::from_millis(100);
/// Sample rates of senders. Judgement: those in use; the closest two are 8 % apart.
const RATES_HZ: [u32; 7] = [32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000];
/// A measured rate counts as a nominal one if it differs from it by less than this share. Derived:
/// less than half of the distance between the closest two.
const RATE_TOLERANCE: f64 = 0.03;
/// Rates that differ by this factor are distinguished by the short window. Judgement: see
/// [`SHORT_WINDOW`].
const FAR: f64 = 1.4;

/// Measures the rate of the timestamps from the arrival of packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateWatch {
    described_hz: u32,
    since: Option<LocalTime>,
    frames: u64,
    /// Whether the short window is over.
    is_long: bool,
    /// The rate of the last windows, if it differs from the described one, and their number.
    other: Option<(u32, u32)>,
    /// Consecutive windows at the described rate.
    agreeing: u32,
    pub(super) has_agreed: bool,
    found_hz: Option<u32>,
}

impl RateWatch {
    pub(super) const fn new(described: SampleRate) -> Self {
        Self {
            described_hz: described.as_hz(),
            since: None,
            frames: 0,
            is_long: false,
            other: None,
            agreeing: 0,
            has_agreed: false,
            found_hz: None,
        }
    }

    pub(super) fn restart(&mut self) {
        (self.since, self.frames, self.is_long) = (None, 0, false);
    }

    /// Takes a packet that came `pause` after the one before it, and whose timestamp is `advance`
    /// frames later.
    #[expect(clippy::cast_precision_loss, reason = "frames of a second")]
    pub(super) fn observe(&mut self, now: LocalTime, pause: Nanos, advance: u32) {
        if pause > PAUSE {
            self.restart();
        }
        let Some(since) = self.since else {
            self.since = Some(now);
            return;
        };
        self.frames += u64::from(advance);
        let elapsed = now.since(since);
        if elapsed < SHORT_WINDOW || (self.is_long && elapsed < LONG_WINDOW) {
            return;
        }
        let measured_hz = self.frames as f64 / elapsed.as_secs_f64();
        let rate = nearest_rate(measured_hz, self.described_hz);
        let ratio = measured_hz / f64::from(self.described_hz);
        let is_far = !(1.0 / FAR..=FAR).contains(&ratio);
        if !is_far && elapsed < LONG_WINDOW {
            self.is_long = true;
            return;
        }
        self.restart();
        self.since = Some(now);
        self.judge(rate);
    }

    /// Takes the rate of a window; `None` means that no sender has such a rate, so it is not
    /// evidence.
    fn judge(&mut self, rate: Option<u32>) {
        if rate == Some(self.described_hz) {
            self.other = None;
            self.agreeing += 1;
            if self.found_hz.is_none() || self.agreeing >= WINDOWS {
                (self.found_hz, self.has_agreed) = (None, true);
            }
            return;
        }
        self.agreeing = 0;
        let Some(hz) = rate else {
            self.other = None;
            return;
        };
        let windows = self.other.filter(|(other, _)| *other == hz).map_or(1, |(_, windows)| windows + 1);
        self.other = Some((hz, windows));
        let needed = if self.has_agreed { WINDOWS_LATER } else { WINDOWS };
        if windows >= needed {
            self.found_hz = Some(hz);
        }
    }

    pub(super) fn finding(&self) -> Option<Finding> {
        let described_hz = self.described_hz;
        self.found_hz.map(|measured_hz| Finding::SampleRate { measured_hz, described_hz })
    }
}

/// The nominal rate nearest to a measured one.
fn nearest_rate(measured_hz: f64, described_hz: u32) -> Option<u32> {
    let is_near = |hz: &u32| libm::fabs(measured_hz / f64::from(*hz) - 1.0) <= RATE_TOLERANCE;
    // The described rate is tried first, even if it is not among [`RATES_HZ`].
    std::iter::once(described_hz).chain(RATES_HZ).find(is_near)
}
