//! Half an hour with all kinds of network faults.

use super::super::bench::{Bench, Outcome, Trouble, pause};
use super::super::measure::{last, objects};
use super::super::pauses;
use super::super::peers::{DOMAIN, Ptp4l};
use netns::{Running, Wire};
use std::fs;

/// How long after a fault its traces may be heard.
const AFTERMATH_S: f64 = 12.0;

/// A recording of the run may be longer or shorter by this, s, because starting and stopping take
/// time. It has silence where nothing was sent.
const TAKE_S: f64 = 4.0;

/// A fault that begins after this share of the run.
struct Fault {
    at: f64,
    name: &'static str,
}

const FAULTS: [Fault; 6] = [
    Fault { at: 0.15, name: "sender restarted" },
    Fault { at: 0.30, name: "grandmaster killed" },
    Fault { at: 0.45, name: "grandmaster back" },
    Fault { at: 0.60, name: "interface down for 3 s" },
    Fault { at: 0.75, name: "sender killed, back after 5 s" },
    Fault { at: 0.88, name: "interface down for 8 s" },
];

pub(super) fn run(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b', 'c', 'd'], &["ptp4l"])?;
    let mut first = Some(Ptp4l::master(100).start(&wire, 'a')?);
    let _second = Ptp4l::master(110).start(&wire, 'd')?;
    pause(6.0);
    let mut sender = send(bench, &wire)?;
    let url = format!("aes67://239.69.1.7?domain={DOMAIN}");
    let play = format!("play {url} --interface vc --output null --ppm 35 --latency 20 --json --trace trace.csv");
    let watch = pauses::start(bench, &wire, 'a')?;
    let play = bench.start(&wire, 'c', &play);
    let record = bench.start(&wire, 'c', &format!("record {url} --interface vc --output take.wav --domain {DOMAIN}"));
    let total_s = f64::from(bench.seconds(150, 1800));
    pause(15.0);
    let memory_before = (memory_kib(&play), memory_kib(&record));
    let elapsed = |play: &Running| last(&play.log()).map_or(0.0, |line| line["elapsed_s"].as_f64().unwrap_or(0.0));
    let mut times = Vec::new();
    for fault in &FAULTS {
        while elapsed(&play) < fault.at * total_s {
            pause(0.2);
        }
        times.push((elapsed(&play), fault.name));
        match fault.name {
            "sender restarted" => {
                let _ = sender.stop();
                sender = send(bench, &wire)?;
            }
            "grandmaster killed" => {
                if let Some(first) = first.take() {
                    first.signal("KILL");
                }
            }
            "grandmaster back" => first = Some(Ptp4l::master(100).start(&wire, 'a')?),
            "sender killed, back after 5 s" => {
                sender.signal("KILL");
                pause(5.0);
                sender = send(bench, &wire)?;
            }
            name => {
                wire.ip('c', "link set vc down");
                pause(if name.contains("8 s") { 8.0 } else { 3.0 });
                wire.ip('c', "link set vc up");
                wire.ip('c', "route replace default dev vc");
            }
        }
    }
    while elapsed(&play) < total_s {
        pause(0.5);
    }
    let memory_after = (memory_kib(&play), memory_kib(&record));
    let (played, recorded) = (play.stop(), record.stop());
    bench.check(played.code == Some(0) && recorded.code == Some(0), format!("{}\n{}", played.log, recorded.log))?;
    let trace = fs::read_to_string(wire.path("trace.csv")).map_err(|error| Trouble::Failed(error.to_string()))?;
    let said: Vec<&str> = played.log.lines().filter(|line| !line.starts_with('{')).collect();
    said.iter().for_each(|line| bench.figure("said", line));
    bench.figure("play, at its end", objects(&played.log).pop().unwrap_or_default());
    bench.figure("record, at its end", recorded.log.lines().last().unwrap_or_default());
    bench.figure("memory of play", format_args!("{} KiB at its start, {} at its end", memory_before.0, memory_after.0));
    bench.figure(
        "memory of record",
        format_args!("{} KiB at its start, {} at its end", memory_before.1, memory_after.1),
    );
    let recorded_s = recorded.log.lines().last().and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
    let is_whole = recorded_s.is_some_and(|recorded_s| (recorded_s - total_s).abs() < TAKE_S);
    bench.check(is_whole, format!("{recorded_s:?} s are recorded of {total_s}"))?;
    let grown = memory_after.0.saturating_sub(memory_before.0).max(memory_after.1.saturating_sub(memory_before.1));
    bench.check(grown < 4096, format!("memory grew by {grown} KiB"))?;
    judge(bench, &rows(&trace), &times, &bench.disturbances(&watch))
}

fn send(bench: &Bench, wire: &Wire) -> Result<Running, Trouble> {
    let arguments =
        format!("send tone --group 239.69.1.7 --interface vb --domain {DOMAIN} --clock ptp --name Endurance");
    let sender = bench.start(wire, 'b', &arguments);
    let sends = sender.poll(40, |log| log.contains("packets, late by"));
    bench.check(sends, format!("nothing is sent:\n{}", sender.log())).map(|()| sender)
}

/// Time, concealed audio in ms, and underruns of each row of the trace.
fn rows(trace: &str) -> Vec<(f64, f64, f64)> {
    let mut lines = trace.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| names.iter().position(|other| *other == name).unwrap_or(usize::MAX);
    let columns = [column("time_s"), column("concealed_ms"), column("underruns")];
    let number =
        |line: &str, column: usize| line.split(',').nth(column).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    lines.map(|line| (number(line, columns[0]), number(line, columns[1]), number(line, columns[2]))).collect()
}

/// Checks that each glitch is explained by a fault or by a pause of the machine.
fn judge(bench: &Bench, rows: &[(f64, f64, f64)], faults: &[(f64, &str)], pauses: &[(f64, f64)]) -> Outcome {
    let explained =
        |time_s: f64| faults.iter().find(|(at_s, _)| (*at_s - 1.0..*at_s + AFTERMATH_S + 8.0).contains(&time_s));
    for fault in faults {
        let its = |row: &&(f64, f64, f64)| explained(row.0).is_some_and(|other| std::ptr::eq(other, fault));
        let made_up: f64 = rows.iter().filter(its).map(|row| row.1).sum();
        bench.figure(fault.1, format_args!("at {:.0} s: {made_up:.1} ms made up", fault.0));
    }
    let mut longest_ms = 0.0f64;
    let mut gap_ms = 0.0;
    for row in rows {
        gap_ms = if row.1 > 0.0 { gap_ms + row.1 } else { 0.0 };
        longest_ms = longest_ms.max(gap_ms);
    }
    let without_fault: Vec<_> = rows.iter().filter(|row| row.1 > 0.0 && explained(row.0).is_none()).collect();
    let unexplained: Vec<_> = without_fault.iter().filter(|row| !pauses::explain(pauses, row.0)).collect();
    let longest_pause_ms = pauses.iter().map(|pause| pause.1).fold(0.0, f64::max);
    bench.figure("the machine", format_args!("stood still {} times, {longest_pause_ms:.0} ms at most", pauses.len()));
    let total_ms: f64 = rows.iter().map(|row| row.1).sum();
    let length_s = rows.last().map_or(0.0, |row| row.0);
    bench.figure("run", format_args!("{length_s:.0} s, {total_ms:.0} ms made up in all, longest gap {longest_ms:.0} ms, {} glitches without a fault, {} of them while the machine did not stand still", without_fault.len(), unexplained.len()));
    let claim = format!("glitches without a fault (s, ms, underruns): {unexplained:?}");
    bench.check(unexplained.is_empty() || !bench.is_alone(), claim)
}

fn memory_kib(program: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
