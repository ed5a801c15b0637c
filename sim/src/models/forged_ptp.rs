//! PTP messages that an attacker forges: those of the grandmaster, those of masters that do not
//! exist, and old ones.
//!
//! Model: the attacker knows the grandmaster's time, sequenceIds and intervals, since all of these
//! are multicast. Its messages are made by a copy of the grandmaster, so that they differ only in
//! the manipulated values.

use super::crystal::TrueTime;
use super::grandmaster::GrandmasterModel;
use super::lies::Lying;
use super::streams::RandomStream;
use crate::scenario::{
    Attack, BetterMaster, Flood, ForgedDelayResps, ForgedSyncs, Grandmaster, Identity, InventedMasters, Lies, Replay,
    ToldTime,
};
use engine::Nanos;
use engine::ptp::wire::ClockIdentity;

/// Identity of the better master.
const BETTER: ClockIdentity = ClockIdentity([0x00, 0x00, 0x5E, 0xFF, 0xFE, 0x00, 0x53, 0x42]);
/// First bytes of invented identities where they come back: of the block for documentation
/// (RFC 7042, 2.1.2).
const INVENTED: [u8; 6] = [0x00, 0x00, 0x5E, 0xFF, 0xFE, 0x53];
/// Range of the times in a flood, s: from the epoch to 2038.
const FLOOD_TIMES_S: f64 = 2_147_483_648.0;

/// What the attacker has received from the grandmaster.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overheard {
    /// sequenceId of its newest Sync, and when that was sent.
    pub newest_sync: Option<(u16, TrueTime)>,
}

/// What an attack sends.
#[derive(Clone, Debug)]
enum Forgery {
    FollowUps(ForgedSyncs),
    Syncs(ForgedSyncs),
    DelayResps,
    Masters(InventedMasters),
    Better { sends_syncs: bool, answers: bool, announce_at: TrueTime, sync_at: TrueTime },
    Replay(Vec<Vec<u8>>),
    Flood,
}

/// An attack on PTP that is in progress.
#[derive(Clone, Debug)]
pub struct ForgedPtp {
    forgery: Forgery,
    /// A copy of the grandmaster.
    model: GrandmasterModel,
    config: Grandmaster,
    random: RandomStream,
    every: Nanos,
    /// Datagrams so far, and since the grandmaster's newest Sync.
    sent: u64,
    since_sync: u16,
    counted_from: Option<u16>,
}

impl ForgedPtp {
    /// An attack that begins at `now`; `None` if it sends nothing. `model` is the grandmaster, and
    /// `recorded` what it sent lately.
    #[must_use]
    pub fn new(
        attack: &Attack,
        now: TrueTime,
        config: &Grandmaster,
        model: &GrandmasterModel,
        recorded: Vec<Vec<u8>>,
        mut random: RandomStream,
    ) -> Option<Self> {
        let mut model = model.clone();
        let mut lie = |model: &mut GrandmasterModel, lies: Lies| {
            let seed = u64::from(random.bits());
            model.set_lying(Some(Lying::new(lies, now, RandomStream::new(seed, "adversary/lies"))));
        };
        let forgery = match *attack {
            Attack::ForgeFollowUps(forged) | Attack::ForgeSyncs(forged) => {
                let ForgedSyncs { tells, correction_us, .. } = forged;
                lie(&mut model, Lies { syncs: Some(tells), correction_us, ..Lies::default() });
                match attack {
                    Attack::ForgeFollowUps(_) => Forgery::FollowUps(forged),
                    _ => Forgery::Syncs(forged),
                }
            }
            Attack::ForgeDelayResps(ForgedDelayResps { tells, log_interval, .. }) => {
                lie(&mut model, Lies { delay_resps: Some(tells), ..Lies::default() });
                model = model.reconfigured(|config| {
                    config.log_min_delay_req_interval = log_interval.unwrap_or(config.log_min_delay_req_interval);
                });
                Forgery::DelayResps
            }
            Attack::InventMasters(invented) => {
                model = model.reconfigured(|config| config.priority_1 = invented.priority_1);
                Forgery::Masters(invented)
            }
            Attack::BetterMaster(better) => {
                lie(&mut model, Lies { syncs: better.tells, delay_resps: better.tells, ..Lies::default() });
                model = model.reconfigured(|config| become_better(config, better));
                let BetterMaster { tells, answers, .. } = better;
                Forgery::Better { sends_syncs: tells.is_some(), answers, announce_at: now, sync_at: now }
            }
            Attack::ReplaySyncs(Replay { .. }) if recorded.is_empty() => return None,
            Attack::ReplaySyncs(Replay { .. }) => Forgery::Replay(recorded),
            Attack::FloodPtp(Flood { .. }) => Forgery::Flood,
            Attack::HoldBackSyncs(_) | Attack::ForgePackets(_) => return None,
        };
        let every = attack.interval().unwrap_or(Nanos::ZERO);
        let config = config.clone();
        Some(Self { forgery, model, config, random, every, sent: 0, since_sync: 0, counted_from: None })
    }

    /// The datagrams that it sends at `now`, each with the number of the attacker's address that it
    /// comes from; and when it sends next, unless it only answers.
    pub fn strike(&mut self, now: TrueTime, overheard: Overheard) -> (Vec<(u8, Vec<u8>)>, Option<TrueTime>) {
        let next = Some(now + self.every.as_nanos());
        self.sent += 1;
        if let Forgery::Replay(recorded) = &self.forgery {
            let index = (self.sent - 1) % recorded.len() as u64;
            return (own(vec![recorded[index as usize].clone()]), next);
        }
        match self.forgery.clone() {
            Forgery::FollowUps(forged) => {
                let Some((newest, sent_at)) = overheard.newest_sync else { return (Vec::new(), next) };
                let of = sent_at + self.model.sync_interval().times(i64::from(forged.ahead)).as_nanos();
                let id = newest.wrapping_add(forged.ahead);
                (own(vec![self.model.follow_up_as(of, id)]), next)
            }
            Forgery::Syncs(forged) => {
                let Some((newest, _)) = overheard.newest_sync else { return (Vec::new(), next) };
                let id = newest.wrapping_add(forged.ahead).wrapping_add(self.count_since(newest));
                let (sync, follow_up) = self.model.sync_as(now, id);
                (own([sync].into_iter().chain(follow_up).collect()), next)
            }
            Forgery::DelayResps | Forgery::Replay(_) => (Vec::new(), None),
            Forgery::Masters(invented) => (vec![self.invented(invented)], next),
            Forgery::Better { sends_syncs, answers, announce_at, sync_at } => {
                self.better(now, sends_syncs, answers, announce_at, sync_at)
            }
            Forgery::Flood => (own(vec![self.flood()]), next),
        }
    }

    /// Its answer to a datagram of the receiver that it receives at `now`.
    pub fn answer(&mut self, now: TrueTime, datagram: &[u8]) -> Option<Vec<u8>> {
        match self.forgery {
            Forgery::DelayResps | Forgery::Better { answers: true, .. } => self.model.answer(now, datagram),
            _ => None,
        }
    }

    /// How many were sent since the grandmaster's newest Sync.
    fn count_since(&mut self, newest: u16) -> u16 {
        if self.counted_from != Some(newest) {
            (self.counted_from, self.since_sync) = (Some(newest), 0);
            return 0;
        }
        self.since_sync = self.since_sync.wrapping_add(1);
        self.since_sync
    }

    fn invented(&mut self, invented: InventedMasters) -> (u8, Vec<u8>) {
        let count = invented.identities.map(|identities| ((self.sent - 1) % u64::from(identities.max(1))) as u16);
        let identity = match count {
            Some(number) => {
                let [high, low] = number.to_be_bytes();
                let [a, b, c, d, e, f] = INVENTED;
                [a, b, c, d, e, f, high, low]
            }
            None => (u64::from(self.random.bits()) << 32 | u64::from(self.random.bits())).to_be_bytes(),
        };
        self.model = self.model.clone().reconfigured(|config| config.identity = Identity(ClockIdentity(identity)));
        let address = ((self.sent - 1) % u64::from(invented.addresses.max(1))) as u8;
        (address, self.model.announce())
    }

    fn better(
        &mut self,
        now: TrueTime,
        sends_syncs: bool,
        answers: bool,
        mut announce_at: TrueTime,
        mut sync_at: TrueTime,
    ) -> (Vec<(u8, Vec<u8>)>, Option<TrueTime>) {
        let mut sent = Vec::new();
        if now >= announce_at {
            sent.push(self.model.announce());
            announce_at = now + self.model.announce_interval().as_nanos();
        }
        if sends_syncs && now >= sync_at {
            let (sync, follow_up) = self.model.sync(now);
            sent.extend([sync].into_iter().chain(follow_up));
            sync_at = now + self.model.sync_interval().as_nanos();
        }
        self.forgery = Forgery::Better { sends_syncs, answers, announce_at, sync_at };
        (own(sent), Some(if sends_syncs { announce_at.min(sync_at) } else { announce_at }))
    }

    fn flood(&mut self) -> Vec<u8> {
        let [kind, who, id] = [(); 3].map(|()| self.random.bits());
        let identity = (u64::from(self.random.bits()) << 32 | u64::from(self.random.bits())).to_be_bytes();
        let identity = if who.is_multiple_of(2) { self.config.identity } else { Identity(ClockIdentity(identity)) };
        let time = crate::scenario::Seconds::try_from(self.random.uniform() * FLOOD_TIMES_S);
        self.model = self.model.clone().reconfigured(|config| config.identity = identity);
        let syncs = time.ok().map(ToldTime::TimeS);
        let lies = Lies { syncs, ..Lies::default() };
        self.model.set_lying(Some(Lying::new(lies, 0, self.random.clone())));
        match kind % 3 {
            0 => self.model.announce(),
            1 => self.model.sync_as(0, id as u16).0,
            _ => self.model.follow_up_as(0, id as u16),
        }
    }
}

/// All datagrams with the first of the attacker's addresses.
fn own(datagrams: Vec<Vec<u8>>) -> Vec<(u8, Vec<u8>)> {
    datagrams.into_iter().map(|datagram| (0, datagram)).collect()
}

fn become_better(config: &mut Grandmaster, better: BetterMaster) {
    config.identity = Identity(BETTER);
    config.priority_1 = better.priority_1;
    config.log_announce_interval = better.log_announce_interval.unwrap_or(config.log_announce_interval);
}
