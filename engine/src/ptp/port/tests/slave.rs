//! Following one master.

use super::*;

#[test]
fn finds_a_master_and_locks_to_its_time() {
    for two_step in [true, false] {
        let mut master = Master { two_step, ..Master::new(1) };
        let (mut port, mut now) = (new_port(slave_config()), LocalTime::ZERO);
        let events = run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(20));
        assert_eq!(names(&events), ["master 1", "UNCALIBRATED", "lock ACQUIRING", "SLAVE", "lock LOCKED"]);
        assert_eq!(port.state(), PortState::Slave);
        let error = port.reading(now).map.unwrap().ptp_at(now) - master.time(now);
        assert!(error.abs() < Nanos::from_micros(1), "{error}");
        assert!((port.servo().mean_path_delay() - DELAY).abs() < Nanos::from_micros(1));
        assert_eq!(port.counters().unmatched_follow_ups + port.counters().unmatched_syncs, 0);
    }
}

#[test]
fn gives_up_a_silent_master_and_returns_to_it_with_the_lock_held() {
    let (mut port, mut master, mut now) = (new_port(slave_config()), Master::new(1), LocalTime::ZERO);
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(60));
    let events = silence(&mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(names(&events), ["lock HOLDOVER", "lost 1", "LISTENING"]);
    assert_eq!((port.state(), port.master()), (PortState::Listening, None));
    let events = run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(names(&events), ["master 1", "UNCALIBRATED", "SLAVE", "lock LOCKED"]);
    assert_eq!(port.reading(now).state, LockState::Locked);
}

#[test]
fn a_port_is_slave_only_while_the_clock_vouches_for_its_time() {
    let (mut port, mut master, mut now) = (noting_port(slave_config()), Master::new(1), LocalTime::ZERO);
    let second = Nanos::from_secs(1);
    run(&mut [&mut master], &mut port, &mut now, second.times(5));
    port.servo.unlocked = true;
    let events = run(&mut [&mut master], &mut port, &mut now, second);
    assert_eq!(events[0].to_string(), "SLAVE -> UNCALIBRATED: the master's time is too uncertain");
    port.servo.unlocked = false;
    let events = run(&mut [&mut master], &mut port, &mut now, second);
    assert_eq!(events[0].to_string(), "UNCALIBRATED -> SLAVE: the master's time is known");
}

/// "Locked to a grandmaster that no longer exists": without Announces, no master is followed, and
/// without Syncs, nothing is locked, whatever else continues.
#[test]
fn nothing_stays_locked_to_a_grandmaster_that_is_gone() {
    let (mut port, mut master, mut now) = (new_port(slave_config()), Master::new(1), LocalTime::ZERO);
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(30));
    for _ in 0..8 * 4 {
        master.sync(&mut port, now);
        port.handle_timeout(now);
        now = now + SYNC;
    }
    assert_eq!(port.master(), None, "Syncs, but no Announces");

    let (mut port, mut master, mut now) = (new_port(slave_config()), Master::new(1), LocalTime::ZERO);
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(30));
    for _ in 0..60 {
        master.announce(&mut port, now);
        silence(&mut port, &mut now, Nanos::from_secs(1));
    }
    assert!(port.master().is_some(), "Announces, but no Syncs");
    assert_ne!(port.reading(now).state, LockState::Locked);
}

#[test]
fn the_timeout_is_counted_in_the_masters_own_intervals() {
    let mut slow = Master { log_announce_interval: 2, ..Master::new(1) };
    let (mut port, mut now) = (new_port(slave_config()), LocalTime::ZERO);
    run(&mut [&mut slow], &mut port, &mut now, Nanos::from_secs(20));
    // The last Announce arrived at 16 s, and three intervals of 4 s end at 28 s.
    silence(&mut port, &mut now, Nanos::from_millis(7_999));
    assert!(port.master().is_some());
    let events = silence(&mut port, &mut now, Nanos::from_millis(2));
    assert!(names(&events).contains(&"lost 1".to_owned()));
}

#[test]
fn a_pair_is_seen_once_however_often_its_messages_come() {
    let (mut port, mut master, mut now) = (noting_port(slave_config()), Master::new(1), LocalTime::ZERO);
    master.sequence_id = u16::MAX - 40;
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(2));
    let before = port.servo().pairs.len();
    let late = Master { sequence_id: master.sequence_id.wrapping_sub(1), ..master };
    for _ in 0..3 {
        master.repeat_sync(&mut port, now);
        late.repeat_sync(&mut port, now);
    }
    assert_eq!(port.servo().pairs.len(), before);
    assert_eq!(port.counters().repeated, 12);
    // No pair is lost when the sequence ids wrap.
    let before = port.servo().pairs.len();
    for _ in 0..64 {
        master.sync(&mut port, now);
    }
    assert_eq!(port.servo().pairs.len() - before, 64);
}

#[test]
fn stale_and_strangers_answers_are_ignored() {
    let (mut port, mut master, mut now) = (noting_port(slave_config()), Master::new(1), LocalTime::ZERO);
    master.answers = false;
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(20));
    let id = port.counters().unanswered_requests as u16 + 1;
    let reverse = |port: &Port<Notes>| port.counters().delay_responses - port.counters().stale_responses;
    master.answer(&mut port, id.wrapping_sub(1), now);
    master.answer(&mut port, id.wrapping_add(1), now);
    let strangers = port.counters().not_the_master;
    Master::new(2).answer(&mut port, id, now);
    assert_eq!(reverse(&port), 0);
    assert_eq!(port.counters().not_the_master - strangers, 1);
    master.answer(&mut port, id, now);
    assert_eq!(reverse(&port), 1);
}

#[test]
fn the_law_and_the_user_hear_of_unanswered_requests() {
    let (mut port, mut master, mut now) = (noting_port(slave_config()), Master::new(1), LocalTime::ZERO);
    master.answers = false;
    let events = run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(60));
    let unanswered = port.counters().unanswered_requests;
    assert!(unanswered > 30, "{unanswered}");
    assert_eq!(u64::from(port.servo().unanswered), unanswered);
    let told = names(&events).iter().filter(|name| *name == "unanswered").count();
    assert_eq!(told, 1, "the user hears it once");

    let mut answering = Master { answers: true, ..master };
    run(&mut [&mut answering], &mut port, &mut now, Nanos::from_secs(20));
    assert!(port.counters().unanswered_requests <= unanswered + 1);
}

/// The driver does not report departure times.
#[test]
fn the_law_hears_of_requests_whose_time_is_not_known() {
    let (mut port, master, mut now) = (noting_port(slave_config()), Master::new(1), LocalTime::ZERO);
    while now < LocalTime::ZERO + Nanos::from_secs(60) {
        if now.as_nanos() % 1_000_000_000 == 0 {
            master.announce(&mut port, now);
        }
        port.handle_timeout(now);
        while let Some(request) = port.poll_transmit() {
            master.answer(&mut port, request.timestamp.unwrap().sequence_id(), now);
        }
        now = now + SYNC;
    }
    let (unstamped, unanswered) = (port.counters().unstamped_requests, port.counters().unanswered_requests);
    assert!(unstamped > 30 && unanswered == 0, "{unstamped}, {unanswered}");
    assert_eq!(u64::from(port.servo().unanswered), unstamped);
    assert!(port.servo().pairs.is_empty());
}

/// The destinations of a hybrid port's requests.
fn requests(port: &mut Port<Notes>, master: &mut Master, now: &mut LocalTime, time: Nanos) -> Vec<Destination> {
    let end = *now + time;
    let mut destinations = Vec::new();
    while *now < end {
        if now.as_nanos() % 1_000_000_000 == 0 {
            master.announce(port, *now);
        }
        port.handle_timeout(*now);
        while let Some(request) = port.poll_transmit() {
            let unicast = Message::parse(&request.datagram).unwrap().header.flags.contains(Flags::UNICAST);
            assert_eq!(unicast, request.destination != Destination::Multicast, "the flag says how it goes");
            destinations.push(request.destination);
            let token = request.timestamp.unwrap();
            port.handle_transmitted(token, *now);
            if master.answers {
                master.answer(port, token.sequence_id(), *now);
            }
        }
        *now = *now + SYNC;
    }
    destinations
}

#[test]
fn hybrid_requests_go_to_the_master_while_it_answers() {
    let config = PortConfig { delay_request_mode: DelayRequestMode::Hybrid, ..slave_config() };
    let (mut port, mut master, mut now) = (noting_port(config), Master::new(1), LocalTime::ZERO);
    let asked = requests(&mut port, &mut master, &mut now, Nanos::from_secs(30));
    assert!(asked.len() > 10);
    assert!(asked.iter().all(|destination| *destination == Destination::Unicast(address(1))));
    assert_eq!(port.servo().pairs.len(), asked.len());
}

#[test]
fn hybrid_falls_back_to_multicast_and_says_so() {
    let config = PortConfig { delay_request_mode: DelayRequestMode::Hybrid, ..slave_config() };
    let (mut port, mut master, mut now) = (noting_port(config), Master::new(1), LocalTime::ZERO);
    master.answers = false;
    let asked = requests(&mut port, &mut master, &mut now, Nanos::from_secs(60));
    let unicast = asked.iter().take_while(|destination| **destination != Destination::Multicast).count();
    assert_eq!(unicast, 4);
    assert!(asked[unicast..].iter().all(|destination| *destination == Destination::Multicast));
    let events: Vec<_> = std::iter::from_fn(|| port.poll_event()).collect();
    assert_eq!(names(&events), ["master 1", "UNCALIBRATED", "fallback", "unanswered"]);
    let text = events[2].to_string();
    assert!(text.ends_with("has not answered 4 Delay_Reqs: asking by multicast instead of unicast"), "{text}");

    // A different master is first asked at its own address again.
    let mut better = Master::better(2);
    requests(&mut port, &mut better, &mut now, Nanos::from_secs(3));
    let asked = requests(&mut port, &mut better, &mut now, Nanos::from_secs(9));
    assert!(!asked.is_empty() && asked.iter().all(|destination| *destination == Destination::Unicast(address(2))));
}

#[test]
fn what_is_not_for_us_is_counted_and_changes_nothing() {
    let mut port = new_port(slave_config());
    assert!(port.handle_datagram(LocalTime::ZERO, address(1), &[0; 10]).is_err());
    let elsewhere = |header: Header| Master { header, ..Master::new(1) };
    let ours = Master::new(1).header;
    let mut foreign = [
        elsewhere(Header { domain_number: 0, ..ours }),
        elsewhere(Header { major_sdo_id: 1, ..ours }),
        elsewhere(Header { flags: Flags::ALTERNATE_MASTER, ..ours }),
        Master::new(9),
    ];
    for second in 0..5 {
        let now = LocalTime::ZERO + Nanos::from_secs(second);
        for master in &mut foreign {
            master.announce(&mut port, now);
        }
        // Syncs without an Announce belong to no master.
        Master::new(3).sync(&mut port, now);
        port.handle_timeout(now);
    }
    assert_eq!((port.poll_event(), port.poll_timeout()), (None, None));
    let counters = *port.counters();
    assert_eq!((counters.malformed, counters.other_domain, counters.other_sdo), (1, 5, 5));
    assert_eq!((counters.alternate_master, counters.own, counters.not_the_master), (5, 5, 10));
}

#[test]
fn another_sdo_and_minor_version_1_are_followed_where_wanted() {
    let config = PortConfig { sdo_id: 1, ..slave_config() };
    let (mut port, mut now) = (new_port(config), LocalTime::ZERO);
    let mut gptp = Master::new(1);
    gptp.header = Header { major_sdo_id: 1, minor_version: 1, ..gptp.header };
    run(&mut [&mut gptp], &mut port, &mut now, Nanos::from_secs(10));
    assert_eq!(port.state(), PortState::Slave);
    port.timers.set(Timer::DelayRequest, now);
    port.handle_timeout(now);
    let request = port.poll_transmit().unwrap();
    assert_eq!(Message::parse(&request.datagram).unwrap().header.major_sdo_id, 1);
}

/// An uptime is not a date: a timescale that began a moment ago is followed unchanged, because the
/// properties are for display only.
#[test]
fn any_timescale_is_followed_as_it_is() {
    let tai = Flags::PTP_TIMESCALE | Flags::CURRENT_UTC_OFFSET_VALID;
    let uptime = Nanos::from_secs(5);
    let today = Nanos::from_secs(1_790_000_000);
    for (flags, offset, expected) in [(Flags::default(), uptime, (false, None)), (tai, today, (true, Some(37)))] {
        let (mut port, mut now) = (new_port(slave_config()), LocalTime::ZERO);
        let mut master = Master { offset, ..Master::new(1) };
        master.header.flags = flags;
        run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(20));
        let error = port.reading(now).map.unwrap().ptp_at(now) - master.time(now);
        assert!(error.abs() < Nanos::from_micros(1), "{error}");
        let properties = port.time_properties().unwrap();
        assert_eq!((properties.ptp_timescale, properties.current_utc_offset), expected);
    }
}

/// This happens when the host's clock stands still.
#[test]
fn syncs_that_come_all_at_once_leave_no_timer_that_is_always_due() {
    let (mut port, mut master, mut now) = (new_port(slave_config()), Master::new(1), LocalTime::ZERO);
    run(&mut [&mut master], &mut port, &mut now, Nanos::from_secs(3));
    (0..16).for_each(|_| master.sync(&mut port, now));
    port.handle_timeout(now);
    assert!(port.poll_timeout().is_none_or(|due| due > now));
    silence(&mut port, &mut now, Nanos::from_secs(1));
}
