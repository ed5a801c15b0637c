//! Shows a trace that was written by `aes67 play --trace` or by an earlier run, like a run of the
//! simulator.
//!
//! Values that are unknown on a real network (truths, crackles) are left out of the pictures;
//! glitches are the receiver's own counts.

use crate::record::{ClockState, Incident, Occurrence, Recording, RunTrace, Subjects, TraceEvent, TraceRow};
use crate::report::{self, Check, ReportError, Verdict};
use std::fs::File;
use std::path::{Path, PathBuf};
use thiserror::Error;
use trace::TraceError;

/// Smallest amount of concealed audio in an interval that is shown as an event, ms.
const WORTH_TELLING_MS: f64 = 0.01;

/// Why a trace cannot be shown.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file cannot be opened.
    #[error("{path}: {source}", path = .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a trace, or an empty one.
    #[error("{path}: {reason}", path = .path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The folder for the reports cannot be made.
    #[error("{path}: the folder for the reports cannot be made: {source}; give another with --reports", path = .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A picture cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// Reads a trace.
///
/// # Errors
/// If the file cannot be read, is no trace, or has no rows.
pub fn load(path: &Path) -> Result<RunTrace, ReplayError> {
    let file = File::open(path).map_err(|source| ReplayError::Open { path: path.to_owned(), source })?;
    let wrong = |reason: String| ReplayError::Trace { path: path.to_owned(), reason };
    let receivers = trace::read(file).map_err(|error: TraceError| wrong(error.to_string()))?;
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let rows = || receivers.iter().flat_map(|(_, rows)| rows);
    let duration_s = rows().map(|row| row.time_s).fold(0.0, f64::max);
    if rows().next().is_none() {
        return Err(wrong(
            "a trace without rows: nothing was received, or it ended within its first second".to_owned(),
        ));
    }
    let recording = |(receiver, rows): (String, Vec<TraceRow>)| {
        let events = glitches(&rows);
        Recording { receiver, rows, events, ..Recording::default() }
    };
    // The requested depth is constant, so the median of the depth is close to it unless late
    // packets have increased it.
    let mut depths: Vec<f64> =
        rows().map(|row| row.depth_ms).filter(|depth| depth.is_finite() && *depth > 0.0).collect();
    depths.sort_by(f64::total_cmp);
    let target_depth_ms = depths.get(depths.len() / 2).map(|depth| (depth * 10.0).round() / 10.0);
    let is_known = rows().any(|row| row.ratio_truth_ppm.is_finite() || row.clock_error_us.is_some());
    let truth = if is_known { "" } else { "; the truth is unknown" };
    let title = format!("{name}: a trace of {duration_s:.0} s{truth}");
    let subjects = Subjects {
        clock: rows().any(|row| row.clock_error_us.is_some() || row.clock_sigma_us.is_some()),
        sender: rows().any(|row| row.sender_error_us.is_some()),
        legs: rows().any(|row| row.leg_b_skew_ms.is_some()),
        skew: false,
    };
    let listened = rows().any(|row| row.glitches.is_some());
    let recordings: Vec<Recording> = receivers.into_iter().map(recording).collect();
    let incidents = recordings.iter().flat_map(|recording| &recording.events).map(incident).collect();
    Ok(RunTrace {
        scenario: name,
        title,
        duration_s,
        target_depth_ms,
        listened,
        subjects,
        incidents,
        recordings,
        ..RunTrace::default()
    })
}

/// Writes the pictures of a trace into a folder, which is made if need be.
///
/// # Errors
/// If that is not possible.
pub fn draw(trace: &RunTrace, folder: &Path) -> Result<(), ReplayError> {
    std::fs::create_dir_all(folder).map_err(|source| ReplayError::Folder { path: folder.to_owned(), source })?;
    Ok(report::write_all(trace, folder)?)
}

/// The faults of each receiver, as sums over the whole trace.
#[must_use]
pub fn sums(trace: &RunTrace) -> Vec<Check> {
    trace.recordings.iter().flat_map(sums_of).collect()
}

fn sums_of(recording: &Recording) -> Vec<Check> {
    let rows = &recording.rows;
    let total = |count: fn(&TraceRow) -> f64| rows.iter().map(count).filter(|count| count.is_finite()).sum::<f64>();
    let locked = rows.iter().filter(|row| row.clock_state == ClockState::Locked).count();
    let measured = [
        ("underruns", total(|row| f64::from(row.underruns)).to_string()),
        ("concealed", format!("{:.3} ms", total(|row| row.concealed_ms))),
        ("packets missed", total(|row| f64::from(row.packets_missed)).to_string()),
        ("packets late", total(|row| f64::from(row.packets_late)).to_string()),
        ("packets dropped", total(|row| f64::from(row.packets_dropped)).to_string()),
        ("packets refused", total(|row| f64::from(row.packets_refused)).to_string()),
        ("locked", format!("{locked} of {} rows", rows.len())),
    ];
    measured
        .map(|(check, measured)| Check {
            receiver: recording.receiver.clone(),
            check: check.to_owned(),
            limit: String::new(),
            measured,
            verdict: Verdict::Info,
        })
        .into()
}

/// An event as an incident, so that it is marked in the pictures.
fn incident(event: &TraceEvent) -> Incident {
    let times = vec![Occurrence { from_s: event.time_s, to_s: None }];
    Incident { text: event.text.clone(), silences_master: false, times }
}

/// The moments at which audio was concealed.
fn glitches(rows: &[TraceRow]) -> Vec<TraceEvent> {
    let glitch = |row: &&TraceRow| row.concealed_ms > WORTH_TELLING_MS || row.underruns > 0;
    let event = |row: &TraceRow| TraceEvent {
        time_s: row.time_s,
        text: format!("{:.1} ms made up, {} underruns", row.concealed_ms, row.underruns),
    };
    rows.iter().filter(glitch).map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::Writer;

    #[test]
    fn a_trace_shows_the_glitches_that_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("field.csv");
        let mut writer = Writer::new(File::create(&path).unwrap()).unwrap();
        for second in 1..=10 {
            let glitch = second == 4;
            let row = TraceRow {
                time_s: f64::from(second),
                clock_state: ClockState::Locked,
                ratio_truth_ppm: f64::NAN,
                host_rate_truth_ppm: f64::NAN,
                depth_ms: 20.04,
                concealed_ms: if glitch { 12.5 } else { 0.0 },
                underruns: u32::from(glitch),
                ..TraceRow::default()
            };
            writer.write("studio", &row, true).unwrap();
        }
        writer.flush().unwrap();
        let trace = load(&path).unwrap();
        assert_eq!((trace.duration_s, trace.target_depth_ms), (10.0, Some(20.0)));
        assert_eq!(trace.title, "field: a trace of 10 s; the truth is unknown");
        assert!(!trace.listened && trace.subjects == Subjects::default());
        assert_eq!(
            trace.recordings[0].events,
            [TraceEvent { time_s: 4.0, text: "12.5 ms made up, 1 underruns".into() }]
        );
        let sums = sums(&trace);
        let measured = |check: &str| sums.iter().find(|sum| sum.check == check).unwrap().measured.clone();
        assert_eq!((measured("underruns"), measured("concealed")), ("1".into(), "12.500 ms".into()));
        draw(&trace, &folder.path().join("reports")).unwrap();
        assert!(folder.path().join("reports/overview.png").is_file());
    }

    #[test]
    fn what_is_no_trace_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.csv");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("other.csv: this is no trace"));
        let error = load(&folder.path().join("none.csv")).unwrap_err().to_string();
        assert!(error.contains("none.csv: No such file"), "{error}");
    }
}
