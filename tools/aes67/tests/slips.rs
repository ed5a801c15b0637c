//! Senders that slip, on a wire: see `rig` for what these tests need.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::{Wire, objects};
use std::fs;

const SENDER: &str = include_str!("slips.py");

#[test]
fn playback_follows_a_sender_that_slips_and_catches_up() {
    let Some(wire) = Wire::new(&["python3", "chrt"]) else { return };
    fs::write(wire.path("slips.py"), SENDER).unwrap();
    let sender = format!("slips.py 239.69.1.9 {} 13 4:30 8:-30", netns::address('a'));
    let sender = wire.start_real_time('a', netns::SYSTEM_PYTHON, &sender);
    let play = "play aes67://239.69.1.9?channels=2&rate=48000&format=L24&ptime=1 --interface vb --clock arrivals \
                --output null --block 96 --latency 40 --json --seconds 11.5";
    let log = wire.start('b', play).wait();
    sender.stop();
    let lines = objects(&log);
    // Both are said, with their size, and nobody speaks of a new source.
    let told = |way: &str| log.lines().any(|line| line.contains(way) && line.contains("from now on"));
    assert!(told("ms later") && told("ms earlier"), "{log}");
    let last = lines.last().unwrap();
    assert!(last["restarts"] == 0 && last["shifts"].as_u64() >= Some(2), "{log}");
    // The depth is what it was before: at some time between the slips, because the machine may
    // stand still at others.
    for span in [1.5..4.0, 5.5..8.0, 9.5..12.0] {
        let is_right = |line: &serde_json::Value| {
            let [at_s, achieved_us, buffer_us] =
                ["elapsed_s", "achieved_us", "buffer_us"].map(|key| line[key].as_f64().unwrap());
            span.contains(&at_s) && (achieved_us - 40_000.0).abs() < 3_000.0 && buffer_us > 30_000.0
        };
        assert!(lines.iter().any(is_right), "not 40 ms deep within {span:?} s\n{log}");
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
