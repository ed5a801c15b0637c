//! Errors: BASS's error numbers, each with a text for the user.

use std::ffi::c_int;
use thiserror::Error;

/// The values of `BASS_ERROR_*`.
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

/// Why a request of a host failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text}")]
pub(crate) struct BassError {
    /// The number for `BASS_ErrorGetCode`.
    pub(crate) code: c_int,
    /// The text for `BASS_AES67_GetErrorText`.
    pub(crate) text: String,
}

impl BassError {
    pub(crate) fn new(code: c_int, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Creates the error for an invalid text or number from the host.
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
            // No BASS error number fits, so the text has to explain the error.
            _ => code::UNKNOWN,
        };
        Self::new(code, error.to_string())
    }
}

impl From<net::interface::InterfaceError> for BassError {
    fn from(error: net::interface::InterfaceError) -> Self {
        net::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_network_have_numbers() {
        let busy = net::Error::PortBusy { port: 319, address: std::net::Ipv4Addr::UNSPECIFIED };
        assert_eq!(BassError::from(busy).code, code::BUSY);
        let none = net::interface::InterfaceError::None;
        assert_eq!(BassError::from(none).code, code::NONET);
    }
}
