//! Checks that a scenario file has tables, lists and numbers where they belong, before its values
//! are read.
//!
//! The deserialiser accepts a list in place of a table, field by field, and then reports the type
//! of the first field. So shapes are checked here first: lists of sections, single sections, and
//! numbers with their unit in the name.

use super::explain::{UNITS, example};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Sections that a scenario may have several times. Everything else occurs once, except the tones
/// of a source and the words of a command.
pub(super) const LISTS: [&str; 4] = ["rival", "receiver", "fault", "expect"];
/// The lists that are not sections.
const PLAIN_LISTS: [&str; 2] = ["tones", "command"];
/// Sections of which there is one.
const SECTIONS: [&str; 8] = ["record", "grandmaster", "talker", "sender", "network", "host", "card", "playout"];
/// Sections of a network.
const PATHS: [&str; 3] = ["media", "media_b", "ptp"];

/// A unit.
struct Unit {
    name: &'static str,
    /// What is measured in it.
    measures: Quantity,
    /// Its size in units of ten to the power of `exponent` base units.
    count: f64,
    exponent: i32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Time,
    Deviation,
    Frequency,
    Length,
    Level,
}

/// The units that a person might write.
const SCALES: [Unit; 12] = [
    Unit { name: "ns", measures: Quantity::Time, count: 1.0, exponent: -9 },
    Unit { name: "us", measures: Quantity::Time, count: 1.0, exponent: -6 },
    Unit { name: "ms", measures: Quantity::Time, count: 1.0, exponent: -3 },
    Unit { name: "s", measures: Quantity::Time, count: 1.0, exponent: 0 },
    Unit { name: "min", measures: Quantity::Time, count: 60.0, exponent: 0 },
    Unit { name: "h", measures: Quantity::Time, count: 3600.0, exponent: 0 },
    Unit { name: "ppb", measures: Quantity::Deviation, count: 1.0, exponent: -9 },
    Unit { name: "ppm", measures: Quantity::Deviation, count: 1.0, exponent: -6 },
    Unit { name: "hz", measures: Quantity::Frequency, count: 1.0, exponent: 0 },
    Unit { name: "khz", measures: Quantity::Frequency, count: 1.0, exponent: 3 },
    Unit { name: "frames", measures: Quantity::Length, count: 1.0, exponent: 0 },
    Unit { name: "dbfs", measures: Quantity::Level, count: 1.0, exponent: 0 },
];

/// The first value with a wrong shape: its place, and what would be right.
pub(super) fn first_wrong(text: &str, document: &DeTable<'_>) -> Option<(Range<usize>, String)> {
    let mut wrongs = Vec::new();
    look(text, document, "", &mut wrongs);
    wrongs.into_iter().min_by_key(|(place, _)| place.start)
}

/// The keys that lead to the value at a place of the text. If the value is a table with a single
/// key and `inside` is set, they lead into the table.
pub(super) fn keys_at<'a>(document: &'a DeTable<'_>, place: usize, inside: bool) -> Vec<&'a str> {
    struct Best<'a> {
        length: usize,
        keys: Vec<&'a str>,
        value: Option<&'a DeValue<'a>>,
    }
    fn search<'a>(table: &'a DeTable<'_>, place: usize, path: &[&'a str], best: &mut Best<'a>) {
        for (key, value) in table {
            let keys = [path, &[key.get_ref()]].concat();
            let span = value.span();
            let value = value.get_ref();
            if span.contains(&place) && span.len() <= best.length {
                *best = Best { length: span.len(), keys: keys.clone(), value: Some(value) };
            }
            match value {
                DeValue::Table(table) => search(table, place, &keys, best),
                DeValue::Array(items) => {
                    let tables = items.iter().filter_map(|item| item.get_ref().as_table());
                    tables.for_each(|table| search(table, place, &keys, best));
                }
                _ => {}
            }
        }
    }
    let mut best = Best { length: usize::MAX, keys: Vec::new(), value: None };
    search(document, place, &[], &mut best);
    let Best { mut keys, mut value, .. } = best;
    while inside && let Some(DeValue::Table(table)) = value {
        let mut entries = table.iter();
        let Some((key, only)) = entries.next().filter(|_| entries.next().is_none()) else { break };
        keys.push(key.get_ref());
        value = Some(only.get_ref());
    }
    keys
}

fn look(text: &str, table: &DeTable<'_>, path: &str, wrongs: &mut Vec<(Range<usize>, String)>) {
    for (key, value) in table {
        let (name, place) = (key.get_ref().as_ref(), value.span());
        let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let is_list = path.is_empty() && LISTS.contains(&name);
        match value.get_ref() {
            DeValue::Array(items) if is_list || PLAIN_LISTS.contains(&name) => {
                for item in items {
                    match item.get_ref() {
                        DeValue::Table(table) => look(text, table, &full, wrongs),
                        _ if is_list => wrongs.push((item.span(), several(name))),
                        // The shape of a tone or a word is checked by the deserialiser.
                        _ => {}
                    }
                }
            }
            DeValue::Array(items) => {
                let first = items.first().map(|item| (item.span(), matches!(item.get_ref(), DeValue::Table(_))));
                wrongs.push(no_list(text, name, &full, place, first));
            }
            _ if is_list => wrongs.push((place, several(name))),
            DeValue::Table(inner) if unit_of(name).is_some() => wrongs.push((place, number_in_table(name, inner))),
            DeValue::Table(inner) => {
                wrongs.extend(crossed(inner));
                look(text, inner, &full, wrongs);
            }
            DeValue::String(said) => wrongs.extend(number_in_quotes(name, said).map(|message| (place, message))),
            _ => {}
        }
        let is_value = !matches!(value.get_ref(), DeValue::Array(_) | DeValue::Table(_));
        let is_section =
            if path.is_empty() { SECTIONS.contains(&name) } else { path.ends_with("network") && PATHS.contains(&name) };
        if is_value && is_section {
            let message =
                format!("`{name}` is a section and no value: write [{full}], and its keys in the lines below");
            wrongs.push((value.span(), message));
        }
    }
}

/// The upper bound in a table that is below its lower one: `min_us` and `max_us`.
fn crossed(table: &DeTable<'_>) -> Option<(Range<usize>, String)> {
    let number = |value: &DeValue<'_>| match value {
        DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    };
    table.iter().find_map(|(key, value)| {
        let upper = key.get_ref();
        let lower = format!("min_{}", upper.strip_prefix("max_")?);
        let least = number(table.get(lower.as_str())?.get_ref())?;
        let is_below = number(value.get_ref())? < least;
        is_below.then(|| (value.span(), format!("`{upper}` must be at least `{lower}`, which is {least}")))
    })
}

/// A scenario may have several of these.
fn several(name: &str) -> String {
    format!("there may be several of `{name}`: write [[{name}]] in double brackets, and its keys in the lines below")
}

/// The message for a list where a single section belongs; `first` is the place of its first item,
/// and whether that is a table.
fn no_list(
    text: &str,
    name: &str,
    full: &str,
    place: Range<usize>,
    first: Option<(Range<usize>, bool)>,
) -> (Range<usize>, String) {
    match first {
        Some((at, true)) if text[at.start..].starts_with("[[") => {
            (at, format!("there is one `{name}`, and [[ ]] is for what is there several times: write [{full}]"))
        }
        Some((_, true)) => (place, format!("`{name}` is one table and no list: leave out the brackets [ ] around it")),
        _ => {
            let right = match (example(full), unit_of(name)) {
                (Some(right), _) => format!("write it such as {right}"),
                (None, Some(_)) => format!("write one number, as in {name} = 20"),
                (None, None) => "leave out the brackets [ ] around it".to_owned(),
            };
            (place, format!("`{name}` is one value and no list: {right}"))
        }
    }
}

/// The unit that a key ends in.
fn unit_of(key: &str) -> Option<&str> {
    key.rsplit_once('_').map(|(_, unit)| unit).filter(|unit| UNITS.contains(unit))
}

/// The message for a table with a unit as its key in place of a number.
fn number_in_table(key: &str, table: &DeTable<'_>) -> String {
    let mut entries = table.iter();
    let only = entries.next().filter(|_| entries.next().is_none());
    let number = only.and_then(|(unit, value)| match value.get_ref() {
        DeValue::Integer(number) => Some((unit.get_ref(), number.as_str().parse().ok()?)),
        DeValue::Float(number) => Some((unit.get_ref(), number.as_str().parse().ok()?)),
        _ => None,
    });
    let unit = unit_of(key).unwrap_or_default();
    let right = number.and_then(|(from, number)| converted(number, from, unit)).map(|number| number.to_string());
    one_number(key, right)
}

/// The message for a text with a number and a unit, such as `"30 ms"`, in place of a number.
fn number_in_quotes(key: &str, said: &str) -> Option<String> {
    let unit = unit_of(key)?;
    let split = said.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, from) = said.split_at(split);
    let number = converted(number.trim().parse().ok()?, from, unit)?;
    Some(one_number(key, Some(number.to_string())))
}

fn one_number(key: &str, right: Option<String>) -> String {
    let right = right.unwrap_or_else(|| "and the number".to_owned());
    format!("`{key}` is one number, and its unit is in its name: write {key} = {right}")
}

/// A number converted to another unit, if both units measure the same quantity.
fn converted(number: f64, from: &str, to: &str) -> Option<f64> {
    let scale = |unit: &str| SCALES.iter().find(|scale| scale.name.eq_ignore_ascii_case(unit.trim()));
    let (from, to) = (scale(from)?, scale(to)?);
    let factor = libm::pow(10.0, f64::from((from.exponent - to.exponent).abs()));
    let number = number * from.count;
    // Dividing by a power of ten instead of multiplying by its inverse gives the expected decimal
    // digits.
    (from.measures == to.measures).then(|| if from.exponent < to.exponent { number / factor } else { number * factor })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Option<(&str, String)> {
        let document = DeTable::parse(text).unwrap();
        first_wrong(text, document.get_ref()).map(|(place, message)| (&text[place.start..], message))
    }

    #[test]
    fn units_of_one_kind_are_converted() {
        assert_eq!(converted(30.0, "ms", "us"), Some(30_000.0));
        assert_eq!(converted(250.0, "us", "ms"), Some(0.25));
        assert_eq!(converted(2.0, "min", "s"), Some(120.0));
        assert_eq!(converted(44.1, "kHz", "hz"), Some(44_100.0));
        assert_eq!(converted(30.0, "ppm", "us"), None);
        assert_eq!(converted(480.0, "frames", "frames"), Some(480.0));
        assert_eq!(converted(480.0, "frames", "ms"), None);
    }

    #[test]
    fn the_first_wrong_shape_of_a_text_is_found() {
        let (at, message) = wrong("[[host]]\na = 1\n[card]\nb_ms = { ms = 1 }\n").unwrap();
        assert!(at.starts_with("[[host]]") && message.starts_with("there is one `host`"), "{at}: {message}");
        assert_eq!(wrong("[[receiver]]\nname = \"a\"\n[[expect]]\nreceiver = \"a\"\nsource.tones = [1]\n"), None);
    }

    #[test]
    fn keys_lead_to_a_place() {
        let text = "a = 1\n[b]\nc = { d = [{ e = 5 }] }\n";
        let document = DeTable::parse(text).unwrap();
        let (five, table) = (text.find('5').unwrap(), text.find("{ d").unwrap());
        assert_eq!(keys_at(document.get_ref(), five, false), ["b", "c", "d", "e"]);
        assert_eq!(keys_at(document.get_ref(), table, false), ["b", "c"]);
        assert_eq!(keys_at(document.get_ref(), table, true), ["b", "c", "d"]);
        assert_eq!(keys_at(document.get_ref(), text.find('1').unwrap(), true), ["a"]);
        assert_eq!(keys_at(document.get_ref(), text.len() + 5, true), Vec::<&str>::new());
    }
}
