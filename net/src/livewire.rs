//! Advertisements of Livewire nodes.

use crate::error::Result;
use crate::interface::Interface;
use crate::socket::{Inbox, ROUND, Socket, SocketConfig};
use crate::worker::{Context, Urgency, Worker};
use engine::announce::livewire::{GROUP, LivewireDirectory, LivewireEvent, PORT};
use std::net::SocketAddrV4;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Longer than any datagram of theirs.
const LONGEST_DATAGRAM: usize = 4096;
/// Events that nobody has taken yet.
const MAX_EVENTS: usize = 4096;

/// Receives what is advertised on an interface until it is dropped.
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

    /// The next change that was not polled yet.
    #[must_use]
    pub fn poll_event(&self) -> Option<LivewireEvent> {
        self.events.try_recv().ok()
    }
}

fn listen(context: &Context, mut socket: Socket, tell: &SyncSender<LivewireEvent>) {
    let mut directory = LivewireDirectory::default();
    let mut inbox = Inbox::new(LONGEST_DATAGRAM);
    while !context.is_stopping() {
        // An error of the socket is temporary, and advertisements are repeated.
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
