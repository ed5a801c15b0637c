//! Seamless redundancy (SMPTE ST 2022-7): the same stream by two networks, of which either may
//! fail.
//!
//! Model: both legs carry the same packets, with the same sequence numbers and timestamps, and may
//! be skewed against each other. The first copy of a packet is played and the other one is dropped
//! here, so that the ring to the audio half carries the stream once. A packet that is missing on
//! one leg is simply the other leg's.
//!
//! The media clock: each leg has an estimator of its own, which sees all the leg's packets, whether
//! they were first or not. One leg is *followed*: its map is the one that the audio half gets. If
//! that leg falls silent, the other leg's map is followed from there on, moved by the skew, so that
//! the position does not step; the rate does not either, because the other estimator has measured
//! the same sender for as long. A single estimator for the winners of both legs would see the lower
//! envelope jump by the skew when the faster leg fails, and take it for a change of rate. The
//! followed leg is kept after the other one returns: changing back gains nothing, because the
//! latency stays anyway.
//!
//! When the source starts anew, each leg's estimator goes on with its rate, and with its offset
//! moved to where the leg's first new packet puts it.
//!
//! Assumptions: the legs agree in SSRC, sequence number and timestamp (ST 2022-7 demands identical
//! RTP packets), and a leg's delay does not change during an outage of less than a second.

use super::arrivals::Arrivals;
use super::known_rate::KnownRate;
use super::shift::Shift;
use crate::clock::{ClockMap, Sample};
pub use crate::rtp::leg::Leg;
use crate::rtp::sequence::{Arrival, MAX_DROPOUT, SequenceCounts, SequenceNumber, SequenceTracker};
use crate::units::{Frames, LocalTime, Nanos, Ppb};

/// A leg that is silent for this long has failed: longer than a stall of a network that works.
const LEG_SILENCE: Nanos = Nanos::from_millis(100);
/// A leg that returns after this long may have another delay than before.
const FORGET_DELAY: Nanos = Nanos::from_secs(1);
/// A rate known to this standard deviation may be followed: wrong by it, playout moves by 1 us a
/// second.
const SETTLED_RATE: Ppb = Ppb::from_ppm(1.0);
/// Packets of which copies are recognised: a skew of 1 s at the shortest packet time (125 us). A
/// power of two that divides 2^16.
const REMEMBERED: usize = 8192;
/// Copies of packets of the same leg that are this many or more behind its newest were not merely
/// reordered (RFC 3550 A.1, MAX_MISORDER).
const OLD_COPY: i64 = 100;
/// Numbers of packets without audio that are remembered, to know the copies that the other leg
/// brings: more keep-alives than any sender has under way on two networks.
const SKIPPED: usize = 16;
/// Never a media position.
const NO_FRAME: i64 = i64::MIN;
/// A shift of both legs within this time is one of the sender.
const BOTH_SHIFT: Nanos = Nanos::from_secs(2);

/// What one leg did, since the timeline began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LegStats {
    /// Sequence numbers of this leg alone: received, lost, reordered, duplicates.
    pub sequence: SequenceCounts,
    /// Packets that came by this leg first.
    pub won: u64,
    /// Packets, first or not, that came after their playout: what would have been missing without
    /// the other leg.
    pub late: u64,
    /// How much later than by the followed leg packets come by this one; negative if earlier.
    /// `None` until both have come.
    pub skew: Option<Nanos>,
    /// Running size of the packets' lateness.
    pub jitter: Nanos,
    /// When the newest packet came; `None` before the first one.
    pub last_arrival: Option<LocalTime>,
}

impl LegStats {
    /// Since when the leg has been silent; `None` while packets come, and if none ever came.
    ///
    /// ```
    /// use engine::receive::LegStats;
    /// use engine::{LocalTime, Nanos};
    /// let leg = LegStats { last_arrival: Some(LocalTime::ZERO), ..LegStats::default() };
    /// assert_eq!(leg.silent_since(LocalTime::ZERO + Nanos::from_millis(10)), None);
    /// assert_eq!(leg.silent_since(LocalTime::ZERO + Nanos::from_secs(1)), Some(LocalTime::ZERO));
    /// ```
    #[must_use]
    pub fn silent_since(&self, now: LocalTime) -> Option<LocalTime> {
        self.last_arrival.filter(|&last| now.since(last) > LEG_SILENCE)
    }
}

/// One leg of a timeline.
#[derive(Debug)]
struct Path {
    arrivals: Arrivals,
    sequence: SequenceTracker,
    /// Index of the newest packet, see [`Merge::index_of`].
    newest: Option<i64>,
    won: u64,
    late: u64,
    last_arrival: Option<LocalTime>,
}

impl Path {
    fn new(rate: KnownRate) -> Self {
        Self::knowing(Arrivals::new(rate))
    }

    fn knowing(arrivals: Arrivals) -> Self {
        Self { arrivals, sequence: SequenceTracker::default(), newest: None, won: 0, late: 0, last_arrival: None }
    }

    fn is_silent(&self, now: LocalTime) -> bool {
        self.last_arrival.is_none_or(|last| now.since(last) > LEG_SILENCE)
    }

    /// Takes a packet; returns by how much it proves packets to come later for good.
    fn arrive(&mut self, sequence: SequenceNumber, index: i64, first: bool, sample: Sample) -> Option<Shift> {
        // What was played long ago comes again from who has recorded it.
        if !first && self.newest.is_some_and(|newest| newest - index >= OLD_COPY) {
            return None;
        }
        self.last_arrival = Some(sample.at);
        // The copy of a packet tells nothing of the sender's clock: it was held back.
        let is_new = self.count(sequence, index) != Arrival::Duplicate;
        if is_new { self.arrivals.take(&sample) } else { None }
    }

    /// Counts a packet. By its number alone, a leg that returns after a long time would seem to
    /// have restarted; the other one knows better.
    fn count(&mut self, sequence: SequenceNumber, index: i64) -> Arrival {
        let ahead = self.newest.map_or(0, |newest| index - newest);
        self.newest = Some(self.newest.map_or(index, |newest| newest.max(index)));
        if ahead < i64::from(MAX_DROPOUT) {
            return self.sequence.insert(sequence);
        }
        self.sequence.resume(sequence, ahead as u64);
        Arrival::InOrder
    }
}

/// A packet that the legs are asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) leg: Leg,
    pub(super) sequence: SequenceNumber,
    pub(super) position: Frames,
    /// Whether its playout was over when it came.
    pub(super) late: bool,
    /// Its arrival, as the media clock sees it.
    pub(super) sample: Sample,
}

/// The legs of one timeline.
#[derive(Debug)]
pub(super) struct Legs {
    paths: [Path; 2],
    followed: Leg,
    known: KnownRate,
    /// How much earlier packets came by the leg followed first than by the one followed now.
    carried: Nanos,
    merge: Merge,
}

impl Legs {
    /// Legs of a timeline that begins with a packet of `leg`, from a sender of which so much is
    /// known.
    pub(super) fn new(leg: Leg, rate: KnownRate) -> Self {
        Self {
            paths: [Path::new(rate), Path::new(rate)],
            followed: leg,
            known: rate,
            carried: Nanos::ZERO,
            merge: Merge::new(),
        }
    }

    /// The legs of the timeline that follows, beginning with a packet of `leg`: only the rates are
    /// kept.
    pub(super) fn restarted(self, leg: Leg) -> Self {
        let rate = self.known.updated(self.clock().map(|(map, _)| map));
        let paths = self.paths.map(|path| match path.arrivals.map() {
            Some(_) => Path::knowing(path.arrivals.moved()),
            None => Path::new(rate),
        });
        Self { paths, ..Self::new(leg, rate) }
    }

    /// A packet without audio came, whose number is not to be missed.
    pub(super) fn skip(&mut self, leg: Leg, sequence: SequenceNumber) {
        self.merge.skip(sequence);
        self.paths[leg as usize].sequence.insert(sequence);
    }

    /// Number of the newest packet by either leg.
    pub(super) fn newest(&self) -> Option<SequenceNumber> {
        self.merge.newest
    }

    /// Whether a packet comes before it can have been sent, by those of its leg.
    pub(super) fn is_early(&self, leg: Leg, sample: &Sample) -> bool {
        self.path(leg).arrivals.is_early(sample)
    }

    /// Takes a packet; returns whether it is the first copy, and by how much later the stream comes
    /// for good, if that is found now.
    pub(super) fn arrive(&mut self, packet: &Candidate) -> (bool, Option<Nanos>) {
        let first = self.merge.insert(packet.sequence, packet.position);
        let followed = self.followed == packet.leg;
        let last_arrival = self.path(packet.leg).last_arrival;
        let away = last_arrival.is_some_and(|last| packet.sample.at.since(last) > FORGET_DELAY);
        if away && !followed {
            let rate = KnownRate::inferred(self.media_rate());
            self.paths[packet.leg as usize].arrivals = Arrivals::new(rate);
        }
        let path = &mut self.paths[packet.leg as usize];
        let shift = path.arrive(packet.sequence, self.merge.index_of(packet.sequence), first, packet.sample);
        path.won += u64::from(first);
        path.late += u64::from(packet.late);
        let shift = shift.filter(|_| followed).and_then(|shift| self.shifted(packet.sample.at, &shift));
        self.follow(packet.sample.at);
        (first, shift)
    }

    /// All packets are too late: takes that for a shift of the followed leg. Returns its size;
    /// `None` if they are not late by what is known of that leg.
    pub(super) fn assume_shift(&mut self, now: LocalTime) -> Option<Nanos> {
        let shift = self.paths[self.followed as usize].arrivals.assume_shift(now)?;
        Some(Nanos::new(libm::round(shift.later_ns) as i64))
    }

    /// The followed leg has shifted; returns by how much the stream has. While the other leg brings
    /// packets as before, it has not.
    fn shifted(&mut self, now: LocalTime, shift: &Shift) -> Option<Nanos> {
        let later = Nanos::new(libm::round(shift.later_ns) as i64);
        let other = self.path(self.followed.other());
        if other.is_silent(now) || other.arrivals.is_unsteady(now, BOTH_SHIFT) {
            return Some(later);
        }
        self.carried += later;
        None
    }

    /// Whether what `leg` says of the timeline counts. With two legs that are skewed, one of them
    /// still sends the old timeline when the other one begins the new one.
    pub(super) fn decides(&self, leg: Leg, now: LocalTime) -> bool {
        leg == self.followed || self.path(self.followed).is_silent(now)
    }

    /// The followed leg's clock and how much earlier than by that leg its packets are to be taken
    /// to come.
    pub(super) fn clock(&self) -> Option<(ClockMap, Nanos)> {
        Some((self.path(self.followed).arrivals.map()?, self.carried))
    }

    /// Rate of the sender's media clock against the host's.
    pub(super) fn media_rate(&self) -> Ppb {
        self.rate_by(self.clock())
    }

    /// The same, for whom [`Legs::clock`] has just been asked.
    pub(super) fn rate_by(&self, clock: Option<(ClockMap, Nanos)>) -> Ppb {
        self.known.or_measured(clock.map(|(map, _)| map))
    }

    /// Remembers the rate of [`Legs::clock`], if that is well known.
    pub(super) fn learn_rate(&mut self, clock: Option<(ClockMap, Nanos)>) {
        self.known.learn(clock.map(|(map, _)| map));
    }

    /// Running size of the lateness of the followed leg's packets.
    pub(super) fn jitter(&self) -> Nanos {
        self.path(self.followed).arrivals.jitter()
    }

    /// What both legs together made of the stream: lost is what came by neither; the other counts
    /// are sums.
    pub(super) fn merged(&self) -> SequenceCounts {
        let [a, b] = [0, 1].map(|i| self.paths[i].sequence.counts());
        SequenceCounts {
            received: self.merge.received,
            lost: self.merge.span.saturating_sub(self.merge.received),
            duplicates: self.merge.copies,
            reordered: a.reordered + b.reordered,
            restarts: a.restarts + b.restarts,
        }
    }

    /// What each leg did.
    pub(super) fn stats(&self) -> [LegStats; 2] {
        Leg::ALL.map(|leg| {
            let path = self.path(leg);
            LegStats {
                sequence: path.sequence.counts(),
                won: path.won,
                late: path.late,
                skew: path.last_arrival.and_then(|at| self.lag(leg, at)),
                jitter: path.arrivals.jitter(),
                last_arrival: path.last_arrival,
            }
        })
    }

    fn path(&self, leg: Leg) -> &Path {
        &self.paths[leg as usize]
    }

    /// How much later than by the followed leg packets come by `leg`.
    fn lag(&self, leg: Leg, now: LocalTime) -> Option<Nanos> {
        let [followed, other] = [self.followed, leg].map(|leg| self.path(leg).arrivals.map());
        Some(Nanos::new(libm::round(followed?.offset_ns(now) - other?.offset_ns(now)) as i64))
    }

    /// Follows the other leg if the followed one has failed and the other one is known well enough.
    fn follow(&mut self, now: LocalTime) {
        let other = self.followed.other();
        if !self.path(self.followed).is_silent(now) || self.path(other).is_silent(now) {
            return;
        }
        let [Some(old), Some(new)] = [self.followed, other].map(|leg| self.path(leg).arrivals.map()) else { return };
        // A leg that has only just come knows less than the old map still does: its uncertainty
        // grows slowly while nobody feeds it.
        let settled = new.rate_sigma() <= SETTLED_RATE || new.sigma_ns(now) < old.sigma_ns(now);
        if let Some(lag) = self.lag(other, now).filter(|_| settled) {
            self.carried += lag;
            self.followed = other;
        }
    }
}

/// Tells first packets from copies, over both legs.
#[derive(Debug)]
struct Merge {
    /// Position of the newest packet with this sequence number, modulo the length.
    positions: Box<[i64]>,
    newest: Option<SequenceNumber>,
    /// Index of the newest packet: how many were sent before it, by either leg's numbers, since the
    /// first one that came.
    newest_index: i64,
    /// Packets from the first one to the newest.
    span: u64,
    received: u64,
    copies: u64,
    /// Numbers of the last packets without audio, and how many of them came since the newest packet
    /// with audio.
    skipped: [Option<SequenceNumber>; SKIPPED],
    next_skipped: usize,
    skipped_ahead: u16,
}

impl Merge {
    fn new() -> Self {
        let positions = vec![NO_FRAME; REMEMBERED].into_boxed_slice();
        Self {
            positions,
            newest: None,
            newest_index: 0,
            span: 0,
            received: 0,
            copies: 0,
            skipped: [None; SKIPPED],
            next_skipped: 0,
            skipped_ahead: 0,
        }
    }

    /// Whether a packet is the first with its number and position. A copy that comes later than
    /// [`REMEMBERED`] packets passes for a first one; the jitter buffer finds its place taken, or
    /// gone.
    fn insert(&mut self, sequence: SequenceNumber, position: Frames) -> bool {
        let slot = &mut self.positions[usize::from(sequence.get()) % REMEMBERED];
        if *slot == position.get() {
            self.copies += 1;
            return false;
        }
        *slot = position.get();
        self.received += 1;
        self.extend(sequence);
        true
    }

    /// Takes the number of a packet without audio: it is none of those that are waited for.
    fn skip(&mut self, sequence: SequenceNumber) {
        let Some(newest) = self.newest.filter(|_| !self.skipped.contains(&Some(sequence))) else { return };
        self.skipped[self.next_skipped] = Some(sequence);
        self.next_skipped = (self.next_skipped + 1) % SKIPPED;
        let ahead = sequence.get().wrapping_sub(newest.get());
        if (1..MAX_DROPOUT).contains(&ahead) {
            self.skipped_ahead = self.skipped_ahead.saturating_add(1);
        } else if usize::from(ahead.wrapping_neg()) < REMEMBERED && ahead != 0 {
            self.span = self.span.saturating_sub(1).max(self.received);
        }
    }

    /// Index of a packet that is not newer than the newest: its number, unwrapped.
    fn index_of(&self, sequence: SequenceNumber) -> i64 {
        let behind = self.newest.map_or(0, |newest| newest.get().wrapping_sub(sequence.get()) as i16);
        self.newest_index - i64::from(behind)
    }

    fn extend(&mut self, sequence: SequenceNumber) {
        let Some(newest) = self.newest else {
            self.newest = Some(sequence);
            self.span = 1;
            return;
        };
        let ahead = sequence.get().wrapping_sub(newest.get());
        let behind = ahead.wrapping_neg();
        if ahead < MAX_DROPOUT {
            let without_audio = std::mem::take(&mut self.skipped_ahead).min(ahead.saturating_sub(1));
            self.span += u64::from(ahead - without_audio);
            self.newest_index += i64::from(ahead);
        } else if usize::from(behind) < REMEMBERED {
            // May be older than the first one that came.
            self.span = self.span.max(u64::from(behind) + 1);
            return;
        } else {
            self.span += 1;
            self.newest_index += 1;
        }
        self.newest = Some(sequence);
    }
}
