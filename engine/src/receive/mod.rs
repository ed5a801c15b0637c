//! Receiving a stream: from packets on the wire to samples for a sound card.
//!
//! There are two halves, because there are two threads. The control half ([`Ingest`], network
//! thread) parses packets, estimates the sender's media clock from their arrivals, and passes
//! packets and clock maps to the audio half. The audio half ([`Playout`], sound card's thread) owns
//! the jitter buffer exclusively and fills each of the card's buffers on demand: it never
//! allocates, locks, logs or makes system calls, and always fills the whole output. The halves
//! share a lock-free ring of packets and two wait-free snapshots. [`stream`] creates a connected
//! pair.

mod arrivals;
mod config;
mod conformance;
mod continuity;
mod depth;
mod exchange;
mod held_ratio;
mod ingest;
mod packet_ring;
mod playout;
mod redundancy;
mod refusals;
mod source_gate;
mod stream;
mod syntony;
mod target;

pub use config::{DepthFrom, MediaClock, StreamConfig, StreamError, WarmStart};
pub use conformance::{Conformance, Described, Finding};
pub use continuity::{Continuity, Datagram, Held, Verdict};
pub use exchange::{ControlSnapshot, PlayoutStats};
pub use ingest::{Ingest, IngestStats};
pub(crate) use packet_ring::{PacketConsumer, PacketHeader};
pub use playout::Playout;
pub use redundancy::{Leg, LegStats};
pub use refusals::{Companion, IngestError, Refusals, is_keep_alive};
pub use source_gate::{Intruder, SourceGate, Takeover};
pub(crate) use stream::connect;
pub use stream::{StreamBuilder, stream};
