//! The PTP masters in all domains, found by their Announces.

use engine::LocalTime;
use net::clock;
use net::interface::Interface;
use net::ptp::{AnnounceListener, HeardMaster};
use serde::Serialize;

/// Listens for masters.
pub(super) struct Masters(AnnounceListener);

impl Masters {
    pub(super) fn start(interface: &Interface) -> net::Result<Self> {
        AnnounceListener::start(interface).map(Self)
    }

    /// The masters that announce themselves, ordered by domain.
    pub(super) fn list(&self) -> Vec<Master> {
        let now = clock::now();
        self.0.masters().iter().map(|master| Master::of(master, now)).collect()
    }
}

/// A line on the screen.
#[derive(Debug, Serialize)]
pub(super) struct Master {
    domain: u8,
    grandmaster: String,
    from: String,
    priority_1: u8,
    clock_class: u8,
    priority_2: u8,
    steps_removed: u16,
    heard_s_ago: f64,
}

impl Master {
    fn of(heard: &HeardMaster, now: LocalTime) -> Self {
        let announce = &heard.announce;
        Self {
            domain: heard.domain,
            grandmaster: announce.grandmaster_identity.to_string(),
            from: heard.from.to_string(),
            priority_1: announce.grandmaster_priority_1,
            clock_class: announce.grandmaster_clock_quality.clock_class,
            priority_2: announce.grandmaster_priority_2,
            steps_removed: announce.steps_removed,
            heard_s_ago: (now - heard.heard_at).as_secs_f64(),
        }
    }

    pub(super) fn line(&self) -> String {
        let Self { domain, grandmaster, from, priority_1, clock_class, priority_2, steps_removed, heard_s_ago } = self;
        format!(
            "  {grandmaster:18} {domain:>6} {priority_1:>9} {clock_class:>5} {priority_2:>9} {steps_removed:>5}  {from}, {heard_s_ago:.1} s ago"
        )
    }
}

pub(super) fn header() -> String {
    format!(
        "{:20} {:>6} {:>9} {:>5} {:>9} {:>5}  heard",
        "GRANDMASTER", "domain", "priority1", "class", "priority2", "steps"
    )
}
