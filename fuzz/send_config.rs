//! What must hold of the configuration files of `aes67 send`, whatever bytes they have.
//!
//! Shared by the fuzz target, which compiles the command's modules beside this one, and by the
//! command's tests.

use super::locate::Language;
use super::plan::{Origin, Plan};
use crate::channels::ChannelList;
use crate::failure::{Failure, Result};
use crate::text_file::text_of;
use std::path::Path;

/// Its folder is the one that its paths are seen from, so that they stay as they are.
const FILE: &str = "send.toml";
/// Paths that the command may complain about later, when the source is known.
const LATER: [&str; 6] =
    ["source", "source.tone_hz", "stream", "stream[0].channels", "stream[1].destination", "interface"];
/// What a sentence may be longer than the file: by the names that would be right.
const LONGEST_REASON: usize = 1000;

/// A file of any bytes is refused with its name, a line that it has, and a reason; or it is a plan,
/// whose parts are within their limits, and which is the same when it was written in either
/// language and read again.
pub(crate) fn send_config(bytes: &[u8]) {
    let file = Path::new(FILE);
    let (plan, origin) = match text_of(file, bytes).and_then(|text| Plan::of_text(file, text)) {
        Ok(read) => read,
        Err(failure) => return is_explained(&failure, bytes),
    };
    for stream in &plan.streams {
        assert!((1..=2).contains(&stream.destination.0.len()), "{stream:?}");
        let channels = stream.channels.as_ref().map_or(&[0][..], ChannelList::as_slice);
        assert!((1..=ChannelList::MOST).contains(&channels.len()), "{} channels", channels.len());
    }
    for path in LATER {
        is_explained(&origin.failure(path, "a reason"), bytes);
    }
    let toml = write(&plan, Language::Toml);
    assert_eq!(written_again(&toml, Language::Toml), toml);
    let numbers = [plan.source.tone_hz, plan.source.level_dbfs];
    // JSON has no other numbers.
    if numbers.into_iter().flatten().all(f64::is_finite) {
        assert_eq!(written_again(&write(&plan, Language::Json), Language::Toml), toml);
    }
}

fn is_explained(failure: &Failure, bytes: &[u8]) {
    let said = failure.to_string();
    let Failure::Input(_) = failure else { panic!("not the file's fault: {said}") };
    let rest = said.strip_prefix(FILE).unwrap_or_else(|| panic!("without the file's name: {said}"));
    assert!(said.len() <= 4 * bytes.len() + LONGEST_REASON, "{} bytes: {said}", said.len());
    // What is no text at all has a place of another form.
    let Some((line, reason)) = rest.strip_prefix(':').and_then(|rest| rest.split_once(": ")) else {
        panic!("without a place: {said}");
    };
    assert!(!reason.is_empty(), "without a reason: {said}");
    if let Ok(line) = line.parse::<usize>() {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
        assert!((1..=lines).contains(&line), "the file has {lines} lines: {said}");
    } else {
        assert!(rest.starts_with(": line "), "without a line: {said}");
    }
}

fn write(plan: &Plan, language: Language) -> String {
    plan.to_text(language).expect("a plan that was read can be written")
}

fn written_again(text: &str, language: Language) -> String {
    let read: Result<(Plan, Origin)> = Plan::of_text(Path::new(FILE), text.to_owned());
    let (plan, _) = read.unwrap_or_else(|failure| panic!("what was written cannot be read: {failure}\n{text}"));
    write(&plan, language)
}
