//! Every key of a scenario with values that it cannot have, or hardly: each is refused with file,
//! line and key, or the run that it makes is short and comes to an end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rayon::prelude::*;
use sim::receivers::Slot;
use sim::run::Budget;
use sim::scenario::Loaded;
use sim::world::{Control, World};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// What every scenario below begins with: the shortest run that makes rows.
const WORLD: &str = "title = 'all keys'
duration_s = 0.4
seed = 3
record = { audio = 'none', interval_s = 0.1, wav_bits = 'pcm16' }

[grandmaster]
identity = 'dca600fffeff2eea'
domain = 0
priority_1 = 128
priority_2 = 128
clock_class = 6
log_announce_interval = -2
log_sync_interval = -4
log_min_delay_req_interval = -4
two_step = true
start_time_s = 1_790_000_000
time_offset_us = 0
first_sequence = 0
wander = { rms_us = 1, tau_s = 5 }
present_from_s = 0
present_to_s = 100
answers_delay_requests = true
dialect = 'ieee1588'

[host]
clock = { offset_ppm = 10, random_walk_ppb = 1, sine_ppm = 0.1, sine_period_s = 600, warm_up_ppm = 1, warm_up_s = 60 }
receive_jitter.uniform = { min_us = 0, max_us = 20 }
transmit_jitter.normal = { mean_us = 20, sigma_us = 5 }
";

/// A path with everything that may be on one.
const PATH: &str = "delay_us = 200
jitter.exponential = { mean_us = 50 }
may_reorder = true
loss = 0.01
loss_burst = { begins = 0.01, ends = 0.5, loss = 0.5 }
duplicate = { share = 0.01, later.pareto = { scale_us = 20, tail_index = 3 } }
stall = { mean_interval_s = 1, min_ms = 1, max_ms = 2 }
delay_file = { path = 'delays.txt', order = 'drawn' }
rate_limit = { mbit_per_s = 100, queue_bytes = 60_000 }
reorder = { share = 0.1, by.packets = 3 }
corruption = { share = 0.01, bits = 1, from_byte = 0, to_byte = 40, udp_checksum = 'absent' }
";

/// What there is with an audio chain.
const CHAIN: &str = "
[talker]
group = '239.192.0.1:5004'
encoding = 'L24'
channels = 2
sample_rate_hz = 48_000
packet_frames = 48
payload_type = 96
first_sequence = 0
timestamp_offset = 0
sdp_timestamp_offset = 0
clock = 'grandmaster'
claims_ptp = false
source.tones = [{ frequency_hz = 440, level_dbfs = -12 }]

[card]
sample_rate_hz = 48_000
clock = { offset_ppm = 20 }
callback_frames = 480
callback_jitter.bimodal = { mean_us = 10, gap_us = 500, share = 0.1 }

[playout]
target_depth_ms = 5
remembered_card_ppm = 0
remembered_media_ppm = 0
depth_limit_ms = 20

[[expect]]
receiver = 'engine'
metric = 'underruns'
min = 0
max = 1e9
from_s = 0
to_s = 0.4
known_failure = false
";

const RECEIVER: &str = "
[[receiver]]
name = 'engine'
kind = 'engine'
rejoin_every_s = 60
";

/// A fault of every kind; the last line of each is what it is.
const FAULTS: &[&str] = &[
    "'grandmaster_lost'",
    "'rivals_lost'",
    "{ grandmaster_step_us = 5 }",
    "{ grandmaster_restart = { time_s = 5 } }",
    "'delay_requests_unanswered'",
    "{ ptp_delay = { down_us = 50, up_us = 50 } }",
    "{ late_sync_us = 50 }",
    "'network_lost'",
    "'media_lost'",
    "{ leg_lost = 'a' }",
    "{ media_delay_ms = 5 }",
    "{ media_jitter.gamma = { queues = 3, mean_us = 20 } }",
    "{ talker_restart = { new_ssrc = true } }",
    "'ssrc_change'",
    "'second_sender'",
    "{ host_receive_jitter.exponential = { mean_us = 20 } }",
    "{ host_transmit_jitter.exponential = { mean_us = 20 } }",
    "{ media_stall = { mean_interval_s = 1, min_ms = 1, max_ms = 2 } }",
    "{ host_clock_ramp_ppm = 5 }",
    "{ card_clock_ramp_ppm = 5 }",
    "{ card_xrun_ms = 5 }",
    "'callbacks_stalled'",
    "{ callback_frames = 480 }",
    "{ host_stalls = { mean_interval_s = 1, min_ms = 1, max_ms = 2 } }",
    "'media_thread_held'",
    "{ media_thread_stalls = { mean_interval_s = 1, min_ms = 1, max_ms = 2 } }",
    "{ host_suspended = { monotonic_clock = 'stops' } }",
    "{ host_clock_slew_ppm = 5 }",
    "{ host_clock_step_ms = 5 }",
    "'host_paused'",
    "{ wall_clock_slew_ppm = 5 }",
    "{ wall_clock_step_ms = 5 }",
    "{ media_rate_limit = { mbit_per_s = 100, queue_bytes = 60_000 } }",
    "{ media_duplicated = { every_packets = 10, later_ms = 5 } }",
    "'igmp_querier_missing'",
    "'follow_up_before_sync'",
    "{ ptp_malformed = { per_s = 8 } }",
    "{ transmit_stamps_missing = { share = 0.5 } }",
    "{ transmit_stamps_late_us = 50 }",
    "'card_lost'",
    "{ grandmaster_lies = { syncs.offset_us = 5, delay_resps.drift_ppm = 5, correction_us = 5, flag_cleared = true } }",
    "{ packet_frames = 96 }",
    "{ wrong_payload_type = 97 }",
    "{ talker_slip_ms = 2 }",
    "{ attack.forge_syncs = { per_s = 8, tells.offset_us = 5, ahead = 1, correction_us = 5, from = 'spoofed' } }",
    "{ attack.forge_follow_ups = { per_s = 8, tells.random_s = 5 } }",
    "{ attack.forge_delay_resps = { tells.time_s = 5, log_interval = 0, from = 'spoofed' } }",
    "{ attack.invent_masters = { per_s = 8, identities = 5, addresses = 5, priority_1 = 5 } }",
    "{ attack.better_master = { priority_1 = 5, log_announce_interval = 0, tells.drift_ppm = 5, answers = true } }",
    "{ attack.replay_syncs = { recorded_s = 0.1, per_s = 8, from = 'spoofed' } }",
    "{ attack.hold_back_syncs = { by_us = 50, grows_ppm = 5 } }",
    "{ attack.flood_ptp = { per_s = 8, from = 'spoofed' } }",
    "{ attack.forge_packets = { per_s = 8, timestamps.offset_ms = 5, ssrc = 'other', payload_bytes = 100, from = 'own' } }",
];

/// Scenarios that have every key that there is between them.
fn scenarios() -> Vec<String> {
    let paths = |names: &[&str]| names.iter().map(|name| format!("\n[{name}]\n{PATH}")).collect::<String>();
    let media = paths(&["network.media", "network.media_b", "network.ptp", "network.ptp_up"]);
    let rival = WORLD[WORLD.find("[grandmaster]").unwrap()..WORLD.find("[host]").unwrap()]
        .replace("[grandmaster]", "[[rival]]")
        .replace("dca600", "dca601");
    let own =
        "\n[receiver.host]\nclock = {}\n[receiver.card]\nsample_rate_hz = 48_000\nclock = {}\ncallback_frames = 480\n"
            .to_owned()
            + &paths(&["receiver.network.media", "receiver.network.ptp", "receiver.network.ptp_up"]);
    let group = "\n[network]\ngroup_timeout_s = 260\n";
    let mut all = vec![format!("{WORLD}\n{rival}{group}{media}{CHAIN}{RECEIVER}{own}")];
    let calm = "\n[network]\nmedia = { delay_us = 200 }\nmedia_b = { delay_us = 200 }\nptp = { delay_us = 200 }\n";
    let base = format!("{WORLD}{calm}{CHAIN}{RECEIVER}");
    let fault = |what: &&str| format!("{base}\n[[fault]]\nat_s = 0.1\nfor_s = 0.1\nwhat = {what}\n");
    all.extend(FAULTS.iter().map(fault));
    all.push(format!("{base}\n[[fault]]\nat_s = 0.1\nfor_s = 0.01\nevery_s = 0.1\nwhat = 'media_lost'\n"));
    let other = "\n[[receiver]]\nname = 'other'\nkind = 'process'\n";
    all.push(format!("{base}{other}process = {{ command = ['true'], answer_limit_s = 30 }}\n"));
    let sender = "\n[sender]\nclock.system = { error_us = 1, period_s = 600 }\nhost = { clock = {} }\nptp = { delay_us = 200 }\n\
                  wake_jitter.exponential = { mean_us = 20 }\ndelay_ms = 1\n\
                  card = { sample_rate_hz = 48_000, clock = {}, callback_frames = 480 }\n";
    all.push(format!("{base}{sender}"));
    let stability = "\n[[expect]]\nreceiver = 'engine'\nmetric = 'mtie_ns'\nclock = 'host'\n";
    all.push(format!("{base}{stability}mask = 'tenth_of_a_frame'\n"));
    all.push(format!("{base}{stability}tau_s = 0.2\nmax = 1e9\n"));
    all.push(base.replace("source.tones = [{ frequency_hz = 440, level_dbfs = -12 }]", "source.wav = 'tone.wav'"));
    all.push(base.replace("clock = 'grandmaster'", "clock.crystal = { offset_ppm = 5 }"));
    let others =
        [("by.packets = 3", "by.later.exponential = { mean_us = 20 }"), ("'engine'\nrejoin", "'prototype'\nrejoin")];
    all.extend(others.map(|(this, that)| all[0].replace(this, that)));
    all.push(
        format!("{}\n{rival}", base.replace("clock = 'grandmaster'", "clock.rival = 0"))
            .replace("wander = { rms_us = 1, tau_s = 5 }\n", ""),
    );
    all
}

/// Where a value is, which keys lead to it, and whether it is a number.
struct Place {
    keys: Vec<String>,
    span: Range<usize>,
    is_number: bool,
}

/// Every value of a text that is no table.
fn places(text: &str) -> Vec<Place> {
    fn walk(value: &DeValue<'_>, span: Range<usize>, keys: &[String], places: &mut Vec<Place>) {
        match value {
            DeValue::Table(table) => {
                for (key, value) in table {
                    let keys = [keys, &[key.get_ref().to_string()]].concat();
                    walk(value.get_ref(), value.span(), &keys, places);
                }
            }
            DeValue::Array(items) => {
                items.iter().for_each(|item| walk(item.get_ref(), item.span(), keys, places));
            }
            value => {
                let is_number = matches!(value, DeValue::Integer(_) | DeValue::Float(_));
                places.push(Place { keys: keys.to_vec(), span, is_number });
            }
        }
    }
    let mut places = Vec::new();
    let document = DeTable::parse(text).unwrap();
    for (key, value) in document.get_ref() {
        walk(value.get_ref(), value.span(), &[key.get_ref().to_string()], &mut places);
    }
    places
}

/// Values that a number may not have, or hardly, and those of other types.
const VALUES: [&str; 17] = [
    "0",
    "-1",
    "1e-308",
    "1e308",
    "inf",
    "-inf",
    "nan",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999999999999999999999999999999999999",
    "0.5",
    "255",
    "[20]",
    "'text'",
    "{ us = 20 }",
    "true",
    "[{}]",
];

/// The most events that a run of these lasts.
const MOST_EVENTS: f64 = 300_000.0;

/// What is wrong with how a scenario is taken, if anything is.
fn fault_of(folder: &Path, text: &str, place: &Place, value: &str) -> Option<String> {
    let line = text[..place.span.start].matches('\n').count() + 1;
    let path = folder.join("all.toml");
    let loaded = match Loaded::from_text(&path, text) {
        Ok(loaded) => loaded,
        Err(error) => return wrong_message(&error.to_string(), &path, line, place),
    };
    let budget = Budget::of(&loaded);
    if budget.events() > MOST_EVENTS || budget.bytes() > 1e8 {
        // Whether it is refused or only takes its time, it is known before.
        return None;
    }
    let run = Slot::new(&loaded, 0)
        .built_in()
        .and_then(|receiver| World::with(&loaded, 0, receiver, None))
        .and_then(|world| world.run(&Control::default()));
    match run {
        Ok(outcome) if outcome.events as f64 > 10.0 * budget.events() + 1e4 => {
            Some(format!("{value}: {} events, and {} were expected", outcome.events, budget.events()))
        }
        Ok(_) => None,
        Err(error) => Some(format!("{value}: it runs, and ends with: {error}")),
    }
}

/// What a message lacks.
fn wrong_message(message: &str, path: &Path, line: usize, place: &Place) -> Option<String> {
    let file = path.display().to_string();
    let key = place.keys.last().unwrap();
    let first = message.lines().next().unwrap_or_default();
    // A value of a wrong type in the place of a choice is one of the key around it.
    let around = place.keys.iter().rev().nth(1);
    let names = |key: &String| message.contains(key.as_str());
    let is_there = first.starts_with(&format!("{file}:")) && (names(key) || around.is_some_and(names));
    let number = first[file.len() + 1..].split(':').next().and_then(|number| number.parse::<usize>().ok());
    // Checks that need two values point at one of them.
    let is_near = number.is_some_and(|number| number == line || names(key) || around.is_some_and(names));
    let is_short = first.chars().count() < 2500;
    (!is_there || !is_near || !is_short).then(|| format!("line {line}, {}: {message}", place.keys.join(".")))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("delays.txt"), "10\n20\n").unwrap();
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(folder.path().join("tone.wav"), spec).unwrap();
    (0..200).for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    folder
}

#[test]
fn every_key_takes_what_it_can_and_refuses_the_rest() {
    let folder = folder();
    let texts = scenarios();
    let mut seen = BTreeSet::new();
    let mut cases = Vec::new();
    for text in &texts {
        Loaded::from_text(&folder.path().join("all.toml"), text).map(drop).unwrap_or_else(|error| panic!("{error}"));
        for place in places(text) {
            // What was tried in an earlier scenario is the same here.
            if seen.insert(place.keys.clone()) {
                cases.push((text, place));
            }
        }
    }
    let numbers = cases.iter().filter(|(_, place)| place.is_number).count();
    assert!(numbers > 250, "only {numbers} numbers");
    let wrongs: Vec<String> = cases
        .par_iter()
        .flat_map_iter(|(text, place)| VALUES.map(|value| (text, place, value)))
        .filter_map(|(text, place, value)| {
            let changed = format!("{}{value}{}", &text[..place.span.start], &text[place.span.end..]);
            let said = catch_unwind(AssertUnwindSafe(|| fault_of(folder.path(), &changed, place, value)));
            said.unwrap_or_else(|_| Some("it panics".to_owned()))
                .map(|wrong| format!("{} = {value}: {wrong}\n", place.keys.join(".")))
        })
        .collect();
    assert!(wrongs.is_empty(), "{} of {}:\n{}", wrongs.len(), cases.len() * VALUES.len(), wrongs.concat());
}

/// The scenarios above have all keys: a key that nobody knows gets the list of those that there
/// are.
#[test]
fn the_scenarios_of_this_test_have_every_key() {
    let folder = folder();
    let path = folder.path().join("all.toml");
    let texts = scenarios();
    let used: BTreeSet<String> = texts.iter().flat_map(|text| places(text)).flat_map(|place| place.keys).collect();
    let quoted: BTreeSet<&str> = texts.iter().flat_map(|text| text.split('\'').skip(1).step_by(2)).collect();
    let mut missing = String::new();
    for text in &texts {
        for (open, _) in text.match_indices("{ ").chain(text.match_indices("]\n")) {
            let (at, key) =
                if text[open..].starts_with('{') { (open + 1, " zzz = 1,") } else { (open + 2, "zzz = 1\n") };
            let changed = format!("{}{key}{}", &text[..at], &text[at..]);
            let Err(error) = Loaded::from_text(&path, &changed) else { panic!("zzz is taken:\n{changed}") };
            let error = error.to_string();
            let Some((_, list)) = error.split_once("zzz`: ") else { continue };
            let list = list.lines().next().unwrap_or_default();
            for name in
                list.split('`').skip(1).step_by(2).filter(|name| !used.contains(*name) && !quoted.contains(name))
            {
                writeln!(missing, "{name}").unwrap();
            }
        }
    }
    assert_eq!(missing, "");
}
