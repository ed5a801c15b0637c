//! Many streams in one process: processor time beside that of a loop that only reads the sockets,
//! and memory.

use super::super::bench::{Bench, Outcome, Trouble, pause};
use super::super::flood;
use super::super::measure::{number, objects};
use super::super::pauses;
use super::super::peers::{compile, real_time};
use netns::{Running, Wire};
use std::fs;

/// Linux's unit of processor time in `/proc`, 1/100 s on every machine in use.
const TICKS_PER_S: f64 = 100.0;

/// A program that receives the streams and does nothing else.
const BARE_RECEIVER: &str = include_str!("../scripts/bare_receiver.c");

/// A GStreamer receiver that does the same: it depacketises, and outputs at the time that is due.
const GST_RECEIVER: &str = "\
import sys, gi
gi.require_version('Gst', '1.0')
from gi.repository import Gst, GLib
interface, count, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
Gst.init(None)
caps = 'application/x-rtp,media=audio,clock-rate=48000,encoding-name=L24,channels=2,payload=96'
text = ' '.join(f'udpsrc address=239.69.2.{n + 1} port=5004 multicast-iface={interface} caps=\"{caps}\" ! rtpjitterbuffer name=j{n} latency=20 ! rtpL24depay ! '
    f'audioconvert ! audio/x-raw,format=F32LE ! fakesink sync=true' for n in range(count))
pipeline = Gst.parse_launch(text)
pipeline.set_state(Gst.State.PLAYING)
loop = GLib.MainLoop()
GLib.timeout_add_seconds(seconds, loop.quit)
print('receiving', flush=True)
loop.run()
stats = [pipeline.get_by_name(f'j{n}').get_property('stats') for n in range(count)]
print('pushed', sum(s.get_uint64('num-pushed')[1] for s in stats), 'lost', sum(s.get_uint64('num-lost')[1] for s in stats), 'late', sum(s.get_uint64('num-late')[1] for s in stats), flush=True)
";

/// The most streams for which GStreamer is measured, too: these take one and a half processors.
const GST_STREAMS: u16 = 64;

/// What a number of streams takes.
#[derive(Clone, Copy)]
struct Cost {
    streams: u16,
    memory_kib: f64,
}

pub(super) fn streams(bench: &Bench) -> Outcome {
    let counts: &[u16] = if bench.is_long() { &[64, 256] } else { &[16] };
    let costs = counts.iter().map(|&count| row(bench, count)).collect::<Result<Vec<Cost>, Trouble>>()?;
    if let [few, .., many] = costs[..] {
        let kib = (many.memory_kib - few.memory_kib) / f64::from(many.streams - few.streams);
        bench.figure("memory", format_args!("{kib:.0} KiB for each further stream"));
    }
    Ok(())
}

/// Measures `count` streams, and checks that they are received whole.
fn row(bench: &Bench, count: u16) -> Result<Cost, Trouble> {
    let wire = bench.wire(&['a', 'b'], &[])?;
    let seconds = bench.seconds(10, 60);
    let watch = pauses::start(bench, &wire, 'a')?;
    let flood = flood::start(&wire, 'a', bench, count)?;
    let flood_began_s = watch.elapsed_s();
    let urls: Vec<String> = (1..=count).map(|n| format!("aes67://{}", flood::group(n))).collect();
    let play = format!("play {} --interface vb --output null --clock arrivals --latency 20 --json", urls.join(" "));
    let began_s = watch.elapsed_s();
    let play = bench.start(&wire, 'b', &play);
    let receives = |line: &serde_json::Value| number(line, "received") > 0.0;
    let streams = usize::from(count);
    let all_receive = play.poll(60, |log| objects(log).iter().filter(|line| receives(line)).count() >= 2 * streams);
    bench.check(all_receive, format!("not all streams are received:\n{}", play.log()))?;
    let before_s = processor_s(&play);
    pause(f64::from(seconds));
    let used = (processor_s(&play) - before_s) / f64::from(seconds);
    let cost = Cost { streams: count, memory_kib: memory_kib(&play) };
    let played = play.stop();
    let lines = objects(&played.log);
    let ends = &lines[lines.len().saturating_sub(streams)..];
    let sum = |key: &str| ends.iter().map(|line| number(line, key)).sum::<f64>();
    bench.figure("aes67", format_args!(
        "{count} streams for {seconds} s: {:.1} % of a processor, {:.1} MiB, {} packets, lost {}, late {}, underruns {}, dropped by the kernel {}",
        100.0 * used, cost.memory_kib / 1024.0, sum("received"), sum("lost"), sum("late"), sum("underruns"), sum("dropped_by_kernel")
    ));
    let arrived = sum("received") / (f64::from(count) * 1000.0);
    bench.check(arrived > f64::from(seconds), format!("too few packets: {arrived} s of each stream"))?;
    let used_s = used * f64::from(seconds);
    if let Some(bare_s) = bare(bench, &wire, count, seconds) {
        bench.figure("ratio", format_args!("aes67 costs {:.2} times as much as the bare loop", used_s / bare_s));
    }
    if count <= GST_STREAMS {
        beside(bench, &wire, count, seconds);
    }
    let sent = flood.stop();
    bench.figure("sender", sent.log.lines().last().unwrap_or_default());
    let late = flood::late(&sent.log, flood_began_s);
    bench.check_quiet_seconds((&watch, &late), (began_s, &played.log), streams, "underruns")?;
    let missing = sum("lost");
    bench.check_undisturbed(&watch, missing == 0.0, format!("{missing} packets lost"))?;
    Ok(cost)
}

/// Processor time of [`BARE_RECEIVER`] for the same streams, s; `None` without a C compiler.
fn bare(bench: &Bench, wire: &Wire, count: u16, seconds: u32) -> Option<f64> {
    let Some(program) = compile(wire, "bare_receiver", BARE_RECEIVER) else {
        bench.figure("bare loop", "there is no C compiler");
        return None;
    };
    let mut command = real_time(wire, 'b', &program);
    command.args([&netns::address('b'), &count.to_string(), &seconds.to_string()]);
    let ended = wire.start(command).wait(seconds + 30);
    let (used_s, rest) = ended.log.trim().split_once(" s of a processor")?;
    let used_s: f64 = used_s.parse().ok()?;
    bench.figure("bare loop", format_args!("{:.1} % of a processor{rest}", 100.0 * used_s / f64::from(seconds)));
    Some(used_s)
}

/// The processor time that GStreamer needs for the same, if it is installed.
fn beside(bench: &Bench, wire: &Wire, count: u16, seconds: u32) {
    if bench.wire(&['a'], &["python3-gst"]).is_err() {
        return;
    }
    let mut command = real_time(wire, 'b', netns::SYSTEM_PYTHON);
    command.args(["-c", GST_RECEIVER, "vb", &count.to_string(), &(seconds + 5).to_string()]);
    let gst = wire.start(command);
    if !gst.poll(30, |log| log.contains("receiving")) {
        return bench.figure("GStreamer", format_args!("did not begin: {}", gst.log()));
    }
    pause(3.0);
    let before_s = processor_s(&gst);
    pause(f64::from(seconds));
    let used = (processor_s(&gst) - before_s) / f64::from(seconds);
    let ended = gst.wait(60);
    let end = ended.log.lines().last().unwrap_or_default();
    bench.figure("GStreamer", format_args!("the same: {:.1} % of a processor; {end}", 100.0 * used));
}

/// Processor time that a program has used.
fn processor_s(program: &Running) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap_or_default();
    // Fields after the name, which may contain anything: state is field 3, utime and stime are 14
    // and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_S
}

/// Memory that a program occupies.
fn memory_kib(program: &Running) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    resident.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0.0)
}
