//! PTP, the Precision Time Protocol of IEEE 1588 version 2, as far as an AES67 device takes part in it.
//!
//! Times and datagrams are handed in and out; nothing here reads a clock or opens a socket.

mod bmca;
mod client;
mod exchange;
pub mod wire;

pub use bmca::DataSet;
pub use client::{Client, ClientConfig, ClientEvent, PortState, Transmit};
