//! Finds the position of a key in a configuration file, for error messages.

use serde_json::value::RawValue;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The language of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Json,
    Toml,
}

/// The line number, from 1, of the value at a path such as `stream[1].channels`, or of the longest
/// part of the path that exists.
pub(crate) fn line_of(text: &str, language: Language, path: &str) -> usize {
    let steps: Vec<&str> = path.split(['.', '[', ']']).filter(|step| !step.is_empty() && *step != "?").collect();
    let offset = match language {
        Language::Json => json_offset(text, &steps),
        Language::Toml => toml_offset(text, &steps),
    };
    line_at(text, offset)
}

/// The line number, from 1, of a byte offset in a text.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

fn json_offset(text: &str, steps: &[&str]) -> usize {
    let start = text.len() - text.trim_start().len();
    let mut found = (start, &text[start..]);
    for step in steps {
        let next = match step.parse::<usize>() {
            Ok(index) => serde_json::from_str::<Vec<&RawValue>>(found.1).ok().and_then(|list| list.get(index).copied()),
            Err(_) => {
                serde_json::from_str::<BTreeMap<&str, &RawValue>>(found.1).ok().and_then(|map| map.get(step).copied())
            }
        };
        let Some(next) = next else { break };
        // A raw value is a slice of the text, so its offset follows from its address.
        found = (found.0 + (next.get().as_ptr() as usize - found.1.as_ptr() as usize), next.get());
    }
    found.0
}

fn toml_offset(text: &str, steps: &[&str]) -> usize {
    let Ok(table) = DeTable::parse(text) else { return 0 };
    let (first, rest) = match steps.split_first() {
        None => return 0,
        Some((first, rest)) => (table.get_ref().get(*first), rest),
    };
    let Some(mut found) = first else { return 0 };
    for step in rest {
        let next: Option<&Spanned<DeValue<'_>>> = match step.parse::<usize>() {
            Ok(index) => found.get_ref().get(index),
            Err(_) => found.get_ref().get(*step),
        };
        let Some(next) = next else { break };
        found = next;
    }
    found.span().start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_both_languages() {
        let json = "\n{\n  \"source\": { \"loop\": true },\n  \"stream\": [\n    { \"name\": \"a\" },\n    { \"name\": \"b\",\n      \"ttl\": 3 }\n  ]\n}\n";
        let toml =
            "# a comment\n[source]\nloop = true\n\n[[stream]]\nname = \"a\"\n\n[[stream]]\nname = \"b\"\nttl = 3\n";
        for (path, in_json, in_toml) in
            [("stream[1].ttl", 7, 10), ("stream[0].name", 5, 6), ("source.loop", 3, 3), ("stream[1].none", 6, 8)]
        {
            assert_eq!(line_of(json, Language::Json, path), in_json, "{path}");
            assert_eq!(line_of(toml, Language::Toml, path), in_toml, "{path}");
        }
    }
}
