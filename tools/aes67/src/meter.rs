//! Passes levels from the callback to the display without a lock.

use std::sync::atomic::{AtomicU32, Ordering};

/// The level that is displayed for silence.
const FLOOR_DBFS: f64 = -144.0;
/// Number of channels that fit on a line.
const SHOWN: usize = 8;
/// Samples that are compared at once: they fill a few vector registers of any processor.
const LANES: usize = 16;

/// The highest sample of each channel since the last query, and the longest callback ever.
#[derive(Debug)]
pub(crate) struct Meter {
    /// The bits of each channel's peak.
    peaks: Vec<AtomicU32>,
    longest_callback_frames: AtomicU32,
}

impl Meter {
    pub(crate) fn new(channels: usize) -> Self {
        let peaks = std::iter::repeat_with(AtomicU32::default).take(channels).collect();
        Self { peaks, longest_callback_frames: AtomicU32::new(0) }
    }

    /// Measures interleaved samples. Neither allocates nor blocks.
    pub(crate) fn measure(&self, samples: &[f32]) {
        let channels = self.peaks.len();
        self.longest_callback_frames.fetch_max((samples.len() / channels) as u32, Ordering::Relaxed);
        let by_lane = LANES.is_multiple_of(channels).then(|| highest_by_lane(samples));
        for (channel, peak) in self.peaks.iter().enumerate() {
            let highest = match &by_lane {
                Some(lanes) => highest(lanes.get(channel..).unwrap_or_default(), channels),
                None => highest(samples.get(channel..).unwrap_or_default(), channels),
            };
            // The bits of non-negative floats have the same order as the floats.
            peak.fetch_max(highest.to_bits(), Ordering::Relaxed);
        }
    }

    /// Number of frames in the longest callback.
    pub(crate) fn longest_callback(&self) -> u32 {
        self.longest_callback_frames.load(Ordering::Relaxed)
    }

    /// Returns the peaks since the last call, and resets them.
    pub(crate) fn peaks_dbfs(&self) -> Vec<f64> {
        let peak = |peak: &AtomicU32| f64::from(f32::from_bits(peak.swap(0, Ordering::Relaxed)));
        self.peaks.iter().map(|value| (20.0 * peak(value).log10()).max(FLOOR_DBFS)).collect()
    }

    /// Formats the peaks since the last call, such as `-20.0 -20.1 dBFS`.
    pub(crate) fn show(&self) -> String {
        let peaks = self.peaks_dbfs();
        let shown: Vec<String> = peaks.iter().take(SHOWN).map(|peak| format!("{peak:.1}")).collect();
        let more = if peaks.len() > SHOWN { " ..." } else { "" };
        format!("{}{more} dBFS", shown.join(" "))
    }
}

/// The larger one of a peak and a sample's magnitude; without `f32::max`, which has to look for NaN
/// in each sample.
fn louder(high: f32, sample: f32) -> f32 {
    if sample.abs() > high { sample.abs() } else { high }
}

/// The highest magnitude of the samples at multiples of `channels`.
fn highest(samples: &[f32], channels: usize) -> f32 {
    samples.iter().step_by(channels).fold(0.0, |high, &sample| louder(high, sample))
}

/// The highest magnitude of the samples at each place modulo [`LANES`].
fn highest_by_lane(samples: &[f32]) -> [f32; LANES] {
    let (blocks, rest) = samples.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for block in blocks.iter().map(<[f32; LANES]>::as_slice).chain([rest]) {
        for (high, &sample) in lanes.iter_mut().zip(block) {
            *high = louder(*high, sample);
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_told_once() {
        let meter = Meter::new(2);
        meter.measure(&[0.5, 0.0, -1.0, 0.0]);
        assert_eq!(meter.longest_callback(), 2);
        assert_eq!(meter.show(), "0.0 -144.0 dBFS");
        assert_eq!(meter.show(), "-144.0 -144.0 dBFS");
    }

    #[test]
    fn the_highest_sample_is_found_wherever_it_is() {
        for channels in [1, 2, 3, 4, 8, 16, 17] {
            let meter = Meter::new(channels);
            for at in 0..channels * 41 {
                let mut samples = vec![0.001; channels * 41];
                samples[at] = -1.0;
                meter.measure(&samples);
                let wanted: Vec<f64> =
                    (0..channels).map(|channel| if channel == at % channels { 0.0 } else { -60.0 }).collect();
                let peaks: Vec<f64> = meter.peaks_dbfs().into_iter().map(f64::round).collect();
                assert_eq!(peaks, wanted, "sample {at} of {channels} channels");
            }
        }
    }
}
