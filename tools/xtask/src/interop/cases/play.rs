//! Playback on a sound card, and the contents of a trace. The card is jackd's dummy, which appears
//! as a real-time ALSA device.

use super::super::bench::{Bench, Outcome, Trouble, pause};
use super::super::measure::{last, number, objects};
use super::super::pauses;
use netns::{Running, Wire};
use std::fs;
use std::process::Command;

/// ALSA's default device is JACK.
const ASOUNDRC: &str = "pcm.!default { type jack playback_ports { 0 system:playback_1 1 system:playback_2 } }\n";

/// A JACK server for a case only, and the environment in which programs find it.
pub(super) struct Jack {
    name: String,
}

impl Jack {
    pub(super) fn new(wire: &Wire) -> Result<Self, Trouble> {
        fs::write(wire.path(".asoundrc"), ASOUNDRC).map_err(|error| Trouble::Failed(error.to_string()))?;
        Ok(Self { name: format!("interop-{}", std::process::id()) })
    }

    pub(super) fn with(&self, wire: &Wire, mut command: Command) -> Command {
        command.env("HOME", wire.folder()).env("JACK_DEFAULT_SERVER", &self.name).env("JACK_NO_START_SERVER", "1");
        command
    }

    pub(super) fn start(&self, wire: &Wire) -> Running {
        self.start_on(wire, 'b', 480)
    }

    /// Starts the server on a host, with a period of `period` frames.
    pub(super) fn start_on(&self, wire: &Wire, host: char, period: u32) -> Running {
        let mut command = self.with(wire, wire.command(host, "jackd"));
        command.args(["-R", "-P", "75", "-n", &self.name, "-d", "dummy", "-r", "48000", "-p", &period.to_string()]);
        let server = wire.start(command);
        // Whoever opens the card before the server answers finds none.
        for _ in 0..100 {
            let list = wire.start(self.with(wire, wire.command(host, "jack_lsp"))).wait(60);
            if list.code == Some(0) {
                break;
            }
            pause(0.2);
        }
        server
    }
}

/// Starts a sender of a tone with our own PTP master, and waits for its description.
pub(super) fn send_tone(bench: &Bench, wire: &Wire) -> Result<Running, Trouble> {
    let arguments = "send tone --group 239.69.1.6 --interface va --clock master --name Tone --sdp tone.sdp --level -20";
    let send = bench.start(wire, 'a', arguments);
    let sends = send.poll(60, |log| log.contains("packets, late by")) && wire.path("tone.sdp").is_file();
    bench.check(sends, format!("nothing is sent:\n{}", send.log()))?;
    Ok(send)
}

pub(super) fn jack(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["jackd"])?;
    let jack = Jack::new(&wire)?;
    let server = jack.start(&wire);
    let _send = send_tone(bench, &wire)?;
    let seconds = bench.seconds(20, 300);
    let watch = pauses::start(bench, &wire, 'a')?;
    let play = format!("play tone.sdp --interface vb --latency 40 --json --seconds {seconds}");
    let began_s = watch.elapsed_s();
    let played = wire.start(jack.with(&wire, bench.aes67(&wire, 'b', &play))).wait(seconds + 30);
    bench.check(played.code == Some(0), format!("{}\n{}", played.log, server.log()))?;
    let end = last(&played.log)?;
    let xruns = server.log().matches("XRun").count() + played.log.matches("Xrun").count();
    bench.figure("on jackd's dummy card", format_args!(
        "{seconds} s: underruns {}, late {}, concealed {} frames, jumps {}, ratio {} ppm, card {} ppm, latency {} us, xruns of jackd {xruns}",
        end["underruns"], end["late"], end["concealed_frames"], end["jumps"], end["ratio_ppm"], end["card_ppm"], end["latency_us"]
    ));
    bench.check(end["state"] == "PLAYING", format!("it does not play: {end}"))?;
    bench.check_undisturbed(&watch, number(&end, "underruns") == 0.0, "no underruns")?;
    bench.check_quiet_seconds((&watch, &[]), (began_s, &played.log), 1, "underruns")?;
    let is_the_cards = (number(&end, "ratio_ppm") + number(&end, "card_ppm")).abs() < 10.0;
    bench.check_undisturbed(&watch, is_the_cards, "the ratio is the card's")
}

pub(super) fn jack_lost(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["jackd"])?;
    let jack = Jack::new(&wire)?;
    let server = jack.start(&wire);
    let _send = send_tone(bench, &wire)?;
    let play = wire.start(jack.with(&wire, bench.aes67(&wire, 'b', "play tone.sdp --interface vb --json")));
    let plays = |log: &str| objects(log).last().is_some_and(|line| line["state"] == "PLAYING");
    bench.check(play.poll(60, plays), format!("it does not play:\n{}\n{}", play.log(), server.log()))?;
    let _ = server.stop();
    let lost = play.poll(60, |log| log.contains("the sound card is lost"));
    bench.check(lost, format!("the loss was not said:\n{}", play.log()))?;
    pause(2.0);
    let _server = jack.start(&wire);
    let again = play.poll(60, |log| log.contains("playing again on"));
    bench.check(again, format!("it does not play again:\n{}", play.log()))?;
    let before = objects(&play.log()).len();
    let again = play.poll(60, |log| objects(log).len() > before + 1 && plays(log));
    bench.check(again, format!("it does not play again:\n{}", play.log()))?;
    let ended = play.stop();
    bench.check(ended.code == Some(0), format!("it ended with {:?}:\n{}", ended.code, ended.log))
}

pub(super) fn trace(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &[])?;
    let send = send_tone(bench, &wire)?;
    let seconds = bench.seconds(14, 120);
    let play =
        format!("play tone.sdp --interface vb --output null --latency 20 --json --trace field.csv --seconds {seconds}");
    let play = bench.start(&wire, 'b', &play);
    pause(f64::from(seconds) / 2.0);
    drop(send);
    let _send = send_tone(bench, &wire)?;
    let played = play.wait(seconds + 60);
    let end = last(&played.log)?;
    let shown = bench.simulator(&wire, &["replay", "field.csv", "--reports", "reports"])?;
    bench.check(shown.code == Some(0), &shown.log)?;
    let row = |name: &str| {
        let line = shown.log.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
        let words = line.split_whitespace().filter_map(|word| word.parse::<f64>().ok()).next();
        words.unwrap_or(f64::NAN)
    };
    let (underruns, concealed_ms) = (row("underruns"), row("concealed"));
    let counted_ms = number(&end, "concealed_frames") / 48.0;
    bench.figure("the sender was restarted", format_args!(
        "play counted {} underruns and {counted_ms:.1} ms concealed; the simulator shows {underruns} and {concealed_ms:.1} ms",
        end["underruns"]
    ));
    let same = (concealed_ms - counted_ms).abs() < 0.1 && (underruns - number(&end, "underruns")).abs() < 0.5;
    bench.check(counted_ms > 0.0, "the restart was not heard, so nothing is shown")?;
    bench.check(same, format!("the simulator shows something else:\n{}", shown.log))?;
    let picture = wire.path("reports/field/overview.png");
    bench.check(picture.is_file(), format!("{} is missing", picture.display()))
}
