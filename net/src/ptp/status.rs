//! What a PTP client knows at one moment.

use crate::socket::{SocketStats, Timestamping};
use crate::worker::Scheduling;
use engine::clock::{ClockReading, LockState, Reference, SystemReport};
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{DataSet, Diagnosis, PortCounters, PortState, TimeProperties};
use engine::{LocalTime, Nanos, Ppb};
use std::fmt;
use std::sync::Arc;

/// A PTP client's knowledge.
#[derive(Clone, Debug)]
pub struct PtpStatus {
    /// When it was published.
    pub at: LocalTime,
    /// The domain.
    pub domain: u8,
    /// Our own clock.
    pub identity: ClockIdentity,
    /// Our own port.
    pub port_number: u16,
    /// The timeline of all that plays or sends by this client; [`Reference::reading`] is what RTP timestamps refer to.
    pub reference: Reference,
    /// PTP time as the clock knows it, without the reference's slew.
    pub clock: ClockReading,
    /// State of the port.
    pub port: PortState,
    /// Why there is no clock, or else why the port or the clock changed its state last, in words.
    pub reason: String,
    /// Why there is no clock, if that is known.
    pub diagnosis: Option<Diagnosis>,
    /// The master that is followed.
    pub master: Option<DataSet>,
    /// What the master says of its timescale, or what we say as master.
    pub time_properties: Option<TimeProperties>,
    /// Estimated one-way delay to the master.
    pub mean_path_delay: Nanos,
    /// Running size of the timestamps' jitter.
    pub jitter: Nanos,
    /// By how much PTP time turned out to be ahead of what was predicted a second ago; `None` in the first seconds, and after a step.
    pub prediction_error: Option<Nanos>,
    /// What the port has counted.
    pub counters: PortCounters,
    /// What the event socket has counted.
    pub event_socket: SocketStats,
    /// How received messages are stamped.
    pub timestamping: Timestamping,
    /// Why the network card does not stamp them, if it was asked to.
    pub hardware_refusal: Option<Arc<str>>,
    /// Sent messages that the kernel has stamped, and those that it should have and did not.
    pub transmit_stamps: (u64, u64),
    /// How far the system's clock would be of use.
    pub system: SystemReport,
    /// How the thread is scheduled.
    pub scheduling: Scheduling,
}

impl PtpStatus {
    /// The grandmaster that time comes from: the one that is followed, or we.
    #[must_use]
    pub fn grandmaster(&self) -> Option<ClockIdentity> {
        match self.port {
            PortState::Master => Some(self.identity),
            _ => self.master.map(|master| master.grandmaster),
        }
    }

    /// How much faster PTP time runs than the host's clock.
    #[must_use]
    pub fn rate(&self) -> Option<Ppb> {
        Some(self.clock.map?.clock().rate())
    }

    /// Standard deviation of PTP time.
    #[must_use]
    pub fn uncertainty(&self) -> Option<Nanos> {
        Some(Nanos::new(self.clock.map?.clock().sigma_ns(self.at) as i64))
    }

    /// Whether PTP time may be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.clock.state.is_usable() && self.clock.map.is_some()
    }
}

impl fmt::Display for PtpStatus {
    /// `Slave to: PTP/dca600fffeff2eea:2, domain 10, δ -270.9µs, Freq: +100.00ppm [LOCKED]`: the
    /// grandmaster, the number of the port that is followed, and the domain; how far the last
    /// second's prediction was off, PTP's rate against the host's clock, and the state; after it,
    /// why there is no clock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = self.domain;
        let state = self.clock.state;
        match (self.port, self.master) {
            (PortState::Master, _) => {
                return write!(f, "Master: PTP/{}:{}, domain {domain} [MASTER]", self.identity, self.port_number);
            }
            (PortState::Passive, _) => {
                return write!(f, "Passive: PTP/{}:{}, domain {domain} [PASSIVE]", self.identity, self.port_number);
            }
            (_, None) => {
                let waits = if state == LockState::Holdover { "Holding" } else { "Listening" };
                match &self.diagnosis {
                    Some(diagnosis) => write!(f, "{waits}: {diagnosis}")?,
                    None => write!(f, "{waits}: no master in domain {domain}")?,
                }
                if state != LockState::Holdover {
                    return write!(f, " [{state}]");
                }
            }
            (_, Some(master)) => {
                let port = master.sender.port_number;
                write!(f, "Slave to: PTP/{}:{port}, domain {domain}", master.grandmaster)?;
            }
        }
        let delta_us = self.prediction_error.unwrap_or_default().as_nanos() as f64 / 1e3;
        let rate_ppm = self.rate().unwrap_or_default().as_ppm();
        write!(f, ", δ {delta_us:+.1}µs, Freq: {rate_ppm:+.2}ppm [{state}]")?;
        match &self.diagnosis {
            Some(Diagnosis::Master { trouble, .. }) => write!(f, ": {trouble}"),
            _ => Ok(()),
        }
    }
}
