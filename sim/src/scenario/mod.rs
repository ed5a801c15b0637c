//! Scenario files: what lives in the simulated world, what happens to it, and what must come out.
//!
//! TOML with units in every key's name. Unknown keys are errors, numbers check their own range, and every error points at its line.

mod check;
mod clock;
mod error;
mod expect;
mod explain;
mod load;
mod value;

pub use clock::{Crystal, HostClock, TalkerClock};
pub use error::ScenarioError;
pub use expect::{Expectation, Metric};
pub use load::Loaded;
pub use value::{Identity, Micros, Millis, PartsPerMillion, Probability, RtpPayloadType, Seconds, WanderPpb};

use engine::rtp::format::Encoding;
use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;
use std::path::PathBuf;
use toml::Spanned;

/// A whole scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What the scenario shows, one line.
    pub title: String,
    /// Length of the run.
    pub duration_s: Seconds,
    /// Seed of all random streams.
    pub seed: u64,
    /// What is written down.
    #[serde(default)]
    pub record: Record,
    /// The PTP grandmaster.
    pub grandmaster: Grandmaster,
    /// The sender.
    pub talker: Talker,
    /// The network between them and the receiver.
    pub network: Network,
    /// The receiver's computer.
    pub host: Host,
    /// The receiver's sound card.
    pub card: Card,
    /// What the receivers are asked for.
    pub playout: PlayoutWish,
    /// Receivers under test; each lives through the same weather.
    #[serde(rename = "receiver")]
    pub receivers: Vec<Receiver>,
    /// What happens during the run.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// What must come out.
    #[serde(default, rename = "expect")]
    pub expectations: Vec<Expectation>,
}

/// What a run writes down.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// Whether audio is rendered, captured and listened to.
    pub audio: Audio,
    /// Interval of the trace.
    pub interval_s: Seconds,
    /// Bits of a sample in the WAV files.
    pub wav_bits: WavBits,
}

impl Default for Record {
    fn default() -> Self {
        Self { audio: Audio::Full, interval_s: Seconds::try_from(1.0).unwrap_or_default(), wav_bits: WavBits::Pcm24 }
    }
}

/// How much of the audio is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audio {
    /// None is listened to: no WAV files, no crackle count. Receivers still play.
    None,
    /// All.
    Full,
}

/// Sample format of the WAV files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum WavBits {
    /// 16-bit PCM.
    #[serde(rename = "pcm16")]
    Pcm16,
    /// 24-bit PCM.
    #[serde(rename = "pcm24")]
    Pcm24,
}

/// The PTP grandmaster. Its clock is the truth.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grandmaster {
    /// Clock identity.
    pub identity: Identity,
    /// PTP domain.
    pub domain: u8,
    /// Priority 1.
    pub priority_1: u8,
    /// Clock class: 6 for a locked GPS receiver.
    pub clock_class: u8,
    /// Announce interval, 2^n s.
    pub log_announce_interval: i8,
    /// Sync interval, 2^n s.
    pub log_sync_interval: i8,
    /// Interval that slaves are to keep between Delay_Reqs, 2^n s.
    pub log_min_delay_req_interval: i8,
    /// Whether a Follow_Up tells when the Sync was sent.
    pub two_step: bool,
    /// PTP time at the start of the run, seconds since the epoch.
    pub start_time_s: u32,
}

/// The sender.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Talker {
    /// Multicast group and port.
    pub group: SocketAddrV4,
    /// L16 or L24.
    pub encoding: TalkerEncoding,
    /// Channels.
    pub channels: u16,
    /// Sample rate.
    pub sample_rate_hz: u32,
    /// Frames of a packet: 240 for Livewire's standard stream, 48 for 1 ms at 48 kHz.
    pub packet_frames: u16,
    /// RTP payload type.
    pub payload_type: RtpPayloadType,
    /// What the media clock follows.
    pub clock: TalkerClock,
    /// What is sent.
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

/// What the talker sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A WAV file, looped; its path is relative to the scenario file.
    Wav(Spanned<PathBuf>),
    /// Sine tones.
    Tones(Vec<SourceTone>),
    /// Nothing.
    Silence,
}

/// One sine tone.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceTone {
    /// Frequency.
    pub frequency_hz: f64,
    /// Peak level.
    pub level_dbfs: f64,
}

/// The network, one path per kind of traffic, so that a switch may treat them differently.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Talker to receiver.
    pub media: Path,
    /// Grandmaster to receiver, and back.
    pub ptp: Path,
}

/// A one-way path. Packets never overtake each other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// Delay of a packet that meets no queue.
    pub delay_us: Micros,
    /// What queues add.
    #[serde(default)]
    pub jitter: Jitter,
    /// Independent loss per packet.
    #[serde(default)]
    pub loss: Probability,
    /// Times when nothing passes, and all that waited comes at once.
    pub stall: Option<Stall>,
}

/// A distribution of lateness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Jitter {
    /// None at all.
    #[default]
    None,
    /// Uniform between two bounds.
    Uniform {
        /// Least lateness.
        min_us: Micros,
        /// Largest lateness.
        max_us: Micros,
    },
    /// Exponential: what queues do.
    Exponential {
        /// Mean lateness.
        mean_us: Micros,
    },
    /// Normal around a mean, cut off at 0.
    Normal {
        /// Mean lateness.
        mean_us: Micros,
        /// Standard deviation.
        sigma_us: Micros,
    },
}

/// Stalls of a path: exponentially distributed pauses between them, uniformly distributed lengths.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// Mean time from one stall to the next.
    pub mean_interval_s: Seconds,
    /// Shortest stall.
    pub min_ms: Millis,
    /// Longest stall.
    pub max_ms: Millis,
}

/// The receiver's computer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its monotonic clock.
    pub clock: HostClock,
    /// How late the program learns of a packet after it arrived, and stamps it.
    #[serde(default)]
    pub receive_jitter: Jitter,
    /// How late a packet leaves after the program stamped it.
    #[serde(default)]
    pub transmit_jitter: Jitter,
}

/// The receiver's sound card.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Nominal rate.
    pub sample_rate_hz: u32,
    /// Its crystal.
    pub clock: Crystal,
    /// Frames that a callback asks for.
    pub callback_frames: u16,
    /// How late callbacks come.
    #[serde(default)]
    pub callback_jitter: Jitter,
}

/// What every receiver is asked for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayoutWish {
    /// How long the first frame of a packet that met no queue waits until the callback that plays it.
    pub target_depth_ms: Millis,
}

/// A receiver under test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Name in reports, and of its files.
    pub name: Spanned<String>,
    /// What it is.
    pub kind: ReceiverKind,
}

/// The receivers that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiverKind {
    /// The engine that ships.
    Engine,
    /// The laws of the plugin in the user's report.
    Prototype,
}

/// Something that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    pub at_s: Spanned<Seconds>,
    /// How long it lasts; to the end of the run if not given.
    pub for_s: Option<Seconds>,
    /// What it is.
    pub what: FaultKind,
}

/// What can happen.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The grandmaster is silent.
    GrandmasterLost,
    /// The host learns of packets by this lateness instead of its own.
    HostReceiveJitter(Jitter),
    /// The host's packets leave by this lateness instead of its own.
    HostTransmitJitter(Jitter),
    /// The path of the media stalls like this instead of as it does.
    MediaStall(Stall),
    /// The host's crystal changes its rate by so much, evenly over the fault's time, and keeps it: a host that warms up.
    HostClockRampPpm(PartsPerMillion),
}
