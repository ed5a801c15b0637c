//! Linux, through `nix` where it provides a safe call. `libc` is used for calls that `nix` lacks
//! (`adjtimex`, `pthread_setschedparam`), or for which it does not allow buffers to be reused
//! (`sendmmsg`, `recvmmsg`).

pub(crate) mod batch;
pub(crate) mod clock;
pub(crate) mod hardware;
mod inbox;
pub(crate) mod link;
pub(crate) mod sleep;
pub(crate) mod socket;
pub(crate) mod thread;
pub(crate) mod wait;

pub(crate) use super::no_process as process;
