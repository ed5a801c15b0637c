//! The setpoint of playout.
//!
//! Model: the depth is how far playout is behind the *first frame of the packet that the sender
//! sends now*. With PTP, that frame is known exactly from the sender's own timestamps. So all
//! receivers with the same depth play the same frame at the same time, whatever their cards and
//! networks. The link offset (AES67-2018, 7.5) is the depth plus one packet time. Without PTP, the
//! frame is estimated from the arrivals, and playout is later by the smallest network delay.
//!
//! When PTP is lost, the setpoint is moved to the current playback position and then follows the
//! arrivals; this move is inaudible. The remaining phase error is dropped, because it can be
//! measured only with PTP. When PTP returns, the difference is trimmed slowly.
//!
//! A new stream is left uncorrected for a while, because its clock estimates are still settling,
//! and a correction that follows them would be heard as a change of pitch. Then playout is aligned
//! with the setpoint: with PTP, by one crossfade if necessary; without PTP, the setpoint is moved
//! instead, because a small error of the depth does not matter.
//!
//! Assumption: a sender that follows PTP sends each packet after the time of its first frame, and
//! the packet arrives early enough to be played. If the arrivals show otherwise, the sender is
//! assumed to follow another grandmaster or none.

use super::exchange::ControlSnapshot;
use crate::audio::{Alignment, Correction, Setpoint};
use crate::clock::MediaMap;
use crate::units::{LocalTime, MediaPosition, Nanos, SampleRate};

/// Time for which the clock estimates of a new stream are left to settle. Judgement: by then, the
/// rates are known to 1 ppm.
const SETTLING: Nanos = Nanos::from_secs(5);
/// [`SETTLING`] while PTP time is not known. Judgement: a PTP client that has been started together
/// with the stream locks within seconds or, on a busy network, within half a minute.
const SETTLING_WITHOUT_PTP: Nanos = Nanos::from_secs(30);
/// Lower limit for the uncertainty of a wandering reference, as a fraction of its wander.
/// Judgement: the time constant of a slow wander takes a long time to measure, and until it is
/// known, the error of a long-term average exceeds its estimated standard deviation.
const WANDER_SHARE: f64 = 1.0;
/// Maximum time by which a packet may seem to arrive before the timestamp of its first frame.
/// Judgement: PTP is not exact, and some senders timestamp late.
const EARLY: Nanos = Nanos::from_millis(1);

/// The setpoint of a stream that is being played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    rate: SampleRate,
    /// How far the setpoint was behind the position of the arrivals at the last callback.
    behind_arrivals_frames: f64,
    by_ptp: bool,
    /// Whether PTP was lost between the previous callback and this one.
    left_ptp: bool,
    /// Standard deviation of the setpoint derived from PTP: the standard deviation of the estimate,
    /// but at least a fraction of the wander.
    sigma: Nanos,
    alignment: Alignment,
}

impl Target {
    /// Creates the setpoint of a stream that begins with this depth.
    pub(super) fn new(rate: SampleRate, depth: Nanos) -> Self {
        Self {
            rate,
            behind_arrivals_frames: rate.frames_in(depth),
            by_ptp: false,
            left_ptp: false,
            sigma: Nanos::ZERO,
            alignment: Alignment::default(),
        }
    }

    /// Whether the setpoint is derived from PTP.
    pub(super) fn is_by_ptp(&self) -> bool {
        self.by_ptp
    }

    /// Standard deviation of the varying part of the setpoint's error.
    pub(super) fn sigma(&self) -> Nanos {
        self.sigma
    }

    /// The time from the arrival of a packet without queueing to its playout at the setpoint.
    pub(super) fn depth(&self) -> Nanos {
        self.rate.duration_f64(self.behind_arrivals_frames)
    }

    /// Moves the setpoint back by `frames`, because the depth has changed.
    pub(super) fn shift(&mut self, frames: f64) {
        self.behind_arrivals_frames += frames;
    }

    /// Returns the media position to be played at `now`; `None` while nothing is known about the
    /// sender. With PTP, packets that were in transit for longer than `latest` cannot be played.
    pub(super) fn position(
        &mut self,
        now: LocalTime,
        snapshot: &ControlSnapshot,
        depth: Nanos,
        latest: Nanos,
    ) -> Option<MediaPosition> {
        let arrivals = snapshot.arrivals?.position_at(now);
        let by_ptp = self.by_ptp(now, snapshot, arrivals, depth, latest);
        self.left_ptp = self.by_ptp && by_ptp.is_none();
        self.by_ptp = by_ptp.is_some();
        let sigma_ns = |reference: MediaMap| {
            let clock = reference.clock();
            clock.mean_sigma_ns(now).max(WANDER_SHARE * clock.phase_wander_ns())
        };
        let sigma_ns = snapshot.reference.filter(|_| self.by_ptp).map_or(0.0, sigma_ns);
        self.sigma = Nanos::from_nanos_f64(sigma_ns);
        let position = by_ptp.unwrap_or_else(|| arrivals.advanced(-self.behind_arrivals_frames));
        self.behind_arrivals_frames = arrivals.frames_since(position);
        Some(position)
    }

    /// The setpoint derived from PTP; `None` if PTP time is not known, or if the current arrivals
    /// show that the sender does not follow PTP.
    fn by_ptp(
        &self,
        now: LocalTime,
        snapshot: &ControlSnapshot,
        arrivals: MediaPosition,
        depth: Nanos,
        latest: Nanos,
    ) -> Option<MediaPosition> {
        let packet_frames = f64::from(snapshot.packet_frames);
        let sent = snapshot.reference?.position_at(now).advanced(-packet_frames);
        let transit = self.rate.duration_f64(sent.frames_since(arrivals));
        let earliest = -EARLY - self.rate.duration_f64(packet_frames);
        (earliest <= transit && transit <= latest).then(|| sent.advanced(-self.rate.frames_in(depth)))
    }

    /// Determines the correction for a block, given that playout lags the setpoint by `behind`.
    pub(super) fn correct(&mut self, behind: Nanos, block: Nanos) -> Correction {
        if self.left_ptp && self.alignment.may_adopt(behind) {
            self.alignment.wait(block);
            self.stay(behind);
            return Correction::Adopt;
        }
        let settling = if self.by_ptp { SETTLING } else { SETTLING_WITHOUT_PTP };
        let setpoint = Setpoint { sigma: self.sigma, settling, is_absolute: self.by_ptp };
        let correction = self.alignment.correct(behind, block, &setpoint);
        if correction == Correction::Adopt {
            self.stay(behind);
        }
        correction
    }

    /// Moves the setpoint to the playback position, which lags the setpoint by `behind`.
    fn stay(&mut self, behind: Nanos) {
        self.behind_arrivals_frames += self.rate.frames_in(behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ClockMap, MediaMap};
    use crate::units::{Frames, Ppb};

    const RATE: SampleRate = SampleRate::HZ_48000;
    const DEPTH: Nanos = Nanos::from_millis(20);
    const BLOCK: Nanos = Nanos::from_millis(10);
    const LATEST: Nanos = Nanos::from_millis(10);
    const PACKET_FRAMES: u32 = 240;

    fn map(frame: i64) -> MediaMap {
        MediaMap::new(LocalTime::ZERO, Frames::new(frame), RATE, ClockMap::exact(LocalTime::ZERO, 0.0, Ppb::ZERO))
    }

    /// A sender that is sending frame 10 000 according to PTP, and whose packets are in transit for
    /// `transit`.
    fn snapshot(transit: Nanos, ptp: bool) -> ControlSnapshot {
        let arriving = 10_000 - i64::from(PACKET_FRAMES) - RATE.frames_in(transit) as i64;
        ControlSnapshot {
            generation: 1,
            shifts: 0,
            arrivals: Some(map(arriving)),
            reference: ptp.then(|| map(10_000)),
            packet_frames: PACKET_FRAMES,
            media_rate: Ppb::ZERO,
            silenced: false,
        }
    }

    fn position(target: &mut Target, transit: Nanos, ptp: bool) -> f64 {
        let position = target.position(LocalTime::ZERO, &snapshot(transit, ptp), DEPTH, LATEST).unwrap();
        position.frames_since(MediaPosition::at_frame(Frames::ZERO))
    }

    #[test]
    fn by_ptp_the_network_does_not_matter_and_by_arrivals_it_does() {
        for transit in [Nanos::from_micros(-5900), Nanos::ZERO, Nanos::from_millis(3), Nanos::from_millis(10)] {
            let mut target = Target::new(RATE, DEPTH);
            let by_ptp = position(&mut target, transit, true);
            assert!(target.is_by_ptp() && (by_ptp - (10_000.0 - 240.0 - 960.0)).abs() < 1e-3, "{transit}: {by_ptp}");
            let mut target = Target::new(RATE, DEPTH);
            let by_arrivals = position(&mut target, transit, false);
            assert!((by_ptp - by_arrivals - RATE.frames_in(transit)).abs() < 1.0, "{transit}: {by_arrivals}");
        }
    }

    #[test]
    fn timestamps_that_cannot_be_ptps_are_not_followed() {
        for transit in [Nanos::from_millis(-7), Nanos::from_millis(11), Nanos::from_secs(3600)] {
            let mut target = Target::new(RATE, DEPTH);
            let with = position(&mut target, transit, true);
            assert!(!target.is_by_ptp(), "{transit}");
            let without = position(&mut Target::new(RATE, DEPTH), transit, false);
            assert!((with - without).abs() < 1e-3, "{transit}");
        }
    }

    #[test]
    fn the_target_stays_where_it_is_when_ptp_goes() {
        let mut target = Target::new(RATE, DEPTH);
        let by_ptp = position(&mut target, Nanos::from_millis(3), true);
        let after = position(&mut target, Nanos::from_millis(3), false);
        assert!(!target.is_by_ptp() && (by_ptp - after).abs() < 1e-3, "{by_ptp} {after}");
    }

    #[test]
    fn what_was_left_to_be_trimmed_by_ptp_is_left_when_ptp_goes() {
        let error = Nanos::from_micros(900);
        let mut target = Target::new(RATE, DEPTH);
        let by_ptp = position(&mut target, Nanos::ZERO, true);
        for _ in 0..600 {
            target.correct(Nanos::ZERO, BLOCK);
        }
        assert_eq!(target.correct(error, BLOCK), Correction::Trim);
        position(&mut target, Nanos::ZERO, false);
        assert_eq!(target.correct(error, BLOCK), Correction::Adopt);
        let moved = by_ptp - position(&mut target, Nanos::ZERO, false);
        assert!((moved - RATE.frames_in(error)).abs() < 1e-3, "{moved}");
        assert_eq!(target.correct(Nanos::ZERO, BLOCK), Correction::Trim);
    }

    #[test]
    fn a_young_stream_is_left_alone_and_then_aligned() {
        for (ptp, error, settled, target_moves) in [
            (true, Nanos::from_micros(90), Correction::Trim, false),
            (true, Nanos::from_micros(110), Correction::Jump, false),
            (false, Nanos::from_micros(-700), Correction::Adopt, true),
        ] {
            let mut target = Target::new(RATE, DEPTH);
            let before = position(&mut target, Nanos::ZERO, ptp);
            let settling = if ptp { SETTLING } else { SETTLING_WITHOUT_PTP };
            let blocks = settling.as_nanos() / BLOCK.as_nanos();
            for _ in 1..blocks {
                assert_eq!(target.correct(error, BLOCK), Correction::Hold);
            }
            assert_eq!(target.correct(error, BLOCK), settled, "{error}");
            let moved = before - position(&mut target, Nanos::ZERO, ptp);
            let expected = if target_moves { RATE.frames_in(error) } else { 0.0 };
            assert!((moved - expected).abs() < 1e-3, "{error}: {moved}");
            assert_eq!(target.correct(Nanos::ZERO, BLOCK), Correction::Trim);
        }
    }

    /// Number of jumps in a minute with errors of 3 ms, whose sign alternates with each jump or
    /// stays the same.
    fn jumps_in_a_minute(alternating: bool) -> usize {
        let mut target = Target::new(RATE, DEPTH);
        position(&mut target, Nanos::ZERO, true);
        let mut error = Nanos::from_millis(3);
        let jumps = (0..6000).filter(|_| {
            let jumps = target.correct(error, BLOCK) == Correction::Jump;
            if jumps && alternating {
                error = -error;
            }
            jumps
        });
        jumps.count()
    }

    #[test]
    fn a_reference_that_takes_jumps_back_is_followed_later_and_later_and_a_card_that_runs_dry_at_once() {
        assert!(jumps_in_a_minute(true) < 12, "{}", jumps_in_a_minute(true));
        assert!(jumps_in_a_minute(false) >= 119, "{}", jumps_in_a_minute(false));
    }

    #[test]
    fn a_reference_that_wanders_moves_playout_by_more_before_it_is_jumped_after() {
        let mut target = Target::new(RATE, DEPTH);
        position(&mut target, Nanos::ZERO, true);
        target.sigma = Nanos::from_millis(1);
        assert!((0..100).all(|_| target.correct(Nanos::from_millis(3), BLOCK) != Correction::Jump));
        assert!((0..100).any(|_| target.correct(Nanos::from_millis(5), BLOCK) == Correction::Jump));
    }

    #[test]
    fn a_large_error_that_lasts_is_jumped_over() {
        let mut target = Target::new(RATE, DEPTH);
        let jumps = (0..100).filter(|_| target.correct(Nanos::from_millis(3), BLOCK) == Correction::Jump).count();
        assert_eq!(jumps, 2, "one each half second");
    }
}
