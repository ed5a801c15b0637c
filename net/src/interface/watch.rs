//! Watches which interfaces exist.
//!
//! Model: querying the system takes up to a few ms, which a thread that sends cannot spare. So a
//! separate thread queries the system twice a second, and all sockets of the process share the
//! resulting list. As long as nothing changes, the list remains the same object, so a socket only
//! compares pointers.

use super::{Interface, InterfaceError, same};
use crate::clock;
use crate::error::Result;
use crate::worker::{Context, Urgency, Worker};
use arc_swap::ArcSwap;
use engine::Nanos;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How often the system is queried.
const INTERVAL: Nanos = Nanos::from_millis(500);

/// Watches the interfaces of this host. Ends when the last owner drops it.
#[derive(Debug)]
pub(crate) struct Watch {
    latest: Arc<ArcSwap<Vec<Interface>>>,
    _worker: Worker,
}

/// The watcher that is currently running, if any.
static SHARED: Mutex<Weak<Watch>> = Mutex::new(Weak::new());

impl Watch {
    /// Returns this process's watcher, and starts it if necessary.
    ///
    /// # Errors
    /// If the system does not report its interfaces, or a thread cannot be started.
    pub(crate) fn shared() -> Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let latest = Arc::new(ArcSwap::from_pointee(Interface::all()?));
        let publish = Arc::clone(&latest);
        let worker = Worker::spawn("interfaces", Urgency::Normal, move |context| follow(context, &publish))?;
        let new = Arc::new(Self { latest, _worker: worker });
        *shared = Arc::downgrade(&new);
        Ok(new)
    }

    /// All interfaces.
    pub(crate) fn latest(&self) -> Arc<Vec<Interface>> {
        self.latest.load_full()
    }

    /// The current state of the interface `known`.
    ///
    /// # Errors
    /// If no interface has its name or its address.
    pub(crate) fn again(&self, known: &Interface) -> std::result::Result<Interface, InterfaceError> {
        let all = self.latest.load();
        match same(&all, known) {
            Some(found) => Ok(found.clone()),
            None => Err(InterfaceError::Unknown { wanted: known.name.clone(), there: all.to_vec() }),
        }
    }
}

fn follow(context: &Context, latest: &ArcSwap<Vec<Interface>>) {
    let mut due = clock::now() + INTERVAL;
    while !context.is_stopping() {
        context.wait(&[], [Some(due)]);
        if clock::now() < due {
            continue;
        }
        due = clock::now() + INTERVAL;
        // If the system reports no list this time, it may do so the next time.
        if let Ok(all) = Interface::all()
            && all != **latest.load()
        {
            latest.store(Arc::new(all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_share_one_that_knows_loopback() {
        let watch = Watch::shared().unwrap();
        assert!(Arc::ptr_eq(&watch, &Watch::shared().unwrap()));
        let loopback = Interface::find(Some("127.0.0.1")).unwrap();
        assert_eq!(watch.again(&loopback).unwrap(), loopback);
        let renumbered = Interface { index: loopback.index + 7, ..loopback.clone() };
        assert_eq!(watch.again(&renumbered).unwrap(), loopback);
        let none = Interface { name: "none9".to_owned(), address: [192, 0, 2, 1].into(), ..loopback };
        assert!(watch.again(&none).unwrap_err().to_string().contains("there is no network interface none9"));
    }
}
