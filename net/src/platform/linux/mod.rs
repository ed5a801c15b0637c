//! Linux: `nix` where it has a safe call, `libc` for the two that it lacks (`adjtimex`,
//! `pthread_setschedparam`).

pub(crate) mod batch;
pub(crate) mod clock;
pub(crate) mod hardware;
pub(crate) mod link;
pub(crate) mod sleep;
pub(crate) mod socket;
pub(crate) mod thread;
pub(crate) mod wait;

pub(crate) use super::no_process as process;
