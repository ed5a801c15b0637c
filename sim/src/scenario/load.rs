//! Loads a scenario file: reading, overrides, deserialising, and the programme.

use super::explain::{Complaint, choices, explain, piece};
use super::layers::{EXTENDS, LONGEST_SCENARIO, Layers, SourceFile, Wrong};
use super::shape::{LISTS, first_wrong, keys_at};
use super::{Audio, Scenario, ScenarioError, Source, Talker};
use crate::signal::{SourceSignal, Tone};
use engine::SampleRate;
use engine::rtp::format::{MAX_PAYLOAD, StreamFormat};
use serde::de::DeserializeOwned;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeValue;

/// Most tones of a programme. Judgement: more than anybody can tell apart; one second of each is
/// computed when the scenario is read.
const MOST_TONES: usize = 64;

/// A scenario that can be run, with its programme.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The path of its file.
    pub path: PathBuf,
    /// Its name: the file's name without extension.
    pub name: String,
    /// Its file, and those that it extends, as they were read.
    pub files: Vec<SourceFile>,
    /// The overrides that were applied, as given.
    pub overrides: Vec<String>,
    /// The overrides that changed the scenario.
    pub changes: Vec<String>,
    /// Its contents.
    pub scenario: Scenario,
    /// The stream, if the scenario has an audio chain.
    pub stream: Option<Stream>,
}

/// The stream of a scenario.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What the talker sends.
    pub source: Arc<SourceSignal>,
    /// Its format.
    pub format: StreamFormat,
}

impl Stream {
    /// The programme at a sound card's rate: what a listener to that card compares with.
    #[must_use]
    pub fn source_at(&self, rate: SampleRate) -> Arc<SourceSignal> {
        if rate == self.source.sample_rate() { self.source.clone() } else { Arc::new(self.source.at_rate(rate)) }
    }
}

impl Loaded {
    /// Reads and checks a scenario. `overrides` are of the form `key.key=value`, the value in TOML.
    ///
    /// # Errors
    /// With file, line and what would be right.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, ScenarioError> {
        let bytes = read_at_most(path, LONGEST_SCENARIO)
            .map_err(|source| ScenarioError::Unreadable { path: path.to_owned(), source })?;
        let no_text = |reason: String| ScenarioError::NoText { path: path.to_owned(), reason };
        let bytes = bytes.ok_or_else(|| {
            no_text(format!("more than {LONGEST_SCENARIO} bytes are no scenario; give the path of a scenario file"))
        })?;
        let text = engine::text::decode(&bytes).map_err(|error| no_text(error.to_string()))?;
        Self::parse(path, &text, overrides)
    }

    /// Loads the text of a file that need not exist: its path gives the name, and files that it
    /// names are relative to it.
    ///
    /// # Errors
    /// With file, line and what would be right.
    pub fn from_text(path: &Path, text: &str) -> Result<Self, ScenarioError> {
        Self::parse(path, text, &[])
    }

    fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Self, ScenarioError> {
        let file = File { layers: Layers::read(path, text)?, overrides };
        let (mut scenario, changes) = file.parse(overrides)?;
        file.check(&scenario)?;
        file.read_delays(&mut scenario)?;
        file.place_programs(&mut scenario);
        let stream = file.stream(&scenario)?;
        let name = path.file_stem().map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy().into_owned());
        let (path, overrides) = (path.to_owned(), overrides.to_vec());
        Ok(Self { path, name, files: file.layers.into_files(), overrides, changes, scenario, stream })
    }
}

/// The contents of a file, if they do not exceed this many bytes.
pub(super) fn read_at_most(path: &Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= most))
}

/// A scenario's files, for error positions, and the changes from the command line.
pub(super) struct File<'a> {
    layers: Layers,
    overrides: &'a [String],
}

impl File<'_> {
    pub(super) fn error(&self, span: &Range<usize>, message: impl Into<String>) -> ScenarioError {
        let mut message = message.into();
        // The displayed line may be right, and the value that replaced it wrong.
        if !self.overrides.is_empty() {
            message += &format!(" (with --set {})", self.overrides.join(" --set "));
        }
        self.layers.error(span, message)
    }

    /// The error about a key of a section, at its line, or at the `--set` that gave its value.
    pub(super) fn error_of(&self, section: &str, key: &str, message: impl Into<String>) -> ScenarioError {
        let section_path = section.trim_matches(['[', ']']);
        let path = if section_path.is_empty() { key.to_owned() } else { format!("{section_path}.{key}") };
        let sets = |assignment: &&String| {
            let set = assignment.split('=').next().unwrap_or_default().trim();
            !key.is_empty() && (set == path || set.starts_with(&format!("{path}.")))
        };
        match self.overrides.iter().rev().find(sets) {
            Some(assignment) => ScenarioError::Override { assignment: piece(assignment), message: message.into() },
            None => self.error(&self.find(section, key), message),
        }
    }

    /// The path of a file that the scenario names: relative to the file that names it. What the
    /// command line names is relative to the scenario's own.
    pub(super) fn beside(&self, path: &Spanned<PathBuf>) -> PathBuf {
        let is_said = |said: &DeValue<'_>| said.as_str().map(Path::new) == Some(path.get_ref());
        self.folder_of(&path.span(), is_said).join(path.get_ref())
    }

    /// The folder of the file that has a value at this place; that of the scenario if the value
    /// there `is` another one, because the command line has changed it.
    pub(super) fn folder_of(&self, span: &Range<usize>, is: impl Fn(&DeValue<'_>) -> bool) -> &Path {
        let said = self.layers.text().get(span.clone()).and_then(|text| DeValue::parse(text).ok());
        self.layers.folder_at(if said.is_some_and(|said| is(said.get_ref())) { span.start } else { 0 })
    }

    /// The scenario, and the overrides that changed it.
    fn parse(&self, overrides: &[String]) -> Result<(Scenario, Vec<String>), ScenarioError> {
        let wrong = |(place, message): Wrong| self.error(&place, message);
        let mut plain: Scenario = read(&self.layers).map_err(wrong)?;
        if overrides.is_empty() {
            return Ok((plain, Vec::new()));
        }
        let mut table: toml::Table = read(&self.layers).map_err(wrong)?;
        let (mut changed, mut changes) = (plain.clone(), Vec::new());
        for assignment in overrides {
            let failed = |message: String| ScenarioError::Override { assignment: piece(assignment), message };
            let before = table.clone();
            apply(&mut table, assignment).map_err(failed)?;
            if table != before {
                changes.push(assignment.clone());
            }
            let layers = Layers::single(table.to_string());
            changed = read(&layers).map_err(|(_, message)| failed(message))?;
        }
        point_into(&mut changed, &mut plain);
        Ok((changed, changes))
    }

    fn stream(&self, scenario: &Scenario) -> Result<Option<Stream>, ScenarioError> {
        let Some(chain) = scenario.chain() else { return Ok(None) };
        let format = self.format(chain.talker)?;
        let source = self.source(chain.talker, scenario.record.audio)?.quantised(chain.talker.encoding.bits());
        Ok(Some(Stream { source: Arc::new(source), format }))
    }

    pub(super) fn format(&self, talker: &Talker) -> Result<StreamFormat, ScenarioError> {
        let channels = usize::from(talker.channels);
        let format = StreamFormat::new(talker.encoding.encoding(), talker.sample_rate_hz.rate(), channels)
            .map_err(|error| self.error_of("[talker]", "channels", error.to_string()))?;
        let payload = usize::from(talker.packet_frames) * format.bytes_per_frame();
        if payload == 0 || payload > MAX_PAYLOAD {
            let frames = MAX_PAYLOAD / format.bytes_per_frame();
            let message = format!(
                "packets of {} frames have a payload of {payload} bytes: packet_frames must be 1 to {frames} for this format",
                talker.packet_frames
            );
            return Err(self.error_of("[talker]", "packet_frames", message));
        }
        Ok(format)
    }

    fn source(&self, talker: &Talker, audio: Audio) -> Result<SourceSignal, ScenarioError> {
        let section = self.find("[talker]", "source");
        let rate = talker.sample_rate_hz.rate();
        match &talker.source {
            Source::Wav(wav) => {
                let path = self.beside(wav);
                // Nobody hears it, but it is a part of the scenario.
                let read = if audio == Audio::None { SourceSignal::silence_for_wav } else { SourceSignal::from_wav };
                read(&path, rate, talker.channels).map_err(|error| self.error(&wav.span(), error.to_string()))
            }
            Source::Tones(tones) if tones.len() > MOST_TONES => {
                let message = format!("there are {} tones: a programme has at most {MOST_TONES}", tones.len());
                Err(self.error(&section, message))
            }
            Source::Tones(tones) => {
                let tones: Vec<Tone> = tones
                    .iter()
                    .map(|tone| Tone { frequency_hz: tone.frequency_hz.get(), level_dbfs: tone.level_dbfs.get() })
                    .collect();
                SourceSignal::tones(rate, talker.channels, &tones)
                    .map_err(|error| self.error(&section, error.to_string()))
            }
            Source::Silence => {
                SourceSignal::silence(rate, talker.channels).map_err(|error| self.error(&section, error.to_string()))
            }
        }
    }

    /// The place of a key's line in a section, or of the section's heading, or the start of the
    /// file. The file that extends others comes first.
    pub(super) fn find(&self, section: &str, key: &str) -> Range<usize> {
        let mut heading = None;
        for (start, text) in self.layers.each() {
            match line_of(text, section, key) {
                (Some(line), _) => return line.start + start..line.end + start,
                (None, found) => {
                    heading = heading.or_else(|| found.map(|found| found.start + start..found.end + start));
                }
            }
        }
        heading.unwrap_or(0..0)
    }
}

/// The place of a key's line in a section of a text, and that of the section's last heading.
fn line_of(text: &str, section: &str, key: &str) -> (Option<Range<usize>>, Option<Range<usize>>) {
    let (mut at, mut inside, mut heading) = (0, section.is_empty(), None);
    for line in text.split_inclusive('\n') {
        let start = at + line.len() - line.trim_start().len();
        at += line.len();
        let line = line.trim();
        if line.starts_with('[') {
            inside = line == section;
            if inside {
                heading = Some(start..start + line.len());
            }
        }
        let names = |rest: &str| rest.trim_start().starts_with(['=', '.']);
        if inside && line.strip_prefix(key).is_some_and(names) {
            return (Some(start..start + line.len()), heading);
        }
    }
    (None, heading)
}

/// Reads the files of a scenario.
fn read<T: DeserializeOwned>(layers: &Layers) -> Result<T, Wrong> {
    let text = layers.text();
    let document = layers.document()?;
    if let Some(wrong) = first_wrong(text, &document) {
        return Err(wrong);
    }
    T::deserialize(toml::Deserializer::from(Spanned::new(0..text.len(), document.clone()))).map_err(|error| {
        let place = error.span().unwrap_or(0..0);
        let message = error.message();
        // An error in the only key of a table has the table's place.
        let is_inside = message.contains(" is out of range: ") || is_of_type(message);
        let complaint = Complaint {
            message,
            keys: &keys_at(&document, place.start, is_inside),
            found: text.get(place.clone()).unwrap_or_default(),
            choices: &choices_at::<T>(layers, &place),
        };
        let message = explain(&complaint);
        (place, message)
    })
}

/// Whether a message is about a value of a wrong type that is no table.
fn is_of_type(message: &str) -> bool {
    let of_value = |rest: &str| !rest.starts_with("map") && !rest.starts_with("unit variant");
    ["invalid type: ", "invalid value: "].iter().any(|start| message.strip_prefix(start).is_some_and(of_value))
}

/// The names that would be right at a place where a choice of names is: what the deserialiser says
/// of a name that nothing has.
fn choices_at<T: DeserializeOwned>(layers: &Layers, place: &Range<usize>) -> Vec<String> {
    let asked = layers.replaced(place, "\"?\"").filter(|_| !place.is_empty());
    let Some(asked) = asked else { return Vec::new() };
    let Ok(document) = asked.document() else { return Vec::new() };
    let error = T::deserialize(toml::Deserializer::from(Spanned::new(0..0, document))).err();
    error.map_or_else(Vec::new, |error| choices(error.message()))
}

/// Takes the positions of values from the file, because those of the changed copy refer to a text
/// that the user does not see.
fn point_into(changed: &mut Scenario, plain: &mut Scenario) {
    fn same_place<T: Clone>(changed: &mut Spanned<T>, plain: Option<&Spanned<T>>) {
        let span = plain.map_or(0..0, Spanned::span);
        *changed = Spanned::new(span, changed.get_ref().clone());
    }
    for (i, receiver) in changed.receivers.iter_mut().enumerate() {
        let plain = plain.receivers.get(i);
        same_place(&mut receiver.name, plain.map(|plain| &plain.name));
        if let Some(program) = &mut receiver.process {
            same_place(&mut program.command, plain.and_then(|plain| Some(&plain.process.as_ref()?.command)));
        }
    }
    for (i, fault) in changed.faults.iter_mut().enumerate() {
        same_place(&mut fault.at_s, plain.faults.get(i).map(|plain| &plain.at_s));
    }
    for (i, expectation) in changed.expectations.iter_mut().enumerate() {
        let plain = plain.expectations.get(i);
        same_place(&mut expectation.receiver, plain.map(|plain| &plain.receiver));
        same_place(&mut expectation.metric, plain.map(|plain| &plain.metric));
    }
    let plain_paths = plain.paths_mut();
    for (name, path) in changed.paths_mut() {
        let Some(file) = &mut path.delay_file else { continue };
        let plain = plain_paths.iter().find(|(plain, _)| *plain == name);
        same_place(&mut file.path, plain.and_then(|(_, path)| Some(&path.delay_file.as_ref()?.path)));
    }
    if let Some(Talker { source: Source::Wav(wav), .. }) = &mut changed.talker {
        let plain = plain.talker.as_ref().map(|talker| &talker.source);
        same_place(wav, if let Some(Source::Wav(plain)) = plain { Some(plain) } else { None });
    }
}

/// Applies `key.key=value` to a table; numbers in the path index lists.
fn apply(table: &mut toml::Table, assignment: &str) -> Result<(), String> {
    let (path, value) =
        assignment.split_once('=').ok_or_else(|| "write key.key=value, such as card.callback_frames=480".to_owned())?;
    let parsed: toml::Table = toml::from_str(&format!("value = {value}")).map_err(|error| {
        let value = piece(value);
        if error.message().ends_with("number overflowed") {
            return format!("{value} is out of range: no number here has so many digits");
        }
        format!("`{value}` is no TOML value; quote text as '\"text\"'")
    })?;
    let value = parsed.get("value").cloned().ok_or_else(|| "a value is missing".to_owned())?;
    let keys: Vec<&str> = path.trim().split('.').collect();
    if keys.iter().any(|key| key.is_empty()) {
        return Err(format!("`{}` is no path to a value: write key.key=value", path.trim()));
    }
    match keys[..] {
        [EXTENDS, ..] => {
            Err("which file a scenario extends is told in the scenario; set the keys themselves".to_owned())
        }
        // A list that the scenario does not have begins with its first item.
        [list, index] if LISTS.contains(&list) && index.parse::<usize>().is_ok() => {
            table.entry(list).or_insert_with(|| toml::Value::Array(Vec::new()));
            place(table, &keys, value)
        }
        _ => place(table, &keys, value),
    }
}

/// Puts a value into a table, at the end of its keys.
fn place(table: &mut toml::Table, keys: &[&str], value: toml::Value) -> Result<(), String> {
    let Some((key, rest)) = keys.split_first() else { return Ok(()) };
    if rest.is_empty() {
        table.insert((*key).to_owned(), value);
        return Ok(());
    }
    let next = table.entry((*key).to_owned()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    match next {
        toml::Value::Table(section) => place(section, rest, value),
        toml::Value::Array(list) => {
            let (index, inside) = (rest[0].parse::<usize>().ok(), &rest[1..]);
            let count = list.len();
            let last = keys.last().copied().unwrap_or_default();
            let number = || {
                let named = if inside.is_empty() && index.is_some() { String::new() } else { format!(".{last}") };
                format!("there are {count} of `{key}`: name one by its number from 0, such as {key}.0{named}")
            };
            match (index.and_then(|index| list.get_mut(index)), inside) {
                (Some(item), []) => *item = value,
                (Some(toml::Value::Table(item)), _) => place(item, inside, value)?,
                (None, []) if index == Some(count) => list.push(value),
                (None, []) if index.is_some() => {
                    return Err(format!("{}; {key}.{count} adds one", number()));
                }
                _ => return Err(number()),
            }
            Ok(())
        }
        _ => Err(format!("`{key}` is a value, not a section")),
    }
}
