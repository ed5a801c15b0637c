//! The double loop of zita-ajbridge, and PipeWire's two uses of it.
//!
//! Law: with e the frames that the buffer lacks, z1 += w0 (w1 e - z1), z2 += w0 (z1 - z2), z3 += w2 z2, ratio = 1 - (z2 + z3), once per callback. With
//! w = 2 pi bandwidth period / rate: w0 = 1 - exp(-20 w); zita: w1 = 2 w / period, w2 = w / 2; PipeWire: w1 = 1.5 w / period, w2 = w / 1.5.
//!
//! Assumption: e is the level at the callback, before it takes its block. zita smooths the times of both sides, instead, with a loop each; what
//! is compared here is its last loop alone, which takes the full beat of packets with callbacks. PipeWire's RTP source divides by its fixed
//! period of 128 in w1, too, so at larger quanta its gain is higher than its bandwidth would have it.

use super::{RATE_HZ, frames, lack};
use engine::receive::{DriftInput, DriftLaw};
use engine::{Nanos, Ppb};
use std::f64::consts::PI;

/// The loop.
#[derive(Clone, Copy, Debug, Default)]
struct DoubleLoop {
    w0: f64,
    w1: f64,
    w2: f64,
    z1: f64,
    z2: f64,
    z3: f64,
}

impl DoubleLoop {
    fn tune_zita(&mut self, bandwidth_hz: f64, period: f64) {
        let w = self.tune(bandwidth_hz, period);
        self.w1 = 2.0 * w / period;
        self.w2 = w / 2.0;
    }

    fn tune_pipewire(&mut self, bandwidth_hz: f64, period: f64) {
        let w = self.tune(bandwidth_hz, period);
        self.w1 = 1.5 * w / period;
        self.w2 = w / 1.5;
    }

    fn tune(&mut self, bandwidth_hz: f64, period: f64) -> f64 {
        let w = 2.0 * PI * bandwidth_hz * period / RATE_HZ;
        self.w0 = 1.0 - libm::exp(-20.0 * w);
        w
    }

    fn update(&mut self, error: f64) -> Ppb {
        self.z1 += self.w0 * (self.w1 * error - self.z1);
        self.z2 += self.w0 * (self.z1 - self.z2);
        self.z3 += self.w2 * self.z2;
        Ppb::new(-(self.z2 + self.z3) * 1e9)
    }
}

/// PipeWire's RTP source: 0.016 Hz for a period of 128 frames, whatever the quantum, and errors of at most 2 ms.
#[derive(Clone, Copy, Debug)]
pub struct PipewireRtp(DoubleLoop);

impl PipewireRtp {
    const BANDWIDTH_HZ: f64 = 0.016;
    const PERIOD: f64 = 128.0;
    const LARGEST_ERROR: f64 = 0.002 * RATE_HZ;
}

impl Default for PipewireRtp {
    fn default() -> Self {
        let mut dll = DoubleLoop::default();
        dll.tune_pipewire(Self::BANDWIDTH_HZ, Self::PERIOD);
        Self(dll)
    }
}

impl DriftLaw for PipewireRtp {
    fn ratio(&mut self, input: &DriftInput) -> Ppb {
        self.0.update(lack(input).clamp(-Self::LARGEST_ERROR, Self::LARGEST_ERROR))
    }
}

/// PipeWire's ALSA node that follows another clock: its bandwidth adapts to the mean and spread of the error, every 3 s, between 0.001 and 0.128 Hz.
#[derive(Clone, Copy, Debug, Default)]
pub struct PipewireAlsa {
    dll: DoubleLoop,
    mean: f64,
    variance: f64,
    since_tuned: Option<Nanos>,
}

impl PipewireAlsa {
    const BANDWIDTH_HZ: (f64, f64) = (0.001, 0.128);
    const TUNE_EVERY: Nanos = Nanos::from_secs(3);
    const LEAST_CLAMP: f64 = 256.0;

    fn observe(&mut self, error: f64, period: f64) {
        // A window of 1 s.
        let window = RATE_HZ / period;
        let mean = (self.mean * window + (error - self.mean)) / (window + 1.0);
        self.variance = (self.variance * window + (error - self.mean) * (error - mean)) / (window + 1.0);
        self.mean = mean;
    }
}

impl DriftLaw for PipewireAlsa {
    fn ratio(&mut self, input: &DriftInput) -> Ppb {
        let period = frames(input.block);
        let clamp = (period / 2.0).max(Self::LEAST_CLAMP);
        let error = lack(input).clamp(-clamp, clamp);
        self.observe(error, period);
        let since = self.since_tuned.map(|since| since + input.block);
        self.since_tuned = match since {
            None => {
                self.dll.tune_pipewire(Self::BANDWIDTH_HZ.1, period);
                Some(Nanos::ZERO)
            }
            Some(since) if since > Self::TUNE_EVERY => {
                let bandwidth_hz = (self.mean.abs() + libm::sqrt(self.variance.abs())) / 1000.0;
                self.dll.tune_pipewire(bandwidth_hz.clamp(Self::BANDWIDTH_HZ.0, Self::BANDWIDTH_HZ.1), period);
                Some(Nanos::ZERO)
            }
            since => since,
        };
        self.dll.update(error)
    }
}

/// zita-ajbridge: 0.5 Hz for 4 s, then 0.05 Hz.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zita {
    dll: DoubleLoop,
    age: Nanos,
}

impl Zita {
    const BANDWIDTH_HZ: (f64, f64) = (0.5, 0.05);
    const YOUNG: Nanos = Nanos::from_secs(4);
}

impl DriftLaw for Zita {
    fn ratio(&mut self, input: &DriftInput) -> Ppb {
        let bandwidth_hz = if self.age < Self::YOUNG { Self::BANDWIDTH_HZ.0 } else { Self::BANDWIDTH_HZ.1 };
        self.dll.tune_zita(bandwidth_hz, frames(input.block));
        self.age += input.block;
        self.dll.update(lack(input))
    }
}
