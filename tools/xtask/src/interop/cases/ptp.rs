//! Our PTP client and master against linuxptp's. All hosts are namespaces of one machine, and ptp4l
//! serves its clock: so the truth is known.

use super::super::bench::{Bench, Outcome, Trouble, pause};
use super::super::measure::{centred, number, objects, rms};
use super::super::pauses;
use super::super::peers::{DOMAIN, Ptp4l};
use super::latency::median;
use netns::Running;
use std::time::Instant;

/// Seconds after the lock that are not evaluated, because the estimate still settles.
const SETTLING_S: f64 = 5.0;

/// Beyond the error of a median that a defect makes there is that of a machine whose programs wait.
const KERNEL_US: f64 = 50.0;
const USER_SPACE_US: f64 = 5_000.0;
/// How long a program or a state is waited for: longer than any machine stands still.
const PATIENCE_S: u32 = 60;

/// How well we follow a master, with the kernel's timestamps and without, beside a slave of
/// linuxptp: one after the other on the same host, because on a small machine they would be in each
/// other's way.
pub(super) fn accuracy(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["ptp4l"])?;
    let master = Ptp4l::master(100).start(&wire, 'a')?;
    master.wait_for("assuming the grand master role", PATIENCE_S);
    let seconds = bench.seconds(14, 75);
    let ptp = format!("ptp --interface vb --domain {DOMAIN} --json --seconds {seconds}");
    let kernel = bench.start(&wire, 'b', &ptp).wait(seconds + PATIENCE_S);
    let user_space = bench.start(&wire, 'b', &format!("{ptp} --timestamps user-space")).wait(seconds + PATIENCE_S);
    let slave = Ptp4l::slave().start(&wire, 'b')?;
    pause(f64::from(seconds));
    let slave = slave.stop();
    for (name, log, limit_us) in
        [("kernel stamps", &kernel.log, KERNEL_US), ("user-space stamps", &user_space.log, USER_SPACE_US)]
    {
        let lines = objects(log);
        let locked = lines.iter().find(|line| line["state"] == "LOCKED");
        let locked = locked.ok_or_else(|| Trouble::Failed(format!("{name}: never locked:\n{log}")))?;
        let locked_s = number(locked, "elapsed_s");
        let settled = lines.iter().filter(|line| number(line, "elapsed_s") > locked_s + SETTLING_S);
        let errors_us: Vec<f64> = settled.map(|line| number(line, "system_minus_ptp_ns") / 1e3).collect();
        let worst_us = errors_us.iter().fold(0.0f64, |worst, error| worst.max(error.abs()));
        bench.figure(name, format_args!(
            "locked {locked_s:.1} s after start, error {:.3} us RMS ({:.3} without its mean), {worst_us:.3} at most, over {} s",
            rms(&errors_us), rms(&centred(&errors_us)), errors_us.len()
        ));
        // A single reading may be of a moment at which the machine stood still.
        let middle_us = median(errors_us.iter().map(|error| error.abs()).collect());
        bench.check(
            middle_us < limit_us,
            format!("{name}: {middle_us:.3} us in the median, not below {limit_us}:\n{log}"),
        )?;
    }
    let offsets_us = master_offsets_us(&slave.log);
    bench.figure(
        "ptp4l as slave beside",
        format_args!("offset {:.3} us RMS over {} Syncs", rms(&offsets_us), offsets_us.len()),
    );
    Ok(())
}

/// The master is killed; another one takes its place.
pub(super) fn failover(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b', 'c'], &["ptp4l"])?;
    let first = Ptp4l::master(100).start(&wire, 'a')?;
    first.wait_for("assuming the grand master role", PATIENCE_S);
    let second = Ptp4l::master(110).start(&wire, 'b')?;
    let us = bench.start(&wire, 'c', &format!("ptp --domain {DOMAIN} --interface vc"));
    us.wait_for("[LOCKED]", PATIENCE_S);
    let watch = pauses::start(bench, &wire, 'a')?;
    pause(f64::from(bench.seconds(2, 20)));
    let before = us.log().len();
    let masters = second.log().matches("assuming the grand master role").count();
    first.signal("KILL");
    let killed = now();
    let held = wait(&us, PATIENCE_S, |log| log[before..].contains("HOLDOVER"));
    bench.check(held, format!("kill -9 of the master gave no holdover:\n{}", us.log()))?;
    bench.figure("kill -9 of the master", format_args!("holdover said after {:.2} s", killed.elapsed().as_secs_f64()));
    let taken = wait(&second, PATIENCE_S, |log| log.matches("assuming the grand master role").count() > masters);
    bench.check(taken, format!("the second master never took over:\n{}", second.log()))?;
    let first_sync = now();
    let held_at = us.log().rfind("HOLDOVER").unwrap_or(before);
    let locked = wait(&us, PATIENCE_S, |log| log[held_at..].contains(": LOCKED"));
    bench.check(locked, format!("not locked to the second master:\n{}", us.log()))?;
    let relock_s = first_sync.elapsed().as_secs_f64();
    bench.figure(
        "relocked",
        format_args!(
            "{relock_s:.2} s after the second master began, {:.2} s after the kill",
            killed.elapsed().as_secs_f64()
        ),
    );
    bench.check_within(&watch, relock_s, 10.0, "the lock to the second master")
}

/// A better master comes and goes.
pub(super) fn takeover(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b', 'c'], &["ptp4l"])?;
    let usual = Ptp4l::master(100).start(&wire, 'a')?;
    usual.wait_for("assuming the grand master role", PATIENCE_S);
    let us = bench.start(&wire, 'c', &format!("ptp --domain {DOMAIN} --json --interface vc"));
    let follows = |log: &str, other_than: &str| {
        let lines = objects(log);
        lines.last().filter(|line| line["state"] == "LOCKED" && line["grandmaster"] != other_than).cloned()
    };
    bench.check(wait(&us, PATIENCE_S, |log| follows(log, "").is_some()), format!("never locked:\n{}", us.log()))?;
    let usual_one = grandmaster(&us);
    let better = Ptp4l::master(50).start(&wire, 'b')?;
    better.wait_for("assuming the grand master role", PATIENCE_S);
    let began = now();
    let switched = wait(&us, PATIENCE_S, |log| follows(log, &usual_one).is_some());
    bench.check(switched, format!("the better master was not followed:\n{}", us.log()))?;
    let better_one = grandmaster(&us);
    bench.figure(
        "a better master came",
        format_args!("locked to {better_one} within {:.1} s", began.elapsed().as_secs_f64()),
    );
    pause(f64::from(bench.seconds(1, 15)));
    drop(better);
    let went = now();
    let back = wait(&us, PATIENCE_S, |log| {
        follows(log, &better_one).is_some_and(|line| line["grandmaster"] == usual_one.as_str())
    });
    bench.check(back, format!("the first master was not followed again:\n{}", us.log()))?;
    bench.figure("it went", format_args!("locked to {usual_one} within {:.1} s", went.elapsed().as_secs_f64()));
    let unlocked = objects(&us.log())
        .iter()
        .skip_while(|line| line["state"] != "LOCKED")
        .filter(|line| line["state"] == "UNLOCKED")
        .count();
    bench.check(unlocked == 0, format!("unlocked for {unlocked} s on the way:\n{}", us.log()))
}

/// ptp4l follows us.
pub(super) fn serve(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["ptp4l"])?;
    let us = bench.start(&wire, 'a', &format!("ptp --domain {DOMAIN} --master --interface va"));
    let slave = Ptp4l::slave().start(&wire, 'b')?;
    let follows = |offsets: usize| {
        let follows = slave.poll(PATIENCE_S, |log| master_offsets_us(log).len() > offsets);
        bench.check(follows, format!("ptp4l does not follow us:\n{}\n{}", slave.log(), us.log()))
    };
    follows(2)?;
    pause(f64::from(bench.seconds(8, 60)));
    follows(5)?;
    let offsets_us = master_offsets_us(&slave.stop().log);
    // ptp4l measures with the system's clock, which may be disciplined, whereas we use the
    // undisciplined crystal.
    let noise_us = without_trend(&offsets_us);
    bench.figure(
        "ptp4l as slave of our master",
        format_args!("offset {:.3} us RMS about its trend, over {} Syncs", rms(&noise_us), offsets_us.len()),
    );
    Ok(())
}

fn grandmaster(us: &Running) -> String {
    objects(&us.log()).last().and_then(|line| line["grandmaster"].as_str().map(str::to_owned)).unwrap_or_default()
}

fn wait(program: &Running, seconds: u32, is_wanted: impl Fn(&str) -> bool) -> bool {
    program.poll(seconds, is_wanted)
}

#[expect(clippy::disallowed_methods, reason = "times between events of programs are what is measured")]
fn now() -> Instant {
    Instant::now()
}

/// `ptp4l[12.345]: master offset -123 s0 freq +0 path delay 456`, with every Sync. The first offset
/// is subtracted while it is an integer, because our master has another epoch. ptp4l reports 0
/// until it knows the path delay.
fn master_offsets_us(log: &str) -> Vec<f64> {
    let offset = |line: &str| line.split("master offset").nth(1)?.split_whitespace().next()?.parse::<i128>().ok();
    let offsets: Vec<i128> = log.lines().filter_map(offset).skip_while(|offset| *offset == 0).collect();
    let far = offsets.first().copied().filter(|offset| offset.abs() > 1_000_000_000).unwrap_or(0);
    offsets.iter().map(|offset| (offset - far) as f64 / 1e3).collect()
}

/// Values at equal intervals minus the straight line through them.
fn without_trend(values: &[f64]) -> Vec<f64> {
    let times = centred(&(0..values.len()).map(|index| index as f64).collect::<Vec<_>>());
    let values = centred(values);
    let product: f64 = times.iter().zip(&values).map(|(time, value)| time * value).sum();
    let slope = product / times.iter().map(|time| time * time).sum::<f64>();
    times.iter().zip(&values).map(|(time, value)| value - slope * time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_from_the_log_of_ptp4l() {
        let log = "ptp4l[1.0]: selected best master clock\nptp4l[2.0]: master offset       -512 s0 freq      +0 path delay       900\n";
        assert_eq!(master_offsets_us(log), [-0.512]);
        let far = "master offset 1795254395810025984 s0\nmaster offset 1795254395810026484 s0\n";
        assert_eq!(master_offsets_us(far), [0.0, 0.5]);
        assert!(rms(&without_trend(&[1.0, 3.0, 5.0, 7.0])) < 1e-12);
    }
}
