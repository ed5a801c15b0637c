//! Ports with keys.

use super::*;
use crate::ptp::authentication::{Authentication, IntegrityAlgorithm, Key, SecurityAssociation};
use crate::ptp::transmit::Transmit;

fn authentication(secret: &[u8]) -> Option<Authentication> {
    let key = Key::new(1, IntegrityAlgorithm::HmacSha256Truncated, secret)?;
    Authentication::new(SecurityAssociation::new(1, true, &[key])?, 1)
}

/// Runs a slave with a key, or none, and a master with a key, or none. Returns the slave after 12
/// s, and the size of the largest message.
fn together(slave: Option<Authentication>, master: Option<Authentication>) -> (Port, usize) {
    let mut slave = new_port(PortConfig { authentication: slave, ..slave_config() });
    let identity = port_identity(1);
    let mut master = new_port(PortConfig { identity, authentication: master, ..full_config() });
    let (mut now, mut longest) = (LocalTime::ZERO, 0);
    while now < LocalTime::from_nanos(12_000_000_000) {
        for (port, other, from) in [(0, 1, 9), (1, 0, 1)] {
            let ports = [&mut slave, &mut master];
            ports[port].handle_timeout(now);
            while let Some(Transmit { timestamp, datagram, .. }) = ports[port].poll_transmit() {
                if let Some(token) = timestamp {
                    ports[port].handle_transmitted(token, now);
                }
                longest = longest.max(datagram.len());
                ports[other].handle_datagram(now + DELAY, address(from), &datagram).unwrap();
            }
        }
        now = now + Nanos::from_millis(1);
    }
    (slave, longest)
}

#[test]
fn who_shares_the_key_is_followed_and_nobody_else() {
    let end = LocalTime::from_nanos(12_000_000_000);
    let (shared, longest) = together(authentication(b"ours"), authentication(b"ours"));
    assert_eq!(shared.reading(end).state, LockState::Locked);
    assert_eq!((shared.counters().unauthenticated, longest), (0, 64 + 26));
    for (other, sentence) in [
        (
            None,
            "no master in domain 10, but messages of 0101010101010101-1 arrive that cannot be authenticated: \
             they carry no AUTHENTICATION TLV",
        ),
        (
            authentication(b"theirs"),
            "no master in domain 10, but messages of 0101010101010101-1 arrive that cannot be authenticated: \
             their check value is wrong: the keys differ, or somebody changes them on the way",
        ),
    ] {
        let (slave, _) = together(authentication(b"ours"), other);
        assert_eq!(slave.reading(end).state, LockState::Listening);
        assert!(slave.counters().unauthenticated > 50 && slave.counters().syncs == 0, "{:?}", slave.counters());
        assert_eq!(slave.diagnosis(end).unwrap().to_string(), sentence);
    }
}

#[test]
fn who_asks_for_no_key_follows_a_master_that_has_one() {
    let (slave, _) = together(None, authentication(b"ours"));
    // The slave is not answered, because its Delay_Reqs are not authentic.
    assert_eq!(slave.master().map(|master| master.sender), Some(port_identity(1)));
    assert_eq!(slave.counters().delay_responses, 0);
}
