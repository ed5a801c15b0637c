//! What the stranger does.

use crate::network::{MASTER, Network, SYNC, US, address, port_identity};
use engine::ptp::wire::{Announce, ClockIdentity, PortIdentity};
use engine::{LocalTime, Nanos, PtpTime};
use rand_chacha::rand_core::Rng;

/// The stranger's own identity and address.
pub(crate) const STRANGER: u8 = 66;

/// What he tells instead of the time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lie {
    Off(Nanos),
    Random(Nanos),
    /// Farther off with time, ppm.
    Drifts(i32),
    Constant(PtpTime),
}

/// How he does it. `source`: the address that is forged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attack {
    /// Follow_Ups of the master before the Syncs that they belong to; `ahead` of the newest.
    FollowUps { source: u8, ahead: u16, per_s: u32, lie: Lie },
    /// Follow_Ups with a residence time.
    Corrections { source: u8, per_s: u32, by: Nanos },
    /// Syncs and Follow_Ups of the master, `ahead` of its own.
    Pairs { source: u8, ahead: u16, per_s: u32, lie: Lie },
    /// The master's own messages, again.
    Replay { source: u8, per_s: u32 },
    /// Delay_Resps, before those of the master.
    Answers { source: u8, lie: Lie, log2: i8 },
    /// Both, in agreement.
    PairsAndAnswers { source: u8, ahead: u16, per_s: u32, lie: Lie },
    /// A better master of his own, which sends Syncs until so long after it began, and answers.
    Better { log_announce: i8, syncs: Option<Lie>, until: Nanos, answers: bool },
    /// Invented masters.
    Flood { per_s: u32, addresses: u8, repeated: bool },
    /// Announces of the master with other contents.
    Contradicts { source: u8, per_s: u32, steps_removed: u16, grandmaster: u8 },
    /// The master's identity at another address, with Syncs and answers.
    Twin { lie: Lie },
    /// Syncs without Follow_Ups.
    Syncs { source: u8, per_s: u32 },
    /// Announces of a better master that has the port's own identity.
    OwnIdentity { source: u8 },
    /// Makes the master come and go: so long on, and as long off.
    Flaps { half: Nanos },
}

fn interval(per_s: u32) -> Nanos {
    Nanos::new(1_000_000_000 / i64::from(per_s))
}

impl Attack {
    /// Whether the master is made to be silent.
    pub(crate) fn silences(self, now: LocalTime) -> bool {
        match self {
            Self::Flaps { half } => now.as_nanos() / half.as_nanos() % 2 == 1,
            _ => false,
        }
    }

    /// Does what is due; returns when to go on.
    pub(crate) fn strike(self, net: &mut Network) -> Nanos {
        let now = net.now;
        match self {
            Self::FollowUps { source, ahead, per_s, lie } => {
                let of = now + SYNC;
                let time = net.lie(lie, if ahead > 0 { of } else { now });
                net.follow_up(now, source, net.sequence_id.wrapping_add(ahead), time, Nanos::ZERO);
                interval(per_s)
            }
            Self::Corrections { source, per_s, by } => {
                let time = net.truth(now);
                net.follow_up(now, source, net.sequence_id.wrapping_add(1), time, by);
                interval(per_s)
            }
            Self::Pairs { source, ahead, per_s, lie } | Self::PairsAndAnswers { source, ahead, per_s, lie } => {
                let time = net.lie(lie, now);
                let id = net.sequence_id.wrapping_add(ahead.wrapping_mul(net.rounds as u16).max(ahead));
                net.sync_pair(now, MASTER, source, id, time);
                interval(per_s)
            }
            Self::Replay { source, per_s } => {
                if !net.recorded.is_empty() {
                    let bytes = net.recorded[net.rounds as usize % net.recorded.len()].clone();
                    net.repost(now, address(source), bytes);
                }
                interval(per_s)
            }
            Self::Better { log_announce, syncs, until, .. } => {
                let every = (8.0 * libm::exp2(f64::from(log_announce))).max(1.0) as u32;
                if net.rounds % every == 1 || every == 1 {
                    let say = Announce {
                        grandmaster_priority_1: 0,
                        grandmaster_identity: ClockIdentity([STRANGER; 8]),
                        ..Announce::default()
                    };
                    net.announce(now, address(STRANGER), port_identity(STRANGER), log_announce, say);
                }
                if let Some(lie) = syncs.filter(|_| SYNC.times(i64::from(net.rounds)) < until) {
                    let time = net.lie(lie, now);
                    net.sync_pair(now, STRANGER, STRANGER, net.rounds as u16, time);
                }
                SYNC
            }
            Self::Flood { per_s, addresses, repeated } => {
                let number = if repeated { u64::from(net.rounds / 2 % 4096) } else { net.random.next_u64() };
                let mut identity = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
                identity[0] |= 0x80;
                let from = PortIdentity { clock_identity: ClockIdentity(identity), port_number: 1 };
                let say = Announce {
                    grandmaster_priority_1: 0,
                    grandmaster_identity: from.clock_identity,
                    ..Announce::default()
                };
                let source = 100 + (net.random.next_u32() % u32::from(addresses)) as u8;
                net.announce(now, address(source), from, 0, say);
                interval(per_s)
            }
            Self::Contradicts { source, per_s, steps_removed, grandmaster } => {
                let say = Announce {
                    grandmaster_priority_1: 0,
                    grandmaster_identity: ClockIdentity([grandmaster; 8]),
                    steps_removed,
                    ..Announce::default()
                };
                net.announce(now, address(source), port_identity(MASTER), 0, say);
                interval(per_s)
            }
            Self::OwnIdentity { source } => {
                let say = Announce {
                    grandmaster_priority_1: 0,
                    grandmaster_identity: ClockIdentity([US; 8]),
                    ..Announce::default()
                };
                net.announce(now, address(source), port_identity(US), 0, say);
                SYNC
            }
            Self::Twin { lie } => {
                if net.rounds % 8 == 1 {
                    let say = Announce {
                        grandmaster_priority_1: 100,
                        grandmaster_identity: ClockIdentity([MASTER; 8]),
                        ..Announce::default()
                    };
                    net.announce(now, address(STRANGER), port_identity(MASTER), 0, say);
                }
                let time = net.lie(lie, now);
                net.sync_pair(now, MASTER, STRANGER, net.sequence_id.wrapping_add(1), time);
                SYNC
            }
            Self::Syncs { source, per_s } => {
                let id = net.sequence_id.wrapping_add(net.random.next_u32() as u16 % 64);
                net.lone_sync(now, source, id);
                interval(per_s)
            }
            Self::Answers { .. } | Self::Flaps { .. } => SYNC,
        }
    }

    /// A Delay_Req of ours has been heard.
    pub(crate) fn answer(self, net: &mut Network, id: u16, left: LocalTime) {
        let arrives = left + Nanos::from_micros(300);
        let (from, source, lie, log2) = match self {
            Self::Answers { source, lie, log2 } => (MASTER, source, lie, log2),
            Self::PairsAndAnswers { source, lie, .. } => (MASTER, source, lie, 0),
            Self::Better { syncs: Some(lie), answers: true, .. } => (STRANGER, STRANGER, lie, 0),
            Self::Twin { lie } => (MASTER, STRANGER, lie, 0),
            _ => return,
        };
        let time = net.lie(lie, left);
        net.delay_resp(arrives, from, source, id, time, log2);
    }
}
