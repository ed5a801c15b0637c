//! The address that a stream comes from.
//!
//! Model: without a source filter anybody can send to a stream's group. The address of the first
//! packets is the stream's; what another one sends is refused as long as the first is alive. When
//! it has been silent for [`SILENCE`], another one may take over: the sender's address has changed,
//! or a standby sends. The address that had the stream before gets it back when it has sent again
//! for as long, so that a stranger who waited for an outage does not keep the stream. Of two
//! addresses that never had it, the first one that sends gets it.
//!
//! Only packets that were taken keep an address alive. Each leg of a redundant stream has an
//! address of its own. A sender that starts anew at its old address is not held up.
//!
//! Breakdown point: addresses can be forged; what is sent with the stream's own one is for
//! [`super::Continuity`] to judge.

use crate::units::{LocalTime, Nanos};
use std::fmt;
use std::net::IpAddr;

/// A sender that is silent for this long may be followed by another address: longer than a path
/// that has failed takes to be replaced by networks of today (rapid spanning tree, IEEE 802.1w:
/// less than a second), so that no stranger gets in meanwhile; a standby has to wait for it.
const SILENCE: Nanos = Nanos::from_secs(1);
/// Packets further apart than this are not of a sender that is back: the silence after which a
/// source of the same address is followed by another one.
const APART: Nanos = Nanos::from_millis(250);
/// The stream is given back to an address for this long after it went silent.
const REMEMBERED: Nanos = Nanos::from_secs(60);

/// A packet of another address than the stream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intruder {
    /// Who sent it.
    pub from: IpAddr,
    /// Who sends the stream.
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

/// The stream comes from another address from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// Who sends it now.
    pub sender: IpAddr,
    /// Who sent it before.
    pub before: IpAddr,
    /// Whether the new one had it before.
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

/// Lets the packets of one address through, for one leg.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceGate {
    sender: Option<Sender>,
    /// Who had the stream before, and since when that one sends again.
    former: Option<Sender>,
    back_since: Option<LocalTime>,
    takeover: Option<Takeover>,
}

impl SourceGate {
    /// Whether a packet that `from` sent may be of the stream.
    ///
    /// # Errors
    /// If the stream is another address's.
    pub fn check(&mut self, now: LocalTime, from: IpAddr) -> Result<(), Intruder> {
        let Some(sender) = self.sender else { return Ok(()) };
        if sender.address == from || now.since(sender.heard_at) >= SILENCE || self.is_back(now, from) {
            return Ok(());
        }
        Err(Intruder { from, sender: sender.address })
    }

    /// A packet of `from` was taken.
    pub fn accept(&mut self, now: LocalTime, from: IpAddr) {
        let this = Sender { address: from, heard_at: now };
        let Some(before) = self.sender.replace(this).filter(|before| before.address != from) else { return };
        self.takeover = Some(Takeover { sender: from, before: before.address, is_back: false });
        let is_remembered = |former: &Sender| former.address != from && now.since(former.heard_at) <= REMEMBERED;
        self.former = Some(self.former.filter(is_remembered).unwrap_or(before));
        self.back_since = None;
    }

    /// Who has taken over, since the last call.
    pub fn take_takeover(&mut self) -> Option<Takeover> {
        self.takeover.take()
    }

    /// Whether `from` had the stream before, and has been sending for long enough to have it back.
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

    /// A packet of an address; whether it was let through.
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
        // Its address has changed.
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
        // Single packets of it do not take it back.
        let mut gate = SourceGate::default();
        assert!((0..1_000).all(|ms| hear(&mut gate, ms, HOME)));
        assert!(
            (3_000..20_000).all(|ms| hear(&mut gate, ms, STRANGER) && (ms % 300 != 0 || !hear(&mut gate, ms, HOME)))
        );
        // And whoever was away for long is another one.
        assert!((20_000..90_000).all(|ms| hear(&mut gate, ms, STRANGER)));
        assert!((90_000..95_000).all(|ms| hear(&mut gate, ms, STRANGER) && !hear(&mut gate, ms, HOME)));
    }
}
