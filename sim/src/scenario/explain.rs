//! Converts error messages of the deserialiser to messages that tell a person what to do.

use std::cmp::Reverse;

/// Required sections. A missing one is reported as a section and not as a field.
const SECTIONS: [&str; 3] = ["grandmaster", "network", "host"];

/// Names of types in messages of the deserialiser, and their names for a person.
const TYPES: [(&str, &str); 8] = [
    ("a boolean", "true or false"),
    ("a string", "text in quotes"),
    ("i8", "a whole number from -128 to 127"),
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number from 0 to 18446744073709551615"),
    ("usize", "a whole number from 0"),
];

/// Keys whose value is a table or one of several names, identified by the end of their path, each
/// with an example.
const EXAMPLES: [(&str, &str); 69] = [
    ("process", "process.command = [\"python3\", \"receiver.py\"]"),
    ("command", "command = [\"python3\", \"receiver.py\"]"),
    ("talker.clock", "clock = \"grandmaster\""),
    ("sender.clock", "clock = \"ptp\""),
    ("expect.clock", "clock = \"estimate\""),
    ("mask", "mask = \"g8271_1_class_4\""),
    ("clock", "clock = { offset_ppm = 20 }"),
    ("crystal", "clock.crystal = { offset_ppm = 20 }"),
    ("system", "clock.system = { error_us = 20, period_s = 600 }"),
    ("kind", "kind = \"engine\""),
    ("metric", "metric = \"underruns\""),
    ("audio", "audio = \"full\""),
    ("wav_bits", "wav_bits = \"pcm16\""),
    ("encoding", "encoding = \"L24\""),
    ("dialect", "dialect = \"ieee1588\""),
    ("wander", "wander = { rms_us = 20, tau_s = 5 }"),
    ("source", "source.wav = \"audio/speech_and_music.wav\""),
    ("wav", "source.wav = \"audio/speech_and_music.wav\""),
    ("tones", "source.tones = [{ frequency_hz = 440, level_dbfs = -12 }]"),
    ("jitter", "jitter.exponential = { mean_us = 20 }"),
    ("receive_jitter", "receive_jitter.exponential = { mean_us = 20 }"),
    ("transmit_jitter", "transmit_jitter.exponential = { mean_us = 20 }"),
    ("callback_jitter", "callback_jitter.exponential = { mean_us = 20 }"),
    ("wake_jitter", "wake_jitter.exponential = { mean_us = 20 }"),
    ("media_jitter", "what.media_jitter.exponential = { mean_us = 20 }"),
    ("host_receive_jitter", "what.host_receive_jitter.exponential = { mean_us = 20 }"),
    ("host_transmit_jitter", "what.host_transmit_jitter.exponential = { mean_us = 20 }"),
    ("later", "later.exponential = { mean_us = 20 }"),
    ("uniform", "uniform = { min_us = 0, max_us = 20 }"),
    ("exponential", "exponential = { mean_us = 20 }"),
    ("normal", "normal = { mean_us = 100, sigma_us = 20 }"),
    ("gamma", "gamma = { queues = 3, mean_us = 20 }"),
    ("pareto", "pareto = { scale_us = 20, tail_index = 3 }"),
    ("bimodal", "bimodal = { mean_us = 20, gap_us = 500, share = 0.1 }"),
    ("loss_burst", "loss_burst = { begins = 0.001, ends = 0.2 }"),
    ("duplicate", "duplicate = { share = 0.01 }"),
    ("stall", "stall = { mean_interval_s = 1, min_ms = 1, max_ms = 10 }"),
    ("media_stall", "what.media_stall = { mean_interval_s = 1, min_ms = 1, max_ms = 10 }"),
    ("host_stalls", "what.host_stalls = { mean_interval_s = 1, min_ms = 1, max_ms = 10 }"),
    ("media_thread_stalls", "what.media_thread_stalls = { mean_interval_s = 1, min_ms = 1, max_ms = 10 }"),
    ("delay_file", "delay_file = { path = \"delays/measured.txt\" }"),
    ("order", "order = \"drawn\""),
    ("rate_limit", "rate_limit = { mbit_per_s = 100, queue_bytes = 6000 }"),
    ("media_rate_limit", "what.media_rate_limit = { mbit_per_s = 100, queue_bytes = 6000 }"),
    ("media_duplicated", "what.media_duplicated = { every_packets = 10 }"),
    ("reorder", "reorder = { share = 0.1, by.packets = 3 }"),
    ("by", "by.packets = 3"),
    ("corruption", "corruption = { share = 0.1 }"),
    ("udp_checksum", "udp_checksum = \"absent\""),
    ("what", "what = \"grandmaster_lost\""),
    ("leg_lost", "what.leg_lost = \"a\""),
    ("grandmaster_restart", "what.grandmaster_restart = { time_s = 5 }"),
    ("talker_restart", "what.talker_restart = { new_ssrc = true }"),
    ("host_suspended", "what.host_suspended = { monotonic_clock = \"stops\" }"),
    ("monotonic_clock", "monotonic_clock = \"stops\""),
    ("ptp_delay", "what.ptp_delay = { down_us = 50 }"),
    ("ptp_malformed", "what.ptp_malformed = { per_s = 8 }"),
    ("transmit_stamps_missing", "what.transmit_stamps_missing = { share = 0.1 }"),
    ("grandmaster_lies", "what.grandmaster_lies = { syncs.offset_us = 5000 }"),
    ("attack", "what.attack.forge_syncs = { per_s = 8, tells.offset_us = 5000 }"),
    ("tells", "tells.offset_us = 5000"),
    ("syncs", "syncs.offset_us = 5000"),
    ("delay_resps", "delay_resps.offset_us = 5000"),
    ("from", "from = \"spoofed\""),
    ("timestamps", "timestamps = \"backwards\""),
    ("ssrc", "ssrc = \"other\""),
    ("forge_syncs", "attack.forge_syncs = { per_s = 8, tells.offset_us = 5000 }"),
    ("forge_packets", "attack.forge_packets = { per_s = 200, timestamps = \"copied\" }"),
    ("hold_back_syncs", "attack.hold_back_syncs = { by_us = 50 }"),
];

/// Longest part of a file that a message quotes.
const LONGEST_PIECE: usize = 60;

/// The units that keys end in.
pub(super) const UNITS: [&str; 9] = ["ns", "us", "ms", "s", "ppb", "ppm", "hz", "dbfs", "frames"];

/// An error reported by the deserialiser, and its place.
pub(super) struct Complaint<'a> {
    /// The message of the deserialiser.
    pub(super) message: &'a str,
    /// The keys that lead to the wrong value.
    pub(super) keys: &'a [&'a str],
    /// The text at that place.
    pub(super) found: &'a str,
    /// The names that are permitted there, if it is a choice of names.
    pub(super) choices: &'a [String],
}

/// Rewrites a complaint of the deserialiser: which key, what is wrong, and what would be right.
pub(super) fn explain(complaint: &Complaint<'_>) -> String {
    let &Complaint { message, keys, .. } = complaint;
    let complete = unknown_key(message).or_else(|| missing(message)).or_else(|| wrong_type(complaint));
    if let Some(complete) = complete.or_else(|| overflow(complaint)) {
        return complete;
    }
    let path = keys.join(".");
    if message.contains(" is out of range: it must be ") && !path.is_empty() {
        return format!("`{path}` = {message}");
    }
    let explained = unknown_variant(message).or_else(|| wrong_choice(complaint));
    let explained = explained.unwrap_or_else(|| message.to_owned());
    let is_named = keys.last().is_none_or(|key| explained.contains(&format!("{key}`")));
    if is_named { explained } else { format!("`{path}`: {explained}") }
}

/// An example of a key, if its form is not obvious from its name.
pub(super) fn example(path: &str) -> Option<&'static str> {
    let is_of = |end: &str| path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    EXAMPLES.iter().find(|(end, _)| is_of(end)).map(|(_, example)| *example)
}

/// The beginning of a text, as one line.
pub(super) fn piece(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end();
    if line.len() == text.trim_end().len() && line.chars().count() <= LONGEST_PIECE {
        return line.to_owned();
    }
    line.chars().take(LONGEST_PIECE).chain("...".chars()).collect()
}

/// The message for a wrong choice between names, some of which are keys with a value.
fn wrong_choice(complaint: &Complaint<'_>) -> Option<String> {
    let &Complaint { message, keys, found, choices } = complaint;
    let (&key, around) = keys.split_last()?;
    let name = piece(found.trim_matches(['"', '\'']));
    let path = keys.join(".");
    if message.starts_with("invalid type: unit variant, expected") {
        let right = example(&format!("{path}.{name}")).map_or_else(String::new, |right| format!(", such as {right}"));
        return Some(format!("`{name}` needs a value: write {key}.{name} = and its value{right}"));
    }
    if message.starts_with("expected table, found ") {
        let of = around.last().copied().unwrap_or("it");
        return Some(format!("`{key}` has no value: write {of} = \"{key}\""));
    }
    if message.starts_with("wanted exactly 1 element") {
        return Some(format!("`{path}` must have exactly one key: write the one that is meant"));
    }
    (message == "wanted string or table").then(|| {
        let right = example(&path).map_or_else(String::new, |right| format!(", such as {right}"));
        let names =
            if choices.is_empty() { "a name in quotes, or one with a value".to_owned() } else { one_of(choices) };
        format!("`{path}` is {}, and must be {names}{right}", piece(found))
    })
}

fn one_of(names: &[String]) -> String {
    format!("one of {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}

/// The message for a number that is too large for every type of the deserialiser.
fn overflow(complaint: &Complaint<'_>) -> Option<String> {
    let &Complaint { message, keys, found, .. } = complaint;
    let is = message.ends_with("number overflowed");
    is.then(|| format!("`{}` = {} is out of range: no number here has so many digits", keys.join("."), piece(found)))
}

/// The message for an unknown key. If only the unit differs, the message says so.
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
        None => format!("unknown key `{}`: {}", piece(found), suggestion(found, &expected)),
    })
}

/// The permitted names in a message about an unknown name.
pub(super) fn choices(message: &str) -> Vec<String> {
    let variants = message.strip_prefix("unknown variant").and_then(found_and_expected);
    variants.map_or_else(Vec::new, |(_, expected)| expected.into_iter().map(str::to_owned).collect())
}

fn unknown_variant(message: &str) -> Option<String> {
    let (found, expected) = found_and_expected(message.strip_prefix("unknown variant")?)?;
    if found == "statime" {
        return Some("`statime` is not in this build: build it with `--features statime`".to_owned());
    }
    Some(format!("`{}` is unknown here: {}", piece(found), suggestion(found, &expected)))
}

/// The quoted parts of the message: what was found, and what is permitted.
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

/// The key that shares the longest start or end with what was written, if that is more than half of
/// it; of several, the one most like it in length.
pub(super) fn closest<'a>(found: &str, expected: &[&'a str]) -> Option<&'a str> {
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

fn wrong_type(complaint: &Complaint<'_>) -> Option<String> {
    let &Complaint { message, keys, .. } = complaint;
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.split_once(", expected ")?;
    if found == "unit variant" {
        return None;
    }
    let path = keys.join(".");
    let of = if path.is_empty() { "this".to_owned() } else { format!("`{path}`") };
    let example = example(&path).map_or_else(String::new, |right| format!(", such as {right}"));
    let right = match TYPES.iter().find(|(name, _)| *name == expected) {
        Some((_, right)) => (*right).to_owned(),
        None if expected.starts_with("struct ") => format!("a table of keys{example}"),
        None if expected.ends_with("path string") => format!("the path of a file in quotes{example}"),
        None if expected.starts_with("a sequence") => format!("a list in []{example}"),
        None => expected.to_owned(),
    };
    Some(format!("{of} is {}, and must be {right}", what(found)))
}

/// A value that the deserialiser found, described for a person.
fn what(found: &str) -> String {
    match found {
        "map" => return "a table".to_owned(),
        "sequence" => return "a list".to_owned(),
        _ => {}
    }
    if let Some(text) = found.strip_prefix("string ") {
        return format!("the text {}", piece(text));
    }
    // Such as "integer `5` as u128".
    piece(found.split('`').nth(1).unwrap_or(found))
}

#[cfg(test)]
mod tests {
    use super::Complaint;

    fn explain(message: &str) -> String {
        super::explain(&Complaint { message, keys: &[], found: "", choices: &[] })
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
        let message = r#"invalid type: string "x", expected a boolean"#;
        assert_eq!(explain(message), r#"this is the text "x", and must be true or false"#);
        let message = "invalid value: integer `300`, expected u8";
        assert_eq!(explain(message), "this is 300, and must be a whole number from 0 to 255");
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
