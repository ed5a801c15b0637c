//! Reads and writes traces as CSV, with one line per row of each receiver.
//!
//! Numbers have a fixed number of decimals, a missing value is an empty field, and lines end in a
//! line feed, so that the same run yields the same bytes on every platform.

use crate::{ClockState, TraceRow};
use engine::text::TextError;
use std::io::{Read, Write};
use std::str::FromStr;
use thiserror::Error;

/// The names of the columns: the receiver, followed by the fields of [`TraceRow`] in order.
const COLUMNS: [&str; 40] = [
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
    "glitches",
    "heard_ms",
    "silent_ms",
    "wrong_ms",
    "displayed_audio_percent",
    "displayed_underruns",
    "displayed_buffer_underruns",
    "displayed_level_percent",
];

/// Index of the first column about playback. These columns are empty if nothing was played.
const PLAYBACK: usize = 7;

/// Maximum length of a file that is read, in bytes: more than [`MOST_ROWS`] rows need.
const LONGEST_FILE: u64 = 2_000_000_000;
/// Maximum number of rows that are read: two weeks of four receivers with a row a second. They take
/// about 2 GB of memory.
const MOST_ROWS: usize = 5_000_000;
/// Maximum number of receivers whose rows are read: more than a picture can distinguish.
const MOST_RECEIVERS: usize = 100;
/// Maximum length of a receiver's name, in characters.
const LONGEST_NAME: usize = 255;
/// Largest time of a row, s: 30 years.
const LATEST_S: f64 = 1e9;
/// Maximum number of characters of a field that are quoted in an error.
const LONGEST_PIECE: usize = 60;

/// Why a file is not a trace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] std::io::Error),
    /// The file is not text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The file is too long.
    #[error("the file is longer than {LONGEST_FILE} bytes; cut it, as each part with the first line is a trace")]
    TooLong,
    /// The file has too many rows.
    #[error(
        "line {line}: there are more than {MOST_ROWS} rows; cut the file, as each part with the first line is a trace"
    )]
    Rows {
        /// The line, counted from 1.
        line: u64,
    },
    /// The file has too many receivers.
    #[error(
        "line {line}: there are more than {MOST_RECEIVERS} receivers, and `{name}` is one more; put them into several files"
    )]
    Receivers {
        /// The line, counted from 1.
        line: u64,
        /// The name of the receiver.
        name: String,
    },
    /// The rows of a receiver are not in order of time.
    #[error(
        "line {line}: time_s is {time_s} after a row of {before_s} s; right would be the rows of a receiver in order of time"
    )]
    Order {
        /// The line, counted from 1.
        line: u64,
        /// The time of the row.
        time_s: f64,
        /// The time of the previous row.
        before_s: f64,
    },
    /// The file is not CSV.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// The file has other columns.
    #[error("this is no trace: its first line must be `{}`", COLUMNS.join(","))]
    Columns,
    /// A field is invalid.
    #[error("line {line}: {column} is `{found}`; right would be {right}")]
    Field {
        /// The line, counted from 1.
        line: u64,
        /// The name of the column.
        column: &'static str,
        /// The text of the field.
        found: String,
        /// What would be right.
        right: &'static str,
    },
}

/// Writes rows one by one.
#[derive(Debug)]
pub struct Writer<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write> Writer<W> {
    /// Begins a file, with the names of the columns as its first line.
    ///
    /// # Errors
    /// If `to` cannot be written.
    pub fn new(to: W) -> Result<Self, csv::Error> {
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(COLUMNS)?;
        Ok(Self { writer })
    }

    /// Writes a row. `with_playback` is false if only a clock was run.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn write(&mut self, receiver: &str, row: &TraceRow, with_playback: bool) -> Result<(), csv::Error> {
        // The name is cut off so that everything that is written can be read again.
        let name: String = receiver.chars().take(LONGEST_NAME).collect();
        let mut fields = fields(&name, row);
        if !with_playback {
            fields[PLAYBACK..].iter_mut().for_each(String::clear);
        }
        self.writer.write_record(fields)
    }

    /// Flushes the rows written so far.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn flush(&mut self) -> Result<(), csv::Error> {
        Ok(self.writer.flush()?)
    }
}

/// Reads a trace. Returns the receivers in the order in which they first appear, with their rows.
///
/// ```
/// use trace::{TraceRow, Writer, read};
/// let mut file = Vec::new();
/// let mut writer = Writer::new(&mut file).unwrap();
/// let row = TraceRow { time_s: 1.0, underruns: 2, ..TraceRow::default() };
/// writer.write("studio", &row, true).unwrap();
/// writer.flush().unwrap();
/// drop(writer);
/// assert_eq!(read(&file[..]).unwrap(), [("studio".to_owned(), vec![row])]);
/// assert!(read(&b"time,level"[..]).is_err());
/// ```
///
/// # Errors
/// If the input is not a trace.
pub fn read(from: impl Read) -> Result<Vec<(String, Vec<TraceRow>)>, TraceError> {
    let mut bytes = Vec::new();
    from.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(TraceError::TooLong);
    }
    let text = engine::text::decode(&bytes)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    if reader.headers()? != &csv::StringRecord::from(&COLUMNS[..]) {
        return Err(TraceError::Columns);
    }
    let mut receivers: Vec<(String, Vec<TraceRow>)> = Vec::new();
    for (count, record) in reader.records().enumerate() {
        let record = record?;
        let line = Line { number: record.position().map_or(0, csv::Position::line), record: &record };
        if count >= MOST_ROWS {
            return Err(TraceError::Rows { line: line.number });
        }
        let (name, row) = (line.name()?, line.row()?);
        let is_full = receivers.len() == MOST_RECEIVERS;
        match receivers.iter_mut().find(|(other, _)| other == name) {
            Some((_, rows)) => {
                line.check_order(rows.last(), &row)?;
                rows.push(row);
            }
            None if is_full => {
                return Err(TraceError::Receivers { line: line.number, name: name.to_owned() });
            }
            None => receivers.push((name.to_owned(), vec![row])),
        }
    }
    Ok(receivers)
}

struct Line<'a> {
    number: u64,
    record: &'a csv::StringRecord,
}

impl Line<'_> {
    fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    fn wrong(&self, column: usize, right: &'static str) -> TraceError {
        let text = self.text(column);
        let mut found: String = text.chars().take(LONGEST_PIECE).collect();
        if found.len() < text.len() {
            found += "...";
        }
        TraceError::Field { line: self.number, column: COLUMNS[column], found, right }
    }

    fn name(&self) -> Result<&str, TraceError> {
        let name = self.text(0);
        let is_short = name.chars().take(LONGEST_NAME + 1).count() <= LONGEST_NAME;
        if is_short { Ok(name) } else { Err(self.wrong(0, "a name of at most 255 characters")) }
    }

    fn time_s(&self) -> Result<f64, TraceError> {
        const RIGHT: &str = "a time between 0 and 1000000000 s";
        let time_s = self.parse::<f64>(1, RIGHT)?.filter(|time_s| (0.0..=LATEST_S).contains(time_s));
        time_s.ok_or_else(|| self.wrong(1, RIGHT))
    }

    fn check_order(&self, before: Option<&TraceRow>, row: &TraceRow) -> Result<(), TraceError> {
        match before {
            Some(before) if row.time_s < before.time_s => {
                Err(TraceError::Order { line: self.number, time_s: row.time_s, before_s: before.time_s })
            }
            _ => Ok(()),
        }
    }

    fn parse<T: FromStr>(&self, column: usize, right: &'static str) -> Result<Option<T>, TraceError> {
        let text = self.text(column);
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| self.wrong(column, right)) }
    }

    fn optional(&self, column: usize) -> Result<Option<f64>, TraceError> {
        const RIGHT: &str = "a finite number, or nothing";
        match self.parse::<f64>(column, RIGHT)? {
            Some(number) if !number.is_finite() => Err(self.wrong(column, RIGHT)),
            number => Ok(number),
        }
    }

    fn number(&self, column: usize) -> Result<f64, TraceError> {
        Ok(self.optional(column)?.unwrap_or(f64::NAN))
    }

    fn count<T: FromStr + Default>(&self, column: usize) -> Result<T, TraceError> {
        Ok(self.parse(column, "a count")?.unwrap_or_default())
    }

    fn row(&self) -> Result<TraceRow, TraceError> {
        let state = STATES.into_iter().find(|&state| name(state) == self.text(2));
        Ok(TraceRow {
            time_s: self.time_s()?,
            clock_state: state.ok_or_else(|| self.wrong(2, "a state such as locked"))?,
            clock_error_us: self.optional(3)?,
            clock_sigma_us: self.optional(4)?,
            host_rate_ppm: self.optional(5)?,
            host_rate_truth_ppm: self.number(6)?,
            ratio_ppm: self.number(7)?,
            ratio_truth_ppm: self.number(8)?,
            depth_ms: self.number(9)?,
            fill_min_ms: self.number(10)?,
            fill_max_ms: self.number(11)?,
            underruns: self.count(12)?,
            crackles: self.parse(13, "a count")?,
            packets_late: self.count(14)?,
            packets_lost: self.count(15)?,
            latency_ms: self.optional(16)?,
            sender_off_ptp: self.parse(17, "true or false")?.unwrap_or_default(),
            packets_missed: self.count(18)?,
            packets_dropped: self.count(19)?,
            packets_refused: self.count(20)?,
            concealed_ms: self.number(21)?,
            depth_raised_ms: self.number(22)?,
            card_rate_error_ppm: self.optional(23)?,
            leg_a_lost: self.count(24)?,
            leg_b_lost: self.count(25)?,
            leg_b_skew_ms: self.optional(26)?,
            packets_altered: self.count(27)?,
            sender_error_us: self.optional(28)?,
            sender_sigma_us: self.optional(29)?,
            sender_wrong_timestamps: self.count(30)?,
            sender_jumps: self.count(31)?,
            glitches: self.parse(32, "a count")?,
            heard_ms: self.optional(33)?,
            silent_ms: self.optional(34)?,
            wrong_ms: self.optional(35)?,
            displayed_audio_percent: self.optional(36)?,
            displayed_underruns: self.parse(37, "a count")?,
            displayed_buffer_underruns: self.parse(38, "a count")?,
            displayed_level_percent: self.optional(39)?,
        })
    }
}

fn fields(receiver: &str, row: &TraceRow) -> [String; 40] {
    [
        receiver.to_owned(),
        fixed(row.time_s, 3),
        name(row.clock_state).to_owned(),
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
        count(row.crackles),
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
        count(row.glitches),
        optional(row.heard_ms, 3),
        optional(row.silent_ms, 3),
        optional(row.wrong_ms, 3),
        optional(row.displayed_audio_percent, 3),
        count(row.displayed_underruns),
        count(row.displayed_buffer_underruns),
        optional(row.displayed_level_percent, 1),
    ]
}

fn count(value: Option<u32>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn optional(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(String::new, |value| fixed(value, decimals))
}

/// Formats a number with this many decimals; empty if the number is unknown (NaN). A negative zero
/// loses its sign, because the sign would depend on rounding.
fn fixed(value: f64, decimals: usize) -> String {
    if value.is_nan() {
        return String::new();
    }
    let text = format!("{value:.decimals$}");
    let is_zero = text.chars().all(|character| matches!(character, '-' | '0' | '.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

const STATES: [ClockState; 5] =
    [ClockState::Listening, ClockState::Acquiring, ClockState::Locked, ClockState::Holdover, ClockState::Unlocked];

fn name(state: ClockState) -> &'static str {
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
            crackles: Some(2),
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
            glitches: Some(3),
            heard_ms: Some(990.0),
            silent_ms: None,
            wrong_ms: Some(7.25),
            displayed_audio_percent: Some(91.25),
            displayed_underruns: Some(0),
            displayed_buffer_underruns: None,
            displayed_level_percent: Some(200.0),
        }
    }

    fn written(row: &TraceRow) -> String {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes).unwrap();
        writer.write("ours, \"new\"", row, true).unwrap();
        writer.flush().unwrap();
        drop(writer);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn rows_are_written_with_fixed_decimals_and_gaps() {
        insta::assert_snapshot!(written(&row()), @r#"
        receiver,time_s,clock_state,clock_error_us,clock_sigma_us,host_rate_ppm,host_rate_truth_ppm,ratio_ppm,ratio_truth_ppm,depth_ms,fill_min_ms,fill_max_ms,underruns,crackles,packets_late,packets_lost,latency_ms,sender_off_ptp,packets_missed,packets_dropped,packets_refused,concealed_ms,depth_raised_ms,card_rate_error_ppm,leg_a_lost,leg_b_lost,leg_b_skew_ms,packets_altered,sender_error_us,sender_sigma_us,sender_wrong_timestamps,sender_jumps,glitches,heard_ms,silent_ms,wrong_ms,displayed_audio_percent,displayed_underruns,displayed_buffer_underruns,displayed_level_percent
        "ours, ""new""",1.000,holdover,-1.235,,0.0000,12.0000,-7.5000,-7.2500,50.0000,49.0000,51.0000,0,2,3,4,55.12346,true,-1,5,6,7.500,8.000,-0.2500,9,10,,11,-0.500,,12,13,3,990.000,,7.250,91.250,0,,200.0
        "#);
    }

    #[test]
    fn the_columns_are_the_fields_of_a_row() {
        let serde_json::Value::Object(fields) = serde_json::to_value(row()).unwrap() else { panic!("not a struct") };
        assert_eq!(fields.len() + 1, COLUMNS.len());
        assert!(COLUMNS[1..].iter().all(|column| fields.contains_key(*column)));
        assert_eq!(fields["clock_state"], name(ClockState::Holdover));
    }

    #[test]
    fn what_was_written_is_read_again() {
        let text = written(&TraceRow { ratio_truth_ppm: f64::NAN, ..row() });
        let read = read(text.as_bytes()).unwrap();
        assert_eq!((read.len(), read[0].0.as_str()), (1, "ours, \"new\""));
        assert!(read[0].1[0].ratio_truth_ppm.is_nan());
        assert_eq!(written(&read[0].1[0]), text);
    }

    #[test]
    fn what_cannot_be_shown_is_refused_with_its_line() {
        let text = written(&row());
        let (heading, line) = text.trim_end().split_once('\n').unwrap();
        let said = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        for time in ["inf", "-inf", "nan", "-1", "1e300", ""] {
            let right = "right would be a time between 0 and 1000000000 s";
            let wrong = text.replace(",1.000,", &format!(",{time},"));
            assert_eq!(said(&wrong), format!("line 2: time_s is `{time}`; {right}"));
        }
        let right = "right would be a finite number, or nothing";
        assert_eq!(said(&text.replace(",55.12346,", ",inf,")), format!("line 2: latency_ms is `inf`; {right}"));
        assert_eq!(said(&text.replace(",50.0000,", ",nan,")), format!("line 2: depth_ms is `nan`; {right}"));
        let earlier = format!("{text}{}\n", line.replace(",1.000,", ",0.500,"));
        let right = "right would be the rows of a receiver in order of time";
        assert_eq!(said(&earlier), format!("line 3: time_s is 0.5 after a row of 1 s; {right}"));
        let many: String =
            (0..=MOST_RECEIVERS).map(|i| line.replace("ours, \"\"new\"\"", &i.to_string()) + "\n").collect();
        let right = "there are more than 100 receivers, and `100` is one more; put them into several files";
        assert_eq!(said(&format!("{heading}\n{many}")), format!("line 102: {right}"));
    }

    #[test]
    fn names_are_as_long_as_can_be_read() {
        let named = |letters: usize| format!("{},1,locked{}", "a".repeat(letters), ",".repeat(COLUMNS.len() - 3));
        let file = |letters: usize| format!("{}\n{}\n", COLUMNS.join(","), named(letters));
        let error = read(file(100_000).as_bytes()).unwrap_err().to_string();
        let said =
            format!("line 2: receiver is `{}...`; right would be a name of at most 255 characters", "a".repeat(60));
        assert_eq!(error, said);
        assert!(read(file(255).as_bytes()).is_ok());
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes).unwrap();
        writer.write(&"ä".repeat(300), &row(), true).unwrap();
        writer.flush().unwrap();
        drop(writer);
        assert_eq!(read(&bytes[..]).unwrap()[0].0, "ä".repeat(255));
    }

    #[test]
    fn a_trace_in_another_encoding_is_read_or_refused_with_its_place() {
        let text = written(&row());
        let utf16: Vec<u8> = "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(written(&read(&utf16[..]).unwrap()[0].1[0]), text);
        let mut latin = text.into_bytes();
        let name = latin.windows(4).position(|bytes| bytes == b"ours").unwrap();
        latin[name] = 0xE9;
        let said = "line 2, byte 2: the text is not UTF-8 (byte 0xE9); save it as UTF-8";
        assert_eq!(read(&latin[..]).unwrap_err().to_string(), said);
    }

    #[test]
    fn a_wrong_field_is_named_with_its_line() {
        let text = written(&row());
        let wrong = |from: &str, to: &str| read(text.replace(from, to).as_bytes()).unwrap_err().to_string();
        assert_eq!(
            wrong(",holdover,", ",lost,"),
            "line 2: clock_state is `lost`; right would be a state such as locked"
        );
        assert_eq!(wrong(",55.12346,", ",x,"), "line 2: latency_ms is `x`; right would be a finite number, or nothing");
        assert!(wrong("time_s", "time").starts_with("this is no trace"));
    }
}
