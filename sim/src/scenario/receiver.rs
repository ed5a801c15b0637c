//! A receiver of a scenario and its surroundings: the scenario's computer, network and sound card,
//! or its own. Parts of its own have separate random streams, named after the receiver; shared
//! parts behave in the same way for all.

use super::explain::piece;
use super::{
    AudioChain, Card, Expectation, Host, Loaded, Path, Period, Program, ReceiverKind, Scenario, ScenarioError,
};
use engine::Nanos;
use serde::Deserialize;
use toml::Spanned;

/// Longest name of a receiver, in characters.
const LONGEST_NAME: usize = 64;

/// A receiver under test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Name in reports, and of its files.
    pub name: Spanned<String>,
    /// Which receiver it is: the engine, or one to compare it with.
    pub kind: ReceiverKind,
    /// The program that it is, if it is of kind `process`.
    pub process: Option<Program>,
    /// Its sound card, instead of the scenario's.
    pub card: Option<Card>,
    /// Its computer, instead of the scenario's.
    pub host: Option<Host>,
    /// Its paths through the network, instead of the scenario's.
    #[serde(default)]
    pub network: OwnNetwork,
    /// How often it reports its groups to the switches by itself; only when it joins them, if not
    /// given.
    pub rejoin_every_s: Option<Period>,
}

/// Paths that only one receiver has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OwnNetwork {
    /// Talker to receiver.
    pub media: Option<Path>,
    /// Grandmaster to receiver, and back.
    pub ptp: Option<Path>,
    /// The way back, if it differs; the same as the way there if only that is given.
    pub ptp_up: Option<Path>,
}

/// How long switches forward the groups of a receiver.
#[derive(Clone, Copy, Debug)]
pub struct Membership {
    /// After its last report.
    pub timeout: Nanos,
    /// How often it reports by itself.
    pub rejoin_every: Option<Nanos>,
}

/// The surroundings of one receiver.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// The audio chain; `None` if only clocks are simulated.
    pub chain: Option<AudioChain<'a>>,
    /// The computer.
    pub host: &'a Host,
    /// Grandmaster to receiver.
    pub ptp: &'a Path,
    /// Receiver to grandmaster.
    pub ptp_up: &'a Path,
    /// How switches learn that the receiver is a member of its groups.
    pub membership: Membership,
    /// Prefix of the names of its own random streams.
    name: String,
    own_card: bool,
    own_media: bool,
    own_host: bool,
    own_ptp: bool,
}

impl<'a> Surroundings<'a> {
    /// These surroundings with random streams that no other receiver has.
    pub(super) fn all_own(self, name: &str) -> Self {
        Self { name: name.to_owned(), own_card: true, own_media: true, own_host: true, own_ptp: true, ..self }
    }

    /// Whether what a perfect receiver would play here differs from what it would play in the
    /// scenario's own surroundings.
    #[must_use]
    pub fn has_own_reference(&self) -> bool {
        self.own_card || self.own_media
    }

    /// Name of a random stream of the sound card.
    #[must_use]
    pub fn card_stream(&self, name: &str) -> String {
        self.stream(self.own_card, name)
    }

    /// Name of a random stream of the path of the media.
    #[must_use]
    pub fn media_stream(&self, name: &str) -> String {
        self.stream(self.own_media, name)
    }

    /// Name of a random stream of the computer.
    #[must_use]
    pub fn host_stream(&self, name: &str) -> String {
        self.stream(self.own_host, name)
    }

    /// Name of a random stream of the path of PTP.
    #[must_use]
    pub fn ptp_stream(&self, name: &str) -> String {
        self.stream(self.own_ptp, name)
    }

    fn stream(&self, own: bool, name: &str) -> String {
        if own { format!("receiver/{}/{name}", self.name) } else { name.to_owned() }
    }
}

impl Loaded {
    /// Adds a receiver of kind `own` that has the place and the expectations of the receiver
    /// `like`, so that the same is expected of both in the same surroundings.
    ///
    /// # Errors
    /// If the name is taken or cannot be used, or there is no receiver `like`.
    pub fn add_own(&mut self, name: &str, like: &str) -> Result<(), ScenarioError> {
        let scenario = &mut self.scenario;
        let refused =
            |reason: String| Err(ScenarioError::NotAdded { path: self.path.clone(), name: piece(name), reason });
        let Some(model) = scenario.receivers.iter().find(|other| other.name.as_ref() == like) else {
            let names: Vec<&str> = scenario.receivers.iter().map(|other| other.name.as_ref().as_str()).collect();
            return refused(format!(
                "there is no receiver `{}` to be like: there are {}",
                piece(like),
                names.join(", ")
            ));
        };
        if let Some(reason) = name_fault(name, &scenario.receivers) {
            return refused(reason);
        }
        let named = Spanned::new(0..0, name.to_owned());
        let own = Receiver { name: named.clone(), kind: ReceiverKind::Own, process: None, ..model.clone() };
        let expected = scenario.expectations.iter().filter(|one| one.receiver.as_ref() == like);
        let expected: Vec<_> = expected.map(|one| Expectation { receiver: named.clone(), ..one.clone() }).collect();
        scenario.receivers.push(own);
        scenario.expectations.extend(expected);
        Ok(())
    }
}

/// Why a receiver cannot have this name beside the others, if it cannot.
pub(super) fn name_fault(name: &str, others: &[Receiver]) -> Option<String> {
    let usable = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !usable || name.len() > LONGEST_NAME {
        let right = format!("use letters, digits, - and _, at most {LONGEST_NAME}, because files are named after it");
        return Some(format!("receiver name `{}`: {right}", piece(name)));
    }
    // On some systems, files whose names differ only by case are the same file.
    let same = |other: &str| other.eq_ignore_ascii_case(name);
    let is_taken = same("reference") || others.iter().any(|other| same(other.name.as_ref()));
    is_taken.then(|| format!("receiver name `{name}` is taken; choose another"))
}

impl Scenario {
    /// What surrounds receivers that have nothing of their own.
    #[must_use]
    pub fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            chain: self.chain(),
            host: &self.host,
            ptp: &self.network.ptp,
            ptp_up: self.network.ptp_up.as_ref().unwrap_or(&self.network.ptp),
            membership: self.membership(None),
            name: String::new(),
            own_card: false,
            own_media: false,
            own_host: false,
            own_ptp: false,
        }
    }

    /// What surrounds one of the scenario's receivers.
    #[must_use]
    pub fn surroundings_of<'a>(&'a self, receiver: &'a Receiver) -> Surroundings<'a> {
        let Receiver { card, host, network, rejoin_every_s, .. } = receiver;
        let shared = self.surroundings();
        let chain = shared.chain.map(|chain| AudioChain {
            card: card.as_ref().unwrap_or(chain.card),
            media: network.media.as_ref().unwrap_or(chain.media),
            ..chain
        });
        Surroundings {
            chain,
            host: host.as_ref().unwrap_or(shared.host),
            ptp: network.ptp.as_ref().unwrap_or(shared.ptp),
            ptp_up: network.ptp_up.as_ref().or(network.ptp.as_ref()).unwrap_or(shared.ptp_up),
            membership: self.membership(*rejoin_every_s),
            name: receiver.name.as_ref().clone(),
            own_card: card.is_some(),
            own_media: network.media.is_some(),
            own_host: host.is_some(),
            own_ptp: network.ptp.is_some(),
        }
    }

    fn membership(&self, rejoin_every_s: Option<Period>) -> Membership {
        let timeout = self.network.group_timeout_s.nanos();
        Membership { timeout, rejoin_every: rejoin_every_s.map(Period::nanos) }
    }
}
