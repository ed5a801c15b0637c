//! Numbers from the output of programs.

use super::bench::Trouble;
use serde_json::Value;
use std::path::Path;

/// The JSON objects of a log, one per line; other lines are ignored.
pub(super) fn objects(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The last JSON object of a log.
pub(super) fn last(log: &str) -> Result<Value, Trouble> {
    objects(log).pop().ok_or_else(|| Trouble::Failed(format!("nothing was said:\n{log}")))
}

/// A number of an object; NaN if there is none.
pub(super) fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or(f64::NAN)
}

/// Root mean square.
pub(super) fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
}

/// The values minus their mean.
pub(super) fn centred(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| value - mean).collect()
}

/// The data of a WAV file, and the bytes of a frame.
pub(crate) fn wav_data(path: &Path) -> Result<(Vec<u8>, usize), Trouble> {
    let failed = |reason: String| Trouble::Failed(format!("{}: {reason}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let chunk = |name: &[u8]| bytes.windows(4).position(|four| four == name);
    let (Some(fmt), Some(data)) = (chunk(b"fmt "), chunk(b"data")) else {
        return Err(failed("no WAV file".to_owned()));
    };
    let frame = usize::from(u16::from_le_bytes([bytes[fmt + 20], bytes[fmt + 21]]));
    let length = u32::from_le_bytes([bytes[data + 4], bytes[data + 5], bytes[data + 6], bytes[data + 7]]) as usize;
    let from = data + 8;
    Ok((bytes[from..(from + length).min(bytes.len())].to_vec(), frame))
}

/// The same samples in the other byte order.
pub(super) fn swapped(bytes: &[u8], sample_bytes: usize) -> Vec<u8> {
    bytes.chunks_exact(sample_bytes).flat_map(|sample| sample.iter().rev().copied()).collect()
}

/// The first frame at which audio has these bytes.
pub(super) fn place_of(probe: &[u8], audio: &[u8], frame: usize) -> Option<usize> {
    audio.windows(probe.len()).step_by(frame).position(|window| window == probe)
}

/// How many bytes of `recorded`, from the first to the last frame that is not silent, are identical
/// to a section of what was sent.
pub(super) fn identical(recorded: &[u8], sent: &[u8], frame: usize) -> Result<usize, String> {
    let silent = |frame: &&[u8]| frame.iter().all(|byte| *byte == 0);
    let lead = recorded.chunks_exact(frame).take_while(silent).count() * frame;
    let tail = recorded.chunks_exact(frame).rev().take_while(silent).count() * frame;
    let body = recorded.get(lead..recorded.len() - tail).unwrap_or_default();
    let probe = body.get(..64 * frame).ok_or("nothing but silence was recorded")?;
    let start = place_of(probe, sent, frame);
    let start = start.ok_or("what was recorded was not sent")? * frame;
    let expected = sent.get(start..start + body.len()).ok_or("more was recorded than was sent")?;
    match body.iter().zip(expected).position(|(a, b)| a != b) {
        None => Ok(body.len()),
        Some(at) => Err(format!("frame {} of {} differs", at / frame, body.len() / frame)),
    }
}

/// Sections of a recording that are identical to what was sent, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretches {
    /// The longest section.
    pub(super) longest: usize,
    /// Total length of the sections of at least 10 ms.
    pub(super) all: usize,
}

/// The sections of `recorded` that are identical to sections of what was sent.
pub(super) fn identical_stretches(recorded: &[u8], sent: &[u8], frame: usize) -> Stretches {
    /// Number of frames that are searched for.
    const PROBE: usize = 16;
    /// The next search starts at least this number of frames later. It is also the length of the
    /// shortest section that counts.
    const STEP: usize = 480;
    let (mut at, mut found_so_far) = (0, Stretches::default());
    while let Some(probe) = recorded.get(at * frame..(at + PROBE) * frame) {
        let found = place_of(probe, sent, frame);
        let length = found.map_or(0, |found| {
            let pairs = recorded[at * frame..].chunks_exact(frame).zip(sent[found * frame..].chunks_exact(frame));
            pairs.take_while(|(recorded, sent)| recorded == sent).count()
        });
        found_so_far.longest = found_so_far.longest.max(length);
        found_so_far.all += if length < STEP { 0 } else { length };
        at += length.max(STEP);
    }
    found_so_far
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_found_between_faults() {
        let sent: Vec<u8> = (0..30_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut recorded = sent[300..29_400].to_vec();
        recorded[6 * 1000] ^= 1;
        // Of 4850 frames the one after 1000 differs; behind it the search goes on 480 frames later.
        let longest = 4850 - 1480;
        assert_eq!(identical_stretches(&recorded, &sent, 6), Stretches { longest, all: longest + 1000 });
    }

    #[test]
    fn a_recording_is_found_in_what_was_sent() {
        let sent: Vec<u8> = (0..3000u32).map(|n| (n * 7 % 251) as u8 + 1).collect();
        let recorded = [&[0; 6][..], &sent[300..900], &[0; 12]].concat();
        assert_eq!(identical(&recorded, &sent, 6), Ok(600));
        let mut wrong = recorded;
        wrong[500] ^= 1;
        assert_eq!(identical(&wrong, &sent, 6), Err("frame 82 of 100 differs".to_owned()));
        assert_eq!(swapped(&[1, 2, 3, 4, 5, 6], 3), [3, 2, 1, 6, 5, 4]);
    }
}
