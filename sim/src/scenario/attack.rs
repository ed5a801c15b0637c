//! What a stranger on the network does to PTP and to the stream, and how a master lies.
//!
//! Model: the stranger hears all that is sent to the receiver and what the receiver multicasts, and
//! sends whatever datagram it likes, from its own address or from a forged one, through a path like
//! the honest one. It delays messages only where it sits between master and receiver
//! ([`Attack::HoldBackSyncs`]).

use super::value::{MessagesPerSecond, Micros, Seconds, SlewPpm, StepMicros, StepMillis, optional_whole, whole};
use engine::Nanos;
use serde::Deserialize;

/// An attack.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// Follow_Ups of the grandmaster for Syncs that it is still to send.
    ForgeFollowUps(ForgedSyncs),
    /// Syncs of the grandmaster, with Follow_Ups if it sends some.
    ForgeSyncs(ForgedSyncs),
    /// An answer of the grandmaster to each Delay_Req, before its own.
    ForgeDelayResps(ForgedDelayResps),
    /// Announces of masters that do not exist.
    InventMasters(InventedMasters),
    /// A master that is better than the grandmaster.
    BetterMaster(BetterMaster),
    /// The grandmaster's Syncs and Follow_Ups of a while ago, again and again.
    ReplaySyncs(Replay),
    /// The grandmaster's Syncs and Follow_Ups are held back: a delay attack (RFC 7384, 3.2.6).
    HoldBackSyncs(HeldBack),
    /// Well-formed Syncs, Follow_Ups and Announces with random contents, half of them of the
    /// grandmaster.
    FloodPtp(Flood),
    /// Packets to the stream's group, full of noise.
    ForgePackets(ForgedPackets),
}

impl Attack {
    /// How long it lasts from one datagram to the next, if it sends at a rate of its own.
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

    /// Whether it is one on the stream.
    #[must_use]
    pub fn is_on_stream(&self) -> bool {
        matches!(self, Self::ForgePackets(_))
    }
}

/// What is told instead of the time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldTime {
    /// The time, off by so much.
    OffsetUs(StepMicros),
    /// Off by more and more, from 0 on.
    DriftPpm(SlewPpm),
    /// Off by anything up to this, either way, each time anew.
    RandomS(Seconds),
    /// One time since the epoch, again and again.
    TimeS(Seconds),
}

/// Where forged datagrams seem to come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgedSource {
    /// From the stranger's own address.
    #[default]
    Own,
    /// From the address of the one in whose name they are sent.
    Spoofed,
}

/// Forged Syncs or Follow_Ups.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgedSyncs {
    /// How many a second.
    pub per_s: MessagesPerSecond,
    /// What they tell.
    pub tells: ToldTime,
    /// How far their sequenceId is ahead of the grandmaster's newest Sync: with 1, of its next one.
    #[serde(default = "one")]
    pub ahead: u16,
    /// What their correctionField has, as far as one can.
    #[serde(default)]
    pub correction_us: StepMicros,
    /// Where they seem to come from.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Forged Delay_Resps.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgedDelayResps {
    /// What they tell.
    pub tells: ToldTime,
    /// The interval between Delay_Reqs that they ask for, 2^n s; the grandmaster's if not given.
    pub log_interval: Option<i8>,
    /// Where they seem to come from.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Masters that do not exist.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventedMasters {
    /// Announces a second.
    pub per_s: MessagesPerSecond,
    /// How many there are, one after the other; one for each Announce if not given.
    #[serde(default, deserialize_with = "optional_whole::<1, 65_535, _, _>")]
    pub identities: Option<u16>,
    /// From how many addresses they come; one if not given.
    #[serde(default = "one_address", deserialize_with = "whole::<1, 255, _, _>")]
    pub addresses: u8,
    /// Priority 1 of all of them.
    #[serde(default = "best")]
    pub priority_1: u8,
}

/// A better master.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetterMaster {
    /// Its priority 1.
    #[serde(default = "best")]
    pub priority_1: u8,
    /// Announce interval, 2^n s; the grandmaster's if not given.
    #[serde(default, deserialize_with = "optional_whole::<-4, 4, _, _>")]
    pub log_announce_interval: Option<i8>,
    /// What its Syncs tell; it sends none if not given.
    pub tells: Option<ToldTime>,
    /// Whether it answers Delay_Reqs, with the same.
    #[serde(default)]
    pub answers: bool,
}

/// What was recorded, sent again.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// How much was recorded, up to the beginning.
    pub recorded_s: Seconds,
    /// Messages a second.
    pub per_s: MessagesPerSecond,
    /// Where they seem to come from.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Messages that come later.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldBack {
    /// By how much, at first.
    pub by_us: Micros,
    /// How fast that grows.
    #[serde(default)]
    pub grows_ppm: SlewPpm,
}

/// Many messages.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flood {
    /// How many a second.
    pub per_s: MessagesPerSecond,
    /// Where they seem to come from.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Forged packets of the stream.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgedPackets {
    /// How many a second.
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
    /// Where they seem to come from.
    #[serde(default)]
    pub from: ForgedSource,
}

/// Timestamps of forged packets.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgedTimestamps {
    /// That of the stream's newest packet, with its sequence number: the same packet with another
    /// content.
    Copied,
    /// What the stream's next packets will have, and so much later.
    OffsetMs(StepMillis),
    /// Each before the one before, from the stream's newest on; sequence numbers go on.
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
    /// What Syncs (or their Follow_Ups) tell, instead of the time.
    pub syncs: Option<ToldTime>,
    /// What Delay_Resps tell.
    pub delay_resps: Option<ToldTime>,
    /// What the correctionField of the message with a Sync's time has, as far as one can.
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
