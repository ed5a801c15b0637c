//! When a socket is set up anew, and how.

use super::stamping::Stamping;
use super::{Socket, bind};
use crate::clock;
use crate::error::{Error, Result};
use crate::interface::{Interface, Watch};
use engine::{LocalTime, Nanos};
use socket2::SockRef;
use std::sync::Arc;

/// From the first failure to the first try, and the longest between two tries: a cable that is out
/// for a night costs nothing, and one that is back is noticed at once.
const FIRST_RETRY: Nanos = Nanos::from_millis(100);
const LONGEST_RETRY: Nanos = Nanos::from_secs(2);

/// Whether a socket works, as far as it has shown.
#[derive(Debug)]
pub(super) struct Recovery {
    watch: Arc<Watch>,
    /// The interfaces that there were when the socket was looked at last.
    seen: Arc<Vec<Interface>>,
    /// When it is set up anew because it does not work, and how long it is waited after that.
    retry_at: Option<LocalTime>,
    retry: Nanos,
}

impl Recovery {
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        let seen = watch.latest();
        Self { watch, seen, retry_at: None, retry: FIRST_RETRY }
    }

    /// The interfaces of this host.
    pub(super) fn interfaces(&self) -> Arc<Vec<Interface>> {
        self.watch.latest()
    }

    /// A datagram was sent.
    pub(super) fn sent(&mut self) {
        (self.retry_at, self.retry) = (None, FIRST_RETRY);
    }

    /// A datagram could not be sent, or a group not be joined.
    pub(super) fn failed(&mut self, now: LocalTime) {
        self.retry_at.get_or_insert(now + self.retry);
    }

    /// Whether something is to be done at `now`.
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
    /// Sees to it that the socket goes on working when its interface has changed; called several
    /// times a second.
    pub(crate) fn attend(&mut self, now: LocalTime) {
        let failed = self.recovery.retry_at.is_some();
        if !self.recovery.is_due(now) {
            return;
        }
        match self.recovery.watch.again(&self.config.interface) {
            // Others have changed.
            Ok(found) if found == self.config.interface && !failed => {}
            Ok(_) => self.set_up_anew(),
            // It is waited for.
            Err(_) => self.recovery.failed(now),
        }
    }

    /// The interface that it belongs to now.
    pub(crate) const fn interface(&self) -> &Interface {
        &self.config.interface
    }

    /// Finds the interface again, and joins the groups again there. Between leaving and joining a
    /// packet may come, so nothing is done in between.
    pub(super) fn set_up_anew(&mut self) {
        let found = self.recovery.watch.again(&self.config.interface);
        self.leave();
        let done = found.map_err(Error::from).and_then(|found| self.use_interface(found));
        if let Err(error) = done {
            // What was left is joined again as it was, as far as it can be.
            let _ = self.join();
            self.recovery.failed(clock::now());
            tracing::info!("a socket could not be set up anew, and is tried later: {error}");
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

    /// Takes another socket in place of one that is bound to an address which is not the
    /// interface's any more; with the same port, by which others may know it.
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
