//! A stream whose packets contradict its description, between two hosts: see `rig` for what these
//! tests need.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::{Wire, samples};
use std::fs;

/// Sent as L16, described as L24.
#[test]
fn packets_of_another_format_are_silence_and_told_unless_they_are_trusted() {
    let Some(wire) = Wire::new(&[]) else { return };
    let send = wire.start(
        'a',
        "send tone --group 239.69.7.1 --interface va --clock system --no-wait --format l16 --level -20 --no-sap --sdp sent.sdp",
    );
    send.wait_for("packets, late by", 60);
    let sdp = fs::read_to_string(wire.path("sent.sdp")).unwrap();
    assert!(sdp.contains(" L16/48000/2"), "{sdp}");
    fs::write(wire.path("described.sdp"), sdp.replace(" L16/48000/2", " L24/48000/2")).unwrap();
    let [record, trusting] = [("silence.wav", ""), ("tone.wav", " --trust packets")].map(|(file, trust)| {
        wire.start('b', &format!("record described.sdp --interface vb --no-ptp --output {file} --seconds 5{trust}"))
    });
    let play = "play described.sdp --interface vb --output played.wav --clock livewire --latency 20 --json --seconds 4";
    let played = wire.aes67('b', play);
    let text = String::from_utf8_lossy(&played.stdout);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let sentence = "timestamps advance by 48 frames, the 192 bytes of a packet are 32 of L24 with 2 channels: L16?";
    assert_eq!(last["finding"], sentence, "{last}");
    assert!(samples(&wire.path("played.wav")).iter().all(|sample| *sample == 0), "it was heard");
    let (log, trusted) = (record.wait(), trusting.wait());
    assert!(log.contains(sentence) && log.contains(" against the description)"), "{log}");
    assert!(samples(&wire.path("silence.wav")).iter().all(|sample| *sample == 0), "it was recorded");
    assert!(trusted.contains("L16, 48000 Hz, 2 channels") && trusted.contains(" 0 refused"), "{trusted}");
    let tone = samples(&wire.path("tone.wav"));
    let peak = tone.iter().map(|sample| sample.abs()).max();
    // -20 dBFS of 16 bits.
    assert!(tone.len() > 2 * 48_000 && peak.is_some_and(|peak| peak.abs_diff(3277) < 30), "{peak:?} of {}", tone.len());
    assert_eq!(send.stop().0, Some(0));
}
