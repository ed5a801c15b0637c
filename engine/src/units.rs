//! Units: times, durations, rates and media positions that cannot be mixed by mistake.
//!
//! Every clock has its own time type. Subtracting two times of the same clock gives [`Nanos`];
//! times of different clocks cannot be subtracted, because that difference has no meaning without a
//! map between the clocks (see [`crate::clock`]).
//!
//! ```compile_fail
//! use engine::{LocalTime, PtpTime};
//! let nonsense = LocalTime::from_nanos(5) - PtpTime::from_nanos(3);
//! ```
//!
//! Overflow: [`LocalTime`], [`PtpTime`] and [`Nanos`] saturate; [`RtpTimestamp`] wraps, as RFC 3550
//! requires; [`Frames`] uses plain `i64` arithmetic, which at 96 kHz overflows after three million
//! years.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};

/// Maximum number of channels in a stream, as in SMPTE ST 2110-30 level C. AES67-2018 7.3 requires
/// receivers to support only 8.
pub const MAX_CHANNELS: usize = 64;

/// Nanoseconds per second.
pub const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// [`NANOS_PER_SECOND`] as a floating-point number, which represents it exactly.
#[expect(clippy::cast_precision_loss, reason = "10^9 is exact")]
pub(crate) const SECOND_NS: f64 = NANOS_PER_SECOND as f64;

/// A time on the host's monotonic clock, in ns since an arbitrary start. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime(i64);

impl LocalTime {
    /// The clock's start.
    pub const ZERO: Self = Self(0);

    /// Creates a time `ns` nanoseconds after the clock's start.
    #[must_use]
    pub const fn from_nanos(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the clock's start.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The time elapsed since `earlier`, never negative.
    ///
    /// ```
    /// use engine::{LocalTime, Nanos};
    /// let (a, b) = (LocalTime::from_nanos(10), LocalTime::from_nanos(30));
    /// assert_eq!(b.since(a), Nanos::new(20));
    /// assert_eq!(a.since(b), Nanos::ZERO);
    /// ```
    #[must_use]
    pub const fn since(self, earlier: Self) -> Nanos {
        let elapsed = self.0.saturating_sub(earlier.0);
        Nanos(if elapsed < 0 { 0 } else { elapsed })
    }
}

impl Add<Nanos> for LocalTime {
    type Output = Self;
    fn add(self, rhs: Nanos) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}

impl Sub<Nanos> for LocalTime {
    type Output = Self;
    fn sub(self, rhs: Nanos) -> Self {
        Self(self.0.saturating_sub(rhs.0))
    }
}

impl Sub for LocalTime {
    type Output = Nanos;
    fn sub(self, rhs: Self) -> Nanos {
        Nanos(self.0.saturating_sub(rhs.0))
    }
}

/// A time on the grandmaster's timescale, in ns since the epoch of that timescale. The timescale
/// may be TAI counted from 1970, UTC, or the grandmaster's uptime. Stored in 128 bits, because the
/// 48-bit seconds of IEEE 1588-2008 5.3.3, in ns, do not fit in 64 bits. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PtpTime(i128);

impl PtpTime {
    /// The epoch.
    pub const EPOCH: Self = Self(0);

    /// Creates a time from the nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(ns: i128) -> Self {
        Self(ns)
    }

    /// Creates a time from the two fields of a PTP timestamp: seconds, and nanoseconds within the
    /// second.
    #[must_use]
    pub const fn from_timestamp(seconds: u64, nanoseconds: u32) -> Self {
        Self(seconds as i128 * NANOS_PER_SECOND as i128 + nanoseconds as i128)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i128 {
        self.0
    }
}

impl Add<Nanos> for PtpTime {
    type Output = Self;
    fn add(self, rhs: Nanos) -> Self {
        Self(self.0.saturating_add(i128::from(rhs.0)))
    }
}

impl Sub<Nanos> for PtpTime {
    type Output = Self;
    fn sub(self, rhs: Nanos) -> Self {
        Self(self.0.saturating_sub(i128::from(rhs.0)))
    }
}

impl Sub for PtpTime {
    type Output = Nanos;
    fn sub(self, rhs: Self) -> Nanos {
        Nanos::saturating_from(self.0.saturating_sub(rhs.0))
    }
}

/// A duration in ns, positive or negative, measured on any clock. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(i64);

impl Nanos {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// Creates a duration from nanoseconds.
    #[must_use]
    pub const fn new(ns: i64) -> Self {
        Self(ns)
    }

    /// Creates a duration from microseconds.
    #[must_use]
    pub const fn from_micros(us: i64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// Creates a duration from milliseconds.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// Creates a duration from seconds.
    #[must_use]
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(NANOS_PER_SECOND))
    }

    /// Creates a duration from seconds, rounded to the nearest ns; NaN becomes 0, infinities
    /// saturate.
    #[must_use]
    pub fn from_secs_f64(s: f64) -> Self {
        Self::from_nanos_rounded(s * SECOND_NS)
    }

    /// Creates a duration from nanoseconds, rounded to whole ns, halves away from zero; NaN becomes
    /// 0, infinities saturate.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as a duration does")]
    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53, `ns` is whole, and so the same")]
    pub(crate) fn from_nanos_rounded(ns: f64) -> Self {
        // The rest is exact. A conversion takes less time than `libm::round`.
        let whole = ns as i64;
        let rest = ns - whole as f64;
        Self(whole.saturating_add(i64::from(rest >= 0.5)).saturating_sub(i64::from(rest <= -0.5)))
    }

    /// Creates a duration from nanoseconds, truncated to whole ns; NaN becomes 0, infinities
    /// saturate.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as a duration does")]
    pub(crate) const fn from_nanos_f64(ns: f64) -> Self {
        Self(ns as i64)
    }

    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of an i64")]
    fn saturating_from(ns: i128) -> Self {
        Self(ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// Creates a duration of 2^`log2` seconds, which is how PTP expresses message intervals. `log2`
    /// is clamped to ±30.
    ///
    /// ```
    /// use engine::Nanos;
    /// assert_eq!(Nanos::from_log2_secs(-3), Nanos::from_millis(125));
    /// ```
    #[must_use]
    pub const fn from_log2_secs(log2: i8) -> Self {
        if log2 >= 0 {
            let shift = if log2 > 30 { 30 } else { log2 };
            Self(NANOS_PER_SECOND << shift)
        } else {
            let shift = if log2 < -30 { 30 } else { -log2 };
            Self(NANOS_PER_SECOND >> shift)
        }
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Nanoseconds as a floating-point number: exact below 2^53 ns (104 days).
    ///
    /// ```
    /// use engine::Nanos;
    /// assert_eq!(Nanos::from_micros(-3).as_nanos_f64(), -3_000.0);
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "durations of more than 104 days need no exact ns")]
    pub const fn as_nanos_f64(self) -> f64 {
        self.0 as f64
    }

    /// Seconds.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.as_nanos_f64() / SECOND_NS
    }

    /// `self` multiplied by `n`.
    #[must_use]
    pub const fn times(self, n: i64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// The absolute value.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, rhs: Self) {
        *self = *self + rhs;
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        Self(self.0.saturating_sub(rhs.0))
    }
}

impl Neg for Nanos {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

/// A relative deviation from a nominal frequency, in parts per billion: 1 ppb = 1 ns per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Ppb(f64);

impl Ppb {
    /// Exactly the nominal frequency.
    pub const ZERO: Self = Self(0.0);

    /// Creates a deviation from parts per billion.
    #[must_use]
    pub const fn new(ppb: f64) -> Self {
        Self(ppb)
    }

    /// Creates a deviation from parts per million.
    #[must_use]
    pub const fn from_ppm(ppm: f64) -> Self {
        Self(ppm * 1e3)
    }

    /// Parts per billion.
    #[must_use]
    pub const fn as_ppb(self) -> f64 {
        self.0
    }

    /// Parts per million.
    #[must_use]
    pub const fn as_ppm(self) -> f64 {
        self.0 * 1e-3
    }

    /// The ratio of the actual frequency to the nominal frequency: 1 + ppb / 10^9.
    ///
    /// ```
    /// use engine::Ppb;
    /// assert_eq!(Ppb::from_ppm(100.0).ratio(), 1.0001);
    /// ```
    #[must_use]
    pub const fn ratio(self) -> f64 {
        1.0 + self.0 * 1e-9
    }

    /// Creates the deviation whose [`Ppb::ratio`] is `ratio`.
    #[must_use]
    pub const fn from_ratio(ratio: f64) -> Self {
        Self((ratio - 1.0) * 1e9)
    }
}

/// The rate of a media clock, in frames per second. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// 48 kHz, which every AES67 device must support (AES67-2018, 7.1).
    pub const HZ_48000: Self = Self(48_000);

    /// Creates a rate from Hz; `None` for 0.
    #[must_use]
    pub const fn from_hz(hz: u32) -> Option<Self> {
        if hz == 0 { None } else { Some(Self(hz)) }
    }

    /// The rate in Hz.
    #[must_use]
    pub const fn as_hz(self) -> u32 {
        self.0
    }

    /// The duration of `frames` frames, rounded down to whole ns. Long durations are no less
    /// precise, because the product is computed in 128 bits.
    ///
    /// ```
    /// use engine::{Frames, Nanos, SampleRate};
    /// assert_eq!(SampleRate::HZ_48000.duration(Frames::new(240)), Nanos::from_millis(5));
    /// ```
    #[must_use]
    pub fn duration(self, frames: Frames) -> Nanos {
        // A division of 64 bits is several times as fast, and is enough for two days.
        if let Some(ticks) = frames.0.checked_mul(NANOS_PER_SECOND) {
            return Nanos(ticks.div_euclid(i64::from(self.0)));
        }
        let ns = (i128::from(frames.0) * i128::from(NANOS_PER_SECOND)).div_euclid(i128::from(self.0));
        Nanos::saturating_from(ns)
    }

    /// The duration of a fractional number of frames, rounded to the nearest ns. Use it for
    /// differences, not for positions on a long timeline.
    #[must_use]
    pub fn duration_f64(self, frames: f64) -> Nanos {
        Nanos::from_secs_f64(frames / f64::from(self.0))
    }

    /// The position that a media clock of exactly this rate has reached `elapsed_ns` ns after
    /// position 0; exact for any length of time, because the product is computed in 128 bits.
    ///
    /// ```
    /// use engine::{Frames, SampleRate};
    /// let position = SampleRate::HZ_48000.position_after(1_000_000_000 + 31_250);
    /// assert_eq!((position.frame(), position.fraction()), (Frames::new(48_001), 0.5));
    /// ```
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a remainder below 10^9 is exact, and 2^63 frames are 6 million years"
    )]
    pub fn position_after(self, elapsed_ns: i128) -> MediaPosition {
        let ticks = elapsed_ns * i128::from(self.0);
        let second = i128::from(NANOS_PER_SECOND);
        let fraction = ticks.rem_euclid(second) as f64 / SECOND_NS;
        MediaPosition { frame: ticks.div_euclid(second) as i64, fraction }
    }

    /// The number of whole frames in `duration`, for buffer lengths; 0 for a negative duration.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub(crate) fn whole_frames_in(self, duration: Nanos) -> usize {
        self.frames_in(duration) as usize
    }

    /// The number of frames in `duration`, including a fraction.
    #[must_use]
    pub fn frames_in(self, duration: Nanos) -> f64 {
        duration.as_nanos_f64() * f64::from(self.0) / SECOND_NS
    }
}

/// A count of audio frames (one sample per channel), or a position on an unwrapped media timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frames(i64);

impl Frames {
    /// No frames.
    pub const ZERO: Self = Self(0);

    /// Creates a count.
    #[must_use]
    pub const fn new(frames: i64) -> Self {
        Self(frames)
    }

    /// Creates a count from the length of a buffer.
    #[expect(clippy::cast_possible_wrap, reason = "no memory holds 2^63 frames")]
    pub(crate) const fn of(frames: usize) -> Self {
        Self(frames as i64)
    }

    /// Creates a count from a fractional number of frames, truncated to whole frames; NaN becomes
    /// 0, infinities saturate.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and the fraction is not wanted")]
    pub(crate) const fn from_f64(frames: f64) -> Self {
        Self(frames as i64)
    }

    /// The count.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The count as a floating-point number, for lengths and distances.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 frames, 5000 years at 48 kHz")]
    pub(crate) const fn as_f64(self) -> f64 {
        self.0 as f64
    }
}

impl Add for Frames {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self(self.0 + rhs.0)
    }
}

impl AddAssign for Frames {
    fn add_assign(&mut self, rhs: Self) {
        self.0 += rhs.0;
    }
}

impl Sub for Frames {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        Self(self.0 - rhs.0)
    }
}

/// A position on an unwrapped media timeline: a whole frame (64 bits) and a fraction of a frame in
/// [0, 1), so that it stays exact over years.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct MediaPosition {
    frame: i64,
    fraction: f64,
}

impl MediaPosition {
    /// Creates a position on a whole frame.
    #[must_use]
    pub const fn at_frame(frame: Frames) -> Self {
        Self { frame: frame.0, fraction: 0.0 }
    }

    /// The frame that contains the position.
    #[must_use]
    pub const fn frame(self) -> Frames {
        Frames(self.frame)
    }

    /// The part of the containing frame that lies before the position, in [0, 1).
    #[must_use]
    pub const fn fraction(self) -> f64 {
        self.fraction
    }

    /// The position `frames` later (earlier if negative). A non-finite `frames` returns the
    /// position unchanged.
    ///
    /// ```
    /// use engine::{Frames, MediaPosition};
    /// let position = MediaPosition::at_frame(Frames::new(10)).advanced(-0.25);
    /// assert_eq!((position.frame(), position.fraction()), (Frames::new(9), 0.75));
    /// ```
    #[must_use]
    pub fn advanced(self, frames: f64) -> Self {
        if !frames.is_finite() {
            return self;
        }
        let sum = self.fraction + frames;
        let whole = libm::floor(sum);
        let fraction = sum - whole;
        // After a tiny negative distance, rounding yields a fraction of exactly 1.
        if fraction >= 1.0 {
            return Self {
                frame: self.frame.saturating_add(Frames::from_f64(whole).0).saturating_add(1),
                fraction: 0.0,
            };
        }
        Self { frame: self.frame.saturating_add(Frames::from_f64(whole).0), fraction }
    }

    /// `self - earlier`, in frames, including a fraction.
    #[must_use]
    pub fn frames_since(self, earlier: Self) -> f64 {
        Frames(self.frame.saturating_sub(earlier.frame)).as_f64() + (self.fraction - earlier.fraction)
    }
}

/// The 32-bit media timestamp of an RTP packet, in frames (RFC 3550 5.1). At 48 kHz it wraps after
/// 24 h 51 min.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RtpTimestamp(u32);

impl RtpTimestamp {
    /// Creates a timestamp from the header field.
    #[must_use]
    pub const fn new(timestamp: u32) -> Self {
        Self(timestamp)
    }

    /// The header field.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The timestamp of the frame at `position` on an unwrapped timeline.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2^32, as RTP timestamps wrap")]
    pub const fn from_frames(position: Frames) -> Self {
        Self(position.0 as u32)
    }

    /// The position closest to `reference` among all unwrapped positions with this timestamp.
    ///
    /// ```
    /// use engine::{Frames, RtpTimestamp};
    /// let reference = Frames::new((1 << 32) - 10);
    /// assert_eq!(RtpTimestamp::new(20).unwrap_near(reference), Frames::new((1 << 32) + 20));
    /// ```
    #[must_use]
    pub const fn unwrap_near(self, reference: Frames) -> Frames {
        Frames(reference.0 + self.distance_from(Self::from_frames(reference)).0)
    }

    /// Whether this timestamp confirms a jump to `suspect`. To do so, it must be at most `limit`
    /// away from `suspect`, but not equal to it, because a duplicate packet confirms nothing.
    ///
    /// ```
    /// use engine::{Frames, RtpTimestamp};
    /// let (suspect, limit) = (RtpTimestamp::new(u32::MAX), Frames::new(48_000));
    /// assert!(RtpTimestamp::new(47).confirms(suspect, limit));
    /// assert!(!suspect.confirms(suspect, limit));
    /// assert!(!RtpTimestamp::new(48_000).confirms(suspect, limit));
    /// ```
    #[must_use]
    pub const fn confirms(self, suspect: Self, limit: Frames) -> bool {
        let apart = self.distance_from(suspect).0.abs();
        apart != 0 && apart <= limit.0
    }

    /// The difference from another timestamp, modulo 2^32, in [-2^31, 2^31).
    const fn distance_from(self, other: Self) -> Frames {
        Frames(self.0.wrapping_sub(other.0).cast_signed() as i64)
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.unsigned_abs() {
            0..=9_999 => write!(f, "{} ns", self.0),
            10_000..=9_999_999 => write!(f, "{:.1} us", self.as_nanos_f64() / 1e3),
            10_000_000..=9_999_999_999 => write!(f, "{:.1} ms", self.as_nanos_f64() / 1e6),
            _ => write!(f, "{:.1} s", self.as_nanos_f64() / 1e9),
        }
    }
}

impl fmt::Display for Ppb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.3} ppm", self.as_ppm())
    }
}

#[cfg(test)]
mod tests;
