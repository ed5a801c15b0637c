//! A difference between the packets and the description, as text and as a corrected description.

use super::described::Described;
use crate::rtp::format::{Encoding, MAX_CHANNELS, StreamFormat};
use crate::units::SampleRate;
use std::fmt;

/// A difference between the packets and the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The timestamps advance by a number of frames that differs from the number in a packet.
    FrameSize {
        /// Frames by which the timestamp advances from packet to packet.
        advance: u32,
        /// Payload size of a packet, in bytes.
        length: usize,
        /// The described format.
        described: StreamFormat,
    },
    /// The timestamps do not advance at the described rate.
    SampleRate {
        /// The measured rate, Hz.
        measured_hz: u32,
        /// The described rate, Hz.
        described_hz: u32,
    },
    /// All packets have a payload type other than the described one.
    PayloadType {
        /// The payload type of the packets.
        found: u8,
        /// The described payload type.
        described: u8,
    },
    /// Packets are longer or shorter than described, which receivers may tolerate.
    PacketTime {
        /// Frames in a packet.
        frames: u32,
        /// Described number of frames.
        described: u32,
        /// The sample rate of both, in Hz.
        rate_hz: u32,
    },
}

impl Finding {
    /// Whether the audio must not be played, because it would be noise, have the wrong speed, or
    /// belong to another stream.
    #[must_use]
    pub const fn is_contradiction(self) -> bool {
        !matches!(self, Self::PacketTime { .. })
    }

    /// The description that matches the packets; `None` if the packets do not determine it.
    #[must_use]
    pub fn corrected(self, described: Described) -> Option<Described> {
        let format = described.format;
        match self {
            // Four bytes per sample may also be AM824, which is not decoded here.
            Self::FrameSize { advance, length, .. } if is_am824(advance, length, format) => None,
            Self::FrameSize { advance, length, .. } => {
                let packet_frames = described.packet_frames.map(|_| advance);
                likely(advance, length, format).next().map(|format| Described { format, packet_frames, ..described })
            }
            Self::SampleRate { measured_hz, described_hz } => {
                let rate = SampleRate::from_hz(measured_hz)?;
                let format = StreamFormat::new(format.encoding(), rate, format.channels()).ok()?;
                // The duration of a packet is assumed to be as described.
                let scaled = |frames: u32| u64::from(frames) * u64::from(measured_hz) / u64::from(described_hz.max(1));
                let packet_frames = described.packet_frames.and_then(|frames| u32::try_from(scaled(frames)).ok());
                Some(Described { format, packet_frames, ..described })
            }
            Self::PayloadType { found, .. } => Some(Described { payload_type: Some(found), ..described }),
            Self::PacketTime { frames, .. } => Some(Described { packet_frames: Some(frames), ..described }),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FrameSize { advance, length, described } => {
                let is = Shape::of(described);
                write!(f, "timestamps advance by {advance} frames, ")?;
                match described.frames_in_payload(length) {
                    Ok(frames) => write!(f, "the {length} bytes of a packet are {frames} of {is}")?,
                    Err(_) => write!(f, "the {length} bytes of a packet are no whole number of frames of {is}")?,
                }
                write_likely(f, advance, length, described)
            }
            Self::SampleRate { measured_hz, described_hz } => write!(
                f,
                "timestamps advance by about {measured_hz} frames a second, but the description says {described_hz} Hz"
            ),
            Self::PayloadType { found, described } => {
                write!(f, "packets have payload type {found}")?;
                // The static payload types of RFC 3551, table 4.
                match found {
                    10 => write!(f, " (L16, 44100 Hz, 2 channels)")?,
                    11 => write!(f, " (L16, 44100 Hz, 1 channel)")?,
                    _ => {}
                }
                write!(f, ", but the description says {described}")
            }
            Self::PacketTime { frames, described, rate_hz } => {
                let ms = |frames: u32| f64::from(frames) * 1e3 / f64::from(rate_hz);
                let [found, described_ms] = [ms(frames), ms(described)];
                write!(
                    f,
                    "packets are of {frames} frames ({found:.3} ms), but the description says {described_ms:.3} ms"
                )
            }
        }
    }
}

/// Encoding and channels as text.
struct Shape {
    encoding: Encoding,
    channels: usize,
}

impl Shape {
    fn of(format: StreamFormat) -> Self {
        Self { encoding: format.encoding(), channels: format.channels() }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encoding, channels } = self;
        let plural = if *channels == 1 { "" } else { "s" };
        write!(f, "{encoding} with {channels} channel{plural}")
    }
}

/// Formats in which a packet contains as many frames as its timestamps indicate, the most probable
/// first: the described number of channels in the other encoding, then a different number of
/// channels in the described encoding, then both changed.
fn likely(advance: u32, length: usize, described: StreamFormat) -> impl Iterator<Item = StreamFormat> {
    let frame = bytes_per_frame(advance, length).unwrap_or(0);
    let other = match described.encoding() {
        Encoding::L16 => Encoding::L24,
        Encoding::L24 => Encoding::L16,
    };
    let of = move |encoding: Encoding| {
        let sample = encoding.bytes_per_sample();
        let channels = Some(frame / sample).filter(|_| frame.is_multiple_of(sample));
        StreamFormat::new(encoding, described.sample_rate(), channels?).ok()
    };
    let same_channels = of(other).filter(|format| format.channels() == described.channels());
    let same_encoding = of(described.encoding()).filter(|_| same_channels.is_none());
    let both_other = of(other).filter(|_| same_channels.is_none());
    same_channels.into_iter().chain(same_encoding).chain(both_other)
}

fn bytes_per_frame(advance: u32, length: usize) -> Option<usize> {
    let advance = usize::try_from(advance).ok().filter(|advance| *advance > 0)?;
    length.is_multiple_of(advance).then(|| length / advance).filter(|bytes| *bytes <= 4 * MAX_CHANNELS)
}

/// Whether packets may be AM824 (ST 2110-31), which has four bytes per sample.
fn is_am824(advance: u32, length: usize, described: StreamFormat) -> bool {
    bytes_per_frame(advance, length) == Some(4 * described.channels())
}

/// Writes the likely formats, such as `: L16?`.
fn write_likely(f: &mut fmt::Formatter<'_>, advance: u32, length: usize, described: StreamFormat) -> fmt::Result {
    let mut any = false;
    for format in likely(advance, length, described) {
        f.write_str(if any { " or " } else { ": " })?;
        any = true;
        let (shape, was) = (Shape::of(format), Shape::of(described));
        if shape.channels == was.channels {
            write!(f, "{}", shape.encoding)?;
        } else {
            write!(f, "{shape}")?;
        }
    }
    if is_am824(advance, length, described) {
        f.write_str(if any { ", or AM824" } else { ": AM824 (ST 2110-31)" })?;
        any = true;
    }
    if any { f.write_str("?") } else { Ok(()) }
}
