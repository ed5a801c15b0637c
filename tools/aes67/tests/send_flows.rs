//! Sending as a user does it, between two hosts: see `rig` for what these tests need.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::{Wire, assert_recorded, samples, told, write_noise};
use std::fs;
use std::process::Command;

/// What follows a gap is crossfaded in, in frames at 48 kHz.
const FADE_IN_FRAMES: u64 = 240;

/// So many channels of interleaved audio from one on.
fn part(audio: &[i32], channels: usize, first: usize, count: usize) -> Vec<i32> {
    audio.chunks_exact(channels).flat_map(|frame| frame[first..first + count].iter().copied()).collect()
}

/// Answers of a wizard, and what it is called with.
fn answer(wire: &Wire, answers: &str, file: &str) -> String {
    fs::write(wire.path("answers"), answers).expect("a file");
    fs::write(wire.path("wizard.sh"), format!("{} send --init {file} < answers", env!("CARGO_BIN_EXE_aes67")))
        .expect("a file");
    wire.start_program('a', "sh", "wizard.sh").wait()
}

#[test]
fn a_wizards_file_sends_sixteen_channels_as_two_streams_bit_for_bit() {
    let Some(wire) = Wire::new(&[]) else { return };
    let noise = write_noise(&wire.path("multi.wav"), 16, 3);
    for (clock, file) in [("master\n0", "plan.toml"), ("system\nnone", "plan.json")] {
        let said = answer(&wire, &format!("\n{clock}\nmulti.wav\nno\nStage\n8\n239.69.2.1\n\n\nsdp\n\n"), file);
        assert!(said.contains(&format!("Written. To send: aes67 send --config {file}")), "{said}");
        let records = [1, 2].map(|number| {
            let record = wire.start(
                'b',
                &format!(
                    "record aes67://239.69.2.{number}?channels=8 --interface vb --output {number}.wav --overwrite"
                ),
            );
            record.wait_for("recording", 60);
            record
        });
        let sent = wire.aes67('a', &format!("send --config {file}"));
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        let said = String::from_utf8_lossy(&sent.stdout).into_owned();
        for (index, (record, name)) in records.into_iter().zip(["Stage 1-8", "Stage 9-16"]).enumerate() {
            let log = record.stop().1;
            assert!(log.contains(" 0 refused"), "{log}");
            let account = |line: &&str| line.starts_with(&format!("{name}: ")) && line.contains("packets, late by");
            let account = said.lines().rfind(account).unwrap_or_else(|| panic!("nothing of {name} in {said}"));
            let recorded = samples(&wire.path(&format!("{}.wav", index + 1)));
            assert_recorded((&log, account), (&recorded, &part(&noise, 16, 8 * index, 8)), 8, false);
            fs::rename(wire.path(&format!("sdp/{name}.sdp")), wire.path("one.sdp")).expect("a description");
            let linted = wire.aes67('b', "lint one.sdp");
            assert_eq!(String::from_utf8_lossy(&linted.stdout).trim(), "one.sdp: nothing is wrong");
        }
    }
}

#[test]
fn a_playlist_that_repeats_goes_to_one_receiver_without_a_gap() {
    let Some(wire) = Wire::new(&[]) else { return };
    let first = write_noise(&wire.path("a.wav"), 2, 1);
    let second: Vec<i32> = part(&write_noise(&wire.path("four.wav"), 4, 1), 4, 2, 2);
    let spec = hound::WavReader::open(wire.path("a.wav")).expect("a WAV file").spec();
    let mut writer = hound::WavWriter::create(wire.path("b.wav"), spec).expect("a WAV file");
    second.iter().for_each(|&sample| writer.write_sample(sample).expect("room"));
    writer.finalize().expect("a WAV file");
    let record = wire.start('b', "record aes67://10.67.0.2:5010 --interface vb --output out.wav");
    record.wait_for("recording", 60);
    let sent =
        wire.aes67('a', "send a.wav b.wav --loop --to 10.67.0.2:5010 --interface va --clock system --json --seconds 7");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let log = record.stop().1;
    assert!(log.contains(" 0 refused"), "{log}");
    let recorded = samples(&wire.path("out.wav"));
    let once = [first, second].concat();
    let expected: Vec<i32> = once.iter().copied().cycle().take(recorded.len() + once.len()).collect();
    assert!(recorded.len() > 2 * once.len(), "{} samples", recorded.len());
    let line = String::from_utf8_lossy(&sent.stdout).lines().last().unwrap_or_default().to_owned();
    let status: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    // A machine that stands still has it leave packets out, and counts them.
    let sent = ["packets", "skipped_packets"].map(|name| status["streams"][0][name].as_u64().expect("a number"));
    assert!(sent.iter().sum::<u64>() > 3000, "{status}");
    assert_recorded((&log, &format!("{} skipped", sent[1])), (&recorded, &expected), 2, true);
    assert_eq!((&status["streams"][0]["jumps"], &status["streams"][0]["send_errors"]), (&0.into(), &0.into()));
}

#[test]
fn stdin_is_sent_as_it_comes() {
    let Some(wire) = Wire::new(&[]) else { return };
    let noise = write_noise(&wire.path("in.wav"), 2, 2);
    fs::write(
        wire.path("send.sh"),
        format!("cat in.wav | {} send - --group 239.69.2.7 --interface va --clock system", env!("CARGO_BIN_EXE_aes67")),
    )
    .expect("a file");
    let record = wire.start('b', "record aes67://239.69.2.7 --interface vb --output out.wav");
    record.wait_for("recording", 60);
    let said = wire.start_program('a', "sh", "send.sh").wait();
    assert!(said.contains("sending stdin to 239.69.2.7:5004"), "{said}");
    let log = record.stop().1;
    assert_recorded((&log, &said), (&samples(&wire.path("out.wav")), &noise), 2, false);
}

#[test]
fn what_is_looped_at_unity_has_the_bits_that_came_in() {
    let Some(wire) = Wire::new(&[]) else { return };
    let noise = write_noise(&wire.path("in.wav"), 2, 20);
    let send =
        wire.start('a', "send in.wav --loop --group 239.69.2.9 --interface va --clock master --no-sap --sdp in.sdp");
    send.wait_for("packets, late by", 60);
    let looped = wire.start('b', "loop in.sdp --group 239.69.2.10 --interface vb --latency 40 --sdp out.sdp");
    looped.wait_for("frames as they came", 60);
    let record = wire.start('a', "record aes67://239.69.2.10 --interface va --output out.wav --seconds 4").wait();
    let (code, said) = looped.stop();
    assert_eq!(code, Some(0), "{said}");
    let recorded = samples(&wire.path("out.wav"));
    assert!(recorded.len() > 2 * 48_000, "{record}");
    // What does not come in time on a busy machine is concealed, and counted; so the first frames
    // may be none of the file's.
    let place =
        |at: usize| noise.windows(8).position(|window| *window == recorded[at..at + 8]).map(|found| (at, found));
    let (at, found) = (0..recorded.len() - 8).step_by(2 * 480).find_map(place).expect("what came out was sent");
    let sent: Vec<i32> = noise
        .iter()
        .cycle()
        .skip((found + noise.len() - at % noise.len()) % noise.len())
        .take(recorded.len())
        .copied()
        .collect();
    let differing = recorded.chunks_exact(2).zip(sent.chunks_exact(2)).filter(|(out, sent)| out != sent).count() as u64;
    // Of what was left out or concealed, the loop and the recorder give account; what follows is
    // faded in.
    let [concealed, concealments] = [" concealed", " gaps, "].map(|unit| told::<u64>(&said, unit));
    let [missing, holes] = [" frames missing", " gaps, "].map(|unit| told::<u64>(&record, unit));
    let accounted = concealed + missing + (concealments + holes) * FADE_IN_FRAMES;
    assert!(differing <= accounted, "{differing} frames differ, {accounted} are accounted for\n{record}\n{said}");
    let right = recorded.len() as u64 / 2 - differing;
    assert!(right > 48_000 / 2, "hardly any of it came\n{record}\n{said}");
    assert!(fs::read_to_string(wire.path("out.sdp")).expect("a description").contains("a=mediaclk:direct=0"));
    let refused = wire.aes67('b', "loop in.sdp --group 239.69.2.9 --interface vb");
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_line_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan.toml");
    let name = file.display();
    for (text, message) in [
        (
            "interface = \"lo\"\n[source]\ntone_hz = 997\n[[stream]]\ndestination = \"239.1\"\n",
            format!("error: {name}:5: stream[0].destination: 239.1 is no group; right would be"),
        ),
        (
            "interface = \"lo\"\n[source]\ntone_hz = 997\n[[stream]]\ndestination = \"239.1.1.1\"\nchannels = \"2-3\"\n",
            format!("error: {name}:6: stream[0].channels: the source has 2 channels, and so no channel 3"),
        ),
        (
            "interface = \"lo\"\n[source]\nchannels = 16\ntone_hz = 997\n[[stream]]\ndestination = \"239.1.1.1\"\n",
            format!("error: {name}:5: stream[0].packet_time_ms: 16 channels of 48 frames are 2304 bytes"),
        ),
        (
            "interface = \"lo\"\n[source]\ntone_hz = 997\nident = true\n[[stream]]\ndestination = \"239.1.1.1\"\n",
            format!("error: {name}:2: source: there must be one source"),
        ),
        (
            "interface = \"lo\"\n[source]\ntone_hz = 997\n[[stream]]\ndestination = \"239.1.1.1\"\n[[stream]]\ndestination = \"239.1.1.1\"\n",
            format!("error: {name}:7: stream[1].destination: tone 1-2 goes to 239.1.1.1:5004 already"),
        ),
        (
            "interface = \"lo\"\n[source]\ntone_hz = 997\n[[stream]]\ndestination = \"239.1.1.1\"\n[[stream]]\ndestination = [\"239.1.1.2\", \"239.1.1.1\"]\n",
            format!("error: {name}:7: stream[1].destination: tone 1-2 goes to 239.1.1.1:5004 already"),
        ),
    ] {
        fs::write(&file, text).expect("a file");
        let done = Command::new(env!("CARGO_BIN_EXE_aes67"))
            .arg("send")
            .arg("--config")
            .arg(&file)
            .output()
            .expect("aes67 runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&message) && said.lines().count() == 1, "{said}\nis not\n{message}");
    }
}
