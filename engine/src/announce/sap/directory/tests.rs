use super::*;
use crate::announce::sap::{Announcer, AnnouncerConfig};
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
    SapPacket { deletion, hash, origin: host.into(), payload: payload.as_bytes() }.emit()
}

fn hear(directory: &mut Directory, s: i64, datagram: &[u8]) {
    directory.handle_datagram(at(s), HOST.into(), datagram).unwrap();
}

fn key(id: u32) -> SessionKey {
    SessionKey { username: "-".to_owned(), session_id: id.to_string(), address: "192.0.2.1".to_owned() }
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
    // A device that does not change its hash.
    hear(&mut directory, 90, &datagram(false, 5, HOST, &text(7, 2)));
    hear(&mut directory, 91, &datagram(false, 6, HOST, &text(8, 1)));
    assert_eq!(directory.len(), 2);
    assert_eq!(directory.get(&key(7)).unwrap().description.origin.version, 2);
    // By the o= line, whatever its version; and by the hash alone.
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
fn a_session_that_falls_silent_goes_after_ten_of_its_intervals() {
    // Announced every 30 s, every 5 s, and once.
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
    // Two groups: each announcement comes again a moment later.
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
    let more = directory.handle_datagram(at(0), HOST.into(), &datagram(false, 1, HOST, &text(5000, 1)));
    assert_eq!(more, Err(SapError::Full(MAX_SESSIONS)));
    for version in 2..10 {
        hear(&mut directory, 1, &datagram(false, 1, HOST, &text(3, version)));
    }
    assert_eq!((directory.len(), directory.events.len()), (MAX_SESSIONS, MAX_EVENTS));
    assert_eq!(directory.stats().refused, 1);
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
    /// Whatever comes, and whenever: no panic, the events add up to what is there, and timers come to an end.
    #[test]
    fn any_script_keeps_the_books(steps in proptest::collection::vec((0u8..6, 0u32..4, 0u32..3, 0i64..2000, any::<u8>()), 0..80)) {
        let mut directory = Directory::default();
        let (mut now, mut known) = (0, std::collections::BTreeSet::new());
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
                    SapEvent::Removed { key, .. } => prop_assert!(known.remove(&key)),
                }
            }
            prop_assert!(directory.sessions().map(|(key, _)| key).eq(&known));
        }
    }
}
