//! Levels, from the callback to the display, without a lock.

use std::sync::atomic::{AtomicU32, Ordering};

/// Shown for silence.
const FLOOR_DBFS: f64 = -144.0;
/// Channels that fit on a line.
const SHOWN: usize = 8;

/// The highest sample of each channel since the last query, and the longest callback ever.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Channels of the measured audio.
    channels: usize,
    /// The displayed channels, and the bits of their peaks.
    peaks: Vec<(usize, AtomicU32)>,
    longest_callback_frames: AtomicU32,
}

impl Meter {
    /// A meter of all channels.
    pub(crate) fn new(channels: usize) -> Self {
        Self::of(channels, 0..channels)
    }

    /// A meter of some channels: those of an output that a stream plays on.
    pub(crate) fn of(channels: usize, looked_at: impl IntoIterator<Item = usize>) -> Self {
        let peaks = looked_at.into_iter().map(|channel| (channel, AtomicU32::new(0))).collect();
        Self { channels, peaks, longest_callback_frames: AtomicU32::new(0) }
    }

    /// Takes interleaved samples; neither allocates nor waits.
    pub(crate) fn measure(&self, samples: &[f32]) {
        let channels = self.channels;
        self.longest_callback_frames.fetch_max((samples.len() / channels) as u32, Ordering::Relaxed);
        for (channel, peak) in &self.peaks {
            // Without `f32::max`, which has to look for NaN in each sample.
            let louder = |high: f32, frame: &[f32]| if frame[0].abs() > high { frame[0].abs() } else { high };
            let highest = samples.get(*channel..).unwrap_or_default().chunks(channels).fold(0f32, louder);
            // The bits of non-negative floats have the same order as the floats.
            peak.fetch_max(highest.to_bits(), Ordering::Relaxed);
        }
    }

    /// Frames of the longest callback.
    pub(crate) fn longest_callback(&self) -> u32 {
        self.longest_callback_frames.load(Ordering::Relaxed)
    }

    /// Peaks since the last call.
    pub(crate) fn peaks_dbfs(&self) -> Vec<f64> {
        let peak = |peak: &AtomicU32| f64::from(f32::from_bits(peak.swap(0, Ordering::Relaxed)));
        self.peaks.iter().map(|(_, value)| (20.0 * peak(value).log10()).max(FLOOR_DBFS)).collect()
    }

    /// `-20.0 -20.1 dBFS`.
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
