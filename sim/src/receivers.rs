//! Creates the receivers that a scenario names: the engine and the baselines.
//!
//! The world runs any [`Receiver`] and does not depend on the baselines, so kinds are resolved
//! here.

use crate::baselines::{
    Direct, LinuxptpLinreg, LinuxptpPi, OptionA, OptionB, OptionC, PrototypeClock, PrototypeForm, PrototypeReceiver,
    Uncorrected,
};
use crate::scenario::{Audio, AudioChain, Loaded, ReceiverKind, Stream, Surroundings, TalkerClock};
use crate::world::{
    ClockReceiver, EngineClock, EngineReceiver, LivewireReceiver, Receiver, RelayReceiver, RunError, YieldReceiver,
};
use engine::Ppb;
use engine::audio::{RateController, RateInput};
use engine::clock::ClockServo;
use engine::receive::{MediaClock, StreamConfig, WarmStart};

/// The receiver number `index` of a scenario.
///
/// # Errors
/// If it refuses its configuration.
pub fn receiver_of(loaded: &Loaded, index: usize) -> Result<Box<dyn Receiver>, RunError> {
    let receiver = &loaded.scenario.receivers[index];
    make_receiver(receiver.kind, loaded, &loaded.scenario.surroundings_of(receiver))
}

/// The engine as receiver number `index`, with its drift control switched off.
///
/// # Errors
/// If it refuses its configuration.
pub fn uncontrolled(loaded: &Loaded, index: usize) -> Result<Box<dyn Receiver>, RunError> {
    let surroundings = loaded.scenario.surroundings_of(&loaded.scenario.receivers[index]);
    let domain = loaded.scenario.grandmaster.domain;
    let chain = surroundings.chain.zip(loaded.stream.as_ref());
    match chain.map(|(chain, stream)| stream_config(&chain, stream)) {
        Some(config) => Ok(Box::new(EngineReceiver::by(config, domain, NominalRate)?)),
        None => receiver_of(loaded, index),
    }
}

/// A rate controller without effect: the ratio stays nominal.
#[derive(Debug)]
struct NominalRate;

impl RateController for NominalRate {
    fn ratio(&mut self, _input: &RateInput) -> Ppb {
        Ppb::ZERO
    }
}

/// A receiver for a scenario: with playout if the scenario has an audio chain, and otherwise only
/// its clock.
fn make_receiver(
    kind: ReceiverKind,
    loaded: &Loaded,
    surroundings: &Surroundings<'_>,
) -> Result<Box<dyn Receiver>, RunError> {
    let domain = loaded.scenario.grandmaster.domain;
    let config = surroundings.chain.zip(loaded.stream.as_ref()).map(|(chain, stream)| stream_config(&chain, stream));
    Ok(match (kind, config) {
        (ReceiverKind::Engine, Some(config)) if loaded.scenario.record.audio == Audio::None => {
            Box::new(EngineReceiver::unheard(config, domain)?)
        }
        (ReceiverKind::Engine, Some(config)) => Box::new(EngineReceiver::new(config, domain)?),
        (ReceiverKind::Relay, Some(config)) => {
            let packet_frames = surroundings.chain.map_or(0, |chain| usize::from(chain.talker.packet_frames));
            Box::new(RelayReceiver::new(config, packet_frames, domain)?)
        }
        (ReceiverKind::Prototype | ReceiverKind::PrototypeResampled | ReceiverKind::PrototypeRing, Some(config)) => {
            Box::new(PrototypeReceiver::new(prototype_form(kind), config, domain))
        }
        (ReceiverKind::Engine | ReceiverKind::Relay, None) => Box::new(EngineClock::new(domain)),
        (ReceiverKind::Prototype | ReceiverKind::PrototypeResampled | ReceiverKind::PrototypeRing, None) => {
            Box::new(PrototypeClock::new(domain))
        }
        (ReceiverKind::Uncorrected, Some(config)) => Box::new(Direct::new(config, Uncorrected, domain)),
        (ReceiverKind::OptionA, Some(config)) => Box::new(Direct::new(config, OptionA, domain)),
        (ReceiverKind::OptionB, Some(config)) => Box::new(Direct::new(config, OptionB, domain)),
        (ReceiverKind::OptionC, Some(config)) => Box::new(Direct::new(config, OptionC, domain)),
        // Without a stream, only the PTP clock of a directly fed receiver remains.
        (ReceiverKind::Uncorrected | ReceiverKind::OptionA | ReceiverKind::OptionB | ReceiverKind::OptionC, None) => {
            bare(LinuxptpPi::default(), domain)
        }
        (ReceiverKind::AirplaySender, _) => Box::new(YieldReceiver::default()),
        (ReceiverKind::LivewireClock, _) => Box::new(LivewireReceiver::default()),
        (ReceiverKind::LinuxptpPi, _) => bare(LinuxptpPi::default(), domain),
        (ReceiverKind::LinuxptpLinreg, _) => bare(LinuxptpLinreg::default(), domain),
        #[cfg(feature = "statime")]
        (ReceiverKind::Statime, _) => bare(crate::baselines::StatimeClock::default(), domain),
    })
}

/// The clock of a law that claims no uncertainty.
fn bare(law: impl ClockServo + 'static, domain: u8) -> Box<dyn Receiver> {
    Box::new(ClockReceiver::new(law, domain, false))
}

fn prototype_form(kind: ReceiverKind) -> PrototypeForm {
    match kind {
        ReceiverKind::PrototypeResampled => PrototypeForm::Resampled,
        ReceiverKind::PrototypeRing => PrototypeForm::Ring,
        _ => PrototypeForm::Direct,
    }
}

/// The configuration of a receiver of this stream.
#[must_use]
pub fn stream_config(chain: &AudioChain<'_>, stream: &Stream) -> StreamConfig {
    let playout = chain.playout;
    let (depth, callback) = (playout.target_depth_ms, usize::from(chain.card.callback_frames));
    StreamConfig {
        payload_type: Some(chain.talker.payload_type.0.get()),
        media_clock: match chain.talker.clock {
            TalkerClock::Crystal(_) if !chain.talker.claims_ptp => MediaClock::Unrelated,
            TalkerClock::Crystal(_) | TalkerClock::Grandmaster | TalkerClock::Rival(_) => {
                MediaClock::Ptp { offset: chain.talker.sdp_timestamp_offset.unwrap_or(chain.talker.timestamp_offset) }
            }
        },
        // Control laws are compared at one depth, unless the scenario is about it.
        depth_limit: playout.depth_limit_ms.unwrap_or(depth).nanos(),
        card_rate: chain.card.sample_rate_hz.rate(),
        warm_start: WarmStart {
            card_rate: playout.remembered_card_ppm.map(|rate| Ppb::from_ppm(rate.get())),
            media_rate: playout.remembered_media_ppm.map(|rate| Ppb::from_ppm(rate.get())),
        },
        ..StreamConfig::new(stream.format, depth.nanos(), callback)
    }
}
