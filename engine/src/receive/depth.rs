//! The target depth: what was asked for, raised when packets come too late.
//!
//! Model: a packet that misses its playout by some time would have been there, had playout been deeper by that time. So the target is raised by it, once, and
//! the packet is still played. It is never lowered while the source lasts: each change is a crossfade that may be heard, and a network that was late
//! once is late again.

use super::stream::StreamConfig;
use crate::units::{LocalTime, Nanos};

/// The target is raised in steps, so that packets that are each a little later than the last cost few jumps. Steps of this size are
/// jumped over anyway, rather than slewed.
const STEP: Nanos = Nanos::from_millis(2);
/// Raises within this time are of one trouble: longer than it takes to prove that packets come
/// later for good.
const ONE_TROUBLE: Nanos = Nanos::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    asked: Nanos,
    limit: Nanos,
    raised_by: Nanos,
    /// What it was raised by before the present trouble, and when it was raised last.
    raised_before: Nanos,
    raised_at: LocalTime,
}

impl Depth {
    pub(super) fn new(config: &StreamConfig) -> Self {
        Self {
            asked: config.target_depth,
            limit: config.depth_limit,
            raised_by: Nanos::ZERO,
            raised_before: Nanos::ZERO,
            raised_at: LocalTime::ZERO,
        }
    }

    pub(super) fn asked(&self) -> Nanos {
        self.asked
    }

    pub(super) fn target(&self) -> Nanos {
        self.asked + self.raised_by
    }

    pub(super) fn raised_by(&self) -> Nanos {
        self.raised_by
    }

    /// The deepest that the target may ever be.
    pub(super) fn deepest(&self) -> Nanos {
        self.asked.max(self.limit)
    }

    /// How long a packet may have been on its way to be played yet, by callbacks of a length: one
    /// fetches a whole block at once. Where the depth may be raised, the first late packet raises
    /// it.
    pub(super) fn latest(&self, block: Nanos) -> Nanos {
        self.target().min(self.deepest() - block)
    }

    /// Another source may come by a better way.
    pub(super) fn reset(&mut self) {
        (self.raised_by, self.raised_before) = (Nanos::ZERO, Nanos::ZERO);
    }

    /// Whether the present trouble has raised the target.
    pub(super) fn was_raised_lately(&self, now: LocalTime) -> bool {
        self.raised_by > self.raised_before && now.since(self.raised_at) <= ONE_TROUBLE
    }

    /// The packets that have just been late come later for good: takes back what they raised the
    /// target by, and returns that.
    pub(super) fn lower_again(&mut self, now: LocalTime) -> Nanos {
        if !self.was_raised_lately(now) {
            return Nanos::ZERO;
        }
        let lowered = self.raised_by - self.raised_before;
        self.raised_by = self.raised_before;
        lowered
    }

    /// A packet was `late` for its playout. Returns by how much the target is raised: nothing if the limit would not let it be played either,
    /// because depth that saves nothing is only latency.
    pub(super) fn raise(&mut self, now: LocalTime, late: Nanos) -> Nanos {
        let room = self.limit - self.target();
        if late <= Nanos::ZERO || late > room {
            return Nanos::ZERO;
        }
        let steps = (late.as_nanos() + STEP.as_nanos() - 1) / STEP.as_nanos();
        let raise = STEP.times(steps).min(room);
        if now.since(self.raised_at) > ONE_TROUBLE {
            self.raised_before = self.raised_by;
        }
        self.raised_at = now;
        self.raised_by += raise;
        raise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: LocalTime = LocalTime::ZERO;

    fn depth(limit: Nanos) -> Depth {
        let none = Nanos::ZERO;
        let asked = Nanos::from_millis(30);
        Depth { asked, limit, raised_by: none, raised_before: none, raised_at: LocalTime::ZERO }
    }

    #[test]
    fn raises_are_whole_steps_up_to_the_limit() {
        let mut depth = depth(Nanos::from_millis(45));
        assert_eq!(depth.raise(NOW, Nanos::from_micros(2_100)), Nanos::from_millis(4));
        assert_eq!(depth.raise(NOW, Nanos::from_millis(12)), Nanos::ZERO, "cannot be saved");
        assert_eq!(depth.raise(NOW, Nanos::from_micros(10_900)), Nanos::from_millis(11), "up to the limit");
        assert_eq!(depth.raise(NOW, Nanos::new(1)), Nanos::ZERO);
        assert_eq!((depth.target(), depth.raised_by()), (Nanos::from_millis(45), Nanos::from_millis(15)));
        depth.reset();
        assert_eq!(depth.target(), depth.asked());
    }

    #[test]
    fn what_a_trouble_raised_is_lowered_again_and_nothing_else() {
        let at = |ms: i64| LocalTime::ZERO + Nanos::from_millis(ms);
        let mut depth = depth(Nanos::from_millis(200));
        depth.raise(at(5_000), Nanos::from_millis(4));
        depth.raise(at(10_000), Nanos::from_millis(6));
        depth.raise(at(10_500), Nanos::from_millis(8));
        assert_eq!(depth.lower_again(at(11_000)), Nanos::from_millis(14));
        assert_eq!(depth.raised_by(), Nanos::from_millis(4));
        assert_eq!(depth.lower_again(at(11_100)), Nanos::ZERO);
        depth.raise(at(20_000), Nanos::from_millis(2));
        assert_eq!(depth.lower_again(at(21_500)), Nanos::ZERO, "that was another trouble");
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
            assert_eq!(depth(limit).raise(NOW, Nanos::from_millis(1)), Nanos::ZERO);
        }
    }
}
