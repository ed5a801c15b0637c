//! The wire format of a Livewire clock packet.
//!
//! A packet is an RTP header with an extension that holds the time. The format is taken from the
//! public dissector and the device manuals, because no specification has been published. All
//! numbers are big-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0-1 | version 2 with extension (0x90), marker and payload type 127 (0xFF) |
//! | 2-11 | sequence number, timestamp in frames of audio at 48 kHz, SSRC |
//! | 12-13 | profile of the extension: 0xFA1A |
//! | 14-15 | its length, in words or (on some devices, reportedly) in bytes; ignored |
//! | 16-19 | clock frame: counts 250 us |
//! | 20-23 | packet type: 0x0C00CABA; types of the fast clock begin with 0x0A or 0x0B |
//! | 24-25 | microticks within the clock frame: 0 to 3071 |
//! | 26 | 0xAC |
//! | 27 | priority: 0 to 15, the higher wins |
//! | 28-29 | hardware id: the low 15 bits of the master's IPv4 address |
//! | 30-35 | the master's MAC address |

use crate::units::{Nanos, PtpTime, RtpTimestamp};
use std::fmt;
use std::net::Ipv4Addr;
use thiserror::Error;

/// Length of a packet, bytes.
pub const PACKET_LEN: usize = 36;
/// Length of a clock frame: 12 frames of audio at 48 kHz.
pub const CLOCK_FRAME: Nanos = Nanos::from_micros(250);
/// Number of microticks in a clock frame. A microtick lasts 81.38 ns (12.288 MHz).
pub const MICROTICKS: u16 = 3072;
/// The highest priority.
pub const HIGHEST_PRIORITY: u8 = 15;

/// RTP's version and extension bit in the first byte.
const VERSION_AND_EXTENSION: u8 = 0x90;
const VERSION_AND_EXTENSION_MASK: u8 = 0xD0;
/// Marker and payload type 127.
const MARKER_AND_TYPE: u8 = 0xFF;
const PROFILE: u16 = 0xFA1A;
/// Length of the extension after the length field, in words of 32 bits (RFC 3550, 5.3.1).
const EXTENSION_WORDS: u16 = 5;
const SYNC: u32 = 0x0C00_CABA;
const MAGIC: u8 = 0xAC;
/// Number of audio frames at 48 kHz in a clock frame.
const AUDIO_FRAMES: u32 = 12;

/// The MAC address of a master, which identifies it. Among masters of equal priority, the lowest
/// address wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Identity and priority of a master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MasterIdentity {
    /// Priority, 0 to [`HIGHEST_PRIORITY`]; the higher one wins. Devices have 3 by default and 7
    /// for "always master".
    pub priority: u8,
    /// The low 15 bits of the master's IPv4 address.
    pub hardware_id: u16,
    /// The master's MAC address.
    pub mac: MacAddress,
}

impl MasterIdentity {
    /// Creates the identity of a master with this IPv4 address, from which the hardware id is
    /// derived.
    ///
    /// ```
    /// use engine::livewire_clock::{MacAddress, MasterIdentity};
    /// let mac = MacAddress([0, 0x50, 0xC2, 1, 2, 3]);
    /// let master = MasterIdentity::new(5, [192, 168, 2, 114].into(), mac);
    /// assert_eq!(master.to_string(), "Livewire/AC050272 p5");
    /// ```
    #[must_use]
    pub fn new(priority: u8, address: Ipv4Addr, mac: MacAddress) -> Self {
        let [.., high, low] = address.octets();
        let hardware_id = u16::from_be_bytes([high & 0x7F, low]);
        Self { priority: priority.min(HIGHEST_PRIORITY), hardware_id, mac }
    }

    /// Whether this master is preferred to `other`: by its priority, then by its MAC address.
    #[must_use]
    pub fn outranks(&self, other: &Self) -> bool {
        (other.priority, self.mac) < (self.priority, other.mac)
    }
}

impl fmt::Display for MasterIdentity {
    /// Writes the identity as the devices display it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Livewire/{MAGIC:02X}{:02X}{:04X} p{}", self.priority, self.hardware_id, self.priority)
    }
}

/// A packet of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockPacket {
    /// Sequence number.
    pub sequence: u16,
    /// Count of audio frames at 48 kHz.
    pub timestamp: RtpTimestamp,
    /// SSRC.
    pub ssrc: u32,
    /// Count of clock frames, which wraps after 298 h.
    pub frame: u32,
    /// Microticks within the clock frame: less than [`MICROTICKS`].
    pub microticks: u16,
    /// The master.
    pub master: MasterIdentity,
}

impl ClockPacket {
    /// Creates a packet with the time `time`, rounded down to a microtick.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "both counters wrap at 2^32, and there are fewer than 2^16 microticks"
    )]
    pub fn at(time: PtpTime, sequence: u16, master: MasterIdentity) -> Self {
        let ns = time.as_nanos();
        let frame_ns = i128::from(CLOCK_FRAME.as_nanos());
        let (frame, within_ns) = (ns.div_euclid(frame_ns), ns.rem_euclid(frame_ns));
        let ticks = within_ns * i128::from(MICROTICKS);
        // Both counters wrap at 2^32.
        let audio_frames = frame * i128::from(AUDIO_FRAMES) + ticks / (frame_ns * i128::from(MICROTICKS / 12));
        Self {
            sequence,
            timestamp: RtpTimestamp::new(audio_frames as u32),
            ssrc: u32::from(master.hardware_id),
            frame: frame as u32,
            microticks: (ticks / frame_ns) as u16,
            master,
        }
    }

    /// Time since the beginning of the clock frame, to the nearest ns.
    #[must_use]
    pub fn within_frame(&self) -> Nanos {
        let ticks = i64::from(self.microticks);
        let per_frame = i64::from(MICROTICKS);
        Nanos::new((ticks * CLOCK_FRAME.as_nanos() + per_frame / 2) / per_frame)
    }

    /// Parses a datagram. Bytes after the packet are ignored.
    ///
    /// # Errors
    /// [`ClockPacketError`] if the datagram is not a packet of the low-rate clock.
    pub fn parse(datagram: &[u8]) -> Result<Self, ClockPacketError> {
        let available = datagram.len();
        let Some(packet) = datagram.first_chunk::<PACKET_LEN>() else {
            return Err(ClockPacketError::Truncated { available });
        };
        let u16_at = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) << 16 | u32::from(u16_at(at + 2));
        let [.., m0, m1, m2, m3, m4, m5] = *packet;
        if packet[0] & VERSION_AND_EXTENSION_MASK != VERSION_AND_EXTENSION {
            return Err(ClockPacketError::NoExtension { first_byte: packet[0] });
        }
        let (profile, kind, magic) = (u16_at(12), u32_at(20), packet[26]);
        if profile != PROFILE {
            return Err(ClockPacketError::Profile(profile));
        }
        if kind != SYNC {
            return Err(ClockPacketError::Kind(kind));
        }
        if magic != MAGIC {
            return Err(ClockPacketError::Magic(magic));
        }
        let (microticks, priority) = (u16_at(24), packet[27]);
        if microticks >= MICROTICKS {
            return Err(ClockPacketError::Microticks(microticks));
        }
        if priority > HIGHEST_PRIORITY {
            return Err(ClockPacketError::Priority(priority));
        }
        let mac = MacAddress([m0, m1, m2, m3, m4, m5]);
        Ok(Self {
            sequence: u16_at(2),
            timestamp: RtpTimestamp::new(u32_at(4)),
            ssrc: u32_at(8),
            frame: u32_at(16),
            microticks,
            master: MasterIdentity { priority, hardware_id: u16_at(28), mac },
        })
    }

    /// Writes the packet as a datagram.
    ///
    /// ```
    /// use engine::PtpTime;
    /// use engine::livewire_clock::{ClockPacket, MacAddress, MasterIdentity};
    /// let master = MasterIdentity::new(3, [192, 168, 2, 7].into(), MacAddress([2; 6]));
    /// let packet = ClockPacket::at(PtpTime::from_timestamp(5, 0), 1, master);
    /// assert_eq!(packet.frame, 20_000);
    /// assert_eq!(ClockPacket::parse(&packet.emit()), Ok(packet));
    /// ```
    #[must_use]
    pub fn emit(&self) -> [u8; PACKET_LEN] {
        let mut packet = [0; PACKET_LEN];
        let MasterIdentity { priority, hardware_id, mac } = self.master;
        let fields: [&[u8]; 13] = [
            &[VERSION_AND_EXTENSION, MARKER_AND_TYPE],
            &self.sequence.to_be_bytes(),
            &self.timestamp.get().to_be_bytes(),
            &self.ssrc.to_be_bytes(),
            &PROFILE.to_be_bytes(),
            &EXTENSION_WORDS.to_be_bytes(),
            &self.frame.to_be_bytes(),
            &SYNC.to_be_bytes(),
            &self.microticks.to_be_bytes(),
            &[MAGIC],
            &[priority],
            &hardware_id.to_be_bytes(),
            &mac.0,
        ];
        let bytes = fields.into_iter().flatten();
        packet.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = byte);
        packet
    }
}

/// Why a datagram is not a packet of the Livewire clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClockPacketError {
    /// The datagram is too short.
    #[error("a packet of the Livewire clock has {PACKET_LEN} bytes, and this one {available}")]
    Truncated {
        /// The length of the datagram, bytes.
        available: usize,
    },
    /// The datagram is not RTP with a header extension.
    #[error("no RTP packet with a header extension: it begins with {first_byte:#04x}")]
    NoExtension {
        /// The first byte of the datagram.
        first_byte: u8,
    },
    /// The header extension is a different one.
    #[error("the header extension {0:#06x} is not the Livewire clock's, {PROFILE:#06x}")]
    Profile(u16),
    /// The packet is of another kind, such as a packet of the fast clock.
    #[error("the kind of packet {0:#010x} is not {SYNC:#010x}")]
    Kind(u32),
    /// Byte 26 is not 0xAC.
    #[error("byte 26 is {0:#04x} and not {MAGIC:#04x}")]
    Magic(u8),
    /// The number of microticks is too large for a clock frame.
    #[error("microtick {0}: a clock frame has {MICROTICKS}")]
    Microticks(u16),
    /// The priority is out of range.
    #[error("priority {0}: the highest is {HIGHEST_PRIORITY}")]
    Priority(u8),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet with the fields of the dissector and the manual: sequence 0x0102, frame 0x00010000,
    /// half a clock frame, priority 5, master 192.168.2.114.
    const KNOWN: [u8; PACKET_LEN] = [
        0x90, 0xFF, 0x01, 0x02, 0x00, 0x0C, 0x00, 0x06, 0x00, 0x00, 0x02, 0x72, 0xFA, 0x1A, 0x00, 0x05, 0x00, 0x01,
        0x00, 0x00, 0x0C, 0x00, 0xCA, 0xBA, 0x06, 0x00, 0xAC, 0x05, 0x02, 0x72, 0x00, 0x50, 0xC2, 0x01, 0x02, 0x03,
    ];

    fn known() -> ClockPacket {
        let mac = MacAddress([0x00, 0x50, 0xC2, 1, 2, 3]);
        let master = MasterIdentity::new(5, Ipv4Addr::new(192, 168, 2, 114), mac);
        let time = PtpTime::EPOCH + CLOCK_FRAME.times(0x1_0000) + Nanos::from_micros(125);
        ClockPacket::at(time, 0x0102, master)
    }

    #[test]
    fn a_packet_is_written_and_read_field_by_field() {
        assert_eq!(known().emit(), KNOWN);
        assert_eq!(ClockPacket::parse(&KNOWN), Ok(known()));
        assert_eq!(known().within_frame(), Nanos::from_micros(125));
    }

    #[test]
    fn what_is_no_packet_of_the_clock_is_refused_with_its_reason() {
        let with = |at: usize, byte: u8| {
            let mut packet = KNOWN;
            packet[at] = byte;
            ClockPacket::parse(&packet)
        };
        assert_eq!(ClockPacket::parse(&KNOWN[..35]), Err(ClockPacketError::Truncated { available: 35 }));
        assert_eq!(with(0, 0x80), Err(ClockPacketError::NoExtension { first_byte: 0x80 }));
        assert_eq!(with(12, 0xFB), Err(ClockPacketError::Profile(0xFB1A)));
        assert_eq!(with(20, 0x0A), Err(ClockPacketError::Kind(0x0A00_CABA)));
        assert_eq!(with(26, 0xAD), Err(ClockPacketError::Magic(0xAD)));
        assert_eq!(with(24, 0x0C), Err(ClockPacketError::Microticks(MICROTICKS)));
        assert_eq!(with(27, 16), Err(ClockPacketError::Priority(16)));
        // Devices write the length of the extension in one of two ways.
        assert_eq!(with(15, 0x14), Ok(known()));
    }

    #[test]
    fn the_higher_priority_wins_and_then_the_lower_mac_address() {
        let master =
            |priority, last| MasterIdentity { priority, hardware_id: 1, mac: MacAddress([0, 0, 0, 0, 0, last]) };
        assert!(master(5, 9).outranks(&master(3, 1)));
        assert!(!master(3, 1).outranks(&master(5, 9)));
        assert!(master(3, 1).outranks(&master(3, 2)));
        assert!(!master(3, 2).outranks(&master(3, 2)));
    }

    proptest! {
        #[test]
        fn a_packet_survives_a_round_trip(
            (sequence, timestamp, ssrc, frame) in any::<(u16, u32, u32, u32)>(),
            microticks in 0..MICROTICKS, priority in 0..=HIGHEST_PRIORITY, hardware_id: u16, mac: [u8; 6],
        ) {
            let master = MasterIdentity { priority, hardware_id, mac: MacAddress(mac) };
            let packet = ClockPacket { sequence, timestamp: RtpTimestamp::new(timestamp), ssrc, frame, microticks, master };
            prop_assert_eq!(ClockPacket::parse(&packet.emit()), Ok(packet));
        }

        #[test]
        fn the_time_told_is_early_by_less_than_a_microtick(ns in 0i64..i64::MAX / 4) {
            let packet = ClockPacket::at(PtpTime::from_nanos(ns.into()), 0, MasterIdentity::default());
            let frame = ns / CLOCK_FRAME.as_nanos();
            prop_assert_eq!(packet.frame, frame as u32);
            let early_ns = ns % CLOCK_FRAME.as_nanos() - packet.within_frame().as_nanos();
            prop_assert!((-1..82).contains(&early_ns), "{}", early_ns);
            // The RTP timestamp is the number of the audio frame, even when the counters wrap.
            let audio_frame = i128::from(ns) * 48_000 / 1_000_000_000;
            prop_assert_eq!(packet.timestamp.get(), audio_frame as u32);
        }
    }
}
