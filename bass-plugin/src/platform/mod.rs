//! What depends on the operating system: finding BASS in this process, and being unloaded.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{bass_symbol, stay_loaded};
#[cfg(windows)]
pub(crate) use windows::{bass_symbol, stay_loaded};
