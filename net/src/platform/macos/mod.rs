//! macOS 10.13 or later, through `nix` where it provides a safe call, and otherwise through `libc`
//! and `mach2`.
//!
//! None of this code has run on a Mac yet: it is type-checked for both processor architectures
//! (`cargo xtask test --only macos`), and [`ticks`], which is pure arithmetic, is tested on all
//! systems. Statements about the kernel are based on its source code (xnu).

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
