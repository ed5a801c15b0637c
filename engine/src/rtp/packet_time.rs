//! The packet times of AES67, and the number of channels that fit in a packet.

use super::encoding::Encoding;
use crate::SampleRate;

/// Longest RTP payload in bytes (AES67-2018 6.3): it fits in an Ethernet frame with room for IP and
/// RTP headers.
pub const MAX_PAYLOAD: usize = 1440;

/// A packet time, named after its nominal duration at 48 kHz (AES67-2018 7.2).
///
/// ```
/// use engine::SampleRate;
/// use engine::rtp::format::{Encoding, PacketTime};
/// assert_eq!(PacketTime::MS_1.frames(SampleRate::HZ_48000), Some(48));
/// assert_eq!(PacketTime::MS_1.max_channels(Encoding::L24, SampleRate::HZ_48000), Some(10));
/// // AES67 gives no packet times for 32 kHz.
/// assert_eq!(SampleRate::from_hz(32_000).and_then(|rate| PacketTime::MS_1.frames(rate)), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketTime {
    frames_at_48k: usize,
}

impl PacketTime {
    /// 125 us.
    pub const US_125: Self = Self { frames_at_48k: 6 };
    /// 250 us.
    pub const US_250: Self = Self { frames_at_48k: 12 };
    /// A third of a millisecond.
    pub const US_333: Self = Self { frames_at_48k: 16 };
    /// 1 ms, which every AES67 device must support.
    pub const MS_1: Self = Self { frames_at_48k: 48 };
    /// 4 ms.
    pub const MS_4: Self = Self { frames_at_48k: 192 };
    /// 5 ms: not a packet time of AES67, but used by Livewire's standard streams.
    pub const MS_5: Self = Self { frames_at_48k: 240 };

    /// The packet times of AES67-2018 7.2, shortest first.
    pub const AES67: [Self; 5] = [Self::US_125, Self::US_250, Self::US_333, Self::MS_1, Self::MS_4];

    /// Number of frames in a packet; `None` for sample rates that AES67 does not define. The number
    /// is the same at 44.1 kHz as at 48 kHz, so packets at 44.1 kHz are slightly longer than their
    /// name states.
    #[must_use]
    pub const fn frames(self, sample_rate: SampleRate) -> Option<usize> {
        match sample_rate.as_hz() {
            44_100 | 48_000 => Some(self.frames_at_48k),
            96_000 => Some(2 * self.frames_at_48k),
            _ => None,
        }
    }

    /// Maximum number of channels for which packets of this duration do not exceed [`MAX_PAYLOAD`];
    /// `None` in the same cases as [`PacketTime::frames`].
    #[must_use]
    pub const fn max_channels(self, encoding: Encoding, sample_rate: SampleRate) -> Option<usize> {
        match self.frames(sample_rate) {
            Some(frames) => Some(MAX_PAYLOAD / (frames * encoding.bytes_per_sample())),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frames, Nanos};

    #[test]
    fn packet_times_are_those_of_the_standard() {
        let rate_96k = SampleRate::from_hz(96_000).unwrap();
        let table = PacketTime::AES67.map(|time| {
            let frames = time.frames(SampleRate::HZ_48000).unwrap();
            let channels = time.max_channels(Encoding::L24, SampleRate::HZ_48000).unwrap();
            let duration = SampleRate::HZ_48000.duration(Frames::new(frames as i64));
            (duration.as_nanos(), frames, time.frames(rate_96k).unwrap(), channels)
        });
        let expected = [
            (125_000, 6, 12, 80),
            (250_000, 12, 24, 40),
            (333_333, 16, 32, 30),
            (1_000_000, 48, 96, 10),
            (4_000_000, 192, 384, 2),
        ];
        assert_eq!(table, expected);
        assert_eq!(PacketTime::MS_5.max_channels(Encoding::L24, SampleRate::HZ_48000), Some(2));
    }

    #[test]
    fn packets_at_44100_hz_last_longer() {
        let rate = SampleRate::from_hz(44_100).unwrap();
        let frames = PacketTime::MS_1.frames(rate).unwrap();
        assert_eq!(rate.duration(Frames::new(frames as i64)), Nanos::new(1_088_435));
    }
}
