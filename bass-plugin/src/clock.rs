//! Clocks: PTP and Livewire clients and the system clock, which streams share, and the status of
//! the last requested clock for the host.

use crate::error::BassError;
use crate::settings::{self, ClockChoice, Settings};
use bass_ffi::clock_view::{ClockView, state};
use engine::clock::LockState;
use net::interface::Interface;
use net::livewire_clock::{LivewireClient, LivewireConfig};
use net::ptp::{PtpClient, PtpConfig};
use net::stream::ReceiverStatus;
use net::timeline::{SystemTimeline, Timeline};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The requested clocks, the newest last, and why the PTP client that was requested last could not
/// be started.
struct Known {
    clocks: Vec<Asked>,
    fault: Option<String>,
}

static KNOWN: Mutex<Known> = Mutex::new(Known { clocks: Vec::new(), fault: None });

/// A requested clock, which exists as long as somebody follows it.
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
    /// Moves or adds a clock to the end of the list.
    fn note(&mut self, timeline: &Timeline) {
        self.clocks.retain(|asked| asked.upgrade().is_some_and(|other| !other.is(timeline)));
        self.clocks.push(Asked::of(timeline));
    }
}

/// The client for an interface and domain. If a client is already running with other settings, it
/// is shared unchanged, because its ports cannot be opened twice, and two clocks would differ.
///
/// # Errors
/// If the PTP ports are refused.
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

/// The clock that streams with these settings follow; `None` if they follow arrivals. The system
/// clock does not need the PTP ports.
pub(crate) fn timeline(settings: &Settings, interface: &Interface, domain: u8) -> Result<Option<Timeline>, BassError> {
    if !settings.ptp_enabled || settings.clock_mode.is_by_arrivals() {
        return Ok(None);
    }
    follow(settings, interface.clone(), domain).map(Some)
}

/// The clock according to these settings. If they specify arrivals, PTP is used.
pub(crate) fn follow(settings: &Settings, interface: Interface, domain: u8) -> Result<Timeline, BassError> {
    Ok(match settings.clock_mode {
        ClockChoice::System => Timeline::System(system()?),
        ClockChoice::Livewire => Timeline::Livewire(livewire(settings, interface)?),
        ClockChoice::Ptp | ClockChoice::Arrivals => Timeline::Ptp(follow_ptp(settings, &interface, domain)?),
    })
}

/// The client for the Livewire clock. If a client is already running with other settings, it is
/// shared unchanged.
fn livewire(settings: &Settings, interface: Interface) -> Result<Arc<LivewireClient>, BassError> {
    let name = interface.name.clone();
    let config = LivewireConfig { reference: settings.reference(), ..LivewireConfig::slave(interface) };
    let started = match LivewireClient::shared(config) {
        Err(net::Error::LivewireInUse { interface }) => {
            running_livewire(&name).ok_or(net::Error::LivewireInUse { interface })
        }
        other => other,
    };
    let client = started?;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.note(&Timeline::Livewire(Arc::clone(&client)));
    Ok(client)
}

fn running_livewire(interface: &str) -> Option<Arc<LivewireClient>> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut clients = known.clocks.iter().rev().filter_map(|asked| match asked {
        Asked::Livewire(client) => client.upgrade(),
        Asked::System(_) | Asked::Ptp(_) => None,
    });
    clients.find(|client| client.config().interface.name == interface)
}

/// The PTP client according to these settings.
pub(crate) fn follow_ptp(settings: &Settings, interface: &Interface, domain: u8) -> Result<Arc<PtpClient>, BassError> {
    client(PtpConfig { reference: settings.reference(), ..settings.slave(interface.clone(), domain) })
}

/// The system clock, which is read by one thread for all its followers.
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

/// The clock that was requested last and still has followers.
pub(crate) fn newest() -> Option<Timeline> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.clocks.iter().rev().find_map(Asked::upgrade)
}

/// The status of the clock that the newest stream follows or, without a stream, that
/// `BASS_AES67_ClockStart` has started. `newest_stream` is the status of the newest stream's
/// receiver, whose arrivals are reported if no clock is followed.
pub(crate) fn view(newest_stream: Option<&ReceiverStatus>) -> ClockView {
    let settings = settings::get();
    let mut view = match newest() {
        Some(Timeline::System(_)) | None if settings.clock_mode.is_by_arrivals() => by_arrivals(newest_stream),
        Some(timeline) => ClockView::of(&timeline),
        None => without_clock(settings.domain),
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
    ClockView { text, ..ClockView::empty(state::LISTENING, domain) }
}

fn by_arrivals(stream: Option<&ReceiverStatus>) -> ClockView {
    let rate = stream.filter(|status| status.playout.started);
    let frequency_ppm = rate.map_or(0.0, |status| status.ingest.media_rate.as_ppm());
    let lock = if rate.is_some() { LockState::Locked } else { LockState::Listening };
    let text = format!("Packet arrivals, Freq: {frequency_ppm:+.2}ppm [{lock}]");
    ClockView { locked: rate.is_some(), frequency_ppm, text, ..ClockView::empty(state::LISTENING, 0) }
}
