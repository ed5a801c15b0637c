//! The receiver's computer: its clock, and how late its program learns of packets and sends them.

use super::queue::Port;
use crate::models::{CrystalClock, RandomStream, TrueTime};
use crate::scenario::{self, FaultKind, Jitter, MonotonicClock, Scenario, Surroundings};
use engine::{LocalTime, Nanos};

/// What its clock shows at the start of the run: it has been up for a while.
const UPTIME: LocalTime = LocalTime::from_nanos(4_321_000_000_000);
/// Timers further ahead than this are looked at again then; a crystal cannot be asked about the far future.
const TIMER_HORIZON: Nanos = Nanos::from_secs(60);

/// The host.
pub(super) struct Host<'a> {
    normal: &'a scenario::Host,
    clock: CrystalClock,
    receive_jitter: Jitter,
    transmit_jitter: Jitter,
    /// By port; then that of copies and strangers.
    receive: [RandomStream; 4],
    transmit: RandomStream,
    /// What the clock has missed while it stopped.
    missed: Nanos,
    asleep: Option<Asleep>,
    stands_still: bool,
}

/// The host sleeps.
#[derive(Clone, Copy, Debug)]
struct Asleep {
    since: TrueTime,
    monotonic_clock: MonotonicClock,
}

impl<'a> Host<'a> {
    pub(super) fn new(scenario: &Scenario, around: &Surroundings<'a>) -> Self {
        let stream = |name: &str| RandomStream::new(scenario.seed, &around.host_stream(name));
        Self {
            clock: clock(scenario, around),
            receive_jitter: around.host.receive_jitter,
            transmit_jitter: around.host.transmit_jitter,
            receive: ["ptp", "media", "media_b", "other"].map(|port| stream(&format!("host/receive/{port}"))),
            transmit: stream("host/transmit"),
            normal: around.host,
            missed: Nanos::ZERO,
            asleep: None,
            stands_still: false,
        }
    }

    /// What its clock shows.
    pub(super) fn local(&mut self, now: TrueTime) -> LocalTime {
        let stopped = self.asleep.filter(|asleep| asleep.monotonic_clock == MonotonicClock::Stops);
        UPTIME + self.clock.read(stopped.map_or(now, |asleep| asleep.since)) - self.missed
    }

    /// Whether it sleeps.
    pub(super) fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    /// Whether it stands still, and will go on where it was.
    pub(super) fn stands_still(&self) -> bool {
        self.stands_still
    }

    /// The true time at which its clock shows `due`, or a time before that at which to look again.
    pub(super) fn true_time_of(&mut self, now: LocalTime, due: LocalTime) -> TrueTime {
        let ahead = due.since(now).as_nanos().min(TIMER_HORIZON.as_nanos());
        self.clock.true_time_of((now + Nanos::new(ahead) + self.missed - UPTIME).as_nanos() as f64)
    }

    /// Mean rate of its clock between two times.
    pub(super) fn mean_rate_ppb(&mut self, from: TrueTime, to: TrueTime) -> f64 {
        (self.clock.error_ns(to) - self.clock.error_ns(from)) / ((to - from) as f64 * 1e-9)
    }

    /// How late its program learns of the next datagram of a port.
    pub(super) fn receive_lateness(&mut self, port: Port) -> Nanos {
        self.receive[port as usize].lateness(&self.receive_jitter)
    }

    /// Likewise of a copy, or of a stranger's datagram: the weather of the others does not depend on them.
    pub(super) fn receive_lateness_of_other(&mut self) -> Nanos {
        self.receive[3].lateness(&self.receive_jitter)
    }

    /// How late the next message leaves after it was stamped.
    pub(super) fn transmit_lateness(&mut self) -> Nanos {
        self.transmit.lateness(&self.transmit_jitter)
    }

    /// A fault begins or ends.
    pub(super) fn fault(&mut self, now: TrueTime, what: &FaultKind, begins: bool) {
        let normal = self.normal;
        match *what {
            FaultKind::HostReceiveJitter(jitter) => {
                self.receive_jitter = if begins { jitter } else { normal.receive_jitter };
            }
            FaultKind::HostTransmitJitter(jitter) => {
                self.transmit_jitter = if begins { jitter } else { normal.transmit_jitter };
            }
            FaultKind::HostStalls(_) => self.stands_still = begins,
            FaultKind::HostSuspended(suspend) if begins => {
                self.asleep = Some(Asleep { since: now, monotonic_clock: suspend.monotonic_clock });
            }
            FaultKind::HostSuspended(_) => self.wake(now),
            // A ramp is built into the crystal from the start.
            _ => {}
        }
    }
}

impl Host<'_> {
    fn wake(&mut self, now: TrueTime) {
        let slept = self.asleep.take().filter(|asleep| asleep.monotonic_clock == MonotonicClock::Stops);
        if let Some(Asleep { since, .. }) = slept {
            self.missed += self.clock.read(now) - self.clock.read(since);
        }
    }
}

/// The crystal, with the ramps that the scenario's faults put on it.
fn clock(scenario: &Scenario, around: &Surroundings<'_>) -> CrystalClock {
    let ramps = scenario.faults.iter().filter_map(|fault| match fault.what {
        FaultKind::HostClockRampPpm(change) => Some(fault.ramp(change)),
        _ => None,
    });
    let walk = RandomStream::new(scenario.seed, &around.host_stream("host/clock/walk"));
    CrystalClock::new(around.host.clock, ramps.collect(), walk)
}
