//! The latency of channels of BASS: as requested, as reported by the add-on, and as measured from
//! the timestamps on the wire to the channel.
//!
//! As in [`super::latency`], the stream is a pulse four times a second, whose timestamps
//! `latency.py` reads from the wire, in ptp4l's time, which is that of this machine's clock.
//! `bass-plugin/tests/c/latency.c` reports the time by the same clock at which each pulse is in a
//! block of a decode channel, or in the final mix of BASS's device without sound. BASS's own
//! buffer, which adds to the latency of a playback channel, is subtracted from its figure.
//!
//! All programs have real-time priority, so that the measurement does not include the delay with
//! which a thread wakes up on a busy machine.

use super::super::bench::{Bench, Outcome, write};
use super::super::pauses;
use super::super::peers::{DOMAIN, Ptp4l};
use super::bass::{Host, value};
use super::latency::{Heard, SCRIPT, median, pulse};
use netns::{Running, Wire};

/// Time until PTP is locked and playout is aligned.
const SETTLING_S: u32 = 9;
/// Tolerance for the requested latency: an error of one packet of 1 ms is detected.
const TOLERANCE_MS: f64 = 0.5;
/// BASS mixes in blocks of 10 ms. So the time at the channel is only known to a block, and the
/// measured latency may be too large by up to one block.
const BLOCK_MS: f64 = 10.0;
const ASKED_MS: [f64; 2] = [20.0, 50.0];

pub(super) fn run(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b', 'c'], &["ptp4l", "python3"])?;
    let host = Host::new(bench, &wire, "latency.c")?;
    let _master = Ptp4l::master(100).start(&wire, 'a')?;
    write(&wire.path("pulse.wav"), pulse())?;
    let watch = pauses::start(bench, &wire, 'a')?;
    let seconds = SETTLING_S + bench.seconds(6, 60);
    for (packet_time_ms, group) in [(1_u32, "239.69.1.11"), (5, "239.69.1.12")] {
        let sdp = format!("pulse-{packet_time_ms}.sdp");
        let send = format!(
            "send pulse.wav --loop --group {group} --ptime {packet_time_ms} --interface vb --domain {DOMAIN} --sdp {sdp} --no-sap"
        );
        let send = bench.start(&wire, 'b', &send);
        let sends = send.poll(60, |log| log.contains("packets, late by")) && wire.path(&sdp).is_file();
        bench.check(sends, format!("nothing is sent:\n{}", send.log()))?;
        let stamps = stamps(&wire, group, seconds);
        let latencies = ASKED_MS.map(|ms| ms.to_string()).join(" ");
        let arguments = format!("aes67://{} {seconds} {latencies}", wire.path(&sdp).display());
        let told = wire.start(host.real_time(&wire, 'c', &arguments)).wait(seconds + 60);
        bench.check(told.code == Some(0), &told.log)?;
        let stamps = stamps.stop().log;
        let buffer_ms = value(&told.log, "buffer_ms").unwrap_or_default();
        for (kind, asked_ms) in ["decode", "playback"].into_iter().flat_map(|kind| ASKED_MS.map(|ms| (kind, ms))) {
            let told = lines_of(&told.log, &format!("{kind} {asked_ms} "));
            let mut heard = Heard::read(&[stamps.as_str(), &told].concat());
            let behind_ms = if kind == "playback" { buffer_ms } else { 0 };
            heard.heard_ns.iter_mut().for_each(|ns| *ns -= i128::from(behind_ms) * 1_000_000);
            let from_ns = heard.heard_ns.first().unwrap_or(&0) + i128::from(SETTLING_S) * 1_000_000_000;
            let heard_ms = heard.latencies_ms(from_ns);
            let told_ms = median(latencies_told(&told));
            let measured_ms = median(heard_ms.clone());
            bench.figure(
                &format!("{kind}, packets of {packet_time_ms} ms"),
                format_args!(
                    "asked {asked_ms:.1} ms, told {told_ms:.2} ms, measured {measured_ms:.2} ms ({:.2} to {:.2} ms, {} pulses)",
                    heard_ms.first().unwrap_or(&f64::NAN),
                    heard_ms.last().unwrap_or(&f64::NAN),
                    heard_ms.len()
                ),
            );
            bench.check(value(&told, "on_ptp") == Some(1), format!("it is not on PTP:\n{told}"))?;
            let unknown_ms = if kind == "playback" { BLOCK_MS } else { 0.0 };
            let right = |ms: f64, more: f64| (-TOLERANCE_MS..TOLERANCE_MS + more).contains(&(ms - asked_ms));
            let claim = format!("{kind}: asked {asked_ms} ms, told {told_ms} ms, measured {measured_ms} ms");
            bench.check_undisturbed(&watch, right(told_ms, 0.0) && right(measured_ms, unknown_ms), claim)?;
        }
    }
    Ok(())
}

/// Starts the script that reads timestamps from the wire.
fn stamps(wire: &Wire, group: &str, seconds: u32) -> Running {
    let mut command = wire.command('c', netns::SYSTEM_PYTHON);
    command.args(["-c", SCRIPT, &netns::address('c'), group, &(seconds + 60).to_string(), "wire"]);
    wire.start(command)
}

/// The latencies that the add-on reported after settling.
fn latencies_told(told: &str) -> Vec<f64> {
    let seconds = told.lines().filter_map(|line| line.strip_prefix("latency_ms=")?.split(' ').next()?.parse().ok());
    seconds.skip(SETTLING_S as usize).collect()
}

/// The lines that begin with `start`, without this beginning.
fn lines_of(log: &str, start: &str) -> String {
    log.lines().filter_map(|line| line.strip_prefix(start)).map(|line| format!("{line}\n")).collect()
}
