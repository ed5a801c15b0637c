use super::room::GUARANTEED;
use super::*;
use crate::announce::sap::{Announcer, AnnouncerConfig};
use crate::announce::sdp::Origin;
use miniz_oxide::deflate::compress_to_vec_zlib;
use proptest::prelude::*;

const HOST: [u8; 4] = [192, 0, 2, 1];

fn at(s: i64) -> LocalTime {
    LocalTime::ZERO + Nanos::from_secs(s)
}

fn text(id: u32, version: u32) -> String {
    format!(
        "v=0\r\no=- {id} {version} IN IP4 192.0.2.1\r\ns=Studio {id}\r\nt=0 0\r\nm=audio 5004 RTP/AVP 11\r\nc=IN IP4 239.69.0.1/32\r\n"
    )
}

fn datagram(deletion: bool, hash: u16, host: [u8; 4], payload: &str) -> Vec<u8> {
    SapPacket { deletion, hash, origin: host.into(), payload: payload.as_bytes().into() }.emit()
}

fn hear(directory: &mut Directory, s: i64, datagram: &[u8]) {
    directory.handle_datagram(at(s), HOST.into(), datagram).unwrap();
}

fn key(id: u32) -> SessionKey {
    let origin = Origin::find(text(id, 1).as_bytes()).unwrap();
    SessionKey::new(Host { from: HOST.into(), origin: HOST.into() }, SessionName::of(&origin), 0)
}

fn events(directory: &mut Directory) -> Vec<SapEvent> {
    std::iter::from_fn(|| directory.poll_event()).collect()
}

fn removed(id: u32, reason: Removal) -> SapEvent {
    SapEvent::Removed { key: key(id), name: format!("Studio {id}"), reason }
}

#[test]
fn sessions_are_added_once_updated_by_their_text_and_deleted() {
    let mut directory = Directory::default();
    for s in [0, 30, 60] {
        hear(&mut directory, s, &datagram(false, 5, HOST, &text(7, 1)));
    }
    // This device does not change its hash.
    hear(&mut directory, 90, &datagram(false, 5, HOST, &text(7, 2)));
    hear(&mut directory, 91, &datagram(false, 6, HOST, &text(8, 1)));
    assert_eq!(directory.len(), 2);
    assert_eq!(directory.get(&key(7)).unwrap().description.origin.version, 2);
    // Deletions identify their session by the o= line, whatever its version, or by the hash alone.
    hear(&mut directory, 92, &datagram(true, 99, HOST, "o=- 7 1 IN IP4 192.0.2.1\r\n"));
    hear(&mut directory, 93, &datagram(true, 6, HOST, ""));
    let expected = [
        SapEvent::Added(key(7)),
        SapEvent::Updated(key(7)),
        SapEvent::Added(key(8)),
        removed(7, Removal::Deleted),
        removed(8, Removal::Deleted),
    ];
    assert_eq!(events(&mut directory), expected);
    assert!(directory.is_empty() && directory.poll_timeout().is_none());
}

#[test]
fn only_the_host_that_announces_a_session_withdraws_it() {
    let mut directory = Directory::default();
    hear(&mut directory, 0, &datagram(false, 5, HOST, &text(7, 1)));
    hear(&mut directory, 1, &datagram(true, 5, [192, 0, 2, 66], "o=- 7 1 IN IP4 192.0.2.1\r\n"));
    hear(&mut directory, 2, &datagram(true, 4, HOST, ""));
    assert_eq!((directory.len(), directory.stats().idle_deletions), (1, 2));
}

#[test]
fn a_stranger_neither_replaces_nor_deletes_what_another_host_announces() {
    let mut directory = Directory::default();
    hear(&mut directory, 0, &datagram(false, 5, HOST, &text(7, 1)));
    let stranger = IpAddr::from([192, 0, 2, 66]);
    let forged = text(7, 9).replace("239.69.0.1", "239.69.0.66");
    // The stranger announces from its own address, first with the header and the line of the other
    // host, and then with its own.
    for origin in [HOST, [192, 0, 2, 66]] {
        directory.handle_datagram(at(1), stranger, &datagram(false, 6, origin, &forged)).unwrap();
        for payload in ["", "o=- 7 1 IN IP4 192.0.2.1\r\n", &text(7, 1)] {
            directory.handle_datagram(at(2), stranger, &datagram(true, 5, origin, payload)).unwrap();
        }
    }
    let entry = directory.get(&key(7)).unwrap();
    assert_eq!((entry.text(), entry.from), (text(7, 1).as_bytes(), HOST.into()));
    let others: Vec<_> = directory.sessions().filter(|(other, _)| **other != key(7)).collect();
    assert!(others.iter().all(|(other, _)| other.from() == stranger && other.has_origin_of(&key(7))), "{others:?}");
}

#[test]
fn of_sessions_with_one_name_the_newest_of_the_host_that_came_first_is_meant() {
    let mut directory = Directory::default();
    let other = [192, 0, 2, 3];
    let announce = |directory: &mut Directory, s, host: [u8; 4], id: u32| {
        let text = text(id, 1).replace(&format!("s=Studio {id}"), "s=Studio");
        directory.handle_datagram(at(s), host.into(), &datagram(false, 5, host, &text)).unwrap();
    };
    announce(&mut directory, 1, HOST, 7);
    announce(&mut directory, 2, other, 4);
    // The host has restarted without withdrawing its earlier announcements.
    announce(&mut directory, 3, HOST, 6);
    announce(&mut directory, 4, other, 4);
    let meant = named(directory.sessions().map(|(_, entry)| entry), "Studio");
    let meant: Vec<_> = meant.iter().map(|entry| (entry.from, entry.description.origin.session_id.as_str())).collect();
    let [host, other] = [HOST, other].map(IpAddr::from);
    assert_eq!(meant, [(host, "6"), (host, "7"), (other, "4")]);
    assert!(named(directory.sessions().map(|(_, entry)| entry), "Nobody").is_empty());
}

/// FFmpeg's line is the same for all streams of a host, and each stream's hash is random.
#[test]
fn what_a_stranger_announced_first_gives_way_to_the_origin_itself() {
    const ORIGIN: [u8; 4] = [192, 0, 2, 1];
    let mut directory = Directory::default();
    let meant = |directory: &Directory| -> Vec<_> {
        let entries = directory.sessions().map(|(_, entry)| entry);
        named(entries, "Studio 1").iter().map(|entry| (entry.from, entry.is_announced_by_its_origin())).collect()
    };
    let own = text(1, 1);
    let others = text(1, 9).replace("239.69.0.1", "239.70.9.9");
    let namesakes = others.replace("IN IP4 192.0.2.1", "IN IP4 192.0.2.77");
    let stranger = (IpAddr::from([192, 0, 2, 66]), Some(false));
    let origin = (IpAddr::from(ORIGIN), Some(true));
    // A session of the same name from another host does not displace this one, nor is it displaced.
    let namesake = (IpAddr::from([192, 0, 2, 77]), Some(true));
    for (s, (from, _), text, expected) in [
        (0, stranger, &others, vec![stranger]),
        (5, origin, &own, vec![origin, stranger]),
        (6, namesake, &namesakes, vec![origin, namesake, stranger]),
    ] {
        directory.handle_datagram(at(s), from, &datagram(false, 1, ORIGIN, text)).unwrap();
        assert_eq!(meant(&directory), expected);
    }
    let nowhere = text(1, 1).replace("192.0.2.1", "127.0.0.1");
    directory.handle_datagram(at(7), HOST.into(), &datagram(false, 1, HOST, &nowhere)).unwrap();
    assert!(meant(&directory).contains(&(HOST.into(), None)));
}

#[test]
fn two_announcers_of_one_host_with_the_same_origin_are_two_sessions() {
    let ffmpeg = |group: u8, port: u16| {
        format!(
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 239.69.0.{group}/15\r\nt=0 0\r\nm=audio {port} RTP/AVP 11\r\n"
        )
    };
    let mut directory = Directory::default();
    let three = [(1, 5004, 0x1111), (2, 5004, 0x2222), (1, 5006, 0x3333)];
    for s in [0, 5, 10, 15] {
        for (group, port, hash) in three {
            hear(&mut directory, s, &datagram(false, hash, HOST, &ffmpeg(group, port)));
        }
    }
    assert_eq!(directory.len(), 3);
    let told = events(&mut directory);
    assert!(told.iter().all(|event| matches!(event, SapEvent::Added(_))) && told.len() == 3, "{told:?}");
    // Each session is withdrawn separately: one by its whole text, as FFmpeg does, one by its hash,
    // and the last one by its line.
    let left = |directory: &Directory| {
        directory.sessions().map(|(_, entry)| place(&entry.description).unwrap()).collect::<Vec<_>>()
    };
    hear(&mut directory, 16, &datagram(true, 0, HOST, &ffmpeg(2, 5004)));
    assert_eq!(left(&directory), [([239, 69, 0, 1].into(), 5004), ([239, 69, 0, 1].into(), 5006)]);
    hear(&mut directory, 17, &datagram(true, 0, HOST, "o=- 0 0 IN IP4 127.0.0.1\r\n"));
    assert_eq!((directory.len(), directory.stats().idle_deletions), (2, 1), "nobody knows which is meant");
    hear(&mut directory, 18, &datagram(true, 0x1111, HOST, "o=- 0 0 IN IP4 127.0.0.1\r\n"));
    assert_eq!(left(&directory), [([239, 69, 0, 1].into(), 5006)]);
    hear(&mut directory, 19, &datagram(true, 0, HOST, "o=- 0 0 IN IP4 127.0.0.1\r\n"));
    assert!(directory.is_empty());
}

#[test]
fn short_origins_are_told_apart_by_the_streams_address_and_a_newer_version_is_the_same_session() {
    let short = |id: &str, group: u8| {
        format!("v=0\r\no={id}\r\ns=x\r\nc=IN IP4 239.69.0.{group}/15\r\nt=0 0\r\nm=audio 5004 RTP/AVP 11\r\n")
    };
    let mut directory = Directory::default();
    for s in [0, 30] {
        for group in [1, 2] {
            hear(&mut directory, s, &datagram(false, 0, HOST, &short("- 1 1", group)));
        }
    }
    assert_eq!((directory.len(), events(&mut directory).len()), (2, 2));
    // The stream has moved to another group, and its version has increased.
    let mut directory = Directory::default();
    hear(&mut directory, 0, &datagram(false, 5, HOST, &text(7, 1)));
    hear(&mut directory, 1, &datagram(false, 6, HOST, &text(7, 2).replace("239.69.0.1", "239.69.0.2")));
    assert_eq!(events(&mut directory), [SapEvent::Added(key(7)), SapEvent::Updated(key(7))]);
    assert_eq!(directory.len(), 1);
}

#[test]
fn compressed_announcements_are_taken_and_encrypted_ones_told_once() {
    let mut directory = Directory::default();
    let mut packed = datagram(false, 5, HOST, "");
    packed.truncate(8);
    packed[0] |= 0x01;
    packed.extend(compress_to_vec_zlib(&[b"application/sdp\0", text(7, 1).as_bytes()].concat(), 9));
    hear(&mut directory, 0, &packed);
    assert_eq!(directory.get(&key(7)).unwrap().text(), text(7, 1).as_bytes());
    packed[0] |= 0x02;
    for s in 1..4 {
        assert_eq!(directory.handle_datagram(at(s), HOST.into(), &packed), Err(SapError::Encrypted));
    }
    let refused = SapEvent::Refused { from: HOST.into(), reason: SapError::Encrypted };
    assert_eq!(events(&mut directory), [SapEvent::Added(key(7)), refused]);
    // However many refusals there are, the memory is bounded, and one host does not fill it.
    for n in 0..1000u32 {
        let payload = format!("v=0\r\nm=video{n} 5004 RTP/AVP 96\r\n");
        let _ = directory.handle_datagram(at(5), HOST.into(), &datagram(false, 1, HOST, &payload));
    }
    assert_eq!(directory.refusals.len(), MAX_REFUSALS_OF_HOST);
    for n in 0..1000u32 {
        let [_, a, b, c] = n.to_be_bytes();
        let _ = directory.handle_datagram(at(5), [10, a, b, c].into(), b"noise");
    }
    assert!(directory.refusals.len() <= MAX_REFUSALS && directory.events.len() <= MAX_EVENTS);
    assert_eq!(directory.len(), 1);
}

#[test]
fn a_session_that_falls_silent_goes_after_ten_of_its_intervals() {
    // The sessions are announced every 30 s, every 5 s, and once.
    let cases = [(vec![0, 30, 60, 90], 90 + 300), (vec![0, 5, 10, 15], 15 + 90), (vec![0], 3600)];
    for (heard, gone) in cases {
        let mut directory = Directory::default();
        for &s in &heard {
            hear(&mut directory, s, &datagram(false, 5, HOST, &text(7, 1)));
        }
        assert_eq!(directory.poll_timeout(), Some(at(gone)), "{heard:?}");
        directory.handle_timeout(at(gone) - Nanos::new(1));
        assert_eq!(directory.len(), 1);
        directory.handle_timeout(at(gone));
        let last = heard[heard.len() - 1];
        let expected = [SapEvent::Added(key(7)), removed(7, Removal::Silent(Nanos::from_secs(gone - last)))];
        assert_eq!(events(&mut directory), expected);
    }
}

#[test]
fn announcements_that_come_twice_do_not_shorten_the_life() {
    let mut directory = Directory::default();
    // With two groups, each announcement arrives again a moment later.
    for s in [0, 60, 120, 180] {
        hear(&mut directory, s, &datagram(false, 5, HOST, &text(7, 1)));
        hear(&mut directory, s, &datagram(false, 5, HOST, &text(7, 1)));
    }
    let timeout = directory.poll_timeout().unwrap() - at(180);
    assert!(timeout >= Nanos::from_secs(500), "{timeout}");
}

#[test]
fn the_number_of_sessions_and_events_is_bounded() {
    let mut directory = Directory::default();
    for id in 0..MAX_SESSIONS as u32 {
        hear(&mut directory, 0, &datagram(false, 1, HOST, &text(id, 1)));
    }
    for version in 2..10 {
        hear(&mut directory, 1, &datagram(false, 1, HOST, &text(3, version)));
    }
    assert_eq!((directory.len(), directory.events.len()), (MAX_SESSIONS, MAX_EVENTS));
    assert_eq!((directory.stats().refused, directory.stats().crowded_out), (0, 0));
    // All sessions are confirmed and come from one address, so its newest session is removed.
    for id in 0..MAX_SESSIONS as u32 {
        hear(&mut directory, 30, &datagram(false, 1, HOST, &text(id, if id == 3 { 9 } else { 1 })));
    }
    hear(&mut directory, 31, &datagram(false, 1, HOST, &text(5000, 1)));
    assert!(directory.get(&key(5000)).is_some() && directory.len() == MAX_SESSIONS);
}

/// Announces a session of an address from that address.
fn announce(directory: &mut Directory, now: LocalTime, from: [u8; 4], id: u32) -> Result<(), SapError> {
    directory.handle_datagram(now, from.into(), &datagram(false, 5, from, &text(id, 1)))
}

/// The listed sessions that an address announces.
fn of(directory: &Directory, from: [u8; 4]) -> Vec<String> {
    let its = directory.sessions().filter(|(key, _)| key.from() == IpAddr::from(from));
    its.map(|(_, entry)| entry.description.name.clone()).collect()
}

#[test]
fn a_flood_of_one_address_pushes_out_nothing_but_its_own_and_is_told_once() {
    let mut directory = Directory::default();
    let (honest, stranger) = ([192, 0, 2, 3], [192, 0, 2, 66]);
    announce(&mut directory, at(0), honest, 1).unwrap();
    for n in 0..3 * MAX_SESSIONS as u32 {
        announce(&mut directory, at(1), stranger, 10_000 + n).unwrap();
    }
    // A session that is now announced for the first time is listed at once.
    for id in 2..10 {
        announce(&mut directory, at(2), HOST, id).unwrap();
    }
    assert_eq!((of(&directory, honest).len(), of(&directory, HOST).len(), directory.len()), (1, 8, MAX_SESSIONS));
    let told: Vec<_> =
        events(&mut directory).into_iter().filter(|event| matches!(event, SapEvent::Crowded(_))).collect();
    assert!(told.is_empty(), "older events are dropped first: it was told in the beginning");
    assert_eq!(directory.stats().crowded_out, 2 * MAX_SESSIONS as u64 + 1 + 8);
    let mut directory = Directory::default();
    let mut told = Vec::new();
    for n in 0..2 * MAX_SESSIONS as u32 {
        announce(&mut directory, at(1), stranger, n).unwrap();
        told.extend(events(&mut directory).into_iter().filter(|event| matches!(event, SapEvent::Crowded(_))));
    }
    let [SapEvent::Crowded(crowd)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        crowd.to_string(),
        "1024 sessions are announced, which is all there is room for: 1024 by 192.0.2.66, 1024 only once, by 1 addresses in \
         all. What is announced only once makes room for others"
    );
}

#[test]
fn confirmed_sessions_stay_whatever_many_addresses_announce() {
    let mut directory = Directory::default();
    for s in [0, 30] {
        (0..GUARANTEED as u32).for_each(|id| announce(&mut directory, at(s), HOST, id).unwrap());
    }
    let forged = |n: u32| [10, (n >> 16) as u8, (n >> 8) as u8, n as u8];
    // Each session is announced twice, so that it is confirmed as well.
    for s in [40, 50] {
        for n in 0..2 * MAX_SESSIONS as u32 {
            let _ = announce(&mut directory, at(s), forged(n), n);
        }
    }
    assert_eq!((of(&directory, HOST).len(), directory.len()), (GUARANTEED, MAX_SESSIONS));
    assert!(directory.stats().crowded_out > 0);
}

#[test]
fn what_was_pushed_out_before_it_was_heard_again_is_confirmed_then() {
    let mut directory = Directory::default();
    let forged = |n: u32| [10, (n >> 16) as u8, (n >> 8) as u8, n as u8];
    let mut flood = (0..).map(|n| (forged(n), n));
    let mut hear_flood = |directory: &mut Directory, now| {
        for (from, id) in flood.by_ref().take(2 * MAX_SESSIONS) {
            let _ = announce(directory, now, from, id);
        }
    };
    announce(&mut directory, at(0), HOST, 7).unwrap();
    hear_flood(&mut directory, at(1));
    assert!(of(&directory, HOST).is_empty());
    announce(&mut directory, at(30), HOST, 7).unwrap();
    hear_flood(&mut directory, at(31));
    assert_eq!(of(&directory, HOST), ["Studio 7"]);
    assert!(directory.get(&key(7)).unwrap().is_confirmed());
}

/// The originating source is the host itself, and the datagrams come from a proxy (RFC 2974, 6).
#[test]
fn what_a_proxy_announces_is_a_session_of_its_own_and_it_withdraws_no_other() {
    let mut directory = Directory::default();
    let proxy = IpAddr::from([192, 0, 2, 9]);
    hear(&mut directory, 0, &datagram(false, 5, HOST, &text(7, 1)));
    directory.handle_datagram(at(1), proxy, &datagram(false, 5, HOST, &text(7, 1))).unwrap();
    let keys: Vec<_> = directory.sessions().map(|(key, _)| (key.from(), key.origin())).collect();
    assert_eq!(keys, [(HOST.into(), HOST.into()), (proxy, HOST.into())]);
    directory.handle_datagram(at(2), proxy, &datagram(true, 5, HOST, &text(7, 1))).unwrap();
    let keys: Vec<_> = directory.sessions().map(|(key, _)| key.from()).collect();
    assert_eq!(keys, [IpAddr::from(HOST)]);
}

#[test]
fn what_is_of_no_use_is_told_and_counted() {
    let mut directory = Directory::default();
    let video = datagram(false, 1, HOST, "v=0\r\nm=video 5004 RTP/AVP 96\r\n");
    let error = directory.handle_datagram(at(0), HOST.into(), &video).unwrap_err();
    assert_eq!(error.to_string(), "line 2: no stream to receive here: the medium is video, not audio");
    assert!(directory.handle_datagram(at(0), HOST.into(), b"noise").is_err());
    assert_eq!((directory.stats().refused, directory.len()), (2, 0));
}

#[test]
fn our_own_announcer_keeps_a_session_alive_updates_and_ends_it() {
    let mut announcer = Announcer::new(AnnouncerConfig::new(HOST.into(), 3));
    let mut directory = Directory::default();
    let deliver = |announcer: &mut Announcer, directory: &mut Directory, now| {
        while let Some(transmit) = announcer.poll_transmit() {
            directory.handle_datagram(now, HOST.into(), &transmit.datagram).unwrap();
        }
        directory.handle_timeout(now);
    };
    announcer.announce(at(0), &text(7, 1));
    deliver(&mut announcer, &mut directory, at(0));
    for _ in 0..1000 {
        let due = announcer.poll_timeout().unwrap();
        announcer.handle_timeout(due);
        deliver(&mut announcer, &mut directory, due);
    }
    let now = announcer.poll_timeout().unwrap();
    announcer.announce(now, &text(7, 2));
    deliver(&mut announcer, &mut directory, now);
    announcer.withdraw();
    deliver(&mut announcer, &mut directory, now);
    assert_eq!(
        events(&mut directory),
        [SapEvent::Added(key(7)), SapEvent::Updated(key(7)), removed(7, Removal::Deleted)]
    );
}

proptest! {
    /// Whatever the input and its timing, nothing panics, the events add up to the present
    /// sessions, and the timers come to an end.
    #[test]
    fn any_script_keeps_the_books(steps in proptest::collection::vec((0u8..6, 0u32..4, 0u32..3, 0i64..2000, any::<u8>()), 0..80)) {
        let mut directory = Directory::default();
        let (mut now, mut known) = (0, BTreeSet::new());
        for (kind, id, version, pause_s, noise) in steps {
            let mut bytes = datagram(kind == 1, id as u16, HOST, &text(id, version));
            match kind {
                2 => now += pause_s,
                3 => { let at = usize::from(noise) % bytes.len(); bytes[at] ^= noise; }
                4 => bytes.truncate(usize::from(noise)),
                _ => {}
            }
            let _ = directory.handle_datagram(at(now), HOST.into(), &bytes);
            directory.handle_timeout(at(now));
            prop_assert!(directory.poll_timeout().is_none_or(|due| due > at(now)));
            for event in events(&mut directory) {
                match event {
                    SapEvent::Added(key) => prop_assert!(known.insert(key)),
                    SapEvent::Updated(key) => prop_assert!(known.contains(&key)),
                    SapEvent::Refused { .. } | SapEvent::Crowded(_) => {}
                    SapEvent::Removed { key, .. } => prop_assert!(known.remove(&key)),
                }
            }
            prop_assert!(directory.sessions().map(|(key, _)| key).eq(&known));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// A flood from few or many addresses, of new or repeated sessions, together with honest
    /// announcers: memory is bounded, confirmed sessions stay unchanged, and one flooding address
    /// displaces nothing.
    #[test]
    fn honest_sessions_outlast_a_flood(addresses in prop_oneof![Just(1u32), 2u32..40, Just(u32::MAX)], per_s in 50u32..300, again in 1u32..4, seed in any::<u32>()) {
        let mut directory = Directory::default();
        let hosts: Vec<[u8; 4]> = (1..=5).map(|n| [192, 0, 2, n]).collect();
        let mut sent = 0u32;
        for s in 0..30 {
            for n in 0..per_s {
                sent += 1;
                let id = seed.wrapping_add(sent / again);
                let [_, a, b, c] = (id % addresses).to_be_bytes();
                let _ = announce(&mut directory, at(s) + Nanos::from_millis(i64::from(n)), [10, a, b, c], id);
            }
            for (n, host) in hosts.iter().enumerate().filter(|(n, _)| (s - *n as i64) % 10 == 0 && s >= *n as i64) {
                (0..3).for_each(|id| drop(announce(&mut directory, at(s) + Nanos::from_millis(500), *host, 100 * n as u32 + id)));
            }
            prop_assert!(directory.len() <= MAX_SESSIONS);
            let heard_once = hosts.iter().enumerate().filter(|(n, _)| s >= *n as i64 && addresses == 1).map(|(_, host)| host);
            let heard_twice = hosts.iter().enumerate().filter(|(n, _)| s >= *n as i64 + 10).map(|(_, host)| host);
            for host in heard_once.chain(heard_twice) {
                prop_assert_eq!(of(&directory, *host).len(), 3, "{:?} after {} s", host, s);
            }
        }
    }
}
