//! The prototype's PTP client.
//!
//! Law: there is no best master clock algorithm. Every Announce of the domain makes its sender the
//! master, and Sync and Follow_Up are accepted from the current master if their sequence ids agree;
//! so with two masters the client follows them alternately. Timestamps are those of the wall clock.
//! A Delay_Req is sent after every 8 Syncs; half of the time until its answer is displayed, and has
//! no other effect. There are no timeouts.

use super::servo::Servo;
use crate::record::ClockState;
use crate::world::{Clock, HostTime, RECEIVER_PORT, Receiver, StampClock};
use engine::clock::{ClockMap, PtpMap};
use engine::ptp::wire::{Body, ClockIdentity, Header, Message, PortIdentity};
use engine::ptp::{Transmit, TransmitToken};
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use std::collections::VecDeque;

/// Syncs from one Delay_Req to the next.
const SYNCS_PER_DELAY_REQUEST: u64 = 8;

/// The client.
pub struct PrototypeClock {
    domain_number: u8,
    master: Option<Master>,
    /// A Sync that waits for its Follow_Up: sequence id and receive timestamp.
    sync: Option<(u16, LocalTime)>,
    syncs: u64,
    servo: Servo,
    /// The last Sync's t1 and t2.
    last: Option<(PtpTime, LocalTime)>,
    /// The open Delay_Req: sequence id and transmit timestamp.
    request: (u16, Option<LocalTime>),
    path_delay: Nanos,
    transmit: Option<Transmit>,
    has_locked: bool,
    events: VecDeque<String>,
}

/// The current master, according to its Announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Master {
    port: PortIdentity,
    grandmaster: ClockIdentity,
}

impl PrototypeClock {
    /// A client in a PTP domain.
    #[must_use]
    pub fn new(domain_number: u8) -> Self {
        Self {
            domain_number,
            master: None,
            sync: None,
            syncs: 0,
            servo: Servo::default(),
            last: None,
            request: (0, None),
            path_delay: Nanos::ZERO,
            transmit: None,
            has_locked: false,
            events: VecDeque::new(),
        }
    }

    /// Whether its display shows `[LOCKED]`.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.servo.is_locked()
    }

    /// Rate of PTP against the wall clock: the servo's output, whether it is locked or not.
    #[must_use]
    pub fn frequency(&self) -> Ppb {
        self.servo.frequency()
    }

    /// The path delay that its display shows.
    #[must_use]
    pub fn path_delay(&self) -> Nanos {
        self.path_delay
    }

    fn announce(&mut self, master: Master) {
        if self.master != Some(master) {
            self.events.push_back(format!("Slave to: PTP/{}:{}", master.grandmaster, master.port.port_number));
        }
        self.master = Some(master);
    }

    fn sync(&mut self, header: &Header, stamp: LocalTime) {
        self.sync = Some((header.sequence_id, stamp));
        self.syncs += 1;
    }

    fn follow_up(&mut self, header: &Header, now: LocalTime, t1: PtpTime) {
        let Some((_, t2)) = self.sync.take_if(|(id, _)| *id == header.sequence_id) else { return };
        let was_locked = self.servo.is_locked();
        self.servo.update(now, t1, t2);
        self.last = Some((t1, t2));
        self.has_locked |= self.servo.is_locked();
        if self.servo.is_locked() != was_locked {
            let flag = if was_locked { "UNLOCKED" } else { "LOCKED" };
            self.events.push_back(format!("[{flag}], drift {:+.1} ppm", self.servo.drift().as_ppm()));
        }
        if self.syncs.is_multiple_of(SYNCS_PER_DELAY_REQUEST) {
            let sequence_id = self.request.0.wrapping_add(1);
            self.request = (sequence_id, None);
            self.transmit = Transmit::delay_req(RECEIVER_PORT, self.domain_number, sequence_id);
        }
    }

    fn delay_resp(&mut self, header: &Header, now: LocalTime) {
        if let (id, Some(sent)) = self.request
            && header.sequence_id == id
        {
            self.path_delay = Nanos::new((now - sent).as_nanos() / 2);
            self.request.1 = None;
        }
    }

    fn state(&self) -> ClockState {
        match (self.servo.is_locked(), self.has_locked, self.master) {
            (true, ..) => ClockState::Locked,
            (false, true, _) => ClockState::Unlocked,
            (false, false, Some(_)) => ClockState::Acquiring,
            (false, false, None) => ClockState::Listening,
        }
    }
}

impl Receiver for PrototypeClock {
    fn stamp_clock(&self) -> StampClock {
        StampClock::Wall
    }

    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.handle_ptp_at(HostTime { monotonic: now, wall: now }, datagram);
    }

    fn handle_ptp_at(&mut self, now: HostTime, datagram: &[u8]) {
        let Ok(Message { header, body, .. }) = Message::parse(datagram) else { return };
        if header.domain_number != self.domain_number {
            return;
        }
        let of_master = self.master.is_some_and(|master| master.port == header.source_port_identity);
        match body {
            Body::Announce(announce) => {
                self.announce(Master { port: header.source_port_identity, grandmaster: announce.grandmaster_identity });
            }
            Body::Sync { .. } if of_master => self.sync(&header, now.wall),
            Body::FollowUp { precise_origin_timestamp } if of_master => {
                self.follow_up(&header, now.monotonic, precise_origin_timestamp);
            }
            Body::DelayResp { requesting_port_identity: RECEIVER_PORT, .. } => self.delay_resp(&header, now.wall),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, _now: LocalTime) {}

    fn poll_timeout(&self) -> Option<LocalTime> {
        None
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmit.take()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        if self.request.0 == token.sequence_id() {
            self.request.1 = Some(sent);
        }
    }

    /// PTP time as the client estimates it: the time of the last Sync, continued at the servo's
    /// rate.
    fn clock(&self, _now: LocalTime) -> Clock {
        let map = self.last.map(|(t1, t2)| PtpMap::new(t2, t1, ClockMap::exact(t2, 0.0, self.servo.frequency())));
        Clock { state: self.state(), map, claims_sigma: false }
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.master.map(|master| master.grandmaster)
    }

    fn poll_event(&mut self) -> Option<String> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::ptp::wire::{Announce, Flags, Tlvs};

    const A: PortIdentity = PortIdentity { clock_identity: ClockIdentity([0xA; 8]), port_number: 1 };
    const B: PortIdentity = PortIdentity { clock_identity: ClockIdentity([0xB; 8]), port_number: 2 };
    const DOMAIN: u8 = 10;

    struct Bench {
        clock: PrototypeClock,
        now: LocalTime,
    }

    impl Bench {
        fn new() -> Self {
            Self { clock: PrototypeClock::new(DOMAIN), now: LocalTime::from_nanos(1_000_000_000) }
        }

        fn say(&mut self, domain_number: u8, from: PortIdentity, sequence_id: u16, body: Body) {
            let header = Header {
                domain_number,
                flags: Flags::TWO_STEP,
                source_port_identity: from,
                sequence_id,
                ..Header::default()
            };
            let mut bytes = [0; 64];
            let length = Message { header, body, tlvs: Tlvs::default() }.emit(&mut bytes).unwrap();
            self.clock.handle_ptp(self.now, &bytes[..length]);
        }

        fn announce(&mut self, from: PortIdentity) {
            let announce = Announce { grandmaster_identity: from.clock_identity, ..announce() };
            self.say(DOMAIN, from, 0, Body::Announce(announce));
        }

        /// A Sync and its Follow_Up, which may have another id; returns whether they were taken.
        fn sync(&mut self, from: PortIdentity, ids: [u16; 2]) -> bool {
            let before = self.clock.last;
            self.now = self.now + Nanos::from_millis(125);
            self.say(DOMAIN, from, ids[0], Body::Sync { origin_timestamp: PtpTime::EPOCH });
            let precise_origin_timestamp = PtpTime::EPOCH + (self.now - LocalTime::ZERO);
            self.say(DOMAIN, from, ids[1], Body::FollowUp { precise_origin_timestamp });
            self.clock.last != before
        }
    }

    fn announce() -> Announce {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/gm_loss.toml");
        let scenario = crate::scenario::Loaded::read(path.as_ref(), &[]).unwrap().scenario;
        let wander = crate::models::RandomStream::new(1, "test");
        let bytes = crate::models::GrandmasterModel::new(scenario.grandmaster, wander).announce();
        match Message::parse(&bytes).unwrap().body {
            Body::Announce(announce) => announce,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_announce_of_the_domain_makes_its_sender_the_master() {
        let mut bench = Bench::new();
        assert!(!bench.sync(A, [1, 1]), "there is no master yet");
        for (master, other) in [(A, B), (B, A), (A, B)] {
            bench.announce(master);
            assert_eq!(bench.clock.grandmaster(), Some(master.clock_identity));
            assert!(bench.sync(master, [2, 2]) && !bench.sync(other, [3, 3]));
        }
        bench.say(DOMAIN + 1, B, 0, Body::Announce(announce()));
        assert!(bench.sync(A, [4, 4]), "another domain's Announce changes nothing");
        let told: Vec<String> = std::iter::from_fn(|| bench.clock.poll_event()).collect();
        let slave_to = |told: &&String| told.starts_with("Slave to: PTP/");
        let ports: Vec<_> = told.iter().filter(slave_to).map(|text| text.rsplit(':').next().unwrap()).collect();
        assert_eq!(ports, ["1", "2", "1"], "{told:?}");
    }

    #[test]
    fn a_follow_up_counts_with_its_own_sync_only() {
        let mut bench = Bench::new();
        bench.announce(A);
        assert!(!bench.sync(A, [7, 8]));
        assert!(bench.sync(A, [9, 9]));
    }

    #[test]
    fn a_change_of_master_resets_no_offset() {
        let mut bench = Bench::new();
        bench.announce(A);
        (0..100).for_each(|id| assert!(bench.sync(A, [id; 2])));
        assert!(bench.clock.is_locked());
        bench.announce(B);
        // B's time is 1 s ahead, because t1 is the bench's time less one second from here on.
        bench.now = bench.now + Nanos::from_secs(1);
        let before = bench.clock.servo.drift();
        bench.clock.handle_ptp(bench.now, &[]);
        let header = Header { sequence_id: 1, ..Header::default() };
        bench.clock.sync(&header, bench.now);
        bench.clock.follow_up(&header, bench.now, PtpTime::EPOCH);
        assert!((bench.clock.servo.drift().as_ppm() - before.as_ppm()).abs() > 1_000.0);
    }

    #[test]
    fn a_delay_request_follows_every_8th_sync_and_its_answer_is_only_displayed() {
        let mut bench = Bench::new();
        bench.announce(A);
        let mut requests = Vec::new();
        for id in 1..=32u16 {
            bench.sync(A, [id; 2]);
            if let Some(transmit) = bench.clock.poll_transmit() {
                requests.push((id, transmit));
            }
        }
        assert_eq!(requests.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [8, 16, 24, 32]);
        let (drift, sent) = (bench.clock.servo.drift(), bench.now);
        bench.clock.handle_transmitted(requests[3].1.timestamp.unwrap(), sent);
        bench.now = bench.now + Nanos::from_micros(300);
        let body = Body::DelayResp { receive_timestamp: PtpTime::EPOCH, requesting_port_identity: RECEIVER_PORT };
        bench.say(DOMAIN, A, 4, body);
        assert_eq!((bench.clock.path_delay(), bench.clock.servo.drift()), (Nanos::from_micros(150), drift));
    }

    #[test]
    fn nothing_times_out() {
        let mut bench = Bench::new();
        bench.announce(A);
        (0..100).for_each(|id| assert!(bench.sync(A, [id; 2])));
        let later = bench.now + Nanos::from_secs(86_400);
        bench.clock.handle_timeout(later);
        assert_eq!((bench.clock.poll_timeout(), bench.clock.clock(later).state), (None, ClockState::Locked));
        assert_eq!(bench.clock.grandmaster(), Some(A.clock_identity));
    }
}
