//! Calls a function at the pace of a clock.
//!
//! Model: a thread waits for the moments at which the timeline reaches a multiple of the period,
//! and then makes a call. If the thread misses moments, their calls are skipped, and the next call
//! states how many were skipped.

use crate::clock;
use crate::error::Result;
use crate::timeline::Timeline;
use crate::worker::{Context, Scheduling, Urgency, Worker};
use engine::clock::PtpMap;
use engine::{LocalTime, Nanos, PtpTime};

/// How often the thread checks whether the clock has begun or was stepped.
const INTERVAL: Nanos = Nanos::from_millis(20);

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When the call was due, on the timeline.
    pub due: PtpTime,
    /// How late the call is.
    pub late: Nanos,
    /// Number of calls that were skipped since the last one.
    pub missed: u64,
}

/// A thread that calls a function at the pace of a clock. Ends when it is dropped.
#[derive(Debug)]
pub struct PacedTimer {
    worker: Worker,
}

impl PacedTimer {
    /// Calls `call` once per `period`, as soon as there is a timeline.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(timeline: Timeline, period: Nanos, call: impl FnMut(Tick) + Send + 'static) -> Result<Self> {
        let period = period.max(Nanos::from_micros(100));
        let worker = Worker::spawn("timer", Urgency::Prompt, move |context| run(context, &timeline, period, call))?;
        Ok(Self { worker })
    }

    /// How the thread is scheduled.
    #[must_use]
    pub fn scheduling(&self) -> Scheduling {
        self.worker.scheduling()
    }
}

/// The number of the last call's moment, counted in periods, and its timeline.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    number: Option<i128>,
    epoch: u32,
}

impl Last {
    /// The number of the last moment if it was on this timeline. After a step, the last moment is
    /// forgotten, because the moments in between were never due.
    fn on(&mut self, epoch: u32) -> Option<i128> {
        if epoch != self.epoch {
            *self = Self { number: None, epoch };
        }
        self.number
    }
}

fn run(context: &Context, timeline: &Timeline, period: Nanos, mut call: impl FnMut(Tick)) {
    let mut last = Last::default();
    while !context.is_stopping() {
        let now = clock::now();
        let Some((map, epoch)) = timeline.map_and_epoch() else {
            last.number = None;
            context.wait(&[], [Some(now + INTERVAL)]);
            continue;
        };
        let (next, missed) = next(&map, now, period, last.on(epoch));
        let due = map.local_at(time_of(next, period));
        if due > now {
            // So the next pass of this loop waits for the same moment.
            last.number = Some(next - 1);
            // The wait is split into short ones, because the clock may be stepped or slewed in the
            // meantime.
            context.wait(&[], [Some(due.min(now + INTERVAL))]);
            continue;
        }
        call(Tick { due: time_of(next, period), late: now - due, missed });
        last.number = Some(next);
    }
}

/// The number of the next call's moment, and how many moments are skipped before it.
fn next(map: &PtpMap, now: LocalTime, period: Nanos, last: Option<i128>) -> (i128, u64) {
    let present = map.ptp_at(now).as_nanos().div_euclid(i128::from(period.as_nanos()));
    match last {
        // If the moment is the current one or a single period old, the call is made late; older
        // moments are skipped.
        Some(last) if present <= last + 2 && present >= last - 1 => (last + 1, 0),
        Some(last) if present > last => (present, u64::try_from(present - last - 1).unwrap_or(0)),
        // There was no call yet, or time was stepped back.
        _ => (present + 1, 0),
    }
}

fn time_of(number: i128, period: Nanos) -> PtpTime {
    PtpTime::from_nanos(number * i128::from(period.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::clock::ClockMap;

    #[test]
    fn a_clock_that_runs_is_called_for() {
        let loopback = crate::interface::Interface::find(Some("127.0.0.1")).unwrap();
        let free = engine::clock::ReferenceConfig { mode: engine::clock::ClockMode::FreeRunning, fallback_after: None };
        let config = crate::ptp::PtpConfig { reference: free, ..crate::ptp::PtpConfig::slave(loopback, 119) };
        let Ok(client) = crate::ptp::PtpClient::shared(config) else {
            return skips::tell("PTP's ports are refused to this program: they take root or cap_net_bind_service");
        };
        let (tell, ticks) = std::sync::mpsc::channel();
        let call = move |tick: Tick| {
            let _ = tell.send(tick);
        };
        let timer = PacedTimer::start(Timeline::Ptp(client), Nanos::from_millis(5), call).unwrap();
        let first: Vec<Tick> = ticks.iter().take(20).collect();
        drop(timer);
        for pair in first.windows(2) {
            let moments = 1 + pair[1].missed as i64;
            assert_eq!((pair[1].due - pair[0].due).as_nanos(), moments * 5_000_000, "{pair:?}");
        }
    }

    #[test]
    fn moments_follow_each_other_and_what_is_too_late_is_left_out() {
        let map = PtpMap::new(LocalTime::ZERO, PtpTime::from_timestamp(100, 0), ClockMap::default());
        let period = Nanos::from_millis(1);
        let next = |ms, last| next(&map, LocalTime::ZERO + Nanos::from_millis(ms), period, last);
        assert_eq!(next(0, None), (100_001, 0));
        assert_eq!(next(1, Some(100_001)), (100_002, 0));
        assert_eq!(next(3, Some(100_001)), (100_002, 0), "a little late");
        assert_eq!(next(9, Some(100_001)), (100_009, 7), "seven are left out");
        assert_eq!(next(0, Some(200_000)), (100_001, 0), "time was stepped");
    }

    #[test]
    fn a_step_forward_leaves_nothing_out() {
        let period = Nanos::from_millis(1);
        let mut last = Last::default();
        let mut moment = |epoch, seconds| {
            let map = PtpMap::new(LocalTime::ZERO, PtpTime::from_timestamp(seconds, 0), ClockMap::default());
            let (number, missed) = next(&map, LocalTime::ZERO, period, last.on(epoch));
            last.number = Some(number);
            (number, missed)
        };
        assert_eq!(moment(0, 100), (100_001, 0));
        assert_eq!(moment(0, 101), (101_000, 998), "late on the same timeline");
        assert_eq!(moment(1, 1_795_000_000), (1_795_000_000_001, 0), "a master appears after the uptime");
    }
}
