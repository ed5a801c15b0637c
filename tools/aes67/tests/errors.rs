//! Every mistake that a user can make is one clear sentence and exit code 2; and what may happen to
//! a pipe, a disk or a process loses nothing.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::{Wire, samples, told};
use std::fs;
use std::process::{Output, Stdio};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_one_sentence(done: &Output, arguments: &str, code: i32, message: &str) {
    let text = text(done);
    assert_eq!(done.status.code(), Some(code), "{arguments}: {text}");
    assert!(text.starts_with(message) && text.lines().count() == 1, "{arguments}: {text}");
}

/// A description with this `c=` line, in which nothing else is wrong.
fn description(connection: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 10.77.0.1\r\ns=Test\r\nc={connection}\r\nt=0 0\r\nm=audio 5004 RTP/AVP 96\r\n\
         a=rtpmap:96 L24/48000/2\r\na=ptime:1\r\na=ts-refclk:ptp=IEEE1588-2008:02-00-00-FF-FE-00-00-01:0\r\n\
         a=mediaclk:direct=0\r\na=recvonly\r\n"
    )
}

#[test]
fn bad_input_is_one_clear_sentence() {
    let Some(wire) = Wire::new(&[]) else { return };
    fs::write(wire.path("bad.sdp"), "hello\n").unwrap();
    fs::write(wire.path("other.csv"), "").unwrap();
    fs::write(wire.path("keys"), "[security_association]\nspp 1\n1 AES128 secret\n").unwrap();
    fs::write(wire.path("v6.sdp"), description("IN IP6 ff15::77:3")).unwrap();
    fs::write(wire.path("zero.sdp"), description("IN IP4 0.0.0.0")).unwrap();
    let second = "m=audio 5006 RTP/AVP 97\r\na=rtpmap:97 L16/48000/8\r\n";
    fs::write(wire.path("two.sdp"), description("IN IP4 239.1.1.1/32") + second).unwrap();
    let stereo = "aes67://239.1.1.1";
    let cases = [
        (
            "ptp --interface eth9".to_owned(),
            "error: there is no network interface eth9 with an IPv4 address; there is lo",
        ),
        ("ptp --interface vb --yield 10.67.0.x".into(), "error: 10.67.0.x: "),
        (
            "send tone --group 239.1.1.1 --interface vb --sa-file keys".into(),
            "error: keys: line 3: the algorithms are SHA256-128 and SHA256",
        ),
        ("ptp --interface vb --seconds -1".into(), "error: "),
        (
            "service install studio -- play studio.sdp".into(),
            "error: `service install studio` is for Windows; here systemd",
        ),
        ("ptp --interface vb --unicast-master 239.1.1.1".into(), "error: 239.1.1.1 is no address of a single host"),
        ("ptp --interface vb --unicast-master 10.0.0.1 --master".into(), "error: unicast masters are for who follows"),
        (
            "ptp --interface vb --unicast-master 10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9".into(),
            "error: 9 unicast masters are too many: 8 are the most",
        ),
        ("send tone --group 239.1.1.1 --interface vb --unicast-master 10.0.0.x".into(), "error: 10.0.0.x: "),
        (
            "send tone --group 10.0.0.1 --interface vb".into(),
            "error: 10.0.0.1 is not a multicast address: groups are within",
        ),
        ("send none.wav --group 239.1.1.1 --interface vb".into(), "error: none.wav: cannot be read: No such file"),
        (
            "play aes67://10.9.9.9 --interface vb --output null".into(),
            "error: 10.9.9.9 is neither a multicast address nor",
        ),
        ("play bad.sdp --interface vb --output null".into(), "error: bad.sdp: line 1: this is no SDP"),
        ("play none.sdp --interface vb --output null".into(), "error: none.sdp: No such file"),
        (
            "play livewire:40000 --interface vb --output null".into(),
            "error: livewire:40000: 40000 is no channel of Livewire",
        ),
        (format!("play {stereo}?channels=0 --interface vb --output null"), "error: aes67://239.1.1.1?channels=0: "),
        (
            format!("play {stereo} --interface vb --output null --channels 3"),
            "error: --channels: there is no channel 3 in",
        ),
        (
            format!("play {stereo} {stereo} --interface vb --output null --channels 1"),
            "error: --channels was given 1 times for 2 streams",
        ),
        (format!("play {stereo} --interface vb --output null --latency 0"), "error: the latency is 0: right would be"),
        (format!("play {stereo} --interface vb --output /none/out.wav"), "error: /none/out.wav: "),
        (format!("play {stereo} --interface vb --output null --trace /none/t.csv"), "error: /none/t.csv: "),
        (
            format!("play {stereo} --interface vb --device NoSuchCard"),
            "error: there is no sound card NoSuchCard; there is",
        ),
        (format!("record {stereo} --interface vb --output /none/out.wav"), "error: /none/out.wav: "),
        (format!("record {stereo} --interface vb --output bad.sdp"), "error: bad.sdp is there already: give another"),
        (format!("record {stereo} --interface vb --output out.wav --split 0"), "error: --split is 0: right would be"),
        ("monitor --interface eth9".into(), "error: there is no network interface eth9"),
        ("discover --interface 10.1.2.3".into(), "error: there is no network interface 10.1.2.3"),
        ("lint bad.sdp".into(), "error: bad.sdp: line 1: this is no SDP"),
        ("lint v6.sdp".into(), "error: v6.sdp: ff15::77:3 is an IPv6 address, and streams are received by IPv4 only"),
        ("record v6.sdp --interface vb --output v6.wav".into(), "error: v6.sdp: ff15::77:3 is an IPv6 address, and"),
        ("record zero.sdp --interface vb --output zero.wav".into(), "error: zero.sdp: nothing is sent to 0.0.0.0"),
        ("play two.sdp#3 --interface vb --output null".into(), "error: two.sdp#3: there are 2 streams in it: #1 "),
        ("play two.sdp?rate=96000 --interface vb --output null".into(), "error: two.sdp: rate is told by the"),
        ("play two.sdp#1?interface=eth9 --output null".into(), "error: there is no network interface eth9"),
        (
            "play two.sdp?interface=eth9#1 --interface vb --output null".into(),
            "error: there is no network interface eth9",
        ),
        ("loop two.sdp --interface vb --group 239.1.1.2".into(), "error: two.sdp has several streams: choose one as"),
        ("play http://10.0.0.1/a.sdp --interface vb --output null".into(), "error: http://10.0.0.1/a.sdp: http:// is"),
        ("play aes67://239.1.1.1?source=239.1.1.1 --interface vb --output null".into(), "error: nothing can come from"),
        ("lint rtsp://".into(), "error: rtsp:// is not the address of a description; write rtsp://HOST"),
        (format!("play {stereo} --output null --clock free --domain 3"), "error: options of PTP (--domain, --profile"),
        ("send tone --group 239.1.1.1 --clock system --sa-file keys".into(), "error: options of PTP (--domain, "),
        (
            "send tone --group 239.1.1.1 --grandmaster 001b21fffe0a6701:0".into(),
            "error: this has no effect unless the clock is `system`",
        ),
        ("discover --interface vb --sap-group 10.0.0.1".into(), "error: 10.0.0.1 is not a multicast address"),
    ];
    for (arguments, message) in cases {
        let done = wire.aes67('b', &arguments);
        if arguments.contains("--seconds -1") {
            // The command line's own parser answers, with its usage.
            assert_eq!(done.status.code(), Some(2), "{arguments}");
            continue;
        }
        assert_one_sentence(&done, &arguments, 2, message);
    }
}

/// A file that says what to send, with a line more.
fn send_file(wire: &Wire, first_line: &str, table: &str) {
    let rest = "[source]\ntone_hz = 997\n[[stream]]\ndestination = \"239.1.1.1\"\n";
    fs::write(wire.path("send.toml"), format!("interface = \"vb\"\n{first_line}\n{table}\n{rest}")).expect("a file");
}

#[test]
fn a_file_of_what_to_send_is_checked_with_line_and_key() {
    let Some(wire) = Wire::new(&[]) else { return };
    for (first_line, table, message) in [
        (
            "wait_s = -1",
            "",
            "error: send.toml:2: wait_s: a wait of -1 s: right would be a number of seconds, 0 or more",
        ),
        (
            "wait_s = 1\nwait_for_clock = false",
            "",
            "error: send.toml:2: wait_s: this has no effect unless `wait_for_clock` is true",
        ),
        (
            "clock = \"system\"\nptp_domain = 3",
            "",
            "error: send.toml:3: ptp_domain: this has no effect unless the clock is `ptp` or `master`",
        ),
        (
            "clock = \"livewire\"",
            "[ptp]\naccept_sources = [\"10.0.0.1\"]",
            "error: send.toml:3: ptp: this has no effect unless the clock is `ptp` or `master`",
        ),
        (
            "grandmaster = \"001b21fffe0a6701:0\"",
            "",
            "error: send.toml:2: grandmaster: this has no effect unless the clock is `system`",
        ),
        (
            "clock = \"master\"",
            "[ptp]\nunicast_masters = [\"10.0.0.1\"]",
            "error: unicast masters are for who follows a master: leave them out, or do not serve PTP as master",
        ),
        ("", "[ptp]\nunicast_masters = [\"239.0.0.1\"]", "error: 239.0.0.1 is no address of a single host"),
        (
            "",
            "[ptp]\nunicast_duration_s = 5",
            "error: send.toml:4: ptp.unicast_duration_s: 5 s is not right here: a master is asked for 10 to 1000 s",
        ),
    ] {
        send_file(&wire, first_line, table);
        assert_one_sentence(&wire.aes67('b', "send --config send.toml"), first_line, 2, message);
    }
}

/// What the file says is not left out in silence, and what is waited for is told.
#[test]
fn a_file_of_what_to_send_takes_the_place_of_options_except_those_of_its_clock() {
    let Some(wire) = Wire::new(&[]) else { return };
    send_file(&wire, "wait_s = 1", "[ptp]\nunicast_masters = [\"10.67.0.1\"]\nunicast_duration_s = 60");
    for options in ["--name Other", "--ttl 4", "--clock master", "--no-sap", "--ptime 5", "--loop", "--rate 44100"] {
        let done = wire.aes67('b', &format!("send --config send.toml {options}"));
        let option = options.split(' ').next().unwrap();
        assert_eq!(done.status.code(), Some(2), "{options}");
        assert!(text(&done).contains("cannot be used with") && text(&done).contains(option), "{}", text(&done));
    }
    let reason = "error: no clock within 1000.0 ms: ";
    let done = wire.aes67('b', "send --config send.toml --json");
    assert_one_sentence(&done, "unicast_masters", 1, reason);
    assert!(text(&done).contains("10.67.0.1"), "{}", text(&done));
    let done = wire.aes67('b', "send --config send.toml --json --unicast-master 10.67.0.9 --wait 2");
    assert_one_sentence(&done, "--unicast-master", 1, "error: no clock within 2000.0 ms: ");
    assert!(text(&done).contains("10.67.0.9"), "{}", text(&done));
    let done = wire.aes67('b', "send --config send.toml --json --no-wait --seconds 1");
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
}

/// As on a computer without a sound card, of which ALSA's library has a page to say.
#[test]
fn a_computer_without_a_sound_card_is_told_in_one_sentence() {
    let Some(wire) = Wire::new(&[]) else { return };
    fs::write(wire.path("none.conf"), "pcm.!default { type hw card NoSuchCard }\n").unwrap();
    for arguments in ["play aes67://239.1.1.1 --interface vb", "send card --group 239.1.1.1 --interface vb"] {
        let mut command = wire.command('b', env!("CARGO_BIN_EXE_aes67"), arguments);
        let done = command.env("ALSA_CONFIG_PATH", "none.conf").output().unwrap();
        assert_one_sentence(&done, arguments, 2, "error: ");
    }
}

#[test]
fn an_unknown_stream_says_what_was_heard() {
    let Some(wire) = Wire::new(&[]) else { return };
    let done = wire.aes67('b', "play Nobody --interface vb --output null --seconds 1");
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done).contains("error: Nobody is neither an SDP file nor"), "{}", text(&done));
}

#[test]
fn a_refused_port_says_how_to_be_allowed() {
    let Some(wire) = Wire::new(&[]) else { return };
    let without = "--bounding-set=-net_bind_service -- ";
    let program = env!("CARGO_BIN_EXE_aes67");
    let run =
        |arguments: &str| wire.command('b', "setpriv", &format!("{without}{program} {arguments}")).output().unwrap();
    let arguments = "ptp --interface vb --seconds 1";
    let done = run(arguments);
    assert_one_sentence(
        &done,
        arguments,
        2,
        "error: UDP port 319 is not permitted to this program: allow it once with `sudo setcap cap_net_bind_service+ep ",
    );
    // Playing goes on without.
    let done = run("play aes67://239.1.1.1 --interface vb --output null --seconds 1");
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
    assert!(
        text(&done).starts_with("warning: playing by the arrival of packets, without PTP: UDP port 319"),
        "{}",
        text(&done)
    );
    // So does a session with an AirPlay receiver, from other ports.
    let done = run("ptp --interface vb --yield 10.67.0.1 --seconds 7 --json");
    let lines = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(lines.contains("\"on_own_ports\":false") && lines.contains("OWN TIMELINE"), "{lines}{}", text(&done));
}

#[test]
fn a_time_that_is_waited_for_in_vain_is_exit_code_1_and_a_reason() {
    let Some(wire) = Wire::new(&[]) else { return };
    for (arguments, reason) in [
        (
            "ptp --interface vb --wait 1 --json",
            "error: no clock within 1000.0 ms: no master in domain 0, and no other PTP is heard",
        ),
        (
            "ptp --interface vb --yield 10.67.0.1 --wait 1 --json",
            "error: no clock within 1000.0 ms: it is not yet clear whether the receiver has a better clock",
        ),
    ] {
        assert_one_sentence(&wire.aes67('b', arguments), arguments, 1, reason);
    }
    // After 3 s of silence ours is the timeline.
    let done = wire.aes67('b', "ptp --interface vb --yield 10.67.0.1 --wait 20 --seconds 6 --json");
    let lines = String::from_utf8_lossy(&done.stdout).into_owned();
    let last = lines.lines().last().unwrap_or_default();
    assert_eq!(done.status.code(), Some(0), "{lines}{}", text(&done));
    assert!(last.contains("\"synchronized\":true") && last.contains("\"error_ns\":0"), "{lines}");
    assert!(last.contains("\"clock_id\":\"") && last.contains("\"rtt_ns\":"), "{lines}");
}

#[test]
fn a_busy_port_is_told() {
    let Some(wire) = Wire::new(&["python3"]) else { return };
    let hold = "import socket,time\ns=[socket.socket(socket.AF_INET,socket.SOCK_DGRAM) for _ in range(2)]\ns[0].bind(('',9875))\ns[1].bind(('',320))\nprint('held',flush=True)\ntime.sleep(20)";
    fs::write(wire.path("hold.py"), hold).unwrap();
    let holder = wire.start_program('b', "python3", "hold.py");
    holder.wait_for("held", 60);
    for (arguments, port) in [("discover --interface vb --seconds 1", 9875), ("ptp --interface vb --seconds 1", 320)] {
        let message = format!("error: UDP port {port} at 0.0.0.0 is in use by a program that does not share it");
        assert_one_sentence(&wire.aes67('b', arguments), arguments, 2, &message);
    }
}

#[test]
fn a_closed_pipe_ends_a_command_in_order() {
    let Some(wire) = Wire::new(&[]) else { return };
    for arguments in [
        "ptp --interface vb",
        "play aes67://239.1.1.1 --interface vb --output null",
        "discover --interface vb --json",
        "completions bash",
    ] {
        let mut command = wire.command('b', env!("CARGO_BIN_EXE_aes67"), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        // Nothing is written by `discover` until something is heard.
        if arguments.starts_with("discover") {
            let sent = wire.aes67('a', "send tone --group 239.1.1.2 --interface va --clock system --seconds 3");
            assert!(sent.status.success(), "{}", text(&sent));
        }
        let mut status = None;
        for _ in 0..1200 {
            status = child.try_wait().unwrap();
            if status.is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let Some(status) = status else {
            child.kill().unwrap();
            panic!("{arguments} goes on");
        };
        let errors = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert!(status.success() && !errors.contains("panicked"), "{arguments}: {status} {errors}");
    }
}

#[test]
fn a_recording_outlives_its_process() {
    let Some(wire) = Wire::new(&[]) else { return };
    let _send = wire.start('a', "send tone --group 239.1.1.3 --interface va --clock system --level -6");
    let record = wire.start('b', "record aes67://239.1.1.3 --interface vb --output take.wav --no-ptp");
    record.wait_until("four seconds", 60, |log| {
        log.contains(" s in take.wav") && told::<f64>(log, " s in take.wav") >= 4.0
    });
    let log = record.kill();
    let kept = samples(&wire.path("take.wav"));
    // All but the second since the last update, and what waits in the buffer for late packets.
    assert!(kept.len() > 2 * 48_000 * 2, "{} samples", kept.len());
    // What the sender left out on a machine that stood still is silent, and no more than the log
    // tells of until its last line.
    let (seconds, missing) = (told::<f64>(&log, " s in take.wav"), told::<usize>(&log, " frames missing"));
    let blocks = kept.chunks(960).take((seconds * 100.0) as usize).skip(10);
    let silent = blocks.filter(|block| block.iter().all(|sample| *sample == 0)).count();
    assert!(480 * silent <= missing, "{silent} blocks are silent: {log}");
}

#[test]
fn a_full_disk_keeps_what_fitted() {
    let Some(wire) = Wire::new(&["mount"]) else { return };
    fs::create_dir(wire.path("disk")).unwrap();
    let disk = wire.path("disk");
    let _send = wire.start('a', "send tone --group 239.1.1.4 --interface va --clock system --level -6");
    // The mount is seen by the shell and its child alone, so the file is copied before they end.
    let script = format!(
        "mount -t tmpfs -o size=600k none {0}; {1} record aes67://239.1.1.4 --interface vb --no-ptp --output {0}/take.wav; code=$?; cp {0}/take.wav kept.wav; exit $code",
        disk.display(),
        env!("CARGO_BIN_EXE_aes67")
    );
    fs::write(wire.path("full.sh"), script).unwrap();
    let done = wire.command('b', "sh", "full.sh").output().unwrap();
    let text = text(&done);
    assert_eq!(done.status.code(), Some(1), "{text}");
    assert!(
        text.contains("take.wav: No space left on device") && text.contains("s recorded until then are kept"),
        "{text}"
    );
    let kept = samples(&wire.path("kept.wav"));
    // 600 KiB are 2.1 s.
    assert!((180_000..210_000).contains(&kept.len()), "{} samples", kept.len());
}
