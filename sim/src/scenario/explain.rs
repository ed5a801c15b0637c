//! Turns what the deserialiser says into what a person can act on.

use std::cmp::Reverse;

/// Sections without which there is no world; a missing one is said to be a section, not a field.
const SECTIONS: [&str; 3] = ["grandmaster", "network", "host"];

/// Rust's names of types, as the deserialiser says them, and a person's.
const TYPES: [(&str, &str); 11] = [
    ("a boolean", "true or false"),
    ("a string", "text in quotes"),
    ("a sequence", "a list in []"),
    ("f64", "a number"),
    ("i8", "a whole number from -128 to 127"),
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number from 0"),
    ("usize", "a whole number from 0"),
    ("path string", "the path of a file in quotes"),
];

/// Tables, by the deserialiser's names, and what one looks like.
const TABLES: [(&str, &str); 4] = [
    ("Crystal", "{ offset_ppm = 20 }"),
    ("Stall", "{ mean_interval_s = 1, min_ms = 1, max_ms = 10 }"),
    ("SourceTone", "{ frequency_hz = 440, level_dbfs = -12 }"),
    ("Jitter::Exponential", "{ mean_us = 20 }"),
];

/// Keys whose value is one of several names, and one that is right.
const CHOICES: [(&str, &str); 13] = [
    ("kind", "kind = \"engine\""),
    ("metric", "metric = \"underruns\""),
    ("audio", "audio = \"full\""),
    ("wav_bits", "wav_bits = \"pcm16\""),
    ("encoding", "encoding = \"L24\""),
    ("clock", "clock = \"grandmaster\""),
    ("what", "what = \"grandmaster_lost\""),
    ("leg_lost", "leg_lost = \"a\""),
    ("attack", "attack.forge_syncs = { per_s = 8, tells.offset_us = 5000 }"),
    ("tells", "tells.offset_us = 5000"),
    ("syncs", "syncs.offset_us = 5000"),
    ("delay_resps", "delay_resps.offset_us = 5000"),
    ("timestamps", "timestamps = \"backwards\""),
];

/// The units that keys end in.
pub(super) const UNITS: [&str; 9] = ["ns", "us", "ms", "s", "ppb", "ppm", "hz", "dbfs", "frames"];

/// Rewrites a message of the deserialiser: what is wrong, and what would be right. `keys` lead to
/// what it is about, and `found` is the text there.
pub(super) fn explain(message: &str, keys: &[&str], found: &str) -> String {
    let explained = unknown_key(message).or_else(|| unknown_variant(message));
    let explained = explained.or_else(|| missing(message)).or_else(|| wrong_choice(message, keys, found));
    explained.or_else(|| wrong_type(message)).unwrap_or_else(|| message.to_owned())
}

/// A choice between names, some of which are keys with a value.
fn wrong_choice(message: &str, keys: &[&str], found: &str) -> Option<String> {
    let (&key, around) = keys.split_last()?;
    let name = found.trim_matches(['"', '\'']);
    if message.starts_with("invalid type: unit variant, expected") {
        return Some(format!("`{name}` needs a value: write {key}.{name} = and its value"));
    }
    if message.starts_with("expected table, found ") {
        let of = around.last().copied().unwrap_or("it");
        return Some(format!("`{key}` has no value: write {of} = \"{key}\""));
    }
    if message.starts_with("wanted exactly 1 element") {
        return Some(format!("`{key}` must have exactly one key: write the one that is meant"));
    }
    (message == "wanted string or table").then(|| {
        let example = CHOICES.iter().find(|(choice, _)| *choice == key).map(|(_, example)| *example);
        let jitter = format!("{key}.exponential = {{ mean_us = 20 }}");
        let right = example.or_else(|| key.ends_with("jitter").then_some(jitter.as_str()));
        let right = right.map_or_else(String::new, |right| format!(", such as {right}"));
        format!("`{key}` must be a name in quotes, or one with a value{right}")
    })
}

/// An unknown key. If only the unit differs, that is what is wrong.
fn unknown_key(message: &str) -> Option<String> {
    let (found, expected) = match message.strip_prefix("unexpected keys in table: ") {
        Some(rest) => {
            let (found, available) = rest.split_once(", available keys: ")?;
            (found.split(", ").next()?, available.split(", ").collect())
        }
        None if message.starts_with("unknown field") => found_and_expected(message)?,
        None => return None,
    };
    let stem =
        |key: &str| key.rsplit_once('_').filter(|(_, unit)| UNITS.contains(unit)).map(|(stem, _)| stem.to_owned());
    let wanted = stem(found).unwrap_or_else(|| found.to_owned());
    let same_stem = expected.iter().find(|key| stem(key).is_some_and(|stem| stem == wanted));
    Some(match same_stem {
        Some(key) => format!("unknown key `{found}`: its unit is not right here, write `{key}`"),
        None => format!("unknown key `{found}`: {}", suggestion(found, &expected)),
    })
}

fn unknown_variant(message: &str) -> Option<String> {
    let (found, expected) = found_and_expected(message.strip_prefix("unknown variant")?)?;
    if found == "statime" {
        return Some("`statime` is not in this build: build it with `--features statime`".to_owned());
    }
    Some(format!("`{found}` is unknown here: {}", suggestion(found, &expected)))
}

/// What stands between the message's backquotes: what was found, and what could be.
fn found_and_expected(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

fn suggestion(found: &str, expected: &[&str]) -> String {
    let list = expected.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    match closest(found, expected) {
        Some(key) => format!("did you mean `{key}`? There are {list}"),
        None => format!("there are {list}"),
    }
}

/// The key that shares the longest start or end with what was written, if that is more than half of it; of several, the one most like it in length.
fn closest<'a>(found: &str, expected: &[&'a str]) -> Option<&'a str> {
    let shared = |key: &str| {
        let prefix = key.bytes().zip(found.bytes()).take_while(|(a, b)| a == b).count();
        let suffix = key.bytes().rev().zip(found.bytes().rev()).take_while(|(a, b)| a == b).count();
        prefix.max(suffix).max((prefix + suffix).min(found.len()))
    };
    let best = expected.iter().copied().min_by_key(|key| (Reverse(shared(key)), key.len().abs_diff(found.len())))?;
    (2 * shared(best) > found.len()).then_some(best)
}

fn missing(message: &str) -> Option<String> {
    let key = message.strip_prefix("missing field `")?.strip_suffix('`')?;
    Some(match key {
        "receiver" => "there is no [[receiver]]: add one, with `name` and `kind`".to_owned(),
        section if SECTIONS.contains(&section) => {
            format!("the section [{section}] is missing: add it, as in scenarios/unlock_recover.toml")
        }
        key => format!("the key `{key}` is missing here: add it, as in scenarios/unlock_recover.toml"),
    })
}

fn wrong_type(message: &str) -> Option<String> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let right = TYPES.iter().find(|(name, _)| *name == expected).map(|(_, right)| (*right).to_owned());
    let right = right.or_else(|| table(expected)).unwrap_or_else(|| expected.to_owned());
    let found = match found {
        "map" => "a table",
        "sequence" => "a list",
        other => other,
    };
    Some(format!("{} is not right here: it must be {right}", found.replace('`', "")))
}

/// What a table is to a person.
fn table(expected: &str) -> Option<String> {
    let name = expected.strip_prefix("struct ")?;
    let name = name.strip_prefix("variant ").unwrap_or(name);
    let example = TABLES.iter().find(|(table, _)| *table == name);
    Some(example.map_or_else(
        || "a table of keys in { }".to_owned(),
        |(_, example)| format!("a table of keys, such as {example}"),
    ))
}

#[cfg(test)]
mod tests {
    fn explain(message: &str) -> String {
        super::explain(message, &[], "")
    }

    #[test]
    fn a_wrong_unit_is_named_as_such() {
        let message = "unknown field `delay_ms`, expected one of `delay_us`, `jitter`, `loss`";
        assert_eq!(explain(message), "unknown key `delay_ms`: its unit is not right here, write `delay_us`");
        let message = "unknown field `delay`, expected one of `delay_us`, `jitter`, `loss`";
        assert_eq!(explain(message), "unknown key `delay`: its unit is not right here, write `delay_us`");
        let message = "unexpected keys in table: mean_ms, available keys: mean_us";
        assert_eq!(explain(message), "unknown key `mean_ms`: its unit is not right here, write `mean_us`");
    }

    #[test]
    fn a_slip_gets_a_suggestion_and_nonsense_gets_the_list() {
        let message = "unknown field `jiter`, expected one of `delay_us`, `jitter`";
        assert_eq!(explain(message), "unknown key `jiter`: did you mean `jitter`? There are `delay_us`, `jitter`");
        let message = "unknown field `callback_frame`, expected `callback_frames` or `callback_jitter`";
        assert!(explain(message).starts_with("unknown key `callback_frame`: did you mean `callback_frames`? "));
        let message = "unknown field `zzz`, expected one of `delay_us`, `jitter`";
        assert_eq!(explain(message), "unknown key `zzz`: there are `delay_us`, `jitter`");
        let message = "unknown variant `unlock`, expected `unlocks` or `crackles`";
        assert_eq!(
            explain(message),
            "`unlock` is unknown here: did you mean `unlocks`? There are `unlocks`, `crackles`"
        );
    }

    #[test]
    fn types_are_said_in_a_persons_words() {
        let message = r#"invalid type: string "x", expected f64"#;
        assert_eq!(explain(message), r#"string "x" is not right here: it must be a number"#);
        let message = "invalid value: integer `300`, expected u8";
        assert_eq!(explain(message), "integer 300 is not right here: it must be a whole number from 0 to 255");
    }

    #[test]
    fn what_is_missing_is_a_section_a_receiver_or_a_key() {
        assert!(explain("missing field `host`").starts_with("the section [host] is missing: add it"));
        assert!(explain("missing field `receiver`").starts_with("there is no [[receiver]]: add one"));
        assert!(explain("missing field `seed`").starts_with("the key `seed` is missing here: add it"));
    }

    #[test]
    fn other_messages_pass() {
        assert_eq!(explain("duplicate key"), "duplicate key");
    }
}
