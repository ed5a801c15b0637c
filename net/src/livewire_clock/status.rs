//! The status of a Livewire clock client at one moment.

use crate::socket::{SocketStats, Timestamping};
use crate::worker::Scheduling;
use engine::clock::{ClockReading, LockState, PtpMap, Reference, SystemReport};
use engine::livewire_clock::{ClockCounters, ClockDiagnosis, Master, MasterIdentity};
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use std::fmt;

/// The status of a Livewire clock client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LivewireStatus {
    /// When the status was published.
    pub at: LocalTime,
    /// The timeline for all streams that are paced by this client; RTP timestamps refer to
    /// [`Reference::reading`].
    pub reference: Reference,
    /// The time as estimated, without the slew of the reference.
    pub clock: ClockReading,
    /// The master that is followed.
    pub master: Option<Master>,
    /// The time that is served, if the clock is served.
    pub served_time: Option<PtpMap>,
    /// Our identity, while we serve the clock.
    pub serves: Option<MasterIdentity>,
    /// Why there is no clock, if the reason is known.
    pub diagnosis: Option<ClockDiagnosis>,
    /// Why there is no clock, or else why its state last changed, as text.
    pub reason: String,
    /// The presumed path delay from the master.
    pub presumed_delay: Nanos,
    /// Running estimate of the jitter of timestamps.
    pub jitter: Nanos,
    /// Difference between the current time and the time that was predicted a second ago; `None` in
    /// the first second and after a step.
    pub prediction_error: Option<Nanos>,
    /// The counters of the clock.
    pub counters: ClockCounters,
    /// Number of packets that were sent as master.
    pub sent: u64,
    /// The counters of the socket.
    pub socket: SocketStats,
    /// How packets are stamped.
    pub timestamping: Timestamping,
    /// Whether the system clock would be usable.
    pub system: SystemReport,
    /// How the thread is scheduled.
    pub scheduling: Scheduling,
}

impl LivewireStatus {
    /// Rate of the Livewire clock relative to the host clock.
    #[must_use]
    pub fn rate(&self) -> Option<Ppb> {
        Some(self.clock.map?.clock().rate())
    }

    /// The Livewire clock's time at `now`: the followed time, or the served one.
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
    /// master as devices display it, the error of the prediction a second ago, the clock's rate
    /// relative to the host clock, and the state.
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
