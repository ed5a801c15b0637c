//! Reports packets from senders other than the stream's own.

use engine::receive::{Intruder, Takeover};
use engine::{LocalTime, Nanos};

/// Shortest time between two reports of the same kind, because an attacker may forge any number of
/// addresses.
const AGAIN: Nanos = Nanos::from_secs(60);

/// The counts of other senders.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// The sender that was last refused because of its address.
    pub(crate) intruder: Option<Intruder>,
    /// Number of packets from other addresses.
    pub(crate) other_address: u64,
    /// How often another address has taken over, and the last takeover.
    pub(crate) takeovers: u32,
    /// See [`Seen::takeovers`].
    pub(crate) takeover: Option<Takeover>,
    /// Number of packets that do not continue the stream.
    pub(crate) not_continuing: u64,
}

/// What has been reported so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Intruders {
    before: Seen,
    address_told_at: Option<LocalTime>,
    forgery_told_at: Option<LocalTime>,
}

impl Intruders {
    /// Processes the current counts. Returns the reports that are due.
    pub(crate) fn look(&mut self, now: LocalTime, seen: Seen) -> Vec<String> {
        let before = std::mem::replace(&mut self.before, seen);
        let may_tell = |told_at: Option<LocalTime>| told_at.is_none_or(|at| now.since(at) >= AGAIN);
        let mut sentences = Vec::new();
        if let Some(takeover) = seen.takeover.filter(|_| seen.takeovers != before.takeovers) {
            sentences.push(takeover.to_string());
        }
        let is_refused = seen.other_address > before.other_address && may_tell(self.address_told_at);
        if let Some(intruder) = seen.intruder.filter(|_| is_refused) {
            self.address_told_at = Some(now);
            sentences.push(intruder.to_string());
        }
        if seen.not_continuing > before.not_continuing && may_tell(self.forgery_told_at) {
            self.forgery_told_at = Some(now);
            let more = seen.not_continuing - before.not_continuing;
            sentences.push(format!(
                "somebody sends packets with its SSRC and from its address which do not go on with it ({more} so far): they are not heard"
            ));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_said_once_a_minute_and_each_takeover() {
        let at = |s| LocalTime::ZERO + Nanos::from_secs(s);
        let [sender, other] = [[192, 0, 2, 1], [192, 0, 2, 66]].map(std::net::IpAddr::from);
        let intruder = Some(Intruder { from: other, sender });
        let mut intruders = Intruders::default();
        let mut told = Vec::new();
        for s in 0..130u32 {
            let seen =
                Seen { intruder, other_address: u64::from(s), not_continuing: u64::from(s / 100), ..Seen::default() };
            told.extend(intruders.look(at(i64::from(s)), seen).into_iter().map(|sentence| (s, sentence)));
        }
        let seconds: Vec<u32> = told.iter().map(|(s, _)| *s).collect();
        assert_eq!(seconds, [1, 61, 100, 121], "{told:?}");
        assert!(
            told[0].1.starts_with("192.0.2.66 sends to the address of this stream, too, which comes from 192.0.2.1")
        );
        let takeover = Some(Takeover { sender: other, before: sender, is_back: false });
        let seen = Seen { takeovers: 1, takeover, ..intruders.before };
        assert_eq!(
            intruders.look(at(131), seen),
            ["the stream comes from 192.0.2.66 now; 192.0.2.1 was silent for a second or more"]
        );
    }
}
