//! Linux: `nix` where it has a safe call, `libc` for those that it lacks (`adjtimex`,
//! `pthread_setschedparam`) or whose buffers it does not let be used again (`sendmmsg`, `recvmmsg`).

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
