//! Sets a socket up again when its interface has changed or sending fails.

use super::stamping::Stamping;
use super::{Socket, bind};
use crate::clock;
use crate::error::{Error, Result};
use crate::interface::{Interface, Watch};
use engine::{LocalTime, Nanos};
use socket2::SockRef;
use std::sync::Arc;

/// Time from the first failure to the first attempt, and the longest interval between attempts.
/// Attempts are rare enough to cost nothing while a cable is disconnected, and frequent enough to
/// notice soon that it is connected again.
const FIRST_RETRY: Nanos = Nanos::from_millis(100);
const LONGEST_RETRY: Nanos = Nanos::from_secs(2);

/// Whether a socket works, as far as known, and when to set it up again.
#[derive(Debug)]
pub(super) struct Recovery {
    watch: Arc<Watch>,
    /// The interfaces that existed when the socket was last checked.
    seen: Arc<Vec<Interface>>,
    /// When the socket will be set up again because it does not work, and the interval until the
    /// next attempt.
    retry_at: Option<LocalTime>,
    retry: Nanos,
}

impl Recovery {
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        let seen = watch.latest();
        Self { watch, seen, retry_at: None, retry: FIRST_RETRY }
    }

    /// All interfaces of this host.
    pub(super) fn interfaces(&self) -> Arc<Vec<Interface>> {
        self.watch.latest()
    }

    /// Records that a datagram was sent.
    pub(super) fn sent(&mut self) {
        (self.retry_at, self.retry) = (None, FIRST_RETRY);
    }

    /// Records that a datagram could not be sent, or a group could not be joined.
    pub(super) fn failed(&mut self, now: LocalTime) {
        self.retry_at.get_or_insert(now + self.retry);
    }

    /// Whether an attempt is due at `now`, or the interfaces have changed.
    fn is_due(&mut self, now: LocalTime) -> bool {
        let latest = self.watch.latest();
        let has_changed = !Arc::ptr_eq(&latest, &self.seen);
        self.seen = latest;
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.retry = self.retry.times(2).min(LONGEST_RETRY);
            return true;
        }
        has_changed
    }
}

impl Socket {
    /// Sets the socket up again if its interface has changed, or if it does not work. Call this
    /// several times a second.
    pub(crate) fn attend(&mut self, now: LocalTime) {
        let failed = self.recovery.retry_at.is_some();
        if !self.recovery.is_due(now) {
            return;
        }
        match self.recovery.watch.again(&self.config.interface) {
            // Only other interfaces have changed.
            Ok(found) if found == self.config.interface && !failed => {}
            Ok(_) => self.set_up_anew(),
            // The next attempt is not due yet.
            Err(_) => self.recovery.failed(now),
        }
    }

    /// The interface in its current state.
    pub(crate) const fn interface(&self) -> &Interface {
        &self.config.interface
    }

    /// Looks the interface up again and joins the groups on it. Packets that arrive between leaving
    /// and joining are lost, so nothing else is done in between.
    pub(super) fn set_up_anew(&mut self) {
        let found = self.recovery.watch.again(&self.config.interface);
        self.leave();
        let done = found.map_err(Error::from).and_then(|found| self.use_interface(found));
        if let Err(error) = done {
            // The groups are joined again as before, as far as possible.
            let _ = self.join();
            self.recovery.failed(clock::now());
            tracing::info!("a socket could not be set up again; the next attempt follows: {error}");
        }
    }

    fn use_interface(&mut self, found: Interface) -> Result<()> {
        let is_bound_elsewhere = self.config.follows_interface && *self.config.bind.ip() != found.address;
        if found != self.config.interface {
            tracing::info!("{} is {found} now", self.config.interface);
        }
        self.config.interface = found;
        if is_bound_elsewhere {
            return self.bind_anew();
        }
        let again = SockRef::from(&self.socket).set_multicast_if_v4(&self.config.interface.address);
        again.map_err(Error::io("cannot send by the interface"))?;
        self.join()?;
        if self.stamping.look_again(&self.socket, &self.config.interface, clock::now()) {
            self.numbered_from = self.sent;
        }
        Ok(())
    }

    /// Replaces a socket that is bound to an old address of the interface. The new socket has the
    /// same port, because other hosts may use this port.
    fn bind_anew(&mut self) -> Result<()> {
        let port = self.local_address().map_or(self.config.bind.port(), |address| address.port());
        let mut config = self.config.clone();
        config.bind.set_ip(config.interface.address);
        config.bind.set_port(port);
        self.socket = bind(&config)?;
        self.config.bind.set_ip(config.interface.address);
        self.stamping = Stamping::enable(
            &self.socket,
            &self.config.interface,
            self.config.timestamps,
            self.config.transmit_timestamps,
        );
        (self.numbered_from, self.taken_until, self.told_until) = (self.sent, clock::now(), clock::now());
        self.join()
    }
}
