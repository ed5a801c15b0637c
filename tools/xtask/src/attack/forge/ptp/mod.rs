//! Forged PTP messages: each function is an attack or a family of attacks.

mod crowd;
mod master;
mod message;

pub(in crate::attack) use crowd::{
    announces, delay_requests, management, other_domain, own_identity, path_delays, random_bytes,
};
pub(in crate::attack) use master::{Better, better_master};
pub(in crate::attack) use message::HEADER_BYTES;

use super::random::Random;
use super::{Forger, Forgery, Heard, nothing, now_ns};
use message::{
    ANNOUNCE, DELAY_REQ, DELAY_RESP, FOLLOW_UP, LEAP_59, LEAP_61, Message, PTP_TIMESCALE, SYNC, TWO_STEP, UNICAST,
    UTC_VALID, announce_body, sender, sequence, time_of, timestamp,
};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// UDP ports (IEEE 1588-2019 annex C).
pub(in crate::attack) const EVENT: u16 = 319;
pub(in crate::attack) const GENERAL: u16 = 320;
/// The multicast group of all messages except those of peer delay.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 129);

/// Source address of a forged packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::attack) enum From {
    /// The attacker's own.
    Own,
    /// The address of the imitated device.
    Victim,
}

/// Errors of forged times, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::attack) enum Lie {
    By(i64),
    /// A random error between the limit and its negative.
    Within(i64),
}

impl Lie {
    fn draw(self, random: &mut Random) -> i64 {
        match self {
            Self::By(ns) => ns,
            Self::Within(limit) => random.within(limit),
        }
    }
}

/// Listens to PTP until a master has announced itself and sent a time.
fn beside_a_master() -> Forgery {
    nothing(vec![(EVENT, vec![GROUP]), (GENERAL, vec![GROUP])], |forger| {
        [SYNC, FOLLOW_UP, ANNOUNCE].iter().all(|kind| forger.messages.contains_key(kind))
    })
}

impl Forger {
    /// The address that Syncs are from.
    fn master(&self) -> Ipv4Addr {
        self.messages.get(&SYNC).map_or(self.own, |sync| *sync.from.ip())
    }

    /// Sends a message by multicast, to the port of its type.
    fn multicast(&mut self, from: From, message: &[u8]) {
        let address = if from == From::Own { self.own } else { self.master() };
        self.multicast_from(address, message);
    }

    fn multicast_from(&mut self, address: Ipv4Addr, message: &[u8]) {
        // Event messages are those below 8 (table 36).
        let port = if message[0] & 15 < 8 { EVENT } else { GENERAL };
        self.send(SocketAddrV4::new(address, port), SocketAddrV4::new(GROUP, port), message);
    }

    /// The nanoseconds between two Syncs.
    fn sync_interval_ns(&self) -> i64 {
        let log = self.messages.get(&SYNC).map_or(0, |sync| sync.bytes[33] as i8);
        (1e9 * 2f64.powi(log.into())) as i64
    }

    /// Whether a packet is a message of this type by the master that is attacked.
    fn is_masters(&self, heard: &Heard, kind: u8) -> bool {
        let is_kind = heard.bytes.len() >= HEADER_BYTES && heard.bytes[0] & 15 == kind;
        is_kind && self.messages.get(&SYNC).is_some_and(|sync| sender(&sync.bytes) == sender(&heard.bytes))
    }
}

/// The Sync that a forged Follow_Up is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::attack) enum For {
    /// The next one: the Follow_Up comes before its Sync.
    Next,
    /// The Sync that was just received: the forged Follow_Up races with the master's own.
    This,
    /// The Sync whose Follow_Up has already come.
    Past,
}

/// Follow_Ups with wrong times, one for each Sync.
pub(in crate::attack) fn follow_ups(which: For, lie: Lie, from: From) -> Forgery {
    beside_a_master().on(move |forger, heard| {
        let kind = if which == For::Past { FOLLOW_UP } else { SYNC };
        if !forger.is_masters(heard, kind) {
            return;
        }
        let (ahead, ahead_ns) = if which == For::Next { (1, forger.sync_interval_ns()) } else { (0, 0) };
        let time = if which == For::Past { time_of(&heard.bytes) } else { heard.at_ns + ahead_ns };
        let body = timestamp(time + lie.draw(&mut forger.random));
        let number = sequence(&heard.bytes).wrapping_add(ahead);
        let forged = Message::of_master(forger, FOLLOW_UP, number, &body);
        forger.multicast(from, &forged.bytes());
    })
}

/// Follow_Ups for all sequence numbers, repeatedly.
pub(in crate::attack) fn follow_up_flood(lie: Lie, from: From, rate: u32) -> Forgery {
    beside_a_master().per_second(rate, move |forger, n| {
        let body = timestamp(now_ns() + lie.draw(&mut forger.random));
        let ahead = forger.messages.get(&SYNC).map_or(0, |sync| sequence(&sync.bytes)).wrapping_add((n % 64) as u16);
        let forged = Message::of_master(forger, FOLLOW_UP, ahead, &body);
        forger.multicast(from, &forged.bytes());
    })
}

/// Syncs of the master's identity a few ms before its own, of one step or two, with wrong times.
pub(in crate::attack) fn syncs(is_one_step: bool, lie: Lie, from: From) -> Forgery {
    /// Lead over the master's own Sync.
    const BEFORE_NS: i64 = 5_000_000;
    let mut due: Option<(i64, u16)> = None;
    let mut forgery = beside_a_master().every(Duration::from_millis(1), |_, _| {});
    let next = std::rc::Rc::new(std::cell::Cell::new(None));
    let heard_next = next.clone();
    forgery = forgery.on(move |forger, heard| {
        if forger.is_masters(heard, SYNC) {
            let at_ns = heard.at_ns + forger.sync_interval_ns() - BEFORE_NS;
            heard_next.set(Some((at_ns, sequence(&heard.bytes).wrapping_add(1))));
        }
    });
    forgery.every(Duration::from_millis(1), move |forger, _| {
        due = next.take().or(due);
        let Some((_, number)) = due.filter(|(at_ns, _)| now_ns() >= *at_ns) else { return };
        due = None;
        let wrong = timestamp(now_ns() + lie.draw(&mut forger.random));
        let (flags, body) = if is_one_step { (0, wrong) } else { (TWO_STEP, [0; 10]) };
        let sync = Message::of_master(forger, SYNC, number, &body).flags(flags);
        forger.multicast(from, &sync.bytes());
        if !is_one_step {
            let follow_up = Message::of_master(forger, FOLLOW_UP, number, &wrong);
            forger.multicast(from, &follow_up.bytes());
        }
    })
}

/// `count` copies of each Sync and Follow_Up at once: their contents are right, but they arrive
/// late.
pub(in crate::attack) fn copies(count: u32, from: From) -> Forgery {
    beside_a_master().on(move |forger, heard| {
        if forger.is_masters(heard, SYNC) || forger.is_masters(heard, FOLLOW_UP) {
            (0..count).for_each(|_| forger.multicast(from, &heard.bytes));
        }
    })
}

/// Repeats each Sync some time later, followed by its Follow_Up, like an echo with a longer path.
pub(in crate::attack) fn delayed(by: Duration, from: From) -> Forgery {
    let waiting = std::rc::Rc::new(std::cell::RefCell::new(Vec::<Heard>::new()));
    let kept = waiting.clone();
    let by_ns = by.as_nanos() as i64;
    beside_a_master()
        .on(move |forger, heard| {
            if forger.is_masters(heard, SYNC) || forger.is_masters(heard, FOLLOW_UP) {
                kept.borrow_mut().push(heard.clone());
            }
        })
        .every(Duration::from_millis(1), move |forger, _| {
            let now = now_ns();
            let is_due = |heard: &mut Heard| heard.at_ns + by_ns <= now;
            let due: Vec<Heard> = waiting.borrow_mut().extract_if(.., is_due).collect();
            due.iter().for_each(|heard| forger.multicast(from, &heard.bytes));
        })
}

/// The Delay_Req that a forged Delay_Resp answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::attack) enum Answers {
    /// The Delay_Req that was just received.
    This,
    /// The Delay_Req that the port will send next.
    Next,
    /// The next Delay_Req and the 200 after it.
    Many,
}

/// Delay_Resps for each port that asks, with wrong times.
pub(in crate::attack) fn delay_responses(which: Answers, lie: Lie, from: From) -> Forgery {
    /// Approximate interval between Delay_Reqs here.
    const INTERVAL_NS: i64 = 500_000_000;
    beside_a_master().on(move |forger, heard| {
        if heard.port != EVENT || heard.bytes.len() < HEADER_BYTES || heard.bytes[0] & 15 != DELAY_REQ {
            return;
        }
        let numbers = match which {
            Answers::This => 0..1,
            Answers::Next => 1..2,
            Answers::Many => 0..200,
        };
        for ahead in numbers {
            let time = heard.at_ns + i64::from(ahead) * INTERVAL_NS + lie.draw(&mut forger.random);
            let body = [&timestamp(time)[..], &sender(&heard.bytes)].concat();
            let number = sequence(&heard.bytes).wrapping_add(ahead);
            let forged = Message::of_master(forger, DELAY_RESP, number, &body);
            forger.multicast(from, &forged.bytes());
        }
    })
}

/// How long Syncs and Follow_Ups, or Announces, are recorded before they are replayed.
const RECORDED: Duration = Duration::from_secs(8);

/// Replays recorded Syncs and Follow_Ups in their order, `rate` per second.
pub(in crate::attack) fn replay(rate: u32, from: From) -> Forgery {
    let forgery = Forgery { records: RECORDED, ..beside_a_master() };
    forgery.per_second(rate, move |forger, n| {
        let is_time = |heard: &&Heard| [SYNC, FOLLOW_UP].contains(&(heard.bytes[0] & 15));
        let times: Vec<&Heard> = forger.recorded.iter().filter(is_time).collect();
        let Some(index) = n.checked_rem(times.len() as u64) else { return };
        let message = times[index as usize].bytes.clone();
        forger.multicast(from, &message);
    })
}

/// Replays a recorded Announce `rate` times per second, even while its master is gone.
pub(in crate::attack) fn replayed_announce(rate: u32, from: From) -> Forgery {
    let forgery = Forgery { records: Duration::from_secs(1), ..beside_a_master() };
    let mut first = None;
    forgery.per_second(rate, move |forger, n| {
        let recorded = first.get_or_insert_with(|| forger.messages[&ANNOUNCE].bytes.clone());
        let number = sequence(recorded).wrapping_add(n as u16);
        let mut message = recorded.clone();
        message[30..32].copy_from_slice(&number.to_be_bytes());
        forger.multicast(from, &message);
    })
}

/// Announces of the master that say it is 255 boundary clocks away.
pub(in crate::attack) fn far_announce(rate: u32, from: From) -> Forgery {
    beside_a_master().per_second(rate, move |forger, n| {
        let mut message = forger.messages[&ANNOUNCE].bytes.clone();
        message[30..32].copy_from_slice(&(n as u16).to_be_bytes());
        message[61..63].copy_from_slice(&255u16.to_be_bytes());
        forger.multicast(from, &message);
    })
}

/// Announces of the master whose UTC offset and leap seconds flip.
pub(in crate::attack) fn utc_flips(rate: u32, from: From) -> Forgery {
    /// UTC offsets and flags that are sent in turn.
    const SAID: [(i16, u16); 4] = [
        (37, UTC_VALID | PTP_TIMESCALE | LEAP_61),
        (0, 0),
        (-300, UTC_VALID | PTP_TIMESCALE | LEAP_59),
        (i16::MAX, UTC_VALID | LEAP_59 | LEAP_61),
    ];
    beside_a_master().per_second(rate, move |forger, n| {
        let (offset, flags) = SAID[n as usize % SAID.len()];
        let mut message = forger.messages[&ANNOUNCE].bytes.clone();
        message[6..8].copy_from_slice(&flags.to_be_bytes());
        message[30..32].copy_from_slice(&(n as u16).to_be_bytes());
        message[44..46].copy_from_slice(&offset.to_be_bytes());
        forger.multicast(from, &message);
    })
}

/// Follow_Ups for the next Sync, or Syncs, with a right time and a wrong correctionField.
pub(in crate::attack) fn corrections(is_of_syncs: bool, from: From) -> Forgery {
    /// Corrections in 2^-16 ns: the largest, the smallest, and 5 ms of either sign.
    const SAID: [i64; 4] = [i64::MAX, i64::MIN, 5_000_000 << 16, -(5_000_000 << 16)];
    let mut count = 0;
    beside_a_master().on(move |forger, heard| {
        if !forger.is_masters(heard, SYNC) {
            return;
        }
        count += 1;
        let number = sequence(&heard.bytes).wrapping_add(1);
        let body = timestamp(heard.at_ns + forger.sync_interval_ns());
        let forged = if is_of_syncs {
            Message::of_master(forger, SYNC, number, &[0; 10]).flags(TWO_STEP)
        } else {
            Message::of_master(forger, FOLLOW_UP, number, &body)
        };
        forger.multicast(from, &forged.correction(SAID[count % SAID.len()]).bytes());
    })
}

/// Messages of the master with invalid TLVs, lengths and numbers.
pub(in crate::attack) fn malformed(rate: u32, from: From) -> Forgery {
    /// Invalid TLVs after the body: a length beyond the end, an odd length, half a TLV, 40 empty
    /// TLVs.
    const TAILS: [&[u8]; 4] = [&[0, 3, 0xff, 0xff], &[0, 8, 0, 3, 1, 2, 3], &[0], &[0; 160]];
    beside_a_master().per_second(rate, move |forger, n| {
        let kind = [ANNOUNCE, FOLLOW_UP, SYNC, DELAY_RESP][n as usize % 4];
        let Some(mut message) = forger.messages.get(&kind).map(|heard| heard.bytes.clone()) else { return };
        message.extend(TAILS[(n / 4) as usize % TAILS.len()]);
        match forger.random.next() % 4 {
            // A wrong messageLength.
            0 => message[2..4].copy_from_slice(&forger.random.bytes::<2>()),
            1 => message.truncate(HEADER_BYTES + (forger.random.next() % 10) as usize),
            // More nanoseconds than a second has.
            2 if message.len() > 44 => message[40..44].fill(0xff),
            _ => {
                let length = message.len() as u16;
                message[2..4].copy_from_slice(&length.to_be_bytes());
            }
        }
        forger.multicast(from, &message);
    })
}

/// Syncs, Follow_Ups and Announces with wrong times and the unicast flag, sent to each port that
/// asks for delays.
pub(in crate::attack) fn unicast(rate: u32, lie: Lie, from: From) -> Forgery {
    let mut clients = std::collections::BTreeSet::new();
    beside_a_master().per_second(rate, move |forger, n| {
        clients.extend(forger.messages.get(&DELAY_REQ).map(|heard| *heard.from.ip()));
        let address = if from == From::Own { forger.own } else { forger.master() };
        let wrong = timestamp(now_ns() + lie.draw(&mut forger.random));
        let number =
            forger.messages[&SYNC].bytes[30..32].iter().fold(n as u16, |sum, byte| sum.wrapping_add((*byte).into()));
        let announce = announce_body(37, 1, &sender(&forger.messages[&SYNC].bytes), 0);
        for client in &clients {
            for (kind, body, port) in
                [(SYNC, &[0; 10][..], EVENT), (FOLLOW_UP, &wrong, GENERAL), (ANNOUNCE, &announce, GENERAL)]
            {
                let two_step = if kind == SYNC { TWO_STEP } else { 0 };
                let message = Message::of_master(forger, kind, number, body).flags(UNICAST | two_step).bytes();
                forger.send(SocketAddrV4::new(address, port), SocketAddrV4::new(*client, port), &message);
            }
        }
    })
}
