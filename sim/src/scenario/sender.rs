//! The engine's sender, on a computer of its own, in the place of the talker's model.

use super::value::{Micros, Millis, Period};
use super::{AudioChain, Card, Host, Jitter, Path, Scenario, Surroundings};
use serde::Deserialize;
use toml::Spanned;

/// A sender under test. It sends the talker's programme in the talker's format.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// What it is paced by.
    pub clock: Spanned<SenderClock>,
    /// Its computer.
    pub host: Host,
    /// Grandmaster to sender, and back; as to the receivers if it is not given.
    pub ptp: Option<Path>,
    /// How late its thread is woken.
    #[serde(default)]
    pub wake_jitter: Jitter,
    /// How much later than at their end packets leave.
    #[serde(default)]
    pub delay_ms: Millis,
    /// The sound card that captures the programme; without one it is there as if read from a file.
    pub card: Option<Card>,
}

/// What a sender is paced by.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SenderClock {
    /// Its own PTP client.
    Ptp,
    /// Its system's clock, which somebody else disciplines: it is off PTP time by a sine.
    System {
        /// Amplitude of the sine.
        error_us: Micros,
        /// Its period.
        period_s: Period,
    },
}

impl Scenario {
    /// What surrounds the sender.
    #[must_use]
    pub fn surroundings_of_sender<'a>(&'a self, sender: &'a Sender) -> Surroundings<'a> {
        let chain = self.chain().map(|chain| AudioChain { card: sender.card.as_ref().unwrap_or(chain.card), ..chain });
        // No receiver can be called like that.
        let mut own = self.surroundings().all_own("/sender");
        (own.chain, own.host) = (chain, &sender.host);
        if let Some(ptp) = &sender.ptp {
            (own.ptp, own.ptp_up) = (ptp, ptp);
        }
        own
    }
}
