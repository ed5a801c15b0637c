//! A port, its honest master and a stranger on one network, who sends what he likes from whatever
//! address, and sees all that goes to everybody.

use crate::attack::{Attack, Lie};
use engine::clock::{LockState, SlaveClock};
use engine::ptp::wire::{Announce, Body, ClockIdentity, CorrectionField, Flags, Header, Message, PortIdentity, Tlvs};
use engine::ptp::{PeerAddress, Port, PortConfig, Profile};
use engine::{LocalTime, Nanos, PtpTime};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;

pub(crate) const MASTER: u8 = 1;
pub(crate) const US: u8 = 9;
const OURS: PortIdentity = PortIdentity { clock_identity: ClockIdentity([US; 8]), port_number: 1 };
pub(crate) const SYNC: Nanos = Nanos::from_millis(125);
const ANNOUNCE: Nanos = Nanos::from_secs(1);
const DELAY: Nanos = Nanos::from_micros(40);
/// From a Sync to its Follow_Up, and from a Delay_Req to its Delay_Resp.
const PROCESSING: Nanos = Nanos::from_micros(900);
const TAI: Nanos = Nanos::from_secs(1_790_000_000);
/// When the attack begins, unless a plot has it otherwise: the clock knows its rate by then.
pub(crate) const BEGINS: LocalTime = LocalTime::from_nanos(25_000_000_000);
/// A master that obeys a stranger serves again so long after his last Announce: ptp4l's announce
/// receipt timeout of 3 intervals, and a random share of one more.
const OBEYS: (Nanos, Nanos) = (Nanos::from_secs(3), Nanos::from_secs(4));

pub(crate) fn port_identity(identity: u8) -> PortIdentity {
    PortIdentity { clock_identity: ClockIdentity([identity; 8]), port_number: 1 }
}

pub(crate) fn address(identity: u8) -> PeerAddress {
    PeerAddress::from([192, 0, 2, identity])
}

/// A run: the attack and the network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plot {
    pub(crate) attack: Attack,
    pub(crate) begins: LocalTime,
    /// How long it lasts.
    pub(crate) lasts: Nanos,
    /// Whether the honest master believes the stranger's Announces, and serves no more meanwhile.
    pub(crate) obeys: bool,
    /// Whether it begins before the port.
    pub(crate) from_start: bool,
    pub(crate) jitter_us: u32,
    pub(crate) rate_ppm: i32,
    pub(crate) one_step: bool,
    pub(crate) seed: u64,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Greatest error while LOCKED, and while the time is of use.
    pub(crate) locked_error: Nanos,
    pub(crate) usable_error: Nanos,
    /// When it was first LOCKED.
    pub(crate) first_lock: Option<LocalTime>,
    /// Shares of the attack in LOCKED, and in a usable state.
    pub(crate) locked_share: f64,
    pub(crate) usable_share: f64,
    /// From the end of the attack to LOCKED and within 100 us for good.
    pub(crate) recovered_after: Option<Nanos>,
}

/// A datagram under way.
#[derive(Clone, Debug)]
struct Letter {
    source: PeerAddress,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Announce,
    Sync,
    Attack,
    Deliver(u64),
    Look,
}

pub(crate) struct Network {
    pub(crate) plot: Plot,
    pub(crate) port: Port<SlaveClock>,
    pub(crate) random: ChaCha8Rng,
    pub(crate) now: LocalTime,
    agenda: BTreeMap<(LocalTime, u64), Task>,
    letters: BTreeMap<u64, Letter>,
    count: u64,
    /// The honest master's newest Sync.
    pub(crate) sequence_id: u16,
    announce_id: u16,
    /// The newest Syncs and Follow_Ups of the master.
    pub(crate) recorded: Vec<Vec<u8>>,
    pub(crate) rounds: u32,
    /// Until when the honest master obeys a stranger.
    obeys_until: LocalTime,
    outcome: Outcome,
    looks: (u32, u32, u32),
}

impl Network {
    pub(crate) fn new(plot: Plot) -> Self {
        let config = PortConfig::slave_only(&Profile::AES67_MEDIA, OURS);
        let mut network = Self {
            plot,
            port: Port::new(config, LocalTime::ZERO),
            random: ChaCha8Rng::seed_from_u64(plot.seed),
            now: LocalTime::ZERO,
            agenda: BTreeMap::new(),
            letters: BTreeMap::new(),
            count: 0,
            sequence_id: 100,
            announce_id: 0,
            recorded: vec![],
            rounds: 0,
            obeys_until: LocalTime::ZERO,
            outcome: Outcome::default(),
            looks: (0, 0, 0),
        };
        network.plan(LocalTime::from_nanos(700_000_000), Task::Announce);
        network.plan(LocalTime::from_nanos(750_000_000), Task::Sync);
        let begins = if plot.from_start { LocalTime::from_nanos(1_000_000) } else { plot.begins };
        network.plan(begins, Task::Attack);
        network.plan(LocalTime::ZERO, Task::Look);
        network
    }

    fn plan(&mut self, at: LocalTime, task: Task) {
        self.count += 1;
        self.agenda.insert((at, self.count), task);
    }

    pub(crate) fn ends(&self) -> LocalTime {
        let begins = if self.plot.from_start { LocalTime::ZERO } else { self.plot.begins };
        begins + self.plot.lasts
    }

    pub(crate) fn attacks(&self) -> bool {
        (self.plot.from_start || self.now >= self.plot.begins) && self.now < self.ends()
    }

    /// Uniform over (0, 1).
    pub(crate) fn draw(&mut self) -> f64 {
        (f64::from(self.random.next_u32()) + 0.5) / 4_294_967_296.0
    }

    pub(crate) fn late(&mut self) -> Nanos {
        DELAY + Nanos::new((-1e3 * f64::from(self.plot.jitter_us) * libm::log(self.draw())) as i64)
    }

    pub(crate) fn truth(&self, at: LocalTime) -> PtpTime {
        let drift = at.as_nanos() as f64 * f64::from(self.plot.rate_ppm) * 1e-6;
        PtpTime::EPOCH + TAI + Nanos::new(at.as_nanos() + drift as i64)
    }

    /// Posts a message that arrives at `arrives`.
    pub(crate) fn post(&mut self, arrives: LocalTime, source: PeerAddress, header: Header, body: Body) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        let length =
            Message { header, body, tlvs: Tlvs::default() }.emit(&mut bytes).expect("whatever is made here fits");
        bytes.truncate(length);
        self.repost(arrives, source, bytes.clone());
        bytes
    }

    pub(crate) fn repost(&mut self, arrives: LocalTime, source: PeerAddress, bytes: Vec<u8>) {
        self.count += 1;
        let id = self.count;
        self.letters.insert(id, Letter { source, bytes });
        self.plan(arrives, Task::Deliver(id));
    }

    pub(crate) fn announce(
        &mut self,
        arrives: LocalTime,
        source: PeerAddress,
        from: PortIdentity,
        log2: i8,
        say: Announce,
    ) {
        self.announce_id = self.announce_id.wrapping_add(1);
        if self.plot.obeys && say.grandmaster_priority_1 == 0 {
            let more = (OBEYS.1 - OBEYS.0).as_secs_f64() * self.draw();
            self.obeys_until = arrives + OBEYS.0 + Nanos::from_secs_f64(more);
        }
        let (source_port_identity, sequence_id) = (from, self.announce_id);
        let header = Header { source_port_identity, sequence_id, log_message_interval: log2, ..Header::default() };
        self.post(arrives, source, header, Body::Announce(say));
    }

    /// A Sync of `from` that arrives now and tells `time` of now; the Follow_Up comes some time
    /// later.
    pub(crate) fn sync_pair(&mut self, arrives: LocalTime, from: u8, source: u8, sequence_id: u16, time: PtpTime) {
        let header = Header {
            source_port_identity: port_identity(from),
            sequence_id,
            log_message_interval: -3,
            flags: if self.plot.one_step { Flags::default() } else { Flags::TWO_STEP },
            ..Header::default()
        };
        if self.plot.one_step {
            let sync = self.post(arrives, address(source), header, Body::Sync { origin_timestamp: time });
            self.record(from, sync);
            return;
        }
        let sync = self.post(arrives, address(source), header, Body::Sync { origin_timestamp: PtpTime::EPOCH });
        let later = arrives + PROCESSING;
        let header = Header { flags: Flags::default(), ..header };
        let body = Body::FollowUp { precise_origin_timestamp: time };
        let follow_up = self.post(later, address(source), header, body);
        self.record(from, sync);
        self.record(from, follow_up);
    }

    fn record(&mut self, from: u8, message: Vec<u8>) {
        if from == MASTER && self.now < self.plot.begins && self.recorded.len() < 128 {
            self.recorded.push(message);
        }
    }

    /// A Sync of the master that no Follow_Up belongs to.
    pub(crate) fn lone_sync(&mut self, arrives: LocalTime, source: u8, sequence_id: u16) {
        let header = Header {
            source_port_identity: port_identity(MASTER),
            sequence_id,
            log_message_interval: -3,
            flags: Flags::TWO_STEP,
            ..Header::default()
        };
        self.post(arrives, address(source), header, Body::Sync { origin_timestamp: PtpTime::EPOCH });
    }

    pub(crate) fn follow_up(
        &mut self,
        arrives: LocalTime,
        source: u8,
        sequence_id: u16,
        time: PtpTime,
        correction: Nanos,
    ) {
        let header = Header {
            source_port_identity: port_identity(MASTER),
            sequence_id,
            log_message_interval: -3,
            correction_field: CorrectionField::from_scaled_nanoseconds(correction.as_nanos() << 16),
            ..Header::default()
        };
        self.post(arrives, address(source), header, Body::FollowUp { precise_origin_timestamp: time });
    }

    pub(crate) fn delay_resp(
        &mut self,
        arrives: LocalTime,
        from: u8,
        source: u8,
        sequence_id: u16,
        time: PtpTime,
        log2: i8,
    ) {
        let header = Header {
            source_port_identity: port_identity(from),
            sequence_id,
            log_message_interval: log2,
            ..Header::default()
        };
        let body = Body::DelayResp { receive_timestamp: time, requesting_port_identity: OURS };
        self.post(arrives, address(source), header, body);
    }

    /// Whether the honest master is on the network.
    fn is_there(&self) -> bool {
        let silenced = self.attacks() && self.plot.attack.silences(self.now);
        !silenced && self.now >= self.obeys_until
    }

    fn do_task(&mut self, task: Task) {
        let now = self.now;
        match task {
            Task::Announce => {
                let say = Announce {
                    grandmaster_priority_1: 100,
                    grandmaster_identity: ClockIdentity([MASTER; 8]),
                    ..Announce::default()
                };
                let arrives = now + self.late();
                if self.is_there() {
                    self.announce(arrives, address(MASTER), port_identity(MASTER), 0, say);
                }
                self.plan(now + ANNOUNCE, Task::Announce);
            }
            Task::Sync => {
                let arrives = now + self.late();
                if self.is_there() {
                    self.sequence_id = self.sequence_id.wrapping_add(1);
                    self.sync_pair(arrives, MASTER, MASTER, self.sequence_id, self.truth(now));
                }
                self.plan(now + SYNC, Task::Sync);
            }
            Task::Attack => {
                if self.attacks() {
                    let attack = self.plot.attack;
                    self.rounds += 1;
                    let wait = attack.strike(self);
                    self.plan(now + wait, Task::Attack);
                }
            }
            Task::Deliver(id) => {
                let letter = self.letters.remove(&id).expect("posted once");
                self.port.handle_datagram(now, letter.source, &letter.bytes).expect("a message");
            }
            Task::Look => {
                self.look();
                self.plan(now + Nanos::from_millis(10), Task::Look);
            }
        }
        self.serve_port();
    }

    fn serve_port(&mut self) {
        let now = self.now;
        self.port.handle_timeout(now);
        while let Some(transmit) = self.port.poll_transmit() {
            let Some(token) = transmit.timestamp else { continue };
            let (id, left) = (token.sequence_id(), now);
            self.port.handle_transmitted(token, left);
            if self.is_there() {
                let arrived = left + self.late();
                let back = arrived + PROCESSING + self.late();
                self.delay_resp(back, MASTER, MASTER, id, self.truth(arrived), 0);
            }
            if self.attacks() {
                let attack = self.plot.attack;
                attack.answer(self, id, left);
            }
        }
    }

    fn look(&mut self) {
        let now = self.now;
        let reading = self.port.reading(now);
        let attacked = self.attacks();
        self.looks.0 += u32::from(attacked);
        let error = reading.map.map(|map| (map.ptp_at(now) - self.truth(now)).abs());
        let out = &mut self.outcome;
        if reading.state.is_usable() {
            out.usable_error = out.usable_error.max(error.unwrap_or(Nanos::ZERO));
            self.looks.2 += u32::from(attacked);
        }
        let mut good = false;
        if reading.state == LockState::Locked {
            let error = error.expect("locked to something");
            out.first_lock.get_or_insert(now);
            out.locked_error = out.locked_error.max(error);
            self.looks.1 += u32::from(attacked);
            good = error < Nanos::from_micros(100 + 3 * i64::from(self.plot.jitter_us));
        }
        let ends = self.ends();
        if now >= ends {
            let out = &mut self.outcome;
            if good {
                out.recovered_after.get_or_insert(now.since(ends));
            } else {
                out.recovered_after = None;
            }
        }
    }

    pub(crate) fn run(mut self) -> Outcome {
        let end = self.ends() + Nanos::from_secs(30);
        while self.now < end {
            let Some(((at, _), task)) = self.agenda.pop_first() else { break };
            // Timers of the port that are due before.
            while let Some(due) = self.port.poll_timeout().filter(|&due| due < at) {
                self.now = self.now.max(due);
                self.serve_port();
            }
            self.now = self.now.max(at);
            self.do_task(task);
        }
        let all = f64::from(self.looks.0.max(1));
        self.outcome.locked_share = f64::from(self.looks.1) / all;
        self.outcome.usable_share = f64::from(self.looks.2) / all;
        self.outcome
    }

    pub(crate) fn lie(&mut self, lie: Lie, at: LocalTime) -> PtpTime {
        let (truth, random) = (self.truth(at), self.draw());
        let told = match lie {
            Lie::Off(by) => truth + by,
            Lie::Random(most) => truth + Nanos::new((most.as_nanos() as f64 * (2.0 * random - 1.0)) as i64),
            Lie::Drifts(ppm) => {
                let since = at.since(self.plot.begins.min(at)).as_secs_f64();
                truth + Nanos::new((since * f64::from(ppm) * 1e3) as i64)
            }
            Lie::Constant(time) => time,
        };
        told.max(PtpTime::EPOCH)
    }
}
