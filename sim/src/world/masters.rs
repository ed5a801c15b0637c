//! The PTP masters of a run, each with its path to and from the receiver: which of them are
//! present, which is the best, and their faults.

use super::addresses::{GRANDMASTER_ADDRESS, rival_address};
use super::snooping::Snooping;
use crate::models::{GrandmasterModel, Lying, NetworkPath, Passage, RandomStream, TrueTime};
use crate::scenario::{ExtraDelay, FaultKind, Grandmaster, Scenario, Surroundings};
use engine::{Nanos, PtpTime};
use std::net::Ipv4Addr;

/// Time of the first Announce: not on a full second, on which many other events occur.
const FIRST_ANNOUNCE: Nanos = Nanos::from_millis(310);
const FIRST_SYNC: Nanos = Nanos::from_millis(17);
/// How long before its Sync a Follow_Up is handled: the program reads one socket directly after the
/// other.
const FOLLOW_UP_AHEAD: Nanos = Nanos::from_micros(1);
/// Time between the first messages of successive masters, so that masters are not synchronous.
const APART: Nanos = Nanos::from_micros(13_700);

/// When the host's program handles a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// When it arrives.
    Usual,
    /// Later than it arrives by this time.
    Late(Nanos),
    /// At a given time.
    At(TrueTime),
}

impl Turn {
    /// Later by `later`; a given time is not changed.
    pub(super) fn later_by(self, later: Nanos) -> Self {
        match self {
            _ if later <= Nanos::ZERO => self,
            Self::Usual => Self::Late(later),
            Self::Late(late) => Self::Late(late + later),
            Self::At(time) => Self::At(time),
        }
    }

    /// The time for a message that would usually be handled at `usual`.
    pub(super) fn time(self, usual: TrueTime) -> TrueTime {
        match self {
            Self::Usual => usual,
            Self::Late(late) => usual + late.as_nanos(),
            Self::At(time) => time,
        }
    }
}

/// A master and its path.
pub(super) struct Master {
    config: Grandmaster,
    pub(super) model: GrandmasterModel,
    down: NetworkPath,
    up: NetworkPath,
    /// Source address of its datagrams.
    address: Ipv4Addr,
    silent: bool,
    mute: bool,
    /// The switch between its multicast and the host.
    snooping: Snooping,
    /// When the host's program handled the last datagram of this path. Later ones are not handled
    /// before it, because a thread is a queue.
    handled: TrueTime,
}

impl Master {
    /// A master. Its own random streams are named after `name`, whatever the receiver; those of its
    /// path depend on the receiver's surroundings.
    fn new(config: &Grandmaster, seed: u64, name: &str, address: Ipv4Addr, around: &Surroundings<'_>) -> Self {
        let path_name = around.ptp_stream(name);
        Self {
            config: config.clone(),
            model: GrandmasterModel::new(config.clone(), RandomStream::new(seed, &format!("{name}/master/wander"))),
            down: NetworkPath::new(around.ptp.clone(), seed, &format!("{path_name}/down")),
            up: NetworkPath::new(around.ptp_up.clone(), seed, &format!("{path_name}/up")),
            address,
            silent: false,
            mute: !config.answers_delay_requests,
            snooping: Snooping::new(around.membership),
            handled: 0,
        }
    }

    fn is_there(&self, now: TrueTime) -> bool {
        let (from, to) = (self.config.present_from_s, self.config.present_to_s);
        let (from, to) = (from.nanos().as_nanos(), to.map_or(TrueTime::MAX, |to| to.nanos().as_nanos()));
        !self.silent && (from..to).contains(&now)
    }

    /// Source address of its datagrams.
    pub(super) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Whether the switch forwards its multicast to the host.
    pub(super) fn reaches_host(&self, now: TrueTime) -> bool {
        self.snooping.forwards(now)
    }

    /// Cuts or restores its path.
    fn set_cut(&mut self, cut: bool) {
        self.down.set_cut(cut);
        self.up.set_cut(cut);
    }

    fn set_extra_delay(&mut self, extra: ExtraDelay) {
        self.down.set_extra_delay(extra.down_us.nanos());
        self.up.set_extra_delay(extra.up_us.nanos());
    }

    /// The fate of a message that it sends now.
    pub(super) fn send(&mut self, now: TrueTime, message: &mut [u8]) -> Passage {
        if !self.is_there(now) {
            return Passage::LOST;
        }
        let passage = self.down.carry(now, message);
        if self.reaches_host(now) { passage } else { Passage::LOST }
    }

    /// The fate of a message that leaves the host at `leaves`.
    pub(super) fn receive(&mut self, leaves: TrueTime, message: &mut [u8]) -> Passage {
        self.up.carry(leaves, message)
    }

    /// Its answer to a message that arrives now.
    pub(super) fn answer(&mut self, now: TrueTime, datagram: &[u8]) -> Option<Vec<u8>> {
        if self.mute { None } else { self.model.answer(now, datagram) }
    }

    /// When the host's program handles a datagram that it could handle at `ready`; a datagram that
    /// keeps its order waits for earlier ones.
    pub(super) fn handle(&mut self, ready: TrueTime, in_order: bool) -> TrueTime {
        if in_order {
            self.handled = ready.max(self.handled);
            return self.handled;
        }
        ready
    }
}

/// All masters; the scenario's grandmaster is the first.
pub(super) struct Masters {
    all: Vec<Master>,
    seed: u64,
    /// Index of the master whose time was last the true one.
    best: usize,
    /// Lateness of the grandmaster's next Sync.
    late_sync: Nanos,
    /// Whether Follow_Ups are handled before their Syncs.
    follow_up_first: bool,
    /// By how much PTP time was ahead of true time when that was first asked for, ns.
    ahead: Option<i128>,
}

impl Masters {
    pub(super) fn new(scenario: &Scenario, around: &Surroundings<'_>) -> Self {
        let seed = scenario.seed;
        let first = Master::new(&scenario.grandmaster, seed, "network/ptp", GRANDMASTER_ADDRESS, around);
        let rivals =
            scenario.rivals.iter().enumerate().map(|(i, rival)| {
                Master::new(rival, seed, &format!("network/ptp/rival/{i}"), rival_address(i), around)
            });
        Self {
            all: [first].into_iter().chain(rivals).collect(),
            seed,
            best: 0,
            late_sync: Nanos::ZERO,
            follow_up_first: false,
            ahead: None,
        }
    }

    /// When the first Announce and the first Sync of each are due.
    pub(super) fn first(&self) -> impl Iterator<Item = (usize, TrueTime, TrueTime)> {
        let later = |index: usize| APART.times(index as i64);
        (0..self.all.len())
            .map(move |i| (i, (FIRST_ANNOUNCE + later(i)).as_nanos(), (FIRST_SYNC + later(i)).as_nanos()))
    }

    pub(super) fn get(&mut self, index: usize) -> &mut Master {
        &mut self.all[index]
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Master)> {
        self.all.iter_mut().enumerate()
    }

    /// When the Sync that is sent now is handled.
    pub(super) fn take_late_sync(&mut self, index: usize) -> Turn {
        Turn::Late(if index == 0 { std::mem::take(&mut self.late_sync) } else { Nanos::ZERO })
    }

    /// When a Follow_Up is handled whose Sync is handled at `sync`, if that arrives.
    pub(super) fn follow_up_turn(&self, now: TrueTime, sync: Option<TrueTime>) -> Turn {
        let before = |sync: TrueTime| Turn::At((sync - FOLLOW_UP_AHEAD.as_nanos()).max(now));
        sync.filter(|_| self.follow_up_first).map_or(Turn::Usual, before)
    }

    /// True PTP time: that of the best master of the domain that is present, or was last present.
    pub(super) fn time(&mut self, now: TrueTime) -> PtpTime {
        let domain = self.all[0].config.domain;
        let there = self.all.iter().enumerate();
        let there = there.filter(|(_, master)| master.config.domain == domain && master.is_there(now));
        if let Some((best, _)) = there.min_by_key(|(_, master)| master.config.rank()) {
            self.best = best;
        }
        self.all[self.best].model.time(now)
    }

    /// Time error of PTP time against true time, without what it is at the start, ns.
    pub(super) fn error_ns(&mut self, now: TrueTime) -> f64 {
        let ahead = self.time(now).as_nanos() - i128::from(now);
        (ahead - *self.ahead.get_or_insert(ahead)) as f64
    }

    /// Begins or ends a fault.
    pub(super) fn fault(&mut self, now: TrueTime, what: &FaultKind, begins: bool) {
        self.all.iter_mut().for_each(|master| master.snooping.fault(now, what, begins));
        match *what {
            FaultKind::FollowUpBeforeSync => self.follow_up_first = begins,
            FaultKind::GrandmasterLost => self.all[0].silent = begins,
            FaultKind::RivalsLost => self.all[1..].iter_mut().for_each(|master| master.silent = begins),
            FaultKind::GrandmasterStepUs(by) if begins => self.all[0].model.step(by.nanos()),
            FaultKind::GrandmasterRestart(restart) if begins => {
                self.all[0].model.restart(now, PtpTime::EPOCH + restart.time_s.nanos());
            }
            FaultKind::DelayRequestsUnanswered => {
                self.all.iter_mut().for_each(|master| master.mute = begins || !master.config.answers_delay_requests);
            }
            FaultKind::PtpDelay(extra) => {
                let extra = if begins { extra } else { ExtraDelay::default() };
                self.all.iter_mut().for_each(|master| master.set_extra_delay(extra));
            }
            FaultKind::GrandmasterLies(lies) => {
                let random = RandomStream::new(self.seed, "network/ptp/master/lies");
                self.all[0].model.set_lying(begins.then(|| Lying::new(lies, now, random)));
            }
            FaultKind::LateSyncUs(lateness) if begins => self.late_sync = lateness.nanos(),
            FaultKind::NetworkLost => self.all.iter_mut().for_each(|master| master.set_cut(begins)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Loaded, Micros, Restart, Seconds, StepMicros};

    const SECOND: TrueTime = 1_000_000_000;

    /// A grandmaster that is there until 60 s, and a rival from 63 s on that is 2 us off.
    fn scenario() -> Scenario {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/gm_switch.toml");
        Loaded::read(path.as_ref(), &["record.audio=\"none\"".to_owned()]).unwrap().scenario
    }

    fn masters_of(scenario: &Scenario) -> Masters {
        Masters::new(scenario, &scenario.surroundings())
    }

    /// How far true PTP time is off from the grandmaster's at its start, ns.
    fn off(masters: &mut Masters, at_s: i64) -> i64 {
        let start = PtpTime::from_timestamp(1_790_000_000, 0);
        (masters.time(at_s * SECOND) - start - Nanos::from_secs(at_s)).as_nanos()
    }

    #[test]
    fn the_truth_is_the_time_of_the_best_master_that_is_there() {
        let mut masters = masters_of(&scenario());
        assert_eq!([30, 59, 61, 62, 63, 100].map(|at_s| off(&mut masters, at_s)), [0, 0, 0, 0, 2_000, 2_000]);
        let mut foreign = scenario();
        foreign.rivals[0].domain = 7;
        assert_eq!(off(&mut masters_of(&foreign), 100), 0);
    }

    #[test]
    fn steps_and_restarts_move_the_grandmaster_for_good() {
        let mut masters = masters_of(&scenario());
        let step = FaultKind::GrandmasterStepUs(StepMicros::try_from(-1.5).unwrap());
        masters.fault(10 * SECOND, &step, true);
        masters.fault(11 * SECOND, &step, false);
        assert_eq!(off(&mut masters, 20), -1_500);
        let restart = FaultKind::GrandmasterRestart(Restart { time_s: Seconds::try_from(6.0).unwrap() });
        masters.fault(30 * SECOND, &restart, true);
        assert_eq!(masters.time(32 * SECOND), PtpTime::from_timestamp(8, 0));
    }

    #[test]
    fn one_sync_of_the_grandmaster_is_late() {
        let mut masters = masters_of(&scenario());
        masters.fault(SECOND, &FaultKind::LateSyncUs(Micros::try_from(1_000.0).unwrap()), true);
        assert_eq!(masters.take_late_sync(1), Turn::Late(Nanos::ZERO));
        assert_eq!(masters.take_late_sync(0), Turn::Late(Nanos::from_millis(1)));
        assert_eq!(masters.take_late_sync(0), Turn::Late(Nanos::ZERO));
    }

    #[test]
    fn a_silent_master_sends_nothing_and_its_absence_has_a_span() {
        let mut masters = masters_of(&scenario());
        let sends = |masters: &mut Masters, index, at_s: i64| {
            masters.get(index).send(at_s * SECOND, &mut []).arrivals[0].is_some()
        };
        assert!(sends(&mut masters, 0, 59) && !sends(&mut masters, 0, 60));
        assert!(!sends(&mut masters, 1, 62) && sends(&mut masters, 1, 63));
        masters.fault(70 * SECOND, &FaultKind::RivalsLost, true);
        assert!(!sends(&mut masters, 1, 71));
    }
}
