//! Masters whose messages lie, all of them or some: whatever they say, the clock is never LOCKED
//! while it is off by more than a millisecond, and it is right again after the lies have ended.

use engine::clock::{LockState, SlaveClock};
use engine::ptp::wire::{Announce, Body, ClockIdentity, CorrectionField, Flags, Header, Message, PortIdentity, Tlvs};
use engine::ptp::{Port, PortConfig, Profile};
use engine::{LocalTime, Nanos, PtpTime};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const SYNC: Nanos = Nanos::from_millis(125);
const DELAY: Nanos = Nanos::from_micros(40);
const MASTER: PortIdentity = PortIdentity { clock_identity: ClockIdentity([1; 8]), port_number: 1 };
const OURS: PortIdentity = PortIdentity { clock_identity: ClockIdentity([9; 8]), port_number: 1 };

/// The bound of a media clock.
const BOUND: Nanos = Nanos::from_millis(1);
/// When lies begin and end, in Syncs.
const BEGINS: u32 = 20 * 8;
const ENDS: u32 = 50 * 8;
/// Syncs of a run: 30 s are left to become right again.
const LENGTH: u32 = 80 * 8;
const TAI: Nanos = Nanos::from_secs(1_790_000_000);

/// What a message tells instead of the time.
#[derive(Clone, Copy, Debug)]
enum Lie {
    Truth,
    Off(Nanos),
    /// Farther off with each Sync interval.
    Drifts(Nanos),
    /// Off every other time.
    Alternates(Nanos),
    /// Off by anything up to this.
    Random(Nanos),
    /// One time, again and again.
    Constant(PtpTime),
    Correction(Nanos),
}

impl Lie {
    /// What a message of round `i` says instead of `time`: timestamp and correctionField.
    fn tell(self, i: u32, time: PtpTime, random: u64) -> (PtpTime, Nanos) {
        let tells = |time| (time, Nanos::ZERO);
        match self {
            Self::Truth => tells(time),
            Self::Off(by) => tells(time + by),
            Self::Drifts(by) => tells(time + by.times(i64::from(i.saturating_sub(BEGINS)))),
            Self::Alternates(by) => tells(if i.is_multiple_of(2) { time } else { time + by }),
            Self::Random(most) => tells(time + Nanos::new((random % most.as_nanos().unsigned_abs()) as i64)),
            Self::Constant(time) => tells(time),
            Self::Correction(by) => (time, by),
        }
    }
}

/// Which flag the Syncs have, and what they carry beside a Follow_Up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    TwoStep,
    OneStep,
    /// No flag, Follow_Ups, and zeros in the Syncs.
    Unflagged,
    /// No flag, Follow_Ups, and a time in the Syncs that is 3 ms early.
    UnflaggedEarly,
}

/// A whole run.
#[derive(Clone, Copy, Debug)]
struct Plot {
    style: Style,
    sync: Lie,
    answer: Lie,
    /// Whether it lies from the start.
    always: bool,
    told_log_interval: i8,
    jitter_us: u32,
    /// The host's clock against the master's.
    rate_ppm: i32,
    epoch: Nanos,
    seed: u64,
}

/// A port, its master's lies, and the host's own time.
struct Stage {
    plot: Plot,
    port: Port<SlaveClock>,
    random: ChaCha8Rng,
    locked: u32,
    worst: Nanos,
    events: Vec<String>,
}

impl Stage {
    fn new(plot: Plot) -> Self {
        let random = ChaCha8Rng::seed_from_u64(plot.seed);
        Self {
            plot,
            port: Port::new(PortConfig::slave_only(&Profile::AES67_MEDIA, OURS), LocalTime::ZERO),
            random,
            locked: 0,
            worst: Nanos::ZERO,
            events: vec![],
        }
    }

    fn late(&mut self) -> Nanos {
        let uniform = (f64::from(self.random.next_u32()) + 0.5) / 4_294_967_296.0;
        DELAY + Nanos::new((-1e3 * f64::from(self.plot.jitter_us) * libm::log(uniform)) as i64)
    }

    fn truth(&self, at: LocalTime) -> PtpTime {
        let drift = at.as_nanos() as f64 * f64::from(self.plot.rate_ppm) * 1e-6;
        PtpTime::EPOCH + self.plot.epoch + Nanos::new(at.as_nanos() + drift as i64)
    }

    fn send(&mut self, at: LocalTime, sequence_id: u16, flags: Flags, correction: Nanos, log2: i8, body: Body) {
        let header = Header {
            flags,
            correction_field: CorrectionField::from_scaled_nanoseconds(correction.as_nanos() << 16),
            source_port_identity: MASTER,
            sequence_id,
            log_message_interval: log2,
            ..Header::default()
        };
        let mut bytes = [0; 64];
        let length =
            Message { header, body, tlvs: Tlvs::default() }.emit(&mut bytes).expect("every lie fits on the wire");
        self.port.handle_datagram(at, [192, 0, 2, 1].into(), &bytes[..length]).expect("a message");
    }

    fn lie(&mut self, lie: Lie, i: u32, time: PtpTime) -> (PtpTime, Nanos) {
        let random = u64::from(self.random.next_u32()) << 20 | u64::from(self.random.next_u32() >> 12);
        let lies = (BEGINS..ENDS).contains(&i) || self.plot.always && i < ENDS;
        let (told, correction) = if lies { lie.tell(i, time, random) } else { (time, Nanos::ZERO) };
        // No timestamp is negative.
        (told.max(PtpTime::EPOCH), correction)
    }

    fn sync(&mut self, i: u32, sent: LocalTime) {
        let received = sent + self.late();
        let (told, correction) = self.lie(self.plot.sync, i, self.truth(sent));
        let (id, log2) = (i as u16, self.plot.told_log_interval);
        let flags = if self.plot.style == Style::TwoStep { Flags::TWO_STEP } else { Flags::default() };
        let origin_timestamp = match self.plot.style {
            Style::TwoStep | Style::Unflagged => PtpTime::EPOCH,
            Style::OneStep => told,
            Style::UnflaggedEarly => (told - Nanos::from_millis(3)).max(PtpTime::EPOCH),
        };
        self.send(received, id, flags, correction, log2, Body::Sync { origin_timestamp });
        if self.plot.style != Style::OneStep {
            let body = Body::FollowUp { precise_origin_timestamp: told };
            self.send(received, id, Flags::default(), Nanos::ZERO, log2, body);
        }
        self.port.handle_timeout(received);
        self.look(i, received);
    }

    fn answer(&mut self, i: u32, sequence_id: u16, sent: LocalTime) {
        let arrives = sent + self.late();
        let (receive_timestamp, correction) = self.lie(self.plot.answer, i, self.truth(arrives));
        let body = Body::DelayResp { receive_timestamp, requesting_port_identity: OURS };
        let back = arrives + self.late();
        self.send(back, sequence_id, Flags::default(), correction, 0, body);
        self.look(i, back);
    }

    /// LOCKED is right.
    fn look(&mut self, i: u32, now: LocalTime) {
        let reading = self.port.reading(now);
        if reading.state != LockState::Locked {
            return;
        }
        self.locked = i;
        let error = reading.map.expect("locked to something").ptp_at(now) - self.truth(now);
        self.worst = self.worst.max(error.abs());
        assert!(error.abs() <= BOUND, "round {i}: LOCKED and {error} off; {:?}", self.plot);
    }

    fn run(mut self) -> Self {
        for i in 0..LENGTH {
            // The host's time at which it is sent.
            let sent = LocalTime::from_nanos(1_000_000_000) + SYNC.times(i64::from(i));
            if i % 8 == 0 {
                let announce = Announce {
                    grandmaster_priority_1: 1,
                    grandmaster_identity: MASTER.clock_identity,
                    ..Announce::default()
                };
                self.send(sent, i as u16, Flags::default(), Nanos::ZERO, 0, Body::Announce(announce));
            }
            self.sync(i, sent);
            while let Some(event) = self.port.poll_event() {
                self.events.push(format!("{i}:{event}"));
            }
            while let Some(transmit) = self.port.poll_transmit() {
                let Some(token) = transmit.timestamp else { continue };
                let left = sent + Nanos::from_millis(20);
                self.port.handle_transmitted(token, left);
                self.answer(i, token.sequence_id(), left);
            }
        }
        self
    }
}

/// From below what matters to years.
fn amounts() -> impl Strategy<Value = Nanos> {
    let sizes = prop_oneof![
        (100_000..20_000_000_i64),
        (20_000_000..2_000_000_000_i64),
        Just(37_000_000_000_i64),
        Just(3_600_000_000_000_i64),
        Just(1_789_999_000_000_000_000_i64),
    ];
    (sizes, any::<bool>()).prop_map(|(ns, negative)| Nanos::new(if negative { -ns } else { ns }))
}

fn lies() -> impl Strategy<Value = Lie> {
    let zero = |ns: i64| PtpTime::from_nanos(ns.into());
    prop_oneof![
        3 => amounts().prop_map(Lie::Off),
        1 => (-2_000_000..2_000_000_i64).prop_map(|ns| Lie::Drifts(Nanos::new(ns))),
        1 => amounts().prop_map(Lie::Alternates),
        1 => amounts().prop_map(|by| Lie::Random(by.abs())),
        1 => (0..2_i64).prop_map(move |one| Lie::Constant(zero(one * 1_700_000_000_000_000_000))),
        1 => amounts().prop_filter("fits", |by| by.abs() < Nanos::from_secs(100_000)).prop_map(Lie::Correction),
    ]
}

fn plots() -> impl Strategy<Value = Plot> {
    let styles =
        prop_oneof![Just(Style::TwoStep), Just(Style::OneStep), Just(Style::Unflagged), Just(Style::UnflaggedEarly)];
    let who = prop_oneof![lies().prop_map(|sync| (sync, Lie::Truth)), lies().prop_map(|answer| (Lie::Truth, answer)),];
    let told = prop_oneof![3 => Just(-3_i8), 1 => -7..4_i8];
    let epochs = prop_oneof![Just(TAI), Just(Nanos::from_secs(3))];
    let numbers = (told, 1..400_u32, -100..100_i32, epochs, any::<u64>());
    (styles, who, any::<bool>(), numbers).prop_map(|(style, (sync, answer), always, numbers)| {
        let (told_log_interval, jitter_us, rate_ppm, epoch, seed) = numbers;
        Plot { style, sync, answer, always, told_log_interval, jitter_us, rate_ppm, epoch, seed }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_locked_clock_is_right_whatever_its_master_says(plot in plots()) {
        let stage = Stage::new(plot).run();
        let why = stage.port.diagnosis(LocalTime::from_nanos(1_000_000_000) + SYNC.times(i64::from(LENGTH)));
        let state = stage.port.reading(LocalTime::ZERO).state;
        prop_assert!(stage.locked == LENGTH - 1, "not locked again: {} since round {}, {:?}; {:?}", state, stage.locked, why, plot);
    }
}
