//! Parses the control messages of Windows (`WSAMSG`): the destination of a datagram, and its
//! arrival time.
//!
//! From build 20348 on, the driver of a network card can stamp packets with the performance counter
//! when it receives them from the card. A card that is configured to stamp with its own clock
//! delivers counts of that clock instead, and the message does not say which clock was used. Counts
//! of another clock are recognised because they are not a recent time of the performance counter.

use super::control::messages;
use engine::{LocalTime, Nanos};
use std::net::Ipv4Addr;

/// `IPPROTO_IP`, `IP_PKTINFO`.
const PACKET_INFO: (i32, i32) = (0, 19);
/// `SOL_SOCKET`, `SO_TIMESTAMP`.
const TIMESTAMP: (i32, i32) = (0xFFFF, 0x300A);
/// A stamp that is older than this does not come from the performance counter. A process may be
/// stalled for seconds while datagrams wait for it, but a socket's buffer is full after this time.
const OLDEST: Nanos = Nanos::from_secs(10);
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Information about a datagram besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The datagram's destination, and the index of the interface on which it arrived.
    pub(super) packet_info: Option<(Ipv4Addr, u32)>,
    /// The datagram's stamp, in counts of an unknown clock.
    pub(super) stamp: Option<u64>,
}

/// Parses the messages at the start of a buffer. Truncated and unknown messages are ignored.
pub(super) fn parse(bytes: &[u8]) -> Told {
    let mut told = Told::default();
    for message in messages(bytes) {
        match message {
            (PACKET_INFO, [a, b, c, d, index @ ..]) if index.len() >= 4 => {
                told.packet_info = Some((Ipv4Addr::new(*a, *b, *c, *d), u32::from_ne_bytes(array(&index[..4]))));
            }
            (TIMESTAMP, stamp) if stamp.len() >= 8 => told.stamp = Some(u64::from_ne_bytes(array(&stamp[..8]))),
            _ => {}
        }
    }
    told
}

/// Converts a part of a message, whose length is known, to an array.
fn array<const N: usize>(part: &[u8]) -> [u8; N] {
    part.try_into().expect("a part of this length")
}

/// Converts a count of the performance counter to host time.
pub(super) fn time_of(count: i128, frequency_hz: i128) -> LocalTime {
    let ns = count * NANOS_PER_SECOND / frequency_hz;
    LocalTime::from_nanos(i64::try_from(ns).unwrap_or(i64::MAX))
}

/// The arrival time of a datagram that is read at `now`; `None` if the stamp is not a count of the
/// performance counter.
pub(super) fn arrival(stamp: u64, frequency_hz: i128, now: LocalTime) -> Option<LocalTime> {
    let at = time_of(i128::from(stamp), frequency_hz);
    (at <= now && now - at <= OLDEST).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::super::control::message;
    use super::*;

    fn both() -> Vec<u8> {
        let info = [&[239, 69, 1, 2][..], &7u32.to_ne_bytes()].concat();
        [message((0, 21), &[1, 2, 3]), message(PACKET_INFO, &info), message(TIMESTAMP, &99u64.to_ne_bytes())].concat()
    }

    #[test]
    fn each_message_is_found_behind_those_that_are_unknown() {
        let told = Told { packet_info: Some((Ipv4Addr::new(239, 69, 1, 2), 7)), stamp: Some(99) };
        assert_eq!(parse(&both()), told);
        assert_eq!(parse(&[]), Told::default());
    }

    #[test]
    fn a_buffer_that_is_cut_off_or_wrong_is_read_as_far_as_it_goes() {
        let whole = both();
        for length in 0..whole.len() {
            let told = parse(&whole[..length]);
            assert!(told.stamp.is_none(), "{length}");
        }
        for length in [0usize, 15, usize::MAX, usize::MAX - 3] {
            let mut wrong = whole.clone();
            wrong[..8].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(parse(&wrong), Told::default(), "a message of length {length}");
        }
    }

    #[test]
    fn a_stamp_of_another_clock_is_none() {
        const MHZ_10: i128 = 10_000_000;
        let now = LocalTime::from_nanos(3_600_000_000_000);
        let at = |stamp| arrival(stamp, MHZ_10, now);
        assert_eq!(at(35_999_999_000), Some(now - Nanos::from_micros(100)));
        assert_eq!(at(36_000_000_001), None, "it has not come yet");
        assert_eq!(at(36_000_000_000 - 110_000_000), None, "11 s ago");
        assert_eq!(at(1_764_517_000_000_000_000), None, "a card's clock that is set by PTP");
        assert_eq!(at(0), None);
    }
}
