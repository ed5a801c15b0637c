//! The talker: sends packets of the programme at the rate of its media clock.
//!
//! Model: frame n of the programme is captured when the media clock shows frame `first + n`; a
//! packet leaves when its last frame was captured. The timestamps of a talker on PTP are PTP time
//! (RFC 7273, `mediaclk:direct=0`); those of another talker have an origin of their own.

use super::crystal::{CrystalClock, TrueTime};
use super::identity::Identity;
use super::slips::Slips;
use super::streams::RandomStream;
use crate::scenario::{self, FaultKind, Scenario, TalkerClock, TalkerRestart};
use crate::signal::SourceSignal;
use engine::rtp::format::StreamFormat;
use engine::rtp::wire::{PayloadType, RtpHeader, Ssrc};
use engine::{Frames, MediaPosition, NANOS_PER_SECOND, RtpTimestamp, SampleRate};
use std::sync::Arc;

const SSRC: Ssrc = Ssrc(0x4C57_0B1C);
/// Longest programme that is kept encoded, in bytes: half a minute of L16 in stereo.
const LONGEST_ENCODED: usize = 6_000_000;
/// The programme of the second sender is ahead by this, s, so that its audio cannot be mistaken for
/// the talker's.
const SECOND_PROGRAMME_S: u16 = 7;
/// Shortest time over which a rate is computed, ns: the rate of a crystal does not change within a
/// millisecond.
const RATE_SPAN: TrueTime = 1_000_000;

/// The source of the media clock's rate.
#[derive(Clone, Debug)]
enum Pace {
    /// PTP time, which equals true time, counted from this many ns after the epoch.
    Ptp {
        epoch_ns: i128,
    },
    Crystal(Box<CrystalClock>),
}

/// The talker's media clock: true time to media frames, counted from the first frame sent.
#[derive(Clone, Debug)]
pub struct MediaTimeline {
    pace: Pace,
    rate: SampleRate,
    /// RTP timestamp of programme frame 0, unwrapped.
    first: Frames,
    slips: Slips,
}

impl MediaTimeline {
    /// The timeline of a scenario's talker.
    #[must_use]
    pub fn new(talker: &scenario::Talker, scenario: &Scenario) -> Self {
        let rate = talker.sample_rate_hz.rate();
        let slips = Slips::of(scenario);
        match talker.clock {
            TalkerClock::Grandmaster | TalkerClock::Rival(_) => {
                let epoch_ns = epoch_ns(talker.clock, scenario);
                // The first packet boundary of the PTP timeline after the start.
                let packet = i128::from(talker.packet_frames.max(1));
                let started = i128::from(rate.position_after(epoch_ns).frame().get());
                let first = Frames::new(((started / packet + 1) * packet) as i64);
                Self { pace: Pace::Ptp { epoch_ns }, rate, first, slips }
            }
            TalkerClock::Crystal(crystal) => {
                let walk = RandomStream::new(scenario.seed, "talker/clock/walk");
                let clock = Box::new(CrystalClock::new(crystal, Vec::new(), walk));
                // The origin is arbitrary. With this one, timestamps wrap after 20 s, so that every
                // run includes a wrap.
                Self { pace: Pace::Crystal(clock), rate, first: Frames::new((1 << 32) - 960_000), slips }
            }
        }
    }

    /// Nominal rate.
    #[must_use]
    pub fn sample_rate(&self) -> SampleRate {
        self.rate
    }

    /// RTP timestamp of programme frame 0, unwrapped.
    #[must_use]
    pub fn first(&self) -> Frames {
        self.first
    }

    /// The true time at which programme frame `frame` begins.
    pub fn time_of(&mut self, frame: i64) -> TrueTime {
        let rate = i128::from(self.rate.as_hz());
        let paced = match &mut self.pace {
            Pace::Ptp { epoch_ns } => {
                let ns = (i128::from(self.first.get() + frame) * i128::from(NANOS_PER_SECOND) + rate - 1) / rate;
                (ns - *epoch_ns) as TrueTime
            }
            Pace::Crystal(clock) => clock.true_time_of(frame as f64 * NANOS_PER_SECOND as f64 / rate as f64),
        };
        self.slips.true_time(paced)
    }

    /// The programme position that is being captured at true time `t`.
    pub fn position_at(&mut self, t: TrueTime) -> MediaPosition {
        let t = self.slips.sender_time(t);
        match &mut self.pace {
            Pace::Ptp { epoch_ns } => {
                let ptp = self.rate.position_after(*epoch_ns + i128::from(t));
                MediaPosition::at_frame(ptp.frame() - self.first).advanced(ptp.fraction())
            }
            Pace::Crystal(clock) => {
                let error_frames = clock.error_ns(t) * f64::from(self.rate.as_hz()) / NANOS_PER_SECOND as f64;
                let elapsed = self.rate.position_after(i128::from(t));
                MediaPosition::at_frame(elapsed.frame()).advanced(elapsed.fraction() + error_frames)
            }
        }
    }

    /// Mean rate of the media clock against true time between two times, without slips.
    pub fn mean_rate_ppb(&mut self, from: TrueTime, to: TrueTime) -> f64 {
        let to = self.slips.sender_time(to);
        // While the sender's time pauses, its rate is the one just before the pause.
        let from = self.slips.sender_time(from).min(to - RATE_SPAN);
        match &mut self.pace {
            Pace::Ptp { .. } => 0.0,
            Pace::Crystal(clock) => (clock.error_ns(to) - clock.error_ns(from)) / ((to - from).max(1) as f64 * 1e-9),
        }
    }
}

/// PTP time at the start of the run according to the talker's master. The grandmaster's time is the
/// true one.
fn epoch_ns(clock: TalkerClock, scenario: &Scenario) -> i128 {
    let rival = if let TalkerClock::Rival(index) = clock { scenario.rivals.get(index) } else { None };
    let whole = |master: &scenario::Grandmaster| i128::from(master.start_time_s) * i128::from(NANOS_PER_SECOND);
    match rival {
        Some(rival) => whole(rival) + i128::from(rival.time_offset_us.nanos().as_nanos()),
        None => whole(&scenario.grandmaster),
    }
}

/// A programme, encoded for packets.
#[derive(Debug)]
struct Payloads {
    source: Arc<SourceSignal>,
    format: StreamFormat,
    /// The whole programme, if that is short enough: a repetition need not be encoded again.
    encoded: Option<Vec<u8>>,
    samples: Vec<f32>,
}

impl Payloads {
    fn new(source: Arc<SourceSignal>, format: StreamFormat) -> Self {
        let period = source.period().filter(|frames| frames * format.bytes_per_frame() <= LONGEST_ENCODED);
        let mut payloads = Self { source, format, encoded: None, samples: Vec::new() };
        payloads.encoded = period.map(|frames| {
            let mut encoded = vec![0; frames * format.bytes_per_frame()];
            payloads.encode(0, &mut encoded);
            encoded
        });
        payloads
    }

    /// Writes the frames from `first` on, as many as `out` holds.
    fn write(&mut self, first: i64, out: &mut [u8]) {
        let Some(encoded) = &self.encoded else { return self.encode(first, out) };
        let frame_bytes = self.format.bytes_per_frame();
        let frames = (encoded.len() / frame_bytes) as i64;
        let start = first.rem_euclid(frames) as usize * frame_bytes;
        let (mut rest, mut from) = (out, &encoded[start..]);
        while !rest.is_empty() {
            let (run, after) = rest.split_at_mut(rest.len().min(from.len()));
            run.copy_from_slice(&from[..run.len()]);
            (rest, from) = (after, encoded);
        }
    }

    fn encode(&mut self, first: i64, out: &mut [u8]) {
        self.samples.resize(out.len() / self.format.bytes_per_frame() * self.format.channels(), 0.0);
        self.source.render(first, &mut self.samples);
        self.format.encode_into(&self.samples, out).expect("the payload was sized for these samples");
    }
}

/// The packets that leave at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The talker's packet, unless it is silent.
    pub packet: Option<Vec<u8>>,
    /// The packet of the second sender to the same group.
    pub second: Option<Vec<u8>>,
}

/// The talker, and a second sender that may send to the same group.
#[derive(Debug)]
pub struct TalkerModel {
    timeline: MediaTimeline,
    format: StreamFormat,
    payloads: Payloads,
    payload_type: PayloadType,
    packet_frames: i64,
    /// Frames per packet after the next packet, which is already being filled.
    packet_frames_then: i64,
    /// Payload type and frames of a packet, apart from faults.
    normal: (PayloadType, i64),
    packets: i64,
    /// Frame of the programme at which the next packet begins.
    next: i64,
    identity: Identity,
    /// Every identity that the talker had.
    identities: Vec<Identity>,
    second: Option<Identity>,
    silent: bool,
    random: RandomStream,
}

impl TalkerModel {
    /// A talker.
    #[must_use]
    pub fn new(
        config: &scenario::Talker,
        timeline: MediaTimeline,
        source: Arc<SourceSignal>,
        format: StreamFormat,
        seed: u64,
    ) -> Self {
        let packet_frames = i64::from(config.packet_frames);
        let identity = Identity::new(SSRC, config.first_sequence).with_timestamp_offset(config.timestamp_offset);
        Self {
            timeline,
            format,
            payloads: Payloads::new(source, format),
            payload_type: config.payload_type.0,
            packet_frames,
            packet_frames_then: packet_frames,
            normal: (config.payload_type.0, packet_frames),
            packets: 0,
            next: 0,
            identity,
            identities: vec![identity],
            second: None,
            silent: false,
            random: RandomStream::new(seed, "talker/identity"),
        }
    }

    /// When the next packet leaves.
    pub fn next_departure(&mut self) -> TrueTime {
        self.timeline.time_of(self.next + self.packet_frames)
    }

    /// The datagrams that leave at [`TalkerModel::next_departure`].
    pub fn send(&mut self) -> Sent {
        let first = self.next;
        let elsewhere = first + i64::from(SECOND_PROGRAMME_S) * i64::from(self.format.sample_rate().as_hz());
        let sent = Sent {
            packet: (!self.silent).then(|| self.datagram(self.identity, first)),
            second: self.second.map(|second| self.datagram(second, elsewhere)),
        };
        self.packets += 1;
        self.next += self.packet_frames;
        self.packet_frames = self.packet_frames_then;
        sent
    }

    /// The packet of a sender with the programme from frame `programme` on.
    fn datagram(&mut self, sender: Identity, programme: i64) -> Vec<u8> {
        let frame = self.timeline.first() + Frames::new(self.next);
        let header = RtpHeader {
            marker: false,
            payload_type: self.payload_type,
            sequence: sender.sequence(self.packets),
            timestamp: sender.timestamp(RtpTimestamp::from_frames(frame)),
            ssrc: sender.ssrc,
        };
        let header = header.emit();
        let start = header.len();
        let mut datagram = vec![0; start + self.packet_frames as usize * self.format.bytes_per_frame()];
        datagram[..start].copy_from_slice(&header);
        self.payloads.write(programme, &mut datagram[start..]);
        datagram
    }

    /// Begins or ends a fault.
    pub fn fault(&mut self, what: &FaultKind, begins: bool) {
        match *what {
            FaultKind::TalkerRestart(_) if begins => self.silent = true,
            FaultKind::TalkerRestart(TalkerRestart { new_ssrc }) => {
                self.silent = false;
                self.become_known_as(|identity, random| identity.restarted(random, new_ssrc));
            }
            FaultKind::SsrcChange if begins => self.become_known_as(Identity::with_new_ssrc),
            FaultKind::SecondSender => {
                // Its timestamps come from the same clock, so that its audio would fit into the
                // stream.
                let drawn = self.identity.restarted(&mut self.random, true);
                self.second = begins.then(|| Identity::new(drawn.ssrc, drawn.sequence(0).get()));
            }
            FaultKind::PacketFrames(frames) => {
                self.packet_frames_then = if begins { i64::from(frames.get()) } else { self.normal.1 };
            }
            FaultKind::WrongPayloadType(wrong) => self.payload_type = if begins { wrong.0 } else { self.normal.0 },
            _ => {}
        }
    }

    fn become_known_as(&mut self, change: impl FnOnce(Identity, &mut RandomStream) -> Identity) {
        self.identity = change(self.identity, &mut self.random);
        self.identities.push(self.identity);
    }

    /// The frame of the programme at a media position of a receiver. Of the identities that the
    /// talker has had, the one that yields the frame nearest to `expected` is used.
    #[must_use]
    pub fn programme_frame(&self, position: Frames, expected: Frames) -> Frames {
        let expected = expected + self.timeline.first();
        let timestamp = RtpTimestamp::from_frames(position);
        let frames = self.identities.iter().map(|identity| identity.media_timestamp(timestamp).unwrap_near(expected));
        let nearest = frames.min_by_key(|&frame| (frame - expected).get().abs());
        nearest.unwrap_or(expected) - self.timeline.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Tone;
    use engine::rtp::format::Encoding;

    #[test]
    fn what_is_kept_encoded_is_what_would_be_encoded() {
        let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2).unwrap();
        let payloads = |frequency_hz| {
            let tone = Tone { frequency_hz, level_dbfs: -6.0 };
            Payloads::new(Arc::new(SourceSignal::tones(SampleRate::HZ_48000, 2, &[tone]).unwrap()), format)
        };
        assert!(payloads(997.5).encoded.is_none(), "it has no period");
        let mut kept = payloads(997.0);
        let period = (kept.encoded.as_ref().unwrap().len() / format.bytes_per_frame()) as i64;
        let mut encoded = Payloads { encoded: None, ..payloads(997.0) };
        for first in [0, 77, period - 100, period, -30, 5 * period + 48, -3 * period - 239] {
            let (mut a, mut b) = (vec![0; 240 * 6], vec![0; 240 * 6]);
            kept.write(first, &mut a);
            encoded.write(first, &mut b);
            assert_eq!(a, b, "from frame {first}");
        }
    }
}
