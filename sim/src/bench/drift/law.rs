//! The drift laws that can be compared, each in its receiver.

use crate::baselines::{
    LevelReceiver, PipewireAlsa, PipewireRtp, PrototypeDrift, PrototypeP, QueueLaw, RocGradual, Zita,
};
use crate::world::{EngineReceiver, Receiver, RunError};
use engine::receive::StreamConfig;
use serde::Serialize;
use std::fmt;

/// A drift law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DriftLawKind {
    /// The engine that ships.
    Engine,
    /// PipeWire's RTP source.
    PipewireRtp,
    /// PipeWire's ALSA node, as a follower.
    PipewireAlsa,
    /// zita-ajbridge.
    Zita,
    /// Roc Toolkit, gradual profile.
    RocGradual,
    /// The user's notes: rate proportional to the fill level.
    PrototypeP,
    /// The plugin in the user's report: a trim of at most 20 ppm.
    PrototypePi,
}

impl DriftLawKind {
    /// All laws.
    pub const ALL: &[Self] = &[
        Self::Engine,
        Self::PipewireRtp,
        Self::PipewireAlsa,
        Self::Zita,
        Self::RocGradual,
        Self::PrototypeP,
        Self::PrototypePi,
    ];

    /// Time over which the ratio is averaged to determine when it has settled, s. Averaged over 1
    /// s, the ratio of a level-controlled loop would never settle.
    pub(super) fn settle_window_s(self) -> usize {
        if self == Self::Engine { 1 } else { 60 }
    }

    /// A receiver with this law.
    pub(super) fn receiver(self, config: StreamConfig, domain: u8) -> Result<Box<dyn Receiver>, RunError> {
        Ok(match self {
            Self::Engine => Box::new(EngineReceiver::silent(config, domain)?),
            Self::PipewireRtp => level(config, PipewireRtp::default()),
            Self::PipewireAlsa => level(config, PipewireAlsa::default()),
            Self::Zita => level(config, Zita::default()),
            Self::RocGradual => Box::new(LevelReceiver::new(config, RocGradual::default(), Some(RocGradual::PERIOD))),
            Self::PrototypeP => level(config, PrototypeP),
            Self::PrototypePi => level(config, PrototypeDrift::default()),
        })
    }
}

fn level(config: StreamConfig, law: impl QueueLaw + 'static) -> Box<dyn Receiver> {
    Box::new(LevelReceiver::new(config, law, None))
}

impl fmt::Display for DriftLawKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Engine => "engine",
            Self::PipewireRtp => "pipewire_rtp",
            Self::PipewireAlsa => "pipewire_alsa",
            Self::Zita => "zita",
            Self::RocGradual => "roc_gradual",
            Self::PrototypeP => "prototype_p",
            Self::PrototypePi => "prototype_pi",
        })
    }
}
