//! What a person is told of a scenario file that is wrong: file, line, column, and what would be
//! right.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod short;

use short::{with, write};
use sim::run::Budget;
use sim::scenario::{Loaded, ScenarioError};
use std::path::Path;

/// The message about a scenario text, after its place; the place must be the line that holds `at`,
/// and its column that of `at`.
#[track_caller]
fn message_at(at: &str, text: &str, overrides: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), text);
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    let error = Loaded::read(&path, &overrides).map(|loaded| loaded.name).unwrap_err().to_string();
    let offset = text.find(at).unwrap();
    let line = text[..offset].matches('\n').count() + 1;
    let column = offset - text[..offset].rfind('\n').map_or(0, |end| end + 1) + 1;
    let place = format!("{}:{line}:{column}: ", path.display());
    let rest = error.strip_prefix(&place).unwrap_or_else(|| panic!("not at {line}:{column}: {error}"));
    let (message, shown) = rest.split_once("\n  |  ").unwrap();
    assert_eq!(shown, text.lines().nth(line - 1).unwrap());
    message.replace(&folder.path().display().to_string(), "DIR")
}

#[track_caller]
fn message(line: &str, replacement: &str, at: &str) -> String {
    message_at(at, &with(line, replacement), &[])
}

#[test]
fn shipped_scenarios_load() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    for (folder, least) in [
        ("", 30),
        ("long", 3),
        ("bench/drift", 8),
        ("bench/drift/wander", 1),
        ("bench/clocks", 8),
        ("bench/clocks/own", 5),
    ] {
        let entries = std::fs::read_dir(scenarios.join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let files: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
        assert!(files.len() >= least, "{folder}: only {} scenarios", files.len());
        for path in files {
            let loaded = Loaded::read(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
            Budget::of(&loaded).check(&loaded).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[test]
fn a_wrong_key_gets_a_suggestion() {
    let said = message("callback_frames =", "calback_frames =", "calback_frames");
    assert!(said.starts_with("unknown key `calback_frames`: did you mean `callback_frames`? There are "), "{said}");
    let said = message("[playout]", "[playuot]", "playuot]");
    assert!(said.starts_with("unknown key `playuot`: did you mean `playout`?"), "{said}");
}

#[test]
fn a_wrong_unit_is_named() {
    let said = message("target_depth_ms = 30", "target_depth_us = 30_000", "target_depth_us");
    assert_eq!(said, "unknown key `target_depth_us`: its unit is not right here, write `target_depth_ms`");
    let said = message("{ mean_us = 20 }", "{ mean_ms = 0.02 }", "mean_ms");
    assert_eq!(said, "unknown key `mean_ms`: its unit is not right here, write `mean_us`");
}

#[test]
fn a_number_out_of_range_is_pointed_at() {
    let said = message("offset_ppm = 20", "offset_ppm = 20_000", "20_000");
    assert_eq!(said, "`card.clock.offset_ppm` = 20000 is out of range: it must be between -1000 and 1000 ppm");
    let said = message("duration_s = 20", "duration_s = -20", "-20");
    assert_eq!(said, "`duration_s` = -20 is out of range: it must be between 0 and 31557600 s (a year)");
    let said = message("priority_1 = 128", "priority_1 = 256", "256");
    assert_eq!(said, "`grandmaster.priority_1` is 256, and must be a whole number from 0 to 255");
    let said = message("payload_type = 96", "payload_type = 128", "128\nclock = ");
    let right = "it must be a whole number from 0 to 127 (96 to 127 for dynamic types)";
    assert_eq!(said, format!("`talker.payload_type` = 128 is out of range: {right}"));
    let said = message("\"dca600fffeff2eea\"", "\"dca6\"", "\"dca6\"");
    let right = "it has 16 hexadecimal digits, such as dca600fffeff2eea";
    assert_eq!(said, format!("`grandmaster.identity`: `dca6` is no clock identity: {right}"));
    let text = with("sample_rate_hz = 48_000\npacket", "sample_rate_hz = 0\npacket");
    let said = message_at("0\npacket", &text, &[]);
    assert_eq!(said, "`talker.sample_rate_hz` = 0 is out of range: it must be a whole number from 8000 to 384000 Hz");
    let said = message("\"239.192.0.1:5004\"", "\"239.192.0.1\"", "\"239.192.0.1\"");
    let right = "write its IPv4 address and port, such as 239.192.76.52:5004";
    assert_eq!(said, format!("`talker.group`: `239.192.0.1` is no multicast group: {right}"));
    let said = message("channels = 2", "channels = 65", "65\n");
    assert_eq!(said, "`talker.channels` = 65 is out of range: it must be a whole number from 1 to 64");
    let said = message("interval_s = 1\n", "interval_s = 0\n", "0\nwav");
    let right = "it must be between 0.001 and 31557600 s (a year)";
    assert_eq!(said, format!("`record.interval_s` = 0 is out of range: {right}"));
    let said = message("interval_s = 1\n", "interval_s = 30\n", "duration_s = 20");
    assert_eq!(said, "duration_s must be at least record.interval_s, which is 30 s");
    let said = message("callback_frames = 480", "callback_frames = 0", "0\ncallback_jitter");
    let right = "it must be a whole number from 1 to 65535";
    assert_eq!(said, format!("`card.callback_frames` = 0 is out of range: {right}"));
    for depth in ["0", "10001", "1e-308", "inf"] {
        let said = message("target_depth_ms = 30", &format!("target_depth_ms = {depth}"), &format!("{depth}\n\n[["));
        let right = "it must be between 0.01 and 10000 ms";
        assert_eq!(said, format!("`playout.target_depth_ms` = {depth} is out of range: {right}"));
    }
    for (key, right) in [("sync", "-7 to 4"), ("announce", "-4 to 4"), ("min_delay_req", "-7 to 5")] {
        let key = format!("log_{key}_interval");
        let line = short::SCENARIO.lines().find(|line| line.starts_with(&key)).unwrap();
        let said = message(line, &format!("{key} = -128"), "-128");
        let right = format!("it must be a whole number from {right}");
        assert_eq!(said, format!("`grandmaster.{key}` = -128 is out of range: {right}"));
    }
    let long = format!("seed = {}", "9".repeat(100));
    let said = message("seed = 3", &long, "9999");
    let right = "no number here has so many digits";
    assert_eq!(said, format!("`seed` = {}... is out of range: {right}", "9".repeat(60)));
    let said = message("min_us = 0, max_us = 20", "min_us = 30, max_us = 20", "20 }\n\n[card]");
    assert_eq!(said, "`max_us` must be at least `min_us`, which is 30");
}

#[test]
fn a_wrong_type_is_said_in_a_persons_words() {
    let said = message("callback_frames = 480", "callback_frames = \"480\"", "\"480\"");
    assert_eq!(said, "`card.callback_frames` is the text \"480\", and must be a whole number from 1 to 65535");
    let said = message("duration_s = 20", "duration_s = \"20\"", "\"20\"");
    let right = "a number that is between 0 and 31557600 s (a year), such as 20";
    assert_eq!(said, format!("`duration_s` is the text \"20\", and must be {right}"));
    let said = message("two_step = true", "two_step = 1", "1\nstart");
    assert_eq!(said, "`grandmaster.two_step` is 1, and must be true or false");
}

/// Brackets that make a list of what is there once, or the other way round.
#[test]
fn a_section_that_is_there_once_and_one_that_may_come_again_are_told_apart() {
    for section in ["grandmaster", "talker", "network.media", "host", "card", "playout", "record"] {
        let name = section.rsplit('.').next().unwrap();
        let said = message(&format!("[{section}]\n"), &format!("[[{section}]]\n"), &format!("[[{section}]]"));
        let right = format!("and [[ ]] is for what is there several times: write [{section}]");
        assert_eq!(said, format!("there is one `{name}`, {right}"));
    }
    for section in ["receiver", "fault", "expect"] {
        let said = message(&format!("[[{section}]]"), &format!("[{section}]"), &format!("[{section}]"));
        let right = format!("write [[{section}]] in double brackets, and its keys in the lines below");
        assert_eq!(said, format!("there may be several of `{section}`: {right}"));
    }
    let said = message("seed = 3", "seed = 3\nrival = \"x\"", "\"x\"");
    assert!(said.starts_with("there may be several of `rival`: write [[rival]] in double brackets"), "{said}");
    let said = message("[playout]\ntarget_depth_ms = 30\n", "", "[talker]");
    assert!(said.starts_with("the section [playout] is missing: "), "{said}");
    let said = message("seed = 3", "seed = 3\nsender = 48", "48\n\n");
    assert_eq!(said, "`sender` is a section and no value: write [sender], and its keys in the lines below");
    let said = message("clock = { offset_ppm = 10 }", "clock = [{ offset_ppm = 10 }]", "[{ offset_ppm = 10");
    assert_eq!(said, "`clock` is one table and no list: leave out the brackets [ ] around it");
    let said = message("jitter.exponential = { mean_us = 20 }", "jitter.exponential = [20]", "[20]");
    assert_eq!(said, "`exponential` is one value and no list: write it such as exponential = { mean_us = 20 }");
}

/// The unit is in the key's name; elsewhere it is in the value.
#[test]
fn a_number_with_its_unit_is_converted() {
    let number =
        |key: &str, right: &str| format!("`{key}` is one number, and its unit is in its name: write {key} = {right}");
    let said = message("target_depth_ms = 30", "target_depth_ms = { ms = 30 }", "{ ms = 30 }");
    assert_eq!(said, number("target_depth_ms", "30"));
    let said = message("delay_us = 150", "delay_us = { ms = 0.15 }", "{ ms = 0.15 }");
    assert_eq!(said, number("delay_us", "150"));
    let said = message("delay_us = 150", "delay_us = \"0.15 ms\"", "\"0.15 ms\"");
    assert_eq!(said, number("delay_us", "150"));
    let said = message("duration_s = 20", "duration_s = { min = 2 }", "{ min = 2 }");
    assert_eq!(said, number("duration_s", "120"));
    let said = message("callback_frames = 480", "callback_frames = { frames = 480 }", "{ frames = 480 }");
    assert_eq!(said, number("callback_frames", "480"));
    // Nobody knows how many ppm a ms is.
    let said = message("offset_ppm = 20", "offset_ppm = { ms = 20 }", "{ ms = 20 }");
    assert_eq!(said, number("offset_ppm", "and the number"));
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), short::SCENARIO);
    let assignment = "playout.target_depth_ms={ms=30}".to_owned();
    let error = Loaded::read(&path, &[assignment]).map(|loaded| loaded.name).unwrap_err().to_string();
    let said = error.strip_prefix("--set playout.target_depth_ms={ms=30}: ").unwrap();
    assert_eq!(said, number("target_depth_ms", "30"));
}

#[test]
fn a_table_a_list_and_a_name_are_told_from_values() {
    let said = message("clock = { offset_ppm = 10 }", "clock = 10", "10\nreceive");
    assert_eq!(said, "`host.clock` is 10, and must be a table of keys, such as clock = { offset_ppm = 20 }");
    let said = message("priority_1 = 128", "priority_1 = { a = 1 }", "{ a = 1 }");
    assert_eq!(said, "`grandmaster.priority_1` is a table, and must be a whole number from 0 to 255");
    let said = message("seed = 3", "seed = -3", "-3");
    assert_eq!(said, "`seed` is -3, and must be a whole number from 0 to 18446744073709551615");
    let said = message("kind = \"engine\"", "kind = 5", "5\n\n[[fault");
    assert!(said.starts_with("`receiver.kind` is 5, and must be one of `engine`, `relay`, "), "{said}");
    assert!(said.ends_with(", such as kind = \"engine\""), "{said}");
    let said = message("audio = \"full\"", "audio = 5", "5\ninterval");
    let right = "one of `none`, `heard`, `full`, such as audio = \"full\"";
    assert_eq!(said, format!("`record.audio` is 5, and must be {right}"));
    let said = message("clock = { offset_ppm = 10 }", "clock = [10]", "[10]");
    assert_eq!(said, "`clock` is one value and no list: write it such as clock = { offset_ppm = 20 }");
    let said = message("jitter.exponential = { mean_us = 20 }", "jitter = 20", "20\n\n[host]");
    let kinds = "`none`, `uniform`, `exponential`, `normal`, `gamma`, `pareto`, `bimodal`";
    let right = "such as jitter.exponential = { mean_us = 20 }";
    assert_eq!(said, format!("`network.ptp.jitter` is 20, and must be one of {kinds}, {right}"));
    let said = message("jitter.exponential = { mean_us = 20 }", "jitter = \"exponential\"", "\"exponential\"");
    let right = "write jitter.exponential = and its value, such as exponential = { mean_us = 20 }";
    assert_eq!(said, format!("`network.ptp.jitter`: `exponential` needs a value: {right}"));
    let said = message("what = \"grandmaster_lost\"", "what.grandmaster_lost = true", "true\n\n[[expect");
    assert_eq!(said, "`grandmaster_lost` has no value: write what = \"grandmaster_lost\"");
    let two = "what = { media_lost = {}, network_lost = {} }";
    let said = message("what = \"grandmaster_lost\"", two, "{ media_lost");
    assert_eq!(said, "`fault.what` must have exactly one key: write the one that is meant");
}

#[test]
fn a_missing_section_key_or_receiver_is_named() {
    let section = "[playout]\ntarget_depth_ms = 30\n";
    let said = message(section, "", "[talker]");
    let right = "add it, as in scenarios/unlock_recover.toml";
    let instead = "or leave out [talker] and the rest of the audio chain, to simulate clocks only";
    assert_eq!(said, format!("the section [playout] is missing: {right}, {instead}"));
    let said = message("[host]\n", "[host2]\n", "host2");
    assert!(said.starts_with("unknown key `host2`: did you mean `host`?"), "{said}");
    let said = message("callback_frames = 480\n", "", "[card]");
    assert_eq!(said, "the key `callback_frames` is missing here: add it, as in scenarios/unlock_recover.toml");
    let said = message_at("title", &with("[[receiver]]\nname = \"engine\"\nkind = \"engine\"\n", ""), &[]);
    assert_eq!(said, "there is no [[receiver]]: add one, with `name` and `kind`");
    let none =
        with("[[receiver]]\nname = \"engine\"\nkind = \"engine\"\n", "").replace("seed = 3", "seed = 3\nreceiver = []");
    assert_eq!(message_at("title", &none, &[]), "there is no [[receiver]]: add one, with `name` and `kind`");
}

/// A scenario of clocks only, and what it cannot have.
#[test]
fn clocks_alone_cannot_play() {
    let start = short::SCENARIO.find("[talker]").unwrap();
    let (before, rest) = short::SCENARIO.split_at(start);
    let ptp = &rest[rest.find("[network.ptp]").unwrap()..rest.find("[card]").unwrap()];
    let receiver = |kind: &str| format!("[[receiver]]\nname = \"engine\"\nkind = \"{kind}\"\n");
    let text = format!("{before}{ptp}{}", receiver("linuxptp_pi"));
    let folder = tempfile::tempdir().unwrap();
    assert!(Loaded::read(&write(folder.path(), &text), &[]).unwrap().stream.is_none());
    let expecting = format!("{text}[[expect]]\nreceiver = \"engine\"\nmetric = \"underruns\"\nmax = 0\n");
    let said = message_at("\"underruns\"", &expecting, &[]);
    assert_eq!(said, "underruns is of playout, and this scenario has none: choose a metric of the clock");
    let said = message("kind = \"engine\"", "kind = \"linuxptp_pi\"", "\"engine\"\nkind");
    assert!(said.starts_with("receiver `engine`: linuxptp_pi is only a clock and cannot play; "), "{said}");
    let rival = before[before.find("[grandmaster]").unwrap()..].replace("[grandmaster]", "[[rival]]");
    let rival = rival.replace("domain = 0", "domain = 1");
    let said = message_at("identity = \"dca600fffeff2eea\"\ndomain = 1", &format!("{text}\n{rival}"), &[]);
    assert!(said.ends_with("is taken; give every master its own"), "{said}");
}

#[test]
fn an_expectation_that_cannot_be_judged_is_refused() {
    let said = message("\"underruns\"", "\"underrun\"", "\"underrun\"");
    assert!(
        said.starts_with(
            "`expect.metric`: `underrun` is unknown here: did you mean `underruns`? There are `heard_share`, "
        ),
        "{said}"
    );
    let said = message("receiver = \"engine\"", "receiver = \"engin\"", "\"engin\"");
    assert_eq!(said, "there is no receiver `engin`: there are engine");
    let said = message("max = 0", "", "\"underruns\"");
    assert_eq!(said, "a limit on underruns needs `min`, `max` or both");
    let said = message("max = 0", "max = nan", "nan");
    assert_eq!(said, "`expect.max` = NaN is out of range: it must be finite; leave out a limit that is not needed");
    let said = message("max = 0", "min = 2\nmax = 1", "\"underruns\"");
    assert_eq!(said, "no underruns is at least 2 and at most 1: `min` must not exceed `max`");
    for (span, shown) in [("from_s = 20", "20 to 20"), ("from_s = 9\nto_s = 8", "9 to 8"), ("to_s = 21", "0 to 21")] {
        let said = message("max = 0", &format!("max = 0\n{span}"), "\"underruns\"");
        let right = "from_s must be less than to_s, and to_s at most 20";
        assert_eq!(said, format!("underruns from {shown} s: {right}"));
    }
}

#[test]
fn what_a_path_does_is_checked() {
    let jitter = "[network.media]\ndelay_us = 200\n";
    let with_key = |key: &str| format!("{jitter}{key}\n");
    let burst = "loss_burst = { begins = 0.1, ends = 1.5 }";
    let said = message(jitter, &with_key(burst), "1.5");
    assert_eq!(said, "`network.media.loss_burst.ends` = 1.5 is out of range: it must be between 0 and 1");
    let said =
        message(jitter, &with_key("duplicate = { share = 0.1, latter.exponential = { mean_us = 5 } }"), "latter");
    assert!(said.starts_with("unknown key `latter`: did you mean `later`?"), "{said}");
}

#[test]
fn impairments_are_checked() {
    let media = "[network.media]\ndelay_us = 200\n";
    let said = |line: &str, at: &str| message(media, &format!("{media}{line}\n"), at);
    let said_of_limit = |mbit: &str, bytes: &str, at: &str| {
        said(&format!("rate_limit = {{ mbit_per_s = {mbit}, queue_bytes = {bytes} }}"), at)
    };
    assert_eq!(
        said_of_limit("0", "6_000", "0, queue"),
        "`network.media.rate_limit.mbit_per_s` = 0 is out of range: it must be between 0.001 and 1000000 Mbit/s"
    );
    let right = "it must be a whole number from 1538 (a whole Ethernet frame) to 67108864";
    let bytes = "`network.media.rate_limit.queue_bytes`";
    assert_eq!(said_of_limit("1", "100", "100 }"), format!("{bytes} = 100 is out of range: {right}"));
    let none = said("reorder = { share = 0.1, by.packets = 0 }", "by.packets");
    let right = "it must be a whole number from 1 to 255";
    assert_eq!(none, format!("`network.media.reorder.by.packets` = 0 is out of range: {right}"));
    let both = said("reorder = { share = 0.1, by.packet = 3 }", "packet = 3");
    assert!(both.starts_with("`network.media.reorder`: `packet` is unknown here: did you mean `packets`?"), "{both}");
    let checksum = said("corruption = { share = 0.1, udp_checksum = \"none\" }", "\"none\"");
    let checksum = checksum.strip_prefix("`network.media.corruption.udp_checksum`: ").unwrap();
    assert_eq!(checksum, "`none` is unknown here: there are `present`, `absent`");
    let nothing = said("corruption = { share = 0.1, from_byte = 12, to_byte = 12 }", "corruption");
    assert_eq!(nothing, "no byte is from 12 to 12: from_byte must be less than to_byte");
}

#[test]
fn a_file_of_delays_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let media = "[network.media]\ndelay_us = 200\n";
    let delays = folder.path().join("delays.txt");
    let path = format!("'{}'", delays.display());
    let text = with(media, &format!("{media}delay_file = {{ path = {path} }}\n"));
    let said = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        let scenario = write(folder.path(), &text);
        Loaded::read(&scenario, &overrides).map(drop).unwrap_err().to_string()
    };
    let there = |error: &str| error.replace(&folder.path().display().to_string(), "DIR");
    let missing = message_at(&path, &text, &[]);
    assert!(missing.ends_with("give the path of a file with a delay in us on each line"), "{missing}");
    // Also where something else was changed, the line of the file is shown.
    let place = message_at(&path, &text, &["seed=9"]);
    assert!(place.ends_with("on each line (with --set seed=9)"), "{place}");
    std::fs::write(&delays, "# none\n").unwrap();
    assert!(there(&said(&[])).contains("DIR/delays.txt has no delays: write one a line, in us"), "{}", said(&[]));
    std::fs::write(&delays, "120.5\n\n2,5\n").unwrap();
    let right = "`2,5` is no delay: write one number a line, in us, such as 250.5";
    assert_eq!(there(&said(&[])), format!("DIR/delays.txt:3:1: {right}\n  |  2,5"));
}

#[test]
fn faults_of_a_sender_or_a_card_need_one() {
    let at = "15\nfor_s";
    let said = |what: &str| message("what = \"grandmaster_lost\"", what, at);
    assert_eq!(
        said("what.packet_frames = 300"),
        "packets of 300 frames are too long: packet_frames is at most 240 in this format"
    );
    let zero = message("what = \"grandmaster_lost\"", "what.packet_frames = 0", "what.packet_frames");
    let right = "it must be a whole number from 1 to 1440";
    assert_eq!(zero, format!("`fault.what.packet_frames` = 0 is out of range: {right}"));
    let many = message("what = \"grandmaster_lost\"", "what.ptp_malformed = { per_s = 0 }", "0 }\n\n[[expect]]");
    let right = "it must be between 0.001 and 100000 a second";
    assert_eq!(many, format!("`fault.what.ptp_malformed.per_s` = 0 is out of range: {right}"));
    let start = short::SCENARIO.find("[talker]").unwrap();
    let (before, rest) = short::SCENARIO.split_at(start);
    let ptp = &rest[rest.find("[network.ptp]").unwrap()..rest.find("[card]").unwrap()];
    let clocks = |what: &str| {
        let receiver = "[[receiver]]\nname = \"engine\"\nkind = \"engine\"\n";
        format!("{before}{ptp}{receiver}[[fault]]\nat_s = 15\n{what}\n")
    };
    let said = message_at("15\n", &clocks("what = \"card_lost\""), &[]);
    assert_eq!(said, "this befalls a sound card, and only clocks are simulated: leave it out");
    let said = message_at("15\n", &clocks("what.wrong_payload_type = 97"), &[]);
    assert_eq!(said, "this befalls the talker's model, and there is none: add [talker] without [sender]");
}

#[test]
fn a_talker_follows_a_rival_that_is_there() {
    let said = message("clock = \"grandmaster\"", "clock = { rival = 0 }", "clock = { rival");
    assert_eq!(said, "there is no rival 0: there are 0 of [[rival]], counted from 0");
}

#[test]
fn a_leg_needs_a_second_network_and_a_limit_needs_room() {
    let said = message("what = \"grandmaster_lost\"", "what.leg_lost = \"a\"", "15\nfor_s");
    let right = "add [network.media_b], or use media_lost";
    assert_eq!(said, format!("leg_lost is of one of two networks, and the stream has one: {right}"));
    let said = message("what = \"grandmaster_lost\"", "what.leg_lost = \"c\"", "\"c\"");
    assert!(said.starts_with("`fault.what.leg_lost`: `c` is unknown here: there are `a`, `b`"), "{said}");
    let limited =
        |limit: &str, at: &str| message("target_depth_ms = 30", &format!("target_depth_ms = 30\n{limit}"), at);
    let said = limited("depth_limit_ms = 29", "depth_limit_ms = 29");
    assert_eq!(said, "depth_limit_ms must be at least target_depth_ms, which is 30 ms");
    let said = limited("depth_limit_ms = 10001", "10001");
    assert_eq!(said, "`playout.depth_limit_ms` = 10001 is out of range: it must be between 0.01 and 10000 ms");
    let second = "[network.media_b]\ndelay_us = 200\n\n[network.ptp]";
    let loaded = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        Loaded::read(&write(folder.path(), text), &[]).map(|loaded| loaded.scenario.network.media_b.is_some())
    };
    assert!(loaded(&with("[network.ptp]", second)).unwrap());
    let text = with("[network.ptp]", second);
    let start = text.find("[talker]").unwrap();
    let (clocks, rest) = text.split_at(start);
    let networks = &rest[rest.find("[network.media_b]").unwrap()..rest.find("[card]").unwrap()];
    let receivers = "[[receiver]]\nname = \"engine\"\nkind = \"engine\"\n";
    let said = message_at("[network.media_b]", &format!("{clocks}{networks}{receivers}"), &[]);
    assert!(said.starts_with("the section [talker] is missing: "), "{said}");
}

#[test]
fn a_fault_after_the_end_is_refused() {
    let said = message("at_s = 15", "at_s = 25", "25");
    assert_eq!(said, "this is after the end of the run at 20 s: choose an earlier time");
    let said = message("what = \"grandmaster_lost\"", "what = \"grandmaster_gone\"", "\"grandmaster_gone\"");
    assert!(
        said.starts_with("`fault.what`: `grandmaster_gone` is unknown here: did you mean `grandmaster_lost`?"),
        "{said}"
    );
}

const TONES: &str = "source.tones = [{ frequency_hz = 440, level_dbfs = -12 }]";

#[test]
fn more_tones_than_anybody_hears_are_refused_before_they_are_computed() {
    let tones =
        |count: usize| format!("source.tones = [{}]", "{ frequency_hz = 440, level_dbfs = -40 },".repeat(count));
    let load = |count| Loaded::from_text(Path::new("a.toml"), &with(TONES, &tones(count)));
    assert!(load(64).is_ok());
    let said = load(20_000).unwrap_err().to_string();
    assert!(said.contains("there are 20000 tones: a programme has at most 64"), "{said}");
}

#[test]
fn a_wav_file_that_cannot_be_played_is_named() {
    let said = message(TONES, "source.wav = \"none.wav\"", "\"none.wav\"");
    assert!(said.starts_with("DIR/none.wav: cannot be read ("), "{said}");
    assert!(said.ends_with("; give the path of an existing, complete WAV file"), "{said}");

    // Also where nobody hears it.
    let silent = with(TONES, "source.wav = \"none.wav\"").replace("audio = \"full\"", "audio = \"none\"");
    let said = message_at("\"none.wav\"", &silent, &[]);
    assert!(said.starts_with("DIR/none.wav: cannot be read ("), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let wav = folder.path().join("cd.wav");
    let mut writer = hound::WavWriter::create(&wav, spec).unwrap();
    (0..200).for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    let source = format!("source.wav = '{}'", wav.display());
    let said = message(TONES, &source, &format!("'{}'", wav.display()));
    let right = "has 44100 Hz but the stream has 48000 Hz; convert the file to 48000 Hz";
    assert_eq!(said, format!("{}: {right}", wav.display()));
}

#[test]
fn a_packet_too_large_is_refused() {
    let said = message("packet_frames = 48", "packet_frames = 480", "packet_frames = 480");
    assert_eq!(
        said,
        "packets of 480 frames have a payload of 2880 bytes: packet_frames must be 1 to 240 for this format"
    );
}

#[test]
fn receivers_need_names_that_files_can_have() {
    let said = message("name = \"engine\"", "name = \"a/b\"", "\"a/b\"");
    assert_eq!(said, "receiver name `a/b`: use letters, digits, - and _, at most 64, because files are named after it");
    let said = message("name = \"engine\"", "name = \"reference\"", "\"reference\"");
    assert_eq!(said, "receiver name `reference` is taken; choose another");
    let twice = with("[[fault]]", "[[receiver]]\nname = \"Engine\"\nkind = \"prototype\"\n\n[[fault]]");
    let said = message_at("\"Engine\"", &twice, &[]);
    assert_eq!(said, "receiver name `Engine` is taken; choose another");
}

#[test]
fn a_file_that_is_not_there_or_not_toml_is_named() {
    let error = Loaded::read(Path::new("nowhere.toml"), &[]).map(|loaded| loaded.name).unwrap_err().to_string();
    assert!(error.starts_with("nowhere.toml: cannot be read: "), "{error}");
    assert!(error.ends_with("; give the path of a scenario file, such as scenarios/unlock_recover.toml"), "{error}");
    let said = message("seed = 3", "seed 3", "3\n");
    assert!(said.contains("expected"), "{said}");
}

#[test]
fn an_override_that_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), short::SCENARIO);
    let said = |assignment: &str| {
        let error = Loaded::read(&path, &[assignment.to_owned()]).map(|loaded| loaded.name).unwrap_err();
        assert!(matches!(error, ScenarioError::Override { .. }), "{error}");
        error.to_string().strip_prefix(&format!("--set {assignment}: ")).unwrap().to_owned()
    };
    assert_eq!(said("seed"), "write key.key=value, such as card.callback_frames=480");
    assert_eq!(said("record.audio=none"), "`none` is no TOML value; quote text as '\"text\"'");
    assert!(said("card.frames=480").starts_with("unknown key `frames`: did you mean `callback_frames`?"));
    assert_eq!(said("seed.x=1"), "`seed` is a value, not a section");
    assert_eq!(said("card..x=1"), "`card..x` is no path to a value: write key.key=value");
    assert_eq!(
        said("receiver.1.name=\"x\""),
        "there are 1 of `receiver`: name one by its number from 0, such as receiver.0.name"
    );
    let right = "it must be between -1000 and 1000 ppm";
    assert_eq!(said("host.clock.offset_ppm=5000"), format!("`host.clock.offset_ppm` = 5000 is out of range: {right}"));
    assert_eq!(said("playout.depth_limit_ms=9"), "depth_limit_ms must be at least target_depth_ms, which is 30 ms");
    let right = "which is a callback and a packet, or depth_limit_ms must be, to which receivers may raise it";
    assert_eq!(said("playout.target_depth_ms=10"), format!("target_depth_ms must be at least 11.0 ms, {right}"));
    let digits = "9".repeat(50);
    let right = "is out of range: no number here has so many digits";
    assert_eq!(said(&format!("seed={digits}")), format!("{digits} {right}"));
}

#[test]
fn an_override_changes_what_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), short::SCENARIO);
    let overrides = ["card.callback_frames=960", "receiver.0.name=\"other\"", "expect.0.receiver=\"other\"", "seed=9"];
    let loaded = Loaded::read(&path, &overrides.map(str::to_owned)).unwrap();
    assert_eq!((loaded.scenario.card.unwrap().callback_frames, loaded.scenario.seed), (960, 9));
    assert_eq!(loaded.scenario.receivers[0].name.as_ref(), "other");
    assert_eq!(loaded.name, "short");
}

/// A check that needs the whole file points into the file, also when its values were changed from
/// the command line.
#[test]
fn an_override_does_not_move_the_places_of_errors() {
    let said = message_at("15\n", short::SCENARIO, &["duration_s=10"]);
    assert_eq!(said, "this is after the end of the run at 10 s: choose an earlier time (with --set duration_s=10)");
    let said = message_at("\"underruns\"", short::SCENARIO, &["expect.0.to_s=30"]);
    assert!(said.starts_with("underruns from 0 to 30 s: "), "{said}");
    let said = message_at("\"engine\"\nmetric", short::SCENARIO, &["receiver.0.name=\"x\""]);
    assert_eq!(said, "there is no receiver `engine`: there are x (with --set receiver.0.name=\"x\")");
}

/// A receiver may have a computer, paths and a sound card of its own.
#[test]
fn a_receivers_own_surroundings_are_checked_like_the_scenarios() {
    let card = "[receiver.card]\nsample_rate_hz = 48_000\nclock = {}\ncallback_frames = ";
    let with_card = |frames: &str| with("[[fault]]", &format!("{card}{frames}\n\n[[fault]]"));
    let said = message_at("0\n\n[[fault", &with_card("0"), &[]);
    let right = "it must be a whole number from 1 to 65535";
    assert_eq!(said, format!("`receiver.card.callback_frames` = 0 is out of range: {right}"));
    let said = message_at(
        "callback_frame =",
        &with_card("480").replace("callback_frames = 480\n\n", "callback_frame = 480\n\n"),
        &[],
    );
    assert!(said.starts_with("unknown key `callback_frame`: did you mean `callback_frames`?"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let loaded = Loaded::read(&write(folder.path(), &with_card("960")), &[]).unwrap();
    let own = loaded.scenario.surroundings_of(&loaded.scenario.receivers[0]);
    assert_eq!(own.chain.unwrap().card.callback_frames, 960);
    assert_eq!(own.card_stream("card/callback"), "receiver/engine/card/callback");
    // What is not its own is shared, weather included.
    assert_eq!(own.host_stream("host/transmit"), "host/transmit");
    let shared = loaded.scenario.surroundings();
    assert_eq!(
        (shared.chain.unwrap().card.callback_frames, shared.card_stream("card/callback").as_str()),
        (480, "card/callback")
    );

    let start = short::SCENARIO.find("[talker]").unwrap();
    let (before, rest) = short::SCENARIO.split_at(start);
    let ptp = &rest[rest.find("[network.ptp]").unwrap()..rest.find("[card]").unwrap()];
    let clocks = format!("{before}{ptp}[[receiver]]\nname = \"engine\"\nkind = \"engine\"\n{card}480\n");
    let said = message_at("\"engine\"\nkind", &clocks, &[]);
    assert!(said.starts_with("receiver `engine` has a [receiver.card], but only clocks are simulated: "), "{said}");
}

#[test]
fn skew_needs_two_receivers() {
    let said = message("\"underruns\"", "\"skew_us\"", "\"skew_us\"");
    assert_eq!(said, "skew_us is between receivers, and there is only one: add a [[receiver]]");
}

#[test]
fn attacks_that_cannot_be_are_pointed_at() {
    let attack = |what: &str, at: &str| message("what = \"grandmaster_lost\"", &format!("what.{what}"), at);
    let said = attack("attack = \"flood_ptp\"", "\"flood_ptp\"\n");
    assert_eq!(said, "`fault.what.attack`: `flood_ptp` needs a value: write attack.flood_ptp = and its value");
    let said = attack("attack.flood = {}", "flood = {}");
    assert!(said.starts_with("`flood` is unknown here: did you mean `flood_ptp`? There are "), "{said}");
    let said = attack("attack.forge_syncs = { per_s = 8, tells = 5000 }", "5000 }");
    let right = "one of `offset_us`, `drift_ppm`, `random_s`, `time_s`, such as tells.offset_us = 5000";
    assert_eq!(said, format!("`fault.what.attack.forge_syncs.tells` is 5000, and must be {right}"));
    let said = attack("attack.forge_syncs = { per_s = 8, tells.offset_ms = 5 }", "offset_ms = 5");
    assert!(
        said.starts_with("`fault.what.attack.forge_syncs`: `offset_ms` is unknown here: did you mean `offset_us`?"),
        "{said}"
    );
    let said = attack("attack.flood_ptp = { per_s = 1e9 }", "1e9 }");
    let path = "`fault.what.attack.flood_ptp.per_s`";
    assert_eq!(said, format!("{path} = 1000000000 is out of range: it must be between 0.001 and 100000 a second"));
    let said = attack("attack.invent_masters = { per_s = 8, identities = 0 }", "0 }\n\n[[expect]]");
    let path = "`fault.what.attack.invent_masters.identities`";
    assert_eq!(said, format!("{path} = 0 is out of range: it must be a whole number from 1 to 65535"));
    let said = attack("attack.better_master = { log_announce_interval = 9 }", "9 }");
    let path = "`fault.what.attack.better_master.log_announce_interval`";
    assert_eq!(said, format!("{path} = 9 is out of range: it must be a whole number from -4 to 4"));
    let said =
        attack("attack.forge_packets = { per_s = 8, timestamps = \"copied\", payload_bytes = 65500 }", "65500 }");
    let path = "`fault.what.attack.forge_packets.payload_bytes`";
    assert_eq!(said, format!("{path} = 65500 is out of range: it must be a whole number from 0 to 65495"));
    let said = attack("grandmaster_lies = { sync = 5 }", "sync = 5");
    assert!(said.starts_with("unknown key `sync`: did you mean `syncs`?"), "{said}");
}

/// The Livewire clock is no PTP.
#[test]
fn masters_of_the_livewire_clock_and_their_receivers_belong_together() {
    let name = "\"engine\"\nkind";
    let said = message("two_step = true", "two_step = true\ndialect = \"livewire\"", name);
    assert_eq!(said, "only a livewire_clock hears masters of dialect \"livewire\": write kind = \"livewire_clock\"");
    let said = message("kind = \"engine\"", "kind = \"livewire_clock\"", name);
    let right = "write dialect = \"livewire\" in [grandmaster] and every [[rival]]";
    assert_eq!(said, format!("a livewire_clock hears no PTP: {right}"));
    let text = with("two_step = true", "two_step = true\ndialect = \"livewire\"");
    let text = text.replace("kind = \"engine\"", "kind = \"livewire_clock\"");
    let said = message_at("priority_1 = 128", &text, &[]);
    assert_eq!(said, "priority 128: that of a Livewire clock is 0 to 15");
    let said = message_at(name, &text.replace("priority_1 = 128", "priority_1 = 3"), &[]);
    assert!(said.starts_with("receiver `engine`: livewire_clock is only a clock and cannot play"), "{said}");
}
