//! Follows the Livewire clock: estimates its time as a map of the host's clock.

use super::contest::Contest;
use super::diagnosis::ClockDiagnosis;
use super::event::ClockEvent;
use super::masters::{Master, Masters, PacketTime};
use super::wire::{ClockPacket, ClockPacketError, MacAddress};
use super::{MASTER_TIMEOUT, PACKET_INTERVAL};
use crate::clock::{ClockReading, ClockServo, Direction, LockState, SlaveClock, SlaveClockConfig, TimestampPair};
use crate::event_queue::EventQueue;
use crate::units::{LocalTime, Nanos, PtpTime};
use std::net::Ipv4Addr;
use thiserror::Error;

/// Packet interval that the servo assumes in order to detect silence: holdover begins after three
/// of these intervals, which is when seven or eight consecutive packets are lost.
const SILENCE_INTERVAL: Nanos = Nanos::from_millis(100);
/// How often the servo is advanced.
const ADVANCE: Nanos = Nanos::from_millis(100);
/// Maximum number of events that wait in the queue.
const MAX_EVENTS: usize = 16;
/// Another master's time counts as the same as the held time if the two differ by no more than
/// this, which is the possible error of a locked clock.
const SAME_TIME: Nanos = Nanos::from_millis(1);
/// Another master's time is regarded as a continuation of the previous master's time if the two
/// differ by no more than this, which is two path delays through a few switches on a local network.
/// The servo treats such a difference as a change of the path.
const SAME_BUT_FOR_PATH: Nanos = Nanos::from_micros(200);

/// The largest standard deviation of a locked clock, ns. The servo knows the uncertainty of the
/// timestamps, and adds the uncertainty of the assumed path delay, which is as large as the packet
/// jitter.
const LARGEST_SIGMA_NS: f64 = SAME_TIME.as_nanos_f64();

/// Counters of a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockCounters {
    /// Packets from the master that is followed.
    pub packets: u64,
    /// Packets from the followed master that were ignored because they contradict the held time.
    pub contested: u64,
    /// Packets from other masters.
    pub not_the_master: u64,
    /// Packets with the identity of a known master that came from another address.
    pub other_source: u64,
    /// Datagrams that are not packets of the clock.
    pub malformed: u64,
}

/// Why a datagram is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The datagram is not a packet of the clock.
    #[error(transparent)]
    Malformed(#[from] ClockPacketError),
    /// The datagram has the identity of a master whose packets come from another address.
    #[error("{0} sends its clock from another address")]
    OtherSource(MacAddress),
}

/// Follows the Livewire clock on a network.
///
/// Contract (sans-IO): pass every datagram to the [group](super::GROUP) and [port](super::PORT) to
/// [`LivewireClock::handle_datagram`]; call [`LivewireClock::handle_timeout`] when
/// [`LivewireClock::poll_timeout`] is due, and [`LivewireClock::poll_event`] until it returns
/// `None`.
///
/// ```
/// use engine::clock::LockState;
/// use engine::livewire_clock::{ClockPacket, LivewireClock, MacAddress, MasterIdentity};
/// use engine::{LocalTime, Nanos, PtpTime};
/// let address = [192, 168, 2, 114].into();
/// let master = MasterIdentity::new(5, address, MacAddress([2; 6]));
/// let mut clock = LivewireClock::default();
/// for i in 0..200i64 {
///     let at = LocalTime::from_nanos(i * 35_000_000);
///     let time = PtpTime::from_timestamp(1000, 0) + (at - LocalTime::ZERO);
///     clock.handle_datagram(at, address, &ClockPacket::at(time, i as u16, master).emit())?;
/// }
/// let now = LocalTime::from_nanos(200 * 35_000_000);
/// assert_eq!(clock.reading(now).state, LockState::Locked);
/// assert_eq!(clock.master().unwrap().to_string(), "Livewire/AC050272 p5 192.168.2.114:7000");
/// # Ok::<(), engine::livewire_clock::Refusal>(())
/// ```
#[derive(Clone, Debug)]
pub struct LivewireClock {
    clock: SlaveClock,
    masters: Masters,
    /// The current master, or the last one.
    parent: Option<Master>,
    /// Whether `parent` is silent, and when its last packet was received.
    silent: bool,
    heard_at: Option<LocalTime>,
    contest: Contest,
    counters: ClockCounters,
    newest_error: Option<ClockPacketError>,
    advanced_at: Option<LocalTime>,
    events: EventQueue<ClockEvent, MAX_EVENTS>,
}

impl Default for LivewireClock {
    fn default() -> Self {
        Self::new()
    }
}

impl LivewireClock {
    /// Creates a clock that has received nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let config = SlaveClockConfig { sync_interval: SILENCE_INTERVAL, ..SlaveClockConfig::default() };
        Self {
            clock: SlaveClock::new(config),
            masters: Masters::default(),
            parent: None,
            silent: false,
            heard_at: None,
            contest: Contest::default(),
            counters: ClockCounters::default(),
            newest_error: None,
            advanced_at: None,
            events: EventQueue::default(),
        }
    }

    /// Handles a datagram from `source` that was received at `now`.
    ///
    /// # Errors
    /// [`Refusal`] if the datagram is ignored. The error is counted, and requires no action from
    /// the caller.
    pub fn handle_datagram(&mut self, now: LocalTime, source: Ipv4Addr, datagram: &[u8]) -> Result<(), Refusal> {
        let packet = ClockPacket::parse(datagram).inspect_err(|&error| {
            self.counters.malformed += 1;
            self.newest_error = Some(error);
        })?;
        // Timeouts that were due before the packet are handled first.
        self.handle_timeout(now);
        let mac = packet.master.mac;
        let followed = self.parent.map(|parent| parent.identity.mac);
        let Some(stated) = self.masters.hear(&packet, source, now, self.expected(now), followed) else {
            self.counters.other_source += 1;
            return Err(Refusal::OtherSource(mac));
        };
        self.select(now);
        if self.master().is_none_or(|master| master.identity.mac != mac) {
            self.counters.not_the_master += 1;
            return Ok(());
        }
        self.parent = Some(Master { identity: packet.master, source });
        self.heard_at = Some(now);
        self.counters.packets += 1;
        self.take(stated);
        Ok(())
    }

    /// Handles everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        self.advanced_at = Some(now);
        if self.contest.settle(now) {
            self.clock.contest(now, false);
            self.events.push(ClockEvent::Settled);
        }
        self.select(now);
        self.clock.advance(now);
        self.tell_transition();
    }

    /// When [`LivewireClock::handle_timeout`] is due next; `None` before the first packet.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        self.advanced_at.map(|at| at + ADVANCE)
    }

    /// The clock's reading at `now`.
    #[must_use]
    pub fn reading(&self, now: LocalTime) -> ClockReading {
        let reading = self.clock.reading(now);
        let uncertain = reading.state == LockState::Locked && self.sigma_ns(now) > LARGEST_SIGMA_NS;
        ClockReading { state: if uncertain { LockState::Acquiring } else { reading.state }, ..reading }
    }

    fn sigma_ns(&self, now: LocalTime) -> f64 {
        self.clock.reading(now).map.map_or(f64::INFINITY, |map| map.clock().sigma_ns(now))
    }

    /// The master that is followed.
    #[must_use]
    pub fn master(&self) -> Option<&Master> {
        self.parent.as_ref().filter(|_| !self.silent)
    }

    /// The assumed path delay from the master.
    #[must_use]
    pub fn presumed_delay(&self) -> Nanos {
        self.clock.mean_path_delay()
    }

    /// Running estimate of the jitter of timestamps.
    #[must_use]
    pub fn jitter(&self) -> Nanos {
        self.clock.jitter()
    }

    /// The clock's counters.
    #[must_use]
    pub const fn counters(&self) -> &ClockCounters {
        &self.counters
    }

    /// Why the clock is not locked, if this is known.
    #[must_use]
    pub fn diagnosis(&self, now: LocalTime) -> Option<ClockDiagnosis> {
        if let Some(&master) = self.master() {
            if self.reading(now).state == LockState::Locked {
                return None;
            }
            let servo = self.clock.obstacle().map(|cause| ClockDiagnosis::Servo { master, cause });
            let jitter = self.jitter();
            let is_uncertain = self.clock.reading(now).state == LockState::Locked;
            return servo.or_else(|| is_uncertain.then_some(ClockDiagnosis::Jitter { master, jitter }));
        }
        if let Some((master, packets)) = self.masters.nearest(now) {
            return Some(ClockDiagnosis::Few { master, packets });
        }
        if let Some((master, heard_at)) = self.parent.zip(self.heard_at) {
            return Some(ClockDiagnosis::Silent { master, silent_for: now.since(heard_at) });
        }
        Some(self.newest_error.map_or(ClockDiagnosis::Nothing, ClockDiagnosis::NoClock))
    }

    #[cfg(test)]
    pub(super) const fn masters(&self) -> &Masters {
        &self.masters
    }

    /// The next event that has not been polled yet.
    pub fn poll_event(&mut self) -> Option<ClockEvent> {
        self.events.pop()
    }

    /// The expected time at `at`: the held time, even if it is no longer usable.
    fn expected(&self, at: LocalTime) -> Option<PtpTime> {
        self.clock.reading(at).map.map(|map| map.ptp_at(at))
    }

    /// Selects the master to follow.
    fn select(&mut self, now: LocalTime) {
        let held = self.reading(now);
        let held = held.map.filter(|_| held.state.is_usable());
        let off = |stated: &PacketTime| held.map(|map| (stated.time - map.ptp_at(stated.at)).abs());
        let agrees = |stated: &PacketTime| off(stated).is_none_or(|off| off <= SAME_TIME);
        let goes_on = |stated: &PacketTime| off(stated).is_some_and(|off| off <= SAME_BUT_FOR_PATH);
        let present = self.parent.and_then(|parent| self.masters.get(now, parent.identity.mac));
        let best = self.masters.best(now, agrees);
        match (present, best) {
            (Some(present), best) if !self.silent => match best {
                Some((best, stated)) if best.identity.outranks(&present.identity) => {
                    self.follow(now, best, goes_on(&stated));
                }
                _ => self.parent = Some(present),
            },
            (_, Some((best, stated))) => self.follow(now, best, goes_on(&stated)),
            (_, None) => self.lose(),
        }
    }

    /// Follows a master; `goes_on` states whether the master's time continues the previous master's
    /// time.
    fn follow(&mut self, now: LocalTime, master: Master, goes_on: bool) {
        let before = self.parent.replace(master);
        self.silent = false;
        self.contest = Contest::default();
        self.clock.contest(now, false);
        let is_another = before.is_some_and(|before| before.identity.mac != master.identity.mac);
        if is_another && !goes_on {
            self.clock.change_master(now);
        }
        self.events.push(ClockEvent::Followed(master));
    }

    fn lose(&mut self) {
        let Some(parent) = self.parent.filter(|_| !self.silent) else { return };
        self.silent = true;
        self.events.push(ClockEvent::Silent(parent));
    }

    /// Processes a packet from the followed master.
    fn take(&mut self, stated: PacketTime) {
        let pair = TimestampPair { direction: Direction::Forward, local: stated.at, remote: stated.time };
        let agreement = self.clock.agreement(&pair);
        let early = self.expected(stated.at).map_or(Nanos::ZERO, |expected| stated.time - expected);
        let verdict = self.contest.judge(stated.at, agreement, early);
        if verdict.begins {
            self.clock.contest(stated.at, true);
            let contested = self.parent.map(|parent| ClockEvent::Contested(parent.identity));
            contested.into_iter().for_each(|event| self.events.push(event));
        }
        if !verdict.counts {
            self.counters.contested += 1;
            return;
        }
        self.clock.observe(&pair);
        // The delay cannot be requested. The servo treats this in the same way as an unanswered
        // request.
        self.clock.request_unanswered(stated.at);
        self.tell_transition();
    }

    fn tell_transition(&mut self) {
        while let Some(transition) = self.clock.poll_transition() {
            self.events.push(ClockEvent::Lock(transition));
        }
    }
}

const _: () = assert!(SILENCE_INTERVAL.as_nanos() > 2 * PACKET_INTERVAL.1.as_nanos());
const _: () = assert!(MASTER_TIMEOUT.as_nanos() > 3 * SILENCE_INTERVAL.as_nanos());
