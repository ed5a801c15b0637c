//! The clock that the user asked for, its fallback and its return: one timeline for everything that
//! plays or sends.
//!
//! Model: whatever the source, consumers see one [slewed](super::slew) timeline. When the source
//! that was asked for has been of no use for the fallback time, the timeline goes on by another
//! one's *rate*: that of the system clock if somebody disciplines it, else the last one that was
//! known. Its phase is not touched, so nothing is heard. When the source returns, the difference is
//! slewed; only one too large for that, or one that the source itself says is a step, is a step,
//! with a new epoch.
//!
//! A timeline that has never met PTP has an arbitrary origin. It paces senders, but tells nothing
//! of RTP timestamps; see [`Reference::reading`].

use super::law::{ClockReading, PathDelay};
use super::lock::{CEILING_NS, LockState};
use super::map::{ClockMap, PtpMap};
use super::slew::Slew;
use crate::event_queue::EventQueue;
use crate::units::{LocalTime, Nanos, Ppb, PtpTime};
use std::fmt;

/// How long a source must be of use before the timeline returns to it: a flapping source is not
/// followed.
const RETURN_DWELL: Nanos = Nanos::from_secs(1);
/// How often the timeline is looked at when nothing happens: a held slew must not overshoot.
const INTERVAL: Nanos = Nanos::from_millis(250);
/// A timeline more uncertain than this is not used to place RTP timestamps: a jitter buffer holds a
/// few ms.
const USABLE_SIGMA_NS: f64 = 1e6;
/// A source that is this many of its standard deviations away from a timeline that goes on alone
/// contradicts it: chance once in 370 looks.
const CONTRADICTED_SIGMAS: f64 = 3.0;
/// A source that is heard for so long, and still of no use, tells nobody what time it is.
const HEARD_IN_VAIN: Nanos = Nanos::from_secs(60);
/// A wander so many times larger than a map knew of has misled that map.
const WANDER_EXCEEDS: f64 = 2.0;
/// Events that wait to be polled.
const MAX_EVENTS: usize = 16;

/// The clocks that a user can choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockMode {
    /// PTP, by our own client.
    #[default]
    Ptp,
    /// The system's clock, which somebody else (ptp4l with phc2sys, PTPd, NTP) disciplines.
    System,
    /// The Livewire clock, whose time is that of Livewire's streams and no time of day.
    Livewire,
    /// The arrival of packets, for every stream whose sender follows no clock that is known here.
    Arrivals,
    /// The host's own crystal, at the last rate that was known.
    FreeRunning,
}

impl fmt::Display for ClockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ptp => "PTP",
            Self::System => "the system clock",
            Self::Livewire => "the Livewire clock",
            Self::Arrivals => "packet arrivals",
            Self::FreeRunning => "free-running",
        })
    }
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceConfig {
    /// The clock.
    pub mode: ClockMode,
    /// How long it may be of no use before another one is taken; `None` for ever.
    pub fallback_after: Option<Nanos>,
}

impl Default for ReferenceConfig {
    fn default() -> Self {
        Self { mode: ClockMode::Ptp, fallback_after: Some(Nanos::from_secs(5)) }
    }
}

/// What the sources say at the moment; `None` for those that are not there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sources {
    /// The PTP client's.
    pub ptp: Option<ClockReading>,
    /// The system clock's.
    pub system: Option<ClockReading>,
    /// That of the Livewire clock.
    pub livewire: Option<ClockReading>,
    /// That of packet arrivals.
    pub arrivals: Option<ClockReading>,
}

impl Sources {
    fn get(&self, mode: ClockMode) -> Option<ClockReading> {
        match mode {
            ClockMode::Ptp => self.ptp,
            ClockMode::System => self.system,
            ClockMode::Livewire => self.livewire,
            ClockMode::Arrivals => self.arrivals,
            ClockMode::FreeRunning => None,
        }
    }

    /// The map of a source that is of use.
    fn usable(&self, mode: ClockMode) -> Option<PtpMap> {
        self.get(mode).filter(|reading| reading.state.is_usable())?.map
    }
}

/// Something that a user would want to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReferenceEvent {
    /// The clock that was asked for is of no use; another is taken.
    FellBack {
        /// The one that was asked for.
        from: ClockMode,
        /// The one that is taken.
        to: ClockMode,
        /// For how long it has been of no use.
        after: Nanos,
    },
    /// The clock that was asked for is followed (again).
    Followed(ClockMode),
    /// The timeline had to be stepped.
    Stepped(Nanos),
}

impl fmt::Display for ReferenceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FellBack { from, to, after } => write!(f, "no use of {from} for {after}: now {to}"),
            Self::Followed(mode) => write!(f, "following {mode}"),
            Self::Stepped(step) => write!(f, "time stepped by {step}"),
        }
    }
}

/// The timeline of a receiver or sender.
///
/// ```
/// use engine::clock::{ClockMap, ClockMode, ClockReading, LockState, PathDelay, PtpMap, Reference, ReferenceConfig, Sources};
/// use engine::{LocalTime, Nanos, PtpTime};
/// let mut reference = Reference::new(ReferenceConfig::default());
/// let map = PtpMap::new(LocalTime::ZERO, PtpTime::from_timestamp(100, 0), ClockMap::default());
/// let locked = ClockReading { state: LockState::Locked, map: Some(map), epoch: 0, path_delay: PathDelay::Measured };
/// reference.advance(LocalTime::ZERO, &Sources { ptp: Some(locked), ..Sources::default() });
/// assert_eq!(reference.source(), ClockMode::Ptp);
/// // The network is gone. After 5 s the timeline goes on alone.
/// for s in 1..=10 {
///     reference.advance(LocalTime::ZERO + Nanos::from_secs(s), &Sources::default());
/// }
/// assert_eq!(reference.source(), ClockMode::FreeRunning);
/// let now = LocalTime::ZERO + Nanos::from_secs(10);
/// assert_eq!(reference.timeline().unwrap().ptp_at(now), PtpTime::from_timestamp(110, 0));
/// ```
#[derive(Clone, Debug)]
pub struct Reference {
    config: ReferenceConfig,
    slew: Slew,
    source: ClockMode,
    /// Last map of the source that was asked for; its uncertainty grows while it is not renewed.
    last: Option<PtpMap>,
    /// Its epoch.
    source_epoch: u32,
    /// The state and delay that the source told last.
    state: LockState,
    path_delay: PathDelay,
    /// Since when the source that was asked for has been of no use, or of use again.
    useless_since: Option<LocalTime>,
    useful_since: Option<LocalTime>,
    /// Since when it has been heard without being of use.
    in_vain_since: Option<LocalTime>,
    advanced_at: Option<LocalTime>,
    events: EventQueue<ReferenceEvent, MAX_EVENTS>,
}

impl Reference {
    /// A timeline that has not begun.
    #[must_use]
    pub fn new(config: ReferenceConfig) -> Self {
        Self {
            config,
            slew: Slew::default(),
            source: config.mode,
            last: None,
            source_epoch: 0,
            state: LockState::Listening,
            path_delay: PathDelay::Measured,
            useless_since: None,
            useful_since: None,
            in_vain_since: None,
            advanced_at: None,
            events: EventQueue::default(),
        }
    }

    /// Takes what the sources say at `now`. To be called when they have something new to say, and
    /// when [`Reference::poll_timeout`] is due.
    pub fn advance(&mut self, now: LocalTime, sources: &Sources) {
        self.advanced_at = Some(now);
        let asked = sources.get(self.config.mode);
        self.state = asked.map_or(LockState::Listening, |reading| reading.state);
        self.path_delay = asked.map_or(PathDelay::Measured, |reading| reading.path_delay);
        let usable = sources.usable(self.config.mode);
        let in_vain = matches!(self.state, LockState::Acquiring | LockState::Unlocked);
        self.in_vain_since = in_vain.then(|| self.in_vain_since.unwrap_or(now));
        self.select(now, usable.is_some(), sources);
        match usable.filter(|_| self.source == self.config.mode) {
            Some(map) => {
                let epoch = asked.map_or(0, |reading| reading.epoch);
                let stepped = self.last.is_some() && epoch != self.source_epoch;
                self.source_epoch = epoch;
                self.last = Some(map);
                if let Some(step) = self.slew.follow(now, &map, stepped) {
                    self.events.push(ReferenceEvent::Stepped(step));
                }
            }
            None => self.coast(now, sources),
        }
    }

    /// When [`Reference::advance`] is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        self.advanced_at.map(|at| at + INTERVAL)
    }

    fn select(&mut self, now: LocalTime, usable: bool, sources: &Sources) {
        if usable {
            self.useless_since = None;
            let since = *self.useful_since.get_or_insert(now);
            let first = self.last.is_none() && self.source == self.config.mode;
            if first || self.source != self.config.mode && now.since(since) >= RETURN_DWELL {
                self.source = self.config.mode;
                self.events.push(ReferenceEvent::Followed(self.source));
            }
            return;
        }
        self.useful_since = None;
        let after = now.since(*self.useless_since.get_or_insert(now));
        let Some(fallback_after) = self.config.fallback_after else { return };
        if self.config.mode == ClockMode::FreeRunning || after < fallback_after {
            return;
        }
        let disciplined = self.config.mode != ClockMode::System && sources.usable(ClockMode::System).is_some();
        let to = if disciplined { ClockMode::System } else { ClockMode::FreeRunning };
        if to != self.source {
            self.source = to;
            self.events.push(ReferenceEvent::FellBack { from: self.config.mode, to, after });
        }
    }

    /// Goes on without the source that was asked for.
    fn coast(&mut self, now: LocalTime, sources: &Sources) {
        let held = self.known(sources);
        let substitute = sources.usable(self.source).filter(|_| self.source != self.config.mode);
        let begun = self.slew.published().is_some();
        let may_begin = self.source != self.config.mode || self.config.mode == ClockMode::FreeRunning;
        if !begun && !may_begin {
            return;
        }
        let rate = substitute.map(|map| map.clock().rate()).or(self.best_rate(held, sources)).unwrap_or(Ppb::ZERO);
        let uncertainty = held.unwrap_or_else(|| ClockMap::exact(now, 0.0, Ppb::ZERO));
        let uptime = PtpTime::EPOCH + (now - LocalTime::ZERO);
        self.slew.coast(now, rate, &uncertainty.displaced(self.contradiction_ns(now, sources)), uptime);
    }

    /// What is known of the source that was asked for: the map that was held, unless the source has
    /// been found to wander since then by much more than that map knew of. Then the map had
    /// followed the wander, and neither its rate nor its uncertainty is true.
    fn known(&self, sources: &Sources) -> Option<ClockMap> {
        let held = self.last.map(|map| *map.clock());
        let misled = |clock: &ClockMap| {
            held.is_some_and(|held| clock.phase_wander_ns() > WANDER_EXCEEDS * held.phase_wander_ns())
        };
        self.measured(sources).filter(misled).or(held)
    }

    /// What the source that was asked for says, although its time is of no use. If that is of
    /// another epoch, its rate is the same clock's all the same.
    fn measured(&self, sources: &Sources) -> Option<ClockMap> {
        let asked = sources.get(self.config.mode);
        asked.and_then(|reading| reading.map).map(|map| *map.clock())
    }

    /// The rate that was held, or that of the source that was asked for: its time may be of no use,
    /// as that of a master that wanders, and its rate known better than when it was.
    fn best_rate(&self, held: Option<ClockMap>, sources: &Sources) -> Option<Ppb> {
        let better = |clock: &ClockMap| held.is_some_and(|held| clock.rate_sigma() < held.rate_sigma());
        self.measured(sources).filter(better).or(held).map(|clock| clock.rate())
    }

    /// How far the timeline is from what the source that was asked for says, although that is of no
    /// use yet: more than it is uncertain by, and of the same epoch.
    fn contradiction_ns(&self, now: LocalTime, sources: &Sources) -> f64 {
        let asked = sources.get(self.config.mode).filter(|reading| reading.epoch == self.source_epoch);
        let Some((said, published)) = asked.and_then(|reading| reading.map).zip(self.slew.published()) else {
            return 0.0;
        };
        let apart_ns = (said.ptp_at(now) - published.ptp_at(now)).as_nanos().unsigned_abs() as f64;
        if apart_ns > CONTRADICTED_SIGMAS * said.clock().sigma_ns(now) { apart_ns } else { 0.0 }
    }

    /// The timeline as PTP time: what RTP timestamps refer to. Without a map until PTP has been
    /// met, or a system clock that tells PTP time, or the Livewire clock, whose own time it is
    /// then.
    #[must_use]
    pub fn reading(&self) -> ClockReading {
        let has_time = matches!(self.config.mode, ClockMode::Ptp | ClockMode::System | ClockMode::Livewire);
        let traceable = has_time && self.last.is_some();
        let fell_back = self.source != self.config.mode;
        let coasting = fell_back || !self.state.is_usable();
        let sigma_ns = self.slew.published().map_or(0.0, |map| map.clock().sigma_ns(map.clock().estimated_at()));
        // A timeline that is still on its way to the time that its source says is not that time
        // yet.
        let apart = self.slew.distance_ns() > CEILING_NS;
        let is_in_vain = |now: LocalTime| self.in_vain_since.is_some_and(|since| now.since(since) >= HEARD_IN_VAIN);
        let in_vain = self.advanced_at.is_some_and(is_in_vain);
        let state = match (traceable, coasting) {
            (true, true) if sigma_ns < USABLE_SIGMA_NS && !in_vain => LockState::Holdover,
            (true, true) => LockState::Unlocked,
            (true, false) if apart => LockState::Unlocked,
            _ => self.state,
        };
        ClockReading {
            state,
            map: self.slew.published().copied().filter(|_| traceable),
            epoch: self.slew.epoch(),
            path_delay: self.path_delay,
        }
    }

    /// The timeline, whatever its origin; `None` until it has begun.
    #[must_use]
    pub fn timeline(&self) -> Option<&PtpMap> {
        self.slew.published()
    }

    /// The clock that is followed at the moment.
    #[must_use]
    pub fn source(&self) -> ClockMode {
        self.source
    }

    /// The next event that was not yet told.
    pub fn poll_event(&mut self) -> Option<ReferenceEvent> {
        self.events.pop()
    }
}

#[cfg(test)]
mod tests;
