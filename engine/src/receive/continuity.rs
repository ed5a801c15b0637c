//! Decides which packets continue the stream when several senders claim to be its source.
//!
//! Model: the packets of one sender form a *line*: with each sequence number, the timestamp
//! advances by the frames of one packet. A line that has been regular for [`REGULAR`] is
//! *established*. From then on, a packet continues the stream if it is on that line, does not
//! arrive before it can have been sent, and is not longer than the line's packets. Any other packet
//! is *held*. If the established line continues in the meantime, the held packets are from another
//! sender and are refused. If the line has ended (it has been silent for longer than the usual
//! interval between its packets), the sender itself has jumped to new sequence numbers or
//! timestamps: the held packets are released in order, and none is lost. If the sender jumps after
//! a pause, its packets are not held at all.
//!
//! There is no majority vote: one packet of the established line outweighs any number of others,
//! however fast they arrive. Breakdown points: an attack succeeds if the attacker
//!
//! * sends the stream's next packets, with its sequence numbers and timestamps, before the sender
//!   does, but by less than the variation of the arrivals (the two cannot be distinguished then);
//! * begins before the line has been regular for [`REGULAR`], so that no line is established;
//! * begins when the sender has been silent for [`LONGEST_PATIENCE`]. The sender's line is
//!   remembered for [`REMEMBERED`] after that, and the sender's first packet on it ends the attack.
//!
//! Memory is bounded: [`LINES`] lines, and [`MOST_EARLY`] packets.

use super::redundancy::Leg;
use crate::rtp::sequence::SequenceNumber;
use crate::rtp::wire::{RtpPacket, Ssrc};
use crate::units::{Frames, LocalTime, Nanos, RtpTimestamp, SampleRate};
use std::collections::VecDeque;
use std::net::IpAddr;

/// How long a line must be regular before it is established. Judgement: longer than it takes to
/// prove that packets permanently arrive earlier, so that such packets are held only once.
const REGULAR: Nanos = Nanos::from_millis(750);
/// Minimum number of packets in a line that is established. Judgement: with 20 ms packets, the
/// longest in use, they last about as long as [`REGULAR`].
const REGULAR_PACKETS: u32 = 32;
/// Accepted range of the ratio of a line's media time to the elapsed time. Judgement: wide enough
/// for a description that states 44.1 kHz instead of 48 kHz, or the reverse.
const ADVANCE: std::ops::RangeInclusive<f64> = 0.8..=1.25;
/// Maximum number of lines that are watched at the same time. Judgement: the stream's line, the
/// previous one, and six that claim to follow it.
const LINES: usize = 8;
/// Maximum number of packets that are held. Judgement: 128 ms of 1 ms packets. Without an attack,
/// the end of a line is detected before more packets than this arrive.
const MOST_HELD: usize = 128;
/// Maximum number of packets that are held because they are on the line but early. Judgement: when
/// a path that is shorter by a second replaces the old one, about this many 1 ms packets overtake
/// the last packets of the old path.
const MOST_EARLY: usize = 1024;
/// Silence after which a line has ended, as a multiple of its longest recent gap (numerator and
/// denominator). Judgement: a margin of half a gap.
const GAPS: (i64, i64) = (3, 2);
/// Minimum silence after which a line has ended, in packet times of the line. Judgement: reordered
/// and lost packets leave gaps of two or three packet times.
const PACKETS_APART: i64 = 4;
/// Minimum silence after which a line has ended; the longer of this time and [`PACKETS_APART`]
/// packet times applies. Judgement: a host may timestamp packets late by this much.
const SHORTEST_PATIENCE: Nanos = Nanos::from_millis(5);
/// Silence after which a line has ended in any case; during an attack, only this limit applies.
/// Derived: the silence after which another source may take over.
const LONGEST_PATIENCE: Nanos = Nanos::from_millis(250);
/// An attack is considered over when no packet has been refused for this long. Judgement: longer
/// than [`LONGEST_PATIENCE`].
const ATTACK: Nanos = Nanos::from_secs(1);
/// Time constant with which the longest gap decays. Judgement: long enough to contain several
/// bursts of a bursty network.
const GAP_MEMORY: Nanos = Nanos::from_secs(4);
/// How long a line that has ended is remembered. Judgement: longer than it takes to notice an
/// attack.
const REMEMBERED: Nanos = Nanos::from_secs(10);
/// Packets that are older than the newest one by more than this do not belong to the stream.
/// Judgement: slightly less than the 1 s that counts as a jump of the timestamps.
const OLDEST: Nanos = Nanos::from_millis(900);
/// Largest number of frames in a packet; a larger difference between consecutive timestamps is a
/// jump. Judgement: packets in use have at most 1920.
const MOST_FRAMES: i64 = 8192;
/// Maximum number of consecutive packets without audio after which a line is still recognised.
/// Judgement: keep-alives are sent one at a time.
const MOST_SKIPPED: i64 = 4;

/// A datagram as it was received.
///
/// ```
/// use engine::receive::{Continuity, Datagram, Verdict};
/// use engine::rtp::{leg::Leg, wire::RtpPacket};
/// use engine::{LocalTime, SampleRate};
/// let mut stream = Continuity::new(SampleRate::HZ_48000);
/// let bytes = [0x80, 96, 0, 1, 0, 0, 0, 240, 0, 0, 0, 9, 1, 2, 3];
/// let datagram = Datagram { leg: Leg::A, at: LocalTime::ZERO, from: None, bytes: &bytes };
/// let packet = RtpPacket::parse(datagram.bytes)?;
/// // No line is established yet, so any packet belongs to the stream.
/// assert_eq!(stream.judge(datagram, &packet, 1, false), Verdict::Take);
/// # Ok::<(), engine::rtp::wire::RtpError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Leg of a redundant stream.
    pub leg: Leg,
    /// Time of reception.
    pub at: LocalTime,
    /// Sender, if known.
    pub from: Option<IpAddr>,
    /// The datagram.
    pub bytes: &'a [u8],
}

/// A datagram that is held until the state of its line is known.
#[derive(Clone, Debug)]
pub struct Held {
    leg: Leg,
    at: LocalTime,
    from: Option<IpAddr>,
    bytes: Box<[u8]>,
}

impl Held {
    /// The datagram as it was received.
    #[must_use]
    pub fn datagram(&self) -> Datagram<'_> {
        Datagram { leg: self.leg, at: self.at, from: self.from, bytes: &self.bytes }
    }
}

/// The decision on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The packet belongs to the stream, and follows the packets that [`Continuity::poll_released`]
    /// returns.
    Take,
    /// The packet is held, or refused at once because too many packets are held.
    Held,
}

/// Consecutive packets of one sender.
#[derive(Clone, Copy, Debug)]
struct Line {
    ssrc: Ssrc,
    payload_type: u8,
    sequence: SequenceNumber,
    timestamp: RtpTimestamp,
    at: LocalTime,
    /// Number of frames by which the timestamp advances from packet to packet, and its variation;
    /// `None` before the second packet.
    frames: Option<i64>,
    varies: i64,
    /// Length of the longest payload, bytes.
    length: usize,
    /// Number of packets without audio since the newest packet with audio; number of recent packets
    /// without audio; and when the last one arrived.
    skipped: i64,
    skipped_lately: i64,
    skipped_at: LocalTime,
    /// When the current regular run began, its first timestamp, and its number of packets.
    since: LocalTime,
    first: RtpTimestamp,
    packets: u32,
    /// Whether the line has ever been established.
    proven: bool,
}

impl Line {
    fn new(now: LocalTime, packet: &RtpPacket<'_>) -> Self {
        let header = packet.header;
        Self {
            ssrc: header.ssrc,
            payload_type: header.payload_type.get(),
            sequence: header.sequence,
            timestamp: header.timestamp,
            at: now,
            frames: None,
            varies: 0,
            length: packet.payload.len(),
            skipped: 0,
            skipped_lately: 0,
            skipped_at: LocalTime::ZERO,
            since: now,
            first: header.timestamp,
            packets: 1,
            proven: false,
        }
    }

    /// Number of packets by which a packet is ahead of the newest one of this line; `None` if it is
    /// not on the line.
    fn place(&self, packet: &RtpPacket<'_>) -> Option<i64> {
        let header = packet.header;
        if (header.ssrc, header.payload_type.get()) != (self.ssrc, self.payload_type) {
            return None;
        }
        let ahead = i64::from(header.sequence.get().wrapping_sub(self.sequence.get()).cast_signed());
        let advance = i64::from(header.timestamp.get().wrapping_sub(self.timestamp.get()).cast_signed());
        let is_on = match self.frames {
            _ if ahead == 0 => advance == 0,
            None => ahead == 1 && (1..=MOST_FRAMES).contains(&advance),
            // The packet may be older than some packets without audio.
            Some(frames) if ahead < 0 && advance % frames.max(1) == 0 => {
                let is_recent = self.at.since(self.skipped_at) <= OLDEST;
                let skipped = if is_recent { self.skipped_lately } else { 0 };
                (0..=skipped).contains(&(advance / frames.max(1) - ahead))
            }
            Some(frames) if ahead == 1 && !self.proven && (advance - frames).abs() <= 1 + frames / 8 => true,
            Some(frames) => (0..=self.skipped).any(|skipped| {
                let sent = ahead - if ahead > skipped { skipped } else { 0 };
                (advance - sent * frames).abs() <= ahead.abs() * self.varies
            }),
        };
        is_on.then_some(ahead)
    }

    /// Extends this line by a packet that is newer than its newest one.
    fn extend(&mut self, now: LocalTime, ahead: i64, packet: &RtpPacket<'_>) {
        let advance = i64::from(packet.header.timestamp.get().wrapping_sub(self.timestamp.get()).cast_signed());
        if ahead == 1 && !self.proven {
            let frames = *self.frames.get_or_insert(advance);
            self.varies = self.varies.max((advance - frames).abs());
        }
        if !self.proven {
            self.length = self.length.max(packet.payload.len());
        }
        if now.since(self.at) > LONGEST_PATIENCE {
            (self.since, self.first, self.packets) = (now, packet.header.timestamp, 0);
        }
        (self.sequence, self.timestamp, self.at) = (packet.header.sequence, packet.header.timestamp, now);
        self.skipped = 0;
        self.packets = self.packets.saturating_add(1);
    }

    /// Whether this line is regular enough to be established.
    fn is_regular(&self, rate: SampleRate) -> bool {
        let elapsed = self.at.since(self.since);
        let advance = self.timestamp.get().wrapping_sub(self.first.get());
        let share = f64::from(advance) / rate.frames_in(elapsed).max(1.0);
        elapsed >= REGULAR && self.packets >= REGULAR_PACKETS && ADVANCE.contains(&share)
    }

    /// Whether a packet is too far behind the newest one to belong to the stream.
    fn is_old(&self, rate: SampleRate, ahead: i64) -> bool {
        self.packet_time(rate).times(-ahead) > OLDEST
    }

    /// Time between two packets of this line.
    fn packet_time(&self, rate: SampleRate) -> Nanos {
        rate.duration(Frames::new(self.frames.unwrap_or(0)))
    }
}

/// The newest packet that has been accepted.
#[derive(Clone, Copy, Debug)]
struct Tail {
    ssrc: Ssrc,
    sequence: SequenceNumber,
    /// Timestamp of the frame that follows its audio.
    end: RtpTimestamp,
    at: LocalTime,
}

/// Distinguishes the packets of a stream from packets of other senders that use the same SSRC.
#[derive(Clone, Debug)]
pub struct Continuity {
    rate: SampleRate,
    lines: [Option<Line>; LINES],
    /// Index of the established line.
    established: Option<usize>,
    /// Longest recent interval between two packets of the established line.
    gap: Nanos,
    tail: Option<Tail>,
    /// When a packet was last refused.
    attacked_at: Option<LocalTime>,
    held: VecDeque<Held>,
    /// Consecutive early packets of the established line.
    early_in_a_row: usize,
    released: VecDeque<Held>,
    refused: u64,
}

impl Continuity {
    /// Creates the state for a stream with this sample rate. No line is established yet.
    #[must_use]
    pub fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            lines: [None; LINES],
            established: None,
            gap: Nanos::ZERO,
            tail: None,
            attacked_at: None,
            held: VecDeque::new(),
            early_in_a_row: 0,
            released: VecDeque::new(),
            refused: 0,
        }
    }

    /// Judges the packet in a datagram, which has `frames` frames in the described format.
    /// `is_early` states whether the packet arrives before it can have been sent, according to the
    /// estimate of the sender's clock. If the packet is accepted, the packets that
    /// [`Continuity::poll_released`] returns precede it.
    #[expect(clippy::cast_possible_truncation, reason = "a packet has fewer than 2^16 frames")]
    pub fn judge(&mut self, datagram: Datagram<'_>, packet: &RtpPacket<'_>, frames: usize, is_early: bool) -> Verdict {
        let header = packet.header;
        let end = RtpTimestamp::new(header.timestamp.get().wrapping_add(frames as u32));
        let tail = self.tail;
        let verdict = self.judge_next(datagram, packet, tail, is_early);
        let is_newer =
            |tail: Tail| tail.ssrc != header.ssrc || header.sequence.get().wrapping_sub(tail.sequence.get()) < 1 << 15;
        if verdict == Verdict::Take && tail.is_none_or(is_newer) {
            self.tail = Some(Tail { ssrc: header.ssrc, sequence: header.sequence, end, at: datagram.at });
        }
        verdict
    }

    fn judge_next(
        &mut self,
        datagram: Datagram<'_>,
        packet: &RtpPacket<'_>,
        tail: Option<Tail>,
        is_early: bool,
    ) -> Verdict {
        let now = datagram.at;
        let Some((index, line)) = self.established() else {
            self.follow(now, packet);
            return Verdict::Take;
        };
        let place = line.place(packet);
        if place.is_some_and(|ahead| ahead > 0) && line.at.since(now) > SHORTEST_PATIENCE {
            self.reacquire(now, packet);
            return Verdict::Take;
        }
        let is_ours = |ahead: &i64| {
            packet.payload.len() <= line.length && !line.is_old(self.rate, *ahead) && (*ahead <= 0 || !is_early)
        };
        if let Some(ahead) = place.filter(is_ours) {
            if ahead > 0 {
                self.advance(index, now, ahead, packet);
            }
            return Verdict::Take;
        }
        if place.is_none() {
            self.follow(now, packet);
        }
        if now.since(line.at) < self.patience(now, &line) {
            if !is_early && !self.is_attacked(now) && self.is_of_another_length(now, &line, packet, place, tail) {
                return Verdict::Take;
            }
            if place.is_some() {
                self.early_in_a_row += 1;
            }
            if self.early_in_a_row > MOST_EARLY {
                self.reacquire(now, packet);
                return Verdict::Take;
            }
            self.hold(datagram, if place.is_some() { MOST_EARLY } else { MOST_HELD });
            return Verdict::Held;
        }
        if let Some(ahead) = place {
            // The packet is on the sender's line, but arrives early or is longer than the line's
            // packets, so the line starts again with this packet.
            let mut line = Line { proven: false, length: packet.payload.len(), packets: 0, since: now, ..line };
            line.first = packet.header.timestamp;
            line.extend(now, ahead.max(0), packet);
            self.lines[index] = Some(line);
        }
        self.established = None;
        self.released.append(&mut self.held);
        Verdict::Take
    }

    /// Records that a packet without audio has used a sequence number of the stream.
    pub fn skip(&mut self, ssrc: Ssrc, sequence: SequenceNumber) {
        for line in self.lines.iter_mut().flatten().filter(|line| line.ssrc == ssrc) {
            let ahead = i64::from(sequence.get().wrapping_sub(line.sequence.get()));
            if ahead == line.skipped + 1 && ahead <= MOST_SKIPPED {
                line.skipped = ahead;
                let is_recent = line.at.since(line.skipped_at) <= OLDEST;
                line.skipped_lately = if is_recent { line.skipped_lately + 1 } else { 1 };
                line.skipped_at = line.at;
            }
        }
    }

    /// Removes and returns the next packet that was held and has been found to belong to the
    /// stream.
    pub fn poll_released(&mut self) -> Option<Held> {
        self.released.pop_front()
    }

    /// Whether the established line is active, in which case other packets do not belong to the
    /// stream.
    #[must_use]
    pub fn goes_on(&self, now: LocalTime) -> bool {
        self.established().is_some_and(|(_, line)| now.since(line.at) < self.patience(now, &line))
    }

    /// Frames per packet of the established line.
    #[must_use]
    pub fn packet_frames(&self) -> Option<i64> {
        self.established().and_then(|(_, line)| line.frames)
    }

    /// Returns and resets the number of refused packets.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// Whether the newest held packet comes from this source.
    #[must_use]
    pub fn holds_of(&self, ssrc: Ssrc) -> bool {
        let newest = self.held.back().and_then(|held| RtpPacket::parse(&held.bytes).ok());
        newest.is_some_and(|newest| newest.header.ssrc == ssrc)
    }

    /// Discards all lines and held packets, and counts the held packets as refused.
    pub fn restart(&mut self) {
        *self = Self { refused: self.refused + self.held.len() as u64, ..Self::new(self.rate) };
    }

    /// Restarts because the host's clock was set back or the host was stalled, so that earlier
    /// times are invalid. The evidence is a packet with an earlier time than the previous one, or a
    /// burst of more early packets of the stream than can be held. To imitate such a burst, an
    /// attacker would have to send that many packets between two of the sender's packets.
    fn reacquire(&mut self, now: LocalTime, packet: &RtpPacket<'_>) {
        (self.lines, self.established, self.attacked_at) = ([None; LINES], None, None);
        self.early_in_a_row = 0;
        self.released.append(&mut self.held);
        self.follow(now, packet);
    }

    fn established(&self) -> Option<(usize, Line)> {
        let index = self.established?;
        Some((index, (*self.lines.get(index)?)?))
    }

    /// How long the established line may be silent before it is considered to have ended.
    fn patience(&self, now: LocalTime, line: &Line) -> Nanos {
        if self.is_attacked(now) {
            return LONGEST_PATIENCE;
        }
        let gaps = Nanos::new(self.gap.as_nanos() / GAPS.1 * GAPS.0);
        let least = SHORTEST_PATIENCE.max(line.packet_time(self.rate).times(PACKETS_APART));
        gaps.max(least).min(LONGEST_PATIENCE)
    }

    /// Whether the stream continues with packets of a different length: the packet must begin where
    /// the previous one ended. In addition, a longer packet must not arrive before its last frame
    /// can have been captured, with a tolerance of a quarter of its length. During an attack,
    /// packets of a different length are not accepted.
    fn is_of_another_length(
        &self,
        now: LocalTime,
        line: &Line,
        packet: &RtpPacket<'_>,
        place: Option<i64>,
        tail: Option<Tail>,
    ) -> bool {
        let header = packet.header;
        let before = SequenceNumber::new(header.sequence.get().wrapping_sub(1));
        let Some(tail) =
            tail.filter(|tail| (tail.ssrc, tail.sequence, tail.end) == (header.ssrc, before, header.timestamp))
        else {
            return false;
        };
        if packet.payload.len() <= line.length {
            return place.is_none();
        }
        // The described format may be wrong, so the number of frames is derived from the payload
        // length and the line's own packets.
        let frames =
            line.frames.unwrap_or(0) * Frames::of(packet.payload.len()).get() / Frames::of(line.length.max(1)).get();
        let length = self.rate.duration(Frames::new(frames));
        now.since(tail.at) >= Nanos::new(length.as_nanos() / 4 * 3)
    }

    fn is_attacked(&self, now: LocalTime) -> bool {
        self.attacked_at.is_some_and(|at| now.since(at) < ATTACK)
    }

    /// Continues the established line with a packet.
    fn advance(&mut self, index: usize, now: LocalTime, ahead: i64, packet: &RtpPacket<'_>) {
        let Some(line) = &mut self.lines[index] else { return };
        let gap = now.since(line.at).min(LONGEST_PATIENCE);
        line.extend(now, ahead, packet);
        self.early_in_a_row = 0;
        let forgotten = self.gap.as_nanos_f64() * (gap.as_secs_f64() / GAP_MEMORY.as_secs_f64());
        self.gap = gap.max(self.gap - Nanos::from_nanos_f64(forgotten));
        if !self.held.is_empty() {
            self.settle(index, now, packet);
        }
    }

    /// Decides on the held packets after the established line has continued with `newest`.
    fn settle(&mut self, index: usize, now: LocalTime, newest: &RtpPacket<'_>) {
        let Some(line) = self.lines[index] else { return };
        for held in std::mem::take(&mut self.held) {
            let Ok(packet) = RtpPacket::parse(&held.bytes) else { continue };
            let is_ours = |ahead: &i64| packet.payload.len() <= line.length && !line.is_old(self.rate, *ahead);
            match line.place(&packet).filter(is_ours) {
                // The established line has not yet reached the held packet's position.
                Some(1..) => self.held.push_back(held),
                // The line has passed the held packet's position, and no other packet had this
                // position, so the held packet was early but genuine.
                Some(..0) => self.released.push_back(held),
                // The held packet is a copy of the newest packet.
                Some(0) if packet.payload == newest.payload => self.released.push_back(held),
                Some(0) | None => self.refuse(now),
            }
        }
    }

    /// Holds a packet, unless too many are held.
    fn hold(&mut self, datagram: Datagram<'_>, most: usize) {
        if self.held.len() >= most {
            return self.refuse(datagram.at);
        }
        let Datagram { leg, at, from, bytes } = datagram;
        self.held.push_back(Held { leg, at, from, bytes: bytes.into() });
    }

    fn refuse(&mut self, now: LocalTime) {
        self.refused += 1;
        self.attacked_at = Some(now);
    }

    /// Records a packet outside the established line on its own line, which may become established.
    fn follow(&mut self, now: LocalTime, packet: &RtpPacket<'_>) {
        let place = |line: &Option<Line>| line.as_ref().and_then(|line| line.place(packet));
        let Some(index) = self.lines.iter().position(|line| place(line).is_some()) else {
            let oldest = self.replaceable_line(now);
            self.lines[oldest] = Some(Line::new(now, packet));
            return;
        };
        let Some(line) = &mut self.lines[index] else { return };
        let ahead = line.place(packet).unwrap_or(0);
        if ahead <= 0 {
            return;
        }
        line.proven &= now.since(line.at) <= REMEMBERED;
        line.extend(now, ahead, packet);
        if self.established.is_none() && (line.proven || line.is_regular(self.rate)) {
            self.establish(index);
        }
    }

    fn establish(&mut self, index: usize) {
        let lines = self.lines.iter_mut().enumerate().filter_map(|(at, line)| Some((at, line.as_mut()?)));
        lines.for_each(|(at, line)| line.proven = at == index);
        self.established = Some(index);
    }

    /// Index of the line that is least likely to be the stream's. A new line replaces it.
    fn replaceable_line(&self, now: LocalTime) -> usize {
        let worth = |(index, line): &(usize, &Option<Line>)| {
            let Some(line) = line else { return (0, 0, LocalTime::ZERO) };
            let is_kept = Some(*index) == self.established || (line.proven && now.since(line.at) <= REMEMBERED);
            let is_alive = now.since(line.at) <= LONGEST_PATIENCE;
            (1 + u8::from(is_alive) + 2 * u8::from(is_kept), line.packets.min(REGULAR_PACKETS), line.at)
        };
        self.lines.iter().enumerate().min_by_key(worth).map_or(0, |(index, _)| index)
    }
}

#[cfg(test)]
mod tests;
