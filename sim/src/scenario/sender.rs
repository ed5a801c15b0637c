//! The engine's sender, on its own computer, in place of the talker's model.

use super::value::{Micros, Millis, Period};
use super::{AudioChain, Card, Host, Jitter, Path, Scenario, Surroundings};
use serde::Deserialize;
use toml::Spanned;

/// A sender under test. It sends the talker's programme in the talker's format.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The clock that paces it.
    pub clock: Spanned<SenderClock>,
    /// Its computer.
    pub host: Host,
    /// Grandmaster to sender, and back; the same as to the receivers if not given.
    pub ptp: Option<Path>,
    /// Lateness of its thread's wake-ups.
    #[serde(default)]
    pub wake_jitter: Jitter,
    /// How long after their end packets leave.
    #[serde(default)]
    pub delay_ms: Millis,
    /// The sound card that captures the programme; without one, the programme is read as from a
    /// file.
    pub card: Option<Card>,
}

/// Clocks that pace a sender.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SenderClock {
    /// Its own PTP client.
    Ptp,
    /// Its system clock, which another program disciplines: its error against PTP time is a sine.
    System {
        /// Amplitude of the sine.
        error_us: Micros,
        /// Its period.
        period_s: Period,
    },
}

impl Scenario {
    /// The surroundings of the sender.
    #[must_use]
    pub fn surroundings_of_sender<'a>(&'a self, sender: &'a Sender) -> Surroundings<'a> {
        let chain = self.chain().map(|chain| AudioChain { card: sender.card.as_ref().unwrap_or(chain.card), ..chain });
        // No receiver can have this name.
        let mut own = self.surroundings().all_own("/sender");
        (own.chain, own.host) = (chain, &sender.host);
        if let Some(ptp) = &sender.ptp {
            (own.ptp, own.ptp_up) = (ptp, ptp);
        }
        own
    }
}
