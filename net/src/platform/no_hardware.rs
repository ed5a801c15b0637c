//! Stand-in for the clocks of network cards, on systems where programs cannot read them.

use crate::platform::HardwareReading;
use std::io;

/// A clock that never exists.
#[derive(Debug)]
pub(crate) enum HardwareClock {}

impl HardwareClock {
    /// # Errors
    /// Always.
    pub(crate) fn open(_: &str) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "on this system network cards have no clock that programs can read",
        ))
    }

    pub(crate) fn path(&self) -> &str {
        match *self {}
    }

    /// # Errors
    /// Never.
    pub(crate) fn read(&self) -> io::Result<HardwareReading> {
        match *self {}
    }
}
