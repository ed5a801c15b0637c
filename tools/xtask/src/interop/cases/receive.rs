//! Streams of other programs, recorded bit for bit, and played.

use super::super::bench::{Bench, Outcome, Trouble, pause, read};
use super::super::measure::{identical, identical_stretches, last, number, swapped, wav_data};
use super::super::pauses::{self, Watch};
use super::super::peers::{DOMAIN, Ffmpeg, Ptp4l, gstreamer};
use netns::Wire;
use std::fs;

/// GStreamer sends at the rate of PTP: the recording equals what it sent, and playback has the
/// requested latency.
pub(super) fn gstreamer_l24(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b', 'c'], &["ptp4l", "python3-gst"])?;
    let _master = Ptp4l::master(100).start(&wire, 'a')?;
    for (name, frames, ptime) in [("1 ms", 48, "1"), ("4 ms", 192, "4"), ("125 us", 6, "0.125")] {
        let watch = pauses::start(bench, &wire, 'a')?;
        let sender = gstreamer(&wire, 'b', "239.69.1.3", frames, "sent.raw");
        sender.wait_for("sending", 60);
        let url = format!("aes67://239.69.1.3?ptime={ptime}&domain={DOMAIN}");
        let record = bench.start(&wire, 'c', &format!("record {url} --interface vc --output take.wav --overwrite"));
        let play = format!("play {url} --interface vc --output null --latency 20 --json");
        let began_s = watch.elapsed_s();
        let play = bench.start(&wire, 'c', &format!("{play} --seconds {}", bench.seconds(12, 60)));
        let played = play.wait(120);
        let recorded = record.stop();
        bench.check(recorded.code == Some(0), &recorded.log)?;
        let _ = sender.stop();
        check_recorded(bench, (&wire, &watch), (name, &recorded.log), ("sent.raw", 3))?;
        let end = last(&played.log)?;
        let offset_us = number(&end, "link_offset_us");
        let line = format!("{name} played at 20 ms");
        bench.figure(
            &line,
            format_args!(
                "underruns {}, late {}, lost {}, concealed {} frames, link offset {offset_us} us, ratio {} ppm, {}",
                end["underruns"], end["late"], end["lost"], end["concealed_frames"], end["ratio_ppm"], end["clock"]
            ),
        );
        bench.check_undisturbed(&watch, number(&end, "underruns") == 0.0, format!("{name}: no underruns"))?;
        bench.check_quiet_seconds((&watch, &[]), (began_s, &played.log), 1, "underruns")?;
        bench.check(number(&end, "lost") == 0.0, format!("{name}: lost: {end}"))?;
    }
    Ok(())
}

/// FFmpeg sends bursts of 10 ms, by its own clock.
pub(super) fn ffmpeg(bench: &Bench) -> Outcome {
    let forms = [
        ("L24, 1 ms", "s24be", 2, 48, "1"),
        ("L24, 4 ms", "s24be", 2, 192, "4"),
        ("L24, 125 us, 8 channels", "s24be", 8, 6, "0.125"),
        ("L16, 1 ms", "s16be", 2, 48, "1"),
    ];
    for (name, format, channels, frames, ptime) in forms {
        let wire = bench.wire(&['a', 'b'], &["ffmpeg"])?;
        let seconds = bench.seconds(8, 60);
        let sample_bytes = if format == "s16be" { 2 } else { 3 };
        let noise = noise((seconds as usize + 6) * 48_000 * channels * sample_bytes);
        let written = fs::write(wire.path("in.raw"), &noise);
        written.map_err(|error| Trouble::Failed(error.to_string()))?;
        let encoding = if sample_bytes == 2 { "L16" } else { "L24" };
        let url = format!("aes67://239.69.1.4?channels={channels}&format={encoding}&ptime={ptime}");
        let record = bench.start(&wire, 'b', &format!("record {url} --interface vb --output take.wav --no-ptp"));
        record.wait_for("recording", 60);
        let packet_bytes = frames * channels * sample_bytes + 12;
        let sender = Ffmpeg { input: "in.raw", format, channels, packet_bytes, group: "239.69.1.4" };
        let sender = sender.start(&wire, 'a');
        let watch = pauses::start(bench, &wire, 'a')?;
        pause(0.5);
        let play = format!("play {url} --interface vb --output null --latency 20 --clock arrivals --json");
        let began_s = watch.elapsed_s();
        let played = bench.start(&wire, 'b', &format!("{play} --seconds {seconds}")).wait(120);
        let recorded = record.stop();
        drop(sender);
        check_recorded(bench, (&wire, &watch), (name, &recorded.log), ("in.raw", sample_bytes))?;
        let end = last(&played.log)?;
        let line = format!("{name} played at 20 ms");
        bench.figure(
            &line,
            format_args!(
                "underruns {}, late {}, lost {}, concealed {} frames, arrival jitter {} us",
                end["underruns"], end["late"], end["lost"], end["concealed_frames"], end["arrival_jitter_us"]
            ),
        );
        bench.check_undisturbed(&watch, number(&end, "underruns") == 0.0, format!("{name}: no underruns"))?;
        bench.check_quiet_seconds((&watch, &[]), (began_s, &played.log), 1, "underruns")?;
    }
    Ok(())
}

/// A recorder waits this long for late packets: where the machine stands still for about that, what
/// is sent afterwards is too late.
const LATE_MS: f64 = 100.0;

/// Nothing is missing by what a recorder says at its end, and `take.wav` is the raw audio that was
/// sent, in the network's byte order. A machine that stands still for long has a recorder leave
/// packets out, and alters nothing else: half of it must be right in any case.
fn check_recorded(
    bench: &Bench,
    (wire, watch): (&Wire, &Watch),
    (name, log): (&str, &str),
    (sent, sample_bytes): (&str, usize),
) -> Outcome {
    let end = log.lines().rfind(|line| line.contains(" frames missing")).unwrap_or("nothing was said");
    let sent = read(&wire.path(sent), log)?;
    let (recorded, frame) = wav_data(&wire.path("take.wav"))?;
    let recorded = swapped(&recorded, sample_bytes);
    let claim = format!("{name} recorded bit for bit");
    match identical(&recorded, &sent, frame) {
        Ok(bytes) if end.contains(" 0 frames missing") => {
            let seconds = bytes as f64 / frame as f64 / 48_000.0;
            bench.figure(&claim, format_args!("{} frames, {seconds:.1} s", bytes / frame));
            Ok(())
        }
        differs => {
            let (right, came) = (identical_stretches(&recorded, &sent, frame).all, recorded.len() / frame);
            let most = 2 * right >= came && came > 48_000;
            bench.check(most, format_args!("{name}: {right} of {came} frames are as they were sent: {end}"))?;
            bench.check_unless_paused(watch, LATE_MS, false, format_args!("{claim}: {differs:?}: {end}"))
        }
    }
}

/// Bytes that look like noise and are the same each time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}
