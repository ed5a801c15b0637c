//! Clocks: PTP clients, shared by all streams of an interface and domain, and the system's clock; and what a host is told of the one that was asked for last.

use crate::error::BassError;
use crate::settings::{self, Settings};
use crate::streams;
use engine::clock::{ClockMode, LockState};
use engine::ptp::PortState;
use net::interface::Interface;
use net::livewire_clock::LivewireClient;
use net::ptp::{PtpClient, PtpConfig};
use net::timeline::{SystemTimeline, Timeline};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Clocks that were asked for, the newest last; and why the last PTP client that was asked for is not there.
struct Known {
    clocks: Vec<Asked>,
    fault: Option<String>,
}

static KNOWN: Mutex<Known> = Mutex::new(Known { clocks: Vec::new(), fault: None });

/// A clock as long as somebody follows it.
enum Asked {
    Ptp(Weak<PtpClient>),
    Livewire(Weak<LivewireClient>),
    System(Weak<SystemTimeline>),
}

impl Asked {
    fn of(timeline: &Timeline) -> Self {
        match timeline {
            Timeline::Ptp(client) => Self::Ptp(Arc::downgrade(client)),
            Timeline::Livewire(client) => Self::Livewire(Arc::downgrade(client)),
            Timeline::System(system) => Self::System(Arc::downgrade(system)),
        }
    }

    fn upgrade(&self) -> Option<Timeline> {
        match self {
            Self::Ptp(client) => client.upgrade().map(Timeline::Ptp),
            Self::Livewire(client) => client.upgrade().map(Timeline::Livewire),
            Self::System(system) => system.upgrade().map(Timeline::System),
        }
    }
}

impl Known {
    /// Makes a clock the newest.
    fn note(&mut self, timeline: &Timeline) {
        self.clocks.retain(|asked| asked.upgrade().is_some_and(|other| !other.is(timeline)));
        self.clocks.push(Asked::of(timeline));
    }
}

/// `BASS_CONFIG_AES67_PTP_STATE`.
pub(crate) mod state {
    pub(crate) const DISABLED: u32 = 0;
    pub(crate) const LISTENING: u32 = 1;
    pub(crate) const UNCALIBRATED: u32 = 2;
    pub(crate) const SLAVE: u32 = 3;
    pub(crate) const MASTER: u32 = 4;
}

/// The client of an interface and domain. One that runs with other settings is shared as it is: its ports cannot be opened twice, and two clocks would differ.
///
/// # Errors
/// If PTP's ports are refused.
pub(crate) fn client(config: PtpConfig) -> Result<Arc<PtpClient>, BassError> {
    let key = (config.interface.name.clone(), config.port.domain_number);
    let started = match PtpClient::shared(config) {
        Err(net::Error::PtpInUse { interface, domain }) => {
            running(key).ok_or(net::Error::PtpInUse { interface, domain })
        }
        other => other,
    };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.fault = started.as_ref().err().map(ToString::to_string);
    let client = started?;
    known.note(&Timeline::Ptp(Arc::clone(&client)));
    Ok(client)
}

/// What streams follow by these settings: nothing if they go by arrivals. The system's clock needs none of PTP's ports.
pub(crate) fn timeline(settings: &Settings, interface: &Interface, domain: u8) -> Result<Option<Timeline>, BassError> {
    if !settings.ptp_enabled || settings.clock_mode == ClockMode::Livewire {
        return Ok(None);
    }
    if settings.clock_mode == ClockMode::System {
        return system().map(|system| Some(Timeline::System(system)));
    }
    follow_ptp(settings, interface, domain).map(|client| Some(Timeline::Ptp(client)))
}

/// The client by these settings.
pub(crate) fn follow_ptp(settings: &Settings, interface: &Interface, domain: u8) -> Result<Arc<PtpClient>, BassError> {
    client(PtpConfig { reference: settings.reference(), ..settings.slave(interface.clone(), domain) })
}

/// The system's clock, read once for all who follow it.
pub(crate) fn system() -> Result<Arc<SystemTimeline>, BassError> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let running = known.clocks.iter().find_map(|asked| match asked {
        Asked::System(system) => system.upgrade(),
        Asked::Ptp(_) | Asked::Livewire(_) => None,
    });
    let system = match running {
        Some(system) => system,
        None => Arc::new(SystemTimeline::start()?),
    };
    known.note(&Timeline::System(Arc::clone(&system)));
    Ok(system)
}

fn running((name, domain): (String, u8)) -> Option<Arc<PtpClient>> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut clients = known.clocks.iter().rev().filter_map(|asked| match asked {
        Asked::Ptp(client) => client.upgrade(),
        Asked::System(_) | Asked::Livewire(_) => None,
    });
    clients.find(|client| client.config().interface.name == name && client.config().port.domain_number == domain)
}

/// The clock that was asked for last, of those that somebody follows.
pub(crate) fn newest() -> Option<Timeline> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.clocks.iter().rev().find_map(Asked::upgrade)
}

/// What a host is told of the clock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClockView {
    pub(crate) state: u32,
    pub(crate) locked: bool,
    /// By how much PTP time turned out to be ahead of what was predicted a second before.
    pub(crate) offset_ns: i64,
    /// The clock's rate against the host's.
    pub(crate) frequency_ppm: f64,
    pub(crate) grandmaster: u64,
    pub(crate) domain: u8,
    pub(crate) fallen_back: bool,
    /// The clock's time now, if it is known.
    pub(crate) ptp_ns: Option<i128>,
    pub(crate) text: String,
}

/// The clock that the newest stream, or else `BASS_AES67_ClockStart`, follows.
pub(crate) fn view() -> ClockView {
    let settings = settings::get();
    let mut view = match (newest(), settings.clock_mode) {
        (Some(Timeline::System(_)) | None, ClockMode::Livewire) => by_arrivals(),
        (Some(timeline), _) => of(&timeline),
        (None, _) => without_clock(settings.domain),
    };
    if !settings.ptp_enabled {
        view.state = state::DISABLED;
        if view.ptp_ns.is_none() {
            view.text = "PTP is disabled".to_owned();
        }
    }
    view
}

fn without_clock(domain: u8) -> ClockView {
    let fault = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).fault.clone();
    let text =
        fault.map_or_else(|| "Listening: nothing is open yet".to_owned(), |fault| format!("Without PTP: {fault}"));
    ClockView { text, ..nothing(state::LISTENING, domain) }
}

fn nothing(state: u32, domain: u8) -> ClockView {
    ClockView {
        state,
        locked: false,
        offset_ns: 0,
        frequency_ppm: 0.0,
        grandmaster: 0,
        domain,
        fallen_back: false,
        ptp_ns: None,
        text: String::new(),
    }
}

/// What is told of one clock.
pub(crate) fn of(timeline: &Timeline) -> ClockView {
    match timeline {
        Timeline::Ptp(client) => of_client(client),
        Timeline::Livewire(client) => of_livewire(client),
        Timeline::System(system) => of_system(system),
    }
}

fn of_livewire(client: &LivewireClient) -> ClockView {
    let (status, reading) = (client.status(), client.reading());
    ClockView {
        state: if status.master.is_some() { state::SLAVE } else { state::LISTENING },
        locked: reading.state == LockState::Locked,
        offset_ns: status.prediction_error.unwrap_or_default().as_nanos(),
        frequency_ppm: status.rate().unwrap_or_default().as_ppm(),
        ptp_ns: reading.map.map(|map| map.ptp_at(net::clock::now()).as_nanos()),
        text: status.to_string(),
        ..nothing(state::LISTENING, 0)
    }
}

fn of_system(system: &SystemTimeline) -> ClockView {
    let reading = system.reading();
    ClockView {
        locked: reading.state == LockState::Locked,
        frequency_ppm: reading.map.map(|map| map.clock().rate()).unwrap_or_default().as_ppm(),
        ptp_ns: reading.map.map(|map| map.ptp_at(net::clock::now()).as_nanos()),
        text: format!("System clock: {} [{}]", system.report(), reading.state),
        ..nothing(state::LISTENING, 0)
    }
}

fn by_arrivals() -> ClockView {
    let rate = streams::newest().and_then(|stream| stream.status()).filter(|status| status.playout.started);
    let frequency_ppm = rate.as_ref().map_or(0.0, |status| status.ingest.media_rate.as_ppm());
    let lock = if rate.is_some() { LockState::Locked } else { LockState::Listening };
    let text = format!("Livewire: packet arrivals, Freq: {frequency_ppm:+.2}ppm [{lock}]");
    ClockView { locked: rate.is_some(), frequency_ppm, text, ..nothing(state::LISTENING, 0) }
}

/// A client in the words of its own status, which says what it fell back to if it did.
fn of_client(client: &PtpClient) -> ClockView {
    let status = client.status();
    let reading = status.reference.reading();
    let wanted = client.config().reference.mode;
    let fallen_back = status.reference.source() != wanted;
    let text = match wanted {
        ClockMode::System => format!("System clock: {} [{}]", status.system, reading.state),
        _ => status.to_string(),
    };
    let text = if fallen_back { format!("{text} [FALLBACK: {}]", status.reference.source()) } else { text };
    let time = reading.map.map(|map| map.ptp_at(net::clock::now()).as_nanos());
    ClockView {
        state: match status.port {
            PortState::Uncalibrated => state::UNCALIBRATED,
            PortState::Slave => state::SLAVE,
            PortState::Master => state::MASTER,
            _ => state::LISTENING,
        },
        locked: !fallen_back && reading.state == LockState::Locked,
        offset_ns: status.prediction_error.unwrap_or_default().as_nanos(),
        frequency_ppm: status.rate().unwrap_or_default().as_ppm(),
        grandmaster: status.grandmaster().map_or(0, |identity| u64::from_be_bytes(identity.0)),
        domain: status.domain,
        fallen_back,
        ptp_ns: time,
        text,
    }
}
