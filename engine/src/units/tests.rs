use super::*;
use proptest::prelude::*;

#[test]
fn times_saturate_instead_of_overflowing() {
    assert_eq!(LocalTime::from_nanos(i64::MAX) + Nanos::new(1), LocalTime::from_nanos(i64::MAX));
    let far = PtpTime::from_timestamp((1 << 48) - 1, 999_999_999);
    assert_eq!(far - PtpTime::EPOCH, Nanos::new(i64::MAX));
    assert_eq!(PtpTime::EPOCH - far, Nanos::new(i64::MIN));
}

#[test]
fn log_intervals_cover_every_byte() {
    for log2 in i8::MIN..=i8::MAX {
        assert!(Nanos::from_log2_secs(log2) >= Nanos::ZERO, "log2 {log2}");
    }
    assert_eq!(Nanos::from_log2_secs(1), Nanos::from_secs(2));
}

proptest! {
    #[test]
    fn unwrapping_finds_the_nearest_position(reference in -(1i64 << 40)..(1i64 << 40), distance in -(1i64 << 31)..(1i64 << 31)) {
        let position = Frames::new(reference + distance);
        prop_assert_eq!(RtpTimestamp::from_frames(position).unwrap_near(Frames::new(reference)), position);
    }

    #[test]
    fn advancing_keeps_the_fraction_in_range(steps in proptest::collection::vec(-2000.0f64..2000.0, 1..50)) {
        let start = MediaPosition::at_frame(Frames::new(1 << 50));
        let mut position = start;
        for &step in &steps {
            position = position.advanced(step);
            prop_assert!((0.0..1.0).contains(&position.fraction()));
        }
        let sum: f64 = steps.iter().sum();
        prop_assert!((position.frames_since(start) - sum).abs() < 1e-6);
    }

    #[test]
    fn durations_of_frames_are_the_same_in_64_and_128_bits(
        frames in prop_oneof![any::<i64>(), -10_000_000_000i64..10_000_000_000], hz in 8_000u32..200_000,
    ) {
        let exact = (i128::from(frames) * 1_000_000_000).div_euclid(i128::from(hz));
        let rate = SampleRate::from_hz(hz).unwrap();
        prop_assert_eq!(rate.duration(Frames::new(frames)), Nanos::saturating_from(exact));
    }

    #[test]
    fn rounding_to_whole_ns_is_that_of_libm(halves in -(1i64 << 40)..(1i64 << 40), bits: u64) {
        let half = halves as f64 / 2.0;
        for ns in [half, half.next_up(), half.next_down(), f64::from_bits(bits)] {
            prop_assert_eq!(Nanos::from_nanos_rounded(ns), Nanos::from_nanos_f64(libm::round(ns)), "{}", ns);
        }
    }

    #[test]
    fn durations_of_frames_never_lose_a_frame(frames in 0i64..(1 << 45)) {
        let rate = SampleRate::HZ_48000;
        let back = rate.frames_in(rate.duration(Frames::new(frames)));
        prop_assert!((back - frames as f64).abs() < 0.01);
    }
}
