//! A one-way network path: a bottleneck, delay, queueing jitter, loss, damage, copies, stalls.
//! Packets of one path overtake each other only if the configuration permits it.

use super::bottleneck::Bottleneck;
use super::bursts::Bursts;
use super::corruption::Corrupter;
use super::crystal::TrueTime;
use super::listed_delays::ListedDelays;
use super::overtaking::Overtaking;
use super::streams::RandomStream;
use crate::scenario::{self, EveryNth, Jitter, RateLimit, Stall};
use engine::Nanos;

/// When a packet and its copy arrive; `None` if they do not.
pub type Arrivals = [Option<TrueTime>; 2];

/// The fate of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// When it arrives.
    pub arrivals: Arrivals,
    /// Whether it keeps its place in the order: it waits for earlier packets, and later ones wait
    /// for it.
    pub in_order: bool,
}

impl Passage {
    /// It never arrives.
    pub const LOST: Self = Self { arrivals: [None; 2], in_order: true };
}

/// A path.
#[derive(Clone, Debug)]
pub struct NetworkPath {
    config: scenario::Path,
    jitter: RandomStream,
    loss: RandomStream,
    bursts: Option<Bursts>,
    copies: RandomStream,
    /// Which packets are copied in addition, and how many have passed since the copying began.
    every_nth: Option<(EveryNth, u64)>,
    stalls: Stalls,
    bottleneck: Bottleneck,
    delays: ListedDelays,
    overtaking: Overtaking,
    corrupter: Corrupter,
    last_arrival: TrueTime,
    cut: bool,
    extra: Nanos,
}

impl NetworkPath {
    /// The path `name`, with random streams of its own.
    #[must_use]
    pub fn new(config: scenario::Path, seed: u64, name: &str) -> Self {
        let stream = |of: &str| RandomStream::new(seed, &format!("{name}/{of}"));
        Self {
            jitter: stream("jitter"),
            loss: stream("loss"),
            bursts: config.loss_burst.map(|burst| Bursts::new(burst, stream("loss_burst"))),
            copies: stream("duplicate"),
            every_nth: None,
            stalls: Stalls::new(config.stall, stream("stall")),
            bottleneck: Bottleneck::new(config.rate_limit),
            delays: ListedDelays::new(config.delay_file.clone(), stream("delay_file")),
            overtaking: Overtaking::new(config.reorder, stream("reorder")),
            corrupter: Corrupter::new(config.corruption, stream("corruption")),
            config,
            last_arrival: 0,
            cut: false,
            extra: Nanos::ZERO,
        }
    }

    /// The fate of a datagram that is sent at `sent`: lost, duplicated, or damaged. Calls must come
    /// in order of time.
    pub fn carry(&mut self, sent: TrueTime, datagram: &mut [u8]) -> Passage {
        let left = self.bottleneck.pass(sent, datagram.len());
        let delay = self.min_delay() + self.extra + self.jitter.lateness(&self.config.jitter) + self.delays.next();
        let queued = left.unwrap_or(sent) + delay.as_nanos();
        let lost = self.loss.uniform() < self.config.loss.get();
        let lost_in_burst = self.bursts.as_mut().is_some_and(Bursts::lose);
        let taken = self.corrupter.pass(datagram);
        let released = self.stalls.release(queued);
        let held_back = self.overtaking.hold(sent);
        let in_order = !self.config.may_reorder && held_back.is_none();
        let arrival = if in_order { released.max(self.last_arrival) } else { released };
        let arrival = arrival + held_back.unwrap_or(Nanos::ZERO).as_nanos();
        let copy = self.copy(arrival);
        if lost || lost_in_burst || self.cut || left.is_none() || !taken {
            return Passage::LOST;
        }
        if held_back.is_none() {
            self.last_arrival = arrival;
        }
        Passage { arrivals: [Some(arrival), copy], in_order }
    }

    /// When the copy of a packet that arrives at `arrival` does, if there is one.
    fn copy(&mut self, arrival: TrueTime) -> Option<TrueTime> {
        // Both are evaluated for every packet, so that neither influences which packets the other
        // one copies.
        let counted = self.counted_copy(arrival);
        self.drawn_copy(arrival).or(counted)
    }

    fn counted_copy(&mut self, arrival: TrueTime) -> Option<TrueTime> {
        let (every, passed) = self.every_nth.as_mut()?;
        *passed += 1;
        let is_copied = *passed % u64::from(every.every_packets.get()) == 0;
        is_copied.then(|| arrival + every.later_ms.nanos().as_nanos())
    }

    fn drawn_copy(&mut self, arrival: TrueTime) -> Option<TrueTime> {
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

    /// Sets how the path stalls from now on.
    pub fn set_stall(&mut self, now: TrueTime, stall: Option<Stall>) {
        self.stalls.config = stall;
        self.stalls.next = None;
        self.stalls.from = now;
    }

    /// Sets the queueing jitter from now on.
    pub fn set_jitter(&mut self, jitter: Jitter) {
        self.config.jitter = jitter;
    }

    /// The additional delay of every packet since the start.
    #[must_use]
    pub fn extra_delay(&self) -> Nanos {
        self.extra
    }

    /// Sets the additional delay of every packet from now on.
    pub fn set_extra_delay(&mut self, extra: Nanos) {
        self.extra = extra;
    }

    /// Sets the capacity of the narrowest link from now on.
    pub fn set_rate_limit(&mut self, limit: Option<RateLimit>) {
        self.bottleneck.set(limit);
    }

    /// Sets which packets are carried twice from now on.
    pub fn set_every_nth_copied(&mut self, every: Option<EveryNth>) {
        self.every_nth = every.map(|every| (every, 0));
    }

    /// Cuts or restores the path. Packets in transit still arrive.
    pub fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
    }
}

/// A renewal process of stalls.
#[derive(Clone, Debug)]
struct Stalls {
    config: Option<Stall>,
    stream: RandomStream,
    /// The next or current stall.
    next: Option<(TrueTime, TrueTime)>,
    /// The next stall is drawn from here on.
    from: TrueTime,
}

impl Stalls {
    fn new(config: Option<Stall>, stream: RandomStream) -> Self {
        Self { config, stream, next: None, from: 0 }
    }

    /// When a packet that is at the head of the queue at `t` can pass.
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
    use crate::scenario::{
        Corruption, DelayFile, Duplicate, LossBurst, Micros, Millis, Period, Probability, Reorder, ReorderBy,
    };

    fn config() -> scenario::Path {
        scenario::Path {
            delay_us: Micros::try_from(200.0).unwrap(),
            jitter: Jitter::Exponential { mean_us: Micros::try_from(100.0).unwrap() },
            may_reorder: false,
            loss: Probability::try_from(0.1).unwrap(),
            loss_burst: None,
            duplicate: None,
            stall: Some(Stall {
                mean_interval_s: Period::try_from(2.0).unwrap(),
                min_ms: Millis::try_from(5.0).unwrap(),
                max_ms: Millis::try_from(20.0).unwrap(),
            }),
            delay_file: None,
            rate_limit: None,
            reorder: None,
            corruption: None,
        }
    }

    fn send(path: &mut NetworkPath, sent: TrueTime) -> Arrivals {
        path.carry(sent, &mut [0; 300]).arrivals
    }

    #[test]
    fn packets_keep_their_order_and_the_shares_are_right() {
        let mut path = NetworkPath::new(config(), 3, "test");
        let (mut last, mut arrived, mut longest) = (0, 0u32, 0);
        let n = 40_000;
        for i in 0..n {
            let sent = i64::from(i) * 5_000_000;
            if let [Some(arrival), _] = send(&mut path, sent) {
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
            let arrivals: Vec<TrueTime> = (0..1000).filter_map(|i| send(&mut path, i * 50_000)[0]).collect();
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
            (0..100).map(|i| send(&mut path, i * 5_000_000)[0]).collect::<Vec<_>>()
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
            (0..4000).map(|i| send(&mut path, i * 1_000_000)).collect::<Vec<_>>()
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

    #[test]
    fn every_nth_packet_is_copied_as_long_as_that_lasts() {
        let every = EveryNth { every_packets: 10.try_into().unwrap(), later_ms: Millis::try_from(3.0).unwrap() };
        let mut usual = NetworkPath::new(config(), 3, "test");
        let mut path = NetworkPath::new(config(), 3, "test");
        for i in 0..3000 {
            match i {
                1000 => path.set_every_nth_copied(Some(every)),
                2000 => path.set_every_nth_copied(None),
                _ => {}
            }
            let ([first, copy], [usual, _]) = (send(&mut path, i * 1_000_000), send(&mut usual, i * 1_000_000));
            assert_eq!(first, usual, "a copy changes nothing of packet {i}");
            let is_tenth = (1000..2000).contains(&i) && i % 10 == 9;
            assert_eq!(copy, first.filter(|_| is_tenth).map(|first| first + 3_000_000), "packet {i}");
        }
    }

    #[test]
    fn a_share_is_overtaken_by_as_many_as_were_asked_for() {
        let reorder = |by| Reorder { share: Probability::try_from(0.1).unwrap(), by };
        let calm = scenario::Path { jitter: Jitter::None, loss: Probability::default(), stall: None, ..config() };
        let by_packets = reorder(ReorderBy::Packets(3.try_into().unwrap()));
        let mut path = NetworkPath::new(scenario::Path { reorder: Some(by_packets), ..calm.clone() }, 3, "test");
        let mut arrivals: Vec<(TrueTime, i64)> =
            (0..10_000).map(|i| (send(&mut path, i * 1_000_000)[0].unwrap(), i)).collect();
        arrivals.sort_unstable();
        let late: Vec<i64> =
            (0..).zip(&arrivals).map(|(place, &(_, sent))| place - sent).filter(|&late| late > 0).collect();
        assert!((850..1150).contains(&late.len()), "{}", late.len());
        // Those that are held back one after the other do not overtake each other.
        assert!(late.iter().filter(|&&late| late == 3).count() > late.len() / 2 && late.iter().all(|&late| late <= 3));

        let later =
            Jitter::Uniform { min_us: Micros::try_from(4_000.0).unwrap(), max_us: Micros::try_from(5_000.0).unwrap() };
        let mut path =
            NetworkPath::new(scenario::Path { reorder: Some(reorder(ReorderBy::Later(later))), ..calm }, 3, "test");
        let late = (0..10_000).map(|i| send(&mut path, i * 1_000_000)[0].unwrap() - i * 1_000_000 - 200_000);
        let held: Vec<i64> = late.filter(|&late| late > 0).collect();
        assert!((850..1150).contains(&held.len()) && held.iter().all(|held| (4_000_000..=5_000_000).contains(held)));
    }

    #[test]
    fn impairments_leave_the_rest_of_the_weather_alone() {
        let arrivals = |config: scenario::Path| {
            let mut path = NetworkPath::new(config, 3, "test");
            (0..4000).map(|i| send(&mut path, i * 1_000_000)[0]).collect::<Vec<_>>()
        };
        let calm = || scenario::Path { stall: None, may_reorder: true, ..config() };
        let share = Probability::try_from(0.2).unwrap();
        let usual = arrivals(calm());
        let corruption = Corruption {
            share,
            bits: Default::default(),
            from_byte: 0,
            to_byte: None,
            udp_checksum: Default::default(),
        };
        let reorder = Reorder { share, by: ReorderBy::Packets(5.try_into().unwrap()) };
        let damaged = arrivals(scenario::Path { corruption: Some(corruption), ..calm() });
        assert!(usual.iter().zip(&damaged).all(|(usual, damaged)| damaged.is_none() || usual == damaged));
        assert!(usual.iter().zip(&damaged).filter(|(usual, damaged)| usual != damaged).count() > 600);
        let overtaken = arrivals(scenario::Path { reorder: Some(reorder), ..calm() });
        let held = usual.iter().zip(&overtaken).filter(|(usual, held)| usual != held);
        assert!(held.clone().all(|(usual, held)| held.unwrap() == usual.unwrap() + 5_500_000) && held.count() > 600);
    }

    #[test]
    fn delays_of_a_file_are_replayed_or_drawn() {
        let file = |order: &str| format!("path = 'x'\norder = '{order}'");
        let arrivals = |order: &str| {
            let delay_file = toml::from_str::<DelayFile>(&file(order)).unwrap().holding(&[10, 20, 30]);
            let config = scenario::Path {
                jitter: Jitter::None,
                loss: Probability::default(),
                stall: None,
                delay_file: Some(delay_file),
                ..config()
            };
            let mut path = NetworkPath::new(config, 3, "test");
            (0..3000).map(|i| send(&mut path, i * 1_000_000)[0].unwrap() - i * 1_000_000 - 200_000).collect::<Vec<_>>()
        };
        assert_eq!(arrivals("replayed")[..5], [10, 20, 30, 10, 20]);
        let drawn = arrivals("drawn");
        for delay in [10, 20, 30] {
            let count = drawn.iter().filter(|&&drawn| drawn == delay).count();
            assert!((900..1100).contains(&count), "{delay}: {count}");
        }
    }
}
