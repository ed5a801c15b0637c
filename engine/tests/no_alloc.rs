//! The audio half never allocates, whatever the network and PTP do, and fills every frame of its
//! output. Nor does a sender, once it is made.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod counting_allocator;
mod rig;

use counting_allocator::watched;
use engine::audio::{ChannelMap, FusedRateController};
use engine::clock::{ClockMap, ClockReading, LockState, PathDelay, PtpMap, Reference, ReferenceConfig, Sources};
use engine::receive::{MediaClock, Playout, StreamConfig};
use engine::rtp::format::{Encoding, StreamFormat};
use engine::send::{Dither, Sender, SenderConfig};
use engine::{Frames, LocalTime, Nanos, Ppb, PtpTime, SampleRate};
use rig::{Arrival, Rig, at_ms};
use std::ops::Range;

const FIRST: rig::Sender = rig::Sender { ssrc: 1, timestamp: 0xFFFF_0000, frequency_hz: 440.0 };
/// PTP time when the sender captures its first frame, s since the epoch.
const PTP_AT_START_S: u64 = 1_790_000_000;

/// Calls to the allocator that a stretch of playout made.
fn calls_in(rig: &mut Rig, ms: Range<i64>, arrivals: &[Arrival]) -> usize {
    let mut calls = 0;
    rig.run(ms, arrivals, |playout: &mut Playout<FusedRateController>, now: LocalTime, out: &mut [f32]| {
        calls += watched(|| playout.pull(now, out)).1;
    });
    calls
}

fn rig() -> Rig {
    // Timestamp = PTP time x 48 kHz + offset, modulo 2^32.
    let at_epoch = u64::from(FIRST.timestamp).wrapping_sub(PTP_AT_START_S * 48_000) as u32;
    Rig::new(MediaClock::Ptp { offset: at_epoch })
}

/// PTP, `ahead` of the truth.
fn reading(state: LockState, ahead: Nanos) -> ClockReading {
    let clock = ClockMap::exact(at_ms(0), ahead.as_nanos() as f64, Ppb::ZERO);
    let map = PtpMap::new(at_ms(0), PtpTime::from_timestamp(PTP_AT_START_S, 0), clock);
    ClockReading { state, map: Some(map), epoch: 0, path_delay: PathDelay::Measured }
}

#[test]
fn start_and_steady_play() {
    let mut rig = rig();
    // The card runs before the first packet.
    assert_eq!(calls_in(&mut rig, 0..2_000, &FIRST.packets(500..2_000)), 0);
    let stats = *rig.playout.stats();
    assert!(stats.started && stats.underruns == 0, "{stats:?}");
}

#[test]
fn loss_and_reordering() {
    let mut rig = rig();
    let mut packets = FIRST.packets(0..3_000);
    for (i, pair) in packets.chunks_exact_mut(2).enumerate() {
        if i % 5 == 0 {
            // Both come when the later one does, the other way round.
            let [one, two] = pair else { unreachable!("chunks of two") };
            std::mem::swap(&mut one.1, &mut two.1);
            one.0 = two.0;
        }
    }
    let mut index = 0;
    // Single packets, and three in a row.
    packets.retain(|_| {
        index += 1;
        index < 500 || index % 100 != 0 && !(1_000..1_003).contains(&index)
    });
    assert_eq!(calls_in(&mut rig, 0..3_000, &packets), 0);
    assert!(rig.ingest.stats().sequence.lost > 20 && rig.ingest.stats().sequence.reordered > 200);
    assert!(rig.playout.stats().concealed_frames > 1_000, "{:?}", rig.playout.stats());
}

#[test]
fn starvation_and_return() {
    let mut rig = rig();
    let packets = [FIRST.packets(0..1_000), FIRST.packets(1_400..3_000)].concat();
    assert_eq!(calls_in(&mut rig, 0..3_000, &packets), 0);
    assert!(rig.playout.stats().underruns > 20, "{:?}", rig.playout.stats());
}

#[test]
fn another_source_takes_over() {
    let mut rig = rig();
    let second = rig::Sender { ssrc: 2, timestamp: 77, frequency_hz: 997.0 };
    let packets = [FIRST.packets(0..1_000), second.packets(1_500..3_000)].concat();
    assert_eq!(calls_in(&mut rig, 0..3_000, &packets), 0);
    assert_eq!(rig.ingest.stats().generation, 2);
}

#[test]
fn ptp_locks_steps_holds_and_unlocks() {
    let mut rig = rig();
    let packets = FIRST.packets(0..45_000);
    // PTP is followed once playout has settled.
    rig.ingest.set_clock(&reading(LockState::Locked, Nanos::ZERO));
    assert_eq!(calls_in(&mut rig, 0..35_000, &packets), 0);
    let jumps = rig.playout.stats().jumps;
    // A silent step of PTP, which playout jumps after.
    rig.ingest.set_clock(&reading(LockState::Locked, Nanos::from_millis(5)));
    assert_eq!(calls_in(&mut rig, 35_000..37_000, &packets), 0);
    assert_eq!(rig.playout.stats().jumps, jumps + 1);
    rig.ingest.set_clock(&reading(LockState::Holdover, Nanos::from_millis(5)));
    assert_eq!(calls_in(&mut rig, 37_000..40_000, &packets), 0);
    rig.ingest.set_clock(&reading(LockState::Unlocked, Nanos::from_millis(5)));
    assert_eq!(calls_in(&mut rig, 40_000..45_000, &packets), 0);
    assert_eq!(rig.playout.stats().jumps, jumps + 1);
}

#[test]
fn senders_send_without_the_allocator() {
    let format = StreamFormat::new(Encoding::L16, SampleRate::HZ_48000, 2).unwrap();
    let config = SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 1);
    let secondary = Some(([239, 70, 0, 1], 5004).into());
    let mut sender = Sender::new(SenderConfig { secondary, dither: Dither::Tpdf { seed: 1 }, ..config }).unwrap();
    let mut reference = Reference::new(ReferenceConfig::default());
    let (mut sent, mut calls) = (0, 0);
    for ms in 0..1_000 {
        let ahead = if ms < 500 { Nanos::ZERO } else { Nanos::from_secs(3600) };
        reference.advance(at_ms(ms), &Sources { ptp: Some(reading(LockState::Locked, ahead)), ..Sources::default() });
        let send = || {
            sender.set_clock(at_ms(ms), &reference);
            sender.handle_timeout(at_ms(ms), &mut |_: Frames, out: &mut [f32]| out.fill(0.1));
            while let Some(transmit) = sender.poll_transmit() {
                sent += transmit.datagram.len();
            }
        };
        calls += watched(send).1;
    }
    assert_eq!(calls, 0);
    assert!(sent > 2 * 990 * 200 && sender.stats().realignments == 1, "{sent} bytes, {:?}", sender.stats());
}

#[test]
fn channels_are_mapped() {
    let format = rig::format();
    let map = ChannelMap::new(&[Some(1), Some(0)]).unwrap();
    let mut rig = Rig::of(StreamConfig { channel_map: map, ..rig::config(format, MediaClock::Unrelated) });
    assert_eq!(calls_in(&mut rig, 0..2_000, &FIRST.packets(0..2_000)), 0);
    assert!(rig.playout.stats().started);
}
