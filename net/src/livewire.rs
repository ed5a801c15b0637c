//! Receives the advertisements of Livewire nodes.

use crate::error::Result;
use crate::interface::Interface;
use crate::socket::{Inbox, ROUND, Socket, SocketConfig};
use crate::worker::{Context, Urgency, Worker};
use engine::announce::livewire::{GROUP, LivewireDirectory, LivewireEvent, PORT};
use std::net::SocketAddrV4;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Maximum length of a datagram, which is longer than any advertisement.
const LONGEST_DATAGRAM: usize = 4096;
/// Maximum number of events that wait to be polled.
const MAX_EVENTS: usize = 4096;

/// Receives the advertisements on an interface. Ends when it is dropped.
#[derive(Debug)]
pub struct LivewireListener {
    events: Receiver<LivewireEvent>,
    _worker: Worker,
}

impl LivewireListener {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the port is refused.
    pub fn start(interface: &Interface) -> Result<Self> {
        let socket = Socket::open(SocketConfig::receive(interface.clone(), SocketAddrV4::new(GROUP, PORT), None))?;
        let (tell, events) = sync_channel(MAX_EVENTS);
        let worker = Worker::spawn("livewire", Urgency::Normal, move |context| listen(context, socket, &tell))?;
        Ok(Self { events, _worker: worker })
    }

    /// The next change that has not been polled yet.
    #[must_use]
    pub fn poll_event(&self) -> Option<LivewireEvent> {
        self.events.try_recv().ok()
    }
}

fn listen(context: &Context, mut socket: Socket, tell: &SyncSender<LivewireEvent>) {
    let mut directory = LivewireDirectory::default();
    let mut inbox = Inbox::new(LONGEST_DATAGRAM);
    while !context.is_stopping() {
        // Socket errors are ignored, because they are temporary, and advertisements are repeated.
        let round = socket.receive(&mut inbox, ROUND, |received, datagram| {
            let node = *received.source.ip();
            if let Err(refusal) = directory.handle_datagram(received.at, node, datagram) {
                tracing::debug!("advertisement of {node} refused: {refusal}");
            }
        });
        directory.handle_timeout(round.until);
        while let Some(event) = directory.poll_event() {
            if tell.try_send(event).is_err() {
                tracing::debug!("nobody takes the changes of advertisements");
            }
        }
        context.wait(&[socket.waitable()], [directory.poll_timeout()]);
    }
}
