//! An attacker on the network: what it receives, which attacks are active, and what they send when.

use super::addresses::{GRANDMASTER_ADDRESS, TALKER_ADDRESS, stranger_address};
use super::masters::Masters;
use super::queue::Port;
use crate::models::{ForgedPtp, ForgedStream, NetworkPath, Overheard, RandomStream, TrueTime};
use crate::scenario::{Attack, FaultKind, ForgedSource, HeldBack, Replay, Scenario, Surroundings};
use engine::Nanos;
use engine::ptp::wire::{Body, Message};
use std::collections::VecDeque;
use std::net::Ipv4Addr;

/// A forged datagram that leaves now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forged {
    pub(super) port: Port,
    pub(super) source: Ipv4Addr,
    pub(super) datagram: Vec<u8>,
}

enum Work {
    Ptp(Box<ForgedPtp>),
    Stream(Box<ForgedStream>),
    HoldBack { held: HeldBack, since: TrueTime },
}

struct Active {
    /// Index into the scenario's faults.
    index: usize,
    /// When it sends next.
    due: Option<TrueTime>,
    every: Nanos,
    source: ForgedSource,
    work: Work,
}

/// The attacker.
pub(super) struct Adversary<'a> {
    scenario: &'a Scenario,
    active: Vec<Active>,
    overheard: Overheard,
    /// The grandmaster's recent Syncs and Follow_Ups, and for how long they are kept.
    recorded: VecDeque<(TrueTime, Vec<u8>)>,
    keeps: Nanos,
    is_there: bool,
    path: NetworkPath,
    /// When the host's program handled the last datagram of this path. Later ones are not handled
    /// before it, because a thread is a queue.
    handled: TrueTime,
}

impl<'a> Adversary<'a> {
    pub(super) fn new(scenario: &'a Scenario, around: &Surroundings<'_>) -> Self {
        let attacks = || scenario.faults.iter().filter_map(|fault| attack_of(&fault.what));
        let kept = attacks().map(|attack| match attack {
            Attack::ReplaySyncs(Replay { recorded_s, .. }) => recorded_s.nanos(),
            _ => Nanos::ZERO,
        });
        let path = NetworkPath::new(around.ptp.clone(), scenario.seed, &around.ptp_stream("network/ptp/forged/down"));
        Self {
            scenario,
            active: Vec::new(),
            overheard: Overheard::default(),
            recorded: VecDeque::new(),
            keeps: kept.max().unwrap_or(Nanos::ZERO),
            is_there: attacks().next().is_some(),
            path,
            handled: 0,
        }
    }

    /// Begins or ends a fault. Returns when an attack first sends, and its index.
    pub(super) fn fault(
        &mut self,
        now: TrueTime,
        index: usize,
        begins: bool,
        masters: &mut Masters,
    ) -> Option<TrueTime> {
        let what = &self.scenario.faults[index].what;
        if matches!(what, FaultKind::NetworkLost) {
            self.path.set_cut(begins);
        }
        let attack = attack_of(what)?;
        self.active.retain(|active| active.index != index);
        if !begins {
            return None;
        }
        let every = attack.interval().unwrap_or(Nanos::ZERO);
        let work = self.work(now, index, attack, masters)?;
        let sends = !matches!((attack, &work), (Attack::ForgeDelayResps(_), _) | (_, Work::HoldBack { .. }));
        let due = sends.then_some(now);
        self.active.push(Active { index, due, every, source: source_of(attack), work });
        due
    }

    fn work(&self, now: TrueTime, index: usize, attack: &Attack, masters: &mut Masters) -> Option<Work> {
        let random = RandomStream::new(self.scenario.seed, &format!("adversary/{index}/{now}"));
        match *attack {
            Attack::HoldBackSyncs(held) => Some(Work::HoldBack { held, since: now }),
            Attack::ForgePackets(packets) => {
                let talker = self.scenario.talker.as_ref()?;
                let stream = ForgedStream::new(packets, talker.packet_frames, talker.sample_rate_hz.get(), random);
                Some(Work::Stream(Box::new(stream)))
            }
            _ => {
                let recorded = match attack {
                    Attack::ReplaySyncs(replay) => self.recorded_since(now - replay.recorded_s.nanos().as_nanos()),
                    _ => Vec::new(),
                };
                let (config, model) = (&self.scenario.grandmaster, &masters.get(0).model);
                ForgedPtp::new(attack, now, config, model, recorded, random).map(|forged| Work::Ptp(Box::new(forged)))
            }
        }
    }

    fn recorded_since(&self, since: TrueTime) -> Vec<Vec<u8>> {
        self.recorded.iter().filter(|(at, _)| *at >= since).map(|(_, message)| message.clone()).collect()
    }

    /// Records a datagram of the grandmaster.
    pub(super) fn hear_ptp(&mut self, now: TrueTime, datagram: &[u8]) {
        if !self.is_there {
            return;
        }
        let Ok(message) = Message::parse(datagram) else { return };
        if let Body::Sync { .. } = message.body {
            self.overheard.newest_sync = Some((message.header.sequence_id, now));
        }
        if self.keeps > Nanos::ZERO && matches!(message.body, Body::Sync { .. } | Body::FollowUp { .. }) {
            self.recorded.push_back((now, datagram.to_vec()));
            while self.recorded.front().is_some_and(|(at, _)| *at < now - self.keeps.as_nanos()) {
                self.recorded.pop_front();
            }
        }
    }

    /// Records a packet of the stream.
    pub(super) fn hear_stream(&mut self, datagram: &[u8]) {
        for active in &mut self.active {
            if let Work::Stream(stream) = &mut active.work {
                stream.hear(datagram);
            }
        }
    }

    /// Whether an active attack answers datagrams of the receiver.
    pub(super) fn listens_to_receiver(&self) -> bool {
        self.active.iter().any(|active| matches!(active.work, Work::Ptp(_)))
    }

    /// Its answers to a datagram of the receiver at `now`.
    pub(super) fn answers(&mut self, now: TrueTime, datagram: &[u8]) -> Vec<Forged> {
        let mut answers = Vec::new();
        for Active { work, source, .. } in &mut self.active {
            if let Work::Ptp(forged) = work
                && let Some(datagram) = forged.answer(now, datagram)
            {
                answers.push(Forged { port: Port::Ptp, source: ptp_source(*source, 0), datagram });
            }
        }
        answers
    }

    /// What an attack sends now, and when it sends next; nothing if it has ended in the meantime.
    pub(super) fn strike(&mut self, now: TrueTime, index: usize) -> (Vec<Forged>, Option<TrueTime>) {
        let due = |active: &&mut Active| active.index == index && active.due == Some(now);
        let Some(active) = self.active.iter_mut().find(due) else { return (Vec::new(), None) };
        let Active { due, every, source, work, .. } = active;
        let forged = match work {
            Work::Ptp(forged) => {
                let (sent, next) = forged.strike(now, self.overheard);
                *due = next;
                let of = |(number, datagram)| Forged { port: Port::Ptp, source: ptp_source(*source, number), datagram };
                sent.into_iter().map(of).collect()
            }
            Work::Stream(stream) => {
                *due = Some(now + every.as_nanos());
                let source = if *source == ForgedSource::Spoofed { TALKER_ADDRESS } else { stranger_address(1) };
                let of = |datagram| Forged { port: Port::Media, source, datagram };
                stream.packet().map(of).into_iter().collect()
            }
            Work::HoldBack { .. } => Vec::new(),
        };
        (forged, *due)
    }

    /// How long the grandmaster's Syncs and Follow_Ups are held back.
    pub(super) fn holds_back(&self, now: TrueTime) -> Nanos {
        let held = self.active.iter().filter_map(|active| match active.work {
            Work::HoldBack { held, since } => {
                let grown = (now - since) as f64 * held.grows_ppm.get() * 1e-15;
                Some(held.by_us.nanos() + Nanos::from_secs_f64(grown))
            }
            _ => None,
        });
        held.fold(Nanos::ZERO, |sum, held| sum + held).max(Nanos::ZERO)
    }

    /// When the host's program handles PTP datagrams that the attacker sends now: in order, and
    /// `lateness` after they arrive.
    pub(super) fn carry(
        &mut self,
        now: TrueTime,
        datagram: &mut [u8],
        mut lateness: impl FnMut() -> Nanos,
    ) -> Vec<TrueTime> {
        let passage = self.path.carry(now, datagram);
        let arrivals = passage.arrivals.into_iter().flatten();
        let handled = arrivals.map(|arrival| {
            let ready = arrival + lateness().as_nanos();
            if !passage.in_order {
                return ready;
            }
            self.handled = ready.max(self.handled);
            self.handled
        });
        handled.collect()
    }
}

fn attack_of(what: &FaultKind) -> Option<&Attack> {
    if let FaultKind::Attack(attack) = what { Some(attack) } else { None }
}

fn source_of(attack: &Attack) -> ForgedSource {
    match attack {
        Attack::ForgeFollowUps(forged) | Attack::ForgeSyncs(forged) => forged.from,
        Attack::ForgeDelayResps(forged) => forged.from,
        Attack::ReplaySyncs(replay) => replay.from,
        Attack::FloodPtp(flood) => flood.from,
        Attack::ForgePackets(packets) => packets.from,
        Attack::InventMasters(_) | Attack::BetterMaster(_) | Attack::HoldBackSyncs(_) => ForgedSource::Own,
    }
}

fn ptp_source(source: ForgedSource, number: u8) -> Ipv4Addr {
    match source {
        ForgedSource::Own => stranger_address(1_u8.saturating_add(number)),
        ForgedSource::Spoofed => GRANDMASTER_ADDRESS,
    }
}
