//! The table of checks for a terminal: the limit, the measured value, and the verdict.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};

/// Width of the widest table, so that it fits into a slightly enlarged terminal.
const WIDTH: u16 = 100;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within its limit.
    Pass,
    /// Beyond its limit: the run fails.
    Fail,
    /// Beyond its limit, as the scenario demands: a baseline shows the fault.
    ExpectedFailure,
    /// Within its limit although the scenario says that it must fail: the baseline no longer shows
    /// the fault.
    UnexpectedPass,
    /// There was too little data to judge it: the run fails.
    NotJudged,
    /// The data that it needs were left out of the run on request.
    Skipped,
    /// A metric without a limit, for information.
    Info,
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::ExpectedFailure => "fails as expected",
            Self::UnexpectedPass => "UNEXPECTED PASS",
            Self::NotJudged => "NOT JUDGED",
            Self::Skipped => "skipped",
            Self::Info => "–",
        }
    }

    /// The terminal's codes for bold and colour (ECMA-48, Select Graphic Rendition).
    fn colour(self) -> &'static str {
        match self {
            Self::Pass => "\u{1b}[32m",
            Self::Fail | Self::UnexpectedPass | Self::NotJudged => "\u{1b}[1;31m",
            Self::ExpectedFailure | Self::Skipped => "\u{1b}[33m",
            Self::Info => "\u{1b}[2m",
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The receiver's name.
    pub receiver: String,
    /// What was checked: `"lock time"`.
    pub check: String,
    /// The limit with its unit: `"<= 30 s"`; empty where there is none.
    pub limit: String,
    /// What was measured, with its unit: `"11.4 s"`.
    pub measured: String,
    /// How it ended.
    pub verdict: Verdict,
}

/// The table as text of at most 100 columns, without a line feed at the end. A receiver is named on
/// its first line only. Colours are only suitable for a terminal; the caller decides.
///
/// ```
/// use sim::report::{Check, Verdict, render_table};
///
/// let check = Check {
///     receiver: "engine".into(),
///     check: "lock time".into(),
///     limit: "<= 30 s".into(),
///     measured: "11.4 s".into(),
///     verdict: Verdict::Pass,
/// };
/// assert!(render_table(&[check], false).contains("11.4 s"));
/// ```
#[must_use]
pub fn render_table(checks: &[Check], colours: bool) -> String {
    let mut table = Table::new();
    // Lines between all rows would double the table's height.
    let row_separator = presets::NOTHING.row_separator;
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(row_separator));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["receiver", "check", "limit", "measured", "verdict"]);
    for (index, check) in checks.iter().enumerate() {
        let repeated = index > 0 && checks[index - 1].receiver == check.receiver;
        let receiver = if repeated { "" } else { &check.receiver };
        table.add_row([receiver, &check.check, &check.limit, &check.measured, check.verdict.text()]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if index == 2 || index == 3 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if let Some(verdict) = table.column_mut(4) {
        verdict.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(19)));
    }
    let plain = table.trim_fmt();
    if colours { paint(&plain, checks) } else { plain }
}

/// Colours the verdicts, which are at the end of lines. This is done after the layout, which would
/// count the codes as columns.
fn paint(plain: &str, checks: &[Check]) -> String {
    let mut waiting = checks.iter().map(|check| check.verdict).peekable();
    let paint_line = |line: &str| {
        let line = line.trim_end();
        match waiting.next_if(|verdict| line.ends_with(verdict.text())) {
            Some(verdict) => {
                let start = &line[..line.len() - verdict.text().len()];
                format!("{start}{}{}\u{1b}[0m", verdict.colour(), verdict.text())
            }
            None => line.to_owned(),
        }
    };
    plain.lines().map(paint_line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        let check = |receiver: &str, check: &str, limit: &str, measured: &str, verdict| Check {
            receiver: receiver.into(),
            check: check.into(),
            limit: limit.into(),
            measured: measured.into(),
            verdict,
        };
        vec![
            check("engine", "lock time", "≤ 30 s", "11.4 s", Verdict::Pass),
            check("engine", "largest ratio error", "≤ 1 ppm", "0.62 ppm", Verdict::Pass),
            check("engine", "latency", "", "54.2 ms", Verdict::Info),
            check("prototype", "crackles", "≤ 0", "57", Verdict::ExpectedFailure),
            check("prototype", "time without lock", "≤ 5 s", "312 s", Verdict::Fail),
        ]
    }

    #[test]
    fn the_table_is_aligned() {
        insta::assert_snapshot!(render_table(&checks(), false), @r#"
        ──────────────────────────────────────────────────────────────────────────
         receiver    check                   limit   measured   verdict
        ══════════════════════════════════════════════════════════════════════════
         engine      lock time              ≤ 30 s     11.4 s   pass
                     largest ratio error   ≤ 1 ppm   0.62 ppm   pass
                     latency                          54.2 ms   –
         prototype   crackles                  ≤ 0         57   fails as expected
                     time without lock       ≤ 5 s      312 s   FAIL
        ──────────────────────────────────────────────────────────────────────────
        "#);
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let painted = render_table(&checks(), true);
        insta::assert_snapshot!(painted.replace('\u{1b}', "ESC").lines().nth(3).unwrap(), @" engine      lock time              ≤ 30 s     11.4 s   ESC[32mpassESC[0m");
        let codes = ["\u{1b}[32m", "\u{1b}[1;31m", "\u{1b}[33m", "\u{1b}[2m", "\u{1b}[0m"];
        let plain = codes.iter().fold(painted, |text, code| text.replace(code, ""));
        let lines = |text: &str| text.lines().map(str::trim_end).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&plain), lines(&render_table(&checks(), false)));
    }

    #[test]
    fn long_texts_wrap_within_a_hundred_columns() {
        let mut checks = checks();
        checks[0].check = "a check whose name is much longer than anybody would like it to be in a terminal ".repeat(3);
        let longest = render_table(&checks, false).lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{longest:?}");
        assert!(render_table(&[], true).contains("verdict"));
    }
}
