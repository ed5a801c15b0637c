//! Computed signals: a tone, and channel idents.
//!
//! Both are functions of media time, so that two senders of the same tone are in phase, and skipped
//! packets cause no phase jump.

use engine::{Frames, SampleRate};

/// Length of a beep, and time from the start of one beep to the next.
const BEEP_MS: i64 = 120;
const BEEP_EVERY_MS: i64 = 250;
/// Period of an ident: the longest ident (nine beeps of each kind) and a pause.
const CYCLE_MS: i64 = 6_000;
/// Frequencies of the beeps for tens and ones.
const TENS_HZ: i64 = 500;
const ONES_HZ: i64 = 1_000;
/// Length of the fades of a beep, which avoid clicks.
const FADE_MS: i64 = 10;

/// A computed signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Signal {
    /// The same tone on all channels.
    Tone { frequency_mhz: i64, gain: f64 },
    /// Every channel beeps its number: low beeps are tens, high ones are ones.
    Ident { gain: f64 },
}

impl Signal {
    /// Fills `out` with the channels of `map`, from media frame `first` on.
    pub(crate) fn render(&self, rate: SampleRate, first: Frames, map: &[u16], out: &mut [f32]) {
        for (frame, samples) in (first.get()..).zip(out.chunks_exact_mut(map.len())) {
            match *self {
                Self::Tone { frequency_mhz, gain } => samples.fill((gain * sine(rate, frequency_mhz, frame)) as f32),
                Self::Ident { gain } => {
                    for (sample, &channel) in samples.iter_mut().zip(map) {
                        *sample = (gain * ident(rate, i64::from(channel) + 1, frame)) as f32;
                    }
                }
            }
        }
    }
}

/// The phase is computed in integers, because media time has 47 bits, which would leave a float too
/// little precision for the phase.
fn sine(rate: SampleRate, frequency_mhz: i64, frame: i64) -> f64 {
    let turn = 1000 * i64::from(rate.as_hz());
    let turned = (i128::from(frame) * i128::from(frequency_mhz)).rem_euclid(i128::from(turn));
    (std::f64::consts::TAU * turned as f64 / turn as f64).sin()
}

fn ident(rate: SampleRate, number: i64, frame: i64) -> f64 {
    let frames_in = |ms: i64| ms * i64::from(rate.as_hz()) / 1000;
    let within = frame.rem_euclid(frames_in(CYCLE_MS));
    let (beep, at) = (within / frames_in(BEEP_EVERY_MS), within % frames_in(BEEP_EVERY_MS));
    let (tens, ones) = (number / 10 % 10, number % 10);
    // A pause separates the two kinds of beeps.
    let gap = i64::from(tens > 0);
    let hz = if beep < tens {
        TENS_HZ
    } else if (tens + gap..tens + gap + ones).contains(&beep) {
        ONES_HZ
    } else {
        return 0.0;
    };
    let left = frames_in(BEEP_MS) - at;
    let fade = (at.min(left) as f64 / frames_in(FADE_MS) as f64).clamp(0.0, 1.0);
    fade * sine(rate, 1000 * hz, frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_48000;

    /// Beeps of a cycle.
    fn beeps(channel: u16) -> usize {
        let mut out = vec![0.0; 6 * 48_000];
        Signal::Ident { gain: 0.1 }.render(RATE, Frames::new(7 * 288_000), &[channel], &mut out);
        let loud: Vec<bool> = out.chunks(480).map(|chunk| chunk.iter().any(|sample| sample.abs() > 0.01)).collect();
        loud.windows(2).filter(|pair| !pair[0] && pair[1]).count() + usize::from(loud[0])
    }

    #[test]
    fn a_channel_beeps_its_number() {
        for (channel, count) in [(0, 1), (7, 8), (9, 1), (11, 3), (63, 10), (98, 18)] {
            assert_eq!(beeps(channel), count, "channel {}", channel + 1);
        }
    }

    #[test]
    fn a_tone_goes_on_from_packet_to_packet() {
        let tone = Signal::Tone { frequency_mhz: 997_000, gain: 0.5 };
        let (mut whole, mut parts) = (vec![0.0; 192], vec![0.0; 192]);
        let first = Frames::new(85_920_000_000_000);
        tone.render(RATE, first, &[0, 1], &mut whole);
        tone.render(RATE, first, &[0, 1], &mut parts[..96]);
        tone.render(RATE, first + Frames::new(48), &[0, 1], &mut parts[96..]);
        assert!(whole.iter().zip(&parts).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert!(whole.chunks(2).all(|pair| pair[0].to_bits() == pair[1].to_bits()));
    }
}
