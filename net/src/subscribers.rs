//! Distributes the events of a thread to subscribers.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Maximum number of events that wait for a subscriber. Once it has this many, newer ones are lost.
const MAX_EVENTS: usize = 256;

#[derive(Debug)]
pub(crate) struct Subscribers<E>(Mutex<Vec<SyncSender<E>>>);

impl<E> Default for Subscribers<E> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<E: Clone> Subscribers<E> {
    /// Subscribes to all events from now on.
    pub(crate) fn subscribe(&self) -> Receiver<E> {
        let (sender, receiver) = sync_channel(MAX_EVENTS);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    pub(crate) fn tell(&self, event: &E) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| !matches!(one.try_send(event.clone()), Err(TrySendError::Disconnected(_))));
    }
}
