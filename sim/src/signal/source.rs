//! The talker's programme: the samples that it sends, as a function of the media frame.
//!
//! Model: a [`SourceSignal`] is defined for every `i64` frame, negative ones too, because media
//! time starts at the PTP epoch and not with the simulation. A file loops without a gap. The phase
//! of a tone is computed from its exact frequency at each frame, so that no error accumulates over
//! days.
//!
//! Assumptions: the talker sends integer PCM. [`SourceSignal::quantised`] rounds every sample to
//! that grid, so that the reference of a listening test is exactly what was sent, and the residual
//! of a bit-exact receiver is zero.

use std::f64::consts::TAU;
use std::path::Path;

use engine::SampleRate;

use super::error::{CHANNELS_MAX, SourceError};
use super::{convert, source_wav};

/// Short loops are repeated up to this length, so that rendering copies long runs.
const LOOP_FRAMES_MIN: usize = 4096;

/// A sine tone, the same in every channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Frequency in Hz.
    pub frequency_hz: f64,
    /// Peak level in dBFS: 0 is a sine that just reaches full scale.
    pub level_dbfs: f64,
}

/// The talker's programme, for every frame of the media timeline. Full scale is ±1.
#[derive(Clone, Debug)]
pub struct SourceSignal {
    sample_rate: SampleRate,
    channels: u16,
    content: Content,
    /// Steps per unit of the PCM grid; `None` before quantisation.
    grid: Option<f64>,
}

#[derive(Clone, Debug)]
enum Content {
    /// One plane per channel, or one plane for all; all of the same length, repeated for ever.
    Loop(Vec<Vec<f32>>),
    /// Tones whose sum has no whole period of a second or less: computed frame by frame.
    Tones(Vec<(f64, f64)>),
}

impl SourceSignal {
    /// Silence.
    ///
    /// # Errors
    /// [`SourceError::StreamChannels`] unless there are 1 to 64 channels.
    pub fn silence(sample_rate: SampleRate, channels: u16) -> Result<Self, SourceError> {
        Self::looping(sample_rate, channels, vec![vec![0.0]])
    }

    /// The sum of `tones`, each starting with phase 0 at frame 0. The sum may exceed full scale; it
    /// is clipped when it is quantised, as a talker would.
    ///
    /// # Errors
    /// [`SourceError::Tone`] for a tone outside (0, half the rate) or above 0 dBFS,
    /// [`SourceError::StreamChannels`] unless there are 1 to 64 channels.
    ///
    /// ```
    /// use engine::SampleRate;
    /// use sim::signal::{SourceSignal, Tone};
    /// let tone = Tone { frequency_hz: 12_000.0, level_dbfs: 0.0 };
    /// let source = SourceSignal::tones(SampleRate::HZ_48000, 1, &[tone]).expect("a valid tone");
    /// let mut out = [0.0; 2];
    /// source.render(-4_000_000_003, &mut out);
    /// assert!((out[0] - 1.0).abs() < 1e-6 && out[1].abs() < 1e-6);
    /// ```
    pub fn tones(sample_rate: SampleRate, channels: u16, tones: &[Tone]) -> Result<Self, SourceError> {
        let nyquist_hz = f64::from(sample_rate.as_hz()) / 2.0;
        for &Tone { frequency_hz, level_dbfs } in tones {
            let valid = frequency_hz > 0.0 && frequency_hz < nyquist_hz && level_dbfs <= 0.0;
            if !valid {
                return Err(SourceError::Tone { frequency_hz, level_dbfs, nyquist_hz });
            }
        }
        let partials: Vec<(f64, f64)> =
            tones.iter().map(|t| (t.frequency_hz, libm::pow(10.0, t.level_dbfs / 20.0))).collect();
        let Some(period) = common_period(&partials, sample_rate) else {
            let silence = Self::silence(sample_rate, channels)?;
            return Ok(Self { content: Content::Tones(partials), ..silence });
        };
        let plane = (0..period).map(|i| tones_at(&partials, sample_rate, i64::from(i)) as f32).collect();
        Self::looping(sample_rate, channels, vec![plane])
    }

    /// Planes of one length, one for each channel, looped without a gap.
    #[must_use]
    pub(crate) fn of_planes(sample_rate: SampleRate, planes: Vec<Vec<f32>>) -> Self {
        Self { sample_rate, channels: planes.len() as u16, content: Content::Loop(planes), grid: None }
    }

    /// The contents of a WAV file, looped without a gap. A mono file is spread to all channels.
    ///
    /// # Errors
    /// Any [`SourceError`] except that of tones: the file is missing, no WAV, empty, of another
    /// rate or channel count.
    pub fn from_wav(path: &Path, sample_rate: SampleRate, channels: u16) -> Result<Self, SourceError> {
        let planes = source_wav::read(path, sample_rate, channels)?;
        Self::looping(sample_rate, channels, planes)
    }

    /// Silence in place of a WAV file, of which only the format is checked.
    ///
    /// # Errors
    /// The same as those of [`Self::from_wav`] about a missing file or a wrong format.
    pub fn silence_for_wav(path: &Path, sample_rate: SampleRate, channels: u16) -> Result<Self, SourceError> {
        source_wav::open(path, sample_rate, channels)?;
        Self::silence(sample_rate, channels)
    }

    /// Rounds every sample to the grid of `bits`-bit PCM (16 for L16, 24 for L24) and clips at full
    /// scale.
    #[must_use]
    pub fn quantised(mut self, bits: u32) -> Self {
        let grid = f64::from(1u32 << (bits.clamp(2, 25) - 1));
        self.grid = Some(grid);
        if let Content::Loop(planes) = &mut self.content {
            planes.iter_mut().flatten().for_each(|sample| *sample = quantise(f64::from(*sample), grid));
        }
        self
    }

    /// The same programme at another rate: frame n of this one is heard when frame n x rate / this
    /// rate of that one is. It is not quantised again.
    #[must_use]
    pub fn at_rate(&self, rate: SampleRate) -> Self {
        let content = match &self.content {
            Content::Tones(partials) => Content::Tones(partials.clone()),
            Content::Loop(planes) => {
                let (source, length) = convert::whole_loop(planes[0].len(), self.sample_rate, rate);
                Content::Loop(planes.iter().map(|plane| convert::convert(plane, source, length)).collect())
            }
        };
        Self { sample_rate: rate, channels: self.channels, content, grid: None }
    }

    /// Frames per second.
    #[must_use]
    pub const fn sample_rate(&self) -> SampleRate {
        self.sample_rate
    }

    /// Samples per frame.
    #[must_use]
    pub const fn channels(&self) -> u16 {
        self.channels
    }

    /// Frames after which the programme repeats, if it does.
    #[must_use]
    pub fn period(&self) -> Option<usize> {
        match &self.content {
            Content::Loop(planes) => Some(planes[0].len()),
            Content::Tones(_) => None,
        }
    }

    /// Writes the frames from `first_frame` on into `out`, interleaved; an incomplete last frame is
    /// left as it is.
    pub fn render(&self, first_frame: i64, out: &mut [f32]) {
        let channels = usize::from(self.channels);
        match &self.content {
            Content::Loop(planes) if planes.len() == channels => render_interleaved(planes, first_frame, out),
            _ => {
                let mut mono = vec![0.0; out.len() / channels];
                self.render_channel(0, first_frame, &mut mono);
                for (frame, &sample) in out.chunks_exact_mut(channels).zip(&mono) {
                    frame.fill(sample);
                }
            }
        }
    }

    /// Writes one channel's samples from `first_frame` on.
    pub(crate) fn render_channel(&self, channel: usize, first_frame: i64, out: &mut [f32]) {
        match &self.content {
            Content::Loop(planes) => copy_loop(&planes[channel.min(planes.len() - 1)], first_frame, out),
            Content::Tones(partials) => {
                for (sample, index) in out.iter_mut().zip(first_frame..) {
                    let value = tones_at(partials, self.sample_rate, index);
                    *sample = self.grid.map_or(value as f32, |grid| quantise(value, grid));
                }
            }
        }
    }

    fn looping(sample_rate: SampleRate, channels: u16, mut planes: Vec<Vec<f32>>) -> Result<Self, SourceError> {
        if channels == 0 || channels > CHANNELS_MAX {
            return Err(SourceError::StreamChannels(channels));
        }
        for plane in &mut planes {
            let repeats = LOOP_FRAMES_MIN.div_ceil(plane.len());
            *plane = plane.repeat(repeats);
        }
        Ok(Self { sample_rate, channels, content: Content::Loop(planes), grid: None })
    }
}

/// Frames after which a sum of tones repeats: known when all frequencies are whole Hz, because then
/// it repeats every second or a divisor of that.
fn common_period(partials: &[(f64, f64)], sample_rate: SampleRate) -> Option<u32> {
    let mut divisor = sample_rate.as_hz();
    for &(frequency_hz, _) in partials {
        if frequency_hz - libm::floor(frequency_hz) > 0.0 {
            return None;
        }
        divisor = gcd(divisor, frequency_hz as u32);
    }
    Some(sample_rate.as_hz() / divisor)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Whole seconds are separated before the multiplication, so that only the fractional part of the
/// frequency is multiplied by the time, and the phase is exact to 1e-9 of a cycle over years.
fn tones_at(partials: &[(f64, f64)], sample_rate: SampleRate, index: i64) -> f64 {
    let rate = i64::from(sample_rate.as_hz());
    let (seconds, rest) = (index.div_euclid(rate) as f64, index.rem_euclid(rate) as f64);
    let mut sum = 0.0;
    for &(frequency_hz, amplitude) in partials {
        let hz_fraction = frequency_hz - libm::floor(frequency_hz);
        let cycles = hz_fraction * seconds - libm::floor(hz_fraction * seconds) + frequency_hz * rest / rate as f64;
        sum += amplitude * libm::sin(TAU * (cycles - libm::floor(cycles)));
    }
    sum
}

fn quantise(value: f64, grid: f64) -> f32 {
    (libm::round(value * grid).clamp(-grid, grid - 1.0) / grid) as f32
}

fn copy_loop(plane: &[f32], first_frame: i64, out: &mut [f32]) {
    let mut at = first_frame.rem_euclid(plane.len() as i64) as usize;
    let mut rest = out;
    while !rest.is_empty() {
        let run = rest.len().min(plane.len() - at);
        let (head, tail) = rest.split_at_mut(run);
        head.copy_from_slice(&plane[at..at + run]);
        (rest, at) = (tail, 0);
    }
}

fn render_interleaved(planes: &[Vec<f32>], first_frame: i64, out: &mut [f32]) {
    let length = planes[0].len();
    let mut at = first_frame.rem_euclid(length as i64) as usize;
    for frame in out.chunks_exact_mut(planes.len()) {
        for (sample, plane) in frame.iter_mut().zip(planes) {
            *sample = plane[at];
        }
        at += 1;
        if at == length {
            at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency_hz: f64) -> Tone {
        Tone { frequency_hz, level_dbfs: -6.0 }
    }

    #[test]
    fn tones_keep_their_phase_for_days() {
        // 997 Hz has a table, 997.5 Hz is computed: both must agree with themselves two weeks
        // later.
        for frequency in [997.0, 997.5] {
            let source = SourceSignal::tones(SampleRate::HZ_48000, 2, &[tone(frequency)]).unwrap();
            let (mut now, mut later) = ([0.0; 64], [0.0; 64]);
            source.render(-17, &mut now);
            source.render(-17 + 2 * 48_000 * 86_400 * 14, &mut later);
            for (a, b) in now.iter().zip(&later) {
                assert!((a - b).abs() < 1e-7, "{frequency}: {a} {b}");
            }
        }
    }

    #[test]
    fn blocks_agree_with_single_frames_across_the_loop() {
        let source = SourceSignal::looping(
            SampleRate::HZ_48000,
            2,
            vec![(0..5000).map(|i| i as f32).collect(), (0..5000).map(|i| -(i as f32)).collect()],
        )
        .unwrap();
        let mut block = vec![0.0; 2 * 12_000];
        source.render(-6_000, &mut block);
        for (offset, frame) in block.chunks_exact(2).enumerate() {
            let expected = (offset as i64 - 6_000).rem_euclid(5000) as f32;
            assert_eq!((frame[0].to_bits(), frame[1].to_bits()), (expected.to_bits(), (-expected).to_bits()));
        }
        let mut channel = vec![0.0; 12_000];
        source.render_channel(1, -6_000, &mut channel);
        assert!(channel.iter().zip(block.chunks_exact(2)).all(|(a, b)| a.to_bits() == b[1].to_bits()));
    }

    #[test]
    fn quantised_samples_lie_on_the_grid() {
        for frequency in [1000.0, 1000.3] {
            let source = SourceSignal::tones(SampleRate::HZ_48000, 1, &[tone(frequency)]).unwrap().quantised(16);
            let mut out = [0.0; 500];
            source.render(123_456_789, &mut out);
            for sample in out {
                let steps = f64::from(sample) * 32_768.0;
                assert!((steps - libm::round(steps)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn impossible_requests_are_refused() {
        let rate = SampleRate::HZ_48000;
        assert!(matches!(SourceSignal::tones(rate, 2, &[tone(24_000.0)]), Err(SourceError::Tone { .. })));
        assert!(matches!(SourceSignal::tones(rate, 2, &[tone(f64::NAN)]), Err(SourceError::Tone { .. })));
        assert!(matches!(SourceSignal::silence(rate, 0), Err(SourceError::StreamChannels(0))));
        assert!(matches!(SourceSignal::silence(rate, 65), Err(SourceError::StreamChannels(65))));
    }
}
