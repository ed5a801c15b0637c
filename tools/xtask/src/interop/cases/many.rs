//! Many streams in one process.

use super::super::bench::{Bench, Outcome, pause};
use super::super::flood;
use super::super::measure::{number, objects};
use super::super::pauses;
use super::super::peers::real_time;
use netns::{Running, Wire};
use std::fs;
use std::process::Command;

/// Linux's unit of processor time in `/proc`, 1/100 s on every machine in use.
const TICKS_PER_S: f64 = 100.0;

/// What receives and does nothing.
const BARE_RECEIVER: &str = include_str!("../scripts/bare_receiver.c");

/// GStreamer doing the same: depacketised, at the time that they are due.
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

pub(super) fn streams(bench: &Bench) -> Outcome {
    let count = if bench.is_long() { 64 } else { 16 };
    let wire = bench.wire(&['a', 'b'], &[])?;
    let seconds = bench.seconds(10, 60);
    let watch = pauses::start(bench, &wire, 'a')?;
    let flood = flood::start(&wire, 'a', bench, count)?;
    let flood_began_s = watch.elapsed_s();
    let urls: Vec<String> = (1..=count).map(|n| format!("aes67://239.69.2.{n}")).collect();
    let play = format!("play {} --interface vb --output null --clock arrivals --latency 20 --json", urls.join(" "));
    let began_s = watch.elapsed_s();
    let play = bench.start(&wire, 'b', &play);
    pause(3.0);
    let before_s = processor_s(&play);
    pause(f64::from(seconds));
    let used = (processor_s(&play) - before_s) / f64::from(seconds);
    let played = play.stop();
    let lines = objects(&played.log);
    let ends = &lines[lines.len().saturating_sub(count)..];
    let sum = |key: &str| ends.iter().map(|line| number(line, key)).sum::<f64>();
    bench.figure("aes67", format_args!(
        "{count} streams for {seconds} s: {:.1} % of a processor, {} packets, lost {}, late {}, underruns {}, dropped by the kernel {}",
        100.0 * used, sum("received"), sum("lost"), sum("late"), sum("underruns"), sum("dropped_by_kernel")
    ));
    let arrived = sum("received") / (count as f64 * 1000.0);
    bench.check(arrived > f64::from(seconds), format!("too few packets: {arrived} s of each stream"))?;
    let used_s = used * f64::from(seconds);
    if let Some(bare_s) = bare(bench, &wire, count, seconds) {
        bench.figure("ratio", format_args!("aes67 costs {:.2} times as much as the bare loop", used_s / bare_s));
    }
    beside(bench, &wire, count, seconds);
    let sent = flood.stop();
    bench.figure("sender", sent.log.lines().last().unwrap_or_default());
    let late = flood::late(&sent.log, flood_began_s);
    bench.check_quiet_seconds((&watch, &late), (began_s, &played.log), count, "underruns")?;
    let missing = sum("lost");
    bench.check_undisturbed(&watch, missing == 0.0, format!("{missing} packets lost"))
}

/// Processor time that a loop needs which only receives the same; `None` without a C compiler.
fn bare(bench: &Bench, wire: &Wire, count: usize, seconds: u32) -> Option<f64> {
    let (source, program) = (wire.path("bare_receiver.c"), wire.path("bare_receiver"));
    fs::write(&source, BARE_RECEIVER).ok()?;
    let compiled = Command::new("cc").args(["-O2", "-o"]).args([&program, &source]).status();
    if !compiled.is_ok_and(|status| status.success()) {
        bench.figure("bare loop", "there is no C compiler");
        return None;
    }
    let mut command = real_time(wire, 'b', &program);
    command.args([&netns::address('b'), &count.to_string(), &seconds.to_string()]);
    let ended = wire.start(command).wait(seconds + 30);
    let (used_s, rest) = ended.log.trim().split_once(" s of a processor")?;
    let used_s: f64 = used_s.parse().ok()?;
    bench.figure("bare loop", format_args!("{:.1} % of a processor{rest}", 100.0 * used_s / f64::from(seconds)));
    Some(used_s)
}

/// What the same costs GStreamer, if it is there.
fn beside(bench: &Bench, wire: &Wire, count: usize, seconds: u32) {
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
    // Behind the name, which may hold anything: state is field 3, utime and stime are 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_S
}
