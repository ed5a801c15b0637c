//! Makes the receivers of a scenario: the engine, the baselines, and yours.
//!
//! A run ([`run_with`](crate::run::run_with)) asks a [`Factory`] for each receiver of its scenario
//! and gives it a [`Slot`], which knows what the scenario says of the receiver. The built-in kinds
//! are made in the same way, by [`Slot::built_in`]. The world runs any [`Receiver`] and does not
//! depend on the baselines, so kinds are resolved here.
//!
//! ```
//! use engine::Ppb;
//! use engine::audio::{RateController, RateInput};
//! use sim::receivers::Slot;
//! use sim::run::run_with;
//! use sim::scenario::Loaded;
//! use sim::world::Control;
//!
//! /// The ratio of the measured rates, without any trim.
//! struct NoTrim;
//!
//! impl RateController for NoTrim {
//!     fn ratio(&mut self, input: &RateInput) -> Ppb {
//!         Ppb::new((input.source_rate.ratio() / input.sink_rate.ratio() - 1.0) * 1e9)
//!     }
//! }
//!
//! let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/gm_loss.toml");
//! let shorter = ["duration_s=5", "fault=[]", "expect=[]", "record.audio='none'"];
//! let mut loaded = Loaded::read(path.as_ref(), &shorter.map(str::to_owned))?;
//! loaded.add_own("no_trim", "engine")?;
//! let make = |slot: &Slot<'_>| match slot.name() {
//!     "no_trim" => slot.rate_controller(NoTrim),
//!     _ => slot.built_in(),
//! };
//! let session = run_with(&loaded, None, &Control::default(), &make)?;
//! assert_eq!(session.summary.receivers[1].name, "no_trim");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::baselines::{
    Direct, LinuxptpLinreg, LinuxptpPi, OptionA, OptionB, OptionC, PrototypeClock, PrototypeForm, PrototypeReceiver,
    Uncorrected,
};
use crate::process::{Hello, ProcessReceiver};
use crate::scenario::{self, Audio, AudioChain, Loaded, ReceiverKind, Stream, Surroundings, TalkerClock};
use crate::world::{
    ClockReceiver, EngineClock, EngineReceiver, LivewireReceiver, Receiver, RelayReceiver, RunError, YieldReceiver,
};
use engine::Ppb;
use engine::audio::{FusedRateController, RateController};
use engine::clock::ClockServo;
use engine::receive::{MediaClock, StreamConfig, WarmStart};

/// Makes the receiver of each slot of a scenario. Receivers of one run are made and run in
/// parallel.
pub type Factory<'f> = dyn Fn(&Slot<'_>) -> Result<Box<dyn Receiver>, RunError> + Sync + 'f;

/// The place of a receiver in a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    loaded: &'a Loaded,
    receiver: &'a scenario::Receiver,
}

impl<'a> Slot<'a> {
    /// The place of receiver number `index` of a scenario.
    ///
    /// # Panics
    /// If the scenario has fewer.
    #[must_use]
    pub fn new(loaded: &'a Loaded, index: usize) -> Self {
        Self { loaded, receiver: &loaded.scenario.receivers[index] }
    }

    /// The receiver's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.receiver.name.as_ref()
    }

    /// The scenario.
    #[must_use]
    pub fn loaded(&self) -> &'a Loaded {
        self.loaded
    }

    /// The number of its PTP domain.
    #[must_use]
    pub fn domain(&self) -> u8 {
        self.loaded.scenario.grandmaster.domain
    }

    /// How it is to receive the stream; `None` if only clocks are simulated.
    #[must_use]
    pub fn stream_config(&self) -> Option<StreamConfig> {
        let chain = self.surroundings().chain.zip(self.loaded.stream.as_ref());
        chain.map(|(chain, stream)| stream_config(&chain, stream))
    }

    /// The receiver that the scenario names.
    ///
    /// # Errors
    /// If it refuses its configuration, or is of kind `own`.
    pub fn built_in(&self) -> Result<Box<dyn Receiver>, RunError> {
        let (kind, domain) = (self.receiver.kind, self.domain());
        Ok(match (kind, self.stream_config()) {
            (ReceiverKind::Engine, Some(_)) => return self.rate_controller(FusedRateController::default()),
            (ReceiverKind::Relay, Some(config)) => {
                let packet_frames = self.surroundings().chain.map_or(0, |chain| chain.talker.packet_frames);
                Box::new(RelayReceiver::new(config, usize::from(packet_frames), domain)?)
            }
            (ReceiverKind::Engine | ReceiverKind::Relay, None) => Box::new(EngineClock::new(domain)),
            (
                ReceiverKind::Prototype | ReceiverKind::PrototypeResampled | ReceiverKind::PrototypeRing,
                Some(config),
            ) => Box::new(PrototypeReceiver::new(prototype_form(kind), config, domain)),
            (ReceiverKind::Prototype | ReceiverKind::PrototypeResampled | ReceiverKind::PrototypeRing, None) => {
                Box::new(PrototypeClock::new(domain))
            }
            (ReceiverKind::Uncorrected, Some(config)) => Box::new(Direct::new(config, Uncorrected, domain)),
            (ReceiverKind::OptionA, Some(config)) => Box::new(Direct::new(config, OptionA, domain)),
            (ReceiverKind::OptionB, Some(config)) => Box::new(Direct::new(config, OptionB, domain)),
            (ReceiverKind::OptionC, Some(config)) => Box::new(Direct::new(config, OptionC, domain)),
            (ReceiverKind::AirplaySender, _) => Box::new(YieldReceiver::default()),
            (ReceiverKind::LivewireClock, _) => Box::new(LivewireReceiver::default()),
            // Without a stream, only the PTP clock of a directly fed receiver remains.
            (
                ReceiverKind::Uncorrected | ReceiverKind::OptionA | ReceiverKind::OptionB | ReceiverKind::OptionC,
                None,
            )
            | (ReceiverKind::LinuxptpPi, _) => return self.clock_servo(LinuxptpPi::default(), false),
            (ReceiverKind::LinuxptpLinreg, _) => return self.clock_servo(LinuxptpLinreg::default(), false),
            #[cfg(feature = "statime")]
            (ReceiverKind::Statime, _) => {
                return self.clock_servo(crate::baselines::StatimeClock::default(), false);
            }
            (ReceiverKind::Process, config) => {
                // A scenario that was read has one.
                let none = || self.refused("a receiver of kind \"process\" has no program");
                let program = self.receiver.process.as_ref().ok_or_else(none)?;
                let packet_frames = self.surroundings().chain.map_or(0, |chain| chain.talker.packet_frames);
                let hello = Hello { name: self.name(), domain, packet_frames, config };
                let started = ProcessReceiver::start(program, &hello);
                Box::new(started.map_err(|reason| self.refused(&reason))?)
            }
            (ReceiverKind::Own, _) => {
                return Err(self.refused(
                    "a receiver of kind \"own\" is brought by a program that calls sim::run::run_with; choose another kind",
                ));
            }
        })
    }

    /// A receiver whose PTP port has this servo. If the scenario has an audio chain, the engine
    /// plays by it. Otherwise the servo's own time is judged. `claims_sigma` says whether the
    /// servo's map states its uncertainty, which is then judged as well.
    ///
    /// # Errors
    /// If the stream cannot be received as configured.
    pub fn clock_servo(
        &self,
        servo: impl ClockServo + 'static,
        claims_sigma: bool,
    ) -> Result<Box<dyn Receiver>, RunError> {
        let clock = ClockReceiver::new(servo, self.domain(), claims_sigma);
        Ok(match self.stream_config() {
            Some(config) => {
                let (clock, controller) = (EngineClock::of(clock), FusedRateController::default());
                Box::new(EngineReceiver::by(config, clock, controller, self.is_heard())?)
            }
            None => Box::new(clock),
        })
    }

    /// The engine with this rate controller.
    ///
    /// # Errors
    /// If the scenario has no audio chain, or the stream cannot be received as configured.
    pub fn rate_controller(&self, controller: impl RateController + 'static) -> Result<Box<dyn Receiver>, RunError> {
        let Some(config) = self.stream_config() else {
            return Err(self.refused("a rate controller needs an audio chain, and only clocks are simulated"));
        };
        let clock = EngineClock::new(self.domain());
        Ok(Box::new(EngineReceiver::by(config, clock, controller, self.is_heard())?))
    }

    /// The error that this receiver cannot be made.
    #[must_use]
    pub fn refused(&self, reason: &str) -> RunError {
        RunError::Receiver { receiver: self.name().to_owned(), reason: reason.to_owned() }
    }

    fn surroundings(&self) -> Surroundings<'a> {
        self.loaded.scenario.surroundings_of(self.receiver)
    }

    /// Whether somebody listens.
    fn is_heard(&self) -> bool {
        self.loaded.scenario.record.audio != Audio::None
    }
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
