//! The Livewire clock between hosts: see `rig` for what these tests need. All hosts are of one
//! machine, whose clock they share, so that the truth is known.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::Wire;
use serde_json::Value;

/// What a locked clock may be off by.
const CEILING_NS: i64 = 1_000_000;

fn lines(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn last(log: &str) -> Value {
    lines(log).pop().unwrap_or_else(|| panic!("no line of JSON: {log}"))
}

fn time_ns(line: &Value) -> i64 {
    line["livewire_minus_local_ns"].as_i64().unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn we_lock_to_a_served_clock_and_are_right() {
    let Some(wire) = Wire::new(&[]) else { return };
    let master = wire.start('a', "ptp --interface va --livewire --serve --json");
    master.wait_for("\"MASTER\"", 15);
    let slave = last(&wire.start('b', "ptp --interface vb --livewire --json --seconds 8").wait());
    let served = last(&master.stop().1);
    assert_eq!((&slave["state"], &slave["epoch"]), (&"LOCKED".into(), &0.into()), "{slave}");
    assert_eq!((&slave["mac"], &slave["priority"]), (&served["mac"], &3.into()), "{slave} {served}");
    assert_eq!((&slave["address"], &slave["hardware_id"]), (&"10.67.0.1".into(), &1.into()), "{slave}");
    assert_eq!(slave["timestamping"], "kernel", "{slave}");
    // The path is presumed to take 75 us; 1 ms is for busy machines.
    let error_ns = time_ns(&slave) - time_ns(&served);
    assert!(error_ns.abs() < CEILING_NS, "{error_ns} ns: {slave} {served}");
}

#[test]
fn a_better_master_takes_over_and_goes_without_a_step() {
    let Some(wire) = Wire::of(&['a', 'b', 'c'], &[]) else { return };
    let first = wire.start('a', "ptp --interface va --livewire --serve --json");
    first.wait_for("\"MASTER\"", 15);
    let slave = wire.start('b', "ptp --interface vb --livewire --json");
    slave.wait_for("\"LOCKED\"", 15);
    let better = wire.start('c', "ptp --interface vc --livewire --serve --priority 5 --json");
    slave.wait_for("\"priority\":5", 20);
    first.wait_for("\"LOCKED\"", 20);
    assert_eq!(better.stop().0, Some(0));
    // The first one serves again, with the time that it followed.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let (log, served) = (slave.stop().1, first.stop().1);
    let (end, served) = (last(&log), last(&served));
    assert_eq!((&end["state"], &end["priority"], &end["epoch"]), (&"LOCKED".into(), &3.into(), &0.into()), "{log}");
    assert_eq!(served["state"], "MASTER", "{served}");
    let seen = lines(&log);
    let locked = seen.iter().position(|line| line["state"] == "LOCKED").expect("a lock");
    assert!(seen[locked..].iter().all(|line| line["state"] == "LOCKED" || line["state"] == "HOLDOVER"), "{log}");
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
    send.wait_for("packets, late by", 20);
    let sdp = std::fs::read_to_string(wire.path("tone.sdp")).unwrap();
    assert!(sdp.contains("a=mediaclk:sender") && !sdp.contains("ptp="), "{sdp}");
    let play = "play tone.sdp --interface vb --output null --clock livewire --latency 50 --json --seconds 12";
    let played = wire.aes67('b', play);
    let last = last(&String::from_utf8_lossy(&played.stdout));
    assert_eq!((&last["state"], &last["clock"]), (&"PLAYING".into(), &"Livewire clock LOCKED".into()), "{last}");
    assert_eq!(last["lost"], 0, "{last}");
    // The latency that was asked for, and the packet time.
    let link_offset_us = last["link_offset_us"].as_f64().unwrap();
    assert!((link_offset_us - 51_000.0).abs() < 3_000.0, "{last}");
    assert_eq!(send.stop().0, Some(0));
}
