//! The Livewire clock between hosts: see `rig` for what these tests need. All hosts are of one
//! machine, whose clock they share, so that the truth is known.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::{Wire, has_clock, median, objects};
use serde_json::Value;

/// What a locked clock may be off by.
const CEILING_NS: i64 = 1_000_000;

fn last(log: &str) -> Value {
    objects(log).pop().unwrap_or_else(|| panic!("no line of JSON: {log}"))
}

fn time_ns(line: &Value) -> i64 {
    line["livewire_minus_local_ns"].as_i64().unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn we_lock_to_a_served_clock_and_are_right() {
    let Some(wire) = Wire::new(&[]) else { return };
    let master = wire.start('a', "ptp --interface va --livewire --serve --json");
    master.wait_for("\"MASTER\"", 60);
    let log = wire.start('b', "ptp --interface vb --livewire --json --seconds 8").wait();
    let (slave, served) = (last(&log), last(&master.stop().1));
    assert!(has_clock(&slave) && slave["epoch"] == 0, "{slave}");
    assert_eq!((&slave["mac"], &slave["priority"]), (&served["mac"], &3.into()), "{slave} {served}");
    assert_eq!((&slave["address"], &slave["hardware_id"]), (&"10.67.0.1".into(), &1.into()), "{slave}");
    assert_eq!(slave["timestamping"], "kernel", "{slave}");
    // The path is presumed to take 75 us; 1 ms is for busy machines.
    let lines = objects(&log);
    let locked = lines.iter().filter(|line| line["state"] == "LOCKED");
    let error_ns = median(locked, "livewire_minus_local_ns") as i64 - time_ns(&served);
    assert!(error_ns.abs() < CEILING_NS, "{error_ns} ns: {log} {served}");
}

#[test]
fn a_better_master_takes_over_and_goes_without_a_step() {
    let Some(wire) = Wire::of(&['a', 'b', 'c'], &[]) else { return };
    let first = wire.start('a', "ptp --interface va --livewire --serve --json");
    first.wait_for("\"MASTER\"", 60);
    let slave = wire.start('b', "ptp --interface vb --livewire --json");
    slave.wait_for("\"LOCKED\"", 60);
    let better = wire.start('c', "ptp --interface vc --livewire --serve --priority 5 --json");
    slave.wait_for("\"priority\":5", 60);
    first.wait_for("\"LOCKED\"", 60);
    assert_eq!(better.stop().0, Some(0));
    // The first one serves again, with the time that it followed.
    first.wait_until("it serves again", 60, |log| last(log)["state"] == "MASTER");
    let follows = |line: &Value| line["state"] == "LOCKED" && line["priority"] == 3 && line["epoch"] == 0;
    slave.wait_until("it is followed again", 60, |log| follows(&last(log)));
    let (log, _) = (slave.stop().1, first.stop());
    let end = last(&log);
    let seen = objects(&log);
    let locked = seen.iter().position(|line| line["state"] == "LOCKED").expect("a lock");
    assert!(seen[locked..].iter().all(has_clock), "{log}");
    let apart_ns = time_ns(&end) - time_ns(&seen[locked]);
    assert!(apart_ns.abs() < CEILING_NS, "{apart_ns} ns: {log}");
}

#[test]
fn a_network_without_a_clock_is_told() {
    let Some(wire) = Wire::new(&[]) else { return };
    for command in [
        "ptp --interface vb --livewire --wait 2",
        "send tone --group 239.69.1.1 --no-sap --interface vb --clock livewire --wait 2",
        "play aes67://239.69.1.1 --output null --interface vb --clock livewire --wait 2",
    ] {
        let (code, log) = wire.start('b', command).end();
        assert_eq!(code, Some(1), "{command}\n{log}");
        let said = "s: no Livewire clock was heard on 239.192.255.2:7000: ";
        assert!(log.lines().any(|line| line.starts_with("error: no clock within ") && line.contains(said)), "{log}");
    }
}

#[test]
fn a_stream_on_the_livewire_clock_is_played_by_it() {
    let Some(wire) = Wire::of(&['a', 'b', 'c'], &[]) else { return };
    let _master = wire.start('c', "ptp --interface vc --livewire --serve");
    let arguments = "send tone --group 239.69.1.2 --interface va --clock livewire --no-sap --name Tone --sdp tone.sdp";
    let send = wire.start('a', arguments);
    send.wait_for("packets, late by", 60);
    let sdp = std::fs::read_to_string(wire.path("tone.sdp")).unwrap();
    assert!(sdp.contains("a=mediaclk:sender") && !sdp.contains("ptp="), "{sdp}");
    let play = "play tone.sdp --interface vb --output null --clock livewire --latency 50 --json --seconds 12";
    let played = wire.aes67('b', play);
    let log = String::from_utf8_lossy(&played.stdout).into_owned();
    let (lines, last) = (objects(&log), last(&log));
    assert!(last["lost"].as_u64() <= last["dropped_by_kernel"].as_u64(), "{last}");
    let settled: Vec<&Value> = lines.iter().filter(|line| line["elapsed_s"].as_f64() > Some(7.0)).collect();
    let is_right = |line: &&&Value| line["state"] == "PLAYING" && line["clock"] == "Livewire clock LOCKED";
    let right: Vec<&Value> = settled.iter().filter(is_right).copied().collect();
    assert!(2 * right.len() > settled.len(), "{} of {} s are played by it: {log}", right.len(), settled.len());
    // The latency that was asked for, and the packet time.
    let link_offset_us = median(right, "link_offset_us");
    assert!((link_offset_us - 51_000.0).abs() < 3_000.0, "{link_offset_us} us: {log}");
    assert_eq!(send.stop().0, Some(0));
}
