//! The clock of the process.

use bass_ffi::clock_view::{ClockView, state};
use bass_ffi::threads::stay_loaded;
use engine::clock::PtpMap;
use net::interface::Interface;
use net::ptp::{PtpClient, PtpConfig};
use net::timeline::Timeline;
use std::sync::{Arc, Mutex, PoisonError};

/// The second of two ports in a program that also uses `bass_aes67` in the same domain of the same
/// network: each Delay_Resp is for one of them.
const PORT_NUMBER: u16 = 2;

/// The client, and why there is none.
struct Clock {
    client: Option<Arc<PtpClient>>,
    fault: Option<String>,
}

static CLOCK: Mutex<Clock> = Mutex::new(Clock { client: None, fault: None });

fn with<T>(look: impl FnOnce(&mut Clock) -> T) -> T {
    look(&mut CLOCK.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Follows the masters of a domain on an interface, which is given by name or address; by default
/// on the only one besides loopback. A running clock continues if it is the same; otherwise it
/// ends, unless the new one cannot be started.
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
    let config = config(Interface::find(interface)?, domain);
    stay_loaded();
    PtpClient::shared(config)
}

fn config(interface: Interface, domain: u8) -> PtpConfig {
    let mut config = PtpConfig::slave(interface, domain);
    config.port.identity.port_number = PORT_NUMBER;
    config
}

/// Ends the clock if one is running, and waits for its thread.
pub(crate) fn stop() {
    let ended = with(|clock| {
        clock.fault = None;
        clock.client.take()
    });
    drop(ended);
}

/// Whether a clock is followed.
pub(crate) fn is_running() -> bool {
    with(|clock| clock.client.is_some())
}

/// The time of the clock while it is locked or in holdover, and the number that changes when it is
/// stepped.
pub(crate) fn timeline() -> Option<(PtpMap, u32)> {
    let reading = with(|clock| clock.client.as_ref().map(|client| client.reading()))?;
    Some((reading.map.filter(|_| reading.state.is_usable())?, reading.epoch))
}

/// The view of the clock.
pub(crate) fn view() -> ClockView {
    // Within the lock: a call that stops the clock meanwhile waits for its thread, because the last
    // owner does that.
    with(|clock| match (&clock.client, &clock.fault) {
        (Some(client), _) => ClockView::of(&Timeline::Ptp(Arc::clone(client))),
        (None, fault) => {
            let without = |fault: &String| format!("Without PTP: {fault}");
            let text = fault.as_ref().map_or_else(|| "PTP is not started".to_owned(), without);
            ClockView { text, ..ClockView::empty(state::DISABLED, 0) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_port_is_not_that_of_bass_aes67() {
        let loopback = Interface::find(Some("127.0.0.1")).unwrap();
        let (own, other) = (config(loopback.clone(), 1), PtpConfig::slave(loopback, 1));
        assert_eq!(own.port.identity.clock_identity, other.port.identity.clock_identity);
        assert_ne!(own.port.identity, other.port.identity);
    }
}
