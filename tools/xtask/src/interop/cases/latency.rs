//! The latency that `play` reports, compared with the one that a client of JACK measures.
//!
//! The stream is a pulse, four times a second. On the wire the script `latency.py` reads the RTP
//! timestamp of each: PTP time, which ptp4l serves from this machine's own clock (UTC, as it does
//! by itself), so that none of our clocks is involved. After the player, it reads at which of
//! JACK's frames the pulse arrives, and when that frame is played according to JACK, whose clock is
//! also the machine's. The difference is the latency from the sender's timestamp to JACK.
//!
//! What can be reported is the link offset, which ends at the card's callback, and the card's own
//! latency as cpal gets it from ALSA. ALSA's plugin for JACK reports the audio in its queue, but
//! not that JACK takes it a period ahead, at the beginning of the previous cycle: the player adds
//! that period itself, and both values must agree. The latency of JACK's playback port adds to this
//! for a listener after JACK, but is not reported to programs on ALSA's side.

use super::super::bench::{Bench, Outcome, Trouble, pause, write};
use super::super::counter::wav;
use super::super::measure::{number, objects};
use super::super::pauses;
use super::super::peers::{DOMAIN, Ptp4l};
use super::play::Jack;
use netns::Wire;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const SCRIPT: &str = include_str!("../scripts/latency.py");
const GROUP: &str = "239.69.1.6";
/// The shortest period that jackd's dummy can process on a small machine.
const PERIOD: u32 = 256;
const RATE_HZ: i128 = 48_000;
/// Interval of the pulses, which is longer than any latency that is expected here.
const PULSE_FRAMES: usize = 12_000;
/// Time until PTP is locked, playback is aligned, and JACK's estimate of its cycles has settled.
const SETTLING_S: u32 = 8;

/// The output of the script.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    period_frames: f64,
    playback_frames: f64,
    /// RTP timestamps.
    sent: Vec<u32>,
    /// The system's time at each pulse, ns.
    pub(super) heard_ns: Vec<i128>,
}

impl Heard {
    pub(super) fn read(log: &str) -> Self {
        let mut heard = Self::default();
        for line in log.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["sent", frame] => heard.sent.extend(frame.parse::<u32>()),
                ["heard", ns] => heard.heard_ns.extend(ns.parse::<i128>()),
                ["period", period, "playback", _, most] => {
                    heard.period_frames = period.parse().unwrap_or(f64::NAN);
                    heard.playback_frames = most.parse().unwrap_or(f64::NAN);
                }
                _ => {}
            }
        }
        heard
    }

    /// Latencies from the timestamp of each pulse that was heard after `from_ns` to its sound, ms,
    /// sorted.
    pub(super) fn latencies_ms(&self, from_ns: i128) -> Vec<f64> {
        let of = |heard_ns: i128| {
            let age_ns = |sent: u32| {
                let frame = heard_ns * RATE_HZ / 1_000_000_000;
                let age_frames = (frame as u32).wrapping_sub(sent);
                let fraction_ns = heard_ns - frame * 1_000_000_000 / RATE_HZ;
                i128::from(age_frames) * 1_000_000_000 / RATE_HZ + fraction_ns
            };
            let newest_ns = self.sent.iter().map(|&sent| age_ns(sent)).min()?;
            (newest_ns < PULSE_FRAMES as i128 * 1_000_000_000 / RATE_HZ).then_some(newest_ns as f64 / 1e6)
        };
        let mut latencies: Vec<f64> =
            self.heard_ns.iter().filter(|ns| **ns >= from_ns).filter_map(|ns| of(*ns)).collect();
        latencies.sort_by(f64::total_cmp);
        latencies
    }
}

pub(super) fn run(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b', 'c'], &["jackd", "ptp4l", "python3"])?;
    let jack = Jack::new(&wire)?;
    let server = jack.start_on(&wire, 'c', PERIOD);
    let _master = Ptp4l::master(100).start(&wire, 'a')?;
    write(&wire.path("pulse.wav"), pulse())?;
    let send =
        format!("send pulse.wav --loop --group {GROUP} --interface vb --domain {DOMAIN} --sdp pulse.sdp --no-sap");
    let send = bench.start(&wire, 'b', &send);
    let sends = send.poll(60, |log| log.contains("packets, late by")) && wire.path("pulse.sdp").is_file();
    bench.check(sends, format!("nothing is sent:\n{}", send.log()))?;
    let seconds = bench.seconds(SETTLING_S + 8, SETTLING_S + 300);
    let watch = pauses::start(bench, &wire, 'a')?;
    let begun_ns = system_ns()?;
    let play = format!("play pulse.sdp --interface vc --latency 40 --json --seconds {seconds}");
    let play = wire.start(jack.with(&wire, bench.aes67(&wire, 'c', &play)));
    let listener = wire.start(jack.with(&wire, listener(&wire, seconds)));
    let xruns = || server.log().matches("XRun =").count();
    pause(f64::from(SETTLING_S));
    let xruns_before = xruns();
    let listener = listener.wait(seconds + 30);
    let xruns = xruns() - xruns_before;
    let played = play.wait(30);
    bench.check(played.code == Some(0), format!("{}\n{}", played.log, server.log()))?;
    let lines: Vec<_> = objects(&played.log);
    let settled = lines.iter().filter(|line| number(line, "elapsed_s") >= f64::from(SETTLING_S));
    let settled: Vec<_> = settled.filter(|line| line["latency_us"].is_number()).collect();
    let reported = |key: &str| median(settled.iter().map(|line| number(line, key) / 1e3).collect());
    let heard = Heard::read(&listener.log);
    let latencies = heard.latencies_ms(begun_ns + i128::from(SETTLING_S) * 1_000_000_000);
    let (measured_ms, reported_ms) = (median(latencies.clone()), reported("latency_us"));
    let (period_ms, difference_ms) = (heard.period_frames / 48.0, measured_ms - reported_ms);
    bench.figure(
        "reported",
        format_args!(
            "{reported_ms:.2} ms: link offset {:.2} ms, the card's {:.2} ms",
            reported("link_offset_us"),
            reported("card_latency_us")
        ),
    );
    bench.figure(
        "measured",
        format_args!(
            "{measured_ms:.2} ms ({:.2} to {:.2} ms), {} pulses; xruns of jackd {}",
            latencies.first().unwrap_or(&f64::NAN),
            latencies.last().unwrap_or(&f64::NAN),
            latencies.len(),
            xruns
        ),
    );
    bench.figure(
        "difference",
        format_args!(
            "{difference_ms:.2} ms, of a period of {period_ms:.2} ms; JACK's port adds {:.2} ms more",
            heard.playback_frames / 48.0
        ),
    );
    let enough = latencies.len() >= 2 * (seconds - SETTLING_S) as usize;
    bench.check_undisturbed(&watch, enough, format!("too few pulses:\n{}\n{}", listener.log, played.log))?;
    let claim = format!("reported {reported_ms:.2} ms, measured {measured_ms:.2} ms");
    let agree = difference_ms.abs() < period_ms / 2.0;
    // Without xruns of the card, the load of the machine is no excuse.
    if xruns == 0 { bench.check(agree, claim) } else { bench.check_undisturbed(&watch, agree, claim) }
}

/// A quarter of a second of silence with a pulse of one frame in its middle.
pub(super) fn pulse() -> Vec<u8> {
    let mut audio = vec![0; PULSE_FRAMES * 6];
    let frame = [0x73, 0x33, 0x33];
    audio[PULSE_FRAMES * 3..][..6].copy_from_slice(&[frame, frame].concat());
    wav(&audio)
}

fn listener(wire: &Wire, seconds: u32) -> Command {
    let mut command = wire.command('c', netns::SYSTEM_PYTHON);
    command.args(["-c", SCRIPT, &netns::address('c'), GROUP, &seconds.to_string()]);
    command
}

#[expect(clippy::disallowed_methods, reason = "the time of day is what the listener tells")]
fn system_ns() -> Result<i128, Trouble> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_nanos() as i128).map_err(|error| Trouble::Failed(error.to_string()))
}

/// The median; NaN if there are no values.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulses_are_matched_with_their_stamps_across_the_wrap() {
        // 2^32 frames are 89478.485333 s.
        let log = "period 256 playback 512 512\nsent 4294967000\nsent 11704\nheard 89478491833333\nsent 23704\nheard 89478791833333\n";
        let heard = Heard::read(log);
        assert_eq!((heard.period_frames, heard.playback_frames), (256.0, 512.0));
        let latencies = heard.latencies_ms(0);
        assert!((latencies[0] - 12.666).abs() < 0.01 && (latencies[1] - 62.666).abs() < 0.01, "{latencies:?}");
        assert_eq!(heard.latencies_ms(89_478_600_000_000).len(), 1);
        assert!(median(Vec::new()).is_nan());
    }
}
