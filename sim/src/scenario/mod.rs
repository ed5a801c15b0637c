//! Scenario files: the contents of the simulated world, the events in it, and the expected results.
//!
//! TOML with units in every key's name. Unknown keys are errors, numbers check their own range, and
//! every error points at its line.

mod attack;
mod chain;
mod check;
mod clock;
mod delays;
mod error;
mod expect;
mod explain;
mod fault;
mod impairment;
mod keys;
mod layers;
mod load;
mod mask;
mod master;
mod program;
mod receiver;
mod sender;
mod shape;
mod stability;
mod value;
mod weather;

pub use attack::{
    Attack, BetterMaster, Flood, ForgedDelayResps, ForgedPackets, ForgedSource, ForgedSsrc, ForgedSyncs,
    ForgedTimestamps, HeldBack, InventedMasters, Lies, Replay, ToldTime,
};
pub use chain::{AudioChain, Card, PlayoutWish, Source, SourceTone, Talker, TalkerEncoding};
pub use clock::{Crystal, HostClock, TalkerClock};
pub use error::ScenarioError;
pub use expect::{Expectation, Metric};
pub use fault::{
    EveryNth, ExtraDelay, Fault, FaultKind, Malformed, MediaLeg, MonotonicClock, Restart, Stamps, Suspend,
    TalkerRestart,
};
pub use impairment::{Corruption, DelayFile, DelayOrder, RateLimit, Reorder, ReorderBy, UdpChecksum};
pub use keys::Keys;
pub use layers::SourceFile;
pub use load::{Loaded, Stream};
pub use mask::{Mask, MaskLimits};
pub use master::{Dialect, Grandmaster, Wander};
pub use program::Program;
pub use receiver::{Membership, OwnNetwork, Receiver, Surroundings};
pub use sender::{Sender, SenderClock};
pub use stability::{ObservedClock, StabilityLimit, StabilityWish};
pub use value::{
    CallbackFrames, DepthMillis, Identity, LevelDbfs, LimitValue, MegabitsPerSecond, MessagesPerSecond, Micros, Millis,
    MulticastGroup, PacketFrames, PartsPerMillion, Period, Probability, QueueBytes, Queues, RtpPayloadType,
    SampleRateHz, Seconds, SinePeriod, SlewPpm, SmallCount, StepMicros, StepMillis, TailIndex, Tau, ToneHz, WanderPpb,
};
pub use weather::{Duplicate, LossBurst};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A whole scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Another scenario file, relative to this one, whose keys hold unless this one has them, too.
    pub extends: Option<PathBuf>,
    /// One line that says what the scenario shows.
    pub title: String,
    /// Length of the run.
    pub duration_s: Seconds,
    /// Seed of all random streams.
    pub seed: u64,
    /// Settings of the output files.
    #[serde(default)]
    pub record: Record,
    /// The PTP grandmaster.
    pub grandmaster: Grandmaster,
    /// Other masters on the same network; the receivers are in the grandmaster's domain.
    #[serde(default, rename = "rival")]
    pub rivals: Vec<Grandmaster>,
    /// The sender. It, the media path, the sound card and the playout are given together, or not at
    /// all: then only clocks are simulated.
    pub talker: Option<Talker>,
    /// The engine's sender in the talker's place.
    pub sender: Option<Sender>,
    /// The network between them and the receiver.
    pub network: Network,
    /// The receiver's computer.
    pub host: Host,
    /// The receiver's sound card.
    pub card: Option<Card>,
    /// Settings of playout.
    pub playout: Option<PlayoutWish>,
    /// Receivers under test; each is in the same world.
    #[serde(rename = "receiver")]
    pub receivers: Vec<Receiver>,
    /// Events during the run.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// Expected results.
    #[serde(default, rename = "expect")]
    pub expectations: Vec<Expectation>,
}

impl Scenario {
    /// Rows of the whole trace.
    pub(crate) fn rows(&self) -> usize {
        (self.duration_s.nanos().as_nanos() / self.record.interval_s.nanos().as_nanos().max(1)) as usize
    }

    /// The audio chain; `None` if only clocks are simulated.
    #[must_use]
    pub fn chain(&self) -> Option<AudioChain<'_>> {
        Some(AudioChain {
            talker: self.talker.as_ref()?,
            media: self.network.media.as_ref()?,
            media_b: self.network.media_b.as_ref(),
            card: self.card.as_ref()?,
            playout: self.playout.as_ref()?,
        })
    }
}

/// Settings of the output files.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// How much of the audio is rendered, captured and listened to.
    pub audio: Audio,
    /// Interval of the trace.
    pub interval_s: Period,
    /// Bits of a sample in the WAV files.
    pub wav_bits: WavBits,
}

impl Default for Record {
    fn default() -> Self {
        Self { audio: Audio::Full, interval_s: Period::try_from(1.0).unwrap_or_default(), wav_bits: WavBits::Pcm24 }
    }
}

/// How much of the audio is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audio {
    /// Nobody listens: no WAV files, no crackle count. Receivers still play, in time and in place,
    /// but what they play need not be rendered, and has no hash.
    None,
    /// Everything is listened to and counted, but not kept: for days, whose WAV files would be too
    /// long.
    Heard,
    /// Everything is listened to, counted, and kept in WAV files.
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

/// The network, one path per kind of traffic, so that a switch may treat them differently.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Talker to receiver.
    pub media: Option<Path>,
    /// Talker to receiver on the other network, if the stream has two (SMPTE ST 2022-7): the same
    /// packets.
    pub media_b: Option<Path>,
    /// Grandmaster to receiver, and back.
    pub ptp: Path,
    /// The way back, if it differs.
    pub ptp_up: Option<Path>,
    /// How long switches forward a group after the last report of a member (RFC 3376, 8.4: 260 s by
    /// default).
    #[serde(default = "group_membership_interval")]
    pub group_timeout_s: Seconds,
}

/// 2 x 125 s + 10 s (RFC 3376, 8.4).
fn group_membership_interval() -> Seconds {
    Seconds::try_from(260.0).unwrap_or_default()
}

/// A one-way path. Packets overtake each other only if that is permitted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// Delay of a packet without queueing.
    pub delay_us: Micros,
    /// Queueing delay.
    #[serde(default)]
    pub jitter: Jitter,
    /// Whether packets may overtake each other: then each has its own delay, whatever that of the
    /// one before it.
    #[serde(default)]
    pub may_reorder: bool,
    /// Independent loss per packet.
    #[serde(default)]
    pub loss: Probability,
    /// Loss in bursts.
    pub loss_burst: Option<LossBurst>,
    /// Packets that come twice.
    pub duplicate: Option<Duplicate>,
    /// Times when nothing passes, after which all waiting packets come at once.
    pub stall: Option<Stall>,
    /// Additional delays from a file.
    pub delay_file: Option<DelayFile>,
    /// The narrowest link.
    pub rate_limit: Option<RateLimit>,
    /// Packets that others overtake, whether packets may overtake each other or not.
    pub reorder: Option<Reorder>,
    /// Packets in which bits are flipped.
    pub corruption: Option<Corruption>,
}

/// A distribution of lateness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Jitter {
    /// No lateness.
    #[default]
    None,
    /// Uniform between two bounds.
    Uniform {
        /// Smallest lateness.
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
    /// Gamma: several queues in a row, each exponential.
    Gamma {
        /// How many queues.
        queues: Queues,
        /// Mean lateness in each.
        mean_us: Micros,
    },
    /// Pareto, shifted to begin at 0: the long tails of a wireless network.
    Pareto {
        /// Scale: half of the packets are later than this times 2^(1/tail_index) - 1.
        scale_us: Micros,
        /// The larger it is, the shorter the tail.
        tail_index: TailIndex,
    },
    /// Exponential, and for a share of the packets later by a constant: two queues of different
    /// length.
    Bimodal {
        /// Mean of the exponential part.
        mean_us: Micros,
        /// Additional lateness of the share.
        gap_us: Micros,
        /// Share of the packets that are later.
        share: Probability,
    },
}

/// Stalls of a path: exponentially distributed pauses between them, uniformly distributed lengths.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// Mean time from one stall to the next.
    pub mean_interval_s: Period,
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
    /// How long after the arrival of a packet the program learns of it, and stamps it.
    #[serde(default)]
    pub receive_jitter: Jitter,
    /// How long after the program stamped it a packet leaves.
    #[serde(default)]
    pub transmit_jitter: Jitter,
}

/// The kinds of receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ReceiverKind {
    /// The engine that ships.
    Engine,
    /// The engine's relay, and an engine that receives its output.
    Relay,
    /// The plugin of the user's report in direct mode: it reads one frame of packets for each frame
    /// of the card.
    Prototype,
    /// The same, but it resamples by its clock servo's frequency, whether that is locked or not.
    PrototypeResampled,
    /// Its later form: a ring of samples, and a trim by the level.
    PrototypeRing,
    /// A callback that is fed directly, without any correction of drift.
    Uncorrected,
    /// The same with the first remedy of the user's notes: the rate follows the fill level.
    OptionA,
    /// The second: a timer paced by PTP fills a ring, and its interval follows the fill level.
    OptionB,
    /// The third: a timer with a PLL on PTP feeds a small buffer.
    OptionC,
    /// The engine's clock of an AirPlay sender, which offers it to its only peer, the grandmaster,
    /// and yields to a better one; without playout.
    AirplaySender,
    /// The engine's Livewire clock, whose masters are those of the scenario; without playout.
    LivewireClock,
    /// The PI servo of linuxptp's ptp4l; a clock without playout.
    LinuxptpPi,
    /// The regression servo of linuxptp's ptp4l; a clock without playout.
    LinuxptpLinreg,
    /// The Kalman filter of statime; a clock without playout.
    #[cfg(feature = "statime")]
    Statime,
    /// A program of its own, which is told of packets and callbacks through pipes.
    #[value(skip)]
    Process,
    /// Yours: the program that runs the scenario brings it and tells it by its name; `sim` itself
    /// refuses to run it.
    #[value(skip)]
    Own,
}

impl ReceiverKind {
    /// The clocks that are worth comparing.
    pub const CLOCK_LAWS: &[Self] = &[
        Self::Engine,
        Self::LinuxptpPi,
        Self::LinuxptpLinreg,
        #[cfg(feature = "statime")]
        Self::Statime,
    ];

    /// Whether it can play audio.
    #[must_use]
    pub fn plays(self) -> bool {
        matches!(
            self,
            Self::Engine
                | Self::Relay
                | Self::Prototype
                | Self::PrototypeResampled
                | Self::PrototypeRing
                | Self::Uncorrected
                | Self::OptionA
                | Self::OptionB
                | Self::OptionC
                | Self::Process
                | Self::Own
        )
    }
}

impl fmt::Display for ReceiverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Engine => "engine",
            Self::Relay => "relay",
            Self::Prototype => "prototype",
            Self::PrototypeResampled => "prototype_resampled",
            Self::PrototypeRing => "prototype_ring",
            Self::Uncorrected => "uncorrected",
            Self::OptionA => "option_a",
            Self::OptionB => "option_b",
            Self::OptionC => "option_c",
            Self::AirplaySender => "airplay_sender",
            Self::LivewireClock => "livewire_clock",
            Self::LinuxptpPi => "linuxptp_pi",
            Self::LinuxptpLinreg => "linuxptp_linreg",
            #[cfg(feature = "statime")]
            Self::Statime => "statime",
            Self::Process => "process",
            Self::Own => "own",
        })
    }
}
