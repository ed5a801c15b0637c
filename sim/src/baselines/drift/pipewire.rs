//! PipeWire's two uses of the double loop.
//!
//! Read from its sources (`module-rtp/audio.c`, `alsa-pcm.c`, `dll.h`): the RTP source includes in
//! the level not only the frames that have arrived, but also those that must be in transit
//! according to the time since the newest packet. That removes the sawtooth from the level, and
//! with it the beat between packets and callbacks; the delay of the newest packet and stalls still
//! affect it. Versions without that term are exposed to the full beat: their ratio has an error of
//! 5 and 169 ppm RMS in the conditions A and B of `bench drift`, compared with 2.4 and 11 ppm with
//! the term. The loop is tuned for a period of 128 frames whatever the quantum, so the gain of the
//! level (w1) does not decrease with the quantum, and the integrator (w2) is 480 / 128 times too
//! slow in A.
//!
//! Assumption: the ALSA node, which in PipeWire measures the buffer of a sound card instead of
//! packets, sees the same level.

use super::RATE_HZ;
use super::double_loop::DoubleLoop;
use super::queue::{Queue, QueueLaw};
use engine::Ppb;

/// PipeWire's RTP source: 0.016 Hz for a period of 128 frames, whatever the quantum, and errors of
/// at most 2 ms.
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

impl QueueLaw for PipewireRtp {
    fn ratio(&mut self, queue: &Queue) -> Ppb {
        self.0.update(queue.lack_with_in_flight().clamp(-Self::LARGEST_ERROR, Self::LARGEST_ERROR))
    }
}

/// PipeWire's ALSA node that follows another clock: its bandwidth adapts to the mean and spread of
/// the error, every 3 s, between 0.001 and 0.128 Hz.
#[derive(Clone, Copy, Debug, Default)]
pub struct PipewireAlsa {
    dll: DoubleLoop,
    mean: f64,
    variance: f64,
    since_tuned_s: Option<f64>,
}

impl PipewireAlsa {
    const BANDWIDTH_HZ: (f64, f64) = (0.001, 0.128);
    const TUNE_EVERY_S: f64 = 3.0;
    const LEAST_CLAMP: f64 = 256.0;

    fn observe(&mut self, error: f64, period: f64) {
        // A window of 1 s.
        let window = RATE_HZ / period;
        let mean = (self.mean * window + (error - self.mean)) / (window + 1.0);
        self.variance = (self.variance * window + (error - self.mean) * (error - mean)) / (window + 1.0);
        self.mean = mean;
    }

    /// The bandwidth for the observed errors, when it is due.
    fn bandwidth_hz(&mut self, block_s: f64) -> Option<f64> {
        let since_s = self.since_tuned_s.map(|since_s| since_s + block_s);
        self.since_tuned_s = since_s.or(Some(0.0));
        match since_s {
            None => Some(Self::BANDWIDTH_HZ.1),
            Some(since_s) if since_s > Self::TUNE_EVERY_S => {
                self.since_tuned_s = Some(0.0);
                let bandwidth_hz = (self.mean.abs() + libm::sqrt(self.variance.abs())) / 1000.0;
                Some(bandwidth_hz.clamp(Self::BANDWIDTH_HZ.0, Self::BANDWIDTH_HZ.1))
            }
            Some(_) => None,
        }
    }
}

impl QueueLaw for PipewireAlsa {
    fn ratio(&mut self, queue: &Queue) -> Ppb {
        let period = queue.block_frames;
        let clamp = (period / 2.0).max(Self::LEAST_CLAMP);
        let error = queue.lack_with_in_flight().clamp(-clamp, clamp);
        self.observe(error, period);
        if let Some(bandwidth_hz) = self.bandwidth_hz(queue.block_s()) {
            self.dll.tune_pipewire(bandwidth_hz, period);
        }
        self.dll.update(error)
    }
}
