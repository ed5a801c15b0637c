//! The receiver of each kind.

use super::clock_receiver::{ClockReceiver, EngineClock};
use super::receiver::{EngineReceiver, Receiver};
use crate::baselines::{LinuxptpLinreg, LinuxptpPi, PrototypeClock, PrototypeReceiver};
use crate::scenario::{AudioChain, Loaded, ReceiverKind, Stream, TalkerClock};
use engine::clock::ClockLaw;
use engine::receive::{ChannelMap, MediaClock, StreamConfig, StreamError};

/// A receiver for a scenario: with playout if that has an audio chain, and else its clock alone.
pub(super) fn make_receiver(kind: ReceiverKind, loaded: &Loaded) -> Result<Box<dyn Receiver>, StreamError> {
    let domain = loaded.scenario.grandmaster.domain;
    let config =
        loaded.scenario.chain().zip(loaded.stream.as_ref()).map(|(chain, stream)| stream_config(&chain, stream));
    Ok(match (kind, config) {
        (ReceiverKind::Engine, Some(config)) => Box::new(EngineReceiver::new(config, domain)?),
        (ReceiverKind::Prototype, Some(config)) => Box::new(PrototypeReceiver::new(config, domain)),
        (ReceiverKind::Engine, None) => Box::new(EngineClock::new(domain)),
        (ReceiverKind::Prototype, None) => bare(PrototypeClock::default(), domain),
        (ReceiverKind::LinuxptpPi, _) => bare(LinuxptpPi::default(), domain),
        (ReceiverKind::LinuxptpLinreg, _) => bare(LinuxptpLinreg::default(), domain),
        #[cfg(feature = "statime")]
        (ReceiverKind::Statime, _) => bare(crate::baselines::StatimeClock::default(), domain),
    })
}

/// The clock of a law that claims no uncertainty.
fn bare(law: impl ClockLaw + 'static, domain: u8) -> Box<dyn Receiver> {
    Box::new(ClockReceiver::new(law, domain, false))
}

/// What a receiver is asked for.
pub(crate) fn stream_config(chain: &AudioChain<'_>, stream: &Stream) -> StreamConfig {
    StreamConfig {
        format: stream.format,
        channel_map: ChannelMap::straight(stream.format),
        payload_type: Some(chain.talker.payload_type.0.get()),
        media_clock: match chain.talker.clock {
            TalkerClock::Grandmaster => MediaClock::Ptp { offset: 0 },
            TalkerClock::Crystal(_) => MediaClock::Unrelated,
        },
        target_depth: chain.playout.target_depth_ms.nanos(),
        // Control laws are compared at one depth, unless the scenario is about it.
        depth_limit: chain.playout.depth_limit_ms.unwrap_or(chain.playout.target_depth_ms).nanos(),
        card_rate: chain.card.sample_rate_hz.rate(),
        block_frames: usize::from(chain.card.callback_frames),
    }
}
