//! Maps from the host's monotonic clock to another clock.
//!
//! Model: since a common origin, the other clock has advanced by the host's elapsed time plus an
//! *offset* that changes at a constant *rate*. Only the offset is a float, so the maps stay exact
//! to a fraction of a nanosecond over years.

use crate::units::{Frames, LocalTime, MediaPosition, Nanos, Ppb, PtpTime, SECOND_NS, SampleRate};

/// An estimated linear relation between the host's clock and another clock, both counted from a
/// common origin, with its uncertainty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClockMap {
    /// When the offset was estimated.
    pub(super) at: LocalTime,
    /// Elapsed time on the other clock minus elapsed time on the host's clock at `at`, ns.
    pub(super) offset_ns: f64,
    /// Change of the offset: rate of the other clock relative to the host's clock, ns/s.
    pub(super) rate_ppb: f64,
    /// Variances and covariance of offset (ns) and rate (ns/s).
    pub(super) variance_offset: f64,
    pub(super) covariance: f64,
    pub(super) variance_rate: f64,
    /// Assumed growth of the rate's variance, ppb^2 per second.
    pub(super) rate_wander: f64,
    /// Standard deviation of the other clock's own wander around the map, ns.
    pub(super) phase_wander_ns: f64,
}

impl ClockMap {
    /// Creates a map that is exactly known: its offset is `offset_ns` at `at` and changes at
    /// `rate`.
    #[must_use]
    pub fn exact(at: LocalTime, offset_ns: f64, rate: Ppb) -> Self {
        Self { at, offset_ns, rate_ppb: rate.as_ppb(), ..Self::default() }
    }

    /// The same relation with a new origin, chosen such that the other clock is `offset_ns` ahead
    /// at `at`. The uncertainty is kept.
    pub(crate) fn seen_from(&self, at: LocalTime, offset_ns: f64) -> Self {
        let span_s = (at - self.at).as_secs_f64();
        let sigma_ns = self.mean_sigma_ns(at);
        Self {
            at,
            offset_ns,
            variance_offset: sigma_ns * sigma_ns,
            covariance: self.covariance + self.variance_rate * span_s,
            ..*self
        }
    }

    /// When the map was estimated.
    #[must_use]
    pub fn estimated_at(&self) -> LocalTime {
        self.at
    }

    /// How far the other clock is ahead of the host's clock at `t`, ns, both counted from the
    /// origin.
    #[must_use]
    pub fn offset_ns(&self, t: LocalTime) -> f64 {
        self.offset_ns + self.rate_ppb * (t - self.at).as_secs_f64()
    }

    /// The host time at which the other clock has advanced as far as the host's clock has at
    /// `nominal`. Solves t + offset(t) = nominal, where the offset is linear in t.
    fn local_at(&self, nominal: LocalTime) -> LocalTime {
        let correction = self.offset_ns(nominal) / self.rate().ratio();
        nominal - Nanos::from_nanos_f64(libm::round(correction))
    }

    /// Rate of the other clock relative to the host's clock.
    #[must_use]
    pub fn rate(&self) -> Ppb {
        Ppb::new(self.rate_ppb)
    }

    /// The same map, with `displacement_ns` added to the uncertainty of the offset as a root sum of
    /// squares.
    pub(super) fn displaced(self, displacement_ns: f64) -> Self {
        Self { variance_offset: self.variance_offset + displacement_ns * displacement_ns, ..self }
    }

    /// Standard deviation of the rate.
    #[must_use]
    pub fn rate_sigma(&self) -> Ppb {
        Ppb::new(libm::sqrt(self.variance_rate.max(0.0)))
    }

    /// Standard deviation of the difference between the map and the other clock at `t`, ns. It
    /// includes the wander of the clock.
    #[must_use]
    pub fn sigma_ns(&self, t: LocalTime) -> f64 {
        libm::hypot(self.mean_sigma_ns(t), self.phase_wander_ns)
    }

    /// Standard deviation of the other clock's wander around the map, beyond the wander of a
    /// crystal, ns.
    #[must_use]
    pub fn phase_wander_ns(&self) -> f64 {
        self.phase_wander_ns
    }

    /// Standard deviation of the map itself at `t`, ns, relative to the other clock without its
    /// wander. The variance grows with the time T between the estimate and `t` as P_off + 2 P_cov T
    /// + P_rate T^2 + q T^3/3.
    #[must_use]
    pub fn mean_sigma_ns(&self, t: LocalTime) -> f64 {
        let span_s = (t - self.at).as_secs_f64();
        let grown = self.variance_offset
            + 2.0 * self.covariance * span_s
            + self.variance_rate * span_s * span_s
            + self.rate_wander * (span_s * span_s * span_s).abs() / 3.0;
        if grown.is_nan() { f64::INFINITY } else { libm::sqrt(grown.max(0.0)) }
    }
}

/// Map from the host's clock to PTP time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PtpMap {
    origin_local: LocalTime,
    origin_ptp: PtpTime,
    map: ClockMap,
}

impl PtpMap {
    /// Creates a map whose two clocks are counted from the given origins.
    #[must_use]
    pub fn new(origin_local: LocalTime, origin_ptp: PtpTime, map: ClockMap) -> Self {
        Self { origin_local, origin_ptp, map }
    }

    /// The relation between the two clocks.
    #[must_use]
    pub fn clock(&self) -> &ClockMap {
        &self.map
    }

    /// PTP time at host time `t`, rounded to 1 ns.
    ///
    /// ```
    /// use engine::clock::{ClockMap, PtpMap};
    /// use engine::{LocalTime, Ppb, PtpTime};
    /// let map = ClockMap::exact(LocalTime::ZERO, 500.0, Ppb::from_ppm(1.0));
    /// let ptp = PtpMap::new(LocalTime::ZERO, PtpTime::from_timestamp(100, 0), map);
    /// assert_eq!(ptp.ptp_at(LocalTime::from_nanos(1_000_000_000)), PtpTime::from_timestamp(101, 1_500));
    /// ```
    #[must_use]
    pub fn ptp_at(&self, t: LocalTime) -> PtpTime {
        let offset = Nanos::from_nanos_f64(libm::round(self.map.offset_ns(t)));
        self.origin_ptp + (t - self.origin_local) + offset
    }

    /// The host time at which PTP time is `ptp`, rounded to 1 ns.
    ///
    /// ```
    /// use engine::clock::{ClockMap, PtpMap};
    /// use engine::{LocalTime, Ppb, PtpTime};
    /// let map = ClockMap::exact(LocalTime::ZERO, 500.0, Ppb::from_ppm(1.0));
    /// let ptp = PtpMap::new(LocalTime::ZERO, PtpTime::from_timestamp(100, 0), map);
    /// assert_eq!(ptp.local_at(PtpTime::from_timestamp(101, 1_500)), LocalTime::from_nanos(1_000_000_000));
    /// ```
    #[must_use]
    pub fn local_at(&self, ptp: PtpTime) -> LocalTime {
        self.map.local_at(self.origin_local + (ptp - self.origin_ptp))
    }
}

/// Map from the host's clock to a media clock: the sender's (frames that have arrived) or the sound
/// card's (frames played).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MediaMap {
    origin_local: LocalTime,
    origin_frame: Frames,
    sample_rate: SampleRate,
    map: ClockMap,
}

impl MediaMap {
    /// Creates a map whose two clocks are counted from the given origins, with the media clock's
    /// nominal rate.
    #[must_use]
    pub fn new(origin_local: LocalTime, origin_frame: Frames, sample_rate: SampleRate, map: ClockMap) -> Self {
        Self { origin_local, origin_frame, sample_rate, map }
    }

    /// The relation between the two clocks.
    #[must_use]
    pub fn clock(&self) -> &ClockMap {
        &self.map
    }

    /// The media clock's nominal rate.
    #[must_use]
    pub fn sample_rate(&self) -> SampleRate {
        self.sample_rate
    }

    /// The media clock's position at host time `t`.
    #[must_use]
    pub fn position_at(&self, t: LocalTime) -> MediaPosition {
        let elapsed = self.sample_rate.position_after(i128::from((t - self.origin_local).as_nanos()));
        let fs = f64::from(self.sample_rate.as_hz());
        let drifted = self.map.offset_ns(t) * fs / SECOND_NS;
        let origin = MediaPosition::at_frame(self.origin_frame + elapsed.frame());
        origin.advanced(elapsed.fraction() + drifted)
    }

    /// The host time at which the media clock reaches `frame`, rounded to 1 ns.
    ///
    /// ```
    /// use engine::clock::{ClockMap, MediaMap};
    /// use engine::{Frames, LocalTime, Ppb, SampleRate};
    /// let card = MediaMap::new(LocalTime::ZERO, Frames::ZERO, SampleRate::HZ_48000,
    ///     ClockMap::exact(LocalTime::ZERO, 0.0, Ppb::from_ppm(100.0)));
    /// let t = card.local_at(Frames::new(48_000));
    /// assert_eq!(card.position_at(t).frame(), Frames::new(48_000));
    /// ```
    #[must_use]
    pub fn local_at(&self, frame: Frames) -> LocalTime {
        self.map.local_at(self.origin_local + self.sample_rate.duration(frame - self.origin_frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn uncertainty_grows_away_from_the_estimate() {
        let map = ClockMap { variance_offset: 4.0, variance_rate: 9.0, rate_wander: 1.0, ..ClockMap::default() };
        let at = |s: i64| LocalTime::ZERO + Nanos::from_secs(s);
        assert!((map.sigma_ns(at(0)) - 2.0).abs() < 1e-12);
        let expected = libm::sqrt(4.0 + 9.0 * 100.0 + 1000.0 / 3.0);
        assert!((map.sigma_ns(at(10)) - expected).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn ptp_time_and_local_time_are_inverse(elapsed in 0i64..100_000_000_000_000, ppm in -500.0f64..500.0, offset in -1e9f64..1e9) {
            let map = PtpMap::new(LocalTime::from_nanos(77), PtpTime::from_timestamp(1_790_000_000, 5),
                ClockMap::exact(LocalTime::ZERO, offset, Ppb::from_ppm(ppm)));
            let ptp = PtpTime::from_timestamp(1_790_000_000, 5) + Nanos::new(elapsed);
            prop_assert!((map.ptp_at(map.local_at(ptp)) - ptp).abs() <= Nanos::new(1));
        }

        #[test]
        fn media_position_and_local_time_are_inverse(frame in 0i64..(1 << 42), ppm in -500.0f64..500.0, offset in -1e9f64..1e9) {
            let map = MediaMap::new(LocalTime::from_nanos(77), Frames::new(-5), SampleRate::HZ_48000,
                ClockMap::exact(LocalTime::ZERO, offset, Ppb::from_ppm(ppm)));
            let position = map.position_at(map.local_at(Frames::new(frame)));
            // 2 ns are 1e-4 of a frame.
            prop_assert!(position.frames_since(MediaPosition::at_frame(Frames::new(frame))).abs() < 3e-4);
        }
    }
}
