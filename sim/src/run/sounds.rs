//! The recordings of a run for whoever listens: what differs from what should have been heard, cue
//! points, and the time of each recording.

use super::{Played, SessionError, WavTimes, reference_name, wav_path};
use crate::record::{PcmReader, Recording, RunTrace, write_block};
use crate::report::Sound;
use crate::scenario::Loaded;
use hound::WavWriter;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use wav::{Cue, add_cues};

/// What the name of a recording's difference from its reference ends in.
const DIFFERENCE: &str = ".difference";
/// Most cue points of a file: more than any player lists.
const MOST_CUES: usize = 1000;
/// Longest list of a recording's times; more rows are thinned out.
const MOST_TIMES: usize = 500;
/// Samples that are read at a time.
const BLOCK: usize = 1 << 14;

/// A recording that could not be completed.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = .path.display())]
pub struct SoundError {
    path: PathBuf,
    source: hound::Error,
}

/// Adds cue points to the recordings of a run; with `differences`, also writes what each receiver
/// played minus its reference. Returns all recordings, the references first.
pub(super) fn complete(
    loaded: &Loaded,
    trace: &RunTrace,
    played: &[Played],
    references: Vec<(String, WavTimes)>,
    folder: &Path,
    differences: bool,
) -> Result<Vec<Sound>, SessionError> {
    let mut sounds: Vec<Sound> = Vec::new();
    let several = references.len() > 1;
    for (name, times) in references {
        let label = if several { format!("Reference: {name}") } else { "Reference".to_owned() };
        sounds.push(Sound { file: format!("{name}.wav"), label, receiver: None, difference: false, times });
    }
    let receivers = played.iter().zip(&trace.recordings).zip(&loaded.scenario.receivers);
    for (index, ((one, recording), receiver)) in receivers.enumerate() {
        let name = &recording.receiver;
        if one.outcome.heard.is_none() {
            continue;
        }
        let reference = reference_name(receiver, &loaded.scenario.surroundings_of(receiver));
        let times = times_of(one, recording);
        let sound = |ending: &str, label: String| Sound {
            file: format!("{name}{ending}.wav"),
            label,
            receiver: Some(index),
            difference: !ending.is_empty(),
            times: times.clone(),
        };
        if differences {
            write_difference(folder, name, &reference)?;
        }
        sounds.push(sound("", name.clone()));
        if differences {
            sounds.push(sound(DIFFERENCE, format!("{name} minus the reference")));
        }
    }
    for sound in &sounds {
        let path = folder.join(&sound.file);
        add_cues(&path, &cues(trace, played, sound)).map_err(|source| failed(&path, source.into()))?;
    }
    Ok(sounds)
}

fn failed(path: &Path, source: hound::Error) -> SoundError {
    SoundError { path: path.to_owned(), source }
}

/// True time and the file's time of each row of the trace.
fn times_of(played: &Played, recording: &Recording) -> WavTimes {
    let rate_hz = f64::from(played.card_rate_hz.max(1));
    let rows = recording.rows.iter().map(|row| row.time_s);
    thinned(rows.zip(played.outcome.row_frames.iter().map(|&frames| frames as f64 / rate_hz)))
}

/// Times from the start on, thinned out evenly; the last is kept.
pub(super) fn thinned(times: impl Iterator<Item = (f64, f64)>) -> WavTimes {
    let all: WavTimes = std::iter::once((0.0, 0.0)).chain(times).collect();
    let each = all.len().div_ceil(MOST_TIMES);
    let last = all.len() - 1;
    all.into_iter().enumerate().filter(|(index, _)| index % each == 0 || *index == last).map(|(_, time)| time).collect()
}

/// The file's time of a true time.
fn file_time(times: &[(f64, f64)], at_s: f64) -> f64 {
    let next = times.partition_point(|(time_s, _)| *time_s <= at_s).clamp(1, times.len().max(2) - 1);
    match times.get(next - 1..=next) {
        Some(&[(t0, f0), (t1, f1)]) if t1 > t0 => f0 + (f1 - f0) * (at_s - t0) / (t1 - t0),
        _ => at_s,
    }
}

/// The faults of the scenario, what the receiver reported, and the faults heard of it.
fn cues(trace: &RunTrace, played: &[Played], sound: &Sound) -> Vec<Cue> {
    let incidents = trace.incidents.iter().flat_map(|incident| {
        incident.times.iter().flat_map(|at| {
            let end = at.to_s.map(|to_s| (to_s, format!("end of: {}", incident.text)));
            std::iter::once((at.from_s, incident.text.clone())).chain(end)
        })
    });
    let mut all: Vec<(f64, String)> = incidents.collect();
    if let Some((one, recording)) = sound.receiver.and_then(|index| played.iter().zip(&trace.recordings).nth(index)) {
        all.extend(recording.events.iter().map(|event| (event.time_s, event.text.clone())));
        let glitches = one.heard.iter().flat_map(|heard| &heard.glitches);
        all.extend(glitches.map(|glitch| (glitch.from_s, format!("heard: {}", glitch.kind))));
    }
    let rate_hz = played.iter().map(|one| one.card_rate_hz).find(|rate| *rate > 0).unwrap_or(0);
    let own = sound.receiver.and_then(|index| played.get(index)).map_or(rate_hz, |one| one.card_rate_hz);
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.truncate(MOST_CUES);
    let cue = |(at_s, label): (f64, String)| Cue {
        frame: (file_time(&sound.times, at_s).max(0.0) * f64::from(own)) as u32,
        label,
    };
    all.into_iter().map(cue).collect()
}

/// Writes what a receiver played minus its reference, sample by sample: both are of the same sound
/// card.
fn write_difference(folder: &Path, name: &str, reference: &str) -> Result<(), SoundError> {
    let path = wav_path(folder, &format!("{name}{DIFFERENCE}"));
    let open = |name: &str| {
        let path = wav_path(folder, name);
        PcmReader::open(&path).map_err(|source| failed(&path, source))
    };
    let (mut played, mut right) = (open(name)?, open(reference)?);
    let wrong = |source| failed(&path, source);
    let spec = played.spec();
    let most = (1_i32 << (spec.bits_per_sample - 1)) - 1;
    let mut writer: WavWriter<BufWriter<File>> = WavWriter::create(&path, spec).map_err(wrong)?;
    loop {
        let played = played.block(BLOCK).map_err(|error| wrong(error.into()))?;
        let right = right.block(played.len()).map_err(|error| wrong(error.into()))?;
        if right.is_empty() {
            break;
        }
        // If the run was stopped, one file may be shorter than the other.
        let differences = played.iter().zip(right).map(|(one, other)| (one - other).clamp(-most - 1, most));
        write_block(&mut writer, differences).map_err(wrong)?;
    }
    writer.finalize().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_interpolated_and_thinned_out() {
        let times = thinned((1..=10_000).map(|second| (f64::from(second), f64::from(second) * 1.001)));
        assert!(times.len() <= MOST_TIMES + 1 && times.first() == Some(&(0.0, 0.0)));
        assert_eq!(times.last().map(|time| time.0.to_bits()), Some(10_000.0_f64.to_bits()));
        assert!((file_time(&times, 1234.5) - 1235.7345).abs() < 1e-6);
        // Beyond the last, as before it.
        assert!((file_time(&times, 10_001.0) - 10_011.001).abs() < 1e-6);
        assert_eq!(file_time(&thinned(std::iter::empty()), 5.0).to_bits(), 5.0_f64.to_bits());
    }
}
