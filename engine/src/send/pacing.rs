//! The times at which packets leave.
//!
//! Model: each packet's time of departure is computed from its media position and the clock map,
//! never from the previous packet. So errors do not accumulate, a better estimate of the clock
//! takes effect at once, and a slew of the timeline is spread over the packets. Nothing here knows
//! whether the map comes from PTP, holdover or a crystal: [`crate::clock::Reference`] joins these
//! without a jump.

use crate::clock::PtpMap;
use crate::units::{Frames, LocalTime, NANOS_PER_SECOND, Nanos, PtpTime, SampleRate};

/// Packets that are later than this are not sent. Judgement: AES67 requires receivers to buffer 20
/// ms, so a later packet is probably useless, and a burst of such packets after a stall would only
/// disturb other traffic.
const LATEST: Nanos = Nanos::from_millis(20);
/// Largest media position. Judgement: arithmetic on positions then cannot overflow, whatever time a
/// master sends; the limit corresponds to 700 000 years at 96 kHz.
const FURTHEST_FRAME: i128 = 1 << 61;

/// The media timeline for a sample rate: frame n begins at PTP time n / rate.
///
/// ```
/// use engine::{Frames, PtpTime, SampleRate};
/// use engine::send::MediaTimeline;
/// let timeline = MediaTimeline::new(SampleRate::from_hz(44_100).unwrap());
/// // A second of the year 2026, and one frame later: 22 675.7 ns, so the frame is there from the next whole nanosecond on.
/// let second = PtpTime::from_timestamp(1_790_000_000, 0);
/// assert_eq!(timeline.frame_at(second), Frames::new(1_790_000_000 * 44_100));
/// assert_eq!(timeline.begin_of(Frames::new(1_790_000_000 * 44_100 + 1)), PtpTime::from_timestamp(1_790_000_000, 22_676));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaTimeline {
    sample_rate: SampleRate,
}

impl MediaTimeline {
    /// Creates the timeline for a sample rate.
    #[must_use]
    pub const fn new(sample_rate: SampleRate) -> Self {
        Self { sample_rate }
    }

    /// The frame that contains `ptp`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "clamped to FURTHEST_FRAME")]
    pub fn frame_at(self, ptp: PtpTime) -> Frames {
        // 2^92 ns exceed any PTP timestamp, and the product with a sample rate still fits easily in
        // 128 bits.
        let ns = ptp.as_nanos().clamp(-(1 << 92), 1 << 92);
        let frame = (ns * i128::from(self.sample_rate.as_hz())).div_euclid(i128::from(NANOS_PER_SECOND));
        Frames::new(frame.clamp(-FURTHEST_FRAME, FURTHEST_FRAME) as i64)
    }

    /// The first whole nanosecond within a frame.
    #[must_use]
    pub fn begin_of(self, frame: Frames) -> PtpTime {
        let rate = i128::from(self.sample_rate.as_hz());
        let ticks = i128::from(frame.get()) * i128::from(NANOS_PER_SECOND);
        // `div_euclid` rounds down; the two negations turn this into rounding up.
        PtpTime::from_nanos(-(-ticks).div_euclid(rate))
    }
}

/// The map from host time to PTP time that is followed, and its epoch.
#[derive(Clone, Copy, Debug)]
struct Followed {
    map: PtpMap,
    epoch: u32,
}

/// Determines when the packets of a stream leave. Packets begin at whole multiples of their length,
/// counted from PTP's epoch, so that a restarted or redundant sender divides the timeline at the
/// same positions.
///
/// ```
/// use engine::clock::{ClockMap, PtpMap};
/// use engine::send::Pacer;
/// use engine::{Frames, LocalTime, Nanos, PtpTime, SampleRate};
/// let mut pacer = Pacer::new(SampleRate::HZ_48000, 48, Nanos::ZERO);
/// assert_eq!(pacer.due(), None, "it knows no time yet");
/// // PTP time is 10.0 s when the host's clock shows 5 s.
/// let now = LocalTime::from_nanos(5_000_000_000);
/// let map = PtpMap::new(now, PtpTime::from_timestamp(10, 0), ClockMap::default());
/// pacer.set_clock(now, &map, 0);
/// assert_eq!(pacer.next(), Frames::new(480_000));
/// assert_eq!(pacer.due(), Some(now + Nanos::from_millis(1)), "when its last frame is over");
/// ```
#[derive(Clone, Debug)]
pub struct Pacer {
    timeline: MediaTimeline,
    packet_frames: i64,
    delay: Nanos,
    followed: Option<Followed>,
    next: Frames,
    /// When the next packet leaves, according to the followed timeline.
    due: Option<LocalTime>,
}

impl Pacer {
    /// Creates a pacer for packets of `packet_frames` frames that leave `delay` after the end of
    /// their last frame. No packet is due until [`Pacer::set_clock`] is called.
    #[must_use]
    pub fn new(sample_rate: SampleRate, packet_frames: usize, delay: Nanos) -> Self {
        let packet_frames = Frames::of(packet_frames).get().max(1);
        Self {
            timeline: MediaTimeline::new(sample_rate),
            packet_frames,
            delay,
            followed: None,
            next: Frames::ZERO,
            due: None,
        }
    }

    /// Follows `map` from `now` on. If the media position jumps, returns the number of frames. The
    /// position jumps only in a new epoch, and only if the next packet would otherwise be off by
    /// more than one packet.
    pub fn set_clock(&mut self, now: LocalTime, map: &PtpMap, epoch: u32) -> Option<Frames> {
        let before = self.followed.replace(Followed { map: *map, epoch });
        let wanted = self.boundary_after(now, map);
        let jump = wanted - self.next;
        let stays = match before {
            None => false,
            // The next packet may be one packet before or after the wanted one.
            Some(before) => before.epoch == epoch || jump.get().abs() <= self.packet_frames,
        };
        self.move_to(if stays { self.next } else { wanted });
        before.filter(|_| !stays).map(|_| jump)
    }

    /// Media position of the next packet's first frame.
    #[must_use]
    pub const fn next(&self) -> Frames {
        self.next
    }

    /// When the next packet leaves; `None` while no time is known.
    #[must_use]
    pub const fn due(&self) -> Option<LocalTime> {
        self.due
    }

    /// When the packet that begins at `first` leaves; `None` while no time is known.
    #[must_use]
    pub fn due_of(&self, first: Frames) -> Option<LocalTime> {
        let end = self.timeline.begin_of(first + Frames::new(self.packet_frames));
        Some(self.followed?.map.local_at(end) + self.delay)
    }

    /// Records that the next packet has left.
    pub fn advance(&mut self) {
        self.move_to(self.next + Frames::new(self.packet_frames));
    }

    /// Skips packets that are too late to be useful. Returns their number.
    pub fn skip_late(&mut self, now: LocalTime) -> u64 {
        let (Some(followed), Some(due)) = (self.followed, self.due()) else { return 0 };
        if now.since(due) <= LATEST {
            return 0;
        }
        let wanted = self.boundary_after(now, &followed.map);
        let skipped = (wanted - self.next).get().max(0) / self.packet_frames;
        self.move_to(self.next + Frames::new(skipped * self.packet_frames));
        skipped.unsigned_abs()
    }

    fn move_to(&mut self, next: Frames) {
        self.next = next;
        self.due = self.due_of(next);
    }

    /// First frame of the first packet that leaves after `now`.
    fn boundary_after(&self, now: LocalTime, map: &PtpMap) -> Frames {
        let ending = self.timeline.frame_at(map.ptp_at(now - self.delay)).get() + 1;
        // `div_euclid` rounds down; the two negations turn this into rounding up.
        let packets = -(self.packet_frames - ending).div_euclid(self.packet_frames);
        Frames::new(packets * self.packet_frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ClockMap;
    use crate::units::Ppb;
    use proptest::prelude::*;

    const RATES_HZ: [u32; 3] = [44_100, 48_000, 96_000];
    /// Number of seconds in 40 years.
    const YEARS_40: u64 = 40 * 31_557_600;

    fn exact(at: LocalTime, ptp: PtpTime, ppm: f64) -> PtpMap {
        PtpMap::new(at, ptp, ClockMap::exact(at, 0.0, Ppb::from_ppm(ppm)))
    }

    #[test]
    fn a_pacer_starts_with_the_next_whole_packet() {
        let mut pacer = Pacer::new(SampleRate::HZ_48000, 48, Nanos::ZERO);
        assert_eq!(pacer.due(), None);
        let now = LocalTime::from_nanos(7_000_000);
        pacer.set_clock(now, &exact(now, PtpTime::from_timestamp(100, 250_000), 0.0), 3);
        assert_eq!(pacer.next(), Frames::new(100 * 48_000));
        assert_eq!(pacer.due(), Some(now + Nanos::from_micros(750)));
        assert_eq!(pacer.due_of(Frames::new(100 * 48_000 + 48)), Some(now + Nanos::from_micros(1750)));
    }

    #[test]
    fn times_beyond_all_reason_do_no_harm() {
        let mut pacer = Pacer::new(SampleRate::from_hz(96_000).unwrap(), 6, Nanos::ZERO);
        for (epoch, ns) in [i128::MAX, i128::MIN, 1 << 100, PtpTime::from_timestamp((1 << 48) - 1, 0).as_nanos()]
            .into_iter()
            .enumerate()
        {
            let now = LocalTime::from_nanos(5);
            pacer.set_clock(now, &exact(now, PtpTime::from_nanos(ns), 0.0), epoch as u32);
            assert!(pacer.due().is_some());
            pacer.skip_late(LocalTime::from_nanos(i64::MAX));
            pacer.advance();
        }
    }

    proptest! {
        /// Checks the definition: frame n is the one for which n / rate <= t < (n + 1) / rate.
        #[test]
        fn frames_and_times_are_exact_over_decades(hz in prop::sample::select(&RATES_HZ[..]), s in 0u64..2 * YEARS_40, ns in 0u32..1_000_000_000) {
            let timeline = MediaTimeline::new(SampleRate::from_hz(hz).unwrap());
            prop_assert_eq!(timeline.frame_at(PtpTime::from_timestamp(s, 0)).get() as u64, s * u64::from(hz));
            let frame = timeline.frame_at(PtpTime::from_timestamp(s, ns));
            let within = frame.get() as u64 - s * u64::from(hz);
            let billion = 1_000_000_000;
            prop_assert!(within * billion <= u64::from(ns) * u64::from(hz));
            prop_assert!(u64::from(ns) * u64::from(hz) < (within + 1) * billion);
            let begin = timeline.begin_of(frame);
            prop_assert_eq!(timeline.frame_at(begin), frame);
            prop_assert_eq!(timeline.frame_at(begin - Nanos::new(1)), frame - Frames::new(1));
        }

        /// No error accumulates: after any number of packets, the next one is due at the time of
        /// its own position, apart from the rounding of the map.
        #[test]
        fn departures_are_absolute(packets in 0i64..200_000_000, ppm in -100.0f64..100.0, hz in prop::sample::select(&RATES_HZ[..])) {
            let mut pacer = Pacer::new(SampleRate::from_hz(hz).unwrap(), 48, Nanos::from_millis(3));
            let map = exact(LocalTime::ZERO, PtpTime::from_timestamp(1_790_000_000, 0), ppm);
            pacer.set_clock(LocalTime::ZERO, &map, 0);
            pacer.move_to(pacer.next + Frames::new(48 * packets));
            let end = pacer.next + Frames::new(48);
            let left = map.ptp_at(pacer.due().unwrap() - Nanos::from_millis(3));
            prop_assert!((left - pacer.timeline.begin_of(end)).abs() <= Nanos::new(1));
        }

        #[test]
        fn the_first_packet_is_due_within_a_packet_time(offset_ns in 0u32..1_000_000_000, frames in 1usize..300, delay_us in 0i64..5_000) {
            let delay = Nanos::from_micros(delay_us);
            let mut pacer = Pacer::new(SampleRate::HZ_48000, frames, delay);
            let now = LocalTime::from_nanos(1_000_000_000);
            pacer.set_clock(now, &exact(now, PtpTime::from_timestamp(1_790_000_000, offset_ns), 0.0), 0);
            let wait = pacer.due().unwrap() - now;
            prop_assert!(wait > Nanos::ZERO, "{wait}");
            prop_assert!(wait <= SampleRate::HZ_48000.duration(Frames::new(frames as i64 + 1)), "{wait}");
            prop_assert_eq!(pacer.next().get().rem_euclid(frames as i64), 0);
        }
    }
}
