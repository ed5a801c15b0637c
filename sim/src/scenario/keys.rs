//! Every key of a scenario in a person's words, and as a JSON Schema for editors.
//!
//! `keys.json` is made by `cargo xtask docs` from the source of this folder, as is the page of the
//! documentation; `cargo xtask test` fails if it is not up to date.

use super::explain::{closest, example};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use std::fmt::Write;

/// The data.
const DATA: &str = include_str!("keys.json");
/// The type of a whole scenario.
const ROOT: &str = "Scenario";
/// Types of sections, which an extending file may have in part.
const SECTIONS: [&str; 9] =
    ["Record", "Grandmaster", "Talker", "Sender", "Network", "Path", "Host", "Card", "PlayoutWish"];
/// Widest text of an explanation, in columns.
const WIDTH: usize = 100;

#[derive(Deserialize)]
struct Data {
    types: Vec<Type>,
}

/// A table of keys, or a choice.
#[derive(Deserialize)]
struct Type {
    name: String,
    meaning: String,
    #[serde(default)]
    keys: Vec<Entry>,
    #[serde(default)]
    choices: Vec<Entry>,
}

/// A key of a table, or a name of a choice.
#[derive(Deserialize)]
struct Entry {
    name: String,
    unit: String,
    meaning: String,
    #[serde(default)]
    default: Option<String>,
    value: Option<Value>,
    /// What must be given with a name of a choice.
    #[serde(default)]
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Type {
        #[serde(rename = "type")]
        name: String,
    },
    List {
        #[serde(rename = "list")]
        name: String,
    },
    Plain {
        words: String,
        schema: Json,
    },
}

impl Value {
    /// The type that it is of, or a list of.
    fn named(&self) -> Option<&str> {
        match self {
            Self::Type { name } | Self::List { name } => Some(name),
            Self::Plain { .. } => None,
        }
    }
}

/// The keys of scenarios.
pub struct Keys(Data);

/// A key, by the path that leads to it.
struct Found<'a> {
    path: String,
    /// Whether it is a name of a choice.
    is_choice: bool,
    entry: &'a Entry,
}

impl Keys {
    /// Reads the data.
    ///
    /// # Errors
    /// If it was not written by `cargo xtask docs`.
    pub fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(DATA).map(Self)
    }

    fn of(&self, name: &str) -> Option<&Type> {
        self.0.types.iter().find(|kind| kind.name == name)
    }

    /// Every key with unit, range, default and meaning, table by table.
    #[must_use]
    pub fn all(&self) -> String {
        let mut text = String::new();
        for kind in &self.0.types {
            wrapped(&mut text, "", &format!("{}: {}", kind.name, kind.meaning));
            lines(&mut text, kind);
            text.push('\n');
        }
        text
    }

    /// One key, by its name or by its path: `callback_frames`, `card.callback_frames`, `glitches`.
    ///
    /// # Errors
    /// If there is none; the message has what is most like it.
    pub fn explain(&self, key: &str) -> Result<String, String> {
        let mut all = Vec::new();
        self.search(ROOT, "", &mut Vec::new(), &mut all);
        let is_it =
            |found: &&Found<'_>| found.path == key || found.path.strip_suffix(key).is_some_and(|it| it.ends_with('.'));
        let mut found: Vec<&Found<'_>> = all.iter().filter(is_it).collect();
        if found.iter().any(|found| found.path == key) {
            found.retain(|found| found.path == key);
        }
        if found.is_empty() {
            let names: Vec<&str> = all.iter().map(|found| found.entry.name.as_str()).collect();
            let last = key.rsplit('.').next().unwrap_or(key);
            let right = closest(last, &names).map_or_else(String::new, |name| format!("did you mean `{name}`? "));
            return Err(format!("no key of a scenario is `{key}`: {right}`sim explain` lists all"));
        }
        let mut text = String::new();
        let mut told: Vec<*const Entry> = Vec::new();
        for one in &found {
            // The same key of the same type is told once, with all its places.
            if told.contains(&std::ptr::from_ref(one.entry)) {
                continue;
            }
            told.push(one.entry);
            let same = found.iter().filter(|other| std::ptr::eq(other.entry, one.entry));
            let places: Vec<&str> = same.map(|found| found.path.as_str()).collect();
            if !text.is_empty() {
                text.push('\n');
            }
            self.tell(&mut text, one, &places);
        }
        Ok(text)
    }

    /// All keys below a type, with their paths.
    fn search<'a>(&'a self, name: &'a str, path: &str, within: &mut Vec<&'a str>, all: &mut Vec<Found<'a>>) {
        let Some(kind) = self.of(name).filter(|_| !within.contains(&name)) else { return };
        within.push(name);
        for (entries, is_choice) in [(&kind.keys, false), (&kind.choices, true)] {
            for entry in entries {
                self.take(entry, path, is_choice, within, all);
            }
        }
        within.pop();
    }

    fn take<'a>(
        &'a self,
        entry: &'a Entry,
        path: &str,
        is_choice: bool,
        within: &mut Vec<&'a str>,
        all: &mut Vec<Found<'a>>,
    ) {
        let path = if path.is_empty() { entry.name.clone() } else { format!("{path}.{}", entry.name) };
        all.push(Found { path: path.clone(), is_choice, entry });
        for key in &entry.keys {
            self.take(key, &path, false, within, all);
        }
        if let Some(name) = entry.value.as_ref().and_then(Value::named) {
            self.search(name, &path, within, all);
        }
    }

    fn tell(&self, text: &mut String, found: &Found<'_>, places: &[&str]) {
        let Found { path, entry, is_choice } = found;
        let _ = writeln!(text, "{}", places.join(", "));
        wrapped(text, "  ", &entry.meaning);
        if !entry.unit.is_empty() {
            let _ = writeln!(text, "  unit: {}", entry.unit);
        }
        let _ = writeln!(text, "  value: {}", words(entry));
        if !is_choice {
            let _ = writeln!(text, "  default: {}", entry.default.as_deref().unwrap_or("none, it must be given"));
        }
        if let Some(example) = example(path) {
            let _ = writeln!(text, "  written: {example}");
        }
        if let Some(kind) = entry.value.as_ref().and_then(Value::named).and_then(|name| self.of(name)) {
            wrapped(text, "  ", &format!("{}: {}", kind.name, kind.meaning));
            lines(text, kind);
        }
        for key in &entry.keys {
            line(text, key, "");
        }
    }

    /// A JSON Schema (draft 2020-12) of scenario files, for editors that complete and check TOML by
    /// one.
    #[must_use]
    pub fn json_schema(&self) -> Json {
        let definitions: Map<String, Json> =
            self.0.types.iter().map(|kind| (kind.name.clone(), type_schema(kind))).collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Scenario of the simulator `sim`",
            "$ref": format!("#/$defs/{ROOT}"),
            "$defs": definitions,
        })
    }
}

fn type_schema(kind: &Type) -> Json {
    if kind.choices.is_empty() {
        let mut schema = table(&kind.keys);
        schema["description"] = kind.meaning.clone().into();
        // A file that extends another one need not have everything itself.
        if SECTIONS.contains(&kind.name.as_str()) || kind.name == ROOT {
            let required = schema.as_object_mut().and_then(|schema| schema.remove("required"));
            if kind.name == ROOT {
                schema["anyOf"] = json!([{ "required": ["extends"] }, { "required": required }]);
            }
        }
        return schema;
    }
    let names = kind.choices.iter().map(|choice| {
        if choice.value.is_none() && choice.keys.is_empty() {
            return json!({ "const": choice.name, "description": choice.meaning });
        }
        let value = if choice.keys.is_empty() { value_schema(choice) } else { table(&choice.keys) };
        json!({
            "type": "object",
            "description": choice.meaning,
            "properties": { &choice.name: value },
            "required": [choice.name],
            "additionalProperties": false,
        })
    });
    json!({ "description": kind.meaning, "oneOf": names.collect::<Vec<_>>() })
}

fn table(keys: &[Entry]) -> Json {
    let property = |key: &Entry| {
        let mut schema = value_schema(key);
        schema["description"] = key.meaning.clone().into();
        (key.name.clone(), schema)
    };
    let required = keys.iter().filter(|key| key.default.is_none()).map(|key| key.name.as_str());
    json!({
        "type": "object",
        "properties": keys.iter().map(property).collect::<Map<_, _>>(),
        "required": required.collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

fn value_schema(entry: &Entry) -> Json {
    match &entry.value {
        Some(Value::Type { name }) => json!({ "$ref": format!("#/$defs/{name}") }),
        Some(Value::List { name }) => json!({ "type": "array", "items": { "$ref": format!("#/$defs/{name}") } }),
        Some(Value::Plain { schema, .. }) => schema.clone(),
        None => json!({}),
    }
}

fn words(entry: &Entry) -> String {
    match &entry.value {
        Some(Value::Plain { words, .. }) => words.clone(),
        Some(Value::Type { name }) => name.clone(),
        Some(Value::List { name }) => format!("list of {name}"),
        None if entry.keys.is_empty() => "none, the name alone".to_owned(),
        None => "the keys below".to_owned(),
    }
}

/// The keys or names of a type, one a line.
fn lines(text: &mut String, kind: &Type) {
    for entry in &kind.keys {
        line(text, entry, "");
    }
    for choice in &kind.choices {
        line(text, choice, "");
        for key in &choice.keys {
            line(text, key, &format!("{}.", choice.name));
        }
    }
}

fn line(text: &mut String, entry: &Entry, before: &str) {
    let mut facts = Vec::new();
    if entry.value.is_some() || !entry.keys.is_empty() {
        facts.push(words(entry));
    }
    facts.extend(Some(&entry.unit).filter(|unit| !unit.is_empty()).map(|unit| format!("unit {unit}")));
    facts.extend(entry.default.as_ref().map(|default| format!("default {default}")));
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join("; ")) };
    let _ = writeln!(text, "  {before}{}{facts}", entry.name);
    wrapped(text, "      ", &entry.meaning);
}

/// Text in lines that begin with `indent`.
fn wrapped(text: &mut String, indent: &str, words: &str) {
    let mut width = 0;
    for word in words.split(' ') {
        let length = word.chars().count();
        if width == 0 || width + 1 + length > WIDTH {
            let _ = write!(text, "{}{indent}{word}", if width == 0 { "" } else { "\n" });
            width = indent.len() + length;
        } else {
            let _ = write!(text, " {word}");
            width += 1 + length;
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::read().unwrap()
    }

    #[test]
    fn a_key_is_told_with_unit_range_default_and_meaning() {
        let told = keys().explain("card.callback_frames").unwrap();
        for part in ["card.callback_frames\n", "unit: frames", "whole number, from 1 to 65535", "default: "] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert!(keys().explain("glitches").unwrap().contains("Audible faults"));
        assert!(keys().explain("fault.what.media_delay_ms").unwrap().contains("unit: ms"));
        let jitter = keys().explain("network.ptp.jitter").unwrap();
        assert!(jitter.contains("exponential.mean_us") && jitter.contains("written: jitter.exponential"), "{jitter}");
    }

    #[test]
    fn an_unknown_key_gets_a_suggestion() {
        let error = keys().explain("card.callback_frame").unwrap_err();
        assert!(error.contains("did you mean `callback_frames`?"), "{error}");
    }

    #[test]
    fn every_key_is_in_the_whole_list() {
        let all = keys().all();
        for name in ["duration_s", "grandmaster_lost", "time_to_audio_s", "forge_syncs", "from_byte"] {
            assert!(all.contains(&format!(" {name}")), "{name}");
        }
        assert!(all.lines().all(|line| line.chars().count() <= 140), "a line is too long");
    }
}
