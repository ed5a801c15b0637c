//! Audio in which every frame is told from every other: frames that are numbered, two channels of 24 bits at 48 kHz.

use super::bench::Trouble;
use super::measure::swapped;

/// Three bytes a sample: the channels' numbers and a counter, so that every frame is told from every other.
pub(super) fn counter(seconds: u32) -> Vec<u8> {
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

/// Whether `part` is a stretch of `whole`, from one of its frames on; its length in frames.
pub(super) fn stretch(whole: &[u8], part: &[u8]) -> Result<usize, Trouble> {
    let failed = |reason: String| Err(Trouble::Failed(reason));
    let Some(probe) = part.get(..6).filter(|_| part.len() > 48_000 * 6) else {
        return failed(format!("only {} bytes were received", part.len()));
    };
    let Some(begin) = whole.chunks_exact(6).position(|frame| frame == probe) else {
        return failed("its first frame was not sent".to_owned());
    };
    let sent = &whole[begin * 6..];
    let length = part.len().min(sent.len());
    match part[..length].iter().zip(sent).position(|(a, b)| a != b) {
        None => Ok(length / 6),
        Some(at) => failed(format!("byte {at} of {length} differs")),
    }
}
