//! `trace.csv`: one line per trace row of each receiver.
//!
//! Numbers have fixed decimals, a missing value is an empty field, and lines end in a line feed, so that the same run
//! gives the same bytes on every platform.

use std::path::Path;

use super::ReportError;
use crate::record::{ClockState, RunTrace, TraceRow};

/// The receiver, then the fields of [`TraceRow`] in their order.
const COLUMNS: [&str; 32] = [
    "receiver",
    "time_s",
    "clock_state",
    "clock_error_us",
    "clock_sigma_us",
    "host_rate_ppm",
    "host_rate_truth_ppm",
    "ratio_ppm",
    "ratio_truth_ppm",
    "depth_ms",
    "fill_min_ms",
    "fill_max_ms",
    "underruns",
    "crackles",
    "packets_late",
    "packets_lost",
    "latency_ms",
    "sender_off_ptp",
    "packets_missed",
    "packets_dropped",
    "packets_refused",
    "concealed_ms",
    "depth_raised_ms",
    "card_rate_error_ppm",
    "leg_a_lost",
    "leg_b_lost",
    "leg_b_skew_ms",
    "packets_altered",
    "sender_error_us",
    "sender_sigma_us",
    "sender_wrong_timestamps",
    "sender_jumps",
];

/// The first of the columns that are about playback; where nothing was played, they are empty.
const PLAYBACK: usize = 7;

/// Writes `trace.csv` into a directory that exists.
///
/// # Errors
///
/// [`ReportError::Csv`] names the file that could not be written.
pub fn write_csv(trace: &RunTrace, dir: &Path) -> Result<(), ReportError> {
    let path = dir.join("trace.csv");
    let failed = |source| ReportError::Csv { path: path.clone(), source };
    let file = std::fs::File::create(&path).map_err(|error| failed(error.into()))?;
    write_rows(trace, file).map_err(failed)
}

fn write_rows(trace: &RunTrace, to: impl std::io::Write) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(COLUMNS)?;
    for recording in &trace.recordings {
        for row in &recording.rows {
            let mut fields = fields(&recording.receiver, row);
            if trace.target_depth_ms.is_none() {
                fields[PLAYBACK..].iter_mut().for_each(String::clear);
            }
            writer.write_record(fields)?;
        }
    }
    writer.flush()?;
    Ok(())
}

fn fields(receiver: &str, row: &TraceRow) -> [String; 32] {
    [
        receiver.to_owned(),
        fixed(row.time_s, 3),
        state(row.clock_state).to_owned(),
        optional(row.clock_error_us, 3),
        optional(row.clock_sigma_us, 3),
        optional(row.host_rate_ppm, 4),
        fixed(row.host_rate_truth_ppm, 4),
        fixed(row.ratio_ppm, 4),
        fixed(row.ratio_truth_ppm, 4),
        fixed(row.depth_ms, 4),
        fixed(row.fill_min_ms, 4),
        fixed(row.fill_max_ms, 4),
        row.underruns.to_string(),
        row.crackles.to_string(),
        row.packets_late.to_string(),
        row.packets_lost.to_string(),
        optional(row.latency_ms, 5),
        row.sender_off_ptp.to_string(),
        row.packets_missed.to_string(),
        row.packets_dropped.to_string(),
        row.packets_refused.to_string(),
        fixed(row.concealed_ms, 3),
        fixed(row.depth_raised_ms, 3),
        optional(row.card_rate_error_ppm, 4),
        row.leg_a_lost.to_string(),
        row.leg_b_lost.to_string(),
        optional(row.leg_b_skew_ms, 3),
        row.packets_altered.to_string(),
        optional(row.sender_error_us, 3),
        optional(row.sender_sigma_us, 3),
        row.sender_wrong_timestamps.to_string(),
        row.sender_jumps.to_string(),
    ]
}

fn optional(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(String::new, |value| fixed(value, decimals))
}

/// A number with that many decimals; a negative zero loses its sign, for it would differ where rounding differs.
fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.chars().all(|character| matches!(character, '-' | '0' | '.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

fn state(state: ClockState) -> &'static str {
    match state {
        ClockState::Listening => "listening",
        ClockState::Acquiring => "acquiring",
        ClockState::Locked => "locked",
        ClockState::Holdover => "holdover",
        ClockState::Unlocked => "unlocked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recording;

    fn row() -> TraceRow {
        TraceRow {
            time_s: 1.0,
            clock_state: ClockState::Holdover,
            clock_error_us: Some(-1.23456),
            clock_sigma_us: None,
            host_rate_ppm: Some(-0.000_01),
            host_rate_truth_ppm: 12.0,
            ratio_ppm: -7.5,
            ratio_truth_ppm: -7.25,
            depth_ms: 50.0,
            fill_min_ms: 48.99999,
            fill_max_ms: 51.0,
            underruns: 0,
            crackles: 2,
            packets_late: 3,
            packets_lost: 4,
            latency_ms: Some(55.123_456_7),
            sender_off_ptp: true,
            packets_missed: -1,
            packets_dropped: 5,
            packets_refused: 6,
            concealed_ms: 7.5,
            depth_raised_ms: 8.0,
            card_rate_error_ppm: Some(-0.25),
            leg_a_lost: 9,
            leg_b_lost: 10,
            leg_b_skew_ms: None,
            packets_altered: 11,
            sender_error_us: Some(-0.5),
            sender_sigma_us: None,
            sender_wrong_timestamps: 12,
            sender_jumps: 13,
        }
    }

    fn trace() -> RunTrace {
        let recording = Recording { receiver: "ours, \"new\"".into(), rows: vec![row()], ..Recording::default() };
        RunTrace { recordings: vec![recording], target_depth_ms: Some(50.0), ..RunTrace::default() }
    }

    #[test]
    fn rows_are_written_with_fixed_decimals_and_gaps() {
        let mut bytes = Vec::new();
        write_rows(&trace(), &mut bytes).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap(), @r#"
        receiver,time_s,clock_state,clock_error_us,clock_sigma_us,host_rate_ppm,host_rate_truth_ppm,ratio_ppm,ratio_truth_ppm,depth_ms,fill_min_ms,fill_max_ms,underruns,crackles,packets_late,packets_lost,latency_ms,sender_off_ptp,packets_missed,packets_dropped,packets_refused,concealed_ms,depth_raised_ms,card_rate_error_ppm,leg_a_lost,leg_b_lost,leg_b_skew_ms,packets_altered,sender_error_us,sender_sigma_us,sender_wrong_timestamps,sender_jumps
        "ours, ""new""",1.000,holdover,-1.235,,0.0000,12.0000,-7.5000,-7.2500,50.0000,49.0000,51.0000,0,2,3,4,55.12346,true,-1,5,6,7.500,8.000,-0.2500,9,10,,11,-0.500,,12,13
        "#);
    }

    #[test]
    fn the_columns_are_the_fields_of_a_row() {
        let serde_json::Value::Object(fields) = serde_json::to_value(row()).unwrap() else { panic!("not a struct") };
        assert_eq!(fields.len() + 1, COLUMNS.len());
        assert!(COLUMNS[1..].iter().all(|column| fields.contains_key(*column)));
        assert_eq!(fields["clock_state"], state(ClockState::Holdover));
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = write_csv(&trace(), Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write the rows /nowhere/at/all/trace.csv: "), "{error}");
    }
}
