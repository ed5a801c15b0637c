//! The program between two hosts: see `rig` for what these tests need.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::{Wire, assert_recorded, has_clock, median, objects, samples, told, write_noise};
use serde_json::Value;
use std::fs;

#[test]
fn a_file_is_sent_announced_and_recorded_bit_for_bit() {
    let Some(wire) = Wire::new(&[]) else { return };
    let noise = write_noise(&wire.path("in.wav"), 2, 3);
    let discover = wire.start('b', "discover --interface vb --json");
    let record = wire.start('b', "record aes67://239.69.1.1 --interface vb --output out.wav --split-minutes 0.04");
    record.wait_for("recording", 60);
    let sent =
        wire.aes67('a', "send in.wav --group 239.69.1.1 --interface va --clock system --name Noise --sdp noise.sdp");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let (code, log) = record.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(" 0 refused"), "{log}");
    // 0.04 minutes are 2.4 s.
    let recorded = [samples(&wire.path("out.wav")), samples(&wire.path("out-002.wav"))].concat();
    assert_recorded((&log, &String::from_utf8_lossy(&sent.stdout)), (&recorded, &noise), 2, false);
    assert!(recorded[noise.len().min(recorded.len())..].iter().all(|&sample| sample == 0), "something follows");
    discover.wait_for("\"event\":\"removed\"", 60);
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
    send.wait_for("packets, late by", 60);
    let sdp = fs::read_to_string(wire.path("tone.sdp")).unwrap();
    assert!(sdp.contains("a=ts-refclk:ptp=IEEE1588-2008:") && sdp.contains("a=mediaclk:direct=0"), "{sdp}");
    let played =
        wire.aes67('b', "play tone.sdp --interface vb --output null --ppm 80 --latency 50 --json --seconds 14");
    let text = String::from_utf8_lossy(&played.stdout);
    let lines = objects(&text);
    let last = lines.last().unwrap_or_else(|| panic!("{text}"));
    assert!(last["lost"].as_u64() <= last["dropped_by_kernel"].as_u64(), "{last}");
    let stamps = (&last["timestamping"], &last["local_clock"]);
    assert_eq!(stamps, (&serde_json::json!(["kernel"]), &net::clock::NAME.into()), "{last}");
    let settled: Vec<&Value> = lines.iter().filter(|line| line["elapsed_s"].as_f64() > Some(9.0)).collect();
    let is_right = |line: &&&Value| line["state"] == "PLAYING" && line["clock"] == "PTP LOCKED";
    let right: Vec<&Value> = settled.iter().filter(is_right).copied().collect();
    assert!(2 * right.len() > settled.len(), "{} of {} s are played by PTP: {text}", right.len(), settled.len());
    // The latency that was asked for, and the packet time.
    let link_offset_us = median(right.iter().copied(), "link_offset_us");
    assert!((link_offset_us - 51_000.0).abs() < 3_000.0, "{link_offset_us} us: {text}");
    let card_ppm = median(right.iter().copied(), "card_ppm");
    assert!((card_ppm - 80.0).abs() < 20.0, "{card_ppm} ppm: {text}");
    let is_loud = |line: &&&Value| line["peaks_dbfs"][0].as_f64().is_some_and(|dbfs| (dbfs + 20.0).abs() < 0.5);
    assert!(2 * right.iter().filter(is_loud).count() > right.len(), "{text}");
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
    let Some(wire) = Wire::new(&["ptp4l", "chrt"]) else { return };
    let socket = wire.path("gm.sock");
    fs::write(wire.path("gm.cfg"), format!("{GRANDMASTER}uds_address {}\n", socket.display())).unwrap();
    let master = wire.start_real_time('a', "ptp4l", "-i va -S -m -q -f gm.cfg");
    let log = wire.start('b', "ptp --interface vb --domain 10 --json --seconds 16").wait();
    let lines = objects(&log);
    let last = lines.last().unwrap_or_else(|| panic!("{log}"));
    assert!(last["port"] == "SLAVE" && has_clock(last), "{last}\n{}", master.log());
    assert_eq!(last["timestamping"], "kernel", "{last}");
    assert_eq!(last["local_clock"], net::clock::NAME, "{last}");
    assert_eq!((&last["local_clock_steps_back"], &last["system_clock_steps"]), (&0.into(), &0.into()), "{last}");
    assert!(last["transmit_stamps"].as_u64().unwrap() > 10, "{last}");
    // ptp4l serves this machine's own system clock: the truth is known. 50 us are for busy
    // machines; a quiet one is within 1 us.
    let locked: Vec<&Value> = lines.iter().filter(|line| line["state"] == "LOCKED").collect();
    let settled = &locked[locked.len() / 3..];
    assert!(settled.len() > 2, "{log}");
    let error_ns = median(settled.iter().copied(), "system_minus_ptp_ns");
    assert!(error_ns.abs() < 50_000.0, "{error_ns} ns: {log}");
}

#[test]
fn the_status_line_has_its_form() {
    let Some(wire) = Wire::new(&[]) else { return };
    let master = wire.start('a', "ptp --interface va --domain 2 --master");
    let slave = wire.start('b', "ptp --interface vb --domain 2");
    slave.wait_for("[LOCKED]", 60);
    let (code, log) = slave.stop();
    assert_eq!(code, Some(0), "{log}");
    let line = log.lines().find(|line| line.ends_with("[LOCKED]")).unwrap();
    let rest = line.strip_prefix("Slave to: PTP/").unwrap_or_else(|| panic!("{line}"));
    let (identity, rest) = rest.split_once(":1, domain 2, δ ").unwrap_or_else(|| panic!("{line}"));
    let (offset, rest) = rest.split_once("µs, Freq: ").unwrap_or_else(|| panic!("{line}"));
    let frequency = rest.strip_suffix("ppm [LOCKED]").unwrap_or_else(|| panic!("{line}"));
    assert_eq!(identity.len(), 16, "{line}");
    assert!(offset.parse::<f64>().is_ok() && frequency.starts_with(['+', '-']), "{line}");
    assert!(master.log().contains("Master: PTP/"), "{}", master.log());
}

#[test]
fn several_streams_are_recorded_and_each_file_knows_its_time() {
    let Some(wire) = Wire::of(&['a', 'b', 'c'], &["ptp4l", "chrt"]) else { return };
    write_noise(&wire.path("in.wav"), 2, 60);
    // It serves this machine's own clock, so its time of day is plausible.
    fs::write(wire.path("gm.cfg"), format!("{GRANDMASTER}uds_address {}\n", wire.path("gm.sock").display())).unwrap();
    let _master = wire.start_real_time('c', "ptp4l", "-i vc -S -m -q -f gm.cfg");
    let arguments =
        "send in.wav --group 239.69.1.5 --interface va --clock ptp --domain 10 --name Noise --sdp noise.sdp";
    let send = wire.start('a', arguments);
    send.wait_for("packets, late by", 60);
    let arguments = "record noise.sdp aes67://239.69.1.5 --interface vb --seconds 12 --output take.wav";
    let first = wire.start('b', arguments);
    first.wait_for("recording", 60);
    std::thread::sleep(std::time::Duration::from_millis(700));
    let second = wire.aes67('b', "record noise.sdp --interface vb --seconds 11 --output later.wav");
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    let log = first.wait();
    let names = ["take-Noise.wav", "take-239.69.1.5_5004.wav", "later.wav"];
    let [one, two, later] = names.map(|name| (time_reference(&wire.path(name)), samples(&wire.path(name))));
    assert!(one.0.1.contains("UTC by PTP "), "{:?}\n{log}", one.0);
    assert!(later.0.1.contains("UTC by PTP "), "{:?}", later.0);
    // The same frame has the same time in both.
    let apart = later.0.0.abs_diff(one.0.0) as usize;
    assert!(apart < 48_000 * 10, "{:?} {:?}", one.0, later.0);
    assert!(one.1[2 * apart..][..9600] == later.1[..9600], "not the same frames {apart} later");
    // What was recorded beside it is the same stream.
    let begins = one.1.chunks_exact(2).position(|frame| frame == &two.1[..2]).expect("its first frame");
    assert!(one.1[2 * begins..][..9600] == two.1[..9600], "not the same frames {begins} later");
}

/// The time reference of a BWF file, in frames, and its coding history.
fn time_reference(path: &std::path::Path) -> (u64, String) {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let bext = bytes.windows(4).position(|name| name == b"bext").expect("a bext chunk") + 8;
    let reference = bytes[bext + 338..bext + 346].try_into().expect("8 bytes");
    (u64::from_le_bytes(reference), String::from_utf8_lossy(&bytes[bext + 602..bext + 700]).into_owned())
}

#[test]
fn a_stream_is_monitored_with_its_master() {
    let Some(wire) = Wire::new(&[]) else { return };
    let send =
        wire.start('a', "send tone --group 239.69.1.8 --interface va --clock master --name Tone --sap-interval 1");
    send.wait_for("packets, late by", 60);
    let log = wire.start('b', "monitor --interface vb --json --seconds 12").wait();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let last = lines.last().unwrap_or_else(|| panic!("{log}"));
    assert_eq!(
        (&last["masters"][0]["domain"], last["masters"].as_array().map(Vec::len)),
        (&0.into(), Some(1)),
        "{last}"
    );
    let stream = &last["streams"][0];
    assert_eq!(
        (&stream["name"], &stream["address"], &stream["lost"]),
        (&"Tone".into(), &"239.69.1.8:5004".into(), &0.into()),
        "{last}"
    );
    // It has listened for most of the time, and counts what was sent, however little that is on a
    // machine that stands still.
    let rows = lines.windows(2).filter_map(|pair| {
        let seconds = pair[1]["elapsed_s"].as_f64()? - pair[0]["elapsed_s"].as_f64()?;
        Some(seconds * pair[1]["streams"][0]["packets_per_s"].as_f64()?)
    });
    let (counted, packets): (f64, f64) = (rows.sum(), told(&send.stop().1, " packets,"));
    assert!((packets / 3.0..=packets).contains(&counted), "{counted} packets of {packets}: {log}");
    assert!(stream["late_max_us"].as_i64().is_some(), "{last}");
}

#[test]
fn livewire_sources_are_listed_with_their_groups() {
    let Some(wire) = Wire::new(&["python3"]) else { return };
    let advertise = "import os,socket,struct,time
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP,socket.IP_MULTICAST_IF,socket.inet_aton('10.67.0.1'))
def text(op,t): return op+b'\\x03\\x00\\x10'+t.ljust(16,b'\\0')
def ad(*sources):
    m=bytes([3,0,2,7])+bytes(12)+b'ADVT\\x07\\x01'+text(b'ATRN',b'Studio A')
    for i,(n,name) in enumerate(sources): m+=b'S%03d'%(i+1)+b'\\x06\\0\\x20PSID\\x01'+struct.pack('>I',n)+text(b'PSNM',name)
    s.sendto(m,('239.192.255.3',4001))
while not os.path.exists('heard'): ad((6031,b'PGM1'),(7,b'Mic')); time.sleep(.2)
ad((7,b'Mic'))
";
    fs::write(wire.path("advertise.py"), advertise.replace("\\\\", "\\")).unwrap();
    let discover = wire.start('b', "discover --interface vb --json");
    let node = wire.start_program('a', "python3", "advertise.py");
    discover.wait_until("both sources", 60, |log| log.matches("\"event\":\"added\"").count() == 2);
    fs::write(wire.path("heard"), "").unwrap();
    let _ = node.wait();
    discover.wait_for("\"event\":\"removed\"", 60);
    let (_, log) = discover.stop();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        lines.iter().map(|line| (&line["event"], &line["livewire_channel"], &line["addresses"][0])).collect();
    let (added, removed, one, two) =
        ("added".into(), "removed".into(), "239.192.0.7:5004".into(), "239.192.23.143:5004".into());
    assert_eq!(told, [(&added, &7.into(), &one), (&added, &6031.into(), &two), (&removed, &6031.into(), &two)]);
}
