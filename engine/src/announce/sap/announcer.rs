//! Announces our own sessions.
//!
//! Model: RFC 2974, 3.1. All announcers in a group share 4000 bit/s: with n announcements of `size`
//! bytes in the group, the base interval is 8 n size / 4000 s, but not less than a minimum; each
//! interval is drawn at random between 2/3 and 4/3 of the base interval, so that announcers do not
//! synchronise. The RFC's minimum is 300 s; in audio networks, 30 s is customary, because users are
//! waiting for the stream to appear.
//!
//! A changed description is announced at once under a new hash, as a modification (RFC 2974, 5), so
//! listeners keep the session. If the old description were deleted first, the stream would end for
//! listeners even if only its grandmaster had changed.

use super::wire::SapPacket;
use crate::units::{LocalTime, Nanos};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// Maximum total bandwidth of all announcements in a group, bit/s (RFC 2974, 3.1).
const LIMIT_BPS: i64 = 4000;
/// Number of values of a 32-bit integer.
const TWO_POW_32: f64 = 4_294_967_296.0;
/// 32-bit FNV-1a offset basis and prime.
const FNV: (u32, u32) = (0x811C_9DC5, 0x0100_0193);
/// Maximum number of datagrams that wait in the queue: enough for an announcement and a deletion to
/// each group.
const MAX_QUEUED: usize = 16;

/// Configuration of an announcer.
///
/// ```
/// use engine::Nanos;
/// use engine::announce::sap::{AnnouncerConfig, GROUPS, PORT};
/// let plain = AnnouncerConfig::new([192, 0, 2, 1].into(), 7);
/// assert_eq!(plain.destinations, [(GROUPS[0], PORT).into()]);
/// let often = AnnouncerConfig { minimum_interval: Nanos::from_secs(10), ..plain };
/// # let _ = often;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncerConfig {
    /// Our own address.
    pub origin: IpAddr,
    /// Destinations: groups of [`super::GROUPS`] with [`super::PORT`].
    pub destinations: Vec<SocketAddr>,
    /// The shortest base interval.
    pub minimum_interval: Nanos,
    /// Seed of the random variation of intervals, to be taken from the system's entropy.
    pub seed: u64,
}

impl AnnouncerConfig {
    /// Creates a configuration that announces to the group used by AES67 and Dante, every 30 s.
    #[must_use]
    pub fn new(origin: IpAddr, seed: u64) -> Self {
        let destinations = vec![SocketAddr::from((super::GROUPS[0], super::PORT))];
        Self { origin, destinations, minimum_interval: Nanos::from_secs(30), seed }
    }
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Its destination.
    pub destination: SocketAddr,
    /// Its bytes.
    pub datagram: Vec<u8>,
}

/// Announces one session.
///
/// ```
/// use engine::LocalTime;
/// use engine::announce::sap::{Announcer, AnnouncerConfig, SapPacket};
/// let mut announcer = Announcer::new(AnnouncerConfig::new([192, 0, 2, 1].into(), 1));
/// assert_eq!(announcer.poll_timeout(), None, "nothing to say yet");
/// announcer.announce(LocalTime::ZERO, "v=0\r\n");
/// let first = announcer.poll_transmit().unwrap();
/// assert!(!SapPacket::parse(&first.datagram).unwrap().deletion);
/// announcer.withdraw();
/// assert!(SapPacket::parse(&announcer.poll_transmit().unwrap().datagram).unwrap().deletion);
/// ```
#[derive(Clone, Debug)]
pub struct Announcer {
    config: AnnouncerConfig,
    spacing: ChaCha8Rng,
    /// The text that is announced, and its hash.
    announced: Option<(String, u16)>,
    others: usize,
    sent_at: LocalTime,
    /// Relative deviation of the next interval from the base interval, from -1/3 to 1/3.
    spread: f64,
    outbox: VecDeque<Transmit>,
}

impl Announcer {
    /// Creates an announcer without a session.
    #[must_use]
    pub fn new(config: AnnouncerConfig) -> Self {
        let spacing = ChaCha8Rng::seed_from_u64(config.seed);
        Self {
            config,
            spacing,
            announced: None,
            others: 0,
            sent_at: LocalTime::ZERO,
            spread: 0.0,
            outbox: VecDeque::new(),
        }
    }

    /// Sets the description to announce. If it differs from the previous one, it is announced at
    /// once.
    pub fn announce(&mut self, now: LocalTime, sdp: &str) {
        let before = self.announced.as_ref();
        if before.is_some_and(|(text, _)| text == sdp) {
            return;
        }
        let hash = hash_of(sdp, before.map_or(0, |&(_, hash)| hash));
        self.announced = Some((sdp.to_owned(), hash));
        self.send(now);
    }

    /// Withdraws the session. Call this before the stream stops, and send the datagrams that it
    /// queues.
    pub fn withdraw(&mut self) {
        if let Some((sdp, hash)) = self.announced.take() {
            self.queue(true, hash, origin_line(&sdp).as_bytes());
        }
    }

    /// Sets the number of other announcements in the group; see [`super::Directory::len`].
    pub fn set_others(&mut self, count: usize) {
        self.others = count;
    }

    /// Repeats the announcement if it is due at `now`.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.send(now);
        }
    }

    /// When [`Announcer::handle_timeout`] is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        let (sdp, _) = self.announced.as_ref()?;
        let interval = self.base_interval(sdp.len());
        Some(self.sent_at + interval + Nanos::from_secs_f64(self.spread * interval.as_secs_f64()))
    }

    /// Removes and returns the next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.pop_front()
    }

    #[expect(clippy::cast_possible_wrap, reason = "sizes of datagrams and numbers of streams are far below 2^63")]
    fn base_interval(&self, size: usize) -> Nanos {
        let bits = (8 * size as i64).saturating_mul(self.others as i64 + 1);
        self.config.minimum_interval.max(Nanos::new(bits.saturating_mul(1_000_000_000 / LIMIT_BPS)))
    }

    fn send(&mut self, now: LocalTime) {
        let Some((sdp, hash)) = self.announced.clone() else { return };
        self.queue(false, hash, sdp.as_bytes());
        self.sent_at = now;
        let draw = f64::from(self.spacing.next_u32()) / TWO_POW_32;
        self.spread = draw * 2.0 / 3.0 - 1.0 / 3.0;
    }

    fn queue(&mut self, deletion: bool, hash: u16, payload: &[u8]) {
        let datagram = SapPacket { deletion, hash, origin: self.config.origin, payload: payload.into() }.emit();
        for &destination in &self.config.destinations {
            // The oldest datagram is dropped: a caller that does not drain the queue needs only the
            // newest ones.
            if self.outbox.len() == MAX_QUEUED {
                self.outbox.pop_front();
            }
            self.outbox.push_back(Transmit { destination, datagram: datagram.clone() });
        }
    }
}

/// A hash of the description that is neither 0 nor the previous hash (RFC 2974, 6).
fn hash_of(sdp: &str, before: u16) -> u16 {
    let (basis, prime) = FNV;
    let hash = sdp.bytes().fold(basis, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(prime));
    let [b0, b1, b2, b3] = hash.to_be_bytes();
    let folded = u16::from_be_bytes([b0, b1]) ^ u16::from_be_bytes([b2, b3]);
    (0..3).map(|step| folded.wrapping_add(step)).find(|&hash| hash != 0 && hash != before).unwrap_or(1)
}

/// The payload of a deletion: the `o=` line, or the whole text if there is none.
fn origin_line(sdp: &str) -> &str {
    sdp.split_inclusive('\n').find(|line| line.starts_with("o=")).unwrap_or(sdp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=Studio\r\n";

    fn drain(announcer: &mut Announcer) -> Vec<(bool, u16, Vec<u8>)> {
        let read = |transmit: Transmit| {
            let packet = SapPacket::parse(&transmit.datagram).unwrap();
            (packet.deletion, packet.hash, packet.payload.to_vec())
        };
        std::iter::from_fn(|| announcer.poll_transmit()).map(read).collect()
    }

    fn announcer() -> Announcer {
        Announcer::new(AnnouncerConfig::new([192, 0, 2, 1].into(), 1))
    }

    #[test]
    fn intervals_are_spread_over_two_thirds_of_the_base_and_grow_with_the_group() {
        let mut announcer = announcer();
        announcer.announce(LocalTime::ZERO, TEXT);
        let mut intervals = Vec::new();
        let mut last = LocalTime::ZERO;
        for _ in 0..1000 {
            let due = announcer.poll_timeout().unwrap();
            announcer.handle_timeout(due + Nanos::new(-1));
            assert_eq!(announcer.poll_timeout(), Some(due), "not before it is due");
            announcer.handle_timeout(due);
            intervals.push((due - last).as_secs_f64());
            last = due;
        }
        assert_eq!(drain(&mut announcer).len(), MAX_QUEUED, "bounded if nobody drains");
        assert!(intervals.iter().all(|s| (20.0..=40.0).contains(s)));
        assert!(intervals.iter().any(|&s| s < 21.0) && intervals.iter().any(|&s| s > 39.0));
        let mean = intervals.iter().sum::<f64>() / 1000.0;
        assert!((mean - 30.0).abs() < 0.6, "{mean}");
        // 8 x 1000 x 41 bytes / 4000 bit/s.
        announcer.set_others(999);
        assert_eq!(announcer.base_interval(TEXT.len()), Nanos::from_millis(2 * TEXT.len() as i64 * 1000));
    }

    #[test]
    fn a_change_has_a_new_hash_and_goes_out_at_once_and_a_repetition_does_not() {
        let mut announcer = announcer();
        announcer.announce(LocalTime::ZERO, TEXT);
        announcer.announce(LocalTime::ZERO, TEXT);
        let first = drain(&mut announcer);
        assert_eq!(first.len(), 1);
        let changed = TEXT.replace("7 1", "7 2");
        announcer.announce(LocalTime::from_nanos(5), &changed);
        let second = drain(&mut announcer);
        assert_eq!((second.len(), second[0].0, second[0].2.as_slice()), (1, false, changed.as_bytes()));
        assert_ne!(first[0].1, second[0].1);
        announcer.withdraw();
        let end = drain(&mut announcer);
        assert_eq!(end, [(true, second[0].1, b"o=- 7 2 IN IP4 192.0.2.1\r\n".to_vec())]);
        announcer.withdraw();
        assert_eq!((announcer.poll_timeout(), drain(&mut announcer)), (None, Vec::new()));
    }

    #[test]
    fn hashes_are_never_zero_nor_the_one_before() {
        let hash = hash_of(TEXT, 0);
        assert_ne!(hash_of(TEXT, hash), hash);
        assert!((0..=u16::MAX).all(|before| ![0, before].contains(&hash_of("", before))));
        // Texts whose hashes would be 0 are found by trial.
        let zeros: Vec<String> = (0..2_000_000)
            .map(|i| i.to_string())
            .filter(|text| {
                let hash = text.bytes().fold(FNV.0, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(FNV.1));
                hash >> 16 == hash & 0xFFFF
            })
            .collect();
        assert!(!zeros.is_empty() && zeros.iter().all(|text| hash_of(text, 0) == 1 && hash_of(text, 1) == 2));
    }

    #[test]
    fn every_group_is_told() {
        let mut config = AnnouncerConfig::new([192, 0, 2, 1].into(), 1);
        config.destinations =
            crate::announce::sap::GROUPS.map(|group| (group, crate::announce::sap::PORT).into()).into();
        let mut announcer = Announcer::new(config.clone());
        announcer.announce(LocalTime::ZERO, TEXT);
        let told: Vec<_> =
            std::iter::from_fn(|| announcer.poll_transmit()).map(|transmit| transmit.destination).collect();
        assert_eq!(told, config.destinations);
    }
}
