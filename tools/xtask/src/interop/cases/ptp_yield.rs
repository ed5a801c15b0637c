//! `aes67 ptp --yield` against a receiver that answers: ptp4l, which serves this machine's clock in
//! the dialect of AirPlay (majorSdoId 1, domain 0, unicast).
//!
//! ptp4l sends by unicast only to clients that negotiate it, which AirPlay senders do not do. So
//! the kernel of its host replaces the group's address by ours in outgoing messages, before the
//! transmit timestamp is taken. Our Delay_Reqs reach it unchanged.

use super::super::bench::{Bench, Outcome, Trouble, output, write};
use super::super::measure::{last, number, objects, rms};
use super::super::peers::Ptp4l;
use super::latency::median;
use netns::{Running, Stopped, Wire};
use serde_json::Value;

/// Address of a receiver that is switched off.
const NOBODY: &str = "10.67.0.99";
/// Seconds after the lock that are not evaluated, because the estimate still settles.
const SETTLING_S: f64 = 2.0;

pub(super) fn run(bench: &Bench) -> Outcome {
    // Only two hosts: a third one requires a bridge, on which Linux 6.1 timestamps messages to one
    // host a second time, which ptp4l regards as a fault.
    let wire = bench.wire(&['a', 'b'], &["ptp4l", "nft"])?;
    change(
        &wire,
        "table ip receiver {\n chain out {\n  type route hook output priority mangle\n  ip daddr 224.0.1.129 ip daddr set 10.67.0.2\n }\n}\n",
    )?;
    alone(bench, &follow(bench, &wire, NOBODY, 6).wait(60))?;
    let receiver = Ptp4l::receiver().start(&wire, 'a')?;
    receiver.wait_for("assuming the grand master role", 60);
    one_way(bench, &wire, &receiver)?;
    both_ways(bench, &wire, &receiver)
}

/// No receiver answers.
fn alone(bench: &Bench, ended: &Stopped) -> Outcome {
    let end = last(&ended.log)?;
    let own = end["state"] == "OWN TIMELINE" && end["outcome"] == "known: our own" && end["announces"] == 0;
    bench.check(own, format!("nobody is there, but:\n{}", ended.log))?;
    let lines = objects(&ended.log);
    bench.figure("nobody there", format_args!("our timeline within {:.1} s", since(&lines, "OWN TIMELINE", "state")));
    Ok(())
}

/// A receiver like a HomePod, which does not answer Delay_Reqs, because they do not reach it.
fn one_way(bench: &Bench, wire: &Wire, receiver: &Running) -> Outcome {
    change(
        wire,
        "add chain ip receiver in { type filter hook input priority filter ; }\nadd rule ip receiver in ip protocol udp udp dport 319 drop\n",
    )?;
    let seconds = bench.seconds(7, 60);
    let ended = follow(bench, wire, &netns::address('a'), seconds).wait(seconds + 60);
    let end = last(&ended.log)?;
    let outcome = end["outcome"].as_str().unwrap_or_default();
    bench.check(
        outcome.starts_with("known one way") && end["delay_responses"] == 0,
        format!("{outcome}:\n{}\n{}", ended.log, receiver.log()),
    )?;
    // An echo limits the delay to a round trip, which mostly consists of the time until a program
    // is woken.
    let admitted_us = number(&end, "error_ns") / 1e3;
    let error_us = number(&end, "system_minus_receiver_ns") / 1e3;
    bench.check(
        end["synchronized"] == true && number(&end, "rtt_ns") > 0.0 && error_us.abs() < 2.0 * admitted_us + 20.0,
        format!("{error_us} us off, {admitted_us} us admitted: {end}"),
    )?;
    accuracy(bench, "that does not answer", &objects(&ended.log), 300.0)?;
    change(wire, "delete chain ip receiver in\n")
}

/// A receiver that answers until it is killed.
fn both_ways(bench: &Bench, wire: &Wire, receiver: &Running) -> Outcome {
    let seconds = bench.seconds(6, 60);
    let us = follow(bench, wire, &netns::address('a'), 300);
    let followed = us.poll(seconds + 60, |log| objects(log).len() >= seconds as usize);
    let before = objects(&us.log());
    let end = last(&us.log())?;
    bench.check(
        followed && end["outcome"] == "known both ways",
        format!("not followed both ways:\n{}\n{}", us.log(), receiver.log()),
    )?;
    accuracy(bench, "that answers", &before, 50.0)?;
    receiver.signal("KILL");
    let known =
        |log: &str, key: &str, value: &str| objects(log).iter().skip(before.len()).any(|line| line[key] == value);
    let held = us.poll(60, |log| known(log, "clock", "HOLDOVER"));
    bench.check(held, format!("kill -9 of the receiver gave no holdover:\n{}", us.log()))?;
    let carried = us.poll(60, |log| known(log, "state", "OWN TIMELINE"));
    bench.check(carried, format!("its timeline is not carried on:\n{}", us.log()))?;
    let all = objects(&us.stop().log);
    let killed_s = number(&before[before.len() - 1], "elapsed_s");
    let after: Vec<Value> = all[before.len()..].to_vec();
    let carried_us = number(&after[after.len() - 1], "system_minus_receiver_ns") / 1e3;
    bench.figure(
        "kill -9 of the receiver",
        format_args!(
            "holdover said within {:.1} s, our timeline within {:.1} s, by then {carried_us:.1} us off the truth",
            since(&after, "HOLDOVER", "clock") - killed_s,
            since(&after, "OWN TIMELINE", "state") - killed_s
        ),
    );
    bench.check(carried_us.abs() < 1_000.0, format!("the timeline steps by {carried_us:.1} us: {after:?}"))
}

fn follow(bench: &Bench, wire: &Wire, receiver: &str, seconds: u32) -> Running {
    bench.start(wire, 'b', &format!("ptp --interface vb --yield {receiver} --json --seconds {seconds}"))
}

/// Checks and prints when we yielded, when the time was known, and its error.
fn accuracy(bench: &Bench, name: &str, lines: &[Value], limit_us: f64) -> Outcome {
    let (yielded_s, locked_s) = (since(lines, "FOLLOWING", "state"), since(lines, "LOCKED", "clock"));
    let settled = lines.iter().filter(|line| number(line, "elapsed_s") > locked_s + SETTLING_S);
    let errors_us: Vec<f64> = settled.map(|line| number(line, "system_minus_receiver_ns") / 1e3).collect();
    let worst_us = errors_us.iter().fold(0.0f64, |worst, error| worst.max(error.abs()));
    bench.figure(&format!("a receiver {name}"), format_args!(
        "yielded to within {yielded_s:.1} s, its time known within {locked_s:.1} s, error {:.2} us RMS, {worst_us:.2} at most, over {} s",
        rms(&errors_us), errors_us.len()
    ));
    // A single reading may be of a moment at which the machine stood still.
    let middle_us = median(errors_us.iter().map(|error| error.abs()).collect());
    bench.check(middle_us < limit_us, format!("{middle_us:.2} us in the median, not below {limit_us}: {lines:?}"))
}

/// The time of the first line that has this value, s.
fn since(lines: &[Value], value: &str, key: &str) -> f64 {
    lines.iter().find(|line| line[key] == value).map_or(f64::NAN, |line| number(line, "elapsed_s"))
}

/// Changes the packet rules of the receiver's kernel.
fn change(wire: &Wire, rules: &str) -> Outcome {
    write(&wire.path("rules.nft"), rules)?;
    let done = output(wire, 'a', "nft", "-f rules.nft", 10);
    if done.code == Some(0) {
        Ok(())
    } else {
        Err(Trouble::Skipped(format!("nft cannot change packets here: {}", done.log.trim())))
    }
}
