//! The programs and libraries of others that tests use: how each is found, and which of Debian's
//! packages bring it.

use std::env::consts::ARCH;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Python that Debian's bindings are for; another one may come first in the search path.
pub const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// A program or library that is not part of this workspace.
#[derive(Debug)]
pub struct Tool {
    /// The name by which tests ask for it.
    pub name: &'static str,
    /// Debian's packages, separated by spaces.
    pub packages: &'static str,
    /// The tests and steps that need it.
    pub used_by: &'static str,
    /// It is a program of this name in the search path or in `/usr/sbin`.
    is_program: bool,
    /// What has to be there besides.
    parts: &'static [Part],
}

/// Something that has to be there.
#[derive(Debug)]
enum Part {
    /// A program in the search path or in `/usr/sbin`.
    Program(&'static str),
    /// A file or folder with this whole path.
    File(&'static str),
    /// A file below the folder of this processor's libraries, `/usr/lib/x86_64-linux-gnu`.
    Library(&'static str),
    /// Statements that [`SYSTEM_PYTHON`] runs without an error.
    Python(&'static str),
    /// A compiler with this whole path that is as new as this workspace asks for: old lists of
    /// packages have an older one.
    Compiler(&'static str),
}

/// What pipelines of GStreamer are made of here: elements of base, good and bad.
const GSTREAMER: &str = "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
    gstreamer1.0-plugins-bad python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0";
const HOSTS: &str = "hosts on one wire: interop, tests of aes67";

/// All of them. `cargo xtask test` installs what is missing where that is allowed.
pub const TOOLS: &[Tool] = &[
    program("ip", "iproute2", HOSTS),
    program("setpriv", "util-linux", HOSTS),
    program("chrt", "util-linux", "interop: peers of real-time priority"),
    program("taskset", "util-linux", "interop: watching the processors"),
    program("mount", "mount", "errors: a full disk"),
    program("timeout", "coreutils", "real_bass, public_header"),
    program("chromium", "chromium", "page: a run's page in a browser"),
    program("parallel", "parallel", "sweep: shards without a scheduler"),
    library(
        "slurm",
        "slurmctld slurmd slurm-client munge",
        &[
            Part::Program("slurmctld"),
            Part::Program("slurmd"),
            Part::Program("sbatch"),
            Part::Program("sinfo"),
            Part::Program("munged"),
        ],
        "slurm: a sweep as a task array",
    ),
    program("cc", "gcc libc6-dev", "real_bass, public_header, interop: programs that load BASS"),
    program("g++", "g++", "real_bass: the header as C++"),
    program("nm", "binutils", "exports: what the BASS libraries export"),
    library(
        "mono",
        "mono-mcs mono-runtime",
        &[Part::Program("mcs"), Part::Program("mono")],
        "public_header: a program in C#",
    ),
    program("python3", "python3", "interop, wire: senders of a few lines; public_header"),
    program("ptp4l", "linuxptp", "interop, wire: a PTP clock that is not ours"),
    program("nft", "nftables", "interop: a receiver of AirPlay's kind"),
    program("ffmpeg", "ffmpeg", "interop"),
    program("tshark", "tshark", "interop: headers on the wire"),
    program("tcpdump", "tcpdump", "interop: headers on the wire, lateness"),
    program("node", "nodejs", "interop: readers of SDP"),
    program("npm", "npm", "interop: fetches readers of SDP"),
    library(
        "gst-launch-1.0",
        GSTREAMER,
        &[
            Part::Program("gst-launch-1.0"),
            Part::Library("gstreamer-1.0/libgstaudiotestsrc.so"),
            Part::Library("gstreamer-1.0/libgstrtp.so"),
            Part::Library("gstreamer-1.0/libgstudp.so"),
            Part::Library("gstreamer-1.0/libgstsdpelem.so"),
        ],
        "interop",
    ),
    library(
        "python3-gst",
        GSTREAMER,
        &[
            Part::Library("gstreamer-1.0/libgstrtp.so"),
            Part::Python(
                "import gi; gi.require_version('GstNet', '1.0'); gi.require_version('GstRtp', '1.0'); \
                 from gi.repository import Gst, GstNet, GstRtp",
            ),
        ],
        "interop",
    ),
    library(
        "jackd",
        "jackd2 libasound2-plugins",
        &[Part::Program("jackd"), Part::Library("alsa-lib/libasound_module_pcm_jack.so")],
        "interop: a sound card where there is none",
    ),
    library(
        "pulseaudio",
        "pulseaudio pulseaudio-utils libasound2-plugins",
        &[
            Part::Program("pulseaudio"),
            Part::Program("pactl"),
            Part::Program("parec"),
            Part::Library("alsa-lib/libasound_module_pcm_pulse.so"),
        ],
        "interop: a sound server",
    ),
    library(
        "pipewire",
        "pipewire pipewire-pulse wireplumber dbus-daemon pulseaudio-utils libasound2-plugins",
        &[
            Part::Program("pipewire"),
            Part::Program("pipewire-pulse"),
            Part::Program("wireplumber"),
            Part::Program("dbus-daemon"),
            Part::Program("pactl"),
            Part::Program("parec"),
            Part::Library("alsa-lib/libasound_module_pcm_pulse.so"),
        ],
        "interop: a sound server",
    ),
    library(
        "alsa",
        "libasound2-dev pkg-config",
        &[Part::Program("pkg-config"), Part::File("/usr/include/alsa/asoundlib.h")],
        "builds aes67 with sound cards",
    ),
    library("python3-pip", "python3-pip python3", &[Part::File("/usr/lib/python3/dist-packages/pip")], "fetches BASS"),
    program("qemu-system-x86_64", "qemu-system-x86", "interop: cases in a guest"),
    program("busybox", "busybox-static", "builds the guest"),
    program("cpio", "cpio", "builds the guest"),
    program("make", "make", "builds the guest"),
    library("libsamplerate", "libsamplerate0-dev", &[Part::File("/usr/include/samplerate.h")], "peers"),
    library("libsoxr", "libsoxr-dev", &[Part::File("/usr/include/soxr.h")], "peers"),
    library("libspeexdsp", "libspeexdsp-dev", &[Part::File("/usr/include/speex/speex_resampler.h")], "peers"),
    library(
        "libzita-resampler",
        "libzita-resampler-dev",
        &[Part::File("/usr/include/zita-resampler/vresampler.h")],
        "peers",
    ),
    library(
        "rust-src",
        "rustc-web cargo-web rust-web-src",
        &[
            Part::Compiler("/usr/bin/rustc"),
            Part::File("/usr/bin/cargo"),
            Part::File("/usr/lib/rustlib/src/rust/library/std"),
        ],
        "steps macos and windows: a compiler with the sources of its library",
    ),
    library(
        "mingw",
        "gcc-mingw-w64-x86-64 g++-mingw-w64-x86-64",
        &[Part::Program("x86_64-w64-mingw32-gcc"), Part::Program("x86_64-w64-mingw32-g++")],
        "step windows, real_bass: the header",
    ),
    program("wine", "wine wine64", "real_bass: the library for Windows"),
    library("nsis", "nsis", &[Part::Program("makensis")], "windows: the installer"),
];

const fn program(name: &'static str, packages: &'static str, used_by: &'static str) -> Tool {
    Tool { name, packages, used_by, is_program: true, parts: &[] }
}

const fn library(name: &'static str, packages: &'static str, parts: &'static [Part], used_by: &'static str) -> Tool {
    Tool { name, packages, used_by, is_program: false, parts }
}

impl Tool {
    /// The tool of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| tool.name == name)
    }

    /// Whether all of it is there.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        (!self.is_program || is_program(self.name)) && self.parts.iter().all(Part::is_there)
    }
}

impl fmt::Display for Tool {
    /// What is missing, and the command that installs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not installed (Debian: apt-get install {})", self.name, self.packages)
    }
}

/// Says what is missing if a tool is not installed. A name that is not among [`TOOLS`] is that of a
/// program.
///
/// # Errors
/// With a sentence that has the command which installs it.
pub fn require(name: &str) -> Result<(), String> {
    match Tool::find(name) {
        Some(tool) if tool.is_installed() => Ok(()),
        Some(tool) => Err(tool.to_string()),
        None if is_program(name) => Ok(()),
        None => Err(format!("{name} is not installed (Debian: apt-get install {name})")),
    }
}

impl Part {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(name) => is_program(name),
            Self::File(path) => Path::new(path).exists(),
            Self::Library(path) => PathBuf::from(format!("/usr/lib/{ARCH}-linux-gnu")).join(path).exists(),
            Self::Python(statements) => {
                let done = Command::new(SYSTEM_PYTHON).args(["-c", statements]).stdin(Stdio::null()).output();
                done.is_ok_and(|done| done.status.success())
            }
            Self::Compiler(path) => {
                let told = Command::new(path).arg("--version").stdin(Stdio::null()).output();
                let told = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
                is_new_enough(&told, env!("CARGO_PKG_RUST_VERSION"))
            }
        }
    }
}

/// Whether `rustc 1.96.0 (...)` is at least the version that is needed.
fn is_new_enough(told: &str, needed: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> { text.split('.').map_while(|number| number.parse().ok()).collect() };
    let version = numbers(told.split_whitespace().nth(1).unwrap_or_default());
    !version.is_empty() && version >= numbers(needed)
}

fn is_program(name: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).chain(["/usr/sbin".into()]).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        assert_eq!(require("sh"), Ok(()));
        let missing = require("no-such-program").unwrap_err();
        assert_eq!(missing, "no-such-program is not installed (Debian: apt-get install no-such-program)");
        let ptp4l = Tool::find("ptp4l").unwrap();
        assert_eq!(ptp4l.to_string(), "ptp4l is not installed (Debian: apt-get install linuxptp)");
    }

    #[test]
    fn every_part_of_a_tool_must_be_there() {
        assert!(library("", "", &[Part::File("/usr"), Part::Program("sh")], "").is_installed());
        assert!(!library("", "", &[Part::File("/usr"), Part::File("/nowhere")], "").is_installed());
        assert!(!library("", "", &[Part::Library("nowhere.so")], "").is_installed());
        assert!(!library("", "", &[Part::Python("import no_such_module")], "").is_installed());
    }

    #[test]
    fn a_compiler_must_be_new_enough() {
        for (told, expected) in [
            ("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)", true),
            ("rustc 1.95.0", true),
            ("rustc 1.85.0 (4d91de4e4 2025-02-17)", false),
            ("rustc 2.0.0-nightly", true),
            ("", false),
        ] {
            assert_eq!(is_new_enough(told, "1.95"), expected, "{told}");
        }
        assert!(!library("", "", &[Part::Compiler("/nowhere/rustc")], "").is_installed());
    }

    #[test]
    fn names_are_not_used_twice() {
        for (n, tool) in TOOLS.iter().enumerate() {
            assert!(TOOLS[..n].iter().all(|other| other.name != tool.name), "{}", tool.name);
        }
    }
}
