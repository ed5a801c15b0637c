//! zita's double loop, as a network receiver uses it: zita-njbridge.
//!
//! Law, read from its sources (`netrx.cc`, `jackrx.cc`) and JACK's (`JackFrameTimer.cpp`): the
//! times of packets are smoothed by a loop of 0.05 Hz, those of callbacks by JACK's loop of 0.125
//! Hz, and the level is the distance between the two smoothed lines at the callback. Its error is
//! the input of the double loop, which has a bandwidth of 0.5 Hz for 4 s and then of 0.05 Hz. A
//! deviation of more than a period counts as one period.
//!
//! The double loop alone, controlled by the level without smoothing, would have an error of 60 and
//! 235 ppm RMS in the conditions A and B of `bench drift`, instead of 8 and 16 ppm with the other
//! two loops.

use super::RATE_HZ;
use super::double_loop::DoubleLoop;
use super::queue::{Queue, QueueLaw};
use engine::{LocalTime, Nanos, Ppb};
use std::f64::consts::PI;

/// A second-order loop that smooths the times of periodic events.
#[derive(Clone, Copy, Debug)]
struct TimeLoop {
    start: LocalTime,
    /// Expected time of the next event, s from `start`.
    expected_s: f64,
    period_s: f64,
    proportional: f64,
    integral: f64,
}

impl TimeLoop {
    /// Begins with an event at `start`; `damping` is the proportional gain divided by the angular
    /// bandwidth.
    fn new(start: LocalTime, period_s: f64, bandwidth_hz: f64, damping: f64) -> Self {
        let w = 2.0 * PI * bandwidth_hz * period_s;
        Self { start, expected_s: 0.0, period_s, proportional: damping * w, integral: w * w }
    }

    /// Takes an event at `now`, which comes `pause_s` later than a period after the last one.
    /// Returns its expected time.
    fn update(&mut self, now: LocalTime, pause_s: f64) -> LocalTime {
        let expected_s = self.expected_s + pause_s;
        let error_s = ((now - self.start).as_secs_f64() - expected_s).clamp(-self.period_s, self.period_s);
        let smoothed_s = expected_s + self.proportional * error_s;
        self.period_s += self.integral * error_s;
        self.expected_s = smoothed_s + self.period_s;
        self.start + Nanos::from_secs_f64(smoothed_s)
    }
}

/// zita-njbridge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zita {
    dll: DoubleLoop,
    packets: Option<TimeLoop>,
    callbacks: Option<TimeLoop>,
    /// Smoothed arrival time of the newest packet.
    arrival: Option<LocalTime>,
    age_s: f64,
    /// The level when playback began, so that the target is kept whatever the mean delay of
    /// packets.
    offset: Option<f64>,
}

impl Zita {
    const PACKETS: (f64, f64) = (0.05, 3.0);
    const CALLBACKS: (f64, f64) = (0.125, 1.41);
    const BANDWIDTH_HZ: (f64, f64) = (0.5, 0.05);
    const YOUNG_S: f64 = 4.0;

    /// Frames between the smoothed arrival of the newest packet and the smoothed time of the
    /// callback.
    fn in_flight(&mut self, queue: &Queue) -> f64 {
        let (bandwidth_hz, damping) = Self::CALLBACKS;
        let new = || TimeLoop::new(queue.now, queue.block_s(), bandwidth_hz, damping);
        let callback = self.callbacks.get_or_insert_with(new).update(queue.now, 0.0);
        self.arrival.map_or(0.0, |arrival| (callback - arrival).as_secs_f64() * RATE_HZ)
    }
}

impl QueueLaw for Zita {
    fn arrived(&mut self, now: LocalTime, packet_frames: f64, moved_frames: f64) {
        let (bandwidth_hz, damping) = Self::PACKETS;
        let new = || TimeLoop::new(now, packet_frames / RATE_HZ, bandwidth_hz, damping);
        let packets = self.packets.get_or_insert_with(new);
        self.arrival = Some(packets.update(now, (moved_frames - packet_frames) / RATE_HZ));
    }

    fn ratio(&mut self, queue: &Queue) -> Ppb {
        let bandwidth_hz = if self.age_s < Self::YOUNG_S { Self::BANDWIDTH_HZ.0 } else { Self::BANDWIDTH_HZ.1 };
        self.dll.tune_zita(bandwidth_hz, queue.block_frames);
        self.age_s += queue.block_s();
        let lack = queue.lack() - self.in_flight(queue);
        self.dll.update(lack - *self.offset.get_or_insert(lack))
    }
}
