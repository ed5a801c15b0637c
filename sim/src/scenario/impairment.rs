//! What a network path may do to packets beyond delaying, losing and copying them.

use super::Jitter;
use super::value::{MegabitsPerSecond, Probability, QueueBytes, SmallCount};
use engine::Nanos;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;

/// A bottleneck: packets leave it at a rate, wait for each other, and are dropped where they find
/// its queue full (tail drop).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// The rate, of whole Ethernet frames with preamble and gap.
    pub mbit_per_s: MegabitsPerSecond,
    /// Capacity for whole Ethernet frames that wait or are being sent.
    pub queue_bytes: QueueBytes,
}

/// Packets that are overtaken by others.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reorder {
    /// Share of the packets.
    pub share: Probability,
    /// Their additional delay.
    pub by: ReorderBy,
}

/// The delay of an overtaken packet.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ReorderBy {
    /// It comes after this many packets that were sent later, if they are sent as regularly as
    /// those before it.
    Packets(SmallCount),
    /// It comes later by this much.
    Later(Jitter),
}

/// Packets in which bits are flipped on the way, after the last network that would have detected it
/// by its frame check sequence (the memory of a switch).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corruption {
    /// Share of the packets.
    pub share: Probability,
    /// Bits that are flipped in each.
    #[serde(default)]
    pub bits: SmallCount,
    /// The first byte of the UDP payload in which bits are flipped.
    #[serde(default)]
    pub from_byte: u16,
    /// The byte after the last one; the end of the packet if not given. The header of RTP has 12
    /// bytes, that of PTP 34.
    pub to_byte: Option<u16>,
    /// Whether the receiver's host detects it.
    #[serde(default)]
    pub udp_checksum: UdpChecksum,
}

/// Checksum of UDP datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UdpChecksum {
    /// The sender computes it, and the receiver's host drops damaged datagrams.
    #[default]
    Present,
    /// The sender writes 0, which stands for no checksum (RFC 768): damaged datagrams reach the
    /// program.
    Absent,
}

/// Delays from a file: one number a line, in us; an empty line or one that begins with `#` is
/// skipped, and so is the heading `delay_us`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelayFile {
    /// The file; its path is relative to the scenario file.
    pub path: Spanned<PathBuf>,
    /// The order in which they are used.
    #[serde(default)]
    pub order: DelayOrder,
    /// What it holds; there once the scenario is loaded.
    #[serde(skip)]
    pub(super) delays: Arc<[Nanos]>,
}

impl DelayFile {
    /// The delays, in the order of the file.
    #[must_use]
    pub fn delays(&self) -> &[Nanos] {
        &self.delays
    }

    /// The same, as if its file held these, in ns.
    #[cfg(test)]
    pub(crate) fn holding(self, delays_ns: &[i64]) -> Self {
        Self { delays: delays_ns.iter().copied().map(Nanos::new).collect(), ..self }
    }
}

/// The order in which delays of a file are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelayOrder {
    /// In their order, one for each packet, and again from the beginning after the last one.
    #[default]
    Replayed,
    /// At random for each packet, all with the same probability.
    Drawn,
}
