use super::*;
use crate::clock::LockState;
use crate::units::{LocalTime, PtpTime};

const INTERVAL: Nanos = Nanos::from_millis(35);
const DELAY: Nanos = Nanos::from_micros(75);
const WRAP: Nanos = Nanos::new(250_000 << 32);

/// A master for tests: its time is `ahead` of the host's clock, and runs faster by `ppm`.
#[derive(Clone, Copy)]
struct Sender {
    identity: MasterIdentity,
    source: Ipv4Addr,
    ahead: Nanos,
    ppm: i64,
}

fn sender(priority: u8, number: u8, ahead: Nanos) -> Sender {
    let source = Ipv4Addr::new(192, 168, 2, number);
    let mac = MacAddress([0, 0x50, 0xC2, 0, 0, number]);
    Sender { identity: MasterIdentity::new(priority, source, mac), source, ahead, ppm: 30 }
}

impl Sender {
    fn time(&self, t: LocalTime) -> PtpTime {
        let drift = Nanos::new(t.as_nanos() / 1_000_000 * self.ppm);
        PtpTime::EPOCH + self.ahead + (t - LocalTime::ZERO) + drift
    }

    /// The packet that arrives at `t` and states the true time plus `lie`.
    fn packet(&self, t: LocalTime, lie: Nanos) -> [u8; PACKET_LEN] {
        ClockPacket::at(self.time(t - DELAY) + lie, 0, self.identity).emit()
    }
}

struct Bench {
    clock: LivewireClock,
    now: LocalTime,
    events: Vec<ClockEvent>,
    /// The largest error while the clock claimed to be locked.
    worst: Nanos,
}

impl Bench {
    fn new() -> Self {
        let (clock, now) = (LivewireClock::new(), LocalTime::from_nanos(1_000_000_000));
        Self { clock, now, events: Vec::new(), worst: Nanos::ZERO }
    }

    /// Lets some senders send for a while; the first one has the true time.
    fn run(&mut self, seconds: i64, senders: &[Sender]) {
        self.run_with(seconds, senders, |_, _| {});
    }

    fn run_with(&mut self, seconds: i64, senders: &[Sender], mut more: impl FnMut(&mut LivewireClock, LocalTime)) {
        let end = self.now + Nanos::from_secs(seconds);
        while self.now < end {
            self.now = self.now + INTERVAL;
            for sender in senders {
                let _ = self.clock.handle_datagram(self.now, sender.source, &sender.packet(self.now, Nanos::ZERO));
            }
            more(&mut self.clock, self.now);
            self.clock.handle_timeout(self.now);
            self.events.extend(std::iter::from_fn(|| self.clock.poll_event()));
            if let (LockState::Locked, Some(truth)) = (self.state(), senders.first()) {
                self.worst = self.worst.max(self.error(truth).abs());
            }
        }
    }

    fn state(&self) -> LockState {
        self.clock.reading(self.now).state
    }

    fn error(&self, truth: &Sender) -> Nanos {
        self.clock.reading(self.now).map.expect("a map").ptp_at(self.now) - truth.time(self.now)
    }

    fn epoch(&self) -> u32 {
        self.clock.reading(self.now).epoch
    }

    fn unlocks(&self) -> usize {
        let unlocked = |event: &&ClockEvent| matches!(event, ClockEvent::Lock(to) if to.to == LockState::Unlocked);
        self.events.iter().filter(unlocked).count()
    }

    fn followed(&self) -> Option<u8> {
        self.clock.master().map(|master| master.source.octets()[3])
    }
}

#[test]
fn it_locks_to_a_master_within_what_a_path_may_delay() {
    let mut bench = Bench::new();
    let master = sender(3, 1, Nanos::from_secs(1000));
    bench.run(5, &[master]);
    assert_eq!(bench.state(), LockState::Locked);
    assert!(bench.error(&master).abs() < Nanos::from_micros(2), "{}", bench.error(&master));
    let map = bench.clock.reading(bench.now).map.unwrap();
    assert!((map.clock().rate().as_ppm() - 30.0).abs() < 1.0, "{}", map.clock().rate());
    // The uncertainty includes the unknown part of the delay.
    assert!(map.clock().sigma_ns(bench.now) > 100_000.0);
    assert_eq!(bench.clock.diagnosis(bench.now), None);
}

#[test]
fn the_count_wraps_and_the_time_goes_on() {
    let mut bench = Bench::new();
    let master = sender(3, 1, WRAP - Nanos::from_secs(10));
    bench.run(20, &[master]);
    assert!(master.time(bench.now) - PtpTime::EPOCH > WRAP);
    assert_eq!((bench.state(), bench.unlocks(), bench.epoch()), (LockState::Locked, 0, 0));
    assert!(bench.error(&master).abs() < Nanos::from_micros(2), "{}", bench.error(&master));
}

#[test]
fn a_lost_master_is_held_and_told_and_resumed() {
    let mut bench = Bench::new();
    let master = sender(3, 1, Nanos::from_secs(1000));
    bench.run(20, &[master]);
    bench.run(10, &[]);
    assert_eq!((bench.state(), bench.followed()), (LockState::Holdover, None));
    assert!(bench.error(&master).abs() < Nanos::from_micros(20), "{}", bench.error(&master));
    let said = bench.clock.diagnosis(bench.now).unwrap().to_string();
    assert!(said.starts_with("Livewire/AC030201 p3 192.168.2.1:7000 has been silent on 239.192.255.2:7000"), "{said}");
    bench.run(5, &[master]);
    assert_eq!((bench.state(), bench.unlocks(), bench.epoch()), (LockState::Locked, 0, 0));
    assert!(bench.events.contains(&ClockEvent::Silent(Master { identity: master.identity, source: master.source })));
}

#[test]
fn a_master_of_higher_priority_takes_over_without_an_unlock() {
    let mut bench = Bench::new();
    let (low, high) =
        (sender(3, 1, Nanos::from_secs(1000)), sender(5, 2, Nanos::from_secs(1000) + Nanos::from_micros(2)));
    bench.run(20, &[low]);
    assert_eq!(bench.followed(), Some(1));
    bench.run(10, &[high, low]);
    let state = (bench.followed(), bench.state(), bench.unlocks(), bench.epoch());
    assert_eq!(state, (Some(2), LockState::Locked, 0, 0), "{:?}", bench.events);
    bench.run(10, &[low]);
    assert_eq!((bench.followed(), bench.state(), bench.unlocks(), bench.epoch()), (Some(1), LockState::Locked, 0, 0));
}

#[test]
fn of_equal_priority_the_lower_mac_address_is_followed() {
    let mut bench = Bench::new();
    let both = [sender(3, 2, Nanos::from_secs(1000)), sender(3, 1, Nanos::from_secs(1000))];
    bench.run(5, &both);
    assert_eq!(bench.followed(), Some(1));
}

#[test]
fn another_time_is_another_epoch_after_two_seconds() {
    let mut bench = Bench::new();
    let (low, high) = (sender(3, 1, Nanos::from_secs(1000)), sender(7, 2, Nanos::from_secs(90_000)));
    bench.run(20, &[low]);
    bench.run(1, &[low, high]);
    assert_eq!((bench.followed(), bench.epoch()), (Some(1), 0), "one second is not enough");
    bench.run(10, &[low, high]);
    assert_eq!((bench.followed(), bench.epoch(), bench.unlocks()), (Some(2), 1, 1));
    assert_eq!(bench.state(), LockState::Locked);
    assert!(bench.error(&high).abs() < Nanos::from_micros(100), "{}", bench.error(&high));
}

#[test]
fn a_step_of_the_master_is_another_epoch() {
    let mut bench = Bench::new();
    let master = sender(3, 1, Nanos::from_secs(1000));
    bench.run(20, &[master]);
    let stepped = Sender { ahead: Nanos::from_secs(1003), ..master };
    bench.run(10, &[stepped]);
    assert_eq!((bench.state(), bench.epoch(), bench.unlocks()), (LockState::Locked, 1, 1));
    assert!(bench.error(&stepped).abs() < Nanos::from_micros(100), "{}", bench.error(&stepped));
}

#[test]
fn strangers_do_not_move_a_clock_in_the_name_of_its_master() {
    for (lie, from) in [
        (Nanos::from_millis(50), 1),
        (Nanos::from_millis(-50), 1),
        (Nanos::from_secs(3600), 1),
        (Nanos::from_micros(200), 1),
        (Nanos::from_millis(50), 9),
    ] {
        let mut bench = Bench::new();
        let master = sender(3, 1, Nanos::from_secs(1000));
        bench.run(30, &[master]);
        let source = Ipv4Addr::new(192, 168, 2, from);
        bench.run_with(60, &[master], |clock, now| {
            for _ in 0..3 {
                let _ = clock.handle_datagram(now, source, &master.packet(now, lie));
            }
        });
        assert_eq!((bench.epoch(), bench.unlocks()), (0, 0), "{lie} from {from}");
        assert!(bench.worst < Nanos::from_micros(260), "{lie} from {from}: {}", bench.worst);
        assert_eq!(bench.followed(), Some(1));
        if from == 9 {
            assert!(bench.clock.counters().other_source > 1000);
        }
    }
}

#[test]
fn what_is_remembered_is_bounded_and_the_master_stays() {
    let mut bench = Bench::new();
    let master = sender(3, 1, Nanos::from_secs(1000));
    bench.run(5, &[master]);
    let mut number = 0u32;
    bench.run_with(20, &[master], |clock, now| {
        for _ in 0..20 {
            number += 1;
            let [_, a, b, c] = number.to_be_bytes();
            let mac = MacAddress([2, 0, 0, a, b, c]);
            let source = Ipv4Addr::new(10, a, b, c);
            let identity = MasterIdentity::new(15, source, mac);
            let _ = clock.handle_datagram(now, source, &ClockPacket::at(master.time(now), 0, identity).emit());
            assert!(clock.masters().len() <= 16);
        }
    });
    assert_eq!((bench.followed(), bench.unlocks(), bench.state()), (Some(1), 0, LockState::Locked));
}

#[test]
fn a_time_that_no_clock_has_is_not_locked_to() {
    let mut bench = Bench::new();
    let runaway = Sender { ppm: 3000, ..sender(3, 1, Nanos::from_secs(1000)) };
    bench.run(60, &[runaway]);
    assert_ne!(bench.state(), LockState::Locked);
    let said = bench.clock.diagnosis(bench.now).unwrap().to_string();
    assert!(said.starts_with("Livewire/AC030201 p3 192.168.2.1:7000: the master's time runs by"), "{said}");
}

#[test]
fn why_there_is_no_clock_is_said() {
    let mut bench = Bench::new();
    let said = |bench: &Bench| bench.clock.diagnosis(bench.now).unwrap().to_string();
    assert!(said(&bench).starts_with("no Livewire clock was heard on 239.192.255.2:7000: "), "{}", said(&bench));
    let fast = {
        let mut packet = sender(3, 1, Nanos::ZERO).packet(bench.now, Nanos::ZERO);
        packet[20] = 0x0A;
        packet
    };
    let source = Ipv4Addr::new(192, 168, 2, 1);
    assert!(bench.clock.handle_datagram(bench.now, source, &fast).is_err());
    assert!(said(&bench).contains("is no Livewire clock: the kind of packet 0x0a00caba"), "{}", said(&bench));
    let _ = bench.clock.handle_datagram(bench.now, source, &sender(3, 1, Nanos::ZERO).packet(bench.now, Nanos::ZERO));
    assert!(said(&bench).contains("only 1 of its packets fit each other so far; it takes 8"), "{}", said(&bench));
}

#[test]
fn a_master_is_silent_while_a_better_one_is_heard() {
    let own = sender(3, 2, Nanos::ZERO).identity;
    let better = sender(5, 1, Nanos::from_secs(7));
    let mut master = LivewireMaster::new(own, LocalTime::ZERO);
    let due = master.poll_timeout();
    assert!(master.poll_transmit(due, PtpTime::EPOCH).is_some());
    master.handle_datagram(due, &better.packet(due, Nanos::ZERO));
    assert_eq!(master.better(due), Some(better.identity));
    assert!(master.poll_transmit(due + INTERVAL, PtpTime::EPOCH).is_none());
    let worse = sender(2, 3, Nanos::ZERO);
    let later = master.poll_timeout();
    master.handle_datagram(later, &worse.packet(later, Nanos::ZERO));
    assert_eq!(master.better(later), None);
    assert!(master.poll_transmit(later, PtpTime::EPOCH).is_some());
    assert_eq!(master.poll_timeout(), later + INTERVAL);
}
