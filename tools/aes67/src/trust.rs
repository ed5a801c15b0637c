//! `--trust packets`: determines a stream's format from its packets if they contradict its
//! description.
//!
//! Before playing or recording, the command receives packets until the size and rate of their
//! frames agree with the description, or with a corrected description. This takes a second or two.

use crate::failure::{Failure, Result};
use crate::session::{Session, warn};
use crate::target::Target;
use clap::ValueEnum;
use engine::clock::ClockReading;
use engine::receive::{Companion, Conformance, Datagram, Described};
use engine::rtp::wire::RtpPacket;
use engine::{LocalTime, Nanos};
use net::stream::{LegConfig, LegStatus, MediaListener, MediaSink};
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of consecutive corrections: payload type, frame size, rate, and one in reserve.
const MOST_CORRECTIONS: usize = 4;
/// If the rate cannot be determined from the arrivals within this time, the described rate is used.
const LONG_ENOUGH: Nanos = Nanos::from_secs(10);
/// Time after which the wait for packets is reported.
const PATIENCE: Nanos = Nanos::from_secs(2);

/// Which one counts if packets and description contradict each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trust {
    /// The description: packets that contradict it are silence
    #[default]
    Description,
    /// The packets, where they suffice: takes a second or two before the stream begins
    Packets,
}

impl Trust {
    /// Corrects a target according to its packets, if they are trusted.
    ///
    /// # Errors
    /// If the format cannot be determined from the packets, or the session ends before.
    pub(crate) fn apply(self, target: &mut Target, legs: &[LegConfig], session: &Session) -> Result<()> {
        match self {
            Self::Description => Ok(()),
            Self::Packets => learn(target, legs, session),
        }
    }
}

/// What has been learned from the packets so far.
struct Learning {
    described: Described,
    conformance: Conformance,
    first_at: Option<LocalTime>,
    /// The findings that were corrected, as sentences.
    corrections: Vec<String>,
    outcome: Option<std::result::Result<(), String>>,
}

impl Learning {
    fn new(described: Described) -> Self {
        Self {
            described,
            conformance: Conformance::new(described),
            first_at: None,
            corrections: Vec::new(),
            outcome: None,
        }
    }

    fn observe(&mut self, at: LocalTime, datagram: &[u8]) {
        let packet = RtpPacket::parse(datagram).ok().filter(|packet| !packet.payload.is_empty());
        let Some(packet) = packet.filter(|_| self.outcome.is_none() && Companion::of(datagram).is_none()) else {
            return;
        };
        self.conformance.observe(at, &packet);
        let Some(finding) = self.conformance.contradiction() else {
            let since = at.since(*self.first_at.get_or_insert(at));
            if self.conformance.is_confirmed() || since >= LONG_ENOUGH {
                self.outcome = Some(Ok(()));
            }
            return;
        };
        match finding.corrected(self.described).filter(|_| self.corrections.len() < MOST_CORRECTIONS) {
            Some(corrected) => {
                self.described = corrected;
                self.conformance = Conformance::new(corrected);
                self.corrections.push(finding.to_string());
            }
            None => self.outcome = Some(Err(finding.to_string())),
        }
    }
}

struct Sink(Arc<Mutex<Learning>>);

impl MediaSink for Sink {
    fn handle_datagram(&mut self, datagram: Datagram<'_>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).observe(datagram.at, datagram.bytes);
    }

    fn handle_idle(&mut self, _now: LocalTime, _clock: Option<&ClockReading>, _legs: &[LegStatus]) {}
}

fn learn(target: &mut Target, legs: &[LegConfig], session: &Session) -> Result<()> {
    let described = target.described();
    let learning = Arc::new(Mutex::new(Learning::new(described)));
    let listener = MediaListener::start(legs, None, Sink(Arc::clone(&learning)))?;
    let (began, mut told) = (session.elapsed(), false);
    let outcome = loop {
        let outcome = learning.lock().unwrap_or_else(PoisonError::into_inner).outcome.clone();
        if outcome.is_some() || !session.goes_on() {
            break outcome;
        }
        if session.elapsed() - began > PATIENCE && !told {
            told = true;
            warn(format_args!("{}: listening to its packets, to learn what they are", target.name));
        }
    };
    drop(listener);
    let learning = learning.lock().unwrap_or_else(PoisonError::into_inner);
    let name = &target.name;
    match outcome {
        None => return Err(Failure::run(format!("{name}: too few packets have come to learn what they are"))),
        Some(Err(finding)) => {
            return Err(Failure::run(format!("{name}: {finding}; what the packets are cannot be told")));
        }
        Some(Ok(())) => {}
    }
    target.correct(learning.described);
    if !learning.corrections.is_empty() {
        warn(format_args!("{}, by its packets: {}", target.describe(), learning.corrections.join("; ")));
    }
    Ok(())
}
