//! `aes67 record`: a stream into WAV files, bit for bit.
//!
//! Model: the media timeline is what is recorded: every frame has its place by its RTP timestamp, so nothing is resampled, no clock is needed, and what is lost is silence of
//! the right length. The network thread places packets and passes whole blocks on; files are written by another thread, because disks make one wait.

mod capture;
mod file;

use crate::failure::{Failure, Result};
use crate::session::{Session, print};
use crate::target::Target;
use capture::{Capture, CaptureStats};
use clap::Args;
use engine::clock::ClockReading;
use engine::receive::Leg;
use engine::{LocalTime, Nanos};
use file::{Files, Layout};
use net::interface::Interface;
use net::stream::{LegConfig, LegStatus, MediaListener, MediaSink};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

const EXAMPLES: &str = "\
Examples:
  aes67 record studio.sdp --output take.wav
  aes67 record 'Studio 1' --interface eth0 --output day.wav --split-minutes 60
  aes67 record 'aes67://239.69.0.1:5004?channels=2' --seconds 10 --output ten.wav

A file that is split goes on in day-002.wav and so on; that is also done at 4 GiB, the most that a WAV file holds.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecordArguments {
    /// An SDP file, an aes67:// URL, or the name of an announced stream
    stream: String,

    /// The WAV file to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Network interface, by name or address; twice for the two legs of a redundant stream
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,

    /// Begin a new file after this many minutes of audio
    #[arg(long, value_name = "MINUTES")]
    split_minutes: Option<f64>,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

/// What the network thread passes on.
#[derive(Default)]
struct Shared {
    stats: CaptureStats,
    legs: Vec<LegStatus>,
}

pub(crate) fn run(arguments: &RecordArguments) -> Result<ExitCode> {
    let mut session = Session::start(arguments.seconds)?;
    let target = Target::find(&arguments.stream, arguments.interface.first().map(String::as_str), &session)?;
    let legs = LegConfig::of(&target.stream, &interfaces(&arguments.interface, &target)?)?;
    let layout = Layout::new(target.stream.format, arguments.split_minutes)?;
    let mut files = Files::create(&arguments.output, layout)?;
    print(&format!("recording {}", target.describe()));
    let (blocks, written) = channel();
    let shared = Arc::new(Mutex::new(Shared::default()));
    let capture = Capture::new(target.stream.format, target.payload_type);
    let sink = Sink { capture, blocks, shared: Arc::clone(&shared) };
    let listener = MediaListener::start(&legs, None, sink)?;
    while session.goes_on() {
        write_all(&written, &mut files)?;
        if session.second_is_over() {
            files.keep_valid()?;
            session.show(&line(&shared, &files));
        }
    }
    // Its end lets go of what still waits.
    drop(listener);
    write_all(&written, &mut files)?;
    session.end_line();
    print(&line(&shared, &files));
    files.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Those that were asked for, that of the URL, or the only one.
pub(crate) fn interfaces(wanted: &[String], target: &Target) -> Result<Vec<Interface>> {
    if wanted.is_empty() {
        return Ok(vec![Interface::find(target.interface.as_deref())?]);
    }
    wanted.iter().map(|name| Ok(Interface::find(Some(name))?)).collect()
}

fn write_all(blocks: &Receiver<Vec<i32>>, files: &mut Files) -> Result<()> {
    blocks.try_iter().try_for_each(|block| files.write(&block))
}

fn line(shared: &Mutex<Shared>, files: &Files) -> String {
    let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let stats = &shared.stats;
    let dropped: u64 = shared.legs.iter().map(|leg| leg.socket.dropped).sum();
    format!(
        "{:.1} s in {}: {} packets, {} frames missing in {} gaps, {} late, {} refused, {} dropped by the kernel, {} restarts",
        files.seconds(),
        files.current().display(),
        stats.packets,
        stats.missing_frames,
        stats.gaps,
        stats.late_packets,
        stats.refused,
        dropped,
        stats.restarts,
    )
}

struct Sink {
    capture: Capture,
    blocks: Sender<Vec<i32>>,
    shared: Arc<Mutex<Shared>>,
}

impl Sink {
    fn pass_on(&mut self) {
        while let Some(block) = self.capture.poll_block() {
            // Whoever writes has ended with an error of its own.
            let _ = self.blocks.send(block);
        }
    }
}

impl MediaSink for Sink {
    fn handle_datagram(&mut self, _leg: Leg, at: LocalTime, datagram: &[u8]) {
        self.capture.handle_datagram(at, datagram);
        self.pass_on();
    }

    fn handle_pause(&mut self, _now: LocalTime, _clock: Option<&ClockReading>, legs: &[LegStatus]) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.stats = *self.capture.stats();
        legs.clone_into(&mut shared.legs);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.capture.finish();
        self.pass_on();
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).stats = *self.capture.stats();
    }
}

/// `--seconds` and the like, as a duration.
pub(crate) fn duration_ms(option: &str, ms: f64) -> Result<Nanos> {
    if ms > 0.0 && ms <= 10_000.0 {
        return Ok(Nanos::from_secs_f64(ms / 1e3));
    }
    Err(Failure::input(format!("{option} is {ms}: right would be more than 0 and at most 10000, in ms")))
}
