//! `aes67` on two hosts of one wire, `a` and `b`: see [`netns`] for what that needs. Where it is
//! missing a test tells so, and is counted as skipped.

use netns::{Running, Stopped, Wire as Hosts};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::str::FromStr;

/// The program under test.
const AES67: &str = env!("CARGO_BIN_EXE_aes67");

/// The two hosts, and a folder for their files.
pub(crate) struct Wire(Hosts);

impl Wire {
    /// `None` if this machine cannot do it: the test was told to be skipped then, and has to
    /// return. `tools` are needed besides.
    pub(crate) fn new(tools: &[&str]) -> Option<Self> {
        Self::of(&['a', 'b'], tools)
    }

    /// The same with other hosts.
    pub(crate) fn of(hosts: &[char], tools: &[&str]) -> Option<Self> {
        Hosts::new(hosts, tools).inspect_err(|missing| skips::tell(missing)).ok().map(Self)
    }

    /// The name of a host's namespace.
    pub(crate) fn host(&self, host: char) -> String {
        self.0.namespace(host)
    }

    /// Changes a host's network by commands of `ip`.
    pub(crate) fn ip(&self, host: char, changes: &[&str]) {
        changes.iter().for_each(|change| self.0.ip(host, change));
    }

    /// Takes the cable between the hosts away, and puts another one in its place.
    pub(crate) fn replug(&self) {
        self.0.replug(std::time::Duration::from_millis(500));
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
        self.start_command(self.command(host, program, arguments))
    }

    /// The same before all programs that are not real-time: what a peer does late is not what is
    /// tested. It takes `chrt`.
    pub(crate) fn start_real_time(&self, host: char, program: &str, arguments: &str) -> Program {
        self.start_program(host, "chrt", &format!("-f 60 {program} {arguments}"))
    }

    /// Starts a [command](Self::command).
    pub(crate) fn start_command(&self, command: Command) -> Program {
        Program(self.0.start(command))
    }
}

/// A program that runs on a host.
pub(crate) struct Program(Running);

impl Program {
    pub(crate) fn log(&self) -> String {
        self.0.log()
    }

    /// Waits until what it has written is as wanted.
    pub(crate) fn wait_until(&self, what: &str, seconds: u32, is_wanted: impl Fn(&str) -> bool) {
        assert!(self.0.poll(seconds, is_wanted), "not within {seconds} s: {what}\n{}", self.log());
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        self.0.signal(name);
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

    /// Waits for its end; its exit code and what it wrote.
    pub(crate) fn end(self) -> (Option<i32>, String) {
        self.end_within(60)
    }

    /// The same, and at most so many seconds.
    pub(crate) fn end_within(self, seconds: u32) -> (Option<i32>, String) {
        let Stopped { code, log } = self.0.wait(seconds);
        (code, log)
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> String {
        self.0.wait(60).log
    }
}

/// The JSON objects of a log, one a line; what is none is left out.
pub(crate) fn objects(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The middle one of what these lines tell under a key: one that was read while a machine stood
/// still does not count.
pub(crate) fn median<'a>(lines: impl IntoIterator<Item = &'a Value>, key: &str) -> f64 {
    let mut values: Vec<f64> = lines.into_iter().filter_map(|line| line[key].as_f64()).collect();
    values.sort_by(f64::total_cmp);
    *values.get(values.len() / 2).unwrap_or_else(|| panic!("no line tells {key}"))
}

/// Whether a line tells of a clock that is known: one that heard nothing for a moment, because the
/// machine stood still, holds over.
pub(crate) fn has_clock(line: &Value) -> bool {
    line["state"] == "LOCKED" || line["state"] == "HOLDOVER"
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

/// Frames of a packet of 1 ms at 48 kHz, which all of these tests send.
const PACKET_FRAMES: usize = 48;
/// Frames by which a place in noise is known.
const PROBE_FRAMES: usize = 4;

/// Fails unless what was recorded is what was sent, from its first frame to its last, as far as the
/// two programs give account: on a machine that stands still the sender leaves packets out and the
/// kernel drops some, and their logs, `said` and `heard`, tell how many. There is silence instead,
/// or nothing at the ends; what there is must be right. Of what `goes_on` behind a recording its
/// end is not missed.
pub(crate) fn assert_recorded(
    (heard, said): (&str, &str),
    (recorded, sent): (&[i32], &[i32]),
    channels: usize,
    goes_on: bool,
) {
    let [recorded, sent] =
        [recorded, sent].map(|samples| samples.chunks_exact(channels).map(<[i32]>::to_vec).collect::<Vec<_>>());
    let is_silent = |frame: &Vec<i32>| frame.iter().all(|sample| *sample == 0);
    let (mut at, mut right) = (0, 0);
    for stretch in recorded.split(is_silent).filter(|stretch| !stretch.is_empty()) {
        let probe = &stretch[..PROBE_FRAMES.min(stretch.len())];
        let found = sent[at..].windows(probe.len()).position(|window| window == probe);
        at += found.unwrap_or_else(|| panic!("what was recorded after frame {at} was not sent\n{heard}"));
        let expected = &sent[at..sent.len().min(at + stretch.len())];
        let differs = stretch.iter().zip(expected).position(|(recorded, sent)| recorded != sent);
        assert_eq!((differs, stretch.len()), (None, expected.len()), "a sample differs after frame {at}");
        (at, right) = (at + stretch.len(), right + stretch.len());
    }
    let expected = if goes_on { at } else { sent.len() };
    let left_out = told::<usize>(said, " skipped")
        + [" late", " dropped by the kernel"].map(|count| told::<usize>(heard, count)).iter().sum::<usize>();
    let unheard = expected - right;
    assert!(
        unheard <= left_out * PACKET_FRAMES,
        "{unheard} frames are not there, {left_out} packets were left out\n{heard}\n{said}"
    );
    assert!(right > 0 && right >= expected / 10, "hardly any of it came: {right} frames\n{heard}\n{said}");
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
