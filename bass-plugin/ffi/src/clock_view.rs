//! A clock as programs see it.

use engine::clock::{ClockMode, LockState};
use engine::ptp::PortState;
use net::livewire_clock::LivewireClient;
use net::ptp::PtpClient;
use net::timeline::{SystemTimeline, Timeline};

/// `BASS_CONFIG_AES67_PTP_STATE` and `BASS_PTP_GetState`.
pub mod state {
    /// Nobody follows PTP.
    pub const DISABLED: u32 = 0;
    /// There is no master.
    pub const LISTENING: u32 = 1;
    /// A master was selected; its time is not known well enough yet.
    pub const UNCALIBRATED: u32 = 2;
    /// The master is followed.
    pub const SLAVE: u32 = 3;
    /// This computer is the master.
    pub const MASTER: u32 = 4;
}

/// A clock as a host sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockView {
    /// One of [`state`].
    pub state: u32,
    /// Whether its time is reliable.
    pub locked: bool,
    /// Difference of PTP time from what was predicted a second before.
    pub offset_ns: i64,
    /// The clock's rate against the host's.
    pub frequency_ppm: f64,
    /// The grandmaster's identity; 0 if it is not known.
    pub grandmaster: u64,
    /// The PTP domain.
    pub domain: u8,
    /// A fallback is used in place of the requested clock.
    pub fallen_back: bool,
    /// The clock's time now, if it is known.
    pub ptp_ns: Option<i128>,
    /// The status in one line.
    pub text: String,
}

impl ClockView {
    /// A clock of which only the state is known.
    #[must_use]
    pub fn empty(state: u32, domain: u8) -> Self {
        Self {
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

    /// The view of one clock.
    #[must_use]
    pub fn of(timeline: &Timeline) -> Self {
        match timeline {
            Timeline::Ptp(client) => of_client(client),
            Timeline::Livewire(client) => of_livewire(client),
            Timeline::System(system) => of_system(system),
        }
    }
}

fn of_livewire(client: &LivewireClient) -> ClockView {
    let (status, reading) = (client.status(), client.reading());
    let fallen_back = status.reference.source() != client.config().reference.mode;
    let text = status.to_string();
    ClockView {
        state: match reading.state {
            _ if status.master.is_none() => state::LISTENING,
            state if state.is_usable() => state::SLAVE,
            _ => state::UNCALIBRATED,
        },
        locked: !fallen_back && reading.state == LockState::Locked,
        offset_ns: status.prediction_error.unwrap_or_default().as_nanos(),
        frequency_ppm: status.rate().unwrap_or_default().as_ppm(),
        fallen_back,
        ptp_ns: reading.map.map(|map| map.ptp_at(net::clock::now()).as_nanos()),
        text: if fallen_back { format!("{text} [FALLBACK: {}]", status.reference.source()) } else { text },
        ..ClockView::empty(state::LISTENING, 0)
    }
}

fn of_system(system: &SystemTimeline) -> ClockView {
    let reading = system.reading();
    ClockView {
        locked: reading.state == LockState::Locked,
        frequency_ppm: reading.map.map(|map| map.clock().rate()).unwrap_or_default().as_ppm(),
        ptp_ns: reading.map.map(|map| map.ptp_at(net::clock::now()).as_nanos()),
        text: format!("System clock: {} [{}]", system.report(), reading.state),
        ..ClockView::empty(state::LISTENING, 0)
    }
}

/// A client as its own status describes it, including the fallback in use.
fn of_client(client: &PtpClient) -> ClockView {
    let status = client.status();
    let reading = status.reference.reading();
    let wanted = client.config().reference.mode;
    let fallen_back = status.reference.source() != wanted;
    let text = match wanted {
        ClockMode::System => format!("System clock: {} [{}]", status.system, reading.state),
        _ => status.brief().to_string(),
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
