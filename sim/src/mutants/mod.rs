//! Seeded faults: is each of them found by the verdict that should find it?
//!
//! A check is worth what it catches. A [`Mutant`] is a receiver with one fault: of its network, of
//! its audio, of its clock or of one of its laws. It stands in the engine's place in a scenario,
//! and the scenario's expectations must fail, one of those that are about such a fault among them.
//! Else the mutant survives.

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

    /// Whether it can befall a receiver: one that is not the engine is known to fail, and a clock
    /// alone has no audio.
    #[must_use]
    pub fn concerns(self, kind: ReceiverKind, plays: bool) -> bool {
        match self {
            Self::StaleClock | Self::FalseLock => matches!(kind, ReceiverKind::Engine | ReceiverKind::Relay),
            Self::DriftControlOff => kind == ReceiverKind::Engine && plays,
            _ => matches!(kind, ReceiverKind::Engine | ReceiverKind::Relay) && plays,
        }
    }

    /// The verdicts that are about such a fault.
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

    /// Puts the fault into a receiver; a run of that length, and its stream, are what it lives
    /// through. A drift control that is off is no fault that can be put into a receiver from
    /// outside: [`uncontrolled`](crate::receivers::uncontrolled) makes one.
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
