//! What a client of the Livewire clock knows at one moment.

use crate::socket::{SocketStats, Timestamping};
use crate::worker::Scheduling;
use engine::clock::{ClockReading, LockState, PtpMap, Reference, SystemReport};
use engine::livewire_clock::{ClockCounters, ClockDiagnosis, Master, MasterIdentity};
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use std::fmt;

/// The knowledge of a client of the Livewire clock.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LivewireStatus {
    /// When it was published.
    pub at: LocalTime,
    /// The timeline of all that plays or sends by this client; [`Reference::reading`] is what RTP
    /// timestamps refer to.
    pub reference: Reference,
    /// The time as the clock knows it, without the reference's slew.
    pub clock: ClockReading,
    /// The master that is followed.
    pub master: Option<Master>,
    /// The time that is served, if any is.
    pub served_time: Option<PtpMap>,
    /// We, if we serve the clock at the moment.
    pub serves: Option<MasterIdentity>,
    /// Why there is no clock, if that is known.
    pub diagnosis: Option<ClockDiagnosis>,
    /// Why there is no clock, or else why it changed its state last, in words.
    pub reason: String,
    /// The delay that the path to the master is presumed to have.
    pub presumed_delay: Nanos,
    /// Running size of the timestamps' jitter.
    pub jitter: Nanos,
    /// By how much the time turned out to be ahead of what was predicted a second ago; `None` in
    /// the first second, and after a step.
    pub prediction_error: Option<Nanos>,
    /// What was counted.
    pub counters: ClockCounters,
    /// Packets that were sent as master.
    pub sent: u64,
    /// What the socket has counted.
    pub socket: SocketStats,
    /// How packets are stamped.
    pub timestamping: Timestamping,
    /// How far the system's clock would be of use.
    pub system: SystemReport,
    /// How the thread is scheduled.
    pub scheduling: Scheduling,
}

impl LivewireStatus {
    /// How much faster the Livewire clock runs than the host's.
    #[must_use]
    pub fn rate(&self) -> Option<Ppb> {
        Some(self.clock.map?.clock().rate())
    }

    /// The Livewire clock's time at `now`: the one that is followed, or the one that is served.
    #[must_use]
    pub fn time_at(&self, now: LocalTime) -> Option<PtpTime> {
        let served = self.served_time.filter(|_| self.serves.is_some());
        served.or(self.clock.map).map(|map| map.ptp_at(now))
    }

    /// Standard deviation of the time.
    #[must_use]
    pub fn uncertainty(&self) -> Option<Nanos> {
        Some(Nanos::new(self.clock.map?.clock().sigma_ns(self.at) as i64))
    }

    /// Whether the time may be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.clock.state.is_usable() && self.clock.map.is_some()
    }
}

impl fmt::Display for LivewireStatus {
    /// `Slave to: Livewire/AC050272 p5 192.168.2.114:7000, δ -0.1µs, Freq: +0.72ppm [LOCKED]`: the
    /// master as the devices show it; how far the last second's prediction was off, the clock's
    /// rate against the host's, and the state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(serves) = self.serves {
            return write!(f, "Master: {serves} [MASTER]");
        }
        let state = self.clock.state;
        match (&self.master, &self.diagnosis) {
            (Some(master), _) => write!(f, "Slave to: {master}")?,
            (None, Some(diagnosis)) if state == LockState::Holdover => write!(f, "Holding: {diagnosis}")?,
            (None, Some(diagnosis)) => return write!(f, "Listening: {diagnosis} [{state}]"),
            (None, None) => return write!(f, "Listening [{state}]"),
        }
        let delta_us = self.prediction_error.unwrap_or_default().as_nanos() as f64 / 1e3;
        let rate_ppm = self.rate().unwrap_or_default().as_ppm();
        write!(f, ", δ {delta_us:+.1}µs, Freq: {rate_ppm:+.2}ppm [{state}]")?;
        match &self.diagnosis {
            Some(ClockDiagnosis::Servo { cause, .. }) => write!(f, ": {cause}"),
            _ => Ok(()),
        }
    }
}
