//! The examples in C, C#, Python and Rust, as a reader of the documentation runs them, for some
//! seconds on the loopback interface.
#![cfg(target_os = "linux")]

#[path = "bench/mod.rs"]
#[expect(dead_code, reason = "each test uses its part")]
mod bench;

use bench::{Sent, alone, find_bass, find_library, may_use_ptp, require, send};
use engine::rtp::format::Encoding;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::MutexGuard;
use tempfile::TempDir;

/// A folder with the libraries and a file to send, and a stream to be received.
struct Bench {
    _alone: MutexGuard<'static, ()>,
    folder: TempDir,
    _sent: Sent,
    number: u8,
}

/// How a program is called: its command, and what comes before its own arguments.
type Program = Vec<PathBuf>;

impl Bench {
    /// `None` if something is missing here: the test was told to be skipped then, and has to
    /// return. The number tells the streams of tests apart, which need ten of them.
    fn new(number: u8, tools: &[&str]) -> Option<Self> {
        let alone = alone();
        let bass = find_bass()?;
        require(&[tools, &["timeout"]].concat())?;
        may_use_ptp()?;
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        for (library, name) in [(bass, "libbass.so"), (find_library("libbass_aes67.so"), "libbass_aes67.so")] {
            std::fs::copy(library, folder.path().join(name)).expect("a copy of a library");
        }
        write_tone(&folder.path().join("tone.wav"));
        Some(Self { _alone: alone, folder, _sent: send([239, 69, 7, number], Encoding::L24), number })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The stream that is sent.
    fn url(&self) -> String {
        format!("aes67://239.69.7.{}", self.number)
    }

    /// A group that nobody sends to yet.
    fn group(&self, number: u8) -> String {
        format!("239.69.7.{}", self.number + number)
    }

    /// The lines that a program wrote.
    fn run(&self, program: &[PathBuf], arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "60"]).args(program).args(arguments).current_dir(self.folder.path());
        command.env("LD_LIBRARY_PATH", self.folder.path());
        command.env("BASS", self.path("libbass.so")).env("BASS_AES67", self.path("libbass_aes67.so"));
        let done = command.output().expect("timeout runs");
        let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{command:?}: {:?}\n{out}{errors}", done.status.code());
        out.lines().map(ToOwned::to_owned).collect()
    }

    /// Runs all examples of a language, by their names in Rust.
    fn run_all(&self, program: impl Fn(&str) -> Program) {
        let (url, interface) = (self.url(), "127.0.0.1");
        let run = |name: &str, arguments: &[&str]| {
            let lines = self.run(&program(name), arguments);
            (lines.last().cloned().unwrap_or_default(), lines)
        };
        let (last, lines) = run("aes67_loopback", &[&url, &self.group(1), interface, "0", "3"]);
        assert!(last.starts_with("  3 s ") && last.contains("; out: ") && packets(&last) > 300, "{lines:?}");
        let (last, lines) = run("file_to_aes67", &["tone.wav", &self.group(2), interface, "0", "6", "system"]);
        assert!(last.starts_with("  6 s ") && packets(&last) > 0, "{lines:?}");
        let (last, lines) = run("no_sound_card", &[&url, interface, "0", "3"]);
        // What is sent is noise of full scale.
        assert!(last.starts_with("  3 s ") && number_before(&last, " dBFS") > -6.0, "{lines:?}");
        assert!(packets(&last) > 300, "{lines:?}");
        let (last, lines) = run("low_latency", &[&url, interface, "0", "3", "null"]);
        assert!(last.starts_with("  3 s ") && packets(&last) > 300, "{lines:?}");
        assert!(number_before(&last, " ms to the channel") < 20.0, "{lines:?}");
        let (_, lines) = run("input_lab", &[interface, "0", "3", &url, &format!("{url}?latency=20")]);
        let [.., second, of_one, of_other] = &lines[..] else { panic!("{lines:?}") };
        assert!(second.starts_with("  3 s "), "{lines:?}");
        for line in [of_one, of_other] {
            assert!(packets(line) > 300 && number_before(line, " dBFS") > -6.0, "{lines:?}");
        }
    }
}

/// Two seconds of two channels.
fn write_tone(file: &Path) {
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 2, sample_rate: 48_000, bits_per_sample: 16, sample_format };
    let mut writer = hound::WavWriter::create(file, spec).expect("a WAV file");
    (0..96_000).for_each(|n| writer.write_sample((n * 7919 % 2000) as i16).expect("a sample"));
    writer.finalize().expect("a WAV file");
}

/// The number before the first of these words.
fn number_before(line: &str, words: &str) -> f64 {
    let number = line.split(words).next().and_then(|begin| begin.rsplit(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no number before `{words}`: {line}"))
}

fn packets(line: &str) -> u32 {
    number_before(line, " packets") as u32
}

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path)
}

#[test]
fn those_in_rust_run() {
    let Some(bench) = Bench::new(120, &[]) else { return };
    let own = std::env::current_exe().expect("a program");
    let examples = own.ancestors().nth(2).expect("a folder").join("examples");
    assert!(examples.join("input_lab").is_file(), "cargo build -p bass-plugin --examples");
    bench.run_all(|name| vec![examples.join(name)]);
    status_is_shown(&bench, &[examples.join("test_stream")]);
}

#[test]
fn those_in_python_run() {
    let Some(bench) = Bench::new(130, &["python3"]) else { return };
    let program = |name: &str| vec!["python3".into(), "-B".into(), example(&format!("python/{name}.py"))];
    bench.run_all(program);
    status_is_shown(&bench, &program("test_stream"));
}

#[test]
fn those_in_csharp_run() {
    let Some(bench) = Bench::new(140, &["mono"]) else { return };
    bench.run_all(|name| {
        let words = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        let name: String = words.collect();
        let program = bench.path(&format!("{name}.exe"));
        let mut compiler = Command::new("mcs");
        compiler.arg("-warnaserror").arg(example(&format!("csharp/{name}.cs"))).arg(example("csharp/Bass.cs"));
        let compiled = compiler.arg(format!("-out:{}", program.display())).output().expect("mcs runs");
        assert!(compiled.status.success(), "{name}: {}", String::from_utf8_lossy(&compiled.stderr));
        vec!["mono".into(), program]
    });
}

#[test]
fn the_one_in_c_runs() {
    let Some(bench) = Bench::new(150, &["cc"]) else { return };
    let program = bench.path("test_stream");
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Werror", "-I"]).arg(package.join("include")).arg("-I").arg(package.join("tests/c"));
    compiler.arg(example("c/test_stream.c")).arg("-L").arg(bench.folder.path()).args(["-lbass", "-o"]).arg(&program);
    assert!(compiler.status().expect("cc runs").success(), "the example in C does not compile");
    status_is_shown(&bench, &[program]);
}

/// On the device without sound.
fn status_is_shown(bench: &Bench, program: &[PathBuf]) {
    let lines = bench.run(program, &[&bench.url(), "127.0.0.1", "0", "3", "null"]);
    assert!(lines.last().is_some_and(|last| last.starts_with("  3 s ") && packets(last) > 300), "{lines:?}");
}
