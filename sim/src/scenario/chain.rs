//! The audio chain of a scenario: talker, media path, sound card, and the playout settings. A
//! scenario has all of it or none.

use super::clock::{Crystal, TalkerClock};
use super::value::{
    DepthMillis, LevelDbfs, MulticastGroup, PartsPerMillion, RtpPayloadType, SampleRateHz, ToneHz, whole,
};
use super::{Jitter, Path};
use engine::rtp::format::Encoding;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// The whole chain.
#[derive(Clone, Copy, Debug)]
pub struct AudioChain<'a> {
    /// The sender.
    pub talker: &'a Talker,
    /// Its path to the receiver.
    pub media: &'a Path,
    /// Its path by the other network, if there are two.
    pub media_b: Option<&'a Path>,
    /// The receiver's sound card.
    pub card: &'a Card,
    /// Settings of playout.
    pub playout: &'a PlayoutWish,
}

/// The sender.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Talker {
    /// Multicast group and port.
    pub group: MulticastGroup,
    /// Encoding of samples.
    pub encoding: TalkerEncoding,
    /// Number of channels.
    #[serde(deserialize_with = "whole::<1, 64, _, _>")]
    pub channels: u16,
    /// Sample rate of the stream.
    pub sample_rate_hz: SampleRateHz,
    /// Frames of a packet: 240 for Livewire's standard stream, 48 for 1 ms at 48 kHz.
    #[serde(deserialize_with = "whole::<1, 1440, _, _>")]
    pub packet_frames: u16,
    /// RTP payload type.
    pub payload_type: RtpPayloadType,
    /// Sequence number of its first packet.
    #[serde(default)]
    pub first_sequence: u16,
    /// Added to every RTP timestamp.
    #[serde(default)]
    pub timestamp_offset: u32,
    /// The offset in its SDP (`a=mediaclk:direct=`); the true one, if not given.
    pub sdp_timestamp_offset: Option<u32>,
    /// What the media clock follows.
    pub clock: TalkerClock,
    /// Whether its SDP claims that timestamps are PTP time (`a=mediaclk:direct=0`), although it
    /// follows its own crystal. A talker that follows PTP always claims so.
    #[serde(default)]
    pub claims_ptp: bool,
    /// The programme.
    pub source: Source,
}

/// Encoding of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TalkerEncoding {
    /// 16 bits.
    L16,
    /// 24 bits.
    L24,
}

impl TalkerEncoding {
    /// The engine's name for it.
    #[must_use]
    pub fn encoding(self) -> Encoding {
        match self {
            Self::L16 => Encoding::L16,
            Self::L24 => Encoding::L24,
        }
    }

    /// Bits of a sample.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::L16 => 16,
            Self::L24 => 24,
        }
    }
}

/// The talker's programme.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A WAV file, looped; its path is relative to the scenario file.
    Wav(Spanned<PathBuf>),
    /// Sine tones.
    Tones(Vec<SourceTone>),
    /// Silence.
    Silence,
}

/// One sine tone.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceTone {
    /// Frequency of the tone.
    pub frequency_hz: ToneHz,
    /// Peak level.
    pub level_dbfs: LevelDbfs,
}

/// The receiver's sound card.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Nominal sample rate.
    pub sample_rate_hz: SampleRateHz,
    /// Its crystal.
    pub clock: Crystal,
    /// Frames that a callback requests.
    #[serde(deserialize_with = "whole::<1, 65_535, _, _>")]
    pub callback_frames: u16,
    /// Lateness of callbacks.
    #[serde(default)]
    pub callback_jitter: Jitter,
}

/// Playout settings of every receiver.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayoutWish {
    /// How long the first frame of a packet without queueing waits until the callback that plays
    /// it.
    pub target_depth_ms: DepthMillis,
    /// The card's rate against the host's clock, if the receiver has remembered it.
    pub remembered_card_ppm: Option<PartsPerMillion>,
    /// Likewise the sender's.
    pub remembered_media_ppm: Option<PartsPerMillion>,
    /// Largest depth to which late packets may increase it; no increase if not given.
    pub depth_limit_ms: Option<DepthMillis>,
}
