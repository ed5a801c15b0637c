//! The event queue: events are ordered by integer time, then by class, then by the order of
//! scheduling, and by nothing else.

use super::sender::SenderEvent;
use crate::models::TrueTime;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;

/// The kinds of events. At equal times, events are handled in the order of the variants: causes
/// before observers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A fault begins or ends: index into the scenario's faults.
    Fault { index: usize, begins: bool },
    /// A master's Announce is due.
    Announce(usize),
    /// A master's Sync is due.
    Sync(usize),
    /// The talker's next packet is complete.
    Packet,
    /// A Delay_Req reaches a master.
    AtMaster(usize, Vec<u8>),
    /// An event of the engine's sender.
    Sender(SenderEvent),
    /// The receiver's program learns of a datagram.
    AtReceiver(Port, Ipv4Addr, Vec<u8>),
    /// The device that disturbs PTP sends.
    Malformed,
    /// An attack sends: index into the scenario's faults.
    Attack(usize),
    /// The attacker receives a datagram that the receiver sends.
    Overheard(Vec<u8>),
    /// A delayed transmit timestamp reaches the program.
    Stamp,
    /// The receiver's timer; stale if the number is not that of the latest request.
    Timer(u64),
    /// A callback of the sound card is due.
    Callback,
    /// A row of the trace is due.
    Row,
}

/// The receiver's threads: each reads its sockets in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Port {
    /// 319 and 320.
    Ptp,
    /// The stream's.
    Media,
    /// The stream's, of its second leg.
    MediaB,
}

#[derive(Debug, Default)]
pub(super) struct EventQueue {
    heap: BinaryHeap<Reverse<(TrueTime, u8, u64, Event)>>,
    scheduled: u64,
}

impl EventQueue {
    pub(super) fn push(&mut self, at: TrueTime, event: Event) {
        self.scheduled += 1;
        self.heap.push(Reverse((at, class(&event), self.scheduled, event)));
    }

    pub(super) fn pop(&mut self) -> Option<(TrueTime, Event)> {
        self.heap.pop().map(|Reverse((at, _, _, event))| (at, event))
    }

    /// How many events were scheduled.
    pub(super) fn scheduled(&self) -> u64 {
        self.scheduled
    }
}

fn class(event: &Event) -> u8 {
    match event {
        Event::Fault { .. } => 0,
        Event::Announce(_) | Event::Sync(_) | Event::Packet | Event::Malformed | Event::Attack(_) => 1,
        Event::Sender(SenderEvent::Announce(_) | SenderEvent::Sync(_)) => 1,
        Event::AtMaster(..) | Event::Overheard(_) | Event::Sender(SenderEvent::AtMaster(..)) => 2,
        Event::AtReceiver(..) | Event::Stamp | Event::Sender(SenderEvent::AtSender(_)) => 3,
        Event::Timer(_) | Event::Sender(SenderEvent::Timer(_)) => 4,
        Event::Callback | Event::Sender(SenderEvent::Captured) => 5,
        Event::Row => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_then_class_then_order_of_scheduling() {
        let mut queue = EventQueue::default();
        queue.push(5, Event::Row);
        queue.push(5, Event::Callback);
        queue.push(5, Event::AtReceiver(Port::Media, Ipv4Addr::LOCALHOST, vec![2]));
        queue.push(5, Event::AtReceiver(Port::Media, Ipv4Addr::LOCALHOST, vec![1]));
        queue.push(3, Event::Row);
        let order: Vec<Event> = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        let media = |byte| Event::AtReceiver(Port::Media, Ipv4Addr::LOCALHOST, vec![byte]);
        assert_eq!(order, [Event::Row, media(2), media(1), Event::Callback, Event::Row]);
    }
}
