//! `aes67` on two hosts of one wire, `a` and `b`: see [`netns`] for what that needs. Where it is missing a test says so and passes.

use netns::{Running, Stopped, Wire as Hosts};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::str::FromStr;

/// The program under test.
const AES67: &str = env!("CARGO_BIN_EXE_aes67");

/// The two hosts, and a folder for their files.
pub(crate) struct Wire(Hosts);

impl Wire {
    /// `None`, with the reason printed, if this machine cannot do it. `tools` are programs that are needed besides.
    pub(crate) fn new(tools: &[&str]) -> Option<Self> {
        Self::of(&['a', 'b'], tools)
    }

    /// The same with other hosts.
    pub(crate) fn of(hosts: &[char], tools: &[&str]) -> Option<Self> {
        Hosts::new(hosts, tools).inspect_err(|missing| eprintln!("skipped: {missing}")).ok().map(Self)
    }

    /// The name of a host's namespace.
    pub(crate) fn host(&self, host: char) -> String {
        self.0.namespace(host)
    }

    /// A file of the test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// A program on a host, with arguments that have no spaces.
    pub(crate) fn command(&self, host: char, program: &str, arguments: &str) -> Command {
        let mut command = self.0.command(host, program);
        command.args(arguments.split(' ').filter(|argument| !argument.is_empty()));
        command
    }

    /// Runs `aes67` on a host to its end.
    pub(crate) fn aes67(&self, host: char, arguments: &str) -> Output {
        self.command(host, AES67, arguments).output().expect("aes67 runs")
    }

    /// Starts `aes67` on a host.
    pub(crate) fn start(&self, host: char, arguments: &str) -> Program {
        self.start_program(host, AES67, arguments)
    }

    /// Starts any program on a host.
    pub(crate) fn start_program(&self, host: char, program: &str, arguments: &str) -> Program {
        Program(self.0.start(self.command(host, program, arguments)))
    }
}

/// A program that runs on a host.
pub(crate) struct Program(Running);

impl Program {
    pub(crate) fn log(&self) -> String {
        self.0.log()
    }

    pub(crate) fn wait_for(&self, text: &str, seconds: u32) {
        self.0.wait_for(text, seconds);
    }

    /// Ends it as Ctrl-C does, and waits; its exit code and what it wrote.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        let Stopped { code, log } = self.0.stop();
        (code, log)
    }

    /// Ends it as a crash does; what it wrote until then.
    pub(crate) fn kill(self) -> String {
        self.0.signal("KILL");
        self.0.wait(10).log
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> String {
        self.0.wait(60).log
    }
}

/// The samples of a WAV file.
pub(crate) fn samples(path: &Path) -> Vec<i32> {
    hound::WavReader::open(path).expect("a WAV file").samples().map(|sample| sample.expect("a sample")).collect()
}

/// The last number that a log has before a word.
pub(crate) fn told<T: FromStr>(log: &str, word: &str) -> T {
    let number = log.rsplit_once(word).and_then(|(before, _)| before.rsplit([' ', '\n']).next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no number before '{word}': {log}"))
}

/// Fails unless samples were recorded as they were sent; returns how many of those that were sent are accounted for. On a machine that stands still packets are left
/// out, and that is neither's fault: the recording may begin later, and be silent where its log says that frames are missing.
pub(crate) fn assert_recorded(log: &str, recorded: &[i32], sent: &[i32], channels: usize) -> usize {
    let probe = &recorded[..4 * channels];
    let late =
        sent.chunks_exact(channels).enumerate().position(|(frame, _)| sent[frame * channels..].starts_with(probe));
    let late = late.expect("the first frames were sent") * channels;
    let missing = told::<usize>(log, " frames missing") * channels;
    assert!(late + missing < sent.len() / 2, "half of it did not come: {log}");
    let pairs = || recorded.iter().zip(&sent[late..]);
    let differs = pairs().position(|(recorded, sent)| recorded != sent && *recorded != 0);
    assert_eq!(differs, None, "a sample differs, of {} that begin {late} later", recorded.len());
    let silent = pairs().filter(|(recorded, sent)| recorded != sent).count();
    assert!(silent <= missing, "{silent} samples are silent, and {missing} are missing: {log}");
    late + recorded.len()
}

/// A file of noise-like samples of 24 bits.
pub(crate) fn write_noise(path: &Path, channels: u16, seconds: u32) -> Vec<i32> {
    let spec =
        hound::WavSpec { channels, sample_rate: 48_000, bits_per_sample: 24, sample_format: hound::SampleFormat::Int };
    let mut state = 1u32;
    let noise: Vec<i32> = (0..seconds * 48_000 * u32::from(channels))
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as i32 >> 8
        })
        .collect();
    let mut writer = hound::WavWriter::create(path, spec).expect("a WAV file");
    noise.iter().for_each(|&sample| writer.write_sample(sample).expect("room for a sample"));
    writer.finalize().expect("a WAV file");
    noise
}
