//! What other programs make of our streams: FFmpeg, GStreamer, tshark, and two libraries for SDP. Whoever is not installed is left out, and that is said.
//!
//! With `AES67_LONG=1` in the environment the lateness of packets is measured beside GStreamer's sender, which takes minutes and a quiet machine.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::Wire;
use std::fs;
use std::process::{Command, Stdio};

fn is_there(program: &str, arguments: &[&str], hint: &str) -> bool {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let there = output.is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: {program} {} does not run ({hint})", arguments.join(" "));
    }
    there
}

fn ffmpeg() -> bool {
    is_there("ffmpeg", &["-version"], "Debian: apt-get install ffmpeg")
}

fn gstreamer() -> bool {
    let import = "import gi; gi.require_version('GstNet', '1.0'); gi.require_version('GstRtp', '1.0'); from gi.repository import GstNet, GstRtp";
    let hint = "Debian: apt-get install python3-gi gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gir1.2-gst-plugins-base-1.0";
    is_there("/usr/bin/python3", &["-c", import], hint)
}

/// Three bytes to a sample; the channels' numbers and a counter, so that every frame is told from every other.
fn write_counter(path: &std::path::Path, seconds: u32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("a WAV file");
    let mut bytes = Vec::new();
    for frame in 1..=seconds as i32 * 48_000 {
        for channel in 0..2 {
            let sample = (frame << 1) | channel;
            writer.write_sample(sample).expect("room");
            bytes.extend(&sample.to_be_bytes()[1..]);
        }
    }
    writer.finalize().expect("a WAV file");
    bytes
}

/// Whether `part` is a stretch of `whole`, from one of its frames on.
fn assert_stretch(whole: &[u8], part: &[u8]) {
    assert!(part.len() > 48_000 * 6, "only {} bytes", part.len());
    let begin = whole.chunks_exact(6).position(|frame| *frame == part[..6]).expect("its first frame was sent") * 6;
    let length = part.len().min(whole.len() - begin);
    let differ = part[..length].iter().zip(&whole[begin..]).position(|(a, b)| a != b);
    assert_eq!(differ, None, "of {length} bytes");
}

#[test]
fn ffmpeg_receives_every_bit_by_our_description_and_by_our_announcement() {
    if !ffmpeg() {
        return;
    }
    let Some(wire) = Wire::new(&[]) else { return };
    let sent = write_counter(&wire.path("in.wav"), 60);
    let send = wire.start(
        'a',
        "send in.wav --group 239.69.3.1 --interface va --clock system --sdp in.sdp --sap-interval 1 --name Counter",
    );
    send.wait_for("packets, late by", 20);
    let common = "-nostdin -loglevel error -protocol_whitelist file,udp,rtp,sap -localaddr 10.67.0.2";
    let by_sdp = format!("{common} -i in.sdp -t 3 -c:a pcm_s24be -f s24be -y sdp.raw");
    let log = wire.start_program('b', "ffmpeg", &by_sdp).wait();
    assert_stretch(&sent, &fs::read(wire.path("sdp.raw")).unwrap_or_else(|_| panic!("{log}")));
    let by_sap = "-nostdin -loglevel error -i sap://239.255.255.255:9875 -t 3 -c:a pcm_s24be -f s24be -y sap.raw";
    let log = wire.start_program('b', "ffmpeg", by_sap).wait();
    assert_stretch(&sent, &fs::read(wire.path("sap.raw")).unwrap_or_else(|_| panic!("{log}")));
    assert_eq!(send.stop().0, Some(0));
}

#[test]
fn gstreamer_reads_back_our_capture_time_to_the_sample() {
    if !gstreamer() {
        return;
    }
    let Some(wire) = Wire::new(&[]) else { return };
    fs::write(wire.path("receive.py"), include_str!("peers/gst_rfc7273.py")).expect("a script");
    let send = wire.start('a', "send tone --group 239.69.3.2 --interface va --clock master --no-sap --sdp tone.sdp");
    send.wait_for("packets, late by", 20);
    let sdp = fs::read_to_string(wire.path("tone.sdp")).expect("a description");
    let grandmaster =
        sdp.split("IEEE1588-2008:").nth(1).and_then(|rest| rest.split(':').next()).expect("a grandmaster");
    let arguments = format!("receive.py vb 0 {grandmaster} 239.69.3.2 2 3 2 10 50");
    let log = wire.start_program('b', "/usr/bin/python3", &arguments).wait();
    for latency in [2, 10, 50] {
        let line = log
            .lines()
            .find(|line| line.starts_with(&format!("latency {latency} ms:")))
            .unwrap_or_else(|| panic!("{log}"));
        println!("{line}");
        let worst = line
            .split("worst error ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .and_then(|text| text.parse::<i64>().ok());
        assert!(worst.is_some_and(|worst| (0..=1).contains(&worst)), "{line}");
        assert!(line.contains(" 0 without time"), "{line}");
    }
    // The same description, opened as a file.
    let (sdp, raw) = (wire.path("tone.sdp"), wire.path("gst.raw"));
    let launch = format!(
        "-q sdpsrc location=sdp://{} ! rtpL24depay ! identity eos-after=200 ! filesink location={}",
        sdp.display(),
        raw.display()
    );
    let said = wire.start_program('b', "gst-launch-1.0", &launch).wait();
    assert!(fs::metadata(raw).is_ok_and(|file| file.len() >= 190 * 288), "{said}");
}

#[test]
fn tshark_finds_nothing_malformed_and_the_right_headers() {
    if !is_there("tshark", &["--version"], "Debian: apt-get install tshark") {
        return;
    }
    let Some(wire) = Wire::new(&[]) else { return };
    let dump = wire.start_program('b', "tcpdump", "-i vb -U -w wire.pcap udp");
    dump.wait_for("listening on", 10);
    let send = wire.start(
        'a',
        "send tone --group 239.69.3.3 --interface va --clock master --ptime 0.25 --ttl 17 --dscp 46 --name T",
    );
    send.wait_for("packets, late by", 20);
    // The first status comes with the first packets: a second of them is enough to look at.
    std::thread::sleep(std::time::Duration::from_secs(1));
    send.stop();
    // tcpdump hands on what it has once a second.
    std::thread::sleep(std::time::Duration::from_secs(2));
    dump.stop();
    let capture = wire.path("wire.pcap");
    let tshark = |arguments: &str| {
        let done = Command::new("tshark")
            .arg("-r")
            .arg(&capture)
            .args(["-d", "udp.port==5004,rtp"])
            .args(arguments.split(' '))
            .output();
        String::from_utf8(done.expect("tshark runs").stdout).expect("text")
    };
    assert_eq!(tshark("-Y _ws.malformed||_ws.expert.severity==8388608"), "");
    let media = tshark("-Y rtp -T fields -e ip.dsfield.dscp -e ip.ttl -e udp.length -e rtp.p_type");
    // 12 frames of 2 channels of 3 bytes, and the headers of RTP and UDP.
    assert!(
        media.lines().count() > 1000 && media.lines().all(|line| line == "46\t17\t92\t96"),
        "{}",
        &media[..200.min(media.len())]
    );
    let stamps: Vec<u32> =
        tshark("-Y rtp -T fields -e rtp.timestamp").lines().map(|line| line.parse().expect("a number")).collect();
    assert!(stamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 12), "timestamps are not 12 apart");
    let sap = tshark("-Y sap -T fields -e sap.flags.t");
    assert!(
        sap.starts_with(['0', 'F']) && sap.trim_end().ends_with(['1', 'e']),
        "announced, and deleted at the end: {sap}"
    );
}

#[test]
fn libraries_for_sdp_accept_our_descriptions() {
    let Some(wire) = Wire::new(&[]) else { return };
    let modules = std::env::var("AES67_NODE_MODULES").unwrap_or_else(|_| "/tmp/aes67-peers/node_modules".to_owned());
    let sdpoker = format!("{modules}/.bin/sdpoker");
    if !is_there(&sdpoker, &["--version"], "npm install --prefix /tmp/aes67-peers sdp-transform sdpoker") {
        return;
    }
    for (ptime, group) in [("1", "239.69.3.4"), ("0.125", "239.69.3.5")] {
        let send = wire.start('a', &format!("send ident --source-channels 8 --group {group} --interface va --clock master --no-sap --ptime {ptime} --sdp our.sdp"));
        send.wait_for("packets, late by", 20);
        send.stop();
        let file = wire.path("our.sdp");
        let poked = Command::new(&sdpoker)
            .args(["--checkEndings", "--whitespace", "--audioOnly", "--channelOrder", "--multicast", "--useIP4"])
            .arg(&file)
            .output();
        let poked = poked.expect("sdpoker runs");
        let said = format!("{}{}", String::from_utf8_lossy(&poked.stdout), String::from_utf8_lossy(&poked.stderr));
        assert!(poked.status.success() && said.trim().is_empty(), "{said}");
        let script = format!(
            "const m=require('{modules}/sdp-transform').parse(require('fs').readFileSync('{}','utf8')).media[0]; console.log(m.rtp[0].codec, m.rtp[0].encoding, m.ptime, m.mediaClk.mediaClockName, m.tsRefClocks[0].clksrc)",
            file.display()
        );
        let parsed = Command::new("node").args(["-e", &script]).output().expect("node runs");
        assert_eq!(String::from_utf8_lossy(&parsed.stdout).trim(), format!("L24 8 {ptime} direct ptp"));
    }
}

#[test]
fn packets_are_less_late_than_gstreamers() {
    if std::env::var_os("AES67_LONG").is_none() {
        eprintln!("skipped: it takes minutes and a quiet machine (AES67_LONG=1)");
        return;
    }
    if !gstreamer() {
        return;
    }
    let Some(wire) = Wire::new(&[]) else { return };
    fs::write(wire.path("lateness.py"), include_str!("peers/lateness.py")).expect("a script");
    for (streams, ptime) in [(1, "1"), (16, "1"), (64, "1"), (8, "0.125")] {
        let measured = Command::new("python3")
            .arg(wire.path("lateness.py"))
            .args([env!("CARGO_BIN_EXE_aes67"), &wire.host('a'), &wire.host('b'), &streams.to_string(), ptime, "8"])
            .output()
            .expect("python3 runs");
        let text = String::from_utf8_lossy(&measured.stdout);
        println!("{text}");
        let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let of = |key: &str| [0, 1].map(|row: usize| rows[row][key].as_f64().expect("a number"));
        let ([ours, theirs], [our_cpu, their_cpu]) = (of("p99_us"), of("cpu_us_per_packet"));
        assert!(2.0 * ours <= theirs, "{streams} streams of {ptime} ms: {ours} us against {theirs} us");
        assert!(our_cpu <= their_cpu, "{streams} streams of {ptime} ms: {our_cpu} us a packet against {their_cpu} us");
    }
}
