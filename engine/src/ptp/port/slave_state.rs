//! State of a port as slave. Its parent is the master that it follows.

use crate::clock::SlaveClockConfig;
use crate::ptp::bmca::Candidate;
use crate::ptp::claims::Claims;
use crate::ptp::config::PortConfig;
use crate::ptp::delay_exchange::DelayExchange;
use crate::ptp::intervals::SyncIntervals;
use crate::ptp::plausibility::{Fault, Plausibility};
use crate::ptp::sync_exchange::SyncExchange;
use crate::ptp::transmit::NO_INTERVAL;
use crate::ptp::wire::{ClockIdentity, PortIdentity};
use crate::units::{LocalTime, Nanos};

/// Accepted Delay_Req intervals, 2^n s.
const DELAY_REQ_INTERVALS: (i8, i8) = (-7, 5);

/// The identity of a master: its port and its grandmaster.
pub(super) type MasterKey = (PortIdentity, ClockIdentity);

pub(super) fn key(master: &Candidate) -> MasterKey {
    (master.data.sender, master.data.grandmaster)
}

/// State of a port as slave.
pub(super) struct SlaveState {
    pub(super) parent: Option<Candidate>,
    /// The last parent, which is kept after the port has lost it.
    pub(super) last_parent: Option<MasterKey>,
    /// Whether the parent's time has been received since the parent was selected.
    pub(super) heard: bool,
    /// When the parent was selected.
    pub(super) since: LocalTime,
    /// When the clock was last locked, to any master.
    pub(super) locked_at: Option<LocalTime>,
    pub(super) sync: SyncExchange,
    pub(super) delay: DelayExchange,
    pub(super) claims: Claims,
    /// Departure of the last request whose answer was used.
    pub(super) answer_used: Option<LocalTime>,
    /// Round-trip time of the exchange that is passed to the servo next.
    pub(super) longest: Option<Nanos>,
    /// When the parent's last Sync was received, usable or not.
    pub(super) sync_heard: Option<LocalTime>,
    pub(super) plausibility: Plausibility,
    /// The fault that was last reported, while it lasts.
    pub(super) fault: Option<Fault>,
    /// Whether it has been reported that Follow_Ups contradict the twoStepFlag.
    pub(super) contradiction: bool,
    pub(super) intervals: SyncIntervals,
    pub(super) delay_interval: Nanos,
    pub(super) sync_interval: Nanos,
    /// The measured Sync interval, which is used to detect competing timestamps. In contrast,
    /// `sync_interval` also takes into account the interval that the messages state.
    pub(super) measured_sync_interval: Nanos,
    /// Lower bounds of `sync_interval` and `measured_sync_interval`: their last values while the
    /// clock was not locked.
    pub(super) shortest: (Nanos, Nanos),
    /// Consecutive Delay_Reqs that the parent has not answered.
    pub(super) unanswered: u32,
    /// Consecutive Delay_Reqs that the parent has answered, but whose departure time is unknown.
    pub(super) unstamped: u32,
    /// Whether Delay_Reqs are sent by multicast because the parent has not answered unicast
    /// Delay_Reqs.
    pub(super) fell_back: bool,
}

impl SlaveState {
    pub(super) fn new(config: &PortConfig) -> Self {
        Self {
            parent: None,
            last_parent: None,
            heard: false,
            since: LocalTime::ZERO,
            locked_at: None,
            sync: SyncExchange::default(),
            delay: DelayExchange::default(),
            claims: Claims::default(),
            answer_used: None,
            longest: None,
            sync_heard: None,
            plausibility: Plausibility::default(),
            fault: None,
            contradiction: false,
            intervals: SyncIntervals::default(),
            delay_interval: Nanos::from_log2_secs(config.log_min_delay_req_interval),
            sync_interval: SlaveClockConfig::default().sync_interval,
            measured_sync_interval: SlaveClockConfig::default().sync_interval,
            shortest: (Nanos::ZERO, Nanos::ZERO),
            unanswered: 0,
            unstamped: 0,
            fell_back: false,
        }
    }

    pub(super) fn parent(&self) -> Option<&Candidate> {
        self.parent.as_ref()
    }

    /// Drops the parent with all open exchanges, and returns it.
    pub(super) fn drop_parent(&mut self) -> Option<Candidate> {
        self.sync = SyncExchange::default();
        self.delay.abandon();
        (self.claims, self.sync_heard) = (Claims::default(), None);
        self.shortest = (Nanos::ZERO, Nanos::ZERO);
        (self.plausibility, self.fault) = (Plausibility::default(), None);
        (self.intervals, self.contradiction) = (SyncIntervals::default(), false);
        (self.heard, self.fell_back) = (false, false);
        (self.unanswered, self.unstamped) = (0, 0);
        self.parent.take()
    }

    pub(super) fn learn_delay_interval(&mut self, log2: i8) {
        if log2 != NO_INTERVAL {
            self.delay_interval = Nanos::from_log2_secs(log2.clamp(DELAY_REQ_INTERVALS.0, DELAY_REQ_INTERVALS.1));
        }
    }
}
