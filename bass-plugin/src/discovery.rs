//! Announced streams: provides the list for hosts, and finds a stream by its name.

use crate::error::{BassError, code};
use crate::settings;
use bass_ffi::threads;
use engine::announce::sdp::Description;
use net::interface::Interface;
use net::sap::{SapListener, Sessions};
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often the announcements are searched for a name.
const STEP: Duration = Duration::from_millis(20);

struct Listening {
    interface: Interface,
    listener: SapListener,
}

static LISTENING: Mutex<Option<Listening>> = Mutex::new(None);

/// Begins to listen on an interface.
///
/// # Errors
/// If discovery is already running on another interface, or the port is refused.
pub(crate) fn start(interface: Interface) -> Result<(), BassError> {
    let mut listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(other) = listening.as_ref().filter(|other| other.interface != interface) {
        let text = format!("discovery runs on {} already: stop it first", other.interface);
        return Err(BassError::new(code::ALREADY, text));
    }
    if listening.is_none() {
        threads::stay_loaded();
        let listener = listen(&interface)?;
        *listening = Some(Listening { interface, listener });
    }
    Ok(())
}

/// Stops listening. Returns false if discovery was not running.
pub(crate) fn stop() -> bool {
    let taken = LISTENING.lock().unwrap_or_else(PoisonError::into_inner).take();
    taken.is_some()
}

/// The current announcements.
///
/// # Errors
/// If discovery is not running.
pub(crate) fn sessions() -> Result<Sessions, BassError> {
    let listening = LISTENING.lock().unwrap_or_else(PoisonError::into_inner);
    let sessions = listening.as_ref().map(|listening| listening.listener.sessions());
    sessions
        .ok_or_else(|| BassError::new(code::NOTAVAIL, "discovery is not running: BASS_AES67_DiscoveryStart starts it"))
}

/// Waits for the description of a stream that is announced under this name. An announcement by the
/// host that the description names is accepted at once, one by another host only after `timeout`.
///
/// # Errors
/// If no such stream is announced within `timeout`.
pub(crate) fn wait_for(name: &str, interface: &Interface, timeout: Duration) -> Result<Description, BassError> {
    let known = |by_anybody| sessions().ok().and_then(|sessions| named(&sessions, name, by_anybody));
    if let Some(description) = known(false) {
        return Ok(description);
    }
    let listener = listen(interface)?;
    let mut waited = Duration::ZERO;
    loop {
        let sessions = listener.sessions();
        let is_over = waited >= timeout;
        let heard = named(&sessions, name, is_over).or_else(|| known(is_over));
        if let Some(description) = heard {
            return Ok(description);
        }
        if is_over {
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

/// Starts to listen to the accepted announcers.
fn listen(interface: &Interface) -> net::Result<SapListener> {
    let accepted: Vec<Ipv4Addr> = settings::get().trust.announcers.iter().copied().collect();
    SapListener::with_groups(interface, &[], &accepted)
}

/// The session with this name. An announcement by a host other than the one that its description
/// names is accepted only if `by_anybody`.
fn named(sessions: &Sessions, name: &str, by_anybody: bool) -> Option<Description> {
    let all = engine::announce::sap::named(sessions.iter().map(|(_, entry)| entry), name);
    let first = all.first().filter(|entry| by_anybody || entry.is_announced_by_its_origin() != Some(false));
    first.map(|entry| entry.description.clone())
}
