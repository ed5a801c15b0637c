//! The stream that the benches of playback play.

use engine::audio::FusedRateController;
use engine::receive::{Ingest, Leg, Playout, StreamConfig, WarmStart, stream};
use engine::rtp::format::{Encoding, StreamFormat};
use engine::rtp::sequence::SequenceNumber;
use engine::rtp::wire::{PayloadType, RtpHeader, Ssrc};
use engine::{LocalTime, Nanos, Ppb, RtpTimestamp, SampleRate};

const RATE: SampleRate = SampleRate::HZ_48000;
/// Frames of a packet (1 ms) and of a callback (10 ms).
const PACKET: usize = 48;
pub(crate) const CALLBACK: usize = 480;

/// A stream of noise from a sender whose clock is exact, on a card that is 100 ppm fast and that is
/// known to be.
pub(crate) struct Player {
    ingest: Ingest,
    pub(crate) playout: Playout<FusedRateController>,
    datagram: Vec<u8>,
    packets: i64,
    /// Callbacks so far. More of them at once are a card that stands still.
    pub(crate) callbacks: i64,
    out: Vec<f32>,
}

impl Player {
    pub(crate) fn new(channels: usize) -> Self {
        let format = StreamFormat::new(Encoding::L24, RATE, channels).expect("channels in range");
        let (ingest, playout) = stream(StreamConfig {
            warm_start: WarmStart { card_rate: Some(Ppb::from_ppm(100.0)), media_rate: Some(Ppb::ZERO) },
            ..StreamConfig::new(format, Nanos::from_millis(20), CALLBACK)
        })
        .expect("a stream that can be played");
        let payload = (0..PACKET * format.bytes_per_frame()).map(|i| (i * 37) as u8);
        let datagram = [0; 12].into_iter().chain(payload).collect();
        Self { ingest, playout, datagram, packets: 0, callbacks: 0, out: vec![0.0; CALLBACK * channels] }
    }

    /// The packets up to the next callback; the sixth of them is lost if `is_lossy`.
    pub(crate) fn receive(&mut self, is_lossy: bool) {
        let (callback, first) = (self.next_callback(), self.packets);
        while LocalTime::ZERO + Nanos::from_millis(self.packets) <= callback {
            let header = RtpHeader {
                marker: false,
                payload_type: PayloadType::new(96).expect("a payload type"),
                sequence: SequenceNumber::new(self.packets as u16),
                timestamp: RtpTimestamp::new((self.packets * PACKET as i64) as u32),
                ssrc: Ssrc(1),
            };
            self.datagram[..12].copy_from_slice(&header.emit());
            let now = LocalTime::ZERO + Nanos::from_millis(self.packets);
            if !is_lossy || self.packets - first != 5 {
                self.ingest.handle_datagram(Leg::A, now, &self.datagram).expect("a packet of the stream");
            }
            self.packets += 1;
        }
    }

    fn next_callback(&self) -> LocalTime {
        LocalTime::ZERO + Nanos::new((self.callbacks as f64 * 10e6 / 1.0001) as i64)
    }

    pub(crate) fn pull(&mut self) {
        let now = self.next_callback();
        self.playout.pull(now, &mut self.out);
        self.callbacks += 1;
    }
}
