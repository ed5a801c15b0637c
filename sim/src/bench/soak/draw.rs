//! The events of a run, drawn at random.
//!
//! Every kind can be distinguished from an honest network, or leaves a clock that accepts it within
//! the bound: Syncs that are all delayed by a constant cannot be distinguished from a longer path
//! (RFC 7384, 3.2.6), so that attack stays below the error that an unknown asymmetry of
//! [`super::WRONG_US`] would cause. True time never jumps, so a locked clock with a large error is
//! always wrong.

use super::RUN_S;
use super::scene::scene;
use crate::models::RandomStream;
use std::path::Path;

/// Time allowed for the start, s.
const FIRST_S: f64 = 60.0;
/// Shortest and longest time from one event to the next, s.
const APART_S: [f64; 2] = [40.0, 120.0];
/// How long a receiver may take to play correctly again, derived from what faults of the stream
/// cost in the scenarios for each of them, plus their latency.
const STREAM_SETTLES_S: f64 = 2.0;
/// The consequences of a fault of PTP may last as long as those of an attack.
const PTP_SETTLES_S: f64 = super::RECOVERY_S;
/// The longest delay that is added to Syncs, us: the clock is wrong by half of it.
const LONGEST_HELD_US: f64 = 1500.0;

/// An event of a run.
#[derive(Clone, Debug)]
pub(super) struct Happening {
    pub(super) cause: &'static str,
    pub(super) is_attack: bool,
    pub(super) from_s: f64,
    pub(super) to_s: f64,
    /// How long after its end it still counts as a cause.
    pub(super) settles_s: f64,
    /// The scenario's entries for it.
    entries: String,
}

/// A run that was drawn.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    /// Its scenario.
    pub(super) text: String,
    /// Its events in order; the first one is the start.
    pub(super) happenings: Vec<Happening>,
}

/// Draws a run.
pub(super) fn draw(seed: u64, run: u64, has_stream: bool, programme: &Path) -> Drawn {
    let mut dice = Dice(RandomStream::new(seed, &format!("soak/{run}")));
    let mut text = scene(&mut dice, seed, run, has_stream, RUN_S, programme);
    let start =
        Happening { cause: "start", is_attack: false, from_s: 0.0, to_s: 0.0, settles_s: 0.0, entries: String::new() };
    let mut happenings = vec![start];
    let mut at_s = FIRST_S;
    loop {
        let happening = dice.happening(at_s, has_stream);
        let end_s = happening.to_s;
        if end_s + APART_S[0] > f64::from(RUN_S) {
            break;
        }
        text += &happening.entries;
        happenings.push(happening);
        at_s = end_s + dice.between(APART_S[0], APART_S[1]);
    }
    Drawn { text, happenings }
}

/// The random choices of a run.
pub(super) struct Dice(RandomStream);

impl Dice {
    /// Uniform, in thousandths.
    pub(super) fn between(&mut self, least: f64, most: f64) -> f64 {
        ((least + (most - least) * self.0.uniform()) * 1e3).round() / 1e3
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.bits() as usize % of.len()]
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.0.uniform() < probability
    }

    /// A size between two bounds, of either sign, uniformly distributed on a logarithmic scale.
    fn signed(&mut self, least: f64, most: f64) -> f64 {
        let size = least * libm::pow(most / least, self.0.uniform());
        if self.chance(0.5) { size.round() } else { -size.round() }
    }

    fn source(&mut self) -> &'static str {
        self.pick(&["own", "spoofed"])
    }

    /// The time in forged messages, as a key and value of the scenario.
    fn tells(&mut self) -> String {
        match self.pick(&[0, 0, 1, 2, 3]) {
            0 => format!("offset_us = {}", self.signed(100.0, 1e8)),
            1 => format!("random_s = {}", self.pick(&[0.001, 0.1, 10.0, 400_000.0])),
            2 => format!("drift_ppm = {}", self.signed(1.0, 200.0)),
            _ => "time_s = 1000".to_owned(),
        }
    }

    fn happening(&mut self, at_s: f64, has_stream: bool) -> Happening {
        if has_stream && self.chance(0.5) {
            return self.of_stream(at_s);
        }
        if self.chance(0.6) { self.attack(at_s) } else { self.fault(at_s) }
    }

    /// An attack on PTP.
    fn attack(&mut self, at_s: f64) -> Happening {
        let for_s = self.between(2.0, 30.0);
        let (cause, what) = match self.pick(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
            0 => ("forged Follow_Ups", self.forged("forge_follow_ups")),
            1 => ("forged Syncs", self.forged("forge_syncs")),
            2 => {
                let (tells, from) = (self.tells(), self.source());
                ("forged Delay_Resps", format!("attack.forge_delay_resps = {{ tells.{tells}, from = \"{from}\" }}"))
            }
            3 => ("invented masters", self.invented()),
            4 => ("better master", self.better()),
            5 => {
                let (recorded_s, per_s) = (self.between(1.0, 10.0), self.pick(&[16, 100, 500]));
                let from = self.source();
                let what = format!(
                    "attack.replay_syncs = {{ recorded_s = {recorded_s}, per_s = {per_s}, from = \"{from}\" }}"
                );
                ("replayed Syncs", what)
            }
            6 => {
                let (per_s, from) = (self.pick(&[50, 200, 500]), self.source());
                ("PTP flood", format!("attack.flood_ptp = {{ per_s = {per_s}, from = \"{from}\" }}"))
            }
            7 => {
                let by_us = self.between(50.0, LONGEST_HELD_US);
                ("Syncs held back", format!("attack.hold_back_syncs = {{ by_us = {by_us} }}"))
            }
            8 => return self.flapping(at_s),
            _ => ("lying grandmaster", self.lies()),
        };
        one(cause, true, at_s, for_s, PTP_SETTLES_S, &what)
    }

    fn forged(&mut self, kind: &str) -> String {
        let (per_s, ahead) = (self.pick(&[8, 16, 80, 200]), self.pick(&[1, 1, 2, 31]));
        let (tells, from) = (self.tells(), self.source());
        let correction_us = if self.chance(0.2) { self.signed(100.0, 1e6) } else { 0.0 };
        format!(
            "attack.{kind} = {{ per_s = {per_s}, ahead = {ahead}, tells.{tells}, correction_us = {correction_us}, from = \"{from}\" }}"
        )
    }

    fn invented(&mut self) -> String {
        let (per_s, addresses) = (self.pick(&[20, 100, 400]), self.pick(&[1, 10, 100]));
        let identities =
            if self.chance(0.5) { format!(", identities = {}", self.pick(&[3, 30, 300])) } else { String::new() };
        let priority_1 = self.pick(&[1, 128, 250]);
        format!(
            "attack.invent_masters = {{ per_s = {per_s}, addresses = {addresses}, priority_1 = {priority_1}{identities} }}"
        )
    }

    /// An attack by a better master that sends no time, or one that is obviously wrong.
    fn better(&mut self) -> String {
        let log = self.pick(&[-2, 0, 1]);
        let tells = self.pick(&["", ", tells.random_s = 0.1", ", tells.random_s = 400_000", ", tells.time_s = 1000"]);
        let answers = self.chance(0.5);
        format!("attack.better_master = {{ log_announce_interval = {log}, answers = {answers}{tells} }}")
    }

    fn lies(&mut self) -> String {
        let lies = match self.pick(&[0, 1, 2, 3, 4]) {
            0 => format!("syncs.random_s = {}", self.pick(&[0.01, 1.0])),
            1 => format!("delay_resps.random_s = {}", self.pick(&[0.01, 1.0])),
            2 => format!("delay_resps.offset_us = {}", self.signed(100.0, 1e7)),
            3 => "flag_cleared = true".to_owned(),
            _ => format!("syncs.drift_ppm = {}", self.signed(5.0, 100.0)),
        };
        format!("grandmaster_lies = {{ {lies} }}")
    }

    /// A grandmaster that repeatedly appears and disappears.
    fn flapping(&mut self, at_s: f64) -> Happening {
        let (times, half_s) = (self.pick(&[3, 8, 15]), self.between(0.3, 4.0));
        let entries =
            (0..times).map(|n| entry(at_s + 2.0 * half_s * f64::from(n), Some(half_s), "\"grandmaster_lost\""));
        let to_s = at_s + half_s * f64::from(2 * times - 1);
        let entries = entries.collect();
        Happening { cause: "flapping master", is_attack: true, from_s: at_s, to_s, settles_s: PTP_SETTLES_S, entries }
    }

    /// A fault of PTP.
    fn fault(&mut self, at_s: f64) -> Happening {
        let for_s = self.between(2.0, 40.0);
        let (cause, what) = match self.pick(&[0, 1, 2, 3, 4, 5, 6, 7]) {
            0 => ("grandmaster lost", "\"grandmaster_lost\"".to_owned()),
            1 => ("network lost", "\"network_lost\"".to_owned()),
            2 => ("Delay_Reqs unanswered", "\"delay_requests_unanswered\"".to_owned()),
            3 => {
                let what = format!("late_sync_us = {}", self.between(100.0, 50_000.0));
                return once("late Sync", at_s, PTP_SETTLES_S, &what);
            }
            4 => ("malformed PTP", format!("ptp_malformed = {{ per_s = {} }}", self.pick(&[10, 200]))),
            5 => ("Follow_Ups first", "\"follow_up_before_sync\"".to_owned()),
            6 => {
                let mean_us = self.between(20.0, 300.0);
                ("receive jitter", format!("host_receive_jitter.exponential = {{ mean_us = {mean_us} }}"))
            }
            _ => {
                let share = self.between(0.1, 1.0);
                ("transmit stamps missing", format!("transmit_stamps_missing = {{ share = {share} }}"))
            }
        };
        one(cause, false, at_s, for_s, PTP_SETTLES_S, &what)
    }

    /// A fault of the stream, or an attack on it.
    fn of_stream(&mut self, at_s: f64) -> Happening {
        let (cause, is_attack, for_s, what) = match self.pick(&[0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]) {
            0 => ("forged packets", true, self.between(1.0, 10.0), self.packets()),
            1 => ("stream lost", false, self.between(0.02, 4.0), "\"media_lost\"".to_owned()),
            2 => ("second sender", true, self.between(1.0, 20.0), "\"second_sender\"".to_owned()),
            3 => {
                let mean_us = self.between(100.0, 1500.0);
                let what = format!("media_jitter.exponential = {{ mean_us = {mean_us} }}");
                ("stream jitter", false, self.between(2.0, 20.0), what)
            }
            4 => ("callbacks held up", false, self.between(0.02, 0.3), "\"callbacks_stalled\"".to_owned()),
            5 => {
                let what = format!("talker_restart = {{ new_ssrc = {} }}", self.chance(0.5));
                ("sender restarts", false, self.between(0.5, 5.0), what)
            }
            6 => return once("xrun", at_s, STREAM_SETTLES_S, &format!("card_xrun_ms = {}", self.between(1.0, 50.0))),
            _ => ("thread held up", false, self.between(0.01, 0.3), "\"media_thread_held\"".to_owned()),
        };
        one(cause, is_attack, at_s, for_s, STREAM_SETTLES_S, &what)
    }

    fn packets(&mut self) -> String {
        let (per_s, from) = (self.pick(&[20, 200, 1000]), self.source());
        let ssrc = self.pick(&["stream", "stream", "other"]);
        let timestamps = match self.pick(&[0, 1, 2, 3, 3]) {
            0 => "timestamps = \"copied\"".to_owned(),
            1 => "timestamps = \"backwards\"".to_owned(),
            2 => "timestamps = \"random\"".to_owned(),
            _ => format!("timestamps.offset_ms = {}", self.signed(1.0, 1e5)),
        };
        let long = if self.chance(0.2) { ", payload_bytes = 1440" } else { "" };
        format!(
            "attack.forge_packets = {{ per_s = {per_s}, {timestamps}, ssrc = \"{ssrc}\", from = \"{from}\"{long} }}"
        )
    }
}

fn one(cause: &'static str, is_attack: bool, from_s: f64, for_s: f64, settles_s: f64, what: &str) -> Happening {
    let entries = entry(from_s, Some(for_s), what);
    Happening { cause, is_attack, from_s, to_s: from_s + for_s, settles_s, entries }
}

fn once(cause: &'static str, from_s: f64, settles_s: f64, what: &str) -> Happening {
    Happening { cause, is_attack: false, from_s, to_s: from_s, settles_s, entries: entry(from_s, None, what) }
}

/// A `[[fault]]`; `what` is a name in quotes, or a key and its value.
fn entry(at_s: f64, for_s: Option<f64>, what: &str) -> String {
    let for_s = for_s.map_or_else(String::new, |for_s| format!("for_s = {for_s:.3}\n"));
    let what = if what.starts_with('"') { format!("what = {what}") } else { format!("what.{what}") };
    format!("\n[[fault]]\nat_s = {at_s:.3}\n{for_s}{what}\n")
}
