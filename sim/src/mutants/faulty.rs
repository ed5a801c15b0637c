//! A receiver with a fault.

use super::Mutant;
use super::audio::Spoiler;
use super::conceal::Arrivals;
use crate::record::ClockState;
use crate::world::{Clock, HostTime, Playback, Receiver, Reception, StampClock};
use engine::clock::PtpMap;
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::{Leg, StreamConfig};
use engine::{LocalTime, MediaPosition, Nanos};
use std::net::Ipv4Addr;

/// Error of a clock with a false lock.
const FALSE_BY: Nanos = Nanos::from_millis(2);

/// The receiver, and its fault.
pub(super) struct Faulty {
    inner: Box<dyn Receiver>,
    mutant: Mutant,
    /// When a fault that occurs once occurs, counted from the first time that the receiver is
    /// called with.
    after: Nanos,
    began: Option<LocalTime>,
    spoiler: Option<Spoiler>,
    arrivals: Option<Arrivals>,
    /// The reading of a stale clock.
    stale: Option<Clock>,
    position: Option<MediaPosition>,
    channels: usize,
}

impl Faulty {
    pub(super) fn new(
        inner: Box<dyn Receiver>,
        mutant: Mutant,
        duration: Nanos,
        config: Option<&StreamConfig>,
    ) -> Self {
        let after = Nanos::new(duration.as_nanos() / 2);
        let channels = config.map_or(0, |config| config.format.channels());
        let spoiler =
            config.map(|config| Spoiler::new(mutant, channels, config.card_rate.as_hz(), after.as_secs_f64()));
        let arrivals = config.filter(|_| mutant == Mutant::ConcealmentOff).map(|config| Arrivals::new(*config));
        Self { inner, mutant, after, began: None, spoiler, arrivals, stale: None, position: None, channels }
    }

    fn is_over(&mut self, now: LocalTime) -> bool {
        let began = *self.began.get_or_insert(now);
        now - began >= self.after
    }

    /// Returns whether the clock is informed of a PTP datagram or timer at `now`.
    fn hears_ptp(&mut self, now: LocalTime) -> bool {
        let is_over = self.is_over(now);
        if self.mutant != Mutant::StaleClock || !is_over {
            return true;
        }
        if self.stale.is_none() {
            self.stale = Some(self.inner.clock(now));
        }
        false
    }

    fn silence_what_did_not_come(&self, out: &mut [f32]) {
        let end = self.inner.playback().position;
        let (Some(arrivals), Some(begin), Some(end)) = (&self.arrivals, self.position, end) else { return };
        let frames = (out.len() / self.channels.max(1)) as f64;
        let step = end.frames_since(begin) / frames;
        for (n, frame) in out.chunks_exact_mut(self.channels.max(1)).enumerate() {
            if !arrivals.has(begin.advanced(n as f64 * step).frame().get() as u32) {
                frame.fill(0.0);
            }
        }
    }
}

impl Receiver for Faulty {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        if self.hears_ptp(now) {
            self.inner.handle_ptp(now, datagram);
        }
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        if self.hears_ptp(now.by(self.stamp_clock())) {
            self.inner.handle_ptp_from(now, source, datagram);
        }
    }

    fn handle_media_from(&mut self, now: LocalTime, leg: Leg, source: Ipv4Addr, datagram: &[u8]) {
        if self.mutant != Mutant::DeadStream {
            self.arrivals.iter_mut().for_each(|arrivals| arrivals.take(datagram));
            self.inner.handle_media_from(now, leg, source, datagram);
        }
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.inner.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.inner.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.inner.poll_transmit()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.inner.handle_transmitted(token, sent);
    }

    fn stamp_clock(&self) -> StampClock {
        self.inner.stamp_clock()
    }

    fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        self.position = self.inner.playback().position;
        self.inner.pull(now, out);
        if self.mutant == Mutant::ConcealmentOff {
            self.silence_what_did_not_come(out);
        }
        self.spoiler.iter_mut().for_each(|spoiler| spoiler.spoil(out));
    }

    fn playback(&self) -> Playback {
        self.inner.playback()
    }

    fn reception(&self) -> Reception {
        self.inner.reception()
    }

    fn clock(&self, now: LocalTime) -> Clock {
        let clock = self.stale.unwrap_or_else(|| self.inner.clock(now));
        let is_over = self.began.is_some_and(|began| now - began >= self.after);
        if self.mutant != Mutant::FalseLock || !is_over {
            return clock;
        }
        let shifted = |map: PtpMap| {
            let offset = Nanos::new(libm::round(map.clock().offset_ns(now)) as i64);
            PtpMap::new(now, map.ptp_at(now) - offset + FALSE_BY, *map.clock())
        };
        let map = clock.map.map(shifted);
        Clock { state: ClockState::Locked, map, ..clock }
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.inner.grandmaster()
    }

    fn sender_off_ptp(&self) -> bool {
        self.inner.sender_off_ptp()
    }

    fn end(&mut self) {
        self.inner.end();
    }

    fn failure(&mut self) -> Option<String> {
        self.inner.failure()
    }

    fn poll_event(&mut self) -> Option<String> {
        self.inner.poll_event()
    }
}
