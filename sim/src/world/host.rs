//! The receiver's computer: its clocks, and how late its program learns of packets and sends them.
//!
//! Model: one crystal, and two clocks that count it. The monotonic clock starts with the computer;
//! the wall clock shows UTC, and a time service sets and slews it. A slew of the monotonic clock
//! also slews the wall clock, as on Linux; after sleep, the wall clock is correct again.

use super::queue::Port;
use crate::models::{CrystalClock, Ramp, RandomStream, Slew, TrueTime};
use crate::scenario::{self, FaultKind, Jitter, MonotonicClock, Scenario, SlewPpm, Surroundings};
use engine::{LocalTime, Nanos};

/// The monotonic clock at the start of the run: the host has been running for a while.
const UPTIME: LocalTime = LocalTime::from_nanos(4_321_000_000_000);
/// The wall clock at the start of the run, since 1970.
const WALL: LocalTime = LocalTime::from_nanos(1_790_000_000_000_000_000);
/// Timers that are due later than this are scheduled again after this time, because a crystal
/// cannot be evaluated for the far future.
const TIMER_HORIZON: Nanos = Nanos::from_secs(60);

/// The time of both clocks of the host at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTime {
    /// The monotonic clock.
    pub monotonic: LocalTime,
    /// The wall clock: `CLOCK_REALTIME`, `GetSystemTimePreciseAsFileTime`.
    pub wall: LocalTime,
}

/// A clock of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampClock {
    /// The monotonic clock.
    Monotonic,
    /// The wall clock.
    Wall,
}

impl HostTime {
    /// The time of one of the clocks.
    #[must_use]
    pub fn by(self, clock: StampClock) -> LocalTime {
        match clock {
            StampClock::Monotonic => self.monotonic,
            StampClock::Wall => self.wall,
        }
    }
}

/// The host.
pub(super) struct Host<'a> {
    normal: &'a scenario::Host,
    clock: CrystalClock,
    wall: CrystalClock,
    receive_jitter: Jitter,
    transmit_jitter: Jitter,
    /// One stream per port; the last one is for copies and forged datagrams.
    receive: [RandomStream; 4],
    transmit: RandomStream,
    /// Time that the monotonic clock has missed by being stopped or stepped.
    missed: Nanos,
    /// Time that the wall clock has missed in the same way.
    wall_missed: Nanos,
    asleep: Option<Asleep>,
    paused_since: Option<TrueTime>,
    stands_still: bool,
    /// Number of active faults that delay the thread that reads the stream.
    media_thread_held_by: u32,
}

/// State of a host that sleeps.
#[derive(Clone, Copy, Debug)]
struct Asleep {
    since: TrueTime,
    monotonic_clock: MonotonicClock,
}

impl<'a> Host<'a> {
    pub(super) fn new(scenario: &Scenario, around: &Surroundings<'a>) -> Self {
        let stream = |name: &str| RandomStream::new(scenario.seed, &around.host_stream(name));
        Self {
            clock: clock(scenario, around, monotonic_slew),
            wall: clock(scenario, around, |what| monotonic_slew(what).or(wall_slew(what))),
            receive_jitter: around.host.receive_jitter,
            transmit_jitter: around.host.transmit_jitter,
            receive: ["ptp", "media", "media_b", "other"].map(|port| stream(&format!("host/receive/{port}"))),
            transmit: stream("host/transmit"),
            normal: around.host,
            missed: Nanos::ZERO,
            wall_missed: Nanos::ZERO,
            asleep: None,
            paused_since: None,
            stands_still: false,
            media_thread_held_by: 0,
        }
    }

    /// The time of its monotonic clock.
    pub(super) fn local(&mut self, now: TrueTime) -> LocalTime {
        let asleep = self.asleep.filter(|asleep| asleep.monotonic_clock == MonotonicClock::Stops);
        let stopped = self.paused_since.or(asleep.map(|asleep| asleep.since));
        UPTIME + self.clock.read(stopped.unwrap_or(now)) - self.missed
    }

    /// The time of both of its clocks.
    pub(super) fn time(&mut self, now: TrueTime) -> HostTime {
        let wall = self.wall.read(self.paused_since.unwrap_or(now)) - self.wall_missed;
        HostTime { monotonic: self.local(now), wall: WALL + wall }
    }

    /// Whether it sleeps.
    pub(super) fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    /// Whether it is stalled, and will continue where it was.
    pub(super) fn stands_still(&self) -> bool {
        self.stands_still
    }

    /// Whether the thread that reads a port is delayed, and will continue where it was.
    pub(super) fn holds_up(&self, port: Port) -> bool {
        self.stands_still || (port != Port::Ptp && self.media_thread_held_by > 0)
    }

    /// The true time at which its clock shows `due`, or an earlier time at which the timer must be
    /// scheduled again.
    pub(super) fn true_time_of(&mut self, now: LocalTime, due: LocalTime) -> TrueTime {
        let ahead = due.since(now).as_nanos().min(TIMER_HORIZON.as_nanos());
        self.clock.true_time_of((now + Nanos::new(ahead) + self.missed - UPTIME).as_nanos() as f64)
    }

    /// Mean rate of its monotonic clock between two times.
    pub(super) fn mean_rate_ppb(&mut self, from: TrueTime, to: TrueTime) -> f64 {
        (self.clock.error_ns(to) - self.clock.error_ns(from)) / ((to - from) as f64 * 1e-9)
    }

    /// How late its program learns of the next datagram of a port.
    pub(super) fn receive_lateness(&mut self, port: Port) -> Nanos {
        self.receive[port as usize].lateness(&self.receive_jitter)
    }

    /// As [`Host::receive_lateness`], for a copy or a forged datagram, from a separate random
    /// stream, so that the lateness of other datagrams does not depend on these.
    pub(super) fn receive_lateness_of_other(&mut self) -> Nanos {
        self.receive[3].lateness(&self.receive_jitter)
    }

    /// How late the next message leaves after it was stamped.
    pub(super) fn transmit_lateness(&mut self) -> Nanos {
        self.transmit.lateness(&self.transmit_jitter)
    }

    /// Begins or ends a fault.
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
            FaultKind::MediaThreadHeld | FaultKind::MediaThreadStalls(_) if begins => self.media_thread_held_by += 1,
            FaultKind::MediaThreadHeld | FaultKind::MediaThreadStalls(_) => self.media_thread_held_by -= 1,
            FaultKind::HostSuspended(suspend) if begins => {
                self.asleep = Some(Asleep { since: now, monotonic_clock: suspend.monotonic_clock });
            }
            FaultKind::HostSuspended(_) => self.wake(now),
            FaultKind::HostPaused => {
                self.stands_still = begins;
                if begins { self.paused_since = Some(now) } else { self.go_on(now) }
            }
            FaultKind::HostClockStepMs(by) if begins => {
                self.missed += -by.nanos();
                self.wall_missed += -by.nanos();
            }
            FaultKind::WallClockStepMs(by) if begins => self.wall_missed += -by.nanos(),
            // Ramps and slews are part of the crystal from the start.
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

    fn go_on(&mut self, now: TrueTime) {
        if let Some(since) = self.paused_since.take() {
            self.missed += self.clock.read(now) - self.clock.read(since);
            self.wall_missed += self.wall.read(now) - self.wall.read(since);
        }
    }
}

fn monotonic_slew(what: &FaultKind) -> Option<SlewPpm> {
    if let FaultKind::HostClockSlewPpm(rate) = *what { Some(rate) } else { None }
}

fn wall_slew(what: &FaultKind) -> Option<SlewPpm> {
    if let FaultKind::WallClockSlewPpm(rate) = *what { Some(rate) } else { None }
}

/// The crystal with the ramps of the scenario's faults and the slews of one of the clocks.
fn clock(scenario: &Scenario, around: &Surroundings<'_>, slew: impl Fn(&FaultKind) -> Option<SlewPpm>) -> CrystalClock {
    let duration = scenario.duration_s.nanos();
    let slews = scenario.faults.iter().filter_map(|fault| Some(Slew::all_of(fault, slew(&fault.what)?, duration)));
    let ramps = scenario.faults.iter().filter_map(|fault| match fault.what {
        FaultKind::HostClockRampPpm(change) => Some(Ramp::of(fault, change)),
        _ => None,
    });
    let walk = RandomStream::new(scenario.seed, &around.host_stream("host/clock/walk"));
    CrystalClock::slewed(around.host.clock, ramps.collect(), slews.flatten().collect(), walk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Loaded;

    const SECOND: TrueTime = 1_000_000_000;

    /// A host with an exact crystal, and what both of its clocks are ahead of true time by at some
    /// seconds, ms; each fault begins and ends at the seconds given.
    fn ahead_ms(faults: &str, happen: &[(TrueTime, usize, bool)], at_s: &[TrueTime]) -> Vec<(f64, f64)> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/gm_loss.toml");
        let set = ["record.audio=\"none\"".to_owned(), "host.clock={}".to_owned(), format!("fault=[{faults}]")];
        let scenario = Loaded::read(path.as_ref(), &set).unwrap().scenario;
        let mut host = Host::new(&scenario, &scenario.surroundings());
        let mut happen = happen.iter().peekable();
        let ahead = |shown: LocalTime, start: LocalTime, at: TrueTime| ((shown - start).as_nanos() - at) as f64 * 1e-6;
        at_s.iter()
            .map(|&s| {
                while let Some((at, index, begins)) = happen.next_if(|event| event.0 <= s) {
                    host.fault(at * SECOND, &scenario.faults[*index].what, *begins);
                }
                let time = host.time(s * SECOND);
                (ahead(time.monotonic, UPTIME, s * SECOND), ahead(time.wall, WALL, s * SECOND))
            })
            .collect()
    }

    #[test]
    fn a_time_service_moves_the_wall_clock_alone_or_both() {
        let faults = "{ at_s = 10, for_s = 10, what.wall_clock_slew_ppm = 500 }, { at_s = 30, what.wall_clock_step_ms = -3_600_000 }, \
                      { at_s = 50, for_s = 10, what.host_clock_slew_ppm = -100 }, { at_s = 70, what.host_clock_step_ms = 20 }";
        let ahead = ahead_ms(faults, &[(30, 1, true), (70, 3, true)], &[9, 15, 25, 31, 60, 71]);
        let wall = -3_600_000.0 + 5.0;
        assert_eq!(ahead, [(0.0, 0.0), (0.0, 2.5), (0.0, 5.0), (0.0, wall), (-1.0, wall - 1.0), (19.0, wall + 19.0)]);
    }

    #[test]
    fn both_clocks_of_a_paused_machine_stop_and_go_on_from_there() {
        let faults = "{ at_s = 10, for_s = 3, what = \"host_paused\" }";
        let ahead = ahead_ms(faults, &[(10, 0, true), (13, 0, false)], &[10, 12, 13, 20]);
        assert_eq!(ahead, [(0.0, 0.0), (-2e3, -2e3), (-3e3, -3e3), (-3e3, -3e3)]);
    }

    #[test]
    fn a_held_up_thread_is_that_of_the_stream_and_faults_may_overlap() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/gm_loss.toml");
        let scenario = Loaded::read(path.as_ref(), &["record.audio=\"none\"".to_owned()]).unwrap().scenario;
        let mut host = Host::new(&scenario, &scenario.surroundings());
        let held = |host: &Host<'_>| [Port::Ptp, Port::Media, Port::MediaB].map(|port| host.holds_up(port));
        let stall = toml::from_str("mean_interval_s = 1\nmin_ms = 60\nmax_ms = 150").unwrap();
        let (once, stalls) = (FaultKind::MediaThreadHeld, FaultKind::MediaThreadStalls(stall));
        let steps = [(&once, true, true), (&stalls, true, true), (&once, false, true), (&stalls, false, false)];
        for (what, begins, media_held) in steps {
            host.fault(SECOND, what, begins);
            assert_eq!(held(&host), [false, media_held, media_held]);
        }
        let stands_still: FaultKind = FaultKind::HostStalls(stall);
        host.fault(SECOND, &stands_still, true);
        assert_eq!(held(&host), [true; 3]);
    }
}
