//! What must hold of scenario files, whatever bytes they have.
//!
//! Shared by the fuzz target and by `sim/tests/properties.rs`.

use sim::run::Budget;
use sim::scenario::{Loaded, ScenarioError};
use std::path::Path;

/// Nothing is beside it that a scenario could name.
const FILE: &str = "none/fuzzed.toml";
/// What a sentence may be longer than the line that it is about: by the names that would be right.
const LONGEST_REASON: usize = 4000;
/// The most of a line that is shown.
const LONGEST_SHOWN: usize = 200;
/// Frames of the programme that are looked at.
const FRAMES: usize = 64;

/// Complete scenarios that lines are put into: only clocks, and with audio.
const BASES: [&str; 2] = [CLOCKS, AUDIO];
const CLOCKS: &str = include_str!("bases/clocks.toml");
const AUDIO: &str = include_str!("bases/audio.toml");

/// A file of any bytes is refused with its name, a place that it has, and a reason; or it is a
/// scenario, whose programme has samples within full scale, and whose cost is a number that is
/// within the limits or refused.
///
/// Bytes that begin with one that no text has are lines to be put into a scenario that is right.
pub(crate) fn scenario_file(bytes: &[u8]) {
    let patched = match bytes.split_first() {
        Some((&first, lines)) if first < 8 => patched(BASES[usize::from(first) % BASES.len()], lines),
        _ => bytes.to_vec(),
    };
    let text = match engine::text::decode(&patched) {
        Ok(text) => text,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    match Loaded::from_text(Path::new(FILE), &text) {
        Ok(loaded) => {
            is_heard(&loaded);
            is_counted(&loaded);
        }
        Err(error) => is_explained(&error, &text),
    }
}

/// The scenario with lines in it: of each the first byte is its place in hundredths and a half of
/// the whole, and whether it replaces the line there.
fn patched(base: &str, lines: &[u8]) -> Vec<u8> {
    let mut text: Vec<&[u8]> = base.lines().map(str::as_bytes).collect();
    for line in lines.split(|&byte| byte == b'\n') {
        let Some((&place, line)) = line.split_first() else { continue };
        let at = usize::from(place >> 1) * text.len() / 128;
        if place & 1 == 1 { text[at] = line } else { text.insert(at, line) }
    }
    text.join(&b'\n')
}

fn is_heard(loaded: &Loaded) {
    assert_eq!(loaded.stream.is_some(), loaded.scenario.chain().is_some());
    let Some(stream) = &loaded.stream else { return };
    let mut out = vec![f32::NAN; FRAMES * stream.format.channels()];
    stream.source.render(-7, &mut out);
    assert!(out.iter().all(|sample| sample.abs() <= 1.0), "not filled, or beyond full scale");
}

fn is_counted(loaded: &Loaded) {
    let budget = Budget::of(loaded);
    let (events, bytes) = (budget.events(), budget.bytes());
    assert!(events.is_finite() && events >= 0.0 && bytes.is_finite() && bytes >= 0.0, "{budget:?}");
    if let Err(error) = budget.check(loaded) {
        let said = error.to_string();
        assert!(said.starts_with(FILE) && said.len() < LONGEST_REASON, "{said}");
    }
}

fn is_explained(error: &ScenarioError, text: &str) {
    let ScenarioError::Invalid { path, line, column, message, text: shown } = error else {
        panic!("without a place: {error}");
    };
    assert_eq!(path, Path::new(FILE), "{error}");
    let index = line.checked_sub(1).expect("lines are counted from 1");
    let whole = text.split('\n').nth(index).unwrap_or_else(|| panic!("beyond the end: {error}"));
    // What is missing at the end of a line is after it.
    assert!((1..=whole.chars().count() + 1).contains(column), "beyond its line: {error}");
    assert!(whole.starts_with(shown.as_str()) && shown.chars().count() <= LONGEST_SHOWN, "{error}");
    assert!(!message.is_empty() && message.len() <= LONGEST_REASON + text.len().min(LONGEST_REASON), "{error}");
}
