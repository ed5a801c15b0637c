//! Concealment of missing audio.
//!
//! Model: at the beginning of a gap, [linear prediction](super::linear_prediction) continues the
//! audio, so that waveform and slope are continuous. The prediction is crossfaded with the last
//! pitch period, which is repeated seamlessly for up to 10 ms and then faded to silence. The audio
//! after a gap is crossfaded in. A jump of the read position is treated as a gap of length zero,
//! and hidden by the same crossfade. So no network event causes a discontinuity in the output.
//!
//! The waveform substitution follows Goodman et al., "Waveform substitution techniques for
//! recovering missing speech segments", IEEE Trans. ASSP, 1986. The constants limit all loops;
//! nothing is allocated after creation.

use super::linear_prediction::Predictor;
use crate::units::{Nanos, SampleRate};

/// Length of the substitution at full level. Judgement: a longer repetition would be heard as a
/// tone.
const SUBSTITUTE: Nanos = Nanos::from_millis(10);
/// Length of the fade to silence after [`SUBSTITUTE`]. Judgement: long enough to avoid a click.
const FADE_OUT: Nanos = Nanos::from_millis(10);
/// Length of the crossfade into the audio after a gap or a jump. Judgement: long enough to avoid a
/// click.
const FADE_IN: Nanos = Nanos::from_millis(5);
/// Shortest pitch period that is considered. Judgement: a pitch of 500 Hz.
const SHORTEST_PERIOD: Nanos = Nanos::from_millis(2);
/// Longest pitch period that is considered. Judgement: a pitch of 83 Hz.
const LONGEST_PERIOD: Nanos = Nanos::from_millis(12);
/// Length of the audio before the gap that is compared with earlier audio to find the period.
/// Judgement: twice the shortest period.
const TEMPLATE: Nanos = Nanos::from_millis(4);
/// Length of the crossfade from the prediction to the repeated period. Judgement: predictions do
/// not remain accurate for longer than this.
const LEAD: Nanos = Nanos::from_millis(2);
/// Length of the audio from which the coefficients of the prediction are computed. Judgement: 16
/// times as many samples as coefficients at 48 kHz.
const LEARNED: Nanos = Nanos::from_millis(8);
/// Length of the crossfade inside the repeated period, which joins its end to its beginning.
/// Judgement: half of the shortest period.
const SEAM: Nanos = Nanos::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Audio passes unchanged.
    Playing,
    /// A gap is being filled; `filled` frames have been filled so far.
    Filling { filled: usize },
    /// Audio is being crossfaded in over the substitute; `filled` frames have been substituted, and
    /// `faded` frames have been faded in.
    Recovering { filled: usize, faded: usize },
}

#[derive(Debug)]
pub(crate) struct Concealer {
    channels: usize,
    state: State,
    /// The newest output, as a ring.
    history: Vec<f32>,
    /// Ring index of the oldest frame.
    oldest: usize,
    mono: Vec<f32>,
    period: Vec<f32>,
    period_frames: usize,
    predictor: Predictor,
    /// Prediction at the beginning of the substitute.
    lead: Vec<f32>,
    lead_frames: usize,
    lengths: Lengths,
}

/// The constants above, in frames.
#[derive(Clone, Copy, Debug)]
struct Lengths {
    substitute: usize,
    fade_out: usize,
    fade_in: usize,
    shortest: usize,
    longest: usize,
    template: usize,
    lead: usize,
    learned: usize,
    seam: usize,
}

impl Lengths {
    fn new(rate: SampleRate) -> Self {
        let frames = |time| rate.whole_frames_in(time).max(1);
        Self {
            substitute: frames(SUBSTITUTE),
            fade_out: frames(FADE_OUT),
            fade_in: frames(FADE_IN),
            shortest: frames(SHORTEST_PERIOD),
            longest: frames(LONGEST_PERIOD),
            template: frames(TEMPLATE),
            lead: frames(LEAD),
            learned: frames(LEARNED),
            seam: frames(SEAM),
        }
    }

    fn history(&self) -> usize {
        self.longest + self.template
    }
}

impl Concealer {
    pub(crate) fn new(channels: usize, rate: SampleRate) -> Self {
        let lengths = Lengths::new(rate);
        let frames = lengths.history();
        Self {
            channels,
            // The initial state is the end of a gap, so that the first audio is faded in over
            // silence.
            state: State::Filling { filled: lengths.substitute + lengths.fade_out },
            history: vec![0.0; frames * channels],
            oldest: 0,
            mono: vec![0.0; frames],
            period: vec![0.0; lengths.longest * channels],
            period_frames: lengths.shortest,
            predictor: Predictor::new(lengths.learned),
            lead: vec![0.0; lengths.lead * channels],
            lead_frames: 0,
            lengths,
        }
    }

    /// Passes through a run of received audio: records it in the history and, after a gap,
    /// crossfades it in place with the substitute.
    pub(crate) fn pass(&mut self, audio: &mut [f32]) {
        if let State::Filling { filled } = self.state {
            self.state = State::Recovering { filled, faded: 0 };
        }
        if let State::Recovering { mut filled, mut faded } = self.state {
            for frame in audio.chunks_exact_mut(self.channels).take(self.lengths.fade_in - faded) {
                let weight = smoothstep(share(faded + 1, self.lengths.fade_in));
                for (channel, sample) in frame.iter_mut().enumerate() {
                    let substitute = self.substitute(filled, channel);
                    *sample = substitute + weight * (*sample - substitute);
                }
                filled += 1;
                faded += 1;
            }
            let done = faded == self.lengths.fade_in;
            self.state = if done { State::Playing } else { State::Recovering { filled, faded } };
        }
        self.remember(audio);
    }

    /// Fills a run of missing audio with the substitute.
    pub(crate) fn conceal(&mut self, audio: &mut [f32]) {
        let mut filled = match self.state {
            State::Filling { filled } => filled,
            State::Playing | State::Recovering { .. } => self.begin(),
        };
        for frame in audio.chunks_exact_mut(self.channels) {
            for (channel, sample) in frame.iter_mut().enumerate() {
                *sample = self.substitute(filled, channel);
            }
            filled = filled.saturating_add(1);
        }
        self.state = State::Filling { filled };
        self.remember(audio);
    }

    /// Announces a jump of the read position: the next audio is crossfaded with the substitute.
    pub(crate) fn splice(&mut self) {
        if !matches!(self.state, State::Filling { .. }) {
            let filled = self.begin();
            self.state = State::Filling { filled };
        }
    }

    /// Number of frames that [`Concealer::splice_from`] needs.
    pub(super) fn splice_frames(&self) -> usize {
        self.lengths.fade_in
    }

    /// Like [`Concealer::splice`], for a jump where the audio that would have followed is known.
    /// That audio is crossfaded with the next audio, unless concealment or a crossfade is already
    /// in progress.
    pub(super) fn splice_from(&mut self, continuation: &[f32]) {
        if self.state != State::Playing {
            self.splice();
        } else {
            self.period_frames = (continuation.len() / self.channels).min(self.lengths.longest);
            let samples = self.period_frames * self.channels;
            self.period[..samples].copy_from_slice(&continuation[..samples]);
            self.lead_frames = 0;
            self.state = State::Filling { filled: 0 };
        }
    }

    /// Prepares the substitute from the history. Returns the number of frames filled so far, which
    /// is 0.
    fn begin(&mut self) -> usize {
        self.period_frames = self.find_period();
        let (frames, length) = (self.lengths.history(), self.period_frames);
        for channel in 0..self.channels {
            for i in 0..length {
                self.period[i * self.channels + channel] = self.past(frames - length + i, channel);
            }
            // The end of the period is crossfaded with the audio before its beginning, so that its
            // repetition has no seam.
            for i in 0..self.lengths.seam {
                let weight = smoothstep(share(i + 1, self.lengths.seam));
                let at = length - self.lengths.seam + i;
                let before = self.past(frames - length - self.lengths.seam + i, channel);
                let sample = &mut self.period[at * self.channels + channel];
                *sample += weight * (before - *sample);
            }
        }
        self.predict();
        0
    }

    /// Computes the prediction for every channel.
    fn predict(&mut self) {
        let frames = self.lengths.history();
        let Self { channels, ref history, oldest, .. } = *self;
        for channel in 0..channels {
            let past = |i: usize| history[(oldest + i) % frames * channels + channel];
            self.predictor.learn((frames - self.lengths.learned..frames).map(past));
            for frame in self.lead.chunks_exact_mut(channels) {
                frame[channel] = self.predictor.next();
            }
        }
        self.lead_frames = self.lengths.lead;
    }

    /// A sample of the substitute, `filled` frames after the beginning of the gap.
    fn substitute(&self, filled: usize, channel: usize) -> f32 {
        let Lengths { substitute, fade_out, .. } = self.lengths;
        if filled >= substitute + fade_out {
            return 0.0;
        }
        let mut sample = self.period[filled % self.period_frames * self.channels + channel];
        if filled < self.lead_frames {
            let lead = self.lead[filled * self.channels + channel];
            sample = lead + smoothstep(share(filled + 1, self.lead_frames)) * (sample - lead);
        }
        if filled < substitute {
            return sample;
        }
        sample * (1.0 - smoothstep(share(filled - substitute + 1, fade_out)))
    }

    /// Finds the pitch period: the lag at which the signal before the gap is most similar to
    /// itself.
    fn find_period(&mut self) -> usize {
        let frames = self.lengths.history();
        for i in 0..frames {
            self.mono[i] = (0..self.channels).map(|channel| self.past(i, channel)).sum();
        }
        let Lengths { shortest, longest, template, .. } = self.lengths;
        let recent = &self.mono[frames - template..];
        let mut best = (f32::NEG_INFINITY, shortest);
        for lag in shortest..longest {
            let earlier = &self.mono[frames - template - lag..frames - lag];
            let (product, energy) = recent
                .iter()
                .zip(earlier)
                .fold((0.0f32, 1e-9f32), |(product, energy), (a, b)| (product + a * b, energy + b * b));
            let score = product / energy.sqrt();
            if score > best.0 {
                best = (score, lag);
            }
        }
        best.1
    }

    fn past(&self, index: usize, channel: usize) -> f32 {
        let frame = (self.oldest + index) % self.lengths.history();
        self.history[frame * self.channels + channel]
    }

    fn remember(&mut self, audio: &[f32]) {
        let frames = self.lengths.history();
        let skip = (audio.len() / self.channels).saturating_sub(frames);
        let mut rest = &audio[skip * self.channels..];
        // The loop runs at most twice: up to the end of the ring, and from its beginning.
        while !rest.is_empty() {
            let run = (rest.len() / self.channels).min(frames - self.oldest);
            let (part, after) = rest.split_at(run * self.channels);
            self.history[self.oldest * self.channels..][..part.len()].copy_from_slice(part);
            self.oldest = (self.oldest + run) % frames;
            rest = after;
        }
    }
}

/// `part` as a fraction of `whole`.
#[expect(clippy::cast_precision_loss, reason = "lengths of fades, far below 2^24 frames")]
fn share(part: usize, whole: usize) -> f32 {
    part as f32 / whole as f32
}

/// The weight of a fade: a cubic polynomial from 0 at `x` = 0 to 1 at `x` = 1, with slope 0 at both
/// ends. Unlike a raised cosine, it needs no call to a cosine function on the audio thread.
fn smoothstep(x: f32) -> f32 {
    x * x * (3.0 - 2.0 * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_48000;

    fn tone(frequency_hz: f64, from: usize, frames: usize) -> Vec<f32> {
        (from..from + frames)
            .map(|i| 0.5 * libm::sin(2.0 * std::f64::consts::PI * frequency_hz * i as f64 / 48_000.0) as f32)
            .collect()
    }

    /// Largest second difference of the audio: a click of height h raises it to about h.
    fn roughness(audio: &[f32]) -> f32 {
        audio.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f32::max)
    }

    fn run(gap: usize, frequency_hz: f64) -> Vec<f32> {
        let mut concealer = Concealer::new(1, RATE);
        let mut out = tone(frequency_hz, 0, 4800);
        concealer.pass(&mut out);
        let mut lost = vec![0.0; gap];
        concealer.conceal(&mut lost);
        out.extend(lost);
        let mut after = tone(frequency_hz, 4800 + gap, 4800);
        concealer.pass(&mut after);
        out.extend(after);
        out
    }

    #[test]
    fn gaps_of_any_length_hold_no_click() {
        for frequency_hz in [110.0, 440.0, 997.0] {
            let clean = roughness(&tone(frequency_hz, 0, 4800));
            for gap in [1, 48, 240, 480, 2000, 48_000] {
                let audio = run(gap, frequency_hz);
                let rough = roughness(&audio[300..]);
                assert!(rough < clean + 0.004, "{gap} frames at {frequency_hz} Hz: {rough} against {clean}");
            }
        }
    }

    /// Inharmonic tones, which no period fits, and some noise.
    fn inharmonic(from: usize, frames: usize) -> Vec<f32> {
        let mut audio = vec![0.0; frames];
        for (frequency_hz, level) in [(137.0, 0.5), (331.3, 0.3), (743.9, 0.12), (1901.7, 0.02)] {
            let sine = tone(frequency_hz, from, frames);
            audio.iter_mut().zip(sine).for_each(|(sample, sine)| *sample += level * 2.0 * sine);
        }
        for (i, sample) in audio.iter_mut().enumerate() {
            *sample += ((from + i) as u32).wrapping_mul(2_654_435_761) as f32 / 4_294_967_296.0 * 2e-4;
        }
        audio
    }

    #[test]
    fn a_gap_begins_without_a_corner_wherever_it_does() {
        for begin in (4800..9600).step_by(97) {
            let mut concealer = Concealer::new(1, RATE);
            let mut out = inharmonic(0, begin);
            concealer.pass(&mut out);
            let mut lost = vec![0.0; 240];
            concealer.conceal(&mut lost);
            out.extend(lost);
            let clean = roughness(&inharmonic(0, begin));
            let rough = roughness(&out[begin - 240..]);
            assert!(rough < 1.5 * clean, "{begin}: {rough} against {clean}");
        }
    }

    #[test]
    fn a_jump_into_a_crossfade_is_crossfaded() {
        for faded in [0, 1, 60, 120, 180, 239, 240] {
            let mut concealer = Concealer::new(1, RATE);
            let mut out = inharmonic(0, 4800);
            concealer.pass(&mut out);
            concealer.splice();
            for (from, frames) in [(10_037, faded), (20_300, 4800)] {
                let mut after = inharmonic(from, frames);
                concealer.pass(&mut after);
                out.extend(after);
                let fade = concealer.splice_frames();
                concealer.splice_from(&inharmonic(from + frames, fade));
            }
            let (rough, clean) = (roughness(&out[300..]), roughness(&inharmonic(0, 4800)));
            assert!(rough < 2.0 * clean, "{faded}: {rough} against {clean}");
        }
    }

    #[test]
    fn a_lost_packet_of_a_steady_tone_is_nearly_restored() {
        let audio = run(240, 440.0);
        let truth = tone(440.0, 0, audio.len());
        let worst = audio[4800..5040].iter().zip(&truth[4800..5040]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.05, "{worst}");
    }

    #[test]
    fn a_long_gap_ends_in_silence() {
        let audio = run(4800, 440.0);
        assert!(audio[4800 + 960..9600].iter().all(|&sample| sample == 0.0));
    }

    #[test]
    fn a_jump_is_crossfaded() {
        let mut concealer = Concealer::new(1, RATE);
        let mut out = tone(440.0, 0, 4800);
        concealer.pass(&mut out);
        concealer.splice();
        let mut after = tone(440.0, 10_037, 4800);
        concealer.pass(&mut after);
        out.extend(after);
        assert!(roughness(&out[300..]) < roughness(&tone(440.0, 0, 4800)) + 0.004);
    }

    #[test]
    fn a_jump_from_audio_that_is_known_is_a_blend_of_both() {
        let mut concealer = Concealer::new(1, RATE);
        // Noise has no period, so only the true continuation fits.
        let mut random = 1u32;
        let noise: Vec<f32> = std::iter::repeat_with(|| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as f32 / 33_554_432.0 - 0.25
        })
        .take(10_000)
        .collect();
        concealer.pass(&mut noise[..4800].to_vec());
        let fade = concealer.splice_frames();
        concealer.splice_from(&noise[4800..4800 + fade]);
        let mut after = noise[7000..8000].to_vec();
        concealer.pass(&mut after);
        for (i, &sample) in after.iter().enumerate() {
            let (old, new) = (noise[4800 + i], noise[7000 + i]);
            let (low, high) = (old.min(new) - 1e-6, old.max(new) + 1e-6);
            let within = if i < fade { low..=high } else { new..=new };
            assert!(within.contains(&sample), "{i}: {sample} between {old} and {new}");
        }
    }

    #[test]
    fn the_first_audio_fades_in() {
        let mut concealer = Concealer::new(2, RATE);
        let mut audio = vec![1.0; 960];
        concealer.pass(&mut audio);
        assert!(audio[0] < 0.01 && audio[959] > 0.999);
    }
}
