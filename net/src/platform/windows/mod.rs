//! Windows, through `windows-sys`. The code also runs under Wine, where it is tested.

pub(crate) mod clock;
mod closing;
pub(crate) mod link;
pub(crate) mod process;
pub(crate) mod sleep;
pub(crate) mod socket;
pub(crate) mod thread;
pub(crate) mod wait;

pub(crate) use super::{no_hardware as hardware, one_by_one as batch};
