//! A one-way network path: delay, queueing jitter, loss, copies, stalls. Packets of one path overtake each other only if they may.

use super::bursts::Bursts;
use super::crystal::TrueTime;
use super::streams::RandomStream;
use crate::scenario::{self, Jitter, Stall};
use engine::Nanos;

/// When a packet arrives, and its copy, if they do.
pub type Arrivals = [Option<TrueTime>; 2];

/// A path.
#[derive(Clone, Debug)]
pub struct NetworkPath {
    config: scenario::Path,
    jitter: RandomStream,
    loss: RandomStream,
    bursts: Option<Bursts>,
    copies: RandomStream,
    stalls: Stalls,
    last_arrival: TrueTime,
    cut: bool,
    extra: Nanos,
}

impl NetworkPath {
    /// The path `name`, with random streams of its own.
    #[must_use]
    pub fn new(config: scenario::Path, seed: u64, name: &str) -> Self {
        let stalls = Stalls::new(config.stall, RandomStream::new(seed, &format!("{name}/stall")));
        Self {
            jitter: RandomStream::new(seed, &format!("{name}/jitter")),
            loss: RandomStream::new(seed, &format!("{name}/loss")),
            bursts: config
                .loss_burst
                .map(|burst| Bursts::new(burst, RandomStream::new(seed, &format!("{name}/loss_burst")))),
            copies: RandomStream::new(seed, &format!("{name}/duplicate")),
            stalls,
            config,
            last_arrival: 0,
            cut: false,
            extra: Nanos::ZERO,
        }
    }

    /// When a packet sent at `sent` arrives: never if it is lost, twice if it is copied. Calls must come in order of time.
    pub fn send(&mut self, sent: TrueTime) -> Arrivals {
        let delay = self.min_delay() + self.extra + self.jitter.lateness(&self.config.jitter);
        let queued = sent + delay.as_nanos();
        let lost = self.loss.uniform() < self.config.loss.get();
        let lost_in_burst = self.bursts.as_mut().is_some_and(Bursts::lose);
        let released = self.stalls.release(queued);
        let arrival = if self.config.may_reorder { released } else { released.max(self.last_arrival) };
        let copy = self.copy(arrival);
        if lost || lost_in_burst || self.cut {
            return [None; 2];
        }
        self.last_arrival = arrival;
        [Some(arrival), copy]
    }

    /// When the copy of a packet that arrives at `arrival` does, if there is one.
    fn copy(&mut self, arrival: TrueTime) -> Option<TrueTime> {
        let duplicate = self.config.duplicate?;
        let copied = self.copies.uniform() < duplicate.share.get();
        let later = self.copies.lateness(&duplicate.later);
        copied.then_some(arrival + later.as_nanos())
    }

    /// Delay of a packet that meets no queue.
    #[must_use]
    pub fn min_delay(&self) -> Nanos {
        self.config.delay_us.nanos()
    }

    /// From now on, the path stalls like this.
    pub fn set_stall(&mut self, now: TrueTime, stall: Option<Stall>) {
        self.stalls.config = stall;
        self.stalls.next = None;
        self.stalls.from = now;
    }

    /// From now on, queues add this.
    pub fn set_jitter(&mut self, jitter: Jitter) {
        self.config.jitter = jitter;
    }

    /// From now on, every packet takes longer by so much.
    pub fn set_extra_delay(&mut self, extra: Nanos) {
        self.extra = extra;
    }

    /// From now on, nothing passes, or everything again. What is under way arrives.
    pub fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
    }
}

/// A renewal process of stalls.
#[derive(Clone, Debug)]
struct Stalls {
    config: Option<Stall>,
    stream: RandomStream,
    /// The stall that is coming or under way.
    next: Option<(TrueTime, TrueTime)>,
    /// The next stall is drawn from here on.
    from: TrueTime,
}

impl Stalls {
    fn new(config: Option<Stall>, stream: RandomStream) -> Self {
        Self { config, stream, next: None, from: 0 }
    }

    /// When a packet that is at the head of the queue at `t` gets through.
    fn release(&mut self, t: TrueTime) -> TrueTime {
        let Some(stall) = self.config else { return t };
        loop {
            let (start, end) = match self.next {
                Some(next) => next,
                None => next_stall(&stall, &mut self.stream, self.from),
            };
            self.next = Some((start, end));
            if t < start {
                return t;
            }
            if t < end {
                return end;
            }
            self.from = end;
            self.next = None;
        }
    }
}

/// Beginning and end of the first stall after `from`.
pub fn next_stall(stall: &Stall, stream: &mut RandomStream, from: TrueTime) -> (TrueTime, TrueTime) {
    let pause = stall.mean_interval_s.get() * stream.exponential();
    let (min, max) = (stall.min_ms.get(), stall.max_ms.get());
    let length = (min + (max - min) * stream.uniform()) * 1e-3;
    let start = from + Nanos::from_secs_f64(pause).as_nanos() + 1;
    (start, start + Nanos::from_secs_f64(length).as_nanos().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Duplicate, LossBurst, Micros, Millis, Probability, Seconds};

    fn config() -> scenario::Path {
        scenario::Path {
            delay_us: Micros::try_from(200.0).unwrap(),
            jitter: Jitter::Exponential { mean_us: Micros::try_from(100.0).unwrap() },
            may_reorder: false,
            loss: Probability::try_from(0.1).unwrap(),
            loss_burst: None,
            duplicate: None,
            stall: Some(Stall {
                mean_interval_s: Seconds::try_from(2.0).unwrap(),
                min_ms: Millis::try_from(5.0).unwrap(),
                max_ms: Millis::try_from(20.0).unwrap(),
            }),
        }
    }

    #[test]
    fn packets_keep_their_order_and_the_shares_are_right() {
        let mut path = NetworkPath::new(config(), 3, "test");
        let (mut last, mut arrived, mut longest) = (0, 0u32, 0);
        let n = 40_000;
        for i in 0..n {
            let sent = i64::from(i) * 5_000_000;
            if let [Some(arrival), _] = path.send(sent) {
                assert!(arrival >= last && arrival >= sent + 200_000);
                longest = longest.max(arrival - sent);
                last = arrival;
                arrived += 1;
            }
        }
        let lost = f64::from(n - arrived) / f64::from(n);
        assert!((lost - 0.1).abs() < 0.01, "{lost}");
        assert!((15_000_000..25_000_000).contains(&longest), "{longest}");
    }

    #[test]
    fn packets_overtake_only_where_they_may() {
        let overtakes = |may_reorder| {
            let mut path = NetworkPath::new(scenario::Path { may_reorder, stall: None, ..config() }, 3, "test");
            let arrivals: Vec<TrueTime> = (0..1000).filter_map(|i| path.send(i * 50_000)[0]).collect();
            arrivals.windows(2).filter(|pair| pair[1] < pair[0]).count()
        };
        assert_eq!(overtakes(false), 0);
        assert!(overtakes(true) > 100, "{}", overtakes(true));
    }

    #[test]
    fn what_a_fault_does_to_a_path_does_not_change_its_weather() {
        let arrivals = |of: fn(&mut NetworkPath)| {
            let mut path = NetworkPath::new(scenario::Path { stall: None, ..config() }, 3, "test");
            of(&mut path);
            (0..100).map(|i| path.send(i * 5_000_000)[0]).collect::<Vec<_>>()
        };
        let usual = arrivals(|_| ());
        let later = arrivals(|path| path.set_extra_delay(Nanos::from_micros(70)));
        let expected: Vec<_> = usual.iter().map(|arrival| arrival.map(|arrival| arrival + 70_000)).collect();
        assert_eq!(later, expected);
        assert!(arrivals(|path| path.set_cut(true)).iter().all(Option::is_none));
    }

    #[test]
    fn copies_and_bursts_leave_the_rest_of_the_weather_alone() {
        let arrivals = |config: scenario::Path| {
            let mut path = NetworkPath::new(config, 3, "test");
            (0..4000).map(|i| path.send(i * 1_000_000)).collect::<Vec<_>>()
        };
        let share = |share| Probability::try_from(share).unwrap();
        let usual = arrivals(config());
        let later =
            Jitter::Uniform { min_us: Micros::try_from(300.0).unwrap(), max_us: Micros::try_from(400.0).unwrap() };
        let copied = arrivals(scenario::Path { duplicate: Some(Duplicate { share: share(0.2), later }), ..config() });
        assert!(usual.iter().zip(&copied).all(|(usual, copied)| usual[0] == copied[0] && usual[1].is_none()));
        let late = copied.iter().filter_map(|&[first, copy]| Some(copy? - first?)).collect::<Vec<_>>();
        assert!((650..800).contains(&late.len()), "{}", late.len());
        assert!(late.iter().all(|late| (300_000..=400_000).contains(late)));
        let burst = LossBurst { begins: share(0.05), ends: share(0.5), loss: share(1.0) };
        let lossy = arrivals(scenario::Path { loss_burst: Some(burst), stall: None, ..config() });
        let calm = arrivals(scenario::Path { stall: None, may_reorder: true, ..config() });
        let lossy_in_any_order =
            arrivals(scenario::Path { loss_burst: Some(burst), stall: None, may_reorder: true, ..config() });
        assert!(lossy_in_any_order.iter().zip(&calm).all(|(lossy, calm)| lossy[0].is_none() || lossy == calm));
        assert!(lossy.iter().filter(|arrivals| arrivals[0].is_none()).count() > 600);
    }
}
