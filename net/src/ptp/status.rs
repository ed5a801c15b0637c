//! The status of a PTP client at one moment.

use crate::socket::{SocketStats, Timestamping};
use crate::worker::Scheduling;
use engine::clock::{ClockReading, LockState, Reference, SystemReport};
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{DataSet, Diagnosis, PortCounters, PortState, TimeProperties};
use engine::{LocalTime, Nanos, Ppb};
use std::fmt;
use std::sync::Arc;

/// The status of a PTP client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PtpStatus {
    /// When the status was published.
    pub at: LocalTime,
    /// The domain.
    pub domain: u8,
    /// Identity of our own clock.
    pub identity: ClockIdentity,
    /// Number of our own port.
    pub port_number: u16,
    /// The timeline for all streams that are paced by this client; RTP timestamps refer to
    /// [`Reference::reading`].
    pub reference: Reference,
    /// PTP time as estimated, without the slew of the reference.
    pub clock: ClockReading,
    /// State of the port.
    pub port: PortState,
    /// Why there is no clock, or else why the state of the port or the clock last changed, as text.
    pub reason: String,
    /// Why there is no clock, if the reason is known.
    pub diagnosis: Option<Diagnosis>,
    /// The master that is followed.
    pub master: Option<DataSet>,
    /// What the master states about its timescale, or what we state as master.
    pub time_properties: Option<TimeProperties>,
    /// Estimated one-way delay to the master.
    pub mean_path_delay: Nanos,
    /// Running estimate of the jitter of timestamps.
    pub jitter: Nanos,
    /// Difference between the current PTP time and the time that was predicted a second ago; `None`
    /// in the first seconds and after a step.
    pub prediction_error: Option<Nanos>,
    /// The port's counters.
    pub counters: PortCounters,
    /// The counters of the event socket.
    pub event_socket: SocketStats,
    /// How received messages are stamped.
    pub timestamping: Timestamping,
    /// Why the network card does not stamp messages, although that was requested.
    pub hardware_refusal: Option<Arc<str>>,
    /// Number of sent messages that the kernel has stamped, and of those that it has failed to
    /// stamp.
    pub transmit_stamps: (u64, u64),
    /// Whether the system clock would be usable.
    pub system: SystemReport,
    /// How the thread is scheduled.
    pub scheduling: Scheduling,
}

impl PtpStatus {
    /// The grandmaster: the one that is followed, or this clock if it is master.
    #[must_use]
    pub fn grandmaster(&self) -> Option<ClockIdentity> {
        match self.port {
            PortState::Master => Some(self.identity),
            _ => self.master.map(|master| master.grandmaster),
        }
    }

    /// Rate of PTP time relative to the host clock.
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

impl PtpStatus {
    /// The status line without the domain, in the form that programs for the BASS libraries expect:
    /// `Slave to: PTP/dca600fffeff2eea:2, δ -270.9µs, Freq: +100.00ppm [LOCKED]`.
    #[must_use]
    pub fn brief(&self) -> impl fmt::Display {
        Line { status: self, domain: String::new() }
    }
}

impl fmt::Display for PtpStatus {
    /// `Slave to: PTP/dca600fffeff2eea:2, domain 10, δ -270.9µs, Freq: +100.00ppm [LOCKED]`: the
    /// grandmaster, the number of the port that is followed, and the domain; the error of the
    /// prediction a second ago, PTP's rate relative to the host clock, and the state; after the
    /// state, why there is no clock, if there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line { status: self, domain: format!(", domain {}", self.domain) }.fmt(f)
    }
}

/// Displays a status in one line.
struct Line<'a> {
    status: &'a PtpStatus,
    /// The domain as it is displayed after the port.
    domain: String,
}

/// The state to display for a clock with or without a master. A clock that has a master but no
/// timestamps from it yet is displayed as UNCALIBRATED, the state of its port, because LISTENING
/// would mean that there is no master.
fn state_of(clock: LockState, has_master: bool) -> String {
    match clock {
        LockState::Listening if has_master => PortState::Uncalibrated.to_string(),
        state => state.to_string(),
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, domain } = self;
        let state = status.clock.state;
        match (status.port, status.master) {
            (PortState::Master, _) => {
                return write!(f, "Master: PTP/{}:{}{domain} [MASTER]", status.identity, status.port_number);
            }
            (PortState::Passive, _) => {
                return write!(f, "Passive: PTP/{}:{}{domain} [PASSIVE]", status.identity, status.port_number);
            }
            (_, None) => {
                let waits = if state == LockState::Holdover { "Holding" } else { "Listening" };
                match &status.diagnosis {
                    Some(diagnosis) => write!(f, "{waits}: {diagnosis}")?,
                    None => write!(f, "{waits}: no master in domain {}", status.domain)?,
                }
                if state != LockState::Holdover {
                    return write!(f, " [{state}]");
                }
            }
            (_, Some(master)) => {
                let port = master.sender.port_number;
                write!(f, "Slave to: PTP/{}:{port}{domain}", master.grandmaster)?;
            }
        }
        let delta_us = status.prediction_error.unwrap_or_default().as_nanos() as f64 / 1e3;
        let rate_ppm = status.rate().unwrap_or_default().as_ppm();
        write!(f, ", δ {delta_us:+.1}µs, Freq: {rate_ppm:+.2}ppm [{}]", state_of(state, status.master.is_some()))?;
        match &status.diagnosis {
            Some(Diagnosis::Master { trouble, .. }) => write!(f, ": {trouble}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_has_a_master_does_not_listen() {
        assert_eq!(state_of(LockState::Listening, false), "LISTENING");
        assert_eq!(state_of(LockState::Listening, true), "UNCALIBRATED");
        assert_eq!(state_of(LockState::Acquiring, true), "ACQUIRING");
    }
}
