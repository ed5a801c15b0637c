//! Forged packets and a stranger's beside a sender, on a wire: see `rig` for what this needs.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::Wire;
use std::fs;

const SENDER: &str = include_str!("slips.py");
const FORGER: &str = include_str!("forger.py");
/// Where the sender's samples are, and the forger's, by 24 bits.
const HONEST: i32 = 0x10_0000;
const FORGED: i32 = 0x70_0000;

#[test]
fn forged_packets_are_neither_played_nor_recorded_and_a_stranger_is_named() {
    let Some(wire) = Wire::of(&['a', 'b', 'c'], &["python3", "chrt"]) else { return };
    fs::write(wire.path("slips.py"), SENDER).unwrap();
    fs::write(wire.path("forger.py"), FORGER).unwrap();
    let [sender, stranger] = ['a', 'c'].map(netns::address);
    let stream = "aes67://239.69.1.7?channels=2&rate=48000&format=L24&ptime=1 --interface vb";
    let play = format!("play {stream} --clock arrivals --output played.wav --latency 40 --seconds 7");
    let play = wire.start('b', &play);
    let record = wire.start('b', &format!("record {stream} --no-ptp --output taken.wav --seconds 7"));
    let talker = wire.start_real_time('a', netns::SYSTEM_PYTHON, &format!("slips.py 239.69.1.7 {sender} 9"));
    let forger = format!("forger.py 239.69.1.7 {stranger} {sender} 3000 1500");
    let forger = wire.start_real_time('c', netns::SYSTEM_PYTHON, &forger);
    let (played, recorded) = (play.wait(), record.wait());
    drop((talker.kill(), forger.kill()));
    for (log, file) in [(&played, "played.wav"), (&recorded, "taken.wav")] {
        let named = format!("{stranger} sends to the address of this stream, too, which comes from {sender}");
        assert!(log.contains(&named), "{log}");
        assert!(log.contains("somebody sends packets with its SSRC") && log.contains("from another address"), "{log}");
        let samples = rig::samples(&wire.path(file));
        let near = |value: i32| samples.iter().filter(|sample| (**sample - value).abs() < 0x1000).count();
        let loud = samples.iter().filter(|sample| **sample > HONEST + (FORGED - HONEST) / 8).count();
        assert_eq!(loud, 0, "{file}: {loud} samples of the forger\n{log}");
        // Of seven seconds and more, the last four of them beside forged packets: the machine may
        // stand still.
        assert!(near(HONEST) > 2 * 48_000 * 4, "{file}: {} of {}\n{log}", near(HONEST), samples.len());
    }
}
