//! One attack on PTP: a grandmaster of linuxptp, clients of ours and one of linuxptp, and the
//! attacker, on one wire.
//!
//! All hosts have one clock, the system's, which ptp4l serves and nobody steers. So the error of a
//! client is its reported difference from the system's clock, and that of ptp4l is its own `master
//! offset`. The latter is the raw measurement of each Sync, before any filter.

use super::forge::{BEGINS, COMMAND, ENDS};
use super::judge::{Client, LOCKED, Sample, Times, faults, microseconds};
use super::rows::{Attack, Bar, CONTROL, Fault, Meets, Row};
use super::table::{Outcome, ascending};
use super::{Options, Result, now};
use crate::interop::peers::{DOMAIN, Ptp4l, real_time};
use netns::{Running, Wire, address};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The hosts of the grandmaster, linuxptp's client and the attacker; our clients have the letters
/// from `d` on, without `f`, because `vf` is a word of `ip link`.
const GRANDMASTER: char = 'a';
const PEER: char = 'b';
pub(super) const ATTACKER: char = 'c';
const CLIENTS: [char; 4] = ['d', 'e', 'g', 'h'];
/// Time for clients to lock without an attack.
const LOCK_S: u32 = 25;
/// Time from their lock to the attack.
const SETTLING: Duration = Duration::from_secs(4);
/// Shortest and longest time that clients are watched after the end of the attack: what a clock
/// learnt during the attack may cause errors later.
const WATCH: (Duration, Duration) = (Duration::from_secs(8), Duration::from_secs(30));
/// Clients that start during an attack do so this long after its beginning.
const START_AFTER: Duration = Duration::from_secs(1);
/// Interval of checks whether all clients have recovered.
const STEP: Duration = Duration::from_millis(200);

/// The measurements.
pub(super) struct Measured {
    ours: Vec<Client>,
    ptp4l: Client,
    times: Times,
    meets: Meets,
    bar: Bar,
    /// Final report of the attacker.
    attacker: String,
}

/// The running programs, and the time at which each began.
struct Scene<'a> {
    wire: &'a Wire,
    options: &'a Options,
    /// The origin of times.
    zero: Instant,
    /// `CLOCK_MONOTONIC` at that time, by which ptp4l stamps its lines.
    zero_monotonic_s: f64,
    master: Option<Running>,
    ours: Vec<(f64, Running)>,
    peer: Option<Running>,
}

/// Runs a row.
pub(super) fn run(row: &Row, options: &Options) -> Result<Measured> {
    let clients = &CLIENTS[..options.clients];
    let hosts: Vec<char> = [GRANDMASTER, PEER, ATTACKER].iter().chain(clients).copied().collect();
    let wire = Wire::new(&hosts, &["ptp4l", "chrt"]).map_err(|missing| missing.to_string())?;
    super::tell_folder(row, &wire);
    let mut scene = Scene {
        wire: &wire,
        options,
        zero: now(),
        zero_monotonic_s: monotonic_s()?,
        master: None,
        ours: Vec::new(),
        peer: None,
    };
    scene.start_master()?.wait_for(MASTER, 15);
    if row.meets == Meets::Locked {
        scene.start_clients(clients)?;
        scene.wait_locked()?;
        sleep(SETTLING);
    }
    let lasts = Duration::from_secs_f64(options.seconds.unwrap_or(row.seconds));
    let (begin_s, attacker) = begin(row, &wire, lasts, scene.zero)?;
    if row.meets != Meets::Locked {
        sleep(START_AFTER);
        scene.start_clients(clients)?;
    }
    let said = scene.attack(row, attacker, begin_s, lasts)?;
    let times = Times { begin_s, end_s: scene.elapsed_s() };
    sleep(WATCH.0);
    let until = now() + WATCH.1 - WATCH.0;
    while now() < until && !scene.measure(row, times, &said).is_over() {
        sleep(STEP);
    }
    Ok(scene.measure(row, times, &said))
}

/// Output of ptp4l when it becomes grandmaster.
const MASTER: &str = "assuming the grand master role";

impl Scene<'_> {
    fn elapsed_s(&self) -> f64 {
        self.zero.elapsed().as_secs_f64()
    }

    fn start_master(&mut self) -> Result<&Running> {
        let master =
            Ptp4l::master(100).attacked().start(self.wire, GRANDMASTER).map_err(|trouble| format!("{trouble:?}"))?;
        Ok(self.master.insert(master))
    }

    fn start_clients(&mut self, hosts: &[char]) -> Result<()> {
        let peer = Ptp4l::slave().attacked().start(self.wire, PEER).map_err(|trouble| format!("{trouble:?}"))?;
        self.peer = Some(peer);
        for &host in hosts {
            let mut command = self.wire.command(host, &self.options.program);
            command.args(format!("ptp --interface v{host} --domain {DOMAIN} --json").split(' '));
            command.args(self.options.client_options.split_whitespace());
            self.ours.push((self.elapsed_s(), self.wire.start(command)));
        }
        Ok(())
    }

    fn wait_locked(&self) -> Result<()> {
        for (_, client) in &self.ours {
            if !client.poll(LOCK_S, |log| log.contains(r#""state":"LOCKED""#)) {
                return Err(format!("not locked {LOCK_S} s after the start, before any attack:\n{}", client.log()));
            }
        }
        Ok(())
    }

    /// Waits for the end of the attack. Returns the report of the attacker.
    fn attack(&mut self, row: &Row, attacker: Option<Running>, begin_s: f64, lasts: Duration) -> Result<String> {
        if let Attack::Fault(fault, _) = row.attack {
            self.fault(fault, begin_s, lasts)?;
        }
        end(row, attacker, lasts)
    }

    fn fault(&mut self, fault: Fault, begin_s: f64, lasts: Duration) -> Result<()> {
        let end_s = begin_s + lasts.as_secs_f64();
        let cable = |is_in: bool| {
            let change = if is_in { "master bridge" } else { "nomaster" };
            self.wire.ip(HUB, &format!("link set p{GRANDMASTER} {change}"));
        };
        match fault {
            Fault::Cut => {
                cable(false);
                self.sleep_until(end_s);
                cable(true);
            }
            Fault::Flaps(ms) => {
                for n in 1.. {
                    cable(n % 2 == 0);
                    let next_s = begin_s + (n * ms) as f64 / 1e3;
                    self.sleep_until(next_s.min(end_s));
                    if next_s >= end_s {
                        break;
                    }
                }
                cable(true);
            }
            Fault::Killed => {
                if let Some(master) = self.master.take() {
                    master.signal("KILL");
                }
                self.sleep_until(end_s);
                self.start_master()?.wait_for(MASTER, 15);
            }
        }
        Ok(())
    }

    fn sleep_until(&self, at_s: f64) {
        sleep(Duration::from_secs_f64((at_s - self.elapsed_s()).max(0.0)));
    }

    fn measure(&self, row: &Row, times: Times, attacker: &str) -> Measured {
        let ours = self
            .ours
            .iter()
            .map(|(start_s, client)| Client { start_s: *start_s, samples: samples(*start_s, &client.log()) });
        let log = self.peer.as_ref().map_or_else(String::new, Running::log);
        let start_s = self.ours.first().map_or(0.0, |(start_s, _)| *start_s);
        let ptp4l = Client { start_s, samples: offsets(self.zero_monotonic_s, &log) };
        Measured { ours: ours.collect(), ptp4l, times, meets: row.meets, bar: row.bar, attacker: attacker.to_owned() }
    }
}

/// Starts the attacker of a row, if there is one, and waits until it begins. Returns when that was.
pub(super) fn begin(row: &Row, wire: &Wire, lasts: Duration, zero: Instant) -> Result<(f64, Option<Running>)> {
    if row.attack.forgery().is_none() {
        return Ok((zero.elapsed().as_secs_f64(), None));
    }
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let mut command = real_time(wire, ATTACKER, &program);
    command.args([COMMAND, row.name, &address(ATTACKER), &lasts.as_secs_f64().to_string()]);
    let attacker = wire.start(command);
    if !attacker.poll(30, |log| log.contains(BEGINS)) {
        return Err(format!("the attacker did not begin: {}", attacker.log()));
    }
    Ok((zero.elapsed().as_secs_f64(), Some(attacker)))
}

/// Waits for the end of an attacker. Returns its report.
pub(super) fn end(row: &Row, attacker: Option<Running>, lasts: Duration) -> Result<String> {
    let Some(attacker) = attacker else { return Ok(String::new()) };
    let ended = attacker.wait(lasts.as_secs() as u32 + 20);
    let said = ended.log.lines().find(|line| line.starts_with(ENDS)).filter(|_| ended.code == Some(0));
    let said = said.ok_or_else(|| format!("the attacker failed: {}", ended.log))?;
    let sent_nothing = said.contains(": 0 packets sent");
    if sent_nothing != row.name.starts_with(CONTROL) {
        return Err(format!("not what was meant: {said}"));
    }
    Ok(said.to_owned())
}

/// The host of the bridge.
const HUB: char = '0';

impl Outcome for Measured {
    fn faults(&self) -> Vec<String> {
        faults(&self.ours, self.times, self.meets, self.bar)
    }

    fn columns(&self) -> String {
        let (ours, times) = (&self.ours[..], self.times);
        let largest = |of: fn(&Client, Times) -> Option<f64>| {
            let worst_us = ours.iter().filter_map(|client| of(client, times)).reduce(f64::max);
            worst_us.map_or_else(|| "-".to_owned(), microseconds)
        };
        let mut states = BTreeMap::new();
        for (state, count) in ours.iter().flat_map(|client| client.states(times)) {
            *states.entry(state).or_insert(0) += count;
        }
        let states: Vec<String> = states.iter().map(|(state, count)| format!("{state} {count}")).collect();
        // When the last of our clients had recovered; `None` if one of them has not.
        let last = ours.iter().map(|client| client.recovery_s(times)).reduce(|a, b| Some(a?.max(b?))).flatten();
        format!(
            "{:<41} {:>9} {:>10} {:>12} | {:>12} {:>12} ",
            states.join(", "),
            largest(Client::worst_locked_us),
            largest(Client::worst_held_us),
            ascending(last),
            self.ptp4l.worst_locked_us(times).map_or_else(|| "-".to_owned(), microseconds),
            ascending(self.ptp4l.recovery_s(times)),
        )
    }

    fn json(&self) -> Value {
        let figures = |client: &Client| {
            json!({
                "states": client.states(self.times),
                "locked_after_start_s": client.lock_s(),
                "worst_locked_us": client.worst_locked_us(self.times),
                "worst_held_us": client.worst_held_us(self.times),
                "recovery_s": client.recovery_s(self.times),
            })
        };
        json!({
            "begin_s": self.times.begin_s,
            "end_s": self.times.end_s,
            "ours": self.ours.iter().map(figures).collect::<Vec<_>>(),
            "ptp4l": figures(&self.ptp4l),
            "attacker": self.attacker,
        })
    }
}

impl Measured {
    /// Whether further watching is useless, because all clients have recovered.
    fn is_over(&self) -> bool {
        self.ours.iter().chain([&self.ptp4l]).all(|client| client.recovery_s(self.times).is_some())
    }
}

/// `CLOCK_MONOTONIC`: on a machine that was not suspended the time since its start.
fn monotonic_s() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/uptime").map_err(|error| format!("/proc/uptime: {error}"))?;
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    first.ok_or_else(|| format!("/proc/uptime says `{}`", text.trim()))
}

/// Parses the output of a client of ours, one line per second.
fn samples(start_s: f64, log: &str) -> Vec<Sample> {
    let sample = |line: Value| {
        let state = line["state"].as_str()?.to_owned();
        let error_us = line["system_minus_ptp_ns"].as_i64().map(|ns| -ns as f64 / 1e3);
        Some(Sample { at_s: start_s + line["elapsed_s"].as_f64()?, state, error_us })
    };
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).filter_map(sample).collect()
}

/// Parses the output of ptp4l: `ptp4l[12.345]: master offset -123 s0 freq +0 path delay 456` at
/// each Sync. It reports 0 until it knows the path's delay.
fn offsets(zero_monotonic_s: f64, log: &str) -> Vec<Sample> {
    let sample = |line: &str| {
        let (head, rest) = line.split_once("]: master offset")?;
        let at_s = head.strip_prefix("ptp4l[")?.parse::<f64>().ok()? - zero_monotonic_s;
        let offset_ns = rest.split_whitespace().next()?.parse::<i64>().ok()?;
        Some(Sample { at_s, state: LOCKED.to_owned(), error_us: Some(offset_ns as f64 / 1e3) })
    };
    log.lines().filter_map(sample).skip_while(|sample| sample.error_us == Some(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_ptp4l_are_read_with_their_times() {
        let log = "ptp4l[105.0]: selected best master clock\nptp4l[105.2]: master offset 0 s0 freq\n\
                   ptp4l[106.5]: master offset       -512 s0 freq      +0 path delay       900\n";
        let [sample] = &offsets(100.0, log)[..] else { panic!("one offset") };
        assert_eq!((sample.at_s, sample.error_us), (6.5, Some(-0.512)));
    }

    #[test]
    fn samples_of_a_client_are_read_from_its_lines() {
        let log = "{\"elapsed_s\":2.5,\"state\":\"LOCKED\",\"system_minus_ptp_ns\":-1500}\n{\"elapsed_s\":3.5,\"state\":\"UNLOCKED\"}\nno line\n";
        let [locked, unlocked] = &samples(10.0, log)[..] else { panic!("two samples") };
        assert_eq!((locked.at_s, &locked.state[..], locked.error_us), (12.5, "LOCKED", Some(1.5)));
        assert_eq!((unlocked.at_s, &unlocked.state[..], unlocked.error_us), (13.5, "UNLOCKED", None));
    }
}
