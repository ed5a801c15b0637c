//! One timeline for everything that plays or sends. It follows the clock that the user selected,
//! falls back to another clock while the selected one is unusable, and then returns to it.
//!
//! Model: consumers see one [slewed](super::slew) timeline, whatever the source. When the selected
//! source has been unusable for the fallback time, the timeline continues at another *rate*: the
//! rate of the system clock if that is disciplined, otherwise the last known rate. The phase of the
//! timeline is not changed, so that the fallback is inaudible. When the source returns, the
//! difference is slewed. The timeline steps, and begins a new epoch, only if the difference is too
//! large to be slewed or the source itself reports a step.
//!
//! A timeline that has never followed PTP has an arbitrary origin. It can pace senders, but RTP
//! timestamps cannot be related to it; see [`Reference::reading`].

use super::lock::{CEILING_NS, LockState};
use super::map::{ClockMap, PtpMap};
use super::servo::{ClockReading, PathDelay};
use super::slew::Slew;
use crate::event_queue::EventQueue;
use crate::units::{LocalTime, Nanos, Ppb, PtpTime};
use std::fmt;

/// How long the selected source must be usable before the timeline returns to it. Judgement: a
/// source that is usable only intermittently is not followed.
const RETURN_DWELL: Nanos = Nanos::from_secs(1);
/// Interval of [`Reference::poll_timeout`]. Judgement: between updates a slew continues at a
/// constant rate, which must not overshoot; this is an eighth of the slew's time constant.
const INTERVAL: Nanos = Nanos::from_millis(250);
/// Largest uncertainty at which the timeline may be used to place RTP timestamps, ns. Judgement: a
/// jitter buffer holds a few ms.
const USABLE_SIGMA_NS: f64 = 1e6;
/// A source that differs from a timeline in holdover by this many of the source's standard
/// deviations contradicts the timeline. Judgement: exceeded by chance once in 370 (normal
/// distribution).
const CONTRADICTED_SIGMAS: f64 = 3.0;
/// If the selected source is heard for this long without becoming usable, the timeline counts as
/// unlocked instead of in holdover. Judgement: locking never takes this long.
const HEARD_UNUSABLE: Nanos = Nanos::from_secs(60);
/// A map is wrong if the wander is this many times larger than the map assumes. Judgement: the size
/// of a wander is known only to within about 50 %.
const WANDER_EXCEEDS: f64 = 2.0;
/// Maximum number of events that wait to be polled; the oldest are dropped first. Judgement: more
/// than occur between two polls.
const MAX_EVENTS: usize = 16;

/// The clocks that a user can select.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockMode {
    /// PTP, from the engine's own client.
    #[default]
    Ptp,
    /// The system clock, which other software (ptp4l with phc2sys, PTPd, NTP) disciplines.
    System,
    /// The Livewire clock. It gives the time of Livewire streams, which is not the time of day.
    Livewire,
    /// The arrivals of packets, for streams whose sender follows no known clock.
    Arrivals,
    /// The host's own crystal, at the last known rate.
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

/// The clock that the user selected, and when to fall back from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceConfig {
    /// The selected clock.
    pub mode: ClockMode,
    /// How long the clock may be unusable before another one is used; `None` to wait forever.
    pub fallback_after: Option<Nanos>,
}

impl Default for ReferenceConfig {
    fn default() -> Self {
        Self { mode: ClockMode::Ptp, fallback_after: Some(Nanos::from_secs(5)) }
    }
}

/// Readings of the sources; `None` for a source that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sources {
    /// The PTP client.
    pub ptp: Option<ClockReading>,
    /// The system clock.
    pub system: Option<ClockReading>,
    /// The Livewire clock.
    pub livewire: Option<ClockReading>,
    /// The arrivals of packets.
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

    /// The map of a source, if it is usable.
    fn usable(&self, mode: ClockMode) -> Option<PtpMap> {
        self.get(mode).filter(|reading| reading.state.is_usable())?.map
    }
}

/// A change that a user would want to know about.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReferenceEvent {
    /// The selected clock is unusable, and another one is used.
    FellBack {
        /// The selected clock.
        from: ClockMode,
        /// The clock that is used instead.
        to: ClockMode,
        /// How long the selected clock has been unusable.
        after: Nanos,
    },
    /// The selected clock is followed, for the first time or again.
    Followed(ClockMode),
    /// The timeline was stepped.
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
    /// Last map of the selected source. Its uncertainty grows until it is renewed.
    last: Option<PtpMap>,
    /// Epoch of the last map.
    source_epoch: u32,
    /// State and path delay in the last reading of the selected source.
    state: LockState,
    path_delay: PathDelay,
    /// When the selected source became unusable, or usable again.
    unusable_since: Option<LocalTime>,
    usable_since: Option<LocalTime>,
    /// Time since which the selected source has been heard without being usable.
    heard_unusable_since: Option<LocalTime>,
    advanced_at: Option<LocalTime>,
    events: EventQueue<ReferenceEvent, MAX_EVENTS>,
}

impl Reference {
    /// Creates a timeline that has not begun.
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
            unusable_since: None,
            usable_since: None,
            heard_unusable_since: None,
            advanced_at: None,
            events: EventQueue::default(),
        }
    }

    /// Processes the readings of the sources at `now`. Call it when they have changed, and when
    /// [`Reference::poll_timeout`] is due.
    pub fn advance(&mut self, now: LocalTime, sources: &Sources) {
        self.advanced_at = Some(now);
        let asked = sources.get(self.config.mode);
        self.state = asked.map_or(LockState::Listening, |reading| reading.state);
        self.path_delay = asked.map_or(PathDelay::Measured, |reading| reading.path_delay);
        let usable = sources.usable(self.config.mode);
        let heard_unusable = matches!(self.state, LockState::Acquiring | LockState::Unlocked);
        self.heard_unusable_since = heard_unusable.then(|| self.heard_unusable_since.unwrap_or(now));
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
            self.unusable_since = None;
            let since = *self.usable_since.get_or_insert(now);
            let first = self.last.is_none() && self.source == self.config.mode;
            if first || self.source != self.config.mode && now.since(since) >= RETURN_DWELL {
                self.source = self.config.mode;
                self.events.push(ReferenceEvent::Followed(self.source));
            }
            return;
        }
        self.usable_since = None;
        let after = now.since(*self.unusable_since.get_or_insert(now));
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

    /// Continues without the selected source.
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

    /// The held map of the selected source, or its current map if the source was found to wander
    /// much more than the held map assumed. In that case the held map had followed the wander, and
    /// both its rate and its uncertainty are wrong.
    fn known(&self, sources: &Sources) -> Option<ClockMap> {
        let held = self.last.map(|map| *map.clock());
        let misled = |clock: &ClockMap| {
            held.is_some_and(|held| clock.phase_wander_ns() > WANDER_EXCEEDS * held.phase_wander_ns())
        };
        self.measured(sources).filter(misled).or(held)
    }

    /// The current map of the selected source, even if its time is unusable. The rate belongs to
    /// the same clock even if the epoch differs.
    fn measured(&self, sources: &Sources) -> Option<ClockMap> {
        let asked = sources.get(self.config.mode);
        asked.and_then(|reading| reading.map).map(|map| *map.clock())
    }

    /// The held rate or the current rate of the selected source, whichever is more certain. The
    /// time of a master that wanders is unusable, but its rate may be known more precisely than
    /// before.
    fn best_rate(&self, held: Option<ClockMap>, sources: &Sources) -> Option<Ppb> {
        let better = |clock: &ClockMap| held.is_some_and(|held| clock.rate_sigma() < held.rate_sigma());
        self.measured(sources).filter(better).or(held).map(|clock| clock.rate())
    }

    /// Difference between the timeline and the selected source, ns, while the source is not usable
    /// yet. 0 if the difference is not significant, or if the source's epoch has changed.
    fn contradiction_ns(&self, now: LocalTime, sources: &Sources) -> f64 {
        let asked = sources.get(self.config.mode).filter(|reading| reading.epoch == self.source_epoch);
        let Some((said, published)) = asked.and_then(|reading| reading.map).zip(self.slew.published()) else {
            return 0.0;
        };
        let apart_ns = (said.ptp_at(now) - published.ptp_at(now)).abs().as_nanos_f64();
        if apart_ns > CONTRADICTED_SIGMAS * said.clock().sigma_ns(now) { apart_ns } else { 0.0 }
    }

    /// The timeline as PTP time, to which RTP timestamps refer. It has no map until the timeline
    /// has followed PTP, a system clock in PTP time, or the Livewire clock. In the Livewire case,
    /// the time is Livewire time, which is not the time of day.
    #[must_use]
    pub fn reading(&self) -> ClockReading {
        let has_time = matches!(self.config.mode, ClockMode::Ptp | ClockMode::System | ClockMode::Livewire);
        let traceable = has_time && self.last.is_some();
        let fell_back = self.source != self.config.mode;
        let coasting = fell_back || !self.state.is_usable();
        let sigma_ns = self.slew.published().map_or(0.0, |map| map.clock().sigma_ns(map.clock().estimated_at()));
        // While the timeline is still being slewed, it does not show the time of its source.
        let apart = self.slew.distance_ns() > CEILING_NS;
        let is_heard_unusable =
            |now: LocalTime| self.heard_unusable_since.is_some_and(|since| now.since(since) >= HEARD_UNUSABLE);
        let heard_unusable = self.advanced_at.is_some_and(is_heard_unusable);
        let state = match (traceable, coasting) {
            (true, true) if sigma_ns < USABLE_SIGMA_NS && !heard_unusable => LockState::Holdover,
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

    /// The clock that is currently followed.
    #[must_use]
    pub fn source(&self) -> ClockMode {
        self.source
    }

    /// The next event that has not been polled yet.
    pub fn poll_event(&mut self) -> Option<ReferenceEvent> {
        self.events.pop()
    }
}

#[cfg(test)]
mod tests;
