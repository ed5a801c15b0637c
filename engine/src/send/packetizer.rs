//! Turns audio into RTP packets.
//!
//! Model: the media position of a packet determines its audio and its timestamp, which is the
//! position plus the `mediaclk` offset (RFC 7273, 5.2). Sequence numbers count only the packets
//! that were written (RFC 3550, 5.1). Samples are `f32`, which represents 24-bit samples exactly:
//! audio that the source has decoded from L24 is sent with the same bytes.
//!
//! After creation, nothing is allocated: the packet is written to the packetizer's own memory, from
//! which both legs are sent.

use super::config::{Dither, SenderConfig, SenderError};
use super::dither::Tpdf;
use crate::clock::PtpMap;
use crate::rtp::format::{Encoding, StreamFormat};
use crate::rtp::sequence::SequenceNumber;
use crate::rtp::wire::{PayloadType, RTP_HEADER_LEN, RtpHeader, Ssrc};
use crate::units::{Frames, RtpTimestamp};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A source of audio, which is addressed by positions on the media timeline.
pub trait Source {
    /// Fills the interleaved `out` with the frames from `first` on: frame n begins at PTP time n /
    /// rate. Full scale is [-1, 1). All of `out` must be written, because it initially holds the
    /// last packet's audio.
    fn read(&mut self, first: Frames, out: &mut [f32]);

    /// Gives the source the relation between media time and host time, whenever a better estimate
    /// is available. A source with its own clock, such as a sound card, uses this relation for
    /// alignment.
    fn set_timeline(&mut self, _timeline: &PtpMap) {}
}

impl<F: FnMut(Frames, &mut [f32])> Source for F {
    fn read(&mut self, first: Frames, out: &mut [f32]) {
        self(first, out);
    }
}

/// Writes the packets of one stream.
///
/// ```
/// use engine::rtp::format::{Encoding, StreamFormat};
/// use engine::rtp::wire::RtpPacket;
/// use engine::send::{Packetizer, SenderConfig};
/// use engine::{Frames, SampleRate};
/// let format = StreamFormat::new(Encoding::L16, SampleRate::HZ_48000, 1)?;
/// let mut packetizer = Packetizer::new(&SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 1))?;
/// let datagram = packetizer.packetize(Frames::new(4800), false, &mut |_: Frames, out: &mut [f32]| out.fill(0.5));
/// let packet = RtpPacket::parse(datagram)?;
/// assert_eq!(packet.header.timestamp.get(), 4800);
/// assert_eq!(packet.payload[..2], [0x40, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Packetizer {
    format: StreamFormat,
    payload_type: PayloadType,
    media_clock_offset: u32,
    ssrc: Ssrc,
    sequence: SequenceNumber,
    identifiers: ChaCha8Rng,
    dither: Option<Tpdf>,
    samples: Box<[f32]>,
    datagram: Box<[u8]>,
}

impl Packetizer {
    /// Creates a packetizer with the configuration's format, packet time, identifiers and dither.
    ///
    /// # Errors
    /// If the stream cannot be sent as configured.
    #[expect(clippy::cast_possible_truncation, reason = "16 of 32 random bits")]
    pub fn new(config: &SenderConfig) -> Result<Self, SenderError> {
        let frames = config.check()?;
        let mut identifiers = ChaCha8Rng::seed_from_u64(config.seed);
        let ssrc = Ssrc(identifiers.next_u32());
        let sequence = SequenceNumber::new(identifiers.next_u32() as u16);
        let dither = match (config.dither, config.format.encoding()) {
            (Dither::Tpdf { seed }, Encoding::L16) => Some(Tpdf::new(seed)),
            _ => None,
        };
        Ok(Self {
            format: config.format,
            payload_type: config.payload_type,
            media_clock_offset: config.media_clock_offset,
            ssrc,
            sequence,
            identifiers,
            dither,
            samples: vec![0.0; frames * config.format.channels()].into(),
            datagram: vec![0; RTP_HEADER_LEN + frames * config.format.bytes_per_frame()].into(),
        })
    }

    /// Writes the packet whose first frame is `first`. `marker` states that it does not follow the
    /// previous packet on the media timeline.
    pub fn packetize(&mut self, first: Frames, marker: bool, source: &mut impl Source) -> &[u8] {
        source.read(first, &mut self.samples);
        if let Some(dither) = &mut self.dither {
            dither.apply(&mut self.samples);
        }
        let header = RtpHeader {
            marker,
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp: RtpTimestamp::new(RtpTimestamp::from_frames(first).get().wrapping_add(self.media_clock_offset)),
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.next();
        let (head, payload) = self.datagram.split_at_mut(RTP_HEADER_LEN);
        head.copy_from_slice(&header.emit());
        let written = self.format.encode_into(&self.samples, payload);
        debug_assert_eq!(written, Ok(payload.len()));
        &self.datagram
    }

    /// The packet that was written last.
    #[must_use]
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// The SSRC of the packets.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Chooses a new SSRC, because another sender uses ours (RFC 3550, 8.2).
    pub fn renew_ssrc(&mut self) {
        let taken = self.ssrc;
        while self.ssrc == taken {
            self.ssrc = Ssrc(self.identifiers.next_u32());
        }
    }
}
