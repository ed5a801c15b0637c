//! A sender that is said to be on PTP, and is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use engine::clock::{ClockMap, ClockReading, LockState, PathDelay, PtpMap};
use engine::receive::MediaClock;
use engine::{Nanos, Ppb, PtpTime};
use rig::{Rig, Sender, at_ms};

const SENDER: Sender = Sender { ssrc: 1, timestamp: 0x1234_5678, frequency_hz: 440.0 };

const ON_PTP: MediaClock = MediaClock::Ptp { offset: 0 };

/// PTP, faster than the host and so than the sender by `ppm`.
fn ptp(ppm: f64) -> ClockReading {
    let clock = ClockMap::exact(at_ms(0), 0.0, Ppb::from_ppm(ppm));
    let map = PtpMap::new(at_ms(0), PtpTime::from_timestamp(1_790_000_000, 0), clock);
    ClockReading { state: LockState::Locked, map: Some(map), epoch: 0, path_delay: PathDelay::Measured }
}

/// Plays for a time with PTP apart from the sender by `ppm`; the sender's offset to it is anything.
fn played(media_clock: MediaClock, ppm: f64, seconds: i64) -> Rig {
    let mut rig = Rig::new(media_clock);
    rig.ingest.set_clock(&ptp(ppm));
    rig.run(0..seconds * 1000, &SENDER.packets(0..seconds * 1000), |playout, now, out| playout.pull(now, out));
    rig
}

#[test]
fn it_is_reported_and_played_by_arrivals() {
    let rig = played(ON_PTP, 25.0, 120);
    let stats = rig.ingest.stats();
    assert!(stats.sender_off_ptp && (stats.rate_against_ptp.as_ppm() + 25.0).abs() < 0.1, "{stats:?}");
    let playout = rig.playout.stats();
    assert!((playout.actual_depth - rig::TARGET_DEPTH).abs() < Nanos::from_micros(500), "{playout:?}");
    assert_eq!((playout.jumps, playout.underruns), (0, 0));
}

#[test]
fn one_that_is_on_ptp_is_not_accused() {
    assert!(!played(ON_PTP, 0.5, 60).ingest.stats().sender_off_ptp);
}

#[test]
fn one_that_claims_nothing_cannot_be_wrong() {
    assert!(!played(MediaClock::Unrelated, 25.0, 60).ingest.stats().sender_off_ptp);
}
