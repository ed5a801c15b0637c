//! The target depth: what was asked for, raised when packets come too late.
//!
//! Model: a packet that misses its playout by some time would have been there, had playout been deeper by that time. So the target is raised by it, once, and
//! the packet is still played. It is never lowered while the source lasts: each change is a crossfade that may be heard, and a network that was late
//! once is late again.

use super::stream::StreamConfig;
use crate::units::Nanos;

/// The target is raised in steps, so that packets that are each a little later than the last cost few jumps. Steps of this size are
/// jumped over anyway, rather than slewed.
const STEP: Nanos = Nanos::from_millis(2);

#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    asked: Nanos,
    limit: Nanos,
    raised_by: Nanos,
}

impl Depth {
    pub(super) fn new(config: &StreamConfig) -> Self {
        Self { asked: config.target_depth, limit: config.depth_limit, raised_by: Nanos::ZERO }
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

    /// How long a packet may have been on its way to be played yet, by callbacks of a length: one
    /// fetches a whole block at once. Where the depth may be raised, the first late packet raises
    /// it.
    pub(super) fn latest(&self, block: Nanos) -> Nanos {
        self.target().min(self.asked.max(self.limit) - block)
    }

    /// Another source may come by a better way.
    pub(super) fn reset(&mut self) {
        self.raised_by = Nanos::ZERO;
    }

    /// A packet was `late` for its playout. Returns by how much the target is raised: nothing if the limit would not let it be played either,
    /// because depth that saves nothing is only latency.
    pub(super) fn raise(&mut self, late: Nanos) -> Nanos {
        let room = self.limit - self.target();
        if late <= Nanos::ZERO || late > room {
            return Nanos::ZERO;
        }
        let steps = (late.as_nanos() + STEP.as_nanos() - 1) / STEP.as_nanos();
        let raise = STEP.times(steps).min(room);
        self.raised_by += raise;
        raise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(limit: Nanos) -> Depth {
        Depth { asked: Nanos::from_millis(30), limit, raised_by: Nanos::ZERO }
    }

    #[test]
    fn raises_are_whole_steps_up_to_the_limit() {
        let mut depth = depth(Nanos::from_millis(45));
        assert_eq!(depth.raise(Nanos::from_micros(2_100)), Nanos::from_millis(4));
        assert_eq!(depth.raise(Nanos::from_millis(12)), Nanos::ZERO, "cannot be saved");
        assert_eq!(depth.raise(Nanos::from_micros(10_900)), Nanos::from_millis(11), "up to the limit");
        assert_eq!(depth.raise(Nanos::new(1)), Nanos::ZERO);
        assert_eq!((depth.target(), depth.raised_by()), (Nanos::from_millis(45), Nanos::from_millis(15)));
        depth.reset();
        assert_eq!(depth.target(), depth.asked());
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
            assert_eq!(depth(limit).raise(Nanos::from_millis(1)), Nanos::ZERO);
        }
    }
}
