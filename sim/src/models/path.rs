//! A one-way network path: delay, queueing jitter, loss, stalls. Packets of one path overtake each other only if they may.

use super::crystal::TrueTime;
use super::streams::RandomStream;
use crate::scenario::{self, Stall};
use engine::Nanos;

/// A path.
#[derive(Clone, Debug)]
pub struct NetworkPath {
    config: scenario::Path,
    jitter: RandomStream,
    loss: RandomStream,
    stalls: Stalls,
    last_arrival: TrueTime,
    cut: bool,
    extra: Nanos,
    lost: u64,
}

impl NetworkPath {
    /// The path `name`, with random streams of its own.
    #[must_use]
    pub fn new(config: scenario::Path, seed: u64, name: &str) -> Self {
        let stalls = Stalls::new(config.stall, RandomStream::new(seed, &format!("{name}/stall")));
        Self {
            jitter: RandomStream::new(seed, &format!("{name}/jitter")),
            loss: RandomStream::new(seed, &format!("{name}/loss")),
            stalls,
            config,
            last_arrival: 0,
            cut: false,
            extra: Nanos::ZERO,
            lost: 0,
        }
    }

    /// When a packet sent at `sent` arrives; `None` if it is lost. Calls must come in order of time.
    pub fn send(&mut self, sent: TrueTime) -> Option<TrueTime> {
        let delay = self.min_delay() + self.extra + self.jitter.lateness(&self.config.jitter);
        let queued = sent + delay.as_nanos();
        let lost = self.loss.uniform() < self.config.loss.get();
        let released = self.stalls.release(queued);
        let arrival = if self.config.may_reorder { released } else { released.max(self.last_arrival) };
        if lost || self.cut {
            self.lost += 1;
            return None;
        }
        self.last_arrival = arrival;
        Some(arrival)
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

    /// From now on, every packet takes longer by so much.
    pub fn set_extra_delay(&mut self, extra: Nanos) {
        self.extra = extra;
    }

    /// From now on, nothing passes, or everything again. What is under way arrives.
    pub fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
    }

    /// Takes the number of packets lost since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
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
                None => self.draw(&stall),
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

    fn draw(&mut self, stall: &Stall) -> (TrueTime, TrueTime) {
        let pause = stall.mean_interval_s.get() * self.stream.exponential();
        let (min, max) = (stall.min_ms.get(), stall.max_ms.get());
        let length = (min + (max - min) * self.stream.uniform()) * 1e-3;
        let start = self.from + Nanos::from_secs_f64(pause).as_nanos() + 1;
        (start, start + Nanos::from_secs_f64(length).as_nanos().max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Jitter, Micros, Millis, Probability, Seconds};

    fn config() -> scenario::Path {
        scenario::Path {
            delay_us: Micros::try_from(200.0).unwrap(),
            jitter: Jitter::Exponential { mean_us: Micros::try_from(100.0).unwrap() },
            may_reorder: false,
            loss: Probability::try_from(0.1).unwrap(),
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
            if let Some(arrival) = path.send(sent) {
                assert!(arrival >= last && arrival >= sent + 200_000);
                longest = longest.max(arrival - sent);
                last = arrival;
                arrived += 1;
            }
        }
        let lost = f64::from(n - arrived) / f64::from(n);
        assert!((lost - 0.1).abs() < 0.01, "{lost}");
        assert_eq!(path.take_lost(), u64::from(n - arrived));
        assert!((15_000_000..25_000_000).contains(&longest), "{longest}");
    }

    #[test]
    fn packets_overtake_only_where_they_may() {
        let overtakes = |may_reorder| {
            let mut path = NetworkPath::new(scenario::Path { may_reorder, stall: None, ..config() }, 3, "test");
            let arrivals: Vec<TrueTime> = (0..1000).filter_map(|i| path.send(i * 50_000)).collect();
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
            (0..100).map(|i| path.send(i * 5_000_000)).collect::<Vec<_>>()
        };
        let usual = arrivals(|_| ());
        let later = arrivals(|path| path.set_extra_delay(Nanos::from_micros(70)));
        let expected: Vec<_> = usual.iter().map(|arrival| arrival.map(|arrival| arrival + 70_000)).collect();
        assert_eq!(later, expected);
        assert!(arrivals(|path| path.set_cut(true)).iter().all(Option::is_none));
    }
}
