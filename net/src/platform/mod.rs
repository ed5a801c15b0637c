//! What depends on the operating system: reading clocks, control messages of sockets, waiting, priorities.
//!
//! Each system has a folder with the same four modules: `clock`, `socket`, `thread`, `wait`.

mod linux;

pub(crate) use linux::{clock, socket, thread, wait};
