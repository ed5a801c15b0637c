//! PTP, the Precision Time Protocol of IEEE 1588 version 2, as far as an AES67 device takes part in it.
//!
//! Times and datagrams are handed in and out; nothing here reads a clock or opens a socket.

mod bmca;
mod exchange;
mod port;
pub mod wire;

pub use bmca::DataSet;
pub use port::{Port, PortConfig, PortEvent, PortState, Transmit};
