//! Seamless redundancy (SMPTE ST 2022-7): the same stream on two networks, either of which may
//! fail.
//!
//! Model: both legs carry the same packets, with the same sequence numbers and timestamps, and may
//! be skewed against each other. The first copy of a packet is played and the other one is dropped
//! here, so that the ring to the audio half carries the stream once. A packet that is missing on
//! one leg is taken from the other one.
//!
//! Media clock: each leg has its own estimator, which uses all packets of that leg, including
//! second copies. One leg is *followed*: its map is passed to the audio half. If that leg falls
//! silent, the other leg is followed instead, with its map moved by the skew, so that the position
//! does not step. The rate does not step either, because the other estimator has measured the same
//! sender for as long. If a single estimator took the first copies from both legs, the lower
//! envelope of the delays would jump by the skew when the faster leg fails, and the estimator would
//! mistake the jump for a change of rate. When the failed leg returns, it is not followed again:
//! changing back would gain nothing, because the latency stays the same.
//!
//! When the source restarts, each leg's estimator keeps its rate, and the first new packet of the
//! leg sets its offset.
//!
//! Assumptions: the legs agree in SSRC, sequence number and timestamp (ST 2022-7 requires identical
//! RTP packets), and a leg's delay does not change during an outage of less than a second.

use super::arrivals::Arrivals;
use crate::audio::NO_FRAME;
use crate::clock::{ClockMap, RatePrior, Sample, Shift};
pub use crate::rtp::leg::Leg;
use crate::rtp::sequence::{Arrival, MAX_DROPOUT, SequenceCounts, SequenceNumber, SequenceTracker};
use crate::units::{Frames, LocalTime, Nanos, Ppb};

/// A leg that has been silent for this long has failed. Judgement: longer than a stall of a working
/// network.
const LEG_SILENCE: Nanos = Nanos::from_millis(100);
/// A leg that returns after a silence of this length may have a different delay. Judgement: the
/// time that networks take to reroute.
const FORGET_DELAY: Nanos = Nanos::from_secs(1);
/// A leg may be followed once its rate is known to this standard deviation. Judgement: an error of
/// this size moves playout by 1 us per second.
const SETTLED_RATE: Ppb = Ppb::from_ppm(1.0);
/// Number of newest packets whose copies are recognised. Derived: a skew of 1 s at the shortest
/// packet time (125 us); a power of two that divides 2^16.
const REMEMBERED: usize = 8192;
/// A copy that is at least this many packets behind the newest packet of its leg has not merely
/// been reordered (RFC 3550 A.1, MAX_MISORDER).
const OLD_COPY: i64 = 100;
/// Number of packets without audio that are remembered, to recognise their copies on the other leg.
/// Judgement: more keep-alives than any sender has in transit at once.
const SKIPPED: usize = 16;
/// Shifts of both legs within this time are attributed to the sender. Judgement: longer than it
/// takes to prove a shift.
const BOTH_SHIFT: Nanos = Nanos::from_secs(2);

/// Statistics of one leg since the timeline began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LegStats {
    /// Sequence numbers of this leg alone: received, lost, reordered, duplicates.
    pub sequence: SequenceCounts,
    /// Packets that arrived first on this leg.
    pub won: u64,
    /// Packets that arrived on this leg after their playout, whether or not they were first. They
    /// would have been missing without the other leg.
    pub late: u64,
    /// How much later packets arrive on this leg than on the followed leg; negative if earlier.
    /// `None` until packets have arrived on both legs.
    pub skew: Option<Nanos>,
    /// Jitter of the arrivals.
    pub jitter: Nanos,
    /// Arrival time of the newest packet; `None` before the first one.
    pub last_arrival: Option<LocalTime>,
}

impl LegStats {
    /// When the leg fell silent; `None` while packets arrive, and before the first one.
    ///
    /// ```
    /// use engine::receive::LegStats;
    /// use engine::{LocalTime, Nanos};
    /// let mut leg = LegStats::default();
    /// leg.last_arrival = Some(LocalTime::ZERO);
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
    /// Index of the newest packet; see [`Merge::index_of`].
    newest: Option<i64>,
    won: u64,
    late: u64,
    last_arrival: Option<LocalTime>,
}

impl Path {
    fn new(rate: RatePrior) -> Self {
        Self::knowing(Arrivals::new(rate))
    }

    fn knowing(arrivals: Arrivals) -> Self {
        Self { arrivals, sequence: SequenceTracker::default(), newest: None, won: 0, late: 0, last_arrival: None }
    }

    fn is_silent(&self, now: LocalTime) -> bool {
        self.last_arrival.is_none_or(|last| now.since(last) > LEG_SILENCE)
    }

    /// Processes a packet. Returns the shift that it proves, if any.
    fn arrive(&mut self, sequence: SequenceNumber, index: i64, first: bool, sample: Sample) -> Option<Shift> {
        // A copy this old is a replayed recording, so it is not evidence about the leg.
        if !first && self.newest.is_some_and(|newest| newest - index >= OLD_COPY) {
            return None;
        }
        self.last_arrival = Some(sample.at);
        // A duplicate has been delayed, so its arrival says nothing about the sender's clock.
        let is_new = self.count(sequence, index) != Arrival::Duplicate;
        if is_new { self.arrivals.take(&sample) } else { None }
    }

    /// Counts a packet. By its sequence numbers alone, a leg that returns after a long time would
    /// seem to have restarted; the packet's `index`, which the other leg's packets have advanced,
    /// shows that the leg has not restarted.
    fn count(&mut self, sequence: SequenceNumber, index: i64) -> Arrival {
        let ahead = self.newest.map_or(0, |newest| index - newest);
        self.newest = Some(self.newest.map_or(index, |newest| newest.max(index)));
        if ahead < i64::from(MAX_DROPOUT) {
            return self.sequence.insert(sequence);
        }
        self.sequence.resume(sequence, ahead.unsigned_abs());
        Arrival::InOrder
    }
}

/// A packet that is passed to the legs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) leg: Leg,
    pub(super) sequence: SequenceNumber,
    pub(super) position: Frames,
    /// Whether it arrived after its playout.
    pub(super) late: bool,
    /// Its arrival as a sample of the media clock.
    pub(super) sample: Sample,
}

/// The legs of one timeline.
#[derive(Debug)]
pub(super) struct Legs {
    paths: [Path; 2],
    followed: Leg,
    known: RatePrior,
    /// Amount by which packets arrive later on the followed leg than on the leg that was followed
    /// first.
    carried: Nanos,
    merge: Merge,
}

impl Legs {
    /// Creates the legs of a timeline that begins with a packet on `leg`, from a sender whose rate
    /// has this prior.
    pub(super) fn new(leg: Leg, rate: RatePrior) -> Self {
        Self {
            paths: [Path::new(rate), Path::new(rate)],
            followed: leg,
            known: rate,
            carried: Nanos::ZERO,
            merge: Merge::new(),
        }
    }

    /// Creates the legs of the next timeline, which begins with a packet on `leg`. Only the rates
    /// are kept.
    pub(super) fn restarted(self, leg: Leg) -> Self {
        let rate = self.known.updated(self.clock().map(|(map, _)| map));
        let paths = self.paths.map(|path| match path.arrivals.map() {
            Some(_) => Path::knowing(path.arrivals.moved()),
            None => Path::new(rate),
        });
        Self { paths, ..Self::new(leg, rate) }
    }

    /// Records a packet without audio, so that its sequence number does not count as lost.
    pub(super) fn skip(&mut self, leg: Leg, sequence: SequenceNumber) {
        self.merge.skip(sequence);
        self.paths[leg as usize].sequence.insert(sequence);
    }

    /// Sequence number of the newest packet on either leg.
    pub(super) fn newest(&self) -> Option<SequenceNumber> {
        self.merge.newest
    }

    /// Whether a packet arrives before it can have been sent, judging by the other packets of its
    /// leg.
    pub(super) fn is_early(&self, leg: Leg, sample: &Sample) -> bool {
        self.path(leg).arrivals.is_early(sample)
    }

    /// Processes a packet. Returns whether it is the first copy, and the permanent shift of the
    /// stream, if this packet proves one.
    pub(super) fn arrive(&mut self, packet: &Candidate) -> (bool, Option<Nanos>) {
        let first = self.merge.insert(packet.sequence, packet.position);
        let followed = self.followed == packet.leg;
        let last_arrival = self.path(packet.leg).last_arrival;
        let away = last_arrival.is_some_and(|last| packet.sample.at.since(last) > FORGET_DELAY);
        if away && !followed {
            let rate = RatePrior::inferred(self.media_rate());
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

    /// Assumes a shift of the followed leg, because all packets arrive too late. Returns its size;
    /// `None` if they are not late compared with earlier packets of that leg.
    pub(super) fn assume_shift(&mut self, now: LocalTime) -> Option<Nanos> {
        let shift = self.paths[self.followed as usize].arrivals.assume_shift(now)?;
        Some(Nanos::from_nanos_f64(libm::round(shift.later_ns)))
    }

    /// Handles a shift of the followed leg. Returns the shift if the whole stream has shifted. If
    /// the other leg delivers packets as before, the shift is compensated instead, and `None` is
    /// returned.
    fn shifted(&mut self, now: LocalTime, shift: &Shift) -> Option<Nanos> {
        let later = Nanos::from_nanos_f64(libm::round(shift.later_ns));
        let other = self.path(self.followed.other());
        if other.is_silent(now) || other.arrivals.is_unsteady(now, BOTH_SHIFT) {
            return Some(later);
        }
        self.carried += later;
        None
    }

    /// Whether `leg` may begin a new timeline. Only the followed leg may, unless it is silent,
    /// because skewed legs change to the new timeline at different times.
    pub(super) fn decides(&self, leg: Leg, now: LocalTime) -> bool {
        leg == self.followed || self.path(self.followed).is_silent(now)
    }

    /// The followed leg's clock, and the time to subtract from the leg's arrivals.
    pub(super) fn clock(&self) -> Option<(ClockMap, Nanos)> {
        Some((self.path(self.followed).arrivals.map()?, self.carried))
    }

    /// Rate of the sender's media clock relative to the host's.
    pub(super) fn media_rate(&self) -> Ppb {
        self.rate_by(self.clock())
    }

    /// Like [`Legs::media_rate`], given the result of [`Legs::clock`].
    pub(super) fn rate_by(&self, clock: Option<(ClockMap, Nanos)>) -> Ppb {
        self.known.or_measured(clock.map(|(map, _)| map))
    }

    /// Keeps the rate of [`Legs::clock`] as the prior if it is known accurately.
    pub(super) fn learn_rate(&mut self, clock: Option<(ClockMap, Nanos)>) {
        self.known.learn(clock.map(|(map, _)| map));
    }

    /// Jitter of the followed leg's arrivals.
    pub(super) fn jitter(&self) -> Nanos {
        self.path(self.followed).arrivals.jitter()
    }

    /// Sequence counts of both legs together. A packet is lost if it arrived on neither leg;
    /// reordered packets and restarts are summed.
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

    /// Statistics of each leg.
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

    /// Amount by which packets arrive later on `leg` than on the followed leg.
    fn lag(&self, leg: Leg, now: LocalTime) -> Option<Nanos> {
        let [followed, other] = [self.followed, leg].map(|leg| self.path(leg).arrivals.map());
        Some(Nanos::from_nanos_f64(libm::round(followed?.offset_ns(now) - other?.offset_ns(now))))
    }

    /// Follows the other leg if the followed leg has failed and the other leg's clock is known
    /// accurately enough.
    fn follow(&mut self, now: LocalTime) {
        let other = self.followed.other();
        if !self.path(self.followed).is_silent(now) || self.path(other).is_silent(now) {
            return;
        }
        let [Some(old), Some(new)] = [self.followed, other].map(|leg| self.path(leg).arrivals.map()) else { return };
        // The map of a leg that has just begun may be less accurate than the old map, whose
        // uncertainty grows slowly.
        let settled = new.rate_sigma() <= SETTLED_RATE || new.sigma_ns(now) < old.sigma_ns(now);
        if let Some(lag) = self.lag(other, now).filter(|_| settled) {
            self.carried += lag;
            self.followed = other;
        }
    }
}

/// Distinguishes the first copy of each packet from later ones, across both legs.
#[derive(Debug)]
struct Merge {
    /// Position of the newest packet for each sequence number, which is taken modulo the length.
    positions: Box<[i64]>,
    newest: Option<SequenceNumber>,
    /// Index of the newest packet: its unwrapped sequence number, counted from the first packet
    /// received.
    newest_index: i64,
    /// Number of packets with audio that were sent from the oldest received packet to the newest
    /// one.
    span: u64,
    received: u64,
    copies: u64,
    /// Sequence numbers of the last packets without audio, and how many of them have arrived since
    /// the newest packet with audio.
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

    /// Records a packet. Returns whether it is the first one with its sequence number and position.
    /// A copy that arrives more than [`REMEMBERED`] packets later is mistaken for a first one; the
    /// jitter buffer then finds that its frames are present or have been played.
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

    /// Records the sequence number of a packet without audio, so that it does not count as lost.
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

    /// Index of a packet that is not newer than the newest one: its unwrapped sequence number.
    fn index_of(&self, sequence: SequenceNumber) -> i64 {
        let behind = self.newest.map_or(0, |newest| newest.get().wrapping_sub(sequence.get()).cast_signed());
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
            // The packet may be older than the first packet that was received.
            self.span = self.span.max(u64::from(behind) + 1);
            return;
        } else {
            self.span += 1;
            self.newest_index += 1;
        }
        self.newest = Some(sequence);
    }
}
