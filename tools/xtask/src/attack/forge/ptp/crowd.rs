//! Many packets: of masters and ports that do not exist, of other domains, and of random bytes.

use super::message::{
    ANNOUNCE, DELAY_REQ, MANAGEMENT, Message, PDELAY_REQ, PDELAY_RESP, SIGNALING, SYNC, TWO_STEP, announce_body,
    sender, timestamp,
};
use super::{EVENT, From, GENERAL, GROUP, beside_a_master, now_ns};
use crate::attack::forge::{Forgery, nothing};
use std::net::{Ipv4Addr, SocketAddrV4};

/// The group of peer delays (IEEE 1588-2019 annex C).
const PEER_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 107);

/// Announces of invented masters, each heard `times` times, so that it qualifies with two.
pub(in crate::attack) fn announces(domain: u8, rate: u32, priority_1: u8, times: u64) -> Forgery {
    let mut identity = [0; 10];
    // It does not wait for a master.
    nothing(vec![], |_| true).per_second(rate, move |forger, n| {
        if n % times == 0 {
            identity = forger.random.bytes();
        }
        let message = Message {
            sender: identity,
            domain,
            log_interval: 0,
            ..Message::of_master(forger, ANNOUNCE, (n % times) as u16, &announce_body(37, priority_1, &identity, 0))
        };
        forger.multicast(From::Own, &message.bytes());
    })
}

/// Announces with the identity of each port that asks for delays.
pub(in crate::attack) fn own_identity(rate: u32, from: From) -> Forgery {
    beside_a_master().per_second(rate, move |forger, n| {
        let Some(request) = forger.messages.get(&DELAY_REQ).cloned() else { return };
        let identity = sender(&request.bytes);
        let message = Message {
            sender: identity,
            log_interval: 0,
            ..Message::of_master(forger, ANNOUNCE, n as u16, &announce_body(37, 1, &identity, 0))
        };
        let address = if from == From::Own { forger.own } else { *request.from.ip() };
        forger.multicast_from(address, &message.bytes());
    })
}

/// Management and signaling messages with random TLVs.
pub(in crate::attack) fn management(rate: u32) -> Forgery {
    beside_a_master().per_second(rate, |forger, n| {
        // The target port (all ports, 15.3.1), hops, action, and a TLV.
        let head = [&[0xff; 10][..], &[1, 1, (n % 5) as u8, 0]].concat();
        let tlv = [&[0, 1, 0, 40][..], &forger.random.some_bytes(40)].concat();
        let (kind, body) =
            if n % 2 == 0 { (MANAGEMENT, [head, tlv].concat()) } else { (SIGNALING, [&head[..10], &tlv].concat()) };
        let message = Message { sender: forger.random.bytes(), ..Message::of_master(forger, kind, n as u16, &body) };
        forger.multicast(From::Own, &message.bytes());
    })
}

/// Syncs, Follow_Ups and Announces of the master's identity in another domain.
pub(in crate::attack) fn other_domain(rate: u32, from: From) -> Forgery {
    beside_a_master().per_second(rate, move |forger, n| {
        let (kind, body) = match n % 3 {
            0 => (SYNC, vec![0; 10]),
            1 => (super::FOLLOW_UP, timestamp(now_ns() + 5_000_000).to_vec()),
            _ => (ANNOUNCE, announce_body(37, 1, &[7; 8], 0)),
        };
        let message = Message::of_master(forger, kind, (n / 3) as u16, &body);
        let message = Message { domain: message.domain.wrapping_add(1), ..message };
        forger.multicast(from, &message.flags(if kind == SYNC { TWO_STEP } else { 0 }).bytes());
    })
}

/// Delay_Reqs of invented ports, which the master answers.
pub(in crate::attack) fn delay_requests(rate: u32) -> Forgery {
    beside_a_master().per_second(rate, |forger, n| {
        let message =
            Message { sender: forger.random.bytes(), ..Message::of_master(forger, DELAY_REQ, n as u16, &[0; 10]) };
        forger.multicast(From::Own, &message.bytes());
    })
}

/// Requests and answers of peer delay.
pub(in crate::attack) fn path_delays(rate: u32, from: From) -> Forgery {
    beside_a_master().per_second(rate, move |forger, n| {
        let kind = if n % 2 == 0 { PDELAY_REQ } else { PDELAY_RESP };
        let body = [&timestamp(now_ns())[..], &forger.random.bytes::<10>()].concat();
        let message = Message::of_master(forger, kind, n as u16, &body).bytes();
        let address = if from == From::Own { forger.own } else { forger.master() };
        let group = if n % 4 < 2 { GROUP } else { PEER_GROUP };
        forger.send(SocketAddrV4::new(address, EVENT), SocketAddrV4::new(group, EVENT), &message);
    })
}

/// Random bytes on both ports; half of them begin as a message of version 2.
pub(in crate::attack) fn random_bytes(rate: u32, from: From) -> Forgery {
    beside_a_master().per_second(rate, move |forger, n| {
        let length = (forger.random.next() % 120) as usize;
        let mut bytes = forger.random.some_bytes(length);
        if let (0, [first, second, ..]) = (n % 2, &mut bytes[..]) {
            (*first, *second) = (*first & 15, 2);
        }
        let port = if n % 4 < 2 { EVENT } else { GENERAL };
        let address = if from == From::Own { forger.own } else { forger.master() };
        forger.send(SocketAddrV4::new(address, port), SocketAddrV4::new(GROUP, port), &bytes);
    })
}
