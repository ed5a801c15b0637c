//! The add-on in the real BASS: `tests/c/host.c` loads both and does as it is told, while this
//! sends a stream to it on the loopback interface.
//!
//! BASS is not ours to keep here: `cargo xtask bass-fetch` gets it, or `BASS` names its
//! `libbass.so`. Without it, or without a C compiler, a test tells so, and is counted as skipped.
#![cfg(target_os = "linux")]

#[path = "bench/mod.rs"]
#[expect(dead_code, reason = "each test uses its part")]
mod bench;

use bench::{Sent, alone, compile, find_bass, find_library, require, sample, send, send_as};
use engine::rtp::format::Encoding;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;

/// What a test works with.
struct Bench {
    _alone: MutexGuard<'static, ()>,
    folder: TempDir,
    bass: PathBuf,
    plugin: PathBuf,
    host: PathBuf,
}

impl Bench {
    /// `None` if something is missing here: the test was told to be skipped then, and has to
    /// return.
    fn new() -> Option<Self> {
        let alone = alone();
        let bass = find_bass()?;
        require(&["cc", "timeout"])?;
        let plugin = find_library("libbass_aes67.so");
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let host = folder.path().join("host");
        compile("host.c", &host);
        Some(Self { _alone: alone, folder, bass, plugin, host })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The host with a command.
    fn host(&self, command: &str, arguments: &[&str]) -> Command {
        let mut host = Command::new("timeout");
        host.args(["-k", "5", "120"]).arg(&self.host).arg(command).arg(&self.bass).arg(&self.plugin).args(arguments);
        host.env("HOST_INTERFACE", "127.0.0.1");
        host
    }

    /// Runs the host; what it wrote.
    fn run(&self, command: &str, arguments: &[&str]) -> String {
        let done = self.host(command, arguments).output().expect("timeout runs");
        let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{command}: {:?}\n{out}{errors}", done.status.code());
        out.into_owned()
    }
}

/// The last number of this name.
fn value(text: &str, name: &str) -> i64 {
    let found = text.rsplit(&format!("{name}=")).next().and_then(|rest| rest.split_whitespace().next());
    found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

/// The shortest stretch of frames that counts as right.
const STRETCH: usize = 480;

/// How many frames are those of the stream as they were sent, in stretches of 10 ms and more:
/// callbacks of a busy machine may come too late now and then, its sender leaves packets out, and
/// audio is concealed there. Frame numbers are found by the samples themselves.
fn exact_frames(frames: &[[i32; 2]], sent: &Sent, sample: impl Fn(i64, i64) -> i32) -> usize {
    // The number of a frame cannot be told from its samples, so it is looked for among all that may
    // have been sent.
    let newest = sent.newest.load(Ordering::Relaxed);
    let mut exact = 0;
    let mut start = 0;
    while start + 64 < frames.len() {
        let probe = frames[start];
        let candidates = (newest - 48_000 * 90..newest).filter(|&n| [sample(n, 0), sample(n, 1)] == probe);
        let length = |first: i64| {
            let same =
                |(n, frame): (usize, &[i32; 2])| *frame == [sample(first + n as i64, 0), sample(first + n as i64, 1)];
            frames[start..].iter().enumerate().take_while(|&item| same(item)).count()
        };
        let longest = candidates.map(length).max().unwrap_or(0);
        exact += if longest < STRETCH { 0 } else { longest };
        start += longest.max(STRETCH);
    }
    exact
}

/// Fails unless most of what came, by the last line of the log, was played as it was sent: what a
/// sender that stood still has left out did not come.
fn assert_mostly_exact(frames: &[[i32; 2]], sent: &Sent, sample: impl Fn(i64, i64) -> i32, log: &str) {
    let exact = exact_frames(frames, sent, sample);
    let received = value(log, "received") as usize * 48;
    assert!(2 * exact > received && received > 0, "{exact} of {received} frames are as they were sent\n{log}");
}

#[test]
fn a_stream_is_decoded_bit_for_bit_when_nothing_is_resampled() {
    let Some(bench) = Bench::new() else { return };
    let sent = send([239, 69, 7, 101], Encoding::L24);
    let file = bench.path("out.raw");
    let log = bench.run("play", &["aes67://239.69.7.101?latency=100&pace=ptp", "8", &file, "decode"]);
    assert!(log.contains("freq=48000 chans=2 ctype=0x1f200 origres=24"), "{log}");
    assert_eq!((value(&log, "lost"), value(&log, "refused")), (0, 0), "{log}");
    let bytes = std::fs::read(&file).unwrap();
    let frame = |bytes: &[u8]| {
        [0, 4].map(|at| (f32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) * 8_388_608.0) as i32)
    };
    let frames: Vec<[i32; 2]> = bytes.chunks_exact(8).map(frame).collect();
    let begin = frames.iter().position(|frame| *frame != [0, 0]).expect("audio came");
    assert_mostly_exact(&frames[begin + 960..], &sent, sample, &log);
}

#[test]
fn a_channel_of_16_bits_gives_the_samples_of_an_l16_stream() {
    let Some(bench) = Bench::new() else { return };
    let sent = send([239, 69, 7, 102], Encoding::L16);
    let file = bench.path("out.raw");
    let log = bench.run("play", &["aes67://239.69.7.102?format=L16&latency=100&pace=ptp", "4", &file, "decode16"]);
    assert!(log.contains("origres=16 flags=0x200000"), "{log}");
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(bytes.len() as i64, value(&log, "pulled") * 4);
    let sample_of = |pair: &[u8]| i32::from(i16::from_ne_bytes([pair[0], pair[1]]));
    let frames: Vec<[i32; 2]> = bytes.chunks_exact(4).map(|frame| [sample_of(frame), sample_of(&frame[2..])]).collect();
    let begin = frames.iter().position(|frame| *frame != [0, 0]).expect("audio came");
    let rounded = |frame, channel| {
        let steps = (sample(frame, channel) as f32 / 256.0).round_ties_even();
        steps.clamp(-32_768.0, 32_767.0) as i32
    };
    assert_mostly_exact(&frames[begin + 960..], &sent, rounded, &log);
}

/// `cargo xtask windows --test` builds a folder with the host and both libraries for Windows, and
/// names it.
#[test]
fn the_library_for_windows_works_under_wine() {
    let Some(folder) = std::env::var_os("BASS_AES67_WINE").map(PathBuf::from) else {
        return skips::tell(
            "`cargo xtask windows --test`, or step windows of `cargo xtask test`, builds what this needs",
        );
    };
    let Some(()) = require(&["wine", "timeout"]) else { return };
    let _alone = alone();
    let sent = send([239, 69, 7, 107], Encoding::L24);
    let run = |command: &str, arguments: &[&str]| {
        let mut wine = Command::new("timeout");
        wine.args(["-k", "5", "180", "wine", "host.exe", command, "bass.dll", "bass_aes67.dll"]).args(arguments);
        wine.current_dir(&folder).env("WINEDEBUG", "-all").env("WINEPREFIX", folder.join("prefix"));
        let done = wine.env("HOST_INTERFACE", "127.0.0.1").output().expect("timeout runs");
        let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{command}: {:?}\n{out}{errors}", done.status.code());
        eprintln!("{command}:\n{out}");
        out.into_owned()
    };
    let url = "aes67://239.69.7.107?interface=127.0.0.1&latency=100&pace=ptp";
    run("config", &[]);
    // Wine's name for the whole of this system's files.
    run("errors", &[&format!("Z:{}", folder.display())]);
    let log = run("play", &[url, "6", "out.raw", "decode"]);
    assert!(value(&log, "received") > 4000 && value(&log, "state") == 2, "{log}");
    let bytes = std::fs::read(folder.join("out.raw")).unwrap();
    let frame = |bytes: &[u8]| {
        [0, 4].map(|at| (f32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) * 8_388_608.0) as i32)
    };
    let frames: Vec<[i32; 2]> = bytes.chunks_exact(8).map(frame).collect();
    let begin = frames.iter().position(|frame| *frame != [0, 0]).expect("audio came");
    let exact = exact_frames(&frames[begin + 960..], &sent, sample);
    assert!(exact > 24_000, "{exact} frames are as they were sent\n{log}");
    run("life", &[url]);
    run("reload", &[url]);
    run("cycles", &[url, "50"]);
    run("output", &[url, "239.69.7.108", "127.0.0.1", "2", "3"]);
    run("exit", &[url]);
}

#[test]
fn a_channel_is_played_on_the_device_without_sound() {
    let Some(bench) = Bench::new() else { return };
    let _sent = send([239, 69, 7, 103], Encoding::L24);
    let log = bench.run("play", &["aes67://239.69.7.103", "6", "-", "nosound"]);
    assert_eq!((value(&log, "state"), value(&log, "lost")), (2, 0), "{log}");
}

/// The sender goes for 2 s, and comes back as another one. It goes when it has been heard.
#[test]
fn syncs_tell_of_a_loss_and_of_a_new_source() {
    let Some(bench) = Bench::new() else { return };
    let first = send([239, 69, 7, 113], Encoding::L24);
    let file = bench.path("log");
    let out = std::fs::File::create(&file).unwrap();
    let mut host = bench.host("play", &["aes67://239.69.7.113", "12", "-", "decode"]);
    let mut host = host.stdout(out).spawn().expect("timeout runs");
    let log = || std::fs::read_to_string(&file).unwrap();
    let is_heard = || log().contains("received=") && value(&log(), "received") > 0;
    while !is_heard() && host.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(first);
    // The next one looks for a clock for longer than a second of silence.
    let _second = send_as(2, [239, 69, 7, 113], Encoding::L24);
    let (status, log) = (host.wait().unwrap(), log());
    assert!(status.success(), "{status}: {log}");
    assert!(value(&log, "sync_loss") > 0 && value(&log, "sync_source") > 0, "{log}");
    assert_eq!(value(&log, "sync_lock"), 0, "there is no clock here: {log}");
}

#[test]
fn options_refuse_what_is_wrong_with_the_errors_of_bass() {
    let Some(bench) = Bench::new() else { return };
    bench.run("config", &[]);
    bench.run("errors", &[&bench.path("")]);
}

#[test]
fn nothing_is_left_of_streams_and_of_the_library() {
    let Some(bench) = Bench::new() else { return };
    let _sent = send([239, 69, 7, 104], Encoding::L24);
    let url = "aes67://239.69.7.104?interface=127.0.0.1";
    let copy = bench.path("second.so");
    std::fs::copy(&bench.plugin, &copy).unwrap();
    bench.run("life", &[url, &copy]);
    bench.run("reload", &[url]);
    bench.run("cycles", &[url, "100"]);
    bench.run("exit", &[url]);
}

#[test]
fn a_channel_is_sent_and_heard_again() {
    let Some(bench) = Bench::new() else { return };
    let _sent = send([239, 69, 7, 105], Encoding::L24);
    let log = bench.run("output", &["aes67://239.69.7.105?pace=ptp", "239.69.7.106", "127.0.0.1", "2", "4"]);
    let packets = value(&log, "packets");
    assert!(packets > 100 && packets + value(&log, "skipped") > 1000 && value(&log, "errors") == 0, "{log}");
    assert!(log.contains("output=ok"), "{log}");
}

#[test]
fn a_channel_that_is_sent_may_stop_and_free_the_output() {
    let Some(bench) = Bench::new() else { return };
    let log = bench.run("within", &["239.69.7.109", "127.0.0.1"]);
    assert!(log.contains("within=ok"), "{log}");
}

/// Compiles the headers, each on its own and both together, with warnings as errors.
fn compile_headers(compiler: &str, arguments: &[&str]) {
    for headers in [&["bass_aes67.h"][..], &["bass_ptp.h"], &["bass_aes67.h", "bass_ptp.h"]] {
        compile_with(headers, compiler, arguments);
    }
}

fn compile_with(headers: &[&str], compiler: &str, arguments: &[&str]) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"]).arg(&sources).arg("-I");
    command.arg(&include).args(headers.iter().flat_map(|header| ["-include", header])).args(arguments).arg("/dev/null");
    let done = command.output().expect("the compiler runs");
    assert!(done.status.success(), "{compiler} {arguments:?} {headers:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_header_compiles_as_c() {
    let Some(()) = require(&["cc"]) else { return };
    compile_headers("cc", &["-std=c11", "-x", "c"]);
    compile_headers("cc", &["-std=c99", "-x", "c"]);
}

#[test]
fn the_header_compiles_as_cpp() {
    let Some(()) = require(&["g++"]) else { return };
    compile_headers("g++", &["-std=c++11", "-x", "c++"]);
}

#[test]
fn the_header_compiles_for_windows() {
    let Some(()) = require(&["mingw"]) else { return };
    compile_headers("x86_64-w64-mingw32-gcc", &["-std=c11", "-x", "c"]);
    compile_headers("x86_64-w64-mingw32-g++", &["-std=c++11", "-x", "c++"]);
}
