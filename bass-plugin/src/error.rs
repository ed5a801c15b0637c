//! Errors by the numbers of BASS, with words for a person.

use crate::bass;
use bass_ffi::boundary::guarded_or;
use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

/// `BASS_ERROR_*`.
pub(crate) mod code {
    use std::ffi::c_int;
    pub(crate) const OK: c_int = 0;
    pub(crate) const MEM: c_int = 1;
    pub(crate) const FILEOPEN: c_int = 2;
    pub(crate) const HANDLE: c_int = 5;
    pub(crate) const FORMAT: c_int = 6;
    pub(crate) const INIT: c_int = 8;
    pub(crate) const ALREADY: c_int = 14;
    pub(crate) const ILLTYPE: c_int = 19;
    pub(crate) const ILLPARAM: c_int = 20;
    pub(crate) const NONET: c_int = 32;
    pub(crate) const NOTAVAIL: c_int = 37;
    pub(crate) const TIMEOUT: c_int = 40;
    pub(crate) const FILEFORM: c_int = 41;
    pub(crate) const BUSY: c_int = 46;
    pub(crate) const DENIED: c_int = 49;
    pub(crate) const UNKNOWN: c_int = -1;
}

/// Why something that a host asked for is not done.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text}")]
pub(crate) struct BassError {
    /// What `BASS_ErrorGetCode` says.
    pub(crate) code: c_int,
    /// What `BASS_AES67_GetErrorText` says.
    pub(crate) text: String,
}

impl BassError {
    pub(crate) fn new(code: c_int, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// A text or number of the host's that is wrong.
    pub(crate) fn parameter(text: impl Into<String>) -> Self {
        Self::new(code::ILLPARAM, text)
    }
}

impl From<net::Error> for BassError {
    fn from(error: net::Error) -> Self {
        let code = match &error {
            net::Error::Interface(net::interface::InterfaceError::None) => code::NONET,
            net::Error::Interface(_)
            | net::Error::NotMulticast(_)
            | net::Error::NotOurs(_)
            | net::Error::Ipv6(_)
            | net::Error::Obstacle(_)
            | net::Error::Relay(_)
            | net::Error::Sender(_) => code::ILLPARAM,
            net::Error::PortRefused { .. } => code::DENIED,
            net::Error::PortBusy { .. } | net::Error::PtpInUse { .. } | net::Error::LivewireInUse { .. } => code::BUSY,
            net::Error::Stream(_) => code::FORMAT,
            net::Error::Io { .. } | net::Error::Rtsp(_) => code::FILEOPEN,
        };
        Self::new(code, error.to_string())
    }
}

impl From<net::interface::InterfaceError> for BassError {
    fn from(error: net::interface::InterfaceError) -> Self {
        net::Error::from(error).into()
    }
}

/// The words to the last error of any thread. A thread's own would be torn down by the thread's
/// end, which keeps a library from being unloaded.
static TEXT: Mutex<String> = Mutex::new(String::new());

/// The words to the last error.
pub(crate) fn last_text() -> String {
    TEXT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Keeps words for the host whose number BASS tells by itself.
pub(crate) fn remember(text: String) {
    *TEXT.lock().unwrap_or_else(PoisonError::into_inner) = text;
}

/// Tells the host of an error, or that there is none.
pub(crate) fn report<T>(result: Result<T, BassError>) -> Option<T> {
    match result {
        Ok(value) => {
            bass::set_error(code::OK);
            Some(value)
        }
        Err(error) => {
            bass::set_error(error.code);
            remember(error.text);
            None
        }
    }
}

/// The same for what is done [apart](bass_ffi::threads::isolated) from the host's thread.
pub(crate) fn report_isolated<T: Send>(body: impl FnOnce() -> Result<T, BassError> + Send) -> Option<T> {
    report(bass_ffi::threads::isolated(body))
}

/// Runs the body of an entry point. A panic is a fault of ours: the host gets
/// `BASS_ERROR_UNKNOWN` and `otherwise`.
pub(crate) fn guarded<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    let tell = || {
        let fault = BassError::new(code::UNKNOWN, "a fault of bass_aes67; its reason is on the error output");
        report::<()>(Err(fault));
        otherwise
    };
    guarded_or(tell, body)
}

/// The same for what is called by the sound card's thread, where nothing may be set or said.
pub(crate) fn guarded_quietly<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    guarded_or(|| otherwise, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stays_inside() {
        assert_eq!(guarded(7, || panic!("on purpose")), 7);
        assert!(last_text().starts_with("a fault of bass_aes67"));
        assert_eq!(guarded(7, || 8), 8);
    }

    #[test]
    fn errors_of_the_network_have_numbers() {
        let busy = net::Error::PortBusy { port: 319, address: std::net::Ipv4Addr::UNSPECIFIED };
        assert_eq!(BassError::from(busy).code, code::BUSY);
        let none = net::interface::InterfaceError::None;
        assert_eq!(BassError::from(none).code, code::NONET);
    }
}
