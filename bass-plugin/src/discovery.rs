//! Announced streams: the list for hosts, and finding one by its name.

use crate::error::{BassError, code};
use bass_ffi::threads;
use engine::announce::sdp::Description;
use net::interface::Interface;
use net::sap::{SapListener, Sessions};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often the announcements are looked through.
const STEP: Duration = Duration::from_millis(20);

struct Listening {
    interface: Interface,
    listener: SapListener,
}

static LISTENING: Mutex<Option<Listening>> = Mutex::new(None);

/// Listens on an interface from now on.
///
/// # Errors
/// If it does so on another one, or the port is refused.
pub(crate) fn start(interface: Interface) -> Result<(), BassError> {
    let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(other) = listening.as_ref().filter(|other| other.interface != interface) {
        let text = format!("discovery runs on {} already: stop it first", other.interface);
        return Err(BassError::new(code::ALREADY, text));
    }
    if listening.is_none() {
        threads::stay_loaded();
        let listener = SapListener::start(&interface)?;
        *listening = Some(Listening { interface, listener });
    }
    Ok(())
}

/// Stops listening; false if it was not.
pub(crate) fn stop() -> bool {
    let taken = LISTENING.lock().unwrap_or_else(PoisonError::into_inner).take();
    taken.is_some()
}

/// What is announced now.
///
/// # Errors
/// If nobody listens.
pub(crate) fn sessions() -> Result<Sessions, BassError> {
    let listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    let sessions = listening.as_ref().map(|listening| listening.listener.sessions());
    sessions
        .ok_or_else(|| BassError::new(code::NOTAVAIL, "discovery is not running: BASS_AES67_DiscoveryStart starts it"))
}

/// The description of the stream that is announced by this name.
///
/// # Errors
/// If none is within that time.
pub(crate) fn wait_for(name: &str, interface: &Interface, timeout: Duration) -> Result<Description, BassError> {
    let known = || sessions().ok().and_then(|sessions| named(&sessions, name));
    if let Some(description) = known() {
        return Ok(description);
    }
    let listener = SapListener::start(interface)?;
    let mut waited = Duration::ZERO;
    loop {
        let sessions = listener.sessions();
        if let Some(description) = named(&sessions, name).or_else(known) {
            return Ok(description);
        }
        if waited >= timeout {
            let names: Vec<&str> = sessions.iter().map(|(_, entry)| entry.description.name.as_str()).collect();
            let heard = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            let text =
                format!("{name} was not announced on {interface} within {} ms; heard was {heard}", timeout.as_millis());
            return Err(BassError::new(code::TIMEOUT, text));
        }
        std::thread::sleep(STEP);
        waited += STEP;
    }
}

/// The session of that name.
fn named(sessions: &Sessions, name: &str) -> Option<Description> {
    let all = engine::announce::sap::named(sessions.iter().map(|(_, entry)| entry), name);
    all.first().map(|entry| entry.description.clone())
}
