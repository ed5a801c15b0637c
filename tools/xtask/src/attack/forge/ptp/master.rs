//! A master that claims to be better than the current one, and misbehaves.

use super::message::{ANNOUNCE, DELAY_REQ, DELAY_RESP, FOLLOW_UP, Message, SYNC, TWO_STEP, announce_body, timestamp};
use super::message::{sender, sequence};
use super::{EVENT, From, Lie, beside_a_master, now_ns};
use crate::attack::forge::{Forger, Forgery};
use std::time::Duration;

/// Its clock identity: locally administered.
const SENDER: [u8; 10] = [0x02, 0x67, 0x00, 0xff, 0xfe, 0, 0, 0x0e, 0, 1];
const PRIORITY_1: u8 = 50;
/// Interval of its Syncs; it sends an Announce with every 8th Sync.
const SYNC_INTERVAL: Duration = Duration::from_millis(125);
const LOG_INTERVAL: i8 = -3;

/// Its behaviour.
#[derive(Clone, Copy, Debug)]
pub(in crate::attack) struct Better {
    pub(in crate::attack) syncs: bool,
    pub(in crate::attack) follow_ups: bool,
    pub(in crate::attack) answers: bool,
    /// The error of its times, in Syncs and answers alike.
    pub(in crate::attack) lie: Lie,
    /// It is active for this many Syncs, and then silent for as many; 0 is always.
    pub(in crate::attack) on_off: u64,
}

impl Better {
    /// A master that serves like a good one, but with these errors.
    pub(in crate::attack) const fn lying(lie: Lie) -> Self {
        Self { syncs: true, follow_ups: true, answers: true, lie, on_off: 0 }
    }
}

/// A better master.
pub(in crate::attack) fn better_master(does: Better) -> Forgery {
    beside_a_master()
        .every(SYNC_INTERVAL, move |forger, n| {
            if does.on_off != 0 && (n / does.on_off) % 2 == 1 {
                return;
            }
            if n % 8 == 0 {
                say(forger, ANNOUNCE, (n / 8) as u16, &announce_body(37, PRIORITY_1, &SENDER, 0));
            }
            if does.syncs {
                let time = timestamp(now_ns() + does.lie.draw(&mut forger.random));
                say(forger, SYNC, n as u16, &[0; 10]);
                if does.follow_ups {
                    say(forger, FOLLOW_UP, n as u16, &time);
                }
            }
        })
        .on(move |forger, heard| {
            let is_asked = heard.port == EVENT && heard.bytes.len() >= 44 && heard.bytes[0] & 15 == DELAY_REQ;
            if does.answers && is_asked {
                let time = timestamp(heard.at_ns + does.lie.draw(&mut forger.random));
                let body = [&time[..], &sender(&heard.bytes)].concat();
                say(forger, DELAY_RESP, sequence(&heard.bytes), &body);
            }
        })
}

fn say(forger: &mut Forger, kind: u8, number: u16, body: &[u8]) {
    let flags = if kind == SYNC { TWO_STEP } else { 0 };
    let message = Message {
        sender: SENDER,
        log_interval: if kind == ANNOUNCE { 0 } else { LOG_INTERVAL },
        ..Message::of_master(forger, kind, number, body)
    };
    forger.multicast(From::Own, &message.flags(flags).bytes());
}
