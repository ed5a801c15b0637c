//! The example `cpal_output` on sound servers, whose output is recorded. The servers are jackd with
//! its dummy card, and PulseAudio and PipeWire, both through ALSA's plugin for PulseAudio. The
//! default buffer of ALSA's plugin for JACK is 1.28 s.
//!
//! The player and the servers have real-time priority: ALSA's plugin for PulseAudio forwards audio
//! in its own thread, which would be delayed on a busy machine, independently of the player.
//!
//! The stream is a tone. A block of 5 ms without a sample above -80 dBFS is inserted silence. A
//! click is a sample that cannot be predicted from the two before it. Samples of a sine can,
//! because its second difference is a known multiple of the sample.

use super::super::bench::{Bench, Outcome, Trouble, pause};
use super::super::measure::wav_data;
use super::super::pauses::{self, Watch};
use super::super::peers::real_time;
use super::bass::find_bass;
use super::play::{Jack, send_tone};
use super::pulse::Pulse;
use netns::{Running, Wire};
use std::f64::consts::TAU;
use std::fmt;
use std::process::Command;

const RATE_HZ: f64 = 48_000.0;
const TONE_HZ: f64 = 1_000.0;
/// Full scale of the recorded samples, which have four bytes.
const FULL_SCALE: f64 = 2_147_483_648.0;
/// Frames of 5 ms.
const BLOCK: usize = 240;
/// -80 dBFS.
const SILENT: f64 = 1e-4;
/// A hundredth of the tone, whose level is -20 dBFS. The step at a gap is larger, unless the gap
/// begins at a zero crossing; a crossfade of some ms stays below this limit.
const CLICK: f64 = 1e-3;
/// Time until playback follows PTP and is aligned. With buffers of 1.28 s, it takes longer until
/// the rate of the card is known.
const SETTLING_S: u32 = 12;

/// One way to open the device.
struct Way {
    name: &'static str,
    /// The example's last argument.
    buffer: &'static str,
    /// Options in the URL.
    options: &'static str,
    /// Whether the whole tone must be heard.
    is_right: bool,
    /// Text that the program must print.
    says: &'static str,
}

const ON_JACK: [Way; 3] = [
    Way { name: "960 frames", buffer: "960", options: "", is_right: true, says: "it takes 960 frames (20 ms) at once" },
    Way { name: "default buffer", buffer: "default", options: "", is_right: true, says: "which is raised to " },
    Way {
        name: "default buffer, 40 ms by the URL",
        buffer: "default",
        options: "?jitter=40",
        is_right: false,
        says: "the device's buffer is too large for 40 ms of latency, and silence will be heard",
    },
];

/// Ways on servers whose ALSA plugin has short buffers by default.
const ON_PULSE: [Way; 2] = [
    Way {
        name: "960 frames",
        buffer: "960",
        options: "",
        is_right: true,
        says: "asked the sound card for buffers of 960 frames; it takes ",
    },
    Way {
        name: "default buffer",
        buffer: "default",
        options: "",
        is_right: true,
        says: "asked the sound card for its own buffers; it takes ",
    },
];

/// The card that the example plays on.
pub(super) trait Card {
    /// The command of the player. A sound server mixes with a small margin, so the player has
    /// real-time priority by default. With JACK it must not delay JACK's own threads.
    fn player(&self, wire: &Wire, example: &str) -> Command {
        real_time(wire, 'b', example)
    }

    /// The command, with an environment in which it finds the server.
    fn with(&self, wire: &Wire, command: Command) -> Command;

    /// Records the output for some seconds: the samples of the left channel, four bytes each,
    /// little endian.
    fn record(&self, bench: &Bench, wire: &Wire, seconds: u32) -> Result<Vec<u8>, Trouble>;

    /// The output of the server's programs.
    fn log(&self) -> String;
}

pub(super) fn on_jack(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["jackd"])?;
    let jack = Jack::new(&wire)?;
    let server = jack.start(&wire);
    play(bench, &wire, &JackCard { jack, server }, &ON_JACK)
}

pub(super) fn on_pulseaudio(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["pulseaudio", "chrt"])?;
    play(bench, &wire, &Pulse::pulseaudio(&wire, 'b')?, &ON_PULSE)
}

pub(super) fn on_pipewire(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["pipewire", "chrt"])?;
    play(bench, &wire, &Pulse::pipewire(&wire, 'b')?, &ON_PULSE)
}

fn play(bench: &Bench, wire: &Wire, card: &dyn Card, ways: &[Way]) -> Outcome {
    let example = bench.beside("examples/cpal_output")?;
    let bass = find_bass()?;
    let plugin = bench.beside("libbass_aes67.so")?;
    let _send = send_tone(bench, wire)?;
    let watch = pauses::start(bench, wire, 'a')?;
    let seconds = bench.seconds(8, 120);
    for way in ways {
        let url = format!("aes67://{}{}", wire.path("tone.sdp").display(), way.options);
        let mut player = card.player(wire, &example.to_string_lossy());
        player.args([&url, "vb", "0", &(SETTLING_S + seconds + 30).to_string(), way.buffer]);
        player.env("BASS", &bass).env("BASS_AES67", &plugin);
        let player = wire.start(card.with(wire, player));
        let plays = player.poll(60, |log| log.contains("Audio "));
        bench.check(plays, format!("it does not play:\n{}\n{}", player.log(), card.log()))?;
        pause(f64::from(SETTLING_S));
        let bytes = card.record(bench, wire, seconds)?;
        let sample = |four: &[u8]| f64::from(i32::from_le_bytes([four[0], four[1], four[2], four[3]])) / FULL_SCALE;
        let heard = Heard::of(&bytes.chunks_exact(4).map(sample).collect::<Vec<_>>());
        let said = player.stop().log;
        bench.figure(way.name, &heard);
        let asked = said.lines().find(|line| line.starts_with("asked ")).unwrap_or_default();
        bench.figure("  it says", format_args!("{asked};{}", said.lines().last().unwrap_or_default()));
        bench.check(said.contains(way.says), format!("it does not say `{}`:\n{said}", way.says))?;
        let all_s = heard.blocks as f64 * BLOCK as f64 / RATE_HZ;
        bench.check(all_s > f64::from(seconds) / 2.0, format!("{all_s:.1} s were recorded:\n{}", card.log()))?;
        judge(bench, &watch, way, &heard)?;
    }
    Ok(())
}

fn judge(bench: &Bench, watch: &Watch, way: &Way, heard: &Heard) -> Outcome {
    if !way.is_right {
        return bench.check(heard.silent > heard.blocks / 2, format!("{}: {heard}", way.name));
    }
    let claim = format!("{}: nothing is silent, and nothing clicks: {heard}", way.name);
    bench.check_undisturbed(watch, heard.silent == 0 && heard.clicks == 0, claim)?;
    // Even on a busy machine less than half is lost, whereas too large a buffer loses most of it.
    bench.check(2 * heard.silent < heard.blocks, format!("{}: {heard}", way.name))
}

/// The contents of a recording.
#[derive(Debug, PartialEq)]
struct Heard {
    blocks: usize,
    silent: usize,
    clicks: usize,
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.silent as f64 * 100.0 / self.blocks.max(1) as f64;
        let seconds = self.blocks as f64 * BLOCK as f64 / RATE_HZ;
        write!(f, "{share:.1} % of {} blocks of 5 ms are silent, {} clicks in {seconds:.1} s", self.blocks, self.clicks)
    }
}

impl Heard {
    /// Clicks that are less than a block apart count once.
    fn of(samples: &[f64]) -> Self {
        let blocks = samples.chunks_exact(BLOCK);
        let silent = blocks.clone().filter(|block| block.iter().all(|sample| sample.abs() < SILENT)).count();
        let follows = 2.0 * (TAU * TONE_HZ / RATE_HZ).cos();
        let is_click = |three: &[f64]| (three[2] - follows * three[1] + three[0]).abs() > CLICK;
        let places = samples.windows(3).enumerate().filter(|(_, three)| is_click(three)).map(|(at, _)| at);
        let mut last = None;
        let clicks = places.filter(|&at| last.replace(at).is_none_or(|last| at - last > BLOCK)).count();
        Self { blocks: blocks.len(), silent, clicks }
    }
}

struct JackCard {
    jack: Jack,
    server: Running,
}

impl Card for JackCard {
    fn player(&self, wire: &Wire, example: &str) -> Command {
        wire.command('b', example)
    }

    fn with(&self, wire: &Wire, command: Command) -> Command {
        self.jack.with(wire, command)
    }

    fn record(&self, bench: &Bench, wire: &Wire, seconds: u32) -> Result<Vec<u8>, Trouble> {
        let list = wire.start(self.with(wire, wire.command('b', "jack_lsp"))).wait(60).log;
        let port = list.lines().find(|line| line.ends_with(":out_000"));
        let port = port.ok_or_else(|| Trouble::Failed(format!("the player has no port of JACK's:\n{list}")))?;
        let file = wire.path("heard.wav");
        let mut command: Command = wire.command('b', "jack_rec");
        command.arg("-f").arg(&file).args(["-d", &seconds.to_string(), "-b", "32", port]);
        let recorded = wire.start(self.with(wire, command)).wait(seconds + 30);
        bench.check(recorded.code == Some(0), &recorded.log)?;
        Ok(wav_data(&file)?.0)
    }

    fn log(&self) -> String {
        self.server.log()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_clicks_are_counted_and_a_tone_is_neither() {
        let mut tone: Vec<f64> = (0..48_000).map(|n| 0.1 * (TAU * TONE_HZ * f64::from(n) / RATE_HZ).sin()).collect();
        assert_eq!(Heard::of(&tone), Heard { blocks: 200, silent: 0, clicks: 0 });
        tone[9_612..14_412].fill(0.0);
        assert_eq!(Heard::of(&tone), Heard { blocks: 200, silent: 19, clicks: 2 });
    }
}
