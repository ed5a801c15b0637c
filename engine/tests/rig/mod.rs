//! A stream without a network: packets of a sine with the times of their arrival, and a card that
//! pulls every 10 ms.
//!
//! All clocks are exact, so whatever a test sees comes from what it did to the packets.

use engine::audio::FusedRateController;
use engine::receive::{Ingest, IngestError, Leg, MediaClock, Playout, StreamConfig, stream};
use engine::rtp::format::{Encoding, StreamFormat};
use engine::rtp::sequence::SequenceNumber;
use engine::rtp::wire::{PayloadType, RtpHeader, Ssrc};
use engine::{LocalTime, Nanos, RtpTimestamp, SampleRate};
use std::ops::Range;

pub(crate) const RATE: SampleRate = SampleRate::HZ_48000;
pub(crate) const CHANNELS: usize = 2;
/// Frames of a packet: 1 ms.
pub(crate) const PACKET: usize = 48;
/// Frames of a callback: 10 ms.
pub(crate) const CALLBACK: usize = 480;
pub(crate) const TARGET_DEPTH: Nanos = Nanos::from_millis(30);
/// Peak of the sine.
pub(crate) const LEVEL: f64 = 0.5;

/// The host has been up for a while when the sender captures its first frame.
const START: LocalTime = LocalTime::from_nanos(5_000_000_000);

/// Host time of a ms of the run.
pub(crate) fn at_ms(ms: i64) -> LocalTime {
    START + Nanos::from_millis(ms)
}

/// Packets of one sender with the times of their arrival: packet `i` holds the frames from 48 i on,
/// and arrives when the last of them was captured.
#[derive(Clone, Copy)]
pub(crate) struct Sender {
    pub(crate) ssrc: u32,
    /// RTP timestamp of frame 0.
    pub(crate) timestamp: u32,
    pub(crate) frequency_hz: f64,
}

pub(crate) type Arrival = (LocalTime, Vec<u8>);

impl Sender {
    pub(crate) fn packets(self, ms: Range<i64>) -> Vec<Arrival> {
        ms.map(|i| (at_ms(i + 1), self.packet(i))).collect()
    }

    fn packet(self, index: i64) -> Vec<u8> {
        self.datagram(format(), index as u16, index * PACKET as i64, PACKET, |_| 1.0)
    }

    /// A packet of any length and format; `level` is that of each channel.
    pub(crate) fn datagram(
        self,
        format: StreamFormat,
        sequence: u16,
        first: i64,
        frames: usize,
        level: impl Fn(usize) -> f64,
    ) -> Vec<u8> {
        let header = RtpHeader {
            marker: false,
            payload_type: PayloadType::new(96).unwrap(),
            sequence: SequenceNumber::new(sequence),
            timestamp: RtpTimestamp::new(self.timestamp.wrapping_add(first as u32)),
            ssrc: Ssrc(self.ssrc),
        };
        let samples: Vec<f32> = (first..first + frames as i64)
            .map(|frame| sine(self.frequency_hz, frame as f64))
            .flat_map(|sample| (0..format.channels()).map(move |channel| (channel, sample)))
            .map(|(channel, sample)| (level(channel) * sample) as f32)
            .collect();
        let mut payload = vec![0; frames * format.bytes_per_frame()];
        format.encode_into(&samples, &mut payload).unwrap();
        [&header.emit()[..], &payload].concat()
    }
}

/// The sine at a frame.
pub(crate) fn sine(frequency_hz: f64, frame: f64) -> f64 {
    LEVEL * (std::f64::consts::TAU * frequency_hz * frame / 48_000.0).sin()
}

pub(crate) fn format() -> StreamFormat {
    StreamFormat::new(Encoding::L24, RATE, CHANNELS).unwrap()
}

/// A stream as most tests want it, all channels where they are.
pub(crate) fn config(format: StreamFormat, media_clock: MediaClock) -> StreamConfig {
    StreamConfig { payload_type: Some(96), media_clock, ..StreamConfig::new(format, TARGET_DEPTH, CALLBACK) }
}

/// Both halves of a stream.
pub(crate) struct Rig {
    pub(crate) ingest: Ingest,
    pub(crate) playout: Playout<FusedRateController>,
    /// What the ingest said of the datagrams that it did not take.
    pub(crate) refused: Vec<IngestError>,
}

impl Rig {
    pub(crate) fn new(media_clock: MediaClock) -> Self {
        Self::of(config(format(), media_clock))
    }

    pub(crate) fn of(config: StreamConfig) -> Self {
        let (ingest, playout) = stream(config).unwrap();
        Self { ingest, playout, refused: Vec::new() }
    }

    /// [`Rig::run_legs`] of a stream without redundancy.
    pub(crate) fn run(
        &mut self,
        ms: Range<i64>,
        arrivals: &[Arrival],
        pull: impl FnMut(&mut Playout<FusedRateController>, LocalTime, &mut [f32]),
    ) -> Vec<f32> {
        self.run_legs(ms, [arrivals, &[]], pull)
    }

    /// Runs from one ms to another (multiples of 10): a callback at the start of every 10 ms, after
    /// the packets that came until then by both legs. `pull` calls the audio half. Returns what was
    /// played, interleaved.
    pub(crate) fn run_legs(
        &mut self,
        ms: Range<i64>,
        legs: [&[Arrival]; 2],
        mut pull: impl FnMut(&mut Playout<FusedRateController>, LocalTime, &mut [f32]),
    ) -> Vec<f32> {
        let taken = at_ms(ms.start - 10);
        let mut arrivals: Vec<_> = Leg::ALL
            .into_iter()
            .zip(legs)
            .flat_map(|(leg, arrivals)| arrivals.iter().map(move |arrival| (leg, arrival)))
            .filter(|(_, arrival)| arrival.0 > taken)
            .collect();
        arrivals.sort_by_key(|(_, arrival)| arrival.0);
        let mut arrivals = arrivals.into_iter().peekable();
        let mut played = Vec::new();
        for now in ms.step_by(10).map(at_ms) {
            while let Some((leg, (at, datagram))) = arrivals.next_if(|(_, arrival)| arrival.0 <= now) {
                self.refused.extend(self.ingest.handle_datagram(leg, *at, datagram).err());
            }
            // A frame that is left untouched is found out.
            let mut block = [f32::NAN; CALLBACK * CHANNELS];
            pull(&mut self.playout, now, &mut block);
            assert!(block.iter().all(|sample| sample.abs() <= 1.0), "not wholly written at {now:?}");
            played.extend(block);
        }
        played
    }
}
