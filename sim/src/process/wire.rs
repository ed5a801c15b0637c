//! The messages between the simulator and a program, as bytes: docs/own-receiver.md describes them.
//!
//! A message is the length of the rest (u32), its kind (u8), and its fields. All numbers are
//! little-endian.

use engine::ptp::wire::ClockIdentity;
use engine::receive::{Leg, MediaClock, StreamConfig};
use engine::{LocalTime, PtpTime};
use std::net::Ipv4Addr;

/// Version of the protocol.
pub(super) const VERSION: u16 = 1;
/// First bytes of the first message.
const MAGIC: &[u8; 4] = b"AESR";
/// Longest message of a program: 64 channels of 65535 frames, and more.
pub(super) const LONGEST: usize = 20_000_000;
/// The time to be woken that means never.
const NEVER: i64 = i64::MAX;

/// What a program is told first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hello<'a> {
    /// The receiver's name.
    pub(crate) name: &'a str,
    /// Its PTP domain.
    pub(crate) domain: u8,
    /// Frames of a packet.
    pub(crate) packet_frames: u16,
    /// The stream; `None` if only clocks are simulated.
    pub(crate) config: Option<StreamConfig>,
}

/// A message to a program that it answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request<'a> {
    Hello(&'a Hello<'a>),
    Timeout,
    Ptp(Ipv4Addr, &'a [u8]),
    Media(Leg, Ipv4Addr, &'a [u8]),
    /// With the sequence number of the PTP message that was sent.
    Transmitted(u16),
    /// With the number of frames.
    Pull(u32),
    End,
}

impl Request<'_> {
    /// Its name in the documentation.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "HELLO",
            Self::Timeout => "TIMEOUT",
            Self::Ptp(..) => "PTP",
            Self::Media(..) => "MEDIA",
            Self::Transmitted(_) => "TRANSMITTED",
            Self::Pull(_) => "PULL",
            Self::End => "END",
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Timeout => 2,
            Self::Ptp(..) => 3,
            Self::Media(..) => 4,
            Self::Transmitted(_) => 5,
            Self::Pull(_) => 6,
            Self::End => 7,
        }
    }

    /// Writes the message with its number and the time of the host.
    pub(super) fn write(&self, message: &mut Vec<u8>, number: u32, now: LocalTime) {
        message.clear();
        message.extend([0; 4]);
        message.push(self.kind());
        message.extend(number.to_le_bytes());
        message.extend(now.as_nanos().to_le_bytes());
        match self {
            Self::Hello(hello) => hello.write(message),
            Self::Timeout | Self::End => {}
            Self::Ptp(source, datagram) => {
                message.extend(source.octets());
                message.extend_from_slice(datagram);
            }
            Self::Media(leg, source, datagram) => {
                message.push(u8::from(*leg == Leg::B));
                message.extend(source.octets());
                message.extend_from_slice(datagram);
            }
            Self::Transmitted(sequence_id) => message.extend(sequence_id.to_le_bytes()),
            Self::Pull(frames) => message.extend(frames.to_le_bytes()),
        }
        let length = (message.len() - 4) as u32;
        message[..4].copy_from_slice(&length.to_le_bytes());
    }
}

impl Hello<'_> {
    fn write(&self, message: &mut Vec<u8>) {
        message.extend(MAGIC);
        message.extend(VERSION.to_le_bytes());
        message.push(self.domain);
        let config = self.config;
        let (has_ptp, offset) = match config.map(|config| config.media_clock) {
            Some(MediaClock::Ptp { offset }) => (2, offset),
            Some(MediaClock::Unrelated) | None => (0, 0),
        };
        message.push(u8::from(config.is_some()) | has_ptp);
        let format = config.map(|config| config.format);
        message.extend(format.map_or(0, |format| format.sample_rate().as_hz()).to_le_bytes());
        message.extend(config.map_or(0, |config| config.card_rate.as_hz()).to_le_bytes());
        message.extend(format.map_or(0, |format| format.channels() as u16).to_le_bytes());
        let bits = format.map_or(0, |format| format.bytes_per_frame() / format.channels() * 8);
        message.extend((bits as u16).to_le_bytes());
        message.extend(self.packet_frames.to_le_bytes());
        message.extend((config.map_or(0, |config| config.block_frames) as u16).to_le_bytes());
        let payload_type = config.and_then(|config| config.payload_type);
        message.extend(payload_type.map_or(u16::MAX, u16::from).to_le_bytes());
        message.extend((self.name.len() as u16).to_le_bytes());
        message.extend(offset.to_le_bytes());
        message.extend(config.map_or(0, |config| config.target_depth.as_nanos()).to_le_bytes());
        message.extend_from_slice(self.name.as_bytes());
    }
}

/// A message of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Answer<'a> {
    /// The version of the protocol that it speaks.
    Hello(u16),
    /// A PTP message to send.
    Send(&'a [u8]),
    /// An event in words.
    Event(&'a str),
    /// The state of its clock.
    Clock(ClockAnswer),
    /// The audio that was asked for, as bytes of 32-bit floats.
    Audio(AudioAnswer, &'a [u8]),
    /// The end of its answer to the message of this number, and when it wants to be woken.
    Done(u32, Option<LocalTime>),
}

/// The state of a program's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClockAnswer {
    pub(super) state: u8,
    /// Time of the host, PTP time then, and PTP's rate against the host's, ppb.
    pub(super) map: Option<(LocalTime, PtpTime, f64)>,
    pub(super) grandmaster: Option<ClockIdentity>,
}

/// A program's playback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AudioAnswer {
    /// Frame and fraction.
    pub(super) position: Option<(i64, f64)>,
    pub(super) underruns: u32,
    pub(super) late_packets: u32,
    pub(super) overruns: u32,
    pub(super) jumps: u32,
    pub(super) fill_ns: i64,
}

impl<'a> Answer<'a> {
    /// Reads a message without its length.
    ///
    /// # Errors
    /// What is wrong, as the end of "it".
    pub(super) fn read(message: &'a [u8]) -> Result<Self, String> {
        let (&kind, body) = message.split_first().ok_or("sent a message of 0 bytes")?;
        let mut fields = Fields(body);
        let answer = match kind {
            0x81 => fields.u16().map(Self::Hello),
            0x82 => return Ok(Self::Send(body)),
            0x83 => {
                return std::str::from_utf8(body)
                    .map(Self::Event)
                    .map_err(|_| "sent an EVENT that is not UTF-8".into());
            }
            0x84 => fields.clock().map(Self::Clock),
            0x85 => {
                return fields.audio().map(|audio| Self::Audio(audio, fields.0)).ok_or_else(|| short("AUDIO", body));
            }
            0x86 => fields.done(),
            _ => return Err(format!("sent a message of kind {kind:#04x}, which the protocol does not have")),
        };
        let name = ["HELLO", "SEND", "EVENT", "CLOCK", "AUDIO", "DONE"][usize::from(kind - 0x81)];
        match answer {
            Some(answer) if fields.0.is_empty() => Ok(answer),
            Some(_) => Err(format!("sent a {name} that is {} bytes too long", fields.0.len())),
            None => Err(short(name, body)),
        }
    }
}

fn short(name: &str, body: &[u8]) -> String {
    format!("sent a {name} of {} bytes, which is too short", body.len())
}

/// What is left of a message's fields.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }

    fn clock(&mut self) -> Option<ClockAnswer> {
        let (state, flags) = (self.u8()?, self.u8()?);
        let map = (LocalTime::from_nanos(self.i64()?), PtpTime::from_nanos(self.i64()?.into()), self.f64()?);
        let grandmaster = ClockIdentity(self.take()?);
        Some(ClockAnswer {
            state,
            map: (flags & 1 != 0).then_some(map),
            grandmaster: (flags & 2 != 0).then_some(grandmaster),
        })
    }

    fn audio(&mut self) -> Option<AudioAnswer> {
        let is_playing = self.u8()? != 0;
        let position = (self.i64()?, self.f64()?);
        Some(AudioAnswer {
            position: is_playing.then_some(position),
            underruns: self.u32()?,
            late_packets: self.u32()?,
            overruns: self.u32()?,
            jumps: self.u32()?,
            fill_ns: self.i64()?,
        })
    }

    fn done<'a>(&mut self) -> Option<Answer<'a>> {
        let (number, wake) = (self.u32()?, self.i64()?);
        Some(Answer::Done(number, (wake != NEVER).then(|| LocalTime::from_nanos(wake))))
    }
}
