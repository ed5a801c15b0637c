//! What must hold of the state machines, whatever comes in whatever order. Each function panics
//! where it does not.
//!
//! Model: bytes are a [`Script`]: numbers of it choose a configuration, then what happens next. So
//! that searching gets deep, what it makes is well-formed in all but what it is there for: packets
//! of one stream with any sequence number and timestamp, timestamp pairs of one master with any
//! error.
//!
//! Shared by the fuzz targets and by `engine/tests/properties.rs`.

use crate::script::Script;
use engine::audio::{ChannelMap, FusedRateController};
use engine::clock::{
    ClockMap, ClockReading, ClockServo, Direction, LockState, PathDelay, PtpMap, Reference, ReferenceConfig,
    SlaveClock, Sources, TimestampPair,
};
use engine::receive::{Datagram, Ingest, MediaClock, Playout, StreamConfig, stream};
use engine::relay::{Relay, RelayConfig};
use engine::resample::SincResampler;
use engine::rtp::format::{Encoding, PacketTime, StreamFormat};
use engine::rtp::leg::Leg;
use engine::rtp::sequence::SequenceNumber;
use engine::rtp::wire::{PayloadType, RtpHeader, RtpPacket, Ssrc};
use engine::send::SenderConfig;
use engine::{LocalTime, Nanos, Ppb, PtpTime, RtpTimestamp, SampleRate};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

/// Far more than any queue holds.
const MANY: usize = 10_000;
/// What is pulled at once, at most.
const LARGEST_CALLBACK: usize = 512;
/// Samples are within full scale; a resampler overshoots by less than as much again.
pub(crate) const LARGEST_SAMPLE: f32 = 2.0;
const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const TAI: PtpTime = PtpTime::from_timestamp(1_790_000_000, 0);

fn sample_rate(hz: u32) -> SampleRate {
    SampleRate::from_hz(hz).expect("a rate of AES67")
}

pub(crate) fn format(script: &mut Script<'_>) -> StreamFormat {
    let encoding = if script.flag() { Encoding::L16 } else { Encoding::L24 };
    let rate = sample_rate([48_000, 44_100, 96_000][script.below(3)]);
    StreamFormat::new(encoding, rate, 1 + script.below(8)).expect("one to eight channels")
}

/// The rate of a sound card: mostly the stream's, sometimes one that takes real conversion.
pub(crate) fn card_rate(script: &mut Script<'_>, stream_rate: SampleRate) -> SampleRate {
    // Kept, so that no input needs milliseconds for the tables of its filter, which are shared.
    static TABLES: OnceLock<Vec<SincResampler>> = OnceLock::new();
    let of_step = |step| SincResampler::new(1, 1, step).expect("a ratio of two rates of AES67");
    TABLES.get_or_init(|| [48.0 / 44.1, 96.0 / 44.1, 44.1 / 48.0, 44.1 / 96.0].map(of_step).into());
    if script.byte() >= 0xE0 { sample_rate(44_100) } else { stream_rate }
}

/// Packets of one stream.
struct Talker {
    format: StreamFormat,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Talker {
    /// The next packet, or another one: mostly it goes on, sometimes it is anything.
    fn datagram(&mut self, script: &mut Script<'_>) -> Vec<u8> {
        let kind = script.byte();
        let frames = [48, 48, 48, 6, 12, 192, 240, 1][usize::from(kind & 7)];
        match kind >> 3 & 7 {
            0 => self.sequence = self.sequence.wrapping_add(u16::from(script.byte())),
            1 => self.timestamp = self.timestamp.wrapping_add_signed(script.exponent() as i32),
            2 => (self.sequence, self.timestamp) = (script.word() as u16, script.word()),
            3 => self.ssrc = u32::from(script.byte() & 3),
            _ => {}
        }
        let header = RtpHeader {
            marker: kind & 0x40 != 0,
            payload_type: PayloadType::new(if kind & 0x80 == 0 { 96 } else { 97 }).expect("below 128"),
            sequence: SequenceNumber::new(self.sequence),
            timestamp: RtpTimestamp::new(self.timestamp),
            ssrc: Ssrc(self.ssrc),
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(frames as u32);
        let bytes = frames * self.format.bytes_per_frame();
        let level = script.byte();
        [&header.emit()[..], &vec![level; bytes]].concat()
    }
}

fn source(script: &mut Script<'_>) -> Option<IpAddr> {
    match script.below(8) {
        0 => None,
        1 => Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))),
        _ => Some(SENDER),
    }
}

fn leg(script: &mut Script<'_>) -> Leg {
    if script.below(4) == 0 { Leg::B } else { Leg::A }
}

/// A clock of any error and any rate that there is.
pub(crate) fn reading(script: &mut Script<'_>, now: LocalTime) -> ClockReading {
    let map = ClockMap::exact(now, script.exponent() as f64, Ppb::from_ppm(f64::from(script.byte()) - 128.0));
    let state = [LockState::Locked, LockState::Holdover, LockState::Unlocked, LockState::Acquiring][script.below(4)];
    let epoch = u32::from(script.byte() & 3);
    let map = Some(PtpMap::new(LocalTime::ZERO, TAI, map)).filter(|_| script.below(8) != 0);
    ClockReading { state, map, epoch, path_delay: PathDelay::Measured }
}

/// Moves time: mostly by a packet's or a callback's, sometimes by anything from 1 ns to 18 minutes,
/// sometimes back.
pub(crate) fn pass(script: &mut Script<'_>, now: LocalTime) -> LocalTime {
    let pause = match script.below(8) {
        0 => Nanos::new(1 << script.below(41)),
        1 => Nanos::new(-(1 << script.below(31))),
        2 => Nanos::ZERO,
        _ => Nanos::from_micros(250 * (1 + script.below(40)) as i64),
    };
    (now + pause).max(LocalTime::ZERO)
}

/// A stream's two halves: the output is always filled, with numbers within full scale, and what is
/// counted never runs backwards.
pub(crate) fn receiver(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let format = format(&mut script);
    let depth = Nanos::from_millis(1 + script.below(100) as i64);
    let config = StreamConfig {
        payload_type: Some(96).filter(|_| script.flag()),
        packet_frames: Some(48).filter(|_| script.flag()),
        longest_packet: Some(240).filter(|_| script.flag()),
        media_clock: if script.flag() {
            MediaClock::Ptp { offset: u32::from(script.byte()) }
        } else {
            MediaClock::Unrelated
        },
        depth_limit: depth.times(1 + script.below(8) as i64),
        card_rate: card_rate(&mut script, format.sample_rate()),
        ..StreamConfig::new(format, depth, [48, 256, 480][script.below(3)])
    };
    let Ok((mut ingest, mut playout)) = stream(config) else { return };
    let mut talker = Talker { format, sequence: 0, timestamp: 0, ssrc: 1 };
    let mut now = LocalTime::from_nanos(1_000_000_000);
    let mut refused = 0;
    while let Some(step) = script.next() {
        match step % 8 {
            0..=3 => {
                let datagram = talker.datagram(&mut script);
                let (leg, from) = (leg(&mut script), source(&mut script));
                let _ = ingest.handle(Datagram { leg, at: now, from, bytes: &datagram });
            }
            4 => {
                let length = usize::from(script.byte());
                let datagram = script.take(length);
                let _ = ingest.handle_datagram(Leg::A, now, datagram);
            }
            5 => ingest.set_clock(&reading(&mut script, now)),
            _ => pull(&mut script, &mut playout, now, format.channels()),
        }
        now = pass(&mut script, now);
        refused = look_at_ingest(&mut ingest, refused);
    }
}

fn pull(script: &mut Script<'_>, playout: &mut Playout<FusedRateController>, now: LocalTime, channels: usize) {
    let frames = 1 + (usize::from(script.byte()) * 2).min(LARGEST_CALLBACK - 1);
    let mut out = vec![f32::NAN; frames * channels];
    playout.pull(now, &mut out);
    assert!(out.iter().all(|sample| sample.abs() <= LARGEST_SAMPLE), "not filled, or beyond full scale");
    let stats = playout.stats();
    assert!(stats.ratio.as_ppb().is_finite(), "{stats:?}");
}

fn look_at_ingest(ingest: &mut Ingest, refused_before: u64) -> u64 {
    let stats = ingest.stats();
    assert!(stats.refused >= refused_before, "counts run backwards");
    assert!(stats.media_rate.as_ppb().is_finite());
    let _ = ingest.arrivals();
    let _ = ingest.playout_stats();
    stats.refused
}

/// A clock that hears timestamps of any error, from one master or several: while it is LOCKED it
/// tells an uncertainty within the bound of a media clock, and its map is a number.
pub(crate) fn slave_clock(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut clock = SlaveClock::new(engine::clock::SlaveClockConfig::default());
    let mut now = LocalTime::from_nanos(1_000_000_000);
    let mut error = Nanos::ZERO;
    while let Some(step) = script.next() {
        match step % 16 {
            0..=9 => {
                // The truth but for an error that stays, and one that is this packet's.
                let direction = if step % 4 == 3 { Direction::Reverse } else { Direction::Forward };
                let late = Nanos::from_micros(40 + i64::from(script.byte()));
                let sent = if direction == Direction::Forward { now - late } else { now + late };
                let own = if step & 0x10 == 0 { Nanos::ZERO } else { Nanos::new(script.exponent()) };
                let remote = TAI + (sent - LocalTime::ZERO) + error + own;
                clock.observe(&TimestampPair { direction, local: now, remote: remote.max(PtpTime::EPOCH) });
            }
            10 => error = Nanos::new(script.exponent()),
            11 => clock.change_master(now),
            12 => (0..=script.byte() % 9).for_each(|_| clock.request_unanswered(now)),
            13 => clock.contest(now, script.flag()),
            14 => clock.set_sync_interval(Nanos::from_log2_secs(script.below(12) as i8 - 7)),
            _ => {
                clock.exchange_took(Nanos::from_micros(i64::from(script.byte()) * 10));
                clock.round_trip(Nanos::from_micros(1 + i64::from(script.byte()) * 10));
            }
        }
        if step >= 0x40 {
            now = now + Nanos::from_millis(if step >= 0x80 { 125 } else { 20 });
        } else {
            now = pass(&mut script, now);
        }
        clock.advance(now);
        look_at_clock(&mut clock, now);
    }
}

fn look_at_clock(clock: &mut SlaveClock, now: LocalTime) {
    let reading = clock.reading(now);
    if let Some(map) = reading.map {
        let sigma_ns = map.clock().sigma_ns(map.clock().estimated_at());
        assert!(sigma_ns >= 0.0, "an uncertainty of {sigma_ns} ns");
        let bounded =
            reading.state != LockState::Locked || sigma_ns <= 1e6 || reading.path_delay != PathDelay::Measured;
        assert!(bounded, "LOCKED with an uncertainty of {sigma_ns} ns");
        let _ = (map.ptp_at(now), map.local_at(TAI));
    } else {
        assert!(!reading.state.is_usable(), "{} without a map", reading.state);
    }
    assert!((0..MANY).any(|_| clock.poll_transition().is_none()), "transitions without end");
    let _ = clock.obstacle().map(|cause| cause.to_string());
}

/// A relay: what it sends is RTP of its format, as often as its clock says and no more, whatever
/// comes in.
pub(crate) fn relay(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let input = format(&mut script);
    let encoding = if script.flag() { Encoding::L16 } else { Encoding::L24 };
    let output = StreamFormat::new(encoding, input.sample_rate(), input.channels()).expect("as the input");
    let packet_time = [PacketTime::MS_1, PacketTime::US_125, PacketTime::MS_4][script.below(3)];
    let latency = Nanos::from_millis(1 + script.below(50) as i64);
    let offset = u32::from(script.byte());
    let config = RelayConfig {
        input: StreamConfig {
            channel_map: ChannelMap::identity(input),
            media_clock: MediaClock::Ptp { offset },
            ..StreamConfig::new(input, latency, 480)
        },
        output: SenderConfig { packet_time, ..SenderConfig::new(output, ([239, 69, 0, 1], 5004).into(), 1) },
        latency,
    };
    let Ok(mut relay) = Relay::new(config) else { return };
    let mut reference = Reference::new(ReferenceConfig::default());
    let mut talker = Talker { format: input, sequence: 0, timestamp: 0, ssrc: 1 };
    let mut now = LocalTime::from_nanos(1_000_000_000);
    let mut packets = 0;
    while let Some(step) = script.next() {
        match step % 8 {
            0..=3 => {
                if step & 0x10 != 0 {
                    // Now, as the relay sees it.
                    let frames = input.sample_rate().frames_in((TAI + (now - LocalTime::ZERO)) - PtpTime::EPOCH);
                    talker.timestamp = offset.wrapping_add(frames as i64 as u32);
                }
                let datagram = talker.datagram(&mut script);
                let (leg, from) = (leg(&mut script), source(&mut script));
                let _ = relay.handle(Datagram { leg, at: now, from, bytes: &datagram });
            }
            4 => {
                let ptp = if script.flag() {
                    let map = PtpMap::new(LocalTime::ZERO, TAI, ClockMap::default());
                    ClockReading { state: LockState::Locked, map: Some(map), epoch: 0, path_delay: PathDelay::Measured }
                } else {
                    reading(&mut script, now)
                };
                reference.advance(now, &Sources { ptp: Some(ptp), ..Sources::default() });
                relay.set_clock(now, &reference);
            }
            5 => {
                let channel = script.below(10);
                let known = relay.set_gain(channel, f32::from(script.byte()) / 64.0);
                assert_eq!(known, channel < output.channels());
            }
            _ => now = relay.poll_timeout().map_or(now, |due| due.max(now).min(now + Nanos::from_secs(1))),
        }
        now = pass(&mut script, now);
        relay.handle_timeout(now);
        packets += drain(&mut relay);
    }
    assert_eq!(relay.sender_stats().packets, packets, "each packet is handed out once");
}

fn drain(relay: &mut Relay) -> u64 {
    let mut sent = 0;
    while let Some(transmit) = relay.poll_transmit() {
        assert!(RtpPacket::parse(transmit.datagram).is_ok());
        sent += 1;
        assert!(sent < MANY as u64, "packets without end");
    }
    sent
}
