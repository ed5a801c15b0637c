//! The attacks on streams and on announcements.

use super::{Attack, Bar, Meets, Row, Target};
use crate::attack::forge::ptp::From;
use crate::attack::forge::rtp::{bye, flood, packets, random_bytes};
use crate::attack::forge::{Forgery, none, sap};

/// Frames of 10 s.
const TEN_SECONDS: i32 = 480_000;
/// Frames of a packet here.
const PACKET: i32 = 48;
/// How long an attack lasts.
const SECONDS: f64 = 6.0;

const fn rtp(name: &'static str, help: &'static str, make: fn() -> Forgery) -> Row {
    let attack = Attack::Forged(make);
    Row { name, help, target: Target::Stream, attack, seconds: SECONDS, meets: Meets::Locked, bar: Bar::Right }
}

/// Packets from the sender's address with its SSRC cannot be distinguished from the sender's: only
/// the end of the effect is judged.
const fn spoofed(name: &'static str, help: &'static str, make: fn() -> Forgery) -> Row {
    rtp(name, help, make).by_recovery()
}

const fn announced(name: &'static str, help: &'static str, make: fn() -> Forgery) -> Row {
    Row { target: Target::Announcement, ..rtp(name, help, make) }
}

/// All of them, in the order of the table.
pub(super) const ALL: &[Row] = &[
    rtp("control-stream", "nothing", none),
    rtp("rtp-next", "the next packet before the sender's, with noise, own address", || {
        packets(From::Own, |packet, _| {
            packet.sequence(1);
            packet.timestamp(PACKET);
        })
    }),
    spoofed("rtp-next-spoofed", "the same from the sender's address", || {
        packets(From::Victim, |packet, _| {
            packet.sequence(1);
            packet.timestamp(PACKET);
        })
    }),
    rtp("rtp-again", "each packet again, with noise, own address", || packets(From::Own, |_, _| {})),
    spoofed("rtp-again-spoofed", "the same from the sender's address", || packets(From::Victim, |_, _| {})),
    rtp("rtp-backwards", "timestamps 10 s back, own address", || {
        packets(From::Own, |packet, _| {
            packet.sequence(1);
            packet.timestamp(-TEN_SECONDS);
        })
    }),
    spoofed("rtp-backwards-spoofed", "the same from the sender's address", || {
        packets(From::Victim, |packet, _| {
            packet.sequence(1);
            packet.timestamp(-TEN_SECONDS);
        })
    }),
    spoofed("rtp-forwards-spoofed", "timestamps 10 s ahead, sender's address", || {
        packets(From::Victim, |packet, _| {
            packet.sequence(1);
            packet.timestamp(TEN_SECONDS);
        })
    }),
    spoofed("rtp-timestamps-spoofed", "random timestamps, sender's address", || {
        packets(From::Victim, |packet, random| {
            packet.sequence(1);
            packet.timestamp(random.next() as i32);
        })
    }),
    spoofed("rtp-sequence-spoofed", "random sequence numbers, sender's address", || {
        packets(From::Victim, |packet, random| {
            packet.sequence(random.next() as u16);
            packet.timestamp(PACKET);
        })
    }),
    rtp("rtp-ssrc", "another SSRC, own address", || packets(From::Own, |packet, _| packet.ssrc(0x0e0e_0e0e))),
    spoofed("rtp-ssrc-spoofed", "another SSRC, sender's address", || {
        packets(From::Victim, |packet, _| packet.ssrc(0x0e0e_0e0e))
    }),
    spoofed("rtp-oversize-spoofed", "the next packet with 1440 bytes of noise, sender's address", || {
        packets(From::Victim, |packet, random| {
            packet.fill(1440, random);
            packet.sequence(1);
            packet.timestamp(PACKET);
        })
    }),
    spoofed("rtp-undersize-spoofed", "the next packet with one frame, sender's address", || {
        packets(From::Victim, |packet, random| {
            packet.fill(6, random);
            packet.sequence(1);
            packet.timestamp(PACKET);
        })
    }),
    spoofed("rtp-odd-size-spoofed", "the next packet with 287 bytes, sender's address", || {
        packets(From::Victim, |packet, random| {
            packet.fill(287, random);
            packet.sequence(1);
            packet.timestamp(PACKET);
        })
    }),
    spoofed("rtp-payload-type-spoofed", "the next packet with another payload type, sender's address", || {
        packets(From::Victim, |packet, _| {
            packet.payload_type(97);
            packet.sequence(1);
            packet.timestamp(PACKET);
        })
    }),
    spoofed("rtp-header-spoofed", "the next packet with wrong version, padding, extension and CSRCs", || {
        packets(From::Victim, |packet, random| {
            packet.first(random.next() as u8);
            packet.sequence(1);
            packet.timestamp(PACKET);
        })
    }),
    rtp("rtp-flood", "random packets, 10000/s, own address", || {
        flood(10_000, From::Own, |packet, random| {
            packet.sequence(random.next() as u16);
            packet.timestamp(random.next() as i32);
        })
    }),
    spoofed("rtp-flood-spoofed", "the same from the sender's address", || {
        flood(10_000, From::Victim, |packet, random| {
            packet.sequence(random.next() as u16);
            packet.timestamp(random.next() as i32);
        })
    }),
    rtp("rtp-bye-spoofed", "RTCP BYE of the stream, 20/s, sender's address", || bye(20, From::Victim)),
    rtp("rtp-random-bytes", "bytes of no sense, 1000/s, own address", || random_bytes(1000, From::Own)),
    spoofed("rtp-random-bytes-spoofed", "the same from the sender's address", || random_bytes(1000, From::Victim)),
    announced("control-announcement", "nothing", none),
    announced("sap-flood-start", "1200 sessions of one address, then our sender begins", || {
        sap::sessions(1200, 400, From::Own)
    })
    .starting(),
    announced("sap-flood-spoofed-start", "1200 sessions of 100 addresses, then our sender begins", || {
        sap::sessions(1200, 400, From::Victim)
    })
    .starting(),
    announced("sap-flood", "5000 sessions of one address while ours is listed", || {
        sap::sessions(5000, 1000, From::Own)
    }),
    announced("sap-deletion", "deletions with our origin, 2/s, own address", || sap::deletions(2, From::Own)),
    announced("sap-deletion-spoofed", "the same from the sender's address", || sap::deletions(2, From::Victim))
        .by_recovery(),
    announced("sap-replacement", "our origin, newer, with another group, 2/s, own address", || {
        sap::replacements(2, From::Own)
    }),
    announced("sap-replacement-spoofed", "the same from the sender's address", || sap::replacements(2, From::Victim))
        .by_recovery(),
    announced("sap-namesake", "another session of our name, 2/s, own address", || sap::namesakes(2)),
    announced("sap-deletion-join", "deletions with our origin, 2/s, own address, when a player starts", || {
        sap::deletions(2, From::Own)
    })
    .joining(),
    announced(
        "sap-replacement-join",
        "our origin, newer, with another group, 2/s, own address, when a player starts",
        || sap::replacements(2, From::Own),
    )
    .joining(),
    announced("sap-malformed", "malformed and compressed announcements, 200/s, own address", || {
        sap::malformed(200, From::Own)
    }),
    announced("sap-malformed-spoofed", "the same from the sender's address", || sap::malformed(200, From::Victim)),
    announced("sap-random-bytes", "bytes of no sense, 1000/s", || sap::random_bytes(1000)),
];
