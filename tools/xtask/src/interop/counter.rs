//! Audio with numbered frames, two channels of 24 bits at 48 kHz, so that each frame can be
//! identified.

use super::bench::{Bench, Outcome};
use super::measure::{Stretches, identical_stretches, swapped};
use super::pauses::Watch;

/// Longest duration for which numbers of 23 bits suffice.
const LONGEST_S: u32 = 174;

/// Audio whose samples of three bytes contain the number of the frame, from 1, and the number of
/// the channel.
pub(super) fn counter(seconds: u32) -> Vec<u8> {
    assert!(seconds <= LONGEST_S, "{seconds} s have more frames than there are numbers");
    let sample = |frame: u32, channel: u32| ((frame << 1) | channel).to_be_bytes();
    (1..=seconds * 48_000)
        .flat_map(|frame| [sample(frame, 0), sample(frame, 1)].map(|bytes| [bytes[1], bytes[2], bytes[3]]))
        .flatten()
        .collect()
}

/// A WAV file of big-endian frames of two channels of 24 bits at 48 kHz.
pub(super) fn wav(audio: &[u8]) -> Vec<u8> {
    let length = audio.len() as u32;
    let mut file = [&b"RIFF"[..], &(36 + length).to_le_bytes(), b"WAVEfmt ", &16u32.to_le_bytes()].concat();
    for half in [1, 2] {
        file.extend(u16::to_le_bytes(half));
    }
    for whole in [48_000, 48_000 * 6] {
        file.extend(u32::to_le_bytes(whole));
    }
    for half in [6, 24] {
        file.extend(u16::to_le_bytes(half));
    }
    file.extend([&b"data"[..], &length.to_le_bytes()].concat());
    file.extend(swapped(audio, 3));
    file
}

/// Checks that the audio received in about `seconds` was sent, bit for bit. After pauses of the
/// machine, the sender skips packets, and receivers continue after them; at least half of the audio
/// must be right in any case, in longer sections.
pub(super) fn check_stretch(
    bench: &Bench,
    watch: &Watch,
    name: &str,
    (sent, received): (&[u8], &[u8]),
    seconds: u32,
) -> Outcome {
    let (right, came) = (identical_stretches(received, sent, 6), received.len() / 6);
    let Stretches { longest, all } = right;
    bench.figure(name, format_args!("{longest} of {came} frames in a row as they were sent, {all} in all"));
    let enough = came >= 48_000 && 2 * all >= came;
    bench.check(enough, format_args!("{name}: half of what came, and of a second, is as it was sent"))?;
    let whole = longest == came && came >= seconds as usize * 48_000 * 9 / 10;
    bench.check_undisturbed(watch, whole, format_args!("{name}: all of {seconds} s is as it was sent"))
}
