//! Our streams, as received by other programs.

use super::super::bench::{Bench, Outcome, Trouble, output, pause, read, write};
use super::super::counter::{check_stretch, counter, wav};
use super::super::measure::{number, objects};
use super::super::peers::compile;
use super::super::{pauses, target_dir};
use crate::sdp;
use std::process::{Command, Stdio};

/// Part of the status lines of a sender. A stream has begun when the first one appears.
const SENDING: &str = "packets, late by";
/// Latencies that are requested from a receiver with RFC 7273, ms.
const LATENCIES_MS: [u32; 3] = [2, 10, 50];

/// FFmpeg receives a stream from its description file, and from its announcement.
pub(super) fn ffmpeg(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["ffmpeg"])?;
    let seconds = bench.seconds(3, 60);
    let watch = pauses::start(bench, &wire, 'a')?;
    let sent = counter(2 * seconds + 40);
    write(&wire.path("in.wav"), wav(&sent))?;
    let arguments =
        "send in.wav --group 239.69.3.1 --interface va --clock system --sdp in.sdp --sap-interval 1 --name Counter";
    let send = bench.start(&wire, 'a', arguments);
    send.wait_for(SENDING, 60);
    let sources = [
        ("SDP", "-protocol_whitelist file,udp,rtp -localaddr 10.67.0.2 -i in.sdp"),
        ("SAP", "-i sap://239.255.255.255:9875"),
    ];
    for (name, source) in sources {
        let command = format!("-nostdin -loglevel error {source} -t {seconds} -c:a pcm_s24be -f s24be -y {name}.raw");
        let done = output(&wire, 'b', "ffmpeg", &command, seconds + 30);
        let received = read(&wire.path(&format!("{name}.raw")), &done.log)?;
        check_stretch(bench, &watch, &format!("FFmpeg by {name}"), (&sent, &received), seconds)?;
    }
    bench.check(send.stop().code == Some(0), "the sender ends well")
}

/// GStreamer receives from a description file, and plays at the capture time given by RFC 7273 plus
/// its latency.
pub(super) fn gstreamer(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["python3-gst", "gst-launch-1.0"])?;
    write(&wire.path("receive.py"), include_str!("../scripts/gst_rfc7273.py"))?;
    let arguments = "send tone --group 239.69.3.2 --interface va --clock master --no-sap --sdp tone.sdp";
    let send = bench.start(&wire, 'a', arguments);
    send.wait_for(SENDING, 60);
    let sdp = String::from_utf8_lossy(&read(&wire.path("tone.sdp"), "")?).into_owned();
    let grandmaster = sdp.split("IEEE1588-2008:").nth(1).and_then(|rest| rest.split(':').next());
    let grandmaster = grandmaster.ok_or_else(|| Trouble::Failed(format!("no grandmaster in\n{sdp}")))?;
    let seconds = bench.seconds(3, 30);
    let arguments = format!(
        "receive.py vb 0 {grandmaster} 239.69.3.2 2 {seconds} {}",
        LATENCIES_MS.map(|ms| ms.to_string()).join(" ")
    );
    let log = output(&wire, 'b', netns::SYSTEM_PYTHON, &arguments, 60 + 4 * seconds).log;
    for latency in LATENCIES_MS {
        let begin = format!("latency {latency} ms:");
        let line = log.lines().find(|line| line.starts_with(&begin)).ok_or_else(|| Trouble::Failed(log.clone()))?;
        bench.figure("GStreamer", line);
        let worst = line
            .split("worst error ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .and_then(|text| text.parse().ok());
        bench.check(
            worst.is_some_and(|worst: i64| (0..=1).contains(&worst)),
            "the capture time is right to the sample",
        )?;
        bench.check(line.contains(" 0 without time"), "every buffer has its capture time")?;
    }
    let (sdp, raw) = (wire.path("tone.sdp"), wire.path("gst.raw"));
    let launch = format!(
        "-q sdpsrc location=sdp://{} ! rtpL24depay ! identity eos-after=200 ! filesink location={}",
        sdp.display(),
        raw.display()
    );
    let said = output(&wire, 'b', "gst-launch-1.0", &launch, 60).log;
    let bytes = read(&raw, &said)?.len();
    bench.check(bytes >= 190 * 288, format_args!("`sdpsrc` plays our description: {bytes} bytes\n{said}"))
}

/// Checks the headers on the wire with tshark.
pub(super) fn tshark(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["tshark", "tcpdump"])?;
    let mut dump = wire.command('b', "tcpdump");
    dump.args(["-i", "vb", "-U", "-w", "wire.pcap", "udp"]);
    let dump = wire.start(dump);
    dump.wait_for("listening on", 60);
    let arguments =
        "send tone --group 239.69.3.3 --interface va --clock master --ptime 0.25 --ttl 17 --dscp 46 --name T";
    let send = bench.start(&wire, 'a', arguments);
    send.wait_for(SENDING, 60);
    // The first status comes with the first packets: a second of them is enough to look at.
    pause(f64::from(bench.seconds(1, 20)));
    let sent = send.stop();
    bench.check(sent.code == Some(0), "the sender ends well")?;
    // tcpdump writes its packets once per second.
    pause(2.0);
    bench.check(dump.stop().code == Some(0), "tcpdump ends well")?;
    let tshark = |arguments: &str| {
        output(&wire, 'b', "tshark", &format!("-r wire.pcap -d udp.port==5004,rtp {arguments}"), 60).log
    };
    // Its output contains a warning about running as root.
    let rows = |arguments: &str| -> Vec<String> {
        tshark(arguments).lines().filter(|line| !line.starts_with("Running as user")).map(str::to_owned).collect()
    };
    let malformed = rows("-Y _ws.malformed||_ws.expert.severity==8388608");
    bench.check(malformed.is_empty(), format_args!("nothing is malformed: {malformed:?}"))?;
    let media = rows("-Y rtp -T fields -e ip.dsfield.dscp -e ip.ttl -e udp.length -e rtp.p_type");
    // 12 frames of 2 channels of 3 bytes, and the headers of RTP and UDP.
    let other = media.iter().find(|line| *line != "46\t17\t92\t96");
    bench.check(
        media.len() > 1000 && other.is_none(),
        format_args!("{} packets with the right DSCP, TTL and length: {other:?}", media.len()),
    )?;
    let stamps: Vec<u32> =
        rows("-Y rtp -T fields -e rtp.timestamp").iter().filter_map(|line| line.parse().ok()).collect();
    let steps: Vec<u32> = stamps.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let are_in_order = steps.iter().all(|step| step % 12 == 0 && (12..48_000).contains(step));
    bench.check(stamps.len() == media.len() && are_in_order, format_args!("timestamps are 12 apart: {steps:?}"))?;
    // A sender that was delayed skips packets that are too late, and reports it.
    let left_out: u32 = steps.iter().map(|step| step / 12 - 1).sum();
    let told = skipped(&sent.log);
    bench.check(left_out <= told, format_args!("{left_out} packets are not there, {told} were told as skipped"))?;
    let deletions = rows("-Y sap -T fields -e sap.flags.t");
    let is_deletion = |flag: &String| flag == "1" || flag == "True";
    let (first, last) = (deletions.first().map(is_deletion), deletions.last().map(is_deletion));
    bench.figure("tshark", format_args!("{} packets, nothing malformed, announced and deleted", media.len()));
    bench.check(
        (first, last) == (Some(false), Some(true)),
        format_args!("announced, and deleted at the end: {deletions:?}"),
    )
}

/// Number of skipped packets in the last report of the sender.
fn skipped(log: &str) -> u32 {
    let count = |line: &str| line.split(" skipped").next()?.split(", ").last()?.parse().ok();
    log.lines().rev().filter(|line| line.contains(" skipped")).find_map(count).unwrap_or(0)
}

/// npm libraries parse our descriptions.
pub(super) fn sdp_libraries(bench: &Bench) -> Outcome {
    let fetched = || sdp::modules(&target_dir()).display().to_string();
    let modules = std::env::var("AES67_NODE_MODULES").unwrap_or_else(|_| fetched());
    let sdpoker = format!("{modules}/.bin/sdpoker");
    let runs = Command::new(&sdpoker).arg("--version").stdin(Stdio::null()).output();
    if !runs.is_ok_and(|runs| runs.status.success()) {
        return Err(Trouble::Skipped(format!("{sdpoker} does not run (cargo xtask sdp-fetch gets it)")));
    }
    let wire = bench.wire(&['a', 'b'], &["node"])?;
    for (ptime, group) in [("1", "239.69.3.4"), ("0.125", "239.69.3.5")] {
        let arguments = format!(
            "send ident --source-channels 8 --group {group} --interface va --clock master --no-sap --ptime {ptime} --sdp our.sdp"
        );
        let send = bench.start(&wire, 'a', &arguments);
        send.wait_for(SENDING, 60);
        bench.check(send.stop().code == Some(0), "the sender ends well")?;
        let options = "--checkEndings --whitespace --audioOnly --channelOrder --multicast --useIP4 our.sdp";
        let poked = output(&wire, 'a', &sdpoker, options, 30);
        bench.check(
            poked.code == Some(0) && poked.log.trim().is_empty(),
            format_args!("sdpoker has no complaint: {}", poked.log),
        )?;
        let script = format!(
            "const m=require('{modules}/sdp-transform').parse(require('fs').readFileSync('our.sdp','utf8')).media[0]; console.log(m.rtp[0].codec, m.rtp[0].encoding, m.ptime, m.mediaClk.mediaClockName, m.tsRefClocks[0].clksrc)"
        );
        let mut node = wire.command('a', "node");
        node.args(["-e", &script]);
        let parsed = wire.start(node).wait(30).log;
        bench
            .figure(&format!("{ptime} ms"), format_args!("sdpoker has no complaint; sdp-transform: {}", parsed.trim()));
        bench.check(parsed.trim() == format!("L24 8 {ptime} direct ptp"), "sdp-transform reads what we mean")?;
    }
    Ok(())
}

/// A program that sends prepared packets and does nothing else.
const BARE_SENDER: &str = include_str!("../scripts/bare_sender.c");

/// Lateness of packets and processor time, compared with a bare loop and with GStreamer's sender.
pub(super) fn lateness(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["tcpdump", "gst-launch-1.0"])?;
    write(&wire.path("lateness.py"), include_str!("../scripts/lateness.py"))?;
    let bare = compile(&wire, "bare_sender", BARE_SENDER).unwrap_or_default();
    if bare.as_os_str().is_empty() {
        bench.figure("bare loop", "there is no C compiler");
    }
    let (all, seconds) = if bench.is_long() {
        (&[(1, "1"), (16, "1"), (64, "1"), (256, "1"), (8, "0.125")][..], "20")
    } else {
        (&[(1, "1")][..], "4")
    };
    for (streams, ptime) in all {
        let watch = pauses::start(bench, &wire, 'a')?;
        let mut script = Command::new(netns::SYSTEM_PYTHON);
        script.current_dir(wire.folder()).arg("lateness.py").args([bench.program(), bare.as_path()]);
        script.args([&wire.namespace('a'), &netns::address('a'), &wire.namespace('b'), &streams.to_string(), *ptime]);
        script.arg(seconds);
        let log = wire.start(script).wait(180).log;
        let rows = objects(&log);
        let [ours, .., theirs] = &rows[..] else { return Err(Trouble::Failed(log)) };
        for row in &rows {
            let of = |key: &str| number(row, key);
            bench.figure(
                &format!("{streams} streams of {ptime} ms, {}", row["sender"].as_str().unwrap_or_default()),
                format_args!(
                    "{} packets, late by {:.0} us (p50), {:.0} (p99), {:.0} (max); {:.2} us of processor time a packet",
                    of("packets"),
                    of("p50_us"),
                    of("p99_us"),
                    of("max_us"),
                    of("cpu_us_per_packet")
                ),
            );
        }
        let of = |key: &str| (number(ours, key), number(theirs, key));
        let ((our_p99, their_p99), (our_cpu, their_cpu)) = (of("p99_us"), of("cpu_us_per_packet"));
        bench.check_undisturbed(
            &watch,
            our_cpu <= their_cpu,
            format_args!("{our_cpu} us of processor time a packet against {their_cpu} us"),
        )?;
        bench.check_undisturbed(
            &watch,
            2.0 * our_p99 <= their_p99,
            format_args!("p99 of {our_p99} us against {their_p99} us"),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_skipped_is_read_from_the_last_account() {
        let account = |skipped| {
            format!(
                "    1000 packets, late by 1 us (99 %) and 2 us at most, 0 over a packet time, {skipped} skipped, 0 jumps, 0 not sent, on va"
            )
        };
        assert_eq!(skipped(&format!("{}\n{}\nended\n", account(0), account(17))), 17);
        assert_eq!(skipped("nothing was sent"), 0);
    }
}
