//! Announced sessions on a wire: told apart, written byte for byte, and chosen.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::Wire;
use std::fs;

/// One host announces three sessions: two of FFmpeg's, whose `o=` lines are the same, on different
/// groups of SAP; and one of ours.
#[test]
fn announcers_of_one_host_are_told_apart_and_descriptions_are_whole() {
    let Some(wire) = Wire::new(&["ffmpeg"]) else { return };
    let ours = wire.start('a', "send tone --group 239.77.4.1 --interface va --clock system --name Ours --source-port 5010 --sap-group 239.255.255.255 --sap-group 239.9.9.9 --sap-interval 2");
    let ffmpeg = |group: &str, announced: &str| {
        let url = format!("sap://{group}:5004?announce_addr={announced}&announce_port=9875&ttl=15");
        let source = "-nostdin -loglevel error -re -f lavfi -i sine=sample_rate=48000";
        wire.start_program('a', "ffmpeg", &format!("{source} -ac 2 -c:a pcm_s16be -f sap {url}"))
    };
    let others = [ffmpeg("239.77.4.2", "239.255.255.255"), ffmpeg("239.77.4.3", "224.0.0.56")];
    let discover = wire.start('b', "discover --interface vb --json");
    let seen_there = wire.start('b', "discover --interface vb --sdp Ours --sap-group 239.9.9.9 --seconds 50");
    discover.wait_until("three sessions", 60, |log| log.matches("\"event\":\"added\"").count() >= 3);
    // FFmpeg announces its own every 5 s, and we every 2 s.
    std::thread::sleep(std::time::Duration::from_millis(5_500));
    let (_, found) = discover.stop();
    let port = wire.command('a', "ss", "-uHan sport = :5010").output().expect("ss runs");
    let events: Vec<serde_json::Value> = found.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told = |event: &serde_json::Value| {
        let address = event["streams"][0]["addresses"][0].as_str().unwrap_or_default();
        format!(
            "{} {} {address}",
            event["event"].as_str().unwrap_or_default(),
            event["name"].as_str().unwrap_or_default()
        )
    };
    let mut told: Vec<String> = events.iter().map(told).collect();
    told.sort();
    let expected = ["added No Name 239.77.4.2:5004", "added No Name 239.77.4.3:5004", "added Ours 239.77.4.1:5004"];
    assert_eq!(told, expected, "each once, and nothing flaps: {found}");
    // Byte for byte as it was announced, and nothing is found in it.
    let text = seen_there.wait();
    assert!(text.ends_with("a=recvonly\r\n"), "{text:?}");
    fs::write(wire.path("ours.sdp"), &text).unwrap();
    let linted = wire.aes67('b', "lint ours.sdp");
    assert_eq!(String::from_utf8_lossy(&linted.stdout), "ours.sdp: nothing is wrong\n");
    let (_, said) = ours.stop();
    assert!(String::from_utf8_lossy(&port.stdout).contains("10.67.0.1:5010"), "{port:?} {said}");
    others.into_iter().for_each(|other| drop(other.kill()));
}
