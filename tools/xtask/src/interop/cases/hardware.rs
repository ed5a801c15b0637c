//! Stamps by network cards, in a guest whose cards have clocks: see [`crate::guest`].

use super::super::bench::{Bench, Outcome, Trouble, read, write};
use super::super::measure::{number, objects, rms};
use super::latency::median;
use crate::guest::{Guest, Time};
use netns::Wire;
use serde_json::Value;
use std::fs;

const SCRIPT: &str = include_str!("../scripts/hardware.sh");
/// One crystal is right, and ours is 30 ppm fast; the wire is 1 us long.
const CARDS: [&str; 3] = ["ppb=0,30000", "wire_ns=1000", "cross=1"];
/// The same by a driver that only tells the time.
const PLAIN_CARDS: [&str; 3] = ["ppb=0,30000", "wire_ns=1000", "plain=1"];
/// Seconds after which an estimate has settled.
const SETTLED_S: f64 = 8.0;
/// More than the emulated processor takes to start.
const START_S: u32 = 60;
/// As long as the script takes for it, whatever the others take.
const SLEWED_PHASE_S: u32 = 36;
/// A line that the client writes is of the slew if it is later than the last one before that by so
/// much: two lines' time, one of which may not have been written yet.
const SLEWED_AFTER_S: f64 = 2.5;
const SLEW_PPM: f64 = 500.0;
/// What an emulated processor adds to the kernel's stamps: they are up to some 100 us late. The
/// bound holds for the median of the readings, which a share of the slew would move by as much; a
/// single reading may be worse where the emulated processor stood still.
const HELD_PPM: f64 = 20.0;
/// No reading may follow the slew by more than this.
const HELD_WORST_PPM: f64 = SLEW_PPM / 5.0;
const HELD_US: f64 = 500.0;
/// By more than this a reading of two clocks of an emulated host does not err, but for one in many.
const EXACT_US: f64 = 2.0;

/// Our client by the card's stamps on the time of a ptp4l that uses its card's; with the kernel's
/// stamps beside; while another ptp4l steers the same clock; with the other ways to read a clock;
/// and with a card that does not do what it says, and then does.
pub(super) fn stamps(bench: &Bench) -> Outcome {
    if bench.is_emulated() {
        return Err(Trouble::Skipped("it has an emulated guest of its own".to_owned()));
    }
    let guest = Guest::find(&crate::target_folder()).map_err(Trouble::Skipped)?;
    if !bench.is_long() {
        return run(bench, &guest, &CARDS, &["hardware", "silent"]);
    }
    run(bench, &guest, &CARDS, &["hardware", "kernel", "steered", "bracketed", "silent", "recovered"])?;
    run(bench, &guest, &PLAIN_CARDS, &["plain"])
}

/// While the kernel's clock is slewed and set, our client by the kernel's stamps.
pub(super) fn slewed(bench: &Bench) -> Outcome {
    if bench.is_emulated() {
        return Err(Trouble::Skipped("it has an emulated guest of its own".to_owned()));
    }
    let guest = Guest::find(&crate::target_folder()).map_err(Trouble::Skipped)?;
    run(bench, &guest, &CARDS, &["slewed"])
}

fn run(bench: &Bench, guest: &Guest, cards: &[&str], phases: &[&str]) -> Outcome {
    let wire = bench.wire(&['a'], &["qemu-system-x86_64", "ptp4l"])?;
    let seconds = bench.seconds(16, 60);
    let script = format!("SECONDS_EACH={seconds}\nPHASES=\"{}\"\n{SCRIPT}", phases.join(" "));
    write(&wire.path("guest.sh"), script)?;
    fs::copy(bench.program(), wire.path("aes67")).map_err(|error| Trouble::Failed(error.to_string()))?;
    let mut qemu = wire.command('a', "qemu-system-x86_64");
    qemu.args(guest.arguments(wire.folder(), Time::Hosts, cards));
    let said = wire.start(qemu).wait(START_S + 2 * seconds.max(SLEWED_PHASE_S) * phases.len() as u32).log;
    bench.check(said.contains("the guest ends"), format!("the guest did not come to its end:\n{said}"))?;
    let (truth_ns, end_ns) = truth_ns(&wire, &said)?;
    phases.iter().try_for_each(|phase| match *phase {
        "slewed" => look_at_slewed(bench, &wire, end_ns),
        phase => look(bench, &wire, phase, truth_ns),
    })
}

/// The system's clock against PTP time shows what was done to it, and nothing else: PTP time and
/// its rate stay what they were. `end_ns`: the truth at the end.
fn look_at_slewed(bench: &Bench, wire: &Wire, end_ns: f64) -> Outcome {
    let lines = objects(&text(wire, "slewed.json")?);
    let said = format!("{}{}", text(wire, "slewed.log")?, text(wire, "slew.log")?);
    let settled: Vec<&Value> = lines.iter().filter(|line| number(line, "elapsed_s") > SETTLED_S).collect();
    let marks = objects(&text(wire, "slew.marks")?);
    let [begin, end] = &marks[..] else {
        return Err(Trouble::Failed(format!("the guest did not note when the clock was slewed:\n{said}")));
    };
    let slewed_s = number(begin, "elapsed_s") + SLEWED_AFTER_S..=number(end, "elapsed_s");
    let is_slewed = |line: &&Value| slewed_s.contains(&number(line, "elapsed_s"));
    let slewed: Vec<&Value> = settled.iter().copied().filter(is_slewed).collect();
    let ([_, .., _], [.., last]) = (&slewed[..], &settled[..]) else {
        return Err(Trouble::Failed(format!("lines are missing:\n{said}")));
    };
    let slewed_ppm = median_slope_ppm(&slewed);
    let error_us = (number(last, "system_minus_ptp_ns") - end_ns) / 1e3;
    let worst = |key: &str| settled.iter().map(|line| number(line, key).abs()).fold(0.0, f64::max);
    let (worst_ppm, wrong_us) = (worst("rate_ppm"), worst("prediction_error_ns") / 1e3);
    let rate_ppm = median(slewed.iter().map(|line| number(line, "rate_ppm").abs()).collect());
    bench.figure(
        "slewed",
        format_args!(
            "the system's clock {slewed_ppm:+.1} ppm (+500) against PTP while it was slewed, PTP's error {error_us:+.1} us at the end, its rate within \
             {worst_ppm:.2} ppm, in the median of the slew {rate_ppm:.2} ppm, a second's prediction within {wrong_us:.1} us; steps seen {} (2), stamps by user space {}",
            last["system_clock_steps"], last["stamped_by_user_space"]
        ),
    );
    // An emulated processor that gets no time hears no Sync: that is a holdover, and the time is
    // right.
    let is_usable = |line: &&Value| matches!(line["state"].as_str(), Some("LOCKED" | "HOLDOVER"));
    let lost: Vec<String> = settled
        .iter()
        .filter(|line| !is_usable(line))
        .map(|line| format!("{} s: {}", line["elapsed_s"], line["reason"]))
        .collect();
    bench.check(lost.is_empty(), format!("the time was lost: {lost:?}\n{said}"))?;
    bench.check(last["state"] == "LOCKED", format!("not locked at the end: {last}\n{said}"))?;
    bench.check(last["timestamping"] == "kernel", format!("not by the kernel's stamps: {last}"))?;
    bench.check(last["system_clock_steps"] == 2, format!("not two steps were seen: {last}\n{said}"))?;
    let is_rate_held = rate_ppm < HELD_PPM && worst_ppm < HELD_WORST_PPM;
    let is_held = (slewed_ppm - SLEW_PPM).abs() < HELD_PPM && is_rate_held;
    bench.check(is_held, format!("PTP's rate followed the system's clock: {last}\n{said}"))?;
    bench.check(error_us.abs() < HELD_US, format!("PTP time is off by {error_us} us: {last}\n{said}"))
}

/// The rate of the system's clock against PTP time in `lines`, of which there are at least two: the
/// median over all pairs that are half of `lines` apart, so that a few late readings do not count.
fn median_slope_ppm(lines: &[&Value]) -> f64 {
    let slope_ppm = |(from, to): (&&Value, &&Value)| {
        let grown = |key: &str| number(to, key) - number(from, key);
        grown("system_minus_ptp_ns") / grown("elapsed_s") / 1e3
    };
    median(lines.iter().zip(&lines[lines.len() / 2..]).map(slope_ppm).collect())
}

fn look(bench: &Bench, wire: &Wire, phase: &str, truth_ns: f64) -> Outcome {
    let said = text(wire, &format!("{phase}.log"))?;
    let lines = objects(&text(wire, &format!("{phase}.json"))?);
    let last = lines.last().ok_or_else(|| Trouble::Failed(format!("{phase}: nothing was said:\n{said}")))?;
    let settled = lines.iter().filter(|line| number(line, "elapsed_s") > SETTLED_S);
    let mut errors_us: Vec<f64> = settled.map(|line| (number(line, "system_minus_ptp_ns") - truth_ns) / 1e3).collect();
    bench.figure(phase, format_args!(
        "{} stamps, error {:.3} us RMS over {} s, path delay {} ns (1000), rate {:+.4} ppm (0), left out without a stamp {}",
        last["timestamping"].as_str().unwrap_or_default(), rms(&errors_us), errors_us.len(), last["mean_path_delay_ns"],
        number(last, "rate_ppm"), last["unstamped"]
    ));
    bench.check(last["state"] == "LOCKED", format!("{phase}: not locked: {last}\n{said}"))?;
    let is_kernels = matches!(phase, "kernel" | "silent");
    let stamps = if is_kernels { "kernel" } else { "hardware" };
    bench.check(last["timestamping"] == stamps, format!("{phase}: not by {stamps} stamps: {last}\n{said}"))?;
    if phase == "silent" {
        let reason = "it does not stamp what it sends";
        let is_told = last["hardware_refusal"] == reason && said.contains(reason);
        return bench.check(is_told, format!("nobody said that the card does not stamp: {last}\n{said}"));
    }
    if phase == "recovered" {
        let was_given_up = lines.iter().any(|line| line["timestamping"] == "kernel");
        return bench.check(was_given_up, format!("the card was never given up: {last}\n{said}"));
    }
    errors_us.sort_by(|one, other| one.abs().total_cmp(&other.abs()));
    let median_us = errors_us.get(errors_us.len() / 2).copied().unwrap_or(f64::NAN);
    let is_exact = median_us.abs() < EXACT_US
        && (number(last, "mean_path_delay_ns") / 1e3 - 1.0).abs() < EXACT_US
        && number(last, "rate_ppm").abs() < 0.5;
    bench.check(is_kernels || is_exact, format!("{phase}: not exact, {median_us} us off: {last}"))
}

/// The system's time minus the master's clock, in the middle of all that was told, and the last:
/// `phc_ctl[1.2]: offset from CLOCK_REALTIME is 44563ns`. Neither is steered then.
fn truth_ns(wire: &Wire, said: &str) -> Result<(f64, f64), Trouble> {
    let told = text(wire, "truth.log")?;
    let offset = |line: &str| line.split("CLOCK_REALTIME is ").nth(1)?.strip_suffix("ns")?.parse::<f64>().ok();
    let mut offsets: Vec<f64> = told.lines().filter_map(offset).collect();
    let last = offsets.last().copied();
    offsets.sort_by(f64::total_cmp);
    offsets
        .get(offsets.len() / 2)
        .copied()
        .zip(last)
        .ok_or_else(|| Trouble::Failed(format!("phc_ctl said nothing:\n{told}\n{said}")))
}

fn text(wire: &Wire, name: &str) -> Result<String, Trouble> {
    Ok(String::from_utf8_lossy(&read(&wire.path(name), "")?).into_owned())
}
