//! A clock that other programs would steer: the operating system's clock, derived from the host's
//! raw one.
//!
//! Model: piecewise linear in raw time. A change of frequency or a step begins a new piece; the
//! last [`PIECES`] are kept, because a timestamp that was taken before the change may be needed.

use engine::clock::{ClockMap, PtpMap};
use engine::{LocalTime, Nanos, Ppb, PtpTime};
use std::collections::VecDeque;

/// Pieces kept: at 8 changes per second, 16 s, which is longer than any exchange.
const PIECES: usize = 128;

#[derive(Clone, Copy, Debug)]
struct Piece {
    from: LocalTime,
    /// Time shown at `from`: whole ns, and the fraction of a ns.
    shown: PtpTime,
    rest_ns: f64,
    rate_ppb: f64,
}

impl Piece {
    fn ahead_ns(&self, at: LocalTime) -> f64 {
        self.rest_ns + self.rate_ppb * (at - self.from).as_secs_f64()
    }

    fn time_at(&self, at: LocalTime) -> PtpTime {
        self.shown + (at - self.from) + Nanos::new(libm::round(self.ahead_ns(at)) as i64)
    }
}

/// A clock that is steered.
#[derive(Clone, Debug)]
pub(super) struct VirtualClock {
    /// In order of time; never empty.
    pieces: VecDeque<Piece>,
}

impl VirtualClock {
    /// A clock that shows `shown` at `now`, and runs as fast as the raw one.
    pub(super) fn new(now: LocalTime, shown: PtpTime) -> Self {
        Self { pieces: VecDeque::from([Piece { from: now, shown, rest_ns: 0.0, rate_ppb: 0.0 }]) }
    }

    fn newest(&self) -> Piece {
        *self.pieces.back().expect("there is always a piece")
    }

    /// The time that it showed at raw time `at`.
    pub(super) fn time_at(&self, at: LocalTime) -> PtpTime {
        let piece = self.pieces.iter().rev().find(|piece| piece.from <= at).unwrap_or(&self.pieces[0]);
        piece.time_at(at)
    }

    /// From `now` on, the clock runs faster than the raw clock by `rate`.
    pub(super) fn set_frequency(&mut self, now: LocalTime, rate: Ppb) {
        let newest = self.newest();
        let now = now.max(newest.from);
        let shown = newest.shown + (now - newest.from);
        self.push(Piece { from: now, shown, rest_ns: newest.ahead_ns(now), rate_ppb: rate.as_ppb() });
    }

    /// Steps the clock by `by` at `now`.
    pub(super) fn step(&mut self, now: LocalTime, by: Nanos) {
        let newest = self.newest();
        let now = now.max(newest.from);
        let shown = newest.shown + (now - newest.from) + by;
        self.push(Piece { from: now, shown, rest_ns: newest.ahead_ns(now), rate_ppb: newest.rate_ppb });
    }

    fn push(&mut self, mut piece: Piece) {
        // Only the fraction is kept as a float, so it stays small and precise.
        let whole = libm::trunc(piece.rest_ns);
        piece.shown = piece.shown + Nanos::new(whole as i64);
        piece.rest_ns -= whole;
        if self.pieces.len() == PIECES {
            self.pieces.pop_front();
        }
        self.pieces.push_back(piece);
    }

    /// The map from raw time to the time shown.
    pub(super) fn map(&self) -> PtpMap {
        let newest = self.newest();
        let relation = ClockMap::exact(newest.from, newest.rest_ns, Ppb::new(newest.rate_ppb));
        PtpMap::new(newest.from, newest.shown, relation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> LocalTime {
        LocalTime::from_nanos(s * 1_000_000_000)
    }

    #[test]
    fn changes_count_from_their_time_on_and_the_past_stays() {
        let mut clock = VirtualClock::new(at(10), PtpTime::from_timestamp(100, 0));
        clock.set_frequency(at(20), Ppb::from_ppm(1.0));
        clock.step(at(30), Nanos::from_millis(-1));
        let shown = |clock: &VirtualClock, s| clock.time_at(at(s)) - PtpTime::from_timestamp(90 + s as u64, 0);
        assert_eq!(shown(&clock, 15), Nanos::ZERO);
        assert_eq!(shown(&clock, 25), Nanos::new(5_000));
        assert_eq!(shown(&clock, 35), Nanos::new(-985_000));
        assert_eq!(clock.map().ptp_at(at(35)), clock.time_at(at(35)));
    }
}
