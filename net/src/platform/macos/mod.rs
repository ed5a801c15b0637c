//! macOS 10.13 or later, by `nix` where it has a safe call; `libc` and `mach2` have the others.
//!
//! None of this has run on a Mac yet: it is type-checked for both of its processors
//! (`cargo xtask test --only macos`), and [`ticks`], which is arithmetic, is tested everywhere.
//! What is said here of the kernel is read from its sources (xnu).

#[cfg(target_os = "macos")]
pub(crate) mod clock;
#[cfg(target_os = "macos")]
pub(crate) mod link;
#[cfg(target_os = "macos")]
pub(crate) mod sleep;
#[cfg(target_os = "macos")]
pub(crate) mod socket;
#[cfg(target_os = "macos")]
pub(crate) mod thread;
mod ticks;
#[cfg(target_os = "macos")]
pub(crate) mod wait;

#[cfg(target_os = "macos")]
pub(crate) use super::{no_hardware as hardware, no_process as process, one_by_one as batch};
