//! A bounded queue of events that wait to be polled.

use std::collections::VecDeque;

/// A queue of at most `CAPACITY` events. A full queue drops its oldest event, so that its memory
/// stays bounded even if the caller never polls, and a caller that polls late gets the newest
/// events.
#[derive(Clone, Debug)]
pub(crate) struct EventQueue<T, const CAPACITY: usize>(VecDeque<T>);

impl<T, const CAPACITY: usize> Default for EventQueue<T, CAPACITY> {
    fn default() -> Self {
        const { assert!(CAPACITY > 0, "an event must fit") };
        Self(VecDeque::new())
    }
}

impl<T, const CAPACITY: usize> EventQueue<T, CAPACITY> {
    /// Adds an event.
    pub(crate) fn push(&mut self, event: T) {
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// Removes and returns the oldest event.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    /// Number of waiting events.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::EventQueue;

    #[test]
    fn a_full_queue_drops_its_oldest_event() {
        let mut queue = EventQueue::<u32, 3>::default();
        (0..5).for_each(|event| queue.push(event));
        assert_eq!(queue.len(), 3);
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [2, 3, 4]);
    }
}
