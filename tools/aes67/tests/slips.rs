//! Senders that slip, on a wire: see `rig` for what these tests need.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::Wire;
use std::fs;

const SENDER: &str = include_str!("slips.py");

#[test]
fn playback_follows_a_sender_that_slips_and_catches_up() {
    let Some(wire) = Wire::new(&["python3"]) else { return };
    fs::write(wire.path("slips.py"), SENDER).unwrap();
    let sender = format!("slips.py 239.69.1.9 {} 9 3.5:30 6:-30", netns::address('a'));
    let sender = wire.start_program('a', netns::SYSTEM_PYTHON, &sender);
    let play = "play aes67://239.69.1.9?channels=2&rate=48000&format=L24&ptime=1 --interface vb --clock arrivals \
                --output null --block 96 --latency 40 --json --seconds 8";
    let log = wire.start('b', play).wait();
    sender.stop();
    let lines: Vec<serde_json::Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    // Both are said, with their size, and nobody speaks of a new source.
    let told = |way: &str| log.lines().any(|line| line.contains(way) && line.contains("from now on"));
    assert!(told("ms later") && told("ms earlier"), "{log}");
    let last = lines.last().unwrap();
    assert!(last["restarts"] == 0 && last["shifts"].as_u64() >= Some(2), "{log}");
    // The depth is what it was before, within what the machine's scheduling makes of it.
    for second in [3.0, 5.4, 7.9] {
        let line = lines.iter().rfind(|line| line["elapsed_s"].as_f64() <= Some(second)).unwrap();
        let achieved_ms = line["achieved_us"].as_f64().unwrap() / 1e3;
        assert!((achieved_ms - 40.0).abs() < 3.0, "{achieved_ms} ms after {second} s\n{log}");
        assert!(line["buffer_us"].as_f64().unwrap() > 30_000.0, "{line}\n{log}");
    }
}

#[test]
fn a_latency_below_the_callback_is_raised_or_refused() {
    let Some(wire) = Wire::new(&[]) else { return };
    let play = "play aes67://239.69.1.9 --interface vb --clock arrivals --output out.wav --latency 5 --seconds 1";
    let raised = wire.aes67('b', play);
    let said = String::from_utf8_lossy(&raised.stderr).into_owned();
    assert_eq!(raised.status.code(), Some(0), "{said}");
    let reason = "the output asks for 10.0 ms at a time, which a latency of 5.0 ms leaves no time for";
    assert!(said.contains(&format!("warning: {reason}; it is raised to 15.0 ms")), "{said}");
    fs::remove_file(wire.path("out.wav")).unwrap();
    let refused = wire.aes67('b', &format!("{play} --latency-strict"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert_eq!(said.trim(), format!("error: {reason}: give --latency 15 or more, or a shorter --block"));
    assert!(!wire.path("out.wav").exists(), "{said}");
}
