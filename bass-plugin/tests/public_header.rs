//! Programs as they were written for the public headers of `bass_aes67` and `bass_ptp`, in C, C#
//! and Python: each calls every function of them once at least, in the real BASS.
//!
//! They find a PTP master and a stream on the loopback interface, which this is. What is missing
//! here (BASS, a compiler, PTP's ports) is told, and the test counted as skipped.
#![cfg(target_os = "linux")]

#[path = "bench/mod.rs"]
mod bench;

use bench::{Sent, alone, compile, find_bass, find_library, may_use_ptp, require, send};
use engine::rtp::format::Encoding;
use net::interface::Interface;
use net::ptp::{PtpClient, PtpConfig};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use tempfile::TempDir;

/// What the programs find: the libraries by name, a stream and a master.
struct Bench {
    _alone: MutexGuard<'static, ()>,
    folder: TempDir,
    sent: Sent,
    _master: Arc<PtpClient>,
    number: u8,
}

impl Bench {
    /// `None` if something is missing here: the test was told to be skipped then, and has to
    /// return. The number tells the streams and domains of tests apart.
    fn new(number: u8, tools: &[&str]) -> Option<Self> {
        let alone = alone();
        let bass = find_bass()?;
        require(tools)?;
        may_use_ptp()?;
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        for library in [bass, find_library("libbass_aes67.so"), find_library("libbass_ptp.so")] {
            let name = library.file_name().expect("a file").to_owned();
            std::fs::copy(&library, folder.path().join(name)).expect("a copy of a library");
        }
        let loopback = Interface::find(Some("127.0.0.1")).expect("loopback");
        let master = PtpClient::shared(PtpConfig::master(loopback, number)).expect("a master");
        let sent = send([239, 69, 7, number], Encoding::L24);
        Some(Self { _alone: alone, folder, sent, _master: master, number })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a program with what all of them take; the libraries are found by their names.
    fn run(&self, program: &[&Path]) {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "180"]).args(program).args(["libbass.so", "libbass_aes67.so", "libbass_ptp.so"]);
        command.args(self.arguments()).current_dir(self.folder.path()).env("LD_LIBRARY_PATH", self.folder.path());
        self.finish(command);
    }

    /// URL, group, interface and domain.
    fn arguments(&self) -> [String; 4] {
        let number = self.number;
        let url = format!("aes67://239.69.7.{number}:5004?iface=127.0.0.1&payload=96&jitter=20&ch=2&samplerate=48000");
        [url, format!("239.69.8.{number}"), "127.0.0.1".to_owned(), number.to_string()]
    }

    fn finish(&self, mut command: Command) {
        let done = command.output().expect("timeout runs");
        let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{command:?}: {:?}\n{out}{errors}", done.status.code());
        assert_eq!(out.lines().last(), Some("public=ok"), "{out}{errors}");
        assert!(self.sent.newest.load(Ordering::Relaxed) > 0, "the stream has flowed");
    }
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

#[test]
fn a_program_in_c_runs_unchanged() {
    let Some(bench) = Bench::new(61, &["cc", "timeout"]) else { return };
    let program = bench.path("public");
    compile("public.c", &program);
    bench.run(&[&program]);
}

#[test]
fn a_program_may_unload_bass_ptp_and_end_while_it_runs() {
    let Some(bench) = Bench::new(65, &["cc", "timeout"]) else { return };
    let program = bench.path("public");
    compile("public.c", &program);
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "60"]).arg(&program).args(["./libbass_ptp.so", "127.0.0.1", "65"]);
    command.current_dir(bench.folder.path());
    bench.finish(command);
}

#[test]
fn a_program_in_csharp_runs_unchanged() {
    let Some(bench) = Bench::new(62, &["mono", "timeout"]) else { return };
    let program = bench.path("public.exe");
    let compiled = Command::new("mcs")
        .arg("-warnaserror")
        .arg(source("csharp/Public.cs"))
        .arg(format!("-out:{}", program.display()))
        .output();
    let compiled = compiled.expect("mcs runs");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    bench.run(&[Path::new("mono"), &program]);
}

#[test]
fn a_program_in_python_runs_unchanged() {
    let Some(bench) = Bench::new(63, &["python3", "timeout"]) else { return };
    bench.run(&[Path::new("python3"), &source("python/public.py")]);
}

/// `cargo xtask windows --test` builds a folder with the program in C and the libraries for
/// Windows, and names it.
#[test]
fn a_program_in_c_runs_unchanged_under_wine() {
    let Some(folder) = std::env::var_os("BASS_AES67_WINE").map(PathBuf::from) else {
        return skips::tell(
            "`cargo xtask windows --test`, or step windows of `cargo xtask test`, builds what this needs",
        );
    };
    let Some(bench) = Bench::new(64, &["wine", "timeout"]) else { return };
    let mut wine = Command::new("timeout");
    wine.args(["-k", "5", "240", "wine", "public.exe", "bass.dll", "bass_aes67.dll", "bass_ptp.dll"]);
    wine.args(bench.arguments()).current_dir(&folder);
    wine.env("WINEDEBUG", "-all").env("WINEPREFIX", folder.join("prefix-public"));
    bench.finish(wine);
}
