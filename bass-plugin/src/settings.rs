//! The host's settings, which apply to all streams that are opened later.

use crate::error::BassError;
use crate::trust::Trust;
use engine::Nanos;
use engine::clock::{ClockMode, ReferenceConfig};
use engine::ptp::unicast::{UnicastConfig, UnicastMasters};
use net::interface::Interface;
use net::ptp::PtpConfig;
use std::sync::{Mutex, PoisonError};

/// `BASS_CONFIG_AES67_CLOCK_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockChoice {
    Ptp,
    /// The Livewire clock.
    Livewire,
    System,
    /// Packet arrivals.
    Arrivals,
}

impl ClockChoice {
    /// All choices, in the order of their numbers.
    const ALL: [Self; 4] = [Self::Ptp, Self::Livewire, Self::System, Self::Arrivals];

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    pub(crate) fn number(self) -> u32 {
        self as u32
    }

    /// Whether streams follow their arrivals alone.
    pub(crate) fn is_by_arrivals(self) -> bool {
        self == Self::Arrivals
    }

    fn mode(self) -> ClockMode {
        match self {
            Self::Ptp => ClockMode::Ptp,
            Self::Livewire => ClockMode::Livewire,
            Self::Arrivals => ClockMode::Arrivals,
            Self::System => ClockMode::System,
        }
    }
}

/// The settable options `BASS_CONFIG_AES67_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Name or address of the interface; by default the only one besides loopback.
    pub(crate) interface: Option<String>,
    /// The accepted payload type if neither the URL nor the description states one; by default any.
    pub(crate) payload_type: Option<u8>,
    pub(crate) domain: u8,
    pub(crate) ptp_enabled: bool,
    /// The depth of streams whose URL does not state a latency.
    pub(crate) jitter_ms: u32,
    /// Whether option 0x20002, which has two meanings, was last set to a payload type.
    pub(crate) shared_is_payload_type: bool,
    pub(crate) clock_mode: ClockChoice,
    /// How long PTP may be unusable before another clock is used; 0 means without limit.
    pub(crate) fallback_s: u32,
    /// Masters that serve on request (unicast negotiation). If there are none, the multicast
    /// masters in the domain are used.
    pub(crate) unicast_masters: Option<UnicastMasters>,
    /// Which masters, addresses and announcers are accepted.
    pub(crate) trust: Trust,
}

impl Settings {
    const NEW: Self = Self {
        interface: None,
        payload_type: None,
        domain: 0,
        ptp_enabled: true,
        jitter_ms: 40,
        shared_is_payload_type: false,
        clock_mode: ClockChoice::Ptp,
        fallback_s: 5,
        unicast_masters: None,
        trust: Trust::NEW,
    };

    /// Whether streams follow the Livewire clock.
    pub(crate) fn is_on_livewire(&self) -> bool {
        self.ptp_enabled && self.clock_mode == ClockChoice::Livewire
    }

    /// What the reference falls back to while the clock is not usable.
    pub(crate) fn reference(&self) -> ReferenceConfig {
        let fallback_after = (self.fallback_s > 0).then(|| Nanos::from_secs(i64::from(self.fallback_s)));
        ReferenceConfig { mode: self.clock_mode.mode(), fallback_after }
    }

    /// The configuration of a slave in a domain.
    pub(crate) fn slave(&self, interface: Interface, domain: u8) -> PtpConfig {
        let config = self.trust.apply(PtpConfig::slave(interface, domain));
        match self.unicast_masters {
            Some(masters) => config.served_by(UnicastConfig::new(masters)),
            None => config,
        }
    }

    /// The configuration of a clock that serves a domain unless a better clock does.
    pub(crate) fn master(&self, interface: Interface, domain: u8) -> PtpConfig {
        self.trust.apply(PtpConfig::master(interface, domain))
    }

    /// The interface that `wanted` names, or else the setting.
    pub(crate) fn interface(&self, wanted: Option<&str>) -> Result<Interface, BassError> {
        Ok(Interface::find(wanted.or(self.interface.as_deref()))?)
    }
}

static SETTINGS: Mutex<Settings> = Mutex::new(Settings::NEW);

/// The current settings.
pub(crate) fn get() -> Settings {
    SETTINGS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Changes the settings.
pub(crate) fn change<T>(how: impl FnOnce(&mut Settings) -> T) -> T {
    how(&mut SETTINGS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Resets the settings, for a library that stays loaded and is initialised again.
pub(crate) fn reset() {
    change(|settings| *settings = Settings::NEW);
}
