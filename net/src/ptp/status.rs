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
    /// When it was published.
    pub at: LocalTime,
    /// The domain.
    pub domain: u8,
    /// Our own clock.
    pub identity: ClockIdentity,
    /// Our own port.
    pub port_number: u16,
    /// The timeline for everything that plays or sends by this client; RTP timestamps refer to
    /// [`Reference::reading`].
    pub reference: Reference,
    /// PTP time as estimated, without the slew of the reference.
    pub clock: ClockReading,
    /// State of the port.
    pub port: PortState,
    /// Why there is no clock, or else why the state of the port or the clock last changed, in
    /// words.
    pub reason: String,
    /// Why there is no clock, if that is known.
    pub diagnosis: Option<Diagnosis>,
    /// The master that is followed.
    pub master: Option<DataSet>,
    /// What the master says of its timescale, or what we say as master.
    pub time_properties: Option<TimeProperties>,
    /// Estimated one-way delay to the master.
    pub mean_path_delay: Nanos,
    /// Running estimate of the jitter of timestamps.
    pub jitter: Nanos,
    /// Difference of PTP time from what was predicted a second ago; `None` in the first seconds and
    /// after a step.
    pub prediction_error: Option<Nanos>,
    /// The port's counters.
    pub counters: PortCounters,
    /// The counters of the event socket.
    pub event_socket: SocketStats,
    /// How received messages are stamped.
    pub timestamping: Timestamping,
    /// Why the network card does not stamp them, if that was requested.
    pub hardware_refusal: Option<Arc<str>>,
    /// Sent messages that the kernel has stamped, and those for which it failed to.
    pub transmit_stamps: (u64, u64),
    /// Whether the system's clock would be usable.
    pub system: SystemReport,
    /// How the thread is scheduled.
    pub scheduling: Scheduling,
}

impl PtpStatus {
    /// The grandmaster of the time: the one that is followed, or this clock.
    #[must_use]
    pub fn grandmaster(&self) -> Option<ClockIdentity> {
        match self.port {
            PortState::Master => Some(self.identity),
            _ => self.master.map(|master| master.grandmaster),
        }
    }

    /// Rate of PTP time against the host's clock.
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
    /// The line without the domain, in the form that programs for the BASS libraries expect: `Slave
    /// to: PTP/dca600fffeff2eea:2, δ -270.9µs, Freq: +100.00ppm [LOCKED]`.
    #[must_use]
    pub fn brief(&self) -> impl fmt::Display {
        Line { status: self, domain: String::new() }
    }
}

impl fmt::Display for PtpStatus {
    /// `Slave to: PTP/dca600fffeff2eea:2, domain 10, δ -270.9µs, Freq: +100.00ppm [LOCKED]`: the
    /// grandmaster, the number of the port that is followed, and the domain; the error of the last
    /// second's prediction, PTP's rate against the host's clock, and the state; after the state,
    /// why there is no clock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line { status: self, domain: format!(", domain {}", self.domain) }.fmt(f)
    }
}

/// A status in one line.
struct Line<'a> {
    status: &'a PtpStatus,
    /// The domain as it is shown after the port.
    domain: String,
}

/// The state of a clock with or without a master. A clock with a master but without timestamps of
/// it is shown in the state of the port, because a LISTENING clock has no master.
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
