//! The clock of the process.

use bass_ffi::clock_view::{ClockView, state};
use bass_ffi::threads::stay_loaded;
use engine::clock::PtpMap;
use net::interface::Interface;
use net::ptp::{PtpClient, PtpConfig};
use net::timeline::Timeline;
use std::sync::{Arc, Mutex, PoisonError};

/// Of the two ports that a program has which uses `bass_aes67` as well, in the same domain of the
/// same network: a Delay_Resp is for one of them.
const PORT_NUMBER: u16 = 2;

/// What is followed, and why nothing is.
struct Clock {
    client: Option<Arc<PtpClient>>,
    fault: Option<String>,
}

static CLOCK: Mutex<Clock> = Mutex::new(Clock { client: None, fault: None });

fn with<T>(look: impl FnOnce(&mut Clock) -> T) -> T {
    look(&mut CLOCK.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Follows the masters of a domain on an interface, which is told by name or address; without one,
/// on the only one besides loopback. A clock that runs already goes on if it is that one, else it
/// ends; if the new one cannot be had, it goes on.
pub(crate) fn start(interface: Option<&str>, domain: u8) -> Result<(), String> {
    let started = follow(interface, domain).map_err(|error| error.to_string());
    let replaced = with(|clock| match &started {
        Ok(client) => {
            clock.fault = None;
            clock.client.replace(Arc::clone(client))
        }
        Err(fault) => {
            clock.fault = Some(fault.clone());
            None
        }
    });
    // Outside of the lock: its thread is waited for.
    drop(replaced);
    started.map(drop)
}

fn follow(interface: Option<&str>, domain: u8) -> net::Result<Arc<PtpClient>> {
    let interface = Interface::find(interface)?;
    stay_loaded();
    let mut config = PtpConfig::slave(interface, domain);
    config.port.identity.port_number = PORT_NUMBER;
    PtpClient::shared(config)
}

/// Ends the clock, if one runs, and waits for its thread.
pub(crate) fn stop() {
    let ended = with(|clock| {
        clock.fault = None;
        clock.client.take()
    });
    drop(ended);
}

fn client() -> Option<Arc<PtpClient>> {
    with(|clock| clock.client.clone())
}

/// Whether a clock is followed.
pub(crate) fn is_running() -> bool {
    client().is_some()
}

/// The time of the clock, and the number that changes when it is stepped, while it is locked or
/// holds what it has learnt.
pub(crate) fn timeline() -> Option<(PtpMap, u32)> {
    let reading = client()?.reading();
    Some((reading.map.filter(|_| reading.state.is_usable())?, reading.epoch))
}

/// What is told of the clock.
pub(crate) fn view() -> ClockView {
    match client() {
        Some(client) => ClockView::of(&Timeline::Ptp(client)),
        None => {
            let fault = with(|clock| clock.fault.clone());
            let text = fault.map_or_else(|| "PTP is not started".to_owned(), |fault| format!("Without PTP: {fault}"));
            ClockView { text, ..ClockView::empty(state::DISABLED, 0) }
        }
    }
}
