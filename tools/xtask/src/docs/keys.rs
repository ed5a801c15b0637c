//! The page of every key of a scenario, made from the schema.

use super::schema::{Key, Kind, Schema, Shape, Value, Variant, With};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

/// The type of a whole scenario.
const ROOT: &str = "Scenario";

/// The beginning of the page.
const INTRODUCTION: &str = "\
# Every key of a scenario

<!-- Written by `cargo xtask docs` from sim/src/scenario/: change the comments there. -->

[Scenarios](scenarios.md) explains how to write one. This page lists every table and key, made from
the source of the schema: `cargo xtask docs` writes it, and `cargo xtask test` fails if it is not up
to date. The unit is the last part of a key's name. A key without a default must be there; `none`
means that what the key describes does not exist or does not happen if the key is left out.

A name of a choice that has no value is written as text: `what = \"grandmaster_lost\"`. One that has a
value is a key: `what.media_delay_ms = 5`, or `jitter.exponential = { mean_us = 20 }`.
";

/// Units by the end of a key's name, the longest first.
const UNITS: [(&str, &str); 15] = [
    ("mbit_per_s", "Mbit/s"),
    ("_per_s", "1/s"),
    ("per_s", "1/s"),
    ("_ns", "ns"),
    ("_us", "us"),
    ("_ms", "ms"),
    ("_s", "s"),
    ("_ppm", "ppm"),
    ("_ppb", "ppb"),
    ("_hz", "Hz"),
    ("_dbfs", "dBFS"),
    ("_frames", "frames"),
    ("_bytes", "bytes"),
    ("_percent", "%"),
    ("_sigmas", "sigma"),
];

/// By type, where each is found.
type Places = BTreeMap<String, Vec<String>>;

/// The page.
///
/// # Errors
/// If a key has no meaning, or its type is not in the schema: names the type and the key.
pub(super) fn page(schema: &Schema) -> Result<String, String> {
    let mut page = INTRODUCTION.to_owned();
    let (listed, places) = listed(schema)?;
    for name in &listed {
        let kind = schema.kind(name).ok_or_else(|| format!("{name} is not in the schema"))?;
        section(&mut page, schema, name, kind, places.get(name).map_or(&[], Vec::as_slice))?;
    }
    Ok(page)
}

/// The types that a scenario can have, in the order of the page, and where each is found.
///
/// # Errors
/// If one is not in the schema.
pub(super) fn listed(schema: &Schema) -> Result<(Vec<String>, Places), String> {
    let mut listed = vec![ROOT.to_owned()];
    let mut next = VecDeque::from([ROOT.to_owned()]);
    let mut places = Places::new();
    while let Some(name) = next.pop_front() {
        let kind = schema.kind(&name).ok_or_else(|| format!("{name} is not in the schema"))?;
        for (key, named) in named_in(kind) {
            let has_section = schema.kind(&named).is_some_and(|kind| !matches!(kind.shape, Shape::Value(_)));
            if has_section && !listed.contains(&named) {
                listed.push(named.clone());
                next.push_back(named.clone());
            }
            places.entry(named).or_default().push(format!("`{key}` of {}", link(&name)));
        }
    }
    Ok((listed, places))
}

/// The types to which a type refers, each with the key.
fn named_in(kind: &Kind) -> Vec<(String, String)> {
    let of = |key: &str, value: &Value| match value {
        Value::Kind(name) | Value::List(name) => Some((key.to_owned(), name.clone())),
        Value::Plain(_) => None,
    };
    match &kind.shape {
        Shape::Table(keys) => keys.iter().filter_map(|key| of(&key.name, &key.value)).collect(),
        Shape::Choice(variants) => variants
            .iter()
            .flat_map(|variant| match &variant.with {
                With::Nothing => Vec::new(),
                With::Value(value) => of(&variant.name, value).into_iter().collect(),
                With::Keys(keys) => keys.iter().filter_map(|key| of(&key.name, &key.value)).collect(),
            })
            .collect(),
        Shape::Value(_) => Vec::new(),
    }
}

/// A link to the section of a type.
fn link(name: &str) -> String {
    format!("[{}](#{})", title(name), title(name).to_lowercase().replace(' ', "-"))
}

fn section(page: &mut String, schema: &Schema, name: &str, kind: &Kind, places: &[String]) -> Result<(), String> {
    let _ = write!(page, "\n## {}\n\n{}\n", title(name), wrapped(&kind.meaning));
    if !places.is_empty() {
        let _ = write!(page, "\n{}\n", wrapped(&format!("Found at {}.", places.join(", "))));
    }
    match &kind.shape {
        Shape::Table(keys) => {
            page.push_str("\n| key | unit | value | default | meaning |\n|---|---|---|---|---|\n");
            for key in keys {
                row(page, schema, name, "", key)?;
            }
        }
        Shape::Choice(variants) if variants.iter().all(|variant| matches!(variant.with, With::Nothing)) => {
            page.push_str("\n| name | unit | meaning |\n|---|---|---|\n");
            for Variant { name: variant, meaning, .. } in variants {
                let _ = writeln!(page, "| `{variant}` | {} | {} |", unit(variant), cell(said(name, variant, meaning)?));
            }
        }
        Shape::Choice(variants) => {
            page.push_str("\n| name | unit | value | default | meaning |\n|---|---|---|---|---|\n");
            for Variant { name: variant, meaning, with } in variants {
                let meaning = cell(said(name, variant, meaning)?);
                let value = match with {
                    With::Nothing => "none".to_owned(),
                    With::Value(value) => words(schema, value)?,
                    With::Keys(_) => "the keys below".to_owned(),
                };
                let _ = writeln!(page, "| `{variant}` | {} | {value} | | {meaning} |", unit(variant));
                if let With::Keys(keys) = with {
                    for key in keys {
                        row(page, schema, name, &format!("{variant}."), key)?;
                    }
                }
            }
        }
        Shape::Value(range) => {
            let _ = writeln!(page, "{range}");
        }
    }
    Ok(())
}

fn row(page: &mut String, schema: &Schema, of: &str, before: &str, key: &Key) -> Result<(), String> {
    let Key { name, meaning, value, default } = key;
    let default = default.as_deref().map_or_else(String::new, |default| match default {
        "none" | "as its keys" => default.to_owned(),
        default => format!("`{default}`"),
    });
    let (unit, value, meaning) = (unit(name), words(schema, value)?, cell(said(of, name, meaning)?));
    let _ = writeln!(page, "| `{before}{name}` | {unit} | {value} | {default} | {meaning} |");
    Ok(())
}

/// The meaning of a key, which it must have.
pub(super) fn said<'a>(of: &str, key: &str, meaning: &'a str) -> Result<&'a str, String> {
    if meaning.is_empty() { Err(format!("{of} has no doc comment at `{key}`")) } else { Ok(meaning) }
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn words(schema: &Schema, value: &Value) -> Result<String, String> {
    match value {
        Value::Plain(words) => Ok(words.clone()),
        Value::List(name) => Ok(format!("list of {}", link(name))),
        Value::Kind(name) => match schema.kind(name).map(|kind| &kind.shape) {
            Some(Shape::Value(range)) => Ok(range.clone()),
            Some(_) => Ok(link(name)),
            None => Err(format!("{name} is not in the schema")),
        },
    }
}

/// The unit that a key's name ends in; intervals are powers of two, as in PTP.
pub(super) fn unit(key: &str) -> &'static str {
    if key.starts_with("log_") && key.ends_with("interval") {
        return "2^n s";
    }
    UNITS.iter().find(|(end, _)| key.ends_with(end)).map_or("", |(_, unit)| unit)
}

/// `Own network` of `OwnNetwork`.
fn title(name: &str) -> String {
    let mut title = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            title.push(' ');
            title.push(letter.to_ascii_lowercase());
        } else {
            title.push(letter);
        }
    }
    title
}

/// Text in lines of at most 100 columns.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 100 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(source: &str) -> Result<String, String> {
        page(&Schema::read([("a.rs", source)].into_iter())?)
    }

    #[test]
    fn a_key_has_its_unit_range_default_and_meaning() {
        let page = page_of(
            r#"
            /// A scenario.
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            struct Scenario {
                /// How long.
                duration_s: Seconds,
                /// How many, |n|.
                #[serde(default = "two", deserialize_with = "whole::<1, 64, _, _>")]
                count: u8,
                /// What happens.
                #[serde(default, rename = "fault")]
                faults: Vec<Fault>,
            }
            fn two() -> u8 { 2 }
            checked!(
                /// Seconds.
                Seconds, |value| (0.0..=9.0).contains(&value), "between 0 and 9 s", "20"
            );
            /// It happens.
            #[derive(Deserialize)]
            #[serde(rename_all = "snake_case")]
            enum Fault {
                /// All is lost.
                AllLost,
                /// Late.
                Late {
                    /// By this.
                    by_ms: u16
                },
            }"#,
        );
        let page = page.expect("this is a schema");
        for row in [
            "| `duration_s` | s | number, between 0 and 9 s |  | How long. |",
            "| `count` |  | whole number, from 1 to 64 | `2` | How many, \\|n\\|. |",
            "| `fault` |  | list of [Fault](#fault) | none | What happens. |",
            "| `all_lost` |  | none | | All is lost. |",
            "| `late.by_ms` | ms | whole number, from 0 to 65535 |  | By this. |",
        ] {
            assert!(page.lines().any(|line| line == row), "no line is {row}\n{page}");
        }
    }

    #[test]
    fn a_key_that_nobody_explains_is_an_error() {
        let error = page_of("/// A.\n#[derive(Deserialize)]\nstruct Scenario { count: u8 }").unwrap_err();
        assert_eq!(error, "Scenario has no doc comment at `count`");
    }
}
