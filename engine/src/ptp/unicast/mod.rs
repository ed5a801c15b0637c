//! Unicast negotiation as a slave (IEEE 1588-2019, 16.1): the slave requests messages, and masters
//! grant them for a limited time.
//!
//! Model: all masters in a table are asked for Announces, so that the best master clock algorithm
//! can select one. The selected master is asked for Syncs and Delay_Resps, too. A grant is renewed
//! after three quarters of its duration. An unanswered request is repeated after 1 s, then at
//! intervals that double up to 8 s; a denied request is repeated at intervals that double from 2 s
//! up to 64 s. If granted messages stop, they are requested again, because the master may have
//! restarted and lost its grants.
//!
//! Contract (sans-IO): after every call, the port polls `Negotiation::poll_signal` for messages to
//! send, and calls `Negotiation::handle_timeout` when `Negotiation::poll_timeout` is due.

mod config;
#[cfg(test)]
mod tests;
mod tlv;

pub use config::{UnicastConfig, UnicastMasters};
pub use tlv::{LONGEST_TLV, Service, UnicastTlv};

use super::diagnosis::Instead;
use super::transmit::PeerAddress;
use super::wire::PortIdentity;
use crate::event_queue::EventQueue;
use crate::units::{LocalTime, Nanos};
use std::collections::VecDeque;
use std::fmt;

/// Time until a request is first repeated. The time doubles with each repetition, up to a factor of
/// 2^n, with different limits n for unanswered and for denied requests.
const RETRY: Nanos = Nanos::from_secs(1);
const LONGEST_UNANSWERED: u32 = 3;
const LONGEST_DENIED: u32 = 6;
/// Number of unanswered requests after which an event is reported.
const UNANSWERED_LIMIT: u32 = 3;
/// A grant is renewed after 3/4 of its duration, as in linuxptp.
const RENEWAL: (i64, i64) = (3, 4);
/// For each service, the number of intervals without a message after which a grant is considered
/// lost; [`SILENCE`] is added to this time. The number for Announces is the announce receipt
/// timeout. The number for Delay_Resps is the largest, because Delay_Reqs are spaced at random and
/// some are lost.
const SILENT_INTERVALS: [i64; 3] = [3, 8, 16];
const SILENCE: Nanos = Nanos::from_secs(1);
/// Accepted intervals, 2^n s.
const INTERVALS: (i8, i8) = (-7, 5);
/// Maximum number of events that wait in the queue.
const MAX_EVENTS: usize = 32;

/// An event for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnicastEvent {
    /// The master's address.
    pub master: PeerAddress,
    /// The requested service.
    pub service: Service,
    /// The outcome.
    pub what: UnicastOutcome,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnicastOutcome {
    /// The request was granted for the first time, or again after a loss.
    Granted {
        /// Interval between messages, 2^n s.
        log_interval: i8,
        /// Duration of the grant.
        duration_s: u32,
    },
    /// The request was denied.
    Denied,
    /// Requests are not answered.
    Unanswered,
    /// The master has cancelled its grant.
    Cancelled,
    /// The grant has ended, and was not renewed.
    Expired,
    /// The request was granted, but no messages arrive.
    Silent,
}

impl fmt::Display for UnicastEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { master, service, what } = self;
        match what {
            UnicastOutcome::Granted { log_interval, duration_s } => {
                let interval = Nanos::from_log2_secs(*log_interval);
                write!(f, "unicast master {master} grants {service} every {interval} for {duration_s} s")
            }
            UnicastOutcome::Denied => write!(f, "unicast master {master} denies {service}: it is asked again"),
            UnicastOutcome::Unanswered => {
                write!(f, "unicast master {master} does not answer {UNANSWERED_LIMIT} requests for {service}")
            }
            UnicastOutcome::Cancelled => write!(f, "unicast master {master} cancels {service}"),
            UnicastOutcome::Expired => write!(f, "unicast master {master} has not renewed {service}"),
            UnicastOutcome::Silent => write!(f, "unicast master {master} has granted {service}, and none comes"),
        }
    }
}

/// A Signaling message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) to: PeerAddress,
    /// The addressed port; all ones if the master's port is unknown.
    pub(super) target: PortIdentity,
    /// Encoded TLVs.
    pub(super) tlvs: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    interval: Nanos,
    until: LocalTime,
    heard_at: LocalTime,
}

/// The negotiation of one service with one master.
#[derive(Clone, Copy, Debug)]
struct Contract {
    service: Service,
    wanted: bool,
    /// When to send the next request.
    next: LocalTime,
    /// Requests since the last answer.
    requests: u32,
    /// Consecutive denials.
    denials: u32,
    grant: Option<Grant>,
}

impl Contract {
    fn silent_at(&self, grant: &Grant) -> LocalTime {
        grant.heard_at + grant.interval.times(SILENT_INTERVALS[self.service as usize]) + SILENCE
    }

    /// When and why the grant will end by itself.
    fn end(&self) -> Option<(LocalTime, UnicastOutcome)> {
        let grant = self.grant.as_ref()?;
        let silent = (self.silent_at(grant), UnicastOutcome::Silent);
        let expired = (grant.until, UnicastOutcome::Expired);
        Some(if silent.0 < expired.0 { silent } else { expired })
    }

    fn due(&self) -> Option<LocalTime> {
        self.wanted.then_some(self.next).into_iter().chain(self.end().map(|(at, _)| at)).min()
    }
}

#[derive(Clone, Debug)]
struct Master {
    address: PeerAddress,
    /// The port identity that the master's messages state.
    port: Option<PortIdentity>,
    contracts: [Contract; 3],
}

/// The negotiation with all masters in a table.
#[derive(Clone, Debug)]
pub(super) struct Negotiation {
    duration_s: u32,
    /// Requested interval for each service, 2^n s.
    log_intervals: [i8; 3],
    masters: Vec<Master>,
    signals: VecDeque<Signal>,
    events: EventQueue<UnicastEvent, MAX_EVENTS>,
}

impl Negotiation {
    /// Creates a negotiation that begins to send requests at `now`, for Announces, Syncs and
    /// Delay_Resps at the given intervals, 2^n s.
    pub(super) fn new(config: &UnicastConfig, log_intervals: [i8; 3], now: LocalTime) -> Self {
        let contract = |service: Service| Contract {
            service,
            wanted: service == Service::Announce,
            next: now,
            requests: 0,
            denials: 0,
            grant: None,
        };
        let master = |address| Master { address, port: None, contracts: Service::ALL.map(contract) };
        Self {
            duration_s: config.duration_s,
            log_intervals,
            masters: config.masters.iter().map(master).collect(),
            signals: VecDeque::new(),
            events: EventQueue::default(),
        }
    }

    /// Whether this is the address of a master in the table.
    pub(super) fn knows(&self, address: PeerAddress) -> bool {
        self.masters.iter().any(|master| master.address == address)
    }

    /// The interval at which a master has granted a service.
    pub(super) fn interval(&self, address: PeerAddress, service: Service) -> Option<Nanos> {
        let master = self.masters.iter().find(|master| master.address == address)?;
        Some(master.contracts[service as usize].grant?.interval)
    }

    /// Records the arrival of a message that belongs to a granted service.
    pub(super) fn heard(&mut self, now: LocalTime, address: PeerAddress, service: Service) {
        if let Some(grant) = self.contract(address, service).and_then(|contract| contract.grant.as_mut()) {
            grant.heard_at = now;
        }
    }

    /// Requests Syncs and Delay_Resps from the selected master only.
    pub(super) fn select(&mut self, now: LocalTime, selected: Option<PeerAddress>) {
        let Self { masters, signals, .. } = self;
        for master in masters {
            let wanted = Some(master.address) == selected;
            let mut cancelled = Vec::new();
            for contract in &mut master.contracts {
                if contract.service == Service::Announce || contract.wanted == wanted {
                    continue;
                }
                (contract.wanted, contract.next, contract.requests, contract.denials) = (wanted, now, 0, 0);
                if contract.grant.take().is_some() {
                    cancelled.extend(UnicastTlv::Cancel(contract.service).emit());
                }
            }
            push_signal(signals, master, cancelled);
        }
    }

    /// Cancels the grants, and stops requesting.
    pub(super) fn release(&mut self) {
        let Self { masters, signals, .. } = self;
        for master in masters {
            let mut cancelled = Vec::new();
            for contract in &mut master.contracts {
                contract.wanted = false;
                if contract.grant.take().is_some() {
                    cancelled.extend(UnicastTlv::Cancel(contract.service).emit());
                }
            }
            push_signal(signals, master, cancelled);
        }
    }

    /// Handles a TLV in a Signaling message from `port` at `address`. Returns the service and
    /// interval that the TLV grants, if any.
    pub(super) fn handle_tlv(
        &mut self,
        now: LocalTime,
        address: PeerAddress,
        port: PortIdentity,
        tlv: &UnicastTlv,
    ) -> Option<(Service, i8)> {
        let most_s = self.duration_s;
        let master = self.masters.iter_mut().find(|master| master.address == address)?;
        master.port = Some(port);
        match *tlv {
            UnicastTlv::Grant { service, log_interval, duration_s, .. } => {
                let contract = &mut master.contracts[service as usize];
                if !contract.wanted || contract.requests == 0 {
                    return None;
                }
                let log_interval = log_interval.clamp(INTERVALS.0, INTERVALS.1);
                let what = match contract.granted(now, log_interval, duration_s.min(most_s)) {
                    Granted::Denied => UnicastOutcome::Denied,
                    Granted::Anew => UnicastOutcome::Granted { log_interval, duration_s },
                    Granted::Renewed => return Some((service, log_interval)),
                };
                self.events.push(UnicastEvent { master: address, service, what });
                (what != UnicastOutcome::Denied).then_some((service, log_interval))
            }
            UnicastTlv::Cancel(service) => {
                let contract = &mut master.contracts[service as usize];
                let had = contract.grant.take().is_some();
                if had {
                    (contract.requests, contract.next) = (0, now + RETRY);
                }
                let acknowledged = UnicastTlv::AcknowledgeCancel(service).emit();
                push_signal(&mut self.signals, master, acknowledged);
                if had {
                    self.events.push(UnicastEvent { master: address, service, what: UnicastOutcome::Cancelled });
                }
                None
            }
            // A request from another slave, or the answer to our cancellation, requires no action.
            UnicastTlv::Request { .. } | UnicastTlv::AcknowledgeCancel(_) => None,
        }
    }

    /// Ends expired grants, and sends the requests that are due.
    pub(super) fn handle_timeout(&mut self, now: LocalTime) {
        let (duration_s, log_intervals) = (self.duration_s, self.log_intervals);
        let Self { masters, signals, events, .. } = self;
        for master in masters {
            let mut requests = Vec::new();
            for contract in &mut master.contracts {
                let mut tell =
                    |what| events.push(UnicastEvent { master: master.address, service: contract.service, what });
                if let Some((_, why)) = contract.end().filter(|&(at, _)| at <= now) {
                    contract.grant = None;
                    if why == UnicastOutcome::Silent {
                        (contract.requests, contract.next) = (0, now);
                    }
                    tell(why);
                }
                if !contract.wanted || contract.next > now {
                    continue;
                }
                if contract.requests == UNANSWERED_LIMIT {
                    tell(UnicastOutcome::Unanswered);
                }
                let log_interval = log_intervals[contract.service as usize];
                requests.extend(UnicastTlv::Request { service: contract.service, log_interval, duration_s }.emit());
                contract.next = now + RETRY.times(1 << contract.requests.min(LONGEST_UNANSWERED));
                contract.requests = contract.requests.saturating_add(1);
            }
            push_signal(signals, master, requests);
        }
    }

    /// When [`Negotiation::handle_timeout`] is due next.
    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        self.masters.iter().flat_map(|master| &master.contracts).filter_map(Contract::due).min()
    }

    /// Why no master in the table announces itself, if this is known.
    pub(super) fn obstacle(&self) -> Option<Instead> {
        let contracts =
            || self.masters.iter().map(|master| (master.address, &master.contracts[Service::Announce as usize]));
        if contracts().any(|(_, contract)| contract.grant.is_some()) {
            return None;
        }
        let denied = contracts().find(|(_, contract)| contract.denials > 0);
        let asked = contracts().find(|(_, contract)| contract.requests > 0);
        denied.map(|(master, _)| Instead::UnicastDenied(master)).or_else(|| {
            asked.map(|(master, contract)| Instead::UnicastUnanswered { master, requests: contract.requests })
        })
    }

    /// The next message to send.
    pub(super) fn poll_signal(&mut self) -> Option<Signal> {
        self.signals.pop_front()
    }

    /// The next event that has not been polled yet.
    pub(super) fn poll_event(&mut self) -> Option<UnicastEvent> {
        self.events.pop()
    }

    fn contract(&mut self, address: PeerAddress, service: Service) -> Option<&mut Contract> {
        let master = self.masters.iter_mut().find(|master| master.address == address)?;
        master.contracts.get_mut(service as usize)
    }
}

/// How a master has answered a request.
enum Granted {
    Anew,
    Renewed,
    Denied,
}

impl Contract {
    /// Handles the answer to a request.
    fn granted(&mut self, now: LocalTime, log_interval: i8, duration_s: u32) -> Granted {
        self.requests = 0;
        if duration_s == 0 {
            // An existing grant lasts until it expires, even if its renewal is denied.
            self.denials = self.denials.saturating_add(1);
            self.next = now + RETRY.times(1 << self.denials.min(LONGEST_DENIED));
            return Granted::Denied;
        }
        self.denials = 0;
        let duration = Nanos::from_secs(i64::from(duration_s));
        let heard_at = self.grant.map_or(now, |grant| grant.heard_at);
        let interval = Nanos::from_log2_secs(log_interval);
        let before = self.grant.replace(Grant { interval, until: now + duration, heard_at });
        self.next = now + Nanos::new(duration.as_nanos() / RENEWAL.1 * RENEWAL.0);
        if before.is_some() { Granted::Renewed } else { Granted::Anew }
    }
}

/// Queues a message for a master. The queue is bounded: if the caller does not drain it, no more
/// messages are queued.
fn push_signal(signals: &mut VecDeque<Signal>, master: &Master, tlvs: Vec<u8>) {
    if !tlvs.is_empty() && signals.len() < 4 * UnicastMasters::MOST {
        signals.push_back(Signal { to: master.address, target: master.port.unwrap_or(PortIdentity::EVERYBODY), tlvs });
    }
}
