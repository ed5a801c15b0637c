//! What tests of the libraries in the real BASS work with.

use engine::rtp::format::{Encoding, StreamFormat};
use engine::send::SenderConfig;
use engine::{Frames, SampleRate};
use net::interface::Interface;
use net::send::{Outgoing, SenderClock, StreamSender};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The tests share the loopback interface and PTP's ports.
static ALONE: Mutex<()> = Mutex::new(());

/// Keeps other tests of this program waiting.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// BASS; `None` if it is not there: the test was told to be skipped then, and has to return.
pub(crate) fn find_bass() -> Option<PathBuf> {
    // Cargo's target folder is three above `target/debug/deps/real_bass-...`.
    let own = std::env::current_exe().expect("a program");
    let fetched = own.ancestors().nth(3).expect("cargo's folders").join("bass/libbass.so");
    let bass = std::env::var_os("BASS").map_or(fetched, PathBuf::from);
    if bass.is_file() {
        return Some(bass);
    }
    skips::tell(format_args!("there is no {} (cargo xtask bass-fetch gets it, or BASS names it)", bass.display()));
    None
}

/// A library beside this program, because cargo builds it for this test; the folder above may hold
/// an older one.
pub(crate) fn find_library(name: &str) -> PathBuf {
    let library = std::env::current_exe().expect("a program").with_file_name(name);
    assert!(library.is_file(), "cargo has built no {}", library.display());
    library
}

/// Compiles a program of `tests/c`.
pub(crate) fn compile(source: &str, program: &Path) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-I"]).arg(&sources).arg("-o").arg(program);
    let compiled = compiler.arg(sources.join(source)).arg("-ldl").status();
    assert!(compiled.expect("cc runs").success(), "{source} does not compile");
}

/// `None` if one of these tools is missing: the test was told to be skipped then, and has to
/// return.
pub(crate) fn require(tools: &[&str]) -> Option<()> {
    tools.iter().try_for_each(|tool| netns::require(tool)).inspect_err(|missing| skips::tell(missing)).ok()
}

/// `None` if PTP's ports are refused to this program: the test was told to be skipped then, and has
/// to return.
pub(crate) fn may_use_ptp() -> Option<()> {
    match std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 319)) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            skips::tell("PTP's ports are refused to this program: they take root or cap_net_bind_service");
            None
        }
        // Another program that uses it shares it.
        _ => Some(()),
    }
}

/// The sample of a frame: 24 bits that look like noise, and tell the frame from those around it.
pub(crate) fn sample(frame: i64, channel: i64) -> i32 {
    let mixed = (frame * 2 + channel).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64);
    (mixed >> 40) as i32
}

/// A stream of such samples.
pub(crate) struct Sent {
    _sender: StreamSender,
    /// The newest frame that was asked for.
    pub(crate) newest: Arc<AtomicI64>,
}

/// Sends such a stream.
pub(crate) fn send(group: [u8; 4], encoding: Encoding) -> Sent {
    send_as(1, group, encoding)
}

/// The same as another source.
pub(crate) fn send_as(seed: u64, group: [u8; 4], encoding: Encoding) -> Sent {
    let format = StreamFormat::new(encoding, SampleRate::HZ_48000, 2).expect("a format");
    let config = SenderConfig::new(format, (group, 5004).into(), seed);
    let interface = Interface::find(Some("127.0.0.1")).expect("loopback");
    let newest = Arc::new(AtomicI64::new(0));
    let told = Arc::clone(&newest);
    let source = move |first: Frames, out: &mut [f32]| {
        told.store(first.get(), Ordering::Relaxed);
        for (n, out) in out.iter_mut().enumerate() {
            *out = sample(first.get() + n as i64 / 2, n as i64 % 2) as f32 / 8_388_608.0;
        }
    };
    let stream = Outgoing { ttl: 1, ..Outgoing::new(config, source) };
    let sender = StreamSender::start(vec![stream], &[interface], SenderClock::System).expect("a sender");
    // By then the sender has looked for a clock that somebody disciplines, and goes by this
    // computer's crystal.
    std::thread::sleep(Duration::from_millis(2500));
    Sent { _sender: sender, newest }
}
