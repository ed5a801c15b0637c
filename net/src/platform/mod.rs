//! What depends on the operating system: reading clocks, control messages of sockets, waiting, priorities.
//!
//! Each system has a folder with the same modules: `batch`, `clock`, `sleep`, `socket`, `thread`, `wait`.

mod linux;

pub(crate) use linux::{batch, clock, sleep, socket, thread, wait};
