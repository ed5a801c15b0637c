//! Captures the output of the sound card: in a WAV file, if there is to be one, and for a detector
//! that compares it with the programme.

use crate::check::{CrackleDetector, CrackleReport};
use crate::models::{CrystalClock, MediaTimeline, TrueTime};
use crate::record::{AudioExcerpt, write_block};
use crate::scenario::WavBits;
use crate::signal::{Interpolator, SourceSignal};
use engine::{Frames, MediaPosition, Nanos};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Largest distance from the expected position at which the start of the programme is searched.
const SEARCH: Nanos = Nanos::from_millis(100);
/// Length of an excerpt, s.
const EXCERPT_S: f64 = 0.3;
/// Part of an excerpt that precedes the moment shown, s.
const EXCERPT_LEAD_S: f64 = 0.15;

/// A WAV file could not be written or read back.
#[derive(Debug, Error)]
#[error("{path}: {source}", path = .path.display())]
pub struct CaptureError {
    path: PathBuf,
    source: hound::Error,
}

/// Records and judges the output.
pub struct Capture {
    file: Option<CaptureFile>,
    listener: Option<CrackleDetector>,
    frames: u64,
    channels: u16,
}

/// The file of a capture.
struct CaptureFile {
    path: PathBuf,
    /// `None` once it could not be written.
    writer: Option<WavWriter<BufWriter<File>>>,
    scale: f32,
}

impl CaptureFile {
    fn create(path: &Path, bits: WavBits, channels: u16, sample_rate_hz: u32) -> Result<Self, CaptureError> {
        let bits_per_sample = match bits {
            WavBits::Pcm16 => 16,
            WavBits::Pcm24 => 24,
        };
        let spec = WavSpec { channels, sample_rate: sample_rate_hz, bits_per_sample, sample_format: SampleFormat::Int };
        let failed = |source| CaptureError { path: path.to_owned(), source };
        let writer = WavWriter::create(path, spec).map_err(failed)?;
        let scale = (1u32 << (bits_per_sample - 1)) as f32;
        Ok(Self { path: path.to_owned(), writer: Some(writer), scale })
    }

    fn write(&mut self, samples: &[f32]) -> Result<(), CaptureError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let scale = self.scale;
        let written = write_block(writer, samples.iter().map(|&sample| pcm(sample, scale)));
        written.or_else(|error| self.give_up(error))
    }

    fn finish(mut self) -> Result<(), CaptureError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        writer.finalize().or_else(|error| self.give_up(error))
    }

    /// Ends a file that cannot be written any more. Its header describes the part that was written.
    fn give_up(&mut self, source: hound::Error) -> Result<(), CaptureError> {
        // Dropping the writer writes as much of its buffer as fits.
        self.writer = None;
        // The first error is reported, because it is more important than one while the header is
        // completed.
        let _ = wav::complete(&self.path);
        Err(CaptureError { path: self.path.clone(), source })
    }
}

/// A sample as a whole number of steps of 1 / `scale`, ties to even, clipped at full scale.
fn pcm(sample: f32, scale: f32) -> i32 {
    // A sum of this size has no bits for a fraction: the addition rounds, and its lowest bits are
    // the number. `round_ties_even` is a call of a function on processors without SSE 4.1.
    const ROUNDER: f64 = (3u64 << 51) as f64;
    let clipped = f64::from((sample * scale).clamp(-scale, scale - 1.0));
    (clipped + ROUNDER).to_bits() as i32
}

impl Capture {
    /// Creates the file, if there is to be one. With `listen`, the capture is compared with that
    /// programme, which is expected to begin at the given position.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(
        file: Option<(&Path, WavBits)>,
        channels: u16,
        sample_rate_hz: u32,
        listen: Option<(Arc<SourceSignal>, Frames)>,
    ) -> Result<Self, CaptureError> {
        let file = file.map(|(path, bits)| CaptureFile::create(path, bits, channels, sample_rate_hz)).transpose()?;
        let search_frames = (i64::from(sample_rate_hz) * SEARCH.as_nanos() / 1_000_000_000) as u32;
        let listener = listen.map(|(source, start)| CrackleDetector::new(source, start, search_frames));
        Ok(Self { file, listener, frames: 0, channels })
    }

    /// Takes what the card played next, interleaved.
    ///
    /// # Errors
    /// If the disk is full, or the file would exceed 4 GiB.
    pub fn push(&mut self, samples: &[f32]) -> Result<(), CaptureError> {
        if let Some(file) = &mut self.file {
            file.write(samples)?;
        }
        if let Some(listener) = &mut self.listener {
            listener.push(samples);
        }
        self.frames += (samples.len() / usize::from(self.channels)) as u64;
        Ok(())
    }

    /// Frames taken so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Completes the file, and returns what was heard.
    ///
    /// # Errors
    /// If the file cannot be completed.
    pub fn finish(self) -> Result<Option<CrackleReport>, CaptureError> {
        self.file.map_or(Ok(()), CaptureFile::finish)?;
        Ok(self.listener.map(CrackleDetector::finish))
    }
}

/// Renders what a perfect receiver with the same card and the target depth would have played,
/// callback by callback.
pub struct Reference {
    interpolator: Interpolator,
    timeline: MediaTimeline,
    card: CrystalClock,
    latency: Nanos,
    frames: i64,
    rate_hz: u32,
    /// Nominal number of card frames per media frame, because the programme has the card's rate.
    scale: f64,
}

/// A renderer of the reference: `latency` is the time from a frame's capture to its playout;
/// `source` is the programme at the card's rate.
#[must_use]
pub fn reference(
    source: Arc<SourceSignal>,
    timeline: MediaTimeline,
    card: CrystalClock,
    card_rate_hz: u32,
    latency: Nanos,
) -> Reference {
    let scale = f64::from(card_rate_hz) / f64::from(timeline.sample_rate().as_hz());
    Reference {
        interpolator: Interpolator::new(source),
        timeline,
        card,
        latency,
        frames: 0,
        rate_hz: card_rate_hz,
        scale,
    }
}

impl Reference {
    fn position(&mut self, card_frame: i64) -> (TrueTime, MediaPosition) {
        let t = self.card.true_time_of(card_frame as f64 * 1e9 / f64::from(self.rate_hz));
        (t, scaled(self.timeline.position_at(t - self.latency.as_nanos()), self.scale))
    }

    /// Renders the next frames into `out`; returns the true time at which they begin.
    pub fn render(&mut self, out: &mut [f32], channels: usize) -> TrueTime {
        let frames = (out.len() / channels) as i64;
        let (t, start) = self.position(self.frames);
        self.frames += frames;
        let (_, end) = self.position(self.frames);
        let step = end.frames_since(start) / frames.max(1) as f64;
        self.interpolator.render_at(start, step, out);
        // The programme begins at frame 0 and is preceded by silence.
        if start.frame() < Frames::ZERO {
            let before = ((-(start.frame().get())).min(frames)) as usize;
            out[..before * channels].fill(0.0);
        }
        t
    }
}

/// A position of the programme at another rate: exact to 1e-6 of a frame over a day.
pub(crate) fn scaled(position: MediaPosition, scale: f64) -> MediaPosition {
    if scale.total_cmp(&1.0).is_eq() {
        return position;
    }
    let frame = position.frame().get() as f64 * scale;
    let whole = libm::floor(frame);
    MediaPosition::at_frame(Frames::new(whole as i64)).advanced(frame - whole + position.fraction() * scale)
}

/// First channel of a WAV file and of the reference around one frame.
///
/// # Errors
/// If a file cannot be read back.
pub fn excerpt(
    played: &Path,
    reference: &Path,
    frame: u64,
    start_s: impl Fn(u64) -> f64,
) -> Result<AudioExcerpt, CaptureError> {
    let rate_hz = open(played)?.spec().sample_rate;
    let lead = (EXCERPT_LEAD_S * f64::from(rate_hz)) as u64;
    let first = frame.saturating_sub(lead);
    let length = (EXCERPT_S * f64::from(rate_hz)) as usize;
    Ok(AudioExcerpt {
        start_s: start_s(first),
        sample_rate_hz: rate_hz,
        played: read_first_channel(played, first, length)?,
        reference: read_first_channel(reference, first, length)?,
    })
}

fn open(path: &Path) -> Result<WavReader<std::io::BufReader<File>>, CaptureError> {
    WavReader::open(path).map_err(|source| CaptureError { path: path.to_owned(), source })
}

fn read_first_channel(path: &Path, first: u64, length: usize) -> Result<Vec<f32>, CaptureError> {
    let failed = |source| CaptureError { path: path.to_owned(), source };
    let mut reader = open(path)?;
    let spec = reader.spec();
    let scale = 1.0 / (1u32 << (spec.bits_per_sample - 1)) as f32;
    // If the run was stopped, one file may be shorter than the other.
    let first = reader.duration().min(u32::try_from(first).unwrap_or(u32::MAX));
    let length = length.min((reader.duration() - first) as usize);
    reader.seek(first).map_err(|error| failed(hound::Error::IoError(error)))?;
    let samples = reader.samples::<i32>().take(length * usize::from(spec.channels)).step_by(usize::from(spec.channels));
    samples.map(|sample| sample.map(|value| value as f32 * scale).map_err(failed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_rounded_to_even_and_clipped() {
        for bits in [16, 24] {
            let scale = (1u32 << (bits - 1)) as f32;
            let slow = |sample: f32| (sample * scale).round_ties_even().clamp(-scale, scale - 1.0) as i32;
            let near_full = (-8..=8).map(|n| 1.0 + n as f32 / scale / 2.0);
            let halves = (-5000..5000).map(|n| n as f32 / scale / 2.0);
            let odd = (-4000..4000).map(|n| n as f32 * 1.0007e-3);
            for sample in near_full.flat_map(|sample| [sample, -sample]).chain(halves).chain(odd) {
                assert_eq!(pcm(sample, scale), slow(sample), "{sample} in {bits} bits");
            }
        }
    }
}
