//! Calls a function at regular intervals, at the rate of a clock if there is one.
//!
//! Model: the first call is due one interval after the start. Each further call is due one interval
//! after the previous call was due: on the clock's timeline while the clock is usable, and
//! otherwise on the host clock. So the calls do not jump when the clock appears, disappears or is
//! stepped, and the number of calls measures the elapsed time. Unlike a
//! [`PacedTimer`](crate::timer::PacedTimer), this timer needs no clock, and its calls have no fixed
//! position on the timeline.

use crate::clock;
use crate::error::Result;
use crate::worker::{Context, Urgency, Worker};
use engine::clock::PtpMap;
use engine::{LocalTime, Nanos, PtpTime};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How often the clock and the interval are checked.
const LOOK: Nanos = Nanos::from_millis(20);
/// Calls that are late by at most this time are still made, so that a program that counts calls
/// keeps the right count although its thread was delayed. Calls that are later, for example after a
/// suspend, are skipped.
const BACKLOG: Nanos = Nanos::from_secs(1);
/// The shortest interval.
const SHORTEST: Nanos = Nanos::from_micros(100);

/// A thread that calls a function at an adjustable interval. Ends when it is dropped.
#[derive(Debug)]
pub struct IntervalTimer {
    interval_ns: Arc<AtomicI64>,
    worker: Worker,
}

impl IntervalTimer {
    /// Calls `call` once per interval. `clock` returns the timeline to follow and a number that
    /// changes when the timeline is stepped; `None` means the host clock.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        interval: Nanos,
        clock: impl Fn() -> Option<(PtpMap, u32)> + Send + 'static,
        mut call: impl FnMut() + Send + 'static,
    ) -> Result<Self> {
        let interval_ns = Arc::new(AtomicI64::new(interval.as_nanos()));
        let told = Arc::clone(&interval_ns);
        let mut beat = Beat::new(clock::now());
        let run = move |context: &Context| {
            while !context.is_stopping() {
                let interval = Nanos::new(told.load(Ordering::Relaxed)).max(SHORTEST);
                let (map, now) = (clock(), clock::now());
                let due = beat.due(interval, map);
                if due > now {
                    context.wait(&[], [Some(due.min(now + LOOK))]);
                    continue;
                }
                beat.take(interval, map, now);
                call();
            }
        };
        let worker = Worker::spawn("interval timer", Urgency::Prompt, run)?;
        Ok(Self { interval_ns, worker })
    }

    /// Changes the interval. The next call is due one new interval after the last one.
    pub fn set_interval(&self, interval: Nanos) {
        self.interval_ns.store(interval.as_nanos(), Ordering::Relaxed);
        self.worker.wake();
    }
}

/// When the last call was due.
struct Beat {
    at: LocalTime,
    /// The same time on a timeline, with the number of this timeline; `None` on the host clock.
    on_timeline: Option<(PtpTime, u32)>,
}

impl Beat {
    fn new(at: LocalTime) -> Self {
        Self { at, on_timeline: None }
    }

    /// When the next call is due.
    fn due(&self, interval: Nanos, map: Option<(PtpMap, u32)>) -> LocalTime {
        match map {
            Some((map, epoch)) => map.local_at(self.on(map, epoch) + interval),
            None => self.at + interval,
        }
    }

    /// When the last call was due, on a timeline. On a new timeline, this is converted from host
    /// time.
    fn on(&self, map: PtpMap, epoch: u32) -> PtpTime {
        let known = self.on_timeline.filter(|(_, of)| *of == epoch);
        known.map_or_else(|| map.ptp_at(self.at), |(at, _)| at)
    }

    /// Advances to the call that is made now. If it is later than [`BACKLOG`], the calls that were
    /// due before are skipped.
    fn take(&mut self, interval: Nanos, map: Option<(PtpMap, u32)>, now: LocalTime) {
        let late = now - self.due(interval, map);
        let left_out = if late > BACKLOG { late.as_nanos() / interval.as_nanos() } else { 0 };
        let step = interval.times(left_out + 1);
        match map {
            Some((map, epoch)) => {
                let at = self.on(map, epoch) + step;
                (self.at, self.on_timeline) = (map.local_at(at), Some((at, epoch)));
            }
            None => (self.at, self.on_timeline) = (self.at + step, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Ppb;
    use engine::clock::ClockMap;

    const INTERVAL: Nanos = Nanos::from_millis(10);

    fn at(ms: i64) -> LocalTime {
        LocalTime::ZERO + Nanos::from_millis(ms)
    }

    /// A timeline that is ahead by `ahead_s`, and faster.
    fn timeline(ahead_s: u64, rate: Ppb) -> PtpMap {
        let clock = ClockMap::exact(LocalTime::ZERO, 0.0, rate);
        PtpMap::new(LocalTime::ZERO, PtpTime::from_timestamp(ahead_s, 0), clock)
    }

    /// Makes this many calls as soon as they are due; returns when the last one was, in ns.
    fn calls(beat: &mut Beat, count: usize, map: Option<(PtpMap, u32)>) -> i64 {
        for _ in 0..count {
            let due = beat.due(INTERVAL, map);
            beat.take(INTERVAL, map, due);
        }
        (beat.at - LocalTime::ZERO).as_nanos()
    }

    #[test]
    fn calls_are_an_interval_of_the_clock_apart() {
        let mut beat = Beat::new(at(0));
        assert_eq!(calls(&mut beat, 1000, None), 10_000_000_000);
        let mut beat = Beat::new(at(0));
        let ended = calls(&mut beat, 1000, Some((timeline(1_795_000_000, Ppb::from_ppm(100.0)), 0)));
        // A clock that is 100 ppm fast has counted 10 s after 9.999 s.
        assert!((ended - 9_999_000_100).abs() <= 2, "{ended}");
    }

    #[test]
    fn a_clock_that_comes_goes_or_is_stepped_moves_no_call() {
        let mut beat = Beat::new(at(3));
        let mut last = calls(&mut beat, 7, None);
        let same_rate = |ahead_s| timeline(ahead_s, Ppb::ZERO);
        for map in [Some((same_rate(100), 0)), Some((same_rate(5), 1)), None, Some((same_rate(100), 1))] {
            let next = calls(&mut beat, 1, map);
            assert_eq!(next - last, INTERVAL.as_nanos(), "{map:?}");
            last = next;
        }
    }

    #[test]
    fn late_calls_are_made_up_for_unless_they_are_very_late() {
        let mut beat = Beat::new(at(0));
        beat.take(INTERVAL, None, at(500));
        assert_eq!(beat.due(INTERVAL, None), at(20), "49 calls are still to be made");
        beat.take(INTERVAL, None, at(60_025));
        assert_eq!((beat.at, beat.due(INTERVAL, None)), (at(60_020), at(60_030)), "none is made for a minute");
    }

    #[test]
    fn another_interval_counts_from_the_last_call() {
        let mut beat = Beat::new(at(0));
        calls(&mut beat, 3, None);
        assert_eq!(beat.due(Nanos::from_millis(1), None), at(31));
    }

    #[test]
    fn it_calls_until_it_is_dropped() {
        let (tell, calls) = std::sync::mpsc::channel();
        let timer = IntervalTimer::start(
            Nanos::from_secs(3600),
            || None,
            move || {
                let _ = tell.send(());
            },
        );
        let timer = timer.unwrap();
        timer.set_interval(Nanos::from_millis(1));
        assert_eq!(calls.iter().take(20).count(), 20);
        drop(timer);
        while calls.try_recv().is_ok() {}
        assert!(calls.recv().is_err(), "the thread has ended");
    }
}
