//! Seeded faults, each of which must be found by a verdict that is meant to find it.
//!
//! A check is only useful if it detects faults. A [`Mutant`] is a receiver with one fault: of its
//! network, its audio, its clock or one of its control laws. It replaces the engine in a scenario,
//! and at least one of the expectations that concern such a fault must fail. Otherwise the mutant
//! survives.

mod audio;
mod conceal;
mod faulty;

use crate::scenario::{Metric, ReceiverKind};
use crate::world::Receiver;
use engine::receive::StreamConfig;
use faulty::Faulty;
use std::fmt;

/// A fault of a receiver. Those that happen once happen half-way through the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Mutant {
    /// No packet of the stream arrives.
    DeadStream,
    /// The last channel is silent.
    ChannelSilent,
    /// The channels are exchanged.
    ChannelsExchanged,
    /// The polarity is inverted.
    PolarityInverted,
    /// Everything is softer by 1 dB.
    Gain,
    /// Noise at -50 dBFS is added.
    Noise,
    /// One frame is played twice.
    FrameSlipped,
    /// 48 frames are played twice.
    FramesRepeated,
    /// 1 ms of zeros.
    Zeros1Ms,
    /// 5 ms of zeros.
    Zeros5Ms,
    /// 10 ms of zeros.
    Zeros10Ms,
    /// Everything is 5 ms later than the receiver says.
    Latency,
    /// The playback rate is 20 ppm lower than the receiver says.
    Ratio,
    /// For half a second, every callback gets the block of the one before.
    StuckBuffer,
    /// Audio begins 15 s late.
    LateStart,
    /// The audio fades out over 10 ms, and never comes back.
    FadedOut,
    /// The clock gets no more PTP messages, and repeats its last reading.
    StaleClock,
    /// The clock has an error of 2 ms, and claims to be locked within its previous uncertainty.
    FalseLock,
    /// Missing audio is silence.
    ConcealmentOff,
    /// The playback ratio stays nominal.
    DriftControlOff,
}

impl Mutant {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::DeadStream,
        Self::ChannelSilent,
        Self::ChannelsExchanged,
        Self::PolarityInverted,
        Self::Gain,
        Self::Noise,
        Self::FrameSlipped,
        Self::FramesRepeated,
        Self::Zeros1Ms,
        Self::Zeros5Ms,
        Self::Zeros10Ms,
        Self::Latency,
        Self::Ratio,
        Self::StuckBuffer,
        Self::LateStart,
        Self::FadedOut,
        Self::StaleClock,
        Self::FalseLock,
        Self::ConcealmentOff,
        Self::DriftControlOff,
    ];

    /// Whether the fault applies to a receiver. Baselines are known to fail, and a receiver of
    /// clocks only has no audio.
    #[must_use]
    pub fn concerns(self, kind: ReceiverKind, plays: bool) -> bool {
        match self {
            Self::StaleClock | Self::FalseLock => matches!(kind, ReceiverKind::Engine | ReceiverKind::Relay),
            Self::DriftControlOff => kind == ReceiverKind::Engine && plays,
            _ => matches!(kind, ReceiverKind::Engine | ReceiverKind::Relay) && plays,
        }
    }

    /// The metrics whose verdicts concern such a fault.
    #[must_use]
    pub fn told_by(self) -> &'static [Metric] {
        match self {
            Self::DeadStream | Self::LateStart | Self::FadedOut => {
                &[Metric::HeardShare, Metric::SilentS, Metric::TimeToAudioS, Metric::LongestGapMs, Metric::Glitches]
            }
            Self::ChannelSilent | Self::ChannelsExchanged | Self::PolarityInverted | Self::Gain => {
                &[Metric::HeardShare, Metric::WrongS]
            }
            Self::Noise => &[Metric::ResidualDbfs, Metric::HeardShare],
            Self::FrameSlipped | Self::FramesRepeated | Self::StuckBuffer => {
                &[Metric::Glitches, Metric::Crackles, Metric::CracklesPerMin]
            }
            Self::Zeros1Ms | Self::Zeros5Ms | Self::Zeros10Ms => {
                &[Metric::Glitches, Metric::Crackles, Metric::LongestGapMs]
            }
            Self::Latency | Self::Ratio => &[Metric::LatencyMs, Metric::SkewUs, Metric::SkewRmsUs],
            Self::StaleClock | Self::FalseLock => &[
                Metric::ClockErrorUs,
                Metric::ClockStepUs,
                Metric::Coverage3Sigma,
                Metric::Unlocks,
                Metric::LockedShare,
                Metric::HoldoverShare,
                Metric::LockTimeS,
                Metric::RelockTimeS,
                Metric::GrandmasterChanges,
            ],
            Self::ConcealmentOff => &[Metric::Glitches, Metric::Crackles, Metric::LongestGapMs, Metric::SilentS],
            Self::DriftControlOff => {
                &[Metric::RatioErrorPpm, Metric::DepthErrorMs, Metric::LatencyMs, Metric::Glitches]
            }
        }
    }

    /// Adds the fault to a receiver, for a run of this length with this stream. Drift control
    /// cannot be switched off from outside the receiver: such a receiver has a
    /// [rate controller](crate::receivers::Slot::rate_controller) without effect.
    #[must_use]
    pub fn infect(
        self,
        receiver: Box<dyn Receiver>,
        duration: engine::Nanos,
        config: Option<&StreamConfig>,
    ) -> Box<dyn Receiver> {
        Box::new(Faulty::new(receiver, self, duration, config))
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = clap::ValueEnum::to_possible_value(self);
        f.pad(name.as_ref().map_or("", |name| name.get_name()))
    }
}
