//! Restricts a stream to one source address.
//!
//! Model: without a source filter, anybody can send to a stream's group. The address of the first
//! packets becomes the stream's, and packets from other addresses are refused while this address is
//! active. When it has been silent for [`SILENCE`], another address may take over, because the
//! sender's address has changed or a standby has begun to send. The former address regains the
//! stream once it has been sending again for [`SILENCE`], so that a stranger who has waited for an
//! outage cannot keep the stream. If neither of two addresses has ever had the stream, the
//! stream goes to the first one that sends.
//!
//! Only accepted packets keep an address active. Each leg of a redundant stream has its own
//! address. A sender that restarts at its old address is accepted at once.
//!
//! Breakdown point: addresses can be forged. Packets from the stream's own address are judged by
//! [`super::Continuity`].

use crate::units::{LocalTime, Nanos};
use std::fmt;
use std::net::IpAddr;

/// Silence of a sender after which another address may take over. Judgement: longer than today's
/// networks take to replace a failed path (rapid spanning tree, IEEE 802.1w: less than a second),
/// so that no other sender takes over in the meantime. A standby has to wait for this time, too.
const SILENCE: Nanos = Nanos::from_secs(1);
/// Maximum gap between the packets of a former sender that is considered to have returned.
/// Judgement: the silence after which another source (SSRC) at the same address takes over.
const APART: Nanos = Nanos::from_millis(250);
/// An address can regain the stream for this long after it has fallen silent. Judgement: the time
/// that a device takes to restart.
const REMEMBERED: Nanos = Nanos::from_secs(60);

/// A packet from an address other than the stream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intruder {
    /// The address of its sender.
    pub from: IpAddr,
    /// The address of the stream's sender.
    pub sender: IpAddr,
}

impl fmt::Display for Intruder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sends to the address of this stream, too, which comes from {}: it is not heard",
            self.from, self.sender
        )
    }
}

/// A change of the address from which the stream comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The new sender.
    pub sender: IpAddr,
    /// The previous sender.
    pub before: IpAddr,
    /// Whether the new sender has had the stream before.
    pub is_back: bool,
}

impl fmt::Display for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, before, is_back } = self;
        if *is_back {
            write!(f, "{sender} sends again, and has the stream back from {before}")
        } else {
            write!(f, "the stream comes from {sender} now; {before} was silent for a second or more")
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Sender {
    address: IpAddr,
    heard_at: LocalTime,
}

/// Accepts the packets of one address on one leg.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceGate {
    sender: Option<Sender>,
    /// The previous sender, and when it began to send again.
    former: Option<Sender>,
    back_since: Option<LocalTime>,
    takeover: Option<Takeover>,
}

impl SourceGate {
    /// Checks that a packet from `from` may belong to the stream.
    ///
    /// # Errors
    /// If the stream belongs to another address.
    pub fn check(&mut self, now: LocalTime, from: IpAddr) -> Result<(), Intruder> {
        let Some(sender) = self.sender else { return Ok(()) };
        if sender.address == from || now.since(sender.heard_at) >= SILENCE || self.is_back(now, from) {
            return Ok(());
        }
        Err(Intruder { from, sender: sender.address })
    }

    /// Records an accepted packet from `from`.
    pub fn accept(&mut self, now: LocalTime, from: IpAddr) {
        let this = Sender { address: from, heard_at: now };
        let Some(before) = self.sender.replace(this).filter(|before| before.address != from) else { return };
        self.takeover = Some(Takeover { sender: from, before: before.address, is_back: false });
        let is_remembered = |former: &Sender| former.address != from && now.since(former.heard_at) <= REMEMBERED;
        self.former = Some(self.former.filter(is_remembered).unwrap_or(before));
        self.back_since = None;
    }

    /// Removes and returns the takeover since the last call, if there was one.
    pub fn take_takeover(&mut self) -> Option<Takeover> {
        self.takeover.take()
    }

    /// Whether `from` has had the stream before, and has been sending for long enough to regain it.
    fn is_back(&mut self, now: LocalTime, from: IpAddr) -> bool {
        let Some((sender, former)) = self.sender.zip(self.former).filter(|(_, former)| former.address == from) else {
            return false;
        };
        if now.since(former.heard_at) > REMEMBERED {
            self.former = None;
            return false;
        }
        let goes_on = now.since(former.heard_at) <= APART;
        let since = self.back_since.filter(|_| goes_on).unwrap_or(now);
        (self.back_since, self.former) = (Some(since), Some(Sender { heard_at: now, ..former }));
        if now.since(since) < SILENCE {
            return false;
        }
        self.takeover = Some(Takeover { sender: from, before: sender.address, is_back: true });
        (self.sender, self.former, self.back_since) = (Some(Sender { address: from, heard_at: now }), None, None);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: [u8; 4] = [192, 0, 2, 1];
    const STRANGER: [u8; 4] = [192, 0, 2, 66];

    fn at(ms: i64) -> LocalTime {
        LocalTime::ZERO + Nanos::from_millis(ms)
    }

    /// Receives a packet from an address; returns whether it was accepted.
    fn hear(gate: &mut SourceGate, ms: i64, from: [u8; 4]) -> bool {
        let from = from.into();
        let taken = gate.check(at(ms), from).is_ok();
        if taken {
            gate.accept(at(ms), from);
        }
        taken
    }

    #[test]
    fn another_address_is_refused_until_the_first_was_silent_for_a_second() {
        let mut gate = SourceGate::default();
        for ms in 0..5_000 {
            assert!(hear(&mut gate, ms, HOME));
            assert!(!hear(&mut gate, ms, STRANGER));
        }
        let refused = gate.check(at(5_000), STRANGER.into()).unwrap_err();
        assert_eq!(refused, Intruder { from: STRANGER.into(), sender: HOME.into() });
        // The sender's address has changed.
        let followed = (5_000..8_000).find(|&ms| hear(&mut gate, ms, STRANGER));
        assert_eq!(followed, Some(4_999 + 1_000));
        let takeover = gate.take_takeover().unwrap();
        assert_eq!((takeover.sender, takeover.before, takeover.is_back), (STRANGER.into(), HOME.into(), false));
    }

    #[test]
    fn who_had_the_stream_before_gets_it_back_from_who_waited_for_an_outage() {
        let mut gate = SourceGate::default();
        assert!((0..1_000).all(|ms| hear(&mut gate, ms, HOME)));
        assert!((3_000..4_000).all(|ms| hear(&mut gate, ms, STRANGER)));
        let mut heard = Vec::new();
        for ms in 4_000..6_000 {
            heard.push((hear(&mut gate, ms, HOME), hear(&mut gate, ms, STRANGER)));
        }
        assert!(heard[..1_000].iter().all(|&heard| heard == (false, true)));
        assert!(heard[1_000..].iter().all(|&heard| heard == (true, false)));
        assert!(gate.take_takeover().is_some_and(|takeover| takeover.is_back));
        // Single packets of the former sender do not regain the stream.
        let mut gate = SourceGate::default();
        assert!((0..1_000).all(|ms| hear(&mut gate, ms, HOME)));
        assert!(
            (3_000..20_000).all(|ms| hear(&mut gate, ms, STRANGER) && (ms % 300 != 0 || !hear(&mut gate, ms, HOME)))
        );
        // An address that has been away for a long time counts as a new one.
        assert!((20_000..90_000).all(|ms| hear(&mut gate, ms, STRANGER)));
        assert!((90_000..95_000).all(|ms| hear(&mut gate, ms, STRANGER) && !hear(&mut gate, ms, HOME)));
    }
}
