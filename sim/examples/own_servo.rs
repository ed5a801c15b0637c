//! Your own clock servo beside the engine's, on the same packets: the table, and the pictures.
//!
//! `cargo run -p sim --example own_servo -- DIRECTORY`

use engine::clock::{ClockMap, ClockReading, ClockServo, Direction, LockCause, LockState, LockTransition};
use engine::clock::{PathDelay, PtpMap, TimestampPair};
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use sim::report::render_table;
use sim::run::{Output, Session, run_with};
use sim::{scenario::Loaded, world::Control};
use std::{error::Error, path::Path};

/// Proportional gain per Sync, and integral gain per second.
const GAINS: (f64, f64) = (0.1, 0.01);
/// Syncs until the servo says that it is locked.
const SETTLED: u32 = 100;

/// A PI servo on the offset of each Sync, minus a smoothed path delay.
#[derive(Default)]
struct OwnServo {
    /// Host time, PTP time then, and PTP's rate against the host's.
    clock: Option<(LocalTime, PtpTime, Ppb)>,
    /// By how much the last Sync was late, and the path delay, ns.
    late_ns: f64,
    delay_ns: f64,
    syncs: u32,
    locks: Option<LockTransition>,
}

impl ClockServo for OwnServo {
    fn observe(&mut self, pair: &TimestampPair) {
        let Some(map) = self.reading(pair.local).map else {
            return self.clock = Some((pair.local, pair.remote, Ppb::ZERO));
        };
        let ahead_ns = (map.ptp_at(pair.local) - pair.remote).as_nanos() as f64;
        if pair.direction == Direction::Reverse {
            let delay_ns = (self.late_ns - ahead_ns) / 2.0;
            let share = if self.delay_ns > 0.0 { 0.1 } else { 1.0 };
            return self.delay_ns += share * (delay_ns - self.delay_ns);
        }
        self.late_ns = ahead_ns;
        let error_ns = self.delay_ns - ahead_ns;
        let since_s = (pair.local - map.clock().estimated_at()).as_secs_f64();
        let rate = Ppb::new(map.clock().rate().as_ppb() + GAINS.1 * error_ns * since_s);
        let time = map.ptp_at(pair.local) + Nanos::new((GAINS.0 * error_ns) as i64);
        self.clock = Some((pair.local, time, rate));
        self.syncs += 1;
        if self.syncs == SETTLED {
            let (from, to, cause) = (LockState::Acquiring, LockState::Locked, LockCause::OtherServo("it has settled"));
            self.locks = Some(LockTransition { at: pair.local, from, to, cause });
        }
    }
    fn set_sync_interval(&mut self, _interval: Nanos) {}
    fn advance(&mut self, _now: LocalTime) {}
    fn reading(&self, _now: LocalTime) -> ClockReading {
        let state = if self.syncs < SETTLED { LockState::Acquiring } else { LockState::Locked };
        let map = self.clock.map(|(at, time, rate)| PtpMap::new(at, time, ClockMap::exact(at, 0.0, rate)));
        ClockReading { state, map, epoch: 0, path_delay: PathDelay::Measured }
    }
    fn poll_transition(&mut self) -> Option<LockTransition> {
        self.locks.take()
    }
}

pub(crate) fn run(folder: &Path) -> Result<Session, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/thermal_ramp.toml");
    let mut loaded = Loaded::read(&path, &[])?;
    loaded.add_own("own_servo", "engine")?;
    let output = Output { folder, pictures: true };
    Ok(run_with(&loaded, Some(output), &Control::default(), &|slot| match slot.name() {
        "own_servo" => slot.clock_servo(OwnServo::default(), false),
        _ => slot.built_in(),
    })?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name a directory for the pictures")?;
    println!("{}", render_table(&run(folder.as_ref())?.summary.checks(), false));
    Ok(())
}
