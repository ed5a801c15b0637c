//! Choosing among masters.

use super::*;

#[test]
fn a_better_master_takes_over_and_the_other_one_takes_over_again() {
    let (mut port, mut master, mut now) = (new_port(slave_config()), Master::new(5), LocalTime::ZERO);
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(20));
    let mut better = Master::better(6);
    let events = run(&mut [&mut master, &mut better], &mut port, &mut now, Nanos::from_secs(20));
    let names_of = names(&events);
    assert_eq!(names_of, ["master 6", "UNCALIBRATED", "SLAVE"], "the same time, another master: the lock is kept");
    let events = run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(20));
    assert_eq!(names(&events)[..4], ["lock HOLDOVER", "master 5", "UNCALIBRATED", "SLAVE"]);
    assert_eq!(port.state(), PortState::Slave);
}

#[test]
fn one_announce_is_not_enough() {
    let (mut port, now) = (new_port(slave_config()), LocalTime::ZERO);
    let master = Master::new(1);
    master.announce(&mut port, now);
    assert_eq!(port.master(), None);
    master.announce(&mut port, now + Nanos::from_secs(1));
    assert!(port.master().is_some());
}

#[test]
fn nobody_who_names_us_as_grandmaster_is_followed() {
    for config in [slave_config(), full_config()] {
        let (mut port, mut now) = (new_port(config), LocalTime::ZERO);
        let mut mirror = Master { grandmaster: 9, ..Master::better(1) };
        run(&mut [&mut mirror], &mut port, &mut now, Nanos::from_secs(20));
        assert_eq!(port.master(), None);
        assert_eq!(port.counters().own, 20);
    }
}

/// Announces carry no time: a port becomes slave of a master only once it has received that
/// master's Syncs, however well the servo knows the time of the previous master.
#[test]
fn a_selected_master_is_not_followed_before_its_time_is_heard() {
    let (mut port, mut now) = (noting_port(slave_config()), LocalTime::ZERO);
    let announce = |port: &mut Port<Notes>, master: &Master, now: &mut LocalTime| {
        for _ in 0..4 {
            master.announce(port, *now);
            silence(port, now, Nanos::from_secs(1));
        }
    };
    let (mut master, better) = (Master::new(2), Master::better(3));
    announce(&mut port, &master, &mut now);
    assert_eq!(port.state(), PortState::Uncalibrated);
    master.sync(&mut port, now);
    assert_eq!(port.state(), PortState::Slave);
    announce(&mut port, &better, &mut now);
    assert_eq!(port.state(), PortState::Uncalibrated);
}

#[test]
fn the_law_hears_of_another_master_but_not_of_the_same_one() {
    let (mut port, mut now) = (noting_port(slave_config()), LocalTime::ZERO);
    let (mut a, mut b) = (Master::new(1), Master::new(2));
    let ten = Nanos::from_secs(10);
    run(&mut [&mut a], &mut port, &mut now, ten);
    assert_eq!(port.servo().changes_of_master, 0, "the first one is no change");
    silence(&mut port, &mut now, ten);
    run(&mut [&mut a], &mut port, &mut now, ten);
    assert_eq!(port.servo().changes_of_master, 0, "the same one has come back");
    silence(&mut port, &mut now, ten);
    run(&mut [&mut b], &mut port, &mut now, ten);
    assert_eq!(port.servo().changes_of_master, 1, "another one, after none");
    let mut same_port_other_grandmaster = Master { grandmaster: 7, ..b };
    run(&mut [&mut same_port_other_grandmaster], &mut port, &mut now, ten);
    assert_eq!(port.servo().changes_of_master, 2, "another grandmaster behind the same port");
}

#[test]
fn two_ways_to_one_grandmaster_are_told_apart_by_distance() {
    let (mut port, mut now) = (new_port(slave_config()), LocalTime::ZERO);
    let mut far = Master { grandmaster: 1, steps_removed: 3, priority_1: 1, ..Master::new(2) };
    let mut near = Master { grandmaster: 1, steps_removed: 1, ..Master::new(3) };
    run(&mut [&mut far, &mut near], &mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(port.master().map(|master| master.sender), Some(port_identity(3)));
    assert_eq!(port.master().map(|master| master.grandmaster), Some(ClockIdentity([1; 8])));
    let events = run(&mut [&mut far], &mut port, &mut now, Nanos::from_secs(10));
    assert!(names(&events).contains(&"master 2".to_owned()), "{:?}", names(&events));
}

/// Two masters on crystals that agree win alternately; the port stays locked all the time.
#[test]
fn flapping_masters_do_not_cost_the_lock() {
    let (mut port, mut now) = (new_port(slave_config()), LocalTime::ZERO);
    let (mut a, mut b) = (Master::new(1), Master::new(2));
    run(&mut [&mut a, &mut b], &mut port, &mut now, Nanos::from_secs(30));
    let mut selected = 0;
    for round in 0..20 {
        b.priority_1 = if round % 2 == 0 { 1 } else { 200 };
        let events = run(&mut [&mut a, &mut b], &mut port, &mut now, Nanos::from_secs(2));
        selected += names(&events).iter().filter(|name| name.starts_with("master")).count();
        assert!(!names(&events).iter().any(|name| name.starts_with("lock")), "round {round}: {:?}", names(&events));
    }
    assert_eq!(selected, 20);
    assert_eq!(port.reading(now).state, LockState::Locked);
}
