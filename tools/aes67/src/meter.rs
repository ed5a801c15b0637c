//! Passes levels from the callback to the display without a lock.

use std::sync::atomic::{AtomicU32, Ordering};

/// The level that is displayed for silence.
const FLOOR_DBFS: f64 = -144.0;
/// Number of channels that fit on a line.
const SHOWN: usize = 8;

/// The highest sample of each channel since the last query, and the longest callback ever.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Number of channels in the measured audio.
    channels: usize,
    /// The displayed channels, and the bit patterns of their peaks.
    peaks: Vec<(usize, AtomicU32)>,
    longest_callback_frames: AtomicU32,
}

impl Meter {
    /// Creates a meter for all channels.
    pub(crate) fn new(channels: usize) -> Self {
        Self::of(channels, 0..channels)
    }

    /// Creates a meter for some channels, for example the outputs on which a stream is played.
    pub(crate) fn of(channels: usize, looked_at: impl IntoIterator<Item = usize>) -> Self {
        let peaks = looked_at.into_iter().map(|channel| (channel, AtomicU32::new(0))).collect();
        Self { channels, peaks, longest_callback_frames: AtomicU32::new(0) }
    }

    /// Measures interleaved samples. Neither allocates nor blocks.
    pub(crate) fn measure(&self, samples: &[f32]) {
        let channels = self.channels;
        self.longest_callback_frames.fetch_max((samples.len() / channels) as u32, Ordering::Relaxed);
        for (channel, peak) in &self.peaks {
            // `f32::max` is not used, because it has to check each sample for NaN.
            let louder = |high: f32, frame: &[f32]| if frame[0].abs() > high { frame[0].abs() } else { high };
            let highest = samples.get(*channel..).unwrap_or_default().chunks(channels).fold(0f32, louder);
            // The bit patterns of non-negative floats have the same order as the floats.
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
        self.peaks.iter().map(|(_, value)| (20.0 * peak(value).log10()).max(FLOOR_DBFS)).collect()
    }

    /// Formats the peaks since the last call, such as `-20.0 -20.1 dBFS`.
    pub(crate) fn show(&self) -> String {
        let peaks = self.peaks_dbfs();
        let shown: Vec<String> = peaks.iter().take(SHOWN).map(|peak| format!("{peak:.1}")).collect();
        let more = if peaks.len() > SHOWN { " ..." } else { "" };
        format!("{}{more} dBFS", shown.join(" "))
    }
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
    fn only_the_channels_of_a_stream_are_shown() {
        let meter = Meter::of(4, [2, 3]);
        meter.measure(&[1.0, 1.0, 0.5, 0.0]);
        assert_eq!(meter.show(), "-6.0 -144.0 dBFS");
    }
}
