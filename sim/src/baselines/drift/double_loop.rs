//! The double loop of zita-ajbridge, which PipeWire uses as well.
//!
//! Law: with e the number of frames that the buffer lacks, z1 += w0 (w1 e - z1), z2 += w0 (z1 -
//! z2), z3 += w2 z2, ratio = 1 - (z2 + z3), once per callback. With w = 2 pi bandwidth period /
//! rate: w0 = 1 - exp(-20 w); zita: w1 = 2 w / period, w2 = w / 2; PipeWire: w1 = 1.5 w / period,
//! w2 = w / 1.5.

use super::RATE_HZ;
use engine::Ppb;
use std::f64::consts::PI;

/// The loop.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DoubleLoop {
    w0: f64,
    w1: f64,
    w2: f64,
    z1: f64,
    z2: f64,
    z3: f64,
}

impl DoubleLoop {
    pub(super) fn tune_zita(&mut self, bandwidth_hz: f64, period: f64) {
        let w = self.tune(bandwidth_hz, period);
        self.w1 = 2.0 * w / period;
        self.w2 = w / 2.0;
    }

    pub(super) fn tune_pipewire(&mut self, bandwidth_hz: f64, period: f64) {
        let w = self.tune(bandwidth_hz, period);
        self.w1 = 1.5 * w / period;
        self.w2 = w / 1.5;
    }

    fn tune(&mut self, bandwidth_hz: f64, period: f64) -> f64 {
        let w = 2.0 * PI * bandwidth_hz * period / RATE_HZ;
        self.w0 = 1.0 - libm::exp(-20.0 * w);
        w
    }

    pub(super) fn update(&mut self, error: f64) -> Ppb {
        self.z1 += self.w0 * (self.w1 * error - self.z1);
        self.z2 += self.w0 * (self.z1 - self.z2);
        self.z3 += self.w2 * self.z2;
        Ppb::new(-(self.z2 + self.z3) * 1e9)
    }
}
