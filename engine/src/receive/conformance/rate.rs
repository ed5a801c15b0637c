//! The rate at which timestamps advance.

use super::finding::Finding;
use crate::units::{LocalTime, Nanos, SampleRate};

/// Length of the first measurement window. Derived: with [`RATE_TOLERANCE`], a window of this
/// length tolerates a jitter of 7 ms.
const SHORT_WINDOW: Nanos = Nanos::from_millis(250);
/// Length of the window for rates that the short window cannot distinguish from the described rate.
/// Derived: with [`RATE_TOLERANCE`], a window of this length tolerates a jitter of 30 ms.
const LONG_WINDOW: Nanos = Nanos::from_secs(1);
/// Number of consecutive windows that must agree on a rate other than the described one. Judgement:
/// a single window may contain a burst.
const WINDOWS: u32 = 2;
/// Like [`WINDOWS`], for a stream whose rate has already been correct. Judgement: a disturbance of
/// the stream is more probable than a change of its rate.
const WINDOWS_LATER: u32 = 6;
/// Pause after which a new window begins. Judgement: the packets after a pause may arrive in a
/// burst.
const PAUSE: Nanos = Nanos::from_millis(100);
/// Sample rates of senders. Judgement: the rates in use; the closest two are 8 % apart.
const RATES_HZ: [u32; 7] = [32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000];
/// A measured rate is taken for a nominal rate if the two differ by at most this fraction. Derived:
/// less than half the distance between the closest two nominal rates.
const RATE_TOLERANCE: f64 = 0.03;
/// Smallest ratio of the measured rate to the described one, or the reverse, for which the short
/// window suffices. Judgement: within that window, only a jitter of more than 70 ms could cause
/// such a ratio.
const FAR: f64 = 1.4;

/// Measures the rate of the timestamps from the arrival of packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateWatch {
    described_hz: u32,
    since: Option<LocalTime>,
    frames: u64,
    /// Whether the short window is over.
    is_long: bool,
    /// The rate of the last windows, if it differs from the described one, and the number of these
    /// windows.
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

    /// Processes a packet that arrived `pause` after the previous one, and whose timestamp is
    /// `advance` frames later.
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

    /// Evaluates the rate measured in a window. `None` means that no sender has such a rate, so the
    /// window is not evidence.
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

/// The nominal rate nearest to the measured one; `None` if none is near.
fn nearest_rate(measured_hz: f64, described_hz: u32) -> Option<u32> {
    let is_near = |hz: &u32| libm::fabs(measured_hz / f64::from(*hz) - 1.0) <= RATE_TOLERANCE;
    // The described rate is tried first, even if it is not in [`RATES_HZ`].
    std::iter::once(described_hz).chain(RATES_HZ).find(is_near)
}
