//! The target depth: the requested depth, which is increased when packets arrive too late, and
//! decreased again when no packet has been late for some time.
//!
//! Model: a packet that misses its playout by some amount would have been played if the depth had
//! been larger by that amount. So the target is increased by that amount, and the packet can still
//! be played.
//!
//! Each change is a crossfade that may be audible, and a network that has delayed packets may do so
//! again. So the target is decreased only after a period in which every packet arrived early enough
//! for the smaller depth, with a margin. If an increase follows a decrease, the required period is
//! doubled.

use super::config::{DepthFrom, StreamConfig};
use crate::units::{LocalTime, Nanos};

/// The target is increased in steps of this size. Judgement: large enough that a run of ever later
/// packets causes few jumps; a phase error of this size triggers a jump anyway.
const STEP: Nanos = Nanos::from_millis(2);
/// Increases within this time of each other are attributed to the same cause. Judgement: longer
/// than it takes to prove that packets permanently arrive later.
const SAME_CAUSE_WITHIN: Nanos = Nanos::from_secs(1);
/// Time without late packets before the target is decreased. Judgement: a scan of a wireless
/// network, a backup or an update delays packets several times within a minute.
const QUIET: Nanos = Nanos::from_secs(60);
/// Maximum quiet time; doubling stops at this limit. Judgement: one delay per hour then causes two
/// crossfades per hour.
const LONGEST_QUIET: Nanos = Nanos::from_secs(3600);
/// Number of parts into which the quiet time is divided; the smallest margin is recorded for each
/// part. Judgement: the small margins at the end of a disturbance then have an effect for at most a
/// sixth of the quiet time longer than necessary.
const PARTS: usize = 6;
/// Minimum margin with which packets must still arrive in time after the target has been decreased.
/// Derived: one step.
const LEAST_MARGIN: Nanos = STEP;

#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    from: DepthFrom,
    /// The configured depth, and its configured limit.
    configured: (Nanos, Nanos),
    requested: Nanos,
    limit: Nanos,
    increase: Nanos,
    /// The increase before the current disturbance, and the time at which the target was last
    /// increased.
    increase_before: Nanos,
    increased_at: LocalTime,
    quiet: Quiet,
}

/// The current period without late or nearly late packets.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    since: LocalTime,
    /// Smallest margin of packets (time from arrival to playout) in each of the newest parts of the
    /// period, as a ring.
    margins: [Option<Nanos>; PARTS + 1],
    /// Index of the newest part.
    part: i64,
    /// How long the period must last before the target is decreased.
    necessary: Nanos,
    /// Whether the target has been decreased and not increased since.
    follows_decrease: bool,
}

impl Quiet {
    const NEW: Self =
        Self { since: LocalTime::ZERO, margins: [None; PARTS + 1], part: 0, necessary: QUIET, follows_decrease: false };

    fn begin(&mut self, now: LocalTime) {
        (self.since, self.margins, self.part) = (now, [None; PARTS + 1], 0);
    }

    /// The smallest margin so far in the current part.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "a small number of parts, and an index below it"
    )]
    fn newest(&mut self, now: LocalTime) -> &mut Option<Nanos> {
        let parts = self.margins.len() as i64;
        let part = now.since(self.since).as_nanos() * PARTS as i64 / self.necessary.as_nanos();
        for begun in self.part.max(part - parts) + 1..=part {
            self.margins[begun.rem_euclid(parts) as usize] = None;
        }
        self.part = self.part.max(part);
        &mut self.margins[self.part.rem_euclid(parts) as usize]
    }

    fn observe_margin(&mut self, now: LocalTime, margin: Nanos) {
        let newest = self.newest(now);
        *newest = Some(newest.map_or(margin, |least| least.min(margin)));
    }

    /// Smallest margin of all packets in the required period; `None` if this period is not over
    /// yet, or if no packet arrived in it.
    fn margin(&mut self, now: LocalTime) -> Option<Nanos> {
        if now.since(self.since) < self.necessary {
            return None;
        }
        self.newest(now);
        self.margins.iter().flatten().min().copied()
    }

    fn increased(&mut self) {
        if std::mem::replace(&mut self.follows_decrease, false) {
            self.necessary = self.necessary.times(2).min(LONGEST_QUIET);
        }
    }
}

impl Depth {
    pub(super) fn new(config: &StreamConfig) -> Self {
        Self {
            from: config.depth_from,
            configured: (config.target_depth, config.depth_limit),
            requested: config.target_depth,
            limit: config.depth_limit,
            increase: Nanos::ZERO,
            increase_before: Nanos::ZERO,
            increased_at: LocalTime::ZERO,
            quiet: Quiet::NEW,
        }
    }

    pub(super) fn requested(&self) -> Nanos {
        self.requested
    }

    pub(super) fn target(&self) -> Nanos {
        self.requested + self.increase
    }

    /// The current increase of the target.
    pub(super) fn increase(&self) -> Nanos {
        self.increase
    }

    /// Largest possible target.
    pub(super) fn maximum(&self) -> Nanos {
        self.requested.max(self.limit)
    }

    /// Largest network delay with which a packet can still be played, if each callback fetches a
    /// whole block of this length at once. The depth may have to be increased for that; the first
    /// late packet triggers the increase.
    pub(super) fn latest(&self, block: Nanos) -> Nanos {
        self.target().min(self.maximum() - block)
    }

    /// Begins with a new source, whose packets have this duration. The increase is discarded,
    /// because the new source may have a better network path.
    pub(super) fn begin(&mut self, packet: Nanos) {
        let (requested, limit) = self.configured;
        let until_sent = match self.from {
            DepthFrom::Sending => Nanos::ZERO,
            DepthFrom::Stamp => packet,
        };
        (self.requested, self.limit) = ((requested - until_sent).max(Nanos::ZERO), limit - until_sent);
        (self.increase, self.increase_before) = (Nanos::ZERO, Nanos::ZERO);
        self.quiet = Quiet::NEW;
    }

    /// Whether the current disturbance has increased the target.
    pub(super) fn was_increased_lately(&self, now: LocalTime) -> bool {
        self.increase > self.increase_before && now.since(self.increased_at) <= SAME_CAUSE_WITHIN
    }

    /// Undoes the increases of the current disturbance, because it turned out to be a permanent
    /// shift. Returns the decrease of the target.
    pub(super) fn undo_increase(&mut self, now: LocalTime) -> Nanos {
        if !self.was_increased_lately(now) {
            return Nanos::ZERO;
        }
        let decrease = self.increase - self.increase_before;
        self.increase = self.increase_before;
        decrease
    }

    /// Processes a packet that missed its playout by `late`. Returns the increase of the target.
    /// The increase is zero if the packet would be too late even at the limit, because more depth
    /// would then only add latency.
    pub(super) fn increase_for(&mut self, now: LocalTime, late: Nanos) -> Nanos {
        self.quiet.begin(now);
        let room = self.limit - self.target();
        if late <= Nanos::ZERO || late > room {
            return Nanos::ZERO;
        }
        let increase = steps(late.as_nanos() + STEP.as_nanos() - 1).min(room);
        if now.since(self.increased_at) > SAME_CAUSE_WITHIN {
            self.increase_before = self.increase;
        }
        self.increased_at = now;
        self.increase += increase;
        self.quiet.increased();
        increase
    }

    /// Processes a packet that arrived in time, `margin` early. A margin of less than
    /// [`LEAST_MARGIN`] plus one step restarts the quiet time.
    pub(super) fn observe_margin(&mut self, now: LocalTime, margin: Nanos) {
        if margin < STEP + LEAST_MARGIN {
            return self.quiet.begin(now);
        }
        self.quiet.observe_margin(now, margin);
    }

    /// Decreases the target if no packet has been late for the required time: by the whole increase
    /// or, after twice that time, by as much as the margin of the packets permits. Returns the
    /// decrease.
    pub(super) fn decrease(&mut self, now: LocalTime) -> Nanos {
        if self.increase == Nanos::ZERO {
            return Nanos::ZERO;
        }
        let Some(margin) = self.quiet.margin(now) else { return Nanos::ZERO };
        let is_long = now.since(self.quiet.since) >= self.quiet.necessary.times(2);
        if margin < self.increase + LEAST_MARGIN && !is_long {
            return Nanos::ZERO;
        }
        let decrease = steps((margin - LEAST_MARGIN).max(Nanos::ZERO).as_nanos()).min(self.increase);
        self.quiet.begin(now);
        self.increase = self.increase - decrease;
        self.increase_before = self.increase_before.min(self.increase);
        self.quiet.follows_decrease |= decrease > Nanos::ZERO;
        decrease
    }
}

/// The largest multiple of [`STEP`] that does not exceed this time in nanoseconds.
fn steps(ns: i64) -> Nanos {
    STEP.times(ns / STEP.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::format::{Encoding, StreamFormat};
    use crate::units::SampleRate;

    const NOW: LocalTime = LocalTime::ZERO;

    fn config(limit: Nanos) -> StreamConfig {
        let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2).unwrap();
        StreamConfig { depth_limit: limit, ..StreamConfig::new(format, Nanos::from_millis(30), 480) }
    }

    fn depth(limit: Nanos) -> Depth {
        Depth::new(&config(limit))
    }

    fn at(seconds: i64) -> LocalTime {
        LocalTime::ZERO + Nanos::from_secs(seconds)
    }

    #[test]
    fn raises_are_whole_steps_up_to_the_limit() {
        let mut depth = depth(Nanos::from_millis(45));
        assert_eq!(depth.increase_for(NOW, Nanos::from_micros(2_100)), Nanos::from_millis(4));
        assert_eq!(depth.increase_for(NOW, Nanos::from_millis(12)), Nanos::ZERO, "cannot be saved");
        assert_eq!(depth.increase_for(NOW, Nanos::from_micros(10_900)), Nanos::from_millis(11), "up to the limit");
        assert_eq!(depth.increase_for(NOW, Nanos::new(1)), Nanos::ZERO);
        assert_eq!((depth.target(), depth.increase()), (Nanos::from_millis(45), Nanos::from_millis(15)));
        depth.begin(Nanos::from_millis(1));
        assert_eq!(depth.target(), depth.requested());
    }

    #[test]
    fn what_a_trouble_raised_is_lowered_again_and_nothing_else() {
        let at = |ms: i64| LocalTime::ZERO + Nanos::from_millis(ms);
        let mut depth = depth(Nanos::from_millis(200));
        depth.increase_for(at(5_000), Nanos::from_millis(4));
        depth.increase_for(at(10_000), Nanos::from_millis(6));
        depth.increase_for(at(10_500), Nanos::from_millis(8));
        assert_eq!(depth.undo_increase(at(11_000)), Nanos::from_millis(14));
        assert_eq!(depth.increase(), Nanos::from_millis(4));
        assert_eq!(depth.undo_increase(at(11_100)), Nanos::ZERO);
        depth.increase_for(at(20_000), Nanos::from_millis(2));
        assert_eq!(depth.undo_increase(at(21_500)), Nanos::ZERO, "that was another trouble");
    }

    #[test]
    fn a_block_is_left_unless_the_depth_may_be_raised() {
        let block = Nanos::from_millis(10);
        for (limit, latest) in [(0, 20), (30, 20), (35, 25), (40, 30), (80, 30)] {
            assert_eq!(depth(Nanos::from_millis(limit)).latest(block), Nanos::from_millis(latest), "{limit}");
        }
    }

    #[test]
    fn without_room_the_depth_is_fixed() {
        for limit in [Nanos::ZERO, Nanos::from_millis(30)] {
            assert_eq!(depth(limit).increase_for(NOW, Nanos::from_millis(1)), Nanos::ZERO);
        }
    }

    #[test]
    fn a_depth_from_the_stamp_leaves_out_the_time_that_a_packet_takes_to_fill() {
        let ms = Nanos::from_millis;
        let config = StreamConfig { depth_from: DepthFrom::Stamp, ..config(ms(50)) };
        let mut depth = Depth::new(&config);
        depth.begin(ms(5));
        assert_eq!((depth.requested(), depth.target(), depth.maximum()), (ms(25), ms(25), ms(45)));
        depth.begin(ms(1));
        assert_eq!((depth.requested(), depth.maximum()), (ms(29), ms(49)));
        depth.begin(ms(40));
        assert_eq!(depth.requested(), Nanos::ZERO, "nothing is left");
    }

    /// Receives one packet per second with this margin. Returns the decreases of the target.
    fn quiet(depth: &mut Depth, seconds: std::ops::Range<i64>, margin_ms: i64) -> Vec<(i64, Nanos)> {
        let mut decrease = Vec::new();
        for second in seconds {
            depth.observe_margin(at(second), Nanos::from_millis(margin_ms));
            decrease.extend(Some((second, depth.decrease(at(second)))).filter(|(_, by)| *by > Nanos::ZERO));
        }
        decrease
    }

    #[test]
    fn a_quiet_time_lowers_what_was_raised_as_far_as_packets_come_in_time() {
        let ms = Nanos::from_millis;
        for (margin_ms, decrease) in [(40, vec![(70, ms(10))]), (7, vec![(130, ms(4))]), (3, vec![])] {
            let mut depth = depth(ms(200));
            depth.increase_for(at(10), ms(10));
            assert_eq!(quiet(&mut depth, 10..140, margin_ms), decrease, "{margin_ms} ms to spare");
        }
        let mut depth = depth(ms(200));
        depth.increase_for(at(10), ms(10));
        assert_eq!(depth.decrease(at(100)), Nanos::ZERO, "no packet came");
    }

    #[test]
    fn what_packets_had_to_spare_in_the_trouble_is_forgotten() {
        let ms = Nanos::from_millis;
        let mut depth = depth(ms(200));
        depth.increase_for(at(10), ms(10));
        quiet(&mut depth, 10..13, 5);
        // The part of 10 s that contains these packets ends at 20 s.
        assert_eq!(quiet(&mut depth, 13..140, 40), [(80, ms(10))]);
    }

    #[test]
    fn a_packet_that_is_late_begins_the_quiet_time_anew() {
        let ms = Nanos::from_millis;
        let mut depth = depth(ms(50));
        depth.increase_for(at(0), ms(10));
        assert_eq!(depth.increase_for(at(50), ms(100)), Nanos::ZERO, "beyond the limit");
        assert!(quiet(&mut depth, 51..80, 40).is_empty());
        depth.observe_margin(at(80), ms(3));
        assert_eq!(quiet(&mut depth, 81..200, 40), [(140, ms(10))], "one was nearly late");
    }

    #[test]
    fn each_raise_after_a_lowering_doubles_the_quiet_time_up_to_an_hour() {
        let ms = Nanos::from_millis;
        let mut depth = depth(ms(200));
        let mut now = 0;
        for necessary in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            // Two increases belong to one disturbance; the second one does not follow a decrease.
            depth.increase_for(at(now), ms(4));
            depth.increase_for(at(now), ms(4));
            assert_eq!(quiet(&mut depth, now..now + necessary + 1, 40), [(now + necessary, ms(8))]);
            now += necessary + 1;
        }
        depth.begin(ms(1));
        depth.increase_for(at(now), ms(4));
        assert_eq!(quiet(&mut depth, now..now + 61, 40), [(now + 60, ms(4))], "another source");
    }
}
