//! Attacks by a stranger on the network on PTP and on the stream, and lies of a master.
//!
//! Model: the stranger receives everything that is sent to the receiver and that the receiver
//! multicasts. It sends any datagram, from its own address or from a forged one, through a path
//! like the honest one. It delays messages only where it sits between master and receiver
//! ([`Attack::HoldBackSyncs`]).

use super::value::{MessagesPerSecond, Micros, Seconds, SlewPpm, StepMicros, StepMillis, optional_whole, whole};
use engine::Nanos;
use serde::Deserialize;

/// An attack.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// Follow_Ups of the grandmaster for its future Syncs.
    ForgeFollowUps(ForgedSyncs),
    /// Syncs of the grandmaster, with Follow_Ups if it sends them.
    ForgeSyncs(ForgedSyncs),
    /// An answer of the grandmaster to each Delay_Req, before the true one.
    ForgeDelayResps(ForgedDelayResps),
    /// Announces of masters that do not exist.
    InventMasters(InventedMasters),
    /// A master that is better than the grandmaster.
    BetterMaster(BetterMaster),
    /// The grandmaster's recorded Syncs and Follow_Ups, repeated.
    ReplaySyncs(Replay),
    /// The grandmaster's Syncs and Follow_Ups are held back: a delay attack (RFC 7384, 3.2.6).
    HoldBackSyncs(HeldBack),
    /// Well-formed Syncs, Follow_Ups and Announces with random contents, half of them of the
    /// grandmaster.
    FloodPtp(Flood),
    /// Packets of noise to the stream's group.
    ForgePackets(ForgedPackets),
}

impl Attack {
    /// Time from one datagram to the next, if the attack has its own rate.
    #[must_use]
    pub fn interval(&self) -> Option<Nanos> {
        let per_s = match self {
            Self::ForgeFollowUps(forged) | Self::ForgeSyncs(forged) => forged.per_s,
            Self::InventMasters(invented) => invented.per_s,
            Self::ReplaySyncs(replay) => replay.per_s,
            Self::FloodPtp(flood) => flood.per_s,
            Self::ForgePackets(packets) => packets.per_s,
            Self::ForgeDelayResps(_) | Self::BetterMaster(_) | Self::HoldBackSyncs(_) => return None,
        };
        Some(Nanos::from_secs_f64(1.0 / per_s.get()))
    }

    /// Whether it attacks the stream.
    #[must_use]
    pub fn is_on_stream(&self) -> bool {
        matches!(self, Self::ForgePackets(_))
    }
}

/// The time in forged messages.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldTime {
    /// The true time plus a constant error.
    OffsetUs(StepMicros),
    /// An error that grows from 0.
    DriftPpm(SlewPpm),
    /// A random error up to this, in either direction, for each message.
    RandomS(Seconds),
    /// Always the same time since the epoch.
    TimeS(Seconds),
}

/// The source address of forged datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgedSource {
    /// From the stranger's own address.
    #[default]
    Own,
    /// From the address of the device in whose name they are sent.
    Spoofed,
}

/// Forged Syncs or Follow_Ups.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgedSyncs {
    /// Messages per second.
    pub per_s: MessagesPerSecond,
    /// The time in them.
    pub tells: ToldTime,
    /// Lead of their sequenceId over the grandmaster's newest Sync: with 1, that of its next one.
    #[serde(default = "one")]
    pub ahead: u16,
    /// Their correctionField, as far as it can hold the value.
    #[serde(default)]
    pub correction_us: StepMicros,
    /// Their source address.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Forged Delay_Resps.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgedDelayResps {
    /// The time in them.
    pub tells: ToldTime,
    /// The interval between Delay_Reqs that they request, 2^n s; the grandmaster's if not given.
    pub log_interval: Option<i8>,
    /// Their source address.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Masters that do not exist.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventedMasters {
    /// Announces per second.
    pub per_s: MessagesPerSecond,
    /// How many there are, in turn; a new one for each Announce if not given.
    #[serde(default, deserialize_with = "optional_whole::<1, 65_535, _, _>")]
    pub identities: Option<u16>,
    /// Number of source addresses; one if not given.
    #[serde(default = "one_address", deserialize_with = "whole::<1, 255, _, _>")]
    pub addresses: u8,
    /// priority1 of all of them.
    #[serde(default = "best")]
    pub priority_1: u8,
}

/// A better master.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetterMaster {
    /// Its priority1.
    #[serde(default = "best")]
    pub priority_1: u8,
    /// Announce interval, 2^n s; the grandmaster's if not given.
    #[serde(default, deserialize_with = "optional_whole::<-4, 4, _, _>")]
    pub log_announce_interval: Option<i8>,
    /// The time in its Syncs; it sends none if not given.
    pub tells: Option<ToldTime>,
    /// Whether it answers Delay_Reqs, with the same time.
    #[serde(default)]
    pub answers: bool,
}

/// A recording that is sent again.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Length of the recording before the attack begins.
    pub recorded_s: Seconds,
    /// Messages per second.
    pub per_s: MessagesPerSecond,
    /// Their source address.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Messages that are delayed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldBack {
    /// Delay at first.
    pub by_us: Micros,
    /// Growth of the delay.
    #[serde(default)]
    pub grows_ppm: SlewPpm,
}

/// Many messages.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flood {
    /// Messages per second.
    pub per_s: MessagesPerSecond,
    /// Their source address.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Forged packets of the stream.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgedPackets {
    /// Packets per second.
    pub per_s: MessagesPerSecond,
    /// Their timestamps and sequence numbers.
    pub timestamps: ForgedTimestamps,
    /// Their SSRC.
    #[serde(default)]
    pub ssrc: ForgedSsrc,
    /// Length of their payload; that of the stream's packets if not given. An IPv4 datagram of
    /// 65535 bytes has room for 65495 besides the headers of IPv4, UDP and RTP (RFC 791, 768,
    /// 3550).
    #[serde(default, deserialize_with = "optional_whole::<0, 65_495, _, _>")]
    pub payload_bytes: Option<u16>,
    /// Their source address.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Timestamps of forged packets.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgedTimestamps {
    /// That of the stream's newest packet, with its sequence number: the same packet with other
    /// contents.
    Copied,
    /// Those of the stream's next packets, later by this.
    OffsetMs(StepMillis),
    /// Each before the previous one, beginning with the stream's newest; sequence numbers increase.
    Backwards,
    /// Any, with any sequence number.
    Random,
}

/// SSRC of forged packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgedSsrc {
    /// The stream's.
    #[default]
    Stream,
    /// Another one.
    Other,
}

/// How a master lies.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lies {
    /// The time in Syncs or their Follow_Ups, instead of the true time.
    pub syncs: Option<ToldTime>,
    /// The time in Delay_Resps.
    pub delay_resps: Option<ToldTime>,
    /// The correctionField of the message with a Sync's time, as far as it can hold the value.
    pub correction_us: StepMicros,
    /// Whether twoStepFlag is cleared although Follow_Ups come, and the Sync has no time.
    pub flag_cleared: bool,
}

fn one() -> u16 {
    1
}

fn one_address() -> u8 {
    1
}

fn best() -> u8 {
    1
}
