//! The program between two hosts: see `rig` for what these tests need.

mod rig;

use rig::{Wire, samples};
use std::fs;

/// A file of noise-like samples of 24 bits, stereo.
fn write_noise(path: &std::path::Path, seconds: u32) -> Vec<i32> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    let mut state = 1u32;
    let noise: Vec<i32> = (0..seconds * 48_000 * 2)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as i32 >> 8
        })
        .collect();
    let mut writer = hound::WavWriter::create(path, spec).expect("a WAV file");
    noise.iter().for_each(|&sample| writer.write_sample(sample).expect("room for a sample"));
    writer.finalize().expect("a WAV file");
    noise
}

#[test]
fn a_file_is_sent_announced_and_recorded_bit_for_bit() {
    let Some(wire) = Wire::new(&[]) else { return };
    let noise = write_noise(&wire.path("in.wav"), 3);
    let discover = wire.start('b', "discover --interface vb --json");
    let record = wire.start('b', "record aes67://239.69.1.1 --interface vb --output out.wav --split-minutes 0.04");
    record.wait_for("recording", 10);
    let sent =
        wire.aes67('a', "send in.wav --group 239.69.1.1 --interface va --clock system --name Noise --sdp noise.sdp");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let (code, log) = record.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(" 0 frames missing in 0 gaps, 0 late, 0 refused"), "{log}");
    // 0.04 minutes are 2.4 s.
    let recorded = [samples(&wire.path("out.wav")), samples(&wire.path("out-002.wav"))].concat();
    assert!(recorded[..noise.len()] == noise, "the recording differs");
    assert!(recorded[noise.len()..].iter().all(|&sample| sample == 0), "something follows");
    discover.wait_for("\"event\":\"removed\"", 5);
    let (_, heard) = discover.stop();
    assert_eq!(heard.matches("\"event\":\"added\",\"name\":\"Noise\"").count(), 1, "{heard}");
    let linted = wire.aes67('b', "lint noise.sdp");
    assert_eq!(String::from_utf8_lossy(&linted.stdout).trim(), "noise.sdp: nothing is wrong");
}

#[test]
fn a_stream_on_our_own_ptp_is_played_at_the_latency_asked_for() {
    let Some(wire) = Wire::new(&[]) else { return };
    let send = wire.start(
        'a',
        "send tone --group 239.69.1.2 --interface va --clock master --name Tone --sdp tone.sdp --level -20",
    );
    send.wait_for("packets, late by", 15);
    let sdp = fs::read_to_string(wire.path("tone.sdp")).unwrap();
    assert!(sdp.contains("a=ts-refclk:ptp=IEEE1588-2008:") && sdp.contains("a=mediaclk:direct=0"), "{sdp}");
    let played =
        wire.aes67('b', "play tone.sdp --interface vb --output null --ppm 80 --latency 50 --json --seconds 14");
    let text = String::from_utf8_lossy(&played.stdout);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["state"], &last["clock"]), (&"PLAYING".into(), &"PTP LOCKED".into()), "{last}");
    assert_eq!(last["lost"], 0, "{last}");
    // The latency that was asked for, and the packet time.
    let link_offset_us = last["link_offset_us"].as_f64().unwrap();
    assert!((link_offset_us - 51_000.0).abs() < 3_000.0, "{last}");
    assert!((last["card_ppm"].as_f64().unwrap() - 80.0).abs() < 20.0, "{last}");
    let peak_dbfs = last["peaks_dbfs"][0].as_f64().unwrap();
    assert!((peak_dbfs + 20.0).abs() < 0.5, "{last}");
    assert_eq!(send.stop().0, Some(0));
}

const GRANDMASTER: &str = "[global]
domainNumber 10
priority1 100
clockClass 248
logAnnounceInterval 0
announceReceiptTimeout 3
logSyncInterval -3
logMinDelayReqInterval -3
delay_mechanism E2E
network_transport UDPv4
time_stamping software
twoStepFlag 1
free_running 1
udp_ttl 1
";

#[test]
fn we_lock_to_ptp4l_and_are_right() {
    let Some(wire) = Wire::new(&["ptp4l"]) else { return };
    let socket = wire.path("gm.sock");
    fs::write(wire.path("gm.cfg"), format!("{GRANDMASTER}uds_address {}\n", socket.display())).unwrap();
    let master = wire.start_program('a', "ptp4l", "-i va -S -m -q -f gm.cfg");
    let log = wire.start('b', "ptp --interface vb --domain 10 --json --seconds 16").wait();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!((&last["port"], &last["state"]), (&"SLAVE".into(), &"LOCKED".into()), "{last}\n{}", master.log());
    assert_eq!(last["timestamping"], "kernel", "{last}");
    assert!(last["transmit_stamps"].as_u64().unwrap() > 10, "{last}");
    // ptp4l serves this machine's own system clock: the truth is known. 50 us are for busy machines; a quiet one is within 1 us.
    let error_ns = last["system_minus_ptp_ns"].as_i64().unwrap();
    assert!(error_ns.abs() < 50_000, "{last}");
}

#[test]
fn the_status_line_has_its_form() {
    let Some(wire) = Wire::new(&[]) else { return };
    let master = wire.start('a', "ptp --interface va --domain 2 --master");
    let slave = wire.start('b', "ptp --interface vb --domain 2");
    slave.wait_for("[LOCKED]", 25);
    let (code, log) = slave.stop();
    assert_eq!(code, Some(0), "{log}");
    let line = log.lines().find(|line| line.ends_with("[LOCKED]")).unwrap();
    let rest = line.strip_prefix("Slave to: PTP/").unwrap_or_else(|| panic!("{line}"));
    let (identity, rest) = rest.split_once(":2, δ ").unwrap_or_else(|| panic!("{line}"));
    let (offset, rest) = rest.split_once("µs, Freq: ").unwrap_or_else(|| panic!("{line}"));
    let frequency = rest.strip_suffix("ppm [LOCKED]").unwrap_or_else(|| panic!("{line}"));
    assert_eq!(identity.len(), 16, "{line}");
    assert!(offset.parse::<f64>().is_ok() && frequency.starts_with(['+', '-']), "{line}");
    assert!(master.log().contains("Master: PTP/"), "{}", master.log());
}

#[test]
fn bad_input_is_one_clear_sentence() {
    let Some(wire) = Wire::new(&[]) else { return };
    fs::write(wire.path("bad.sdp"), "hello\n").unwrap();
    let cases = [
        ("ptp --interface eth9", 2, "error: there is no network interface eth9 with an IPv4 address; there is lo"),
        ("send tone --group 10.0.0.1 --interface vb", 2, "error: 10.0.0.1 is no multicast address: groups are within"),
        ("send none.wav --group 239.1.1.1 --interface vb", 2, "error: none.wav: No such file"),
        ("play aes67://10.9.9.9 --interface vb --output null", 2, "error: 10.9.9.9 is neither a multicast address nor"),
        ("play bad.sdp --interface vb --output null", 2, "error: bad.sdp: line 1: this is no SDP"),
        ("lint bad.sdp", 2, "error: bad.sdp: line 1: this is no SDP"),
    ];
    for (arguments, code, message) in cases {
        let done = wire.aes67('b', arguments);
        let text = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{arguments}: {text}");
        assert!(text.starts_with(message) && text.lines().count() == 1, "{arguments}: {text}");
    }
}

#[test]
fn a_busy_port_is_told() {
    let Some(wire) = Wire::new(&["python3"]) else { return };
    let hold = "import socket,time;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind(('',9875));print('held',flush=True);time.sleep(20)";
    fs::write(wire.path("hold.py"), hold).unwrap();
    let holder = wire.start_program('b', "python3", "hold.py");
    holder.wait_for("held", 10);
    let done = wire.aes67('b', "discover --interface vb --seconds 1");
    let text = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{text}");
    assert!(
        text.starts_with("error: UDP port 9875 at 0.0.0.0 is in use by a program that does not share it"),
        "{text}"
    );
}
