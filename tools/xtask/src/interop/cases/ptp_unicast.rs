//! Our slave of masters that serve only on request (unicast negotiation), compared with multicast.
//! The masters are ptp4l, which serves this machine's clock: so the truth is known.

use super::super::bench::{Bench, Outcome, Trouble};
use super::super::measure::{number, objects, rms};
use super::super::peers::{DOMAIN, Ptp4l};
use super::latency::median;
use netns::{Running, Wire};
use serde_json::Value;

/// Seconds after the lock that are not evaluated, because the estimate still settles.
const SETTLING_S: f64 = 3.0;
/// The shortest duration that can be requested. Renewals are sent every 7.5 s.
const DURATION_S: u32 = 10;

pub(super) fn run(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b', 'c'], &["ptp4l"])?;
    let master = Ptp4l::unicast_master(100).start(&wire, 'a')?;
    master.wait_for("assuming the grand master role", 60);
    let seconds = renewal(bench, &wire)?;
    if bench.is_long() {
        restart(bench, &wire, &master, seconds)?;
        by_multicast(bench, &wire)?;
    }
    Ok(())
}

fn ptp() -> String {
    format!("ptp --interface vc --domain {DOMAIN} --json")
}

/// The arguments for requesting unicast from two addresses: a master, and a host without one.
fn asked() -> String {
    let (first, second) = (netns::address('a'), netns::address('b'));
    format!("{} --unicast-master {second},{first} --unicast-duration {DURATION_S}", ptp())
}

/// We stay locked for longer than the first grants last. Returns for how many seconds we followed.
fn renewal(bench: &Bench, wire: &Wire) -> Result<u32, Trouble> {
    let seconds = bench.seconds(DURATION_S + 4, 75);
    let ended = bench.start(wire, 'c', &format!("{} --seconds {seconds}", asked())).wait(seconds + 60);
    let lines = objects(&ended.log);
    accuracy(bench, "unicast", &lines)?;
    let beyond: Vec<&Value> = lines.iter().filter(|line| number(line, "elapsed_s") > f64::from(DURATION_S)).collect();
    let locked = beyond.iter().filter(|line| line["state"] == "LOCKED").count();
    bench.figure("beyond the first grants", format_args!("locked in {locked} of {} s", beyond.len()));
    // Grants that are not renewed end, and with them the Syncs.
    let syncs = |line: Option<&&Value>| line.map_or(f64::NAN, |line| number(line, "syncs"));
    let go_on = syncs(beyond.last()) > syncs(beyond.first());
    bench.check(2 * locked > beyond.len() && go_on, format!("grants are not renewed:\n{}", ended.log))?;
    bench.check(ended.code == Some(0), format!("it does not end well:\n{}", ended.log))?;
    Ok(seconds)
}

/// The master is killed, and restarts without its grants.
fn restart(bench: &Bench, wire: &Wire, master: &Running, seconds: u32) -> Outcome {
    let us = bench.start(wire, 'c', &asked());
    let locked = us.poll(seconds + 20, |log| objects(log).iter().filter(|line| line["state"] == "LOCKED").count() > 3);
    bench.check(locked, format!("never locked:\n{}", us.log()))?;
    let before = objects(&us.log()).len();
    let since = |log: &str, state: &str| objects(log).iter().skip(before).any(|line| line["state"] == state);
    master.signal("KILL");
    bench.check(
        us.poll(60, |log| since(log, "HOLDOVER")),
        format!("kill -9 of the master gave no holdover:\n{}", us.log()),
    )?;
    let master = Ptp4l::unicast_master(100).start(wire, 'a')?;
    let held = objects(&us.log()).len();
    let locked = us.poll(60, |log| objects(log).iter().skip(held).any(|line| line["state"] == "LOCKED"));
    bench.check(locked, format!("not locked again:\n{}\n{}", us.log(), master.log()))?;
    let after = objects(&us.log()).split_off(before);
    let worst_us = after.iter().map(|line| error_us(line).abs()).fold(0.0, f64::max);
    let lost_s = after.iter().filter(|line| line["state"] != "LOCKED").count();
    bench.figure(
        "kill -9 and a new start",
        format_args!("locked again, {lost_s} s without, {worst_us:.1} us off at most"),
    );
    bench.check(worst_us < 200.0, format!("{worst_us:.1} us off"))
}

/// A client that does not ask receives nothing; and the same test by multicast.
fn by_multicast(bench: &Bench, wire: &Wire) -> Outcome {
    let master = Ptp4l::unicast_master(100).start(wire, 'a')?;
    master.wait_for("assuming the grand master role", 60);
    let unasked = bench.start(wire, 'c', &format!("{} --wait 4", ptp())).wait(20);
    bench.check(unasked.code == Some(1), format!("multicast from a unicast master:\n{}", unasked.log))?;
    drop(master);
    let master = Ptp4l::master(100).start(wire, 'a')?;
    master.wait_for("assuming the grand master role", 60);
    let seconds = bench.seconds(18, 75);
    let multicast = bench.start(wire, 'c', &format!("{} --seconds {seconds}", ptp())).wait(seconds + 60);
    accuracy(bench, "multicast", &objects(&multicast.log))
}

/// Checks and prints when the slave locked, and its error.
fn accuracy(bench: &Bench, name: &str, lines: &[Value]) -> Outcome {
    let locked = lines.iter().find(|line| line["state"] == "LOCKED");
    let locked = locked.ok_or_else(|| Trouble::Failed(format!("{name}: never locked: {lines:?}")))?;
    let locked_s = number(locked, "elapsed_s");
    let settled = lines.iter().filter(|line| number(line, "elapsed_s") > locked_s + SETTLING_S);
    let errors_us: Vec<f64> = settled.map(error_us).collect();
    let error_us = rms(&errors_us);
    bench.figure(
        name,
        format_args!("locked within {locked_s:.1} s, error {error_us:.2} us RMS, over {} s", errors_us.len()),
    );
    // A single reading may be of a moment at which the machine stood still.
    let middle_us = median(errors_us.iter().map(|error| error.abs()).collect());
    bench.check(errors_us.len() >= 3 && middle_us < 50.0, format!("{name}: {middle_us:.2} us in the median: {lines:?}"))
}

fn error_us(line: &Value) -> f64 {
    number(line, "system_minus_ptp_ns") / 1e3
}
