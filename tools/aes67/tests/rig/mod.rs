//! `aes67` on two hosts of one wire, `a` and `b`: see [`netns`] for what that needs. Where it is missing a test says so and passes.

use netns::{Running, Stopped, Wire as Hosts};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program under test.
const AES67: &str = env!("CARGO_BIN_EXE_aes67");

/// The two hosts, and a folder for their files.
pub(crate) struct Wire(Hosts);

impl Wire {
    /// `None`, with the reason printed, if this machine cannot do it. `tools` are programs that are needed besides.
    pub(crate) fn new(tools: &[&str]) -> Option<Self> {
        Hosts::new(&['a', 'b'], tools).inspect_err(|missing| eprintln!("skipped: {missing}")).ok().map(Self)
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

    /// Ends it as a crash does.
    pub(crate) fn kill(self) {
        self.0.signal("KILL");
        let _ = self.0.wait(10);
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
