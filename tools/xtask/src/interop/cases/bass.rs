//! The add-on in the real BASS: `bass-plugin/tests/c/host.c` loads both and executes commands.
//!
//! `cargo xtask bass-fetch` gets BASS, or `BASS` in the environment names its `libbass.so`.

use super::super::bench::{Bench, Outcome, Trouble, output, read, write};
use super::super::counter::{check_stretch, counter, wav};
use super::super::flood;
use super::super::measure::{Stretches, identical_stretches, place_of, swapped, wav_data};
use super::super::pauses::{self, Watch};
use super::super::peers::{DOMAIN, Ptp4l, gstreamer, real_time};
use super::play::{Jack, send_tone};
use netns::{Running, Wire};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Frames of a stereo stream in three bytes a sample.
const FRAME_BYTES: usize = 6;
/// Number of frames over which the beginning of a stream is faded in.
const FADE_FRAMES: usize = 9_600;
/// A latency that is longer than most pauses of a machine.
const LATENCY_MS: u32 = 200;

/// The path of BASS's library.
///
/// # Errors
/// If it is not there.
pub(super) fn find_bass() -> Result<PathBuf, Trouble> {
    let fetched = super::super::target_dir().join("bass/libbass.so");
    let bass = std::env::var_os("BASS").map_or(fetched, PathBuf::from);
    if bass.is_file() {
        return Ok(bass);
    }
    let hint = "cargo xtask bass-fetch gets it, or BASS names it";
    Err(Trouble::Skipped(format!("there is no {} ({hint})", bass.display())))
}

/// A compiled program that uses BASS.
pub(super) struct Host {
    program: PathBuf,
    bass: PathBuf,
    plugin: PathBuf,
}

impl Host {
    /// Compiles a program of `bass-plugin/tests/c` into the folder of the hosts.
    pub(super) fn new(bench: &Bench, wire: &Wire, source: &str) -> Result<Self, Trouble> {
        let bass = find_bass()?;
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bass-plugin/tests/c");
        let host = Self { program: wire.path("host"), bass, plugin: bench.beside("libbass_aes67.so")? };
        let mut compiler = Command::new("cc");
        compiler.args(["-std=gnu11", "-O1", "-I"]).arg(&sources).arg("-o").arg(&host.program);
        let compiled = compiler.arg(sources.join(source)).arg("-ldl").status();
        let compiled = compiled.map_err(|error| Trouble::Skipped(format!("no C compiler: {error}")))?;
        bench.check(compiled.success(), format_args!("{source} compiles"))?;
        Ok(host)
    }

    /// A command of the program, with the PTP domain of all cases.
    fn command(&self, wire: &Wire, name: char, what: &str, arguments: &str) -> Command {
        self.called(wire.command(name, &self.program), name, &[what], arguments)
    }

    /// A program with only one command, run with the priority of our own threads.
    pub(super) fn real_time(&self, wire: &Wire, name: char, arguments: &str) -> Command {
        self.called(real_time(wire, name, &self.program), name, &[], arguments)
    }

    fn called(&self, mut command: Command, name: char, what: &[&str], arguments: &str) -> Command {
        command.args(what).arg(&self.bass).arg(&self.plugin).args(arguments.split_whitespace());
        command.env("HOST_INTERFACE", format!("v{name}")).env("HOST_DOMAIN", DOMAIN.to_string());
        command
    }

    /// Runs a command to its end. Returns its output.
    fn run(&self, wire: &Wire, name: char, what: &str, arguments: &str, seconds: u32) -> Result<String, Trouble> {
        finish(wire, self.command(wire, name, what, arguments), seconds)
    }
}

/// Runs a command that takes `seconds` to its end. Returns its output.
fn finish(wire: &Wire, command: Command, seconds: u32) -> Result<String, Trouble> {
    let done = wire.start(command).wait(seconds + 60);
    if done.code == Some(0) { Ok(done.log) } else { Err(Trouble::Failed(done.log)) }
}

/// The last number with this name in the output.
pub(super) fn value(text: &str, name: &str) -> Option<i64> {
    word(text, name)?.parse().ok()
}

/// The last word with this name in the output.
fn word<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.rsplit_once(&format!("{name}="))?.1.split_whitespace().next()
}

/// The last status of a stream, as BASS's users see it.
fn last_status(log: &str) -> String {
    let line = |start: &str| log.lines().rfind(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    format!("{}; {}", line("state="), line("ptp="))
}

/// A stream of GStreamer that uses PTP, decoded at the rate of PTP.
pub(super) fn receive(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b', 'c'], &["ptp4l", "python3-gst"])?;
    let host = Host::new(bench, &wire, "host.c")?;
    let master = Ptp4l::master(100).start(&wire, 'a')?;
    let watch = pauses::start(bench, &wire, 'a')?;
    let sender = gstreamer(&wire, 'b', "239.69.1.7", 48, "sent.raw");
    sender.wait_for("sending", 60);
    let seconds = bench.seconds(12, 60);
    let url = format!("aes67://239.69.1.7?latency={LATENCY_MS}&pace=ptp");
    let log = host.run(&wire, 'c', "play", &format!("{url} {} out.raw decode", seconds + 8), seconds + 8)?;
    let _ = sender.stop();
    let decoded = read(&wire.path("out.raw"), &log)?;
    let samples = decoded.chunks_exact(4).map(|four| {
        let sample = f32::from_ne_bytes([four[0], four[1], four[2], four[3]]);
        (f64::from(sample) * 8_388_608.0) as i32
    });
    let bytes: Vec<u8> = samples.flat_map(|sample| sample.to_be_bytes().into_iter().skip(1)).collect();
    let silent = bytes.chunks_exact(FRAME_BYTES).take_while(|frame| frame.iter().all(|byte| *byte == 0)).count();
    let body = bytes.get((silent + FADE_FRAMES) * FRAME_BYTES..).unwrap_or_default();
    let sent = read(&wire.path("sent.raw"), "")?;
    let identity = master_identity(&master);
    bench.figure("status", last_status(&log));
    bench.check(
        log.contains(&format!("ptp=Slave to: PTP/{identity}:1, δ ")) && log.contains("[LOCKED]"),
        "the status names the master, and the lock",
    )?;
    // For a moment in which the machine stands still the clock holds over.
    let on_ptp = log.lines().filter(|line| line.contains(" on_ptp=1 locked=1 ")).count();
    bench.check(2 * on_ptp >= seconds as usize, format_args!("the stream is on PTP for {on_ptp} s of {seconds}"))?;
    bench.check(value(&log, "sync_lock") >= Some(1), "the lock's sync is called")?;
    let Stretches { longest, all } = identical_stretches(body, &sent, FRAME_BYTES);
    let seconds_of = |frames: usize| frames as f64 / 48_000.0;
    let told = format!("{:.1} s in a row, {:.1} s in all", seconds_of(longest), seconds_of(all));
    bench.figure("decoded bit for bit", told);
    // A pause of the machine that is longer than the latency interrupts the audio, but has no other
    // effect.
    let enough = all >= seconds as usize * 48_000 / 2;
    bench.check(enough, format_args!("half of {seconds} s is decoded bit for bit"))?;
    let long_enough = longest >= seconds as usize * 48_000;
    bench.check_undisturbed(&watch, long_enough, format_args!("{seconds} s in a row are decoded bit for bit"))
}

/// ptp4l writes its identity as `aabbcc.fffe.ddeeff`.
fn master_identity(master: &Running) -> String {
    let log = master.log();
    let identity = log.split("selected local clock ").nth(1).and_then(|rest| rest.split_whitespace().next());
    identity.unwrap_or("no identity").replace('.', "")
}

/// The device without sound, at whose rate BASS mixes.
pub(super) fn no_sound(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &[])?;
    let host = Host::new(bench, &wire, "host.c")?;
    let _send = send_tone(bench, &wire)?;
    played(bench, &wire, "nosound", |arguments, seconds| host.run(&wire, 'b', "play", arguments, seconds))
}

/// jackd's dummy card, through BASS's own output.
pub(super) fn jack(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["jackd"])?;
    let host = Host::new(bench, &wire, "host.c")?;
    let jack = Jack::new(&wire)?;
    let _server = jack.start(&wire);
    let _send = send_tone(bench, &wire)?;
    played(bench, &wire, "card", |arguments, seconds| {
        finish(&wire, jack.with(&wire, host.command(&wire, 'b', "play", arguments)), seconds)
    })
}

fn played(bench: &Bench, wire: &Wire, mode: &str, run: impl FnOnce(&str, u32) -> Result<String, Trouble>) -> Outcome {
    let watch = pauses::start(bench, wire, 'a')?;
    let seconds = bench.seconds(12, 600);
    let url = format!("aes67:///{}?latency={LATENCY_MS}", wire.path("tone.sdp").display());
    let log = run(&format!("{url} {seconds} - {mode}"), seconds)?;
    bench.figure(&format!("{seconds} s"), last_status(&log));
    bench.check(value(&log, "state") == Some(2) && value(&log, "lost") == Some(0), "it plays, and nothing is lost")?;
    bench.check_undisturbed(&watch, value(&log, "underruns") == Some(0), "no underruns")
}

/// Many streams in one program.
pub(super) fn many(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &[])?;
    let host = Host::new(bench, &wire, "host.c")?;
    let count = bench.seconds(8, 32);
    let seconds = bench.seconds(10, 60);
    let watch = pauses::start(bench, &wire, 'a')?;
    let _flood = flood::start(&wire, 'a', bench, count as u16)?;
    let urls: Vec<String> = (1..=count).map(|n| format!("aes67://239.69.2.{n}?latency=100")).collect();
    let mut command = host.command(&wire, 'b', "many", &format!("{seconds} {}", urls.join(" ")));
    command.env("HOST_NO_PTP", "1");
    let log = finish(&wire, command, seconds)?;
    let sum = |name: &str| {
        let name = format!(" {name}=");
        let numbers = log.lines().filter_map(|line| line.split(&name).nth(1)?.split(' ').next()?.parse::<u64>().ok());
        numbers.sum::<u64>()
    };
    let playing = log.matches(" state=2 ").count();
    bench.figure(
        &format!("{count} streams of 1 ms, {seconds} s"),
        format_args!(
            "{playing} play, {} packets received, {} lost, {} underruns, {} % of a core, {} KiB",
            sum("received"),
            sum("lost"),
            sum("underruns"),
            word(&log, "cpu_percent_of_a_core").unwrap_or("?"),
            word(&log, "resident_kib").unwrap_or("?")
        ),
    );
    bench.check(playing == count as usize, format_args!("all play:\n{}", log))?;
    let named = ["received", "lost", "underruns"].map(|name| log.matches(&format!(" {name}=")).count());
    bench.check(named == [count as usize; 3], format_args!("each tells of itself:\n{}", log))?;
    let expected = u64::from(count) * u64::from(seconds) * 1000;
    bench.check_undisturbed(&watch, sum("received") >= expected, format_args!("{expected} packets are received"))?;
    bench.check_undisturbed(&watch, sum("lost") + sum("underruns") == 0, "nothing is lost, and no underruns")
}

/// Streams that are opened and freed, again and again.
pub(super) fn cycles(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &[])?;
    let host = Host::new(bench, &wire, "host.c")?;
    let _flood = flood::start(&wire, 'a', bench, 1)?;
    let count = bench.seconds(100, 10_000);
    let log = host.run(&wire, 'b', "cycles", &format!("aes67://239.69.2.1 {count}"), 60 + count / 4)?;
    bench.figure("threads, files and memory after and before", log.lines().last().unwrap_or_default());
    Ok(())
}

/// Other programs receive a stream that BASS sends from a channel, and a relayed stream.
pub(super) fn send(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b', 'c', 'd'], &["ptp4l", "ffmpeg", "gst-launch-1.0"])?;
    let host = Host::new(bench, &wire, "host.c")?;
    let _master = Ptp4l::master(100).start(&wire, 'a')?;
    let watch = pauses::start(bench, &wire, 'a')?;
    let seconds = bench.seconds(4, 30);
    let sent = counter(4 * seconds + 40);
    write(&wire.path("in.wav"), wav(&sent))?;
    let arguments = format!("in.wav 239.69.1.8 vb 0 {}", 3 * seconds + 60);
    let sending = wire.start(host.command(&wire, 'b', "output", &arguments));
    let flows = sending.poll(60, |log| value(log, "packets") > Some(0));
    bench.check(flows, format_args!("nothing is sent:\n{}", sending.log()))?;
    let ffmpeg = format!(
        "-nostdin -loglevel error -i sap://239.255.255.255:9875 -t {seconds} -c:a pcm_s24be -f s24be -y ffmpeg.raw"
    );
    let said = output(&wire, 'c', "ffmpeg", &ffmpeg, seconds + 60).log;
    let received = read(&wire.path("ffmpeg.raw"), &said)?;
    check_stretch(bench, &watch, "FFmpeg by our announcement", (&sent, &received), seconds)?;
    let caps = "application/x-rtp,media=audio,clock-rate=48000,encoding-name=L24,channels=2,payload=96";
    let launch = format!(
        "-q udpsrc address=239.69.1.8 port=5004 multicast-iface=vc caps={caps} ! rtpjitterbuffer latency=50 ! rtpL24depay ! identity eos-after={} ! filesink location=gst.raw",
        seconds * 1000
    );
    let said = output(&wire, 'c', "gst-launch-1.0", &launch, seconds + 60).log;
    let received = read(&wire.path("gst.raw"), &said)?;
    check_stretch(bench, &watch, "GStreamer", (&sent, &received), seconds)?;
    sending.signal("KILL");
    let _ = sending.wait(10);
    loopback(bench, &wire, &host, &watch, seconds)
}

/// AES67 input through BASS to AES67 output: measures how much later the same audio is on the
/// network.
fn loopback(bench: &Bench, wire: &Wire, host: &Host, watch: &Watch, seconds: u32) -> Outcome {
    let send = format!("send in.wav --group 239.69.1.9 --interface vd --clock ptp --domain {DOMAIN} --no-sap");
    let send = bench.start(wire, 'd', &send);
    send.wait_for("packets, late by", 60);
    let arguments = format!("aes67://239.69.1.9?latency=20&pace=ptp 239.69.1.10 vb 0 {}", seconds + 30);
    let through = wire.start(host.command(wire, 'b', "output", &arguments));
    let flows = through.poll(60, |log| value(log, "packets") > Some(3000));
    bench.check(flows, format_args!("nothing is sent on:\n{}", through.log()))?;
    let record = format!(
        "record aes67://239.69.1.9?domain={DOMAIN} aes67://239.69.1.10?domain={DOMAIN} --interface vc --output take --seconds {}",
        seconds + 8
    );
    let recorded = bench.start(wire, 'c', &record).wait(seconds + 40);
    bench.check(recorded.code == Some(0), &recorded.log)?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(wire.folder())
        .map_err(|error| Trouble::Failed(error.to_string()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav") && !path.ends_with("in.wav"))
        .collect();
    files.sort();
    let [first, second] = &files[..] else {
        return Err(Trouble::Failed(format!("two files were to be recorded: {files:?}\n{}", recorded.log)));
    };
    let (before, after) = (Take::read(first)?, Take::read(second)?);
    let (before, after) =
        if first.to_string_lossy().contains("239.69.1.10") { (after, before) } else { (before, after) };
    let delay = before.delay_of(&after)?;
    bench.figure(
        "through BASS",
        format_args!("{delay} frames, {:.2} ms, later on the network; asked for 20 ms", delay as f64 / 48.0),
    );
    bench.figure("status", last_status(&through.log()));
    let as_asked = (19 * 48..=22 * 48).contains(&delay);
    bench.check_undisturbed(watch, as_asked, "the delay is what was asked for, within a packet or two")
}

/// A recording, and when it began.
struct Take {
    audio: Vec<u8>,
    /// The time of its first frame, in frames since midnight.
    began: i64,
}

impl Take {
    fn read(path: &Path) -> Result<Self, Trouble> {
        let (audio, _) = wav_data(path)?;
        let file = read(path, "")?;
        let no_time = || Trouble::Failed(format!("{}: no bext chunk", path.display()));
        let bext = file.windows(4).position(|four| four == b"bext").ok_or_else(no_time)? + 8;
        let reference = file.get(bext + 338..bext + 346).and_then(|bytes| bytes.try_into().ok()).ok_or_else(no_time)?;
        Ok(Self { audio: swapped(&audio, 3), began: i64::from_le_bytes(reference) })
    }

    /// How much later the same audio is in `other`, in frames. After a pause of the machine, some
    /// of it is concealed or missing, so the comparison begins in the middle.
    fn delay_of(&self, other: &Self) -> Result<i64, Trouble> {
        const PROBE: usize = 8 * FRAME_BYTES;
        const STEP: usize = 480;
        let place = |at: usize| {
            let probe = other.audio.get(at * FRAME_BYTES..)?.get(..PROBE)?;
            if probe.iter().all(|byte| *byte == 0) {
                return None;
            }
            place_of(probe, &self.audio, FRAME_BYTES).map(|found| at as i64 - found as i64)
        };
        let frames = other.audio.len() / FRAME_BYTES;
        let found = (frames / 2..frames).step_by(STEP).find_map(place);
        let found = found.ok_or_else(|| Trouble::Failed("what was sent on is not what came in".to_owned()))?;
        Ok(other.began - self.began + found)
    }
}
