//! `aes67 record`: records streams into WAV files, bit for bit.
//!
//! Model: the media timeline is recorded, on which the RTP timestamp of a frame gives its position.
//! So nothing is resampled, no clock is needed, and losses become silence of the right length. A
//! network thread places packets and passes on whole blocks; another thread writes the files,
//! because disks may be slow. PTP, if it can be followed, only provides the start time of a file.

mod capture;
mod files;
mod stamp;
mod wav;

use crate::drops;
use crate::failure::{Failure, Result};
use crate::findings::Findings;
use crate::intruders::Intruders;
use crate::options::interfaces;
use crate::priority::Hint;
use crate::ptp_options::PtpOptions;
use crate::session::{Session, print, warn};
use crate::target::{Finder, SapSources, Target};
use crate::trust::Trust;
use capture::{Block, Capture, CaptureStats};
use clap::Args;
use engine::clock::ClockReading;
use engine::receive::{Datagram, MediaClock, Refusals};
use engine::{LocalTime, SampleRate};
use files::Files;
use net::interface::Interface;
use net::ptp::PtpClient;
use net::stream::{LegConfig, LegStatus, MediaListener, MediaSink};
use net::timeline::Timeline;
use stamp::Anchor;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use wav::Layout;

const EXAMPLES: &str = "\
Examples:
  aes67 record studio.sdp --output take.wav
  aes67 record \"Studio 1\" --interface eth0 --output day.wav --split 60
  aes67 record \"Studio 1\" \"Studio 2\" --output evening.wav         evening-Studio_1.wav, evening-Studio_2.wav
  aes67 record \"aes67://239.69.0.1:5004?channels=2\" --seconds 10 --output ten.wav

A file that is split goes on in day-002.wav and so on. One that grows beyond 4 GiB becomes RF64. Each is brought up to date every second: a crash loses
no more than that. While the sender is away there is silence, so that a recording is as long as it took. The time of its first frame is in its bext chunk, in UTC: by PTP if the stream is on it and PTP's ports are free, else by the system's clock.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecordArguments {
    /// SDP files, aes67://, rtp:// or rtsp:// URLs, or names of announced streams; ?interface=IF
    /// and other options may follow, and #2 for the second stream of a description
    #[arg(required = true, value_name = "STREAM")]
    streams: Vec<String>,

    /// The WAV file to write; with several streams their names are added to it
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Network interface, by name, address or index (`aes67 interfaces`); twice for the two legs of
    /// a redundant stream. A stream's own ?interface=IF goes before it
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,

    /// Listen to announcements on this group, too; several times for several groups
    #[arg(long, value_name = "GROUP")]
    sap_group: Vec<Ipv4Addr>,

    #[command(flatten)]
    sap_sources: SapSources,

    /// Begin a new file after this many minutes of audio
    #[arg(long, value_name = "MINUTES", alias = "split-minutes")]
    split: Option<f64>,

    /// Overwrite existing files
    #[arg(long)]
    overwrite: bool,

    #[command(flatten)]
    ptp: PtpOptions,
    /// Which one counts if the packets contradict the description
    #[arg(long, value_enum, default_value = "description")]
    trust: Trust,

    /// Take the files' times from the system's clock, and do not use PTP
    #[arg(long, conflicts_with = "domain")]
    no_ptp: bool,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

pub(crate) fn run(arguments: &RecordArguments) -> Result<ExitCode> {
    let mut session = Session::start(arguments.seconds)?.kept_awake();
    let interface = arguments.interface.first().map(String::as_str);
    let finder =
        Finder { interface, sap_groups: &arguments.sap_group, sap_sources: &arguments.sap_sources, session: &session };
    let targets: Vec<Vec<Target>> = arguments.streams.iter().map(|text| finder.find(text)).collect::<Result<_>>()?;
    let mut targets = targets.concat();
    for target in &mut targets {
        let legs = LegConfig::of(&target.stream, &interfaces(&arguments.interface, target)?)?;
        arguments.trust.apply(target, &legs, &session)?;
    }
    let mut takes = Vec::new();
    for (target, path) in targets.iter().zip(paths(&arguments.output, &targets)) {
        takes.push(Take::start(arguments, target, &path)?);
        print(&format!("recording {} to {}", target.describe(), path.display()));
    }
    // The command continues if nobody reads its output, because the recording is more important
    // than the progress report.
    let (mut done, mut hint) = (Ok(()), Hint::default());
    while done.is_ok() && session.goes_on_unread() {
        done = takes.iter_mut().try_for_each(Take::write);
        if done.is_ok() && session.second_is_over() {
            done = takes.iter_mut().try_for_each(Take::keep_valid);
            let news: Vec<String> = takes.iter_mut().flat_map(Take::news).collect();
            let dropped = takes.iter().map(Take::dropped).sum();
            if let Some(listener) = takes.iter().find_map(|take| take.listener.as_ref()) {
                hint.look(&mut session, dropped, || listener.scheduling());
            }
            news.iter().for_each(|sentence| session.tell(format_args!("{sentence}")));
            let lines: Vec<String> = takes.iter().map(Take::line).collect();
            session.show_all(&lines);
        }
    }
    session.end_line();
    let shared: Vec<_> = takes.iter().map(|take| Arc::clone(&take.shared)).collect();
    // If one recording cannot be finished, the others are finished nevertheless.
    for take in takes {
        done = take.finish().and(done);
    }
    done?;
    nothing_recorded(&shared).map_or(Ok(ExitCode::SUCCESS), |reason| Err(Failure::run(reason)))
}

/// Why nothing was recorded, if no packet of any stream was received.
fn nothing_recorded(takes: &[Arc<Mutex<Shared>>]) -> Option<String> {
    let mut refusals = Refusals::default();
    for shared in takes {
        let stats = shared.lock().unwrap_or_else(PoisonError::into_inner).stats;
        if stats.packets > 0 {
            return None;
        }
        refusals.add(&stats.refusals);
    }
    let why = if refusals.total() == 0 { "no packet has come".to_owned() } else { refusals.to_string() };
    Some(format!("nothing was recorded: {why}"))
}

/// The file for each stream: the requested one or, for several streams, one with the stream's name
/// added.
fn paths(output: &Path, targets: &[Target]) -> Vec<PathBuf> {
    if targets.len() == 1 {
        return vec![output.to_owned()];
    }
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    let mut names: Vec<String> = Vec::new();
    for target in targets {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' };
        let name: String = target.name.chars().map(plain).collect();
        let taken = names.iter().filter(|other| **other == name || other.starts_with(&format!("{name}+"))).count();
        names.push(if taken == 0 { name } else { format!("{name}+{}", taken + 1) });
    }
    names.iter().map(|name| output.with_file_name(format!("{stem}-{name}.wav"))).collect()
}

/// Maximum length of a file, in frames.
fn max_frames(split_minutes: Option<f64>, rate: SampleRate) -> Result<u64> {
    let Some(minutes) = split_minutes else { return Ok(u64::MAX) };
    let frames = minutes * 60.0 * f64::from(rate.as_hz());
    if frames >= 1.0 {
        return Ok(frames as u64);
    }
    Err(Failure::input(format!("--split is {minutes}: right would be more than 0, in minutes")))
}

/// State that the network thread shares with the writer.
#[derive(Default)]
struct Shared {
    stats: CaptureStats,
    legs: Vec<LegStatus>,
    anchor: Option<Anchor>,
}

/// The recording of one stream.
struct Take {
    name: String,
    findings: Findings,
    intruders: Intruders,
    files: Files,
    blocks: Receiver<Block>,
    shared: Arc<Mutex<Shared>>,
    /// `None` after the recording has ended.
    listener: Option<MediaListener>,
}

impl Take {
    fn start(arguments: &RecordArguments, target: &Target, path: &Path) -> Result<Self> {
        let interfaces = interfaces(&arguments.interface, target)?;
        let legs = LegConfig::of(&target.stream, &interfaces)?;
        let format = target.stream.format;
        let max_frames = max_frames(arguments.split, format.sample_rate())?;
        let (sender, blocks) = channel();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let ptp = ptp_client(arguments, target, &interfaces[0])?;
        let sink = Sink {
            capture: Capture::new(target.described()),
            rate: format.sample_rate(),
            media_clock: target.stream.relation(),
            ptp: ptp.clone(),
            blocks: sender,
            shared: Arc::clone(&shared),
        };
        let listener = Some(MediaListener::start(&legs, ptp.map(Timeline::Ptp), sink)?);
        // The file is created last, so that a recording that cannot begin leaves no file behind.
        let files = Files::create(path, Layout::new(format, &target.name), max_frames, arguments.overwrite)?;
        let (name, findings, intruders) = (target.name.clone(), Findings::default(), Intruders::default());
        Ok(Self { name, findings, intruders, files, blocks, shared, listener })
    }

    fn write(&mut self) -> Result<()> {
        let anchor = self.anchor();
        self.blocks.try_iter().try_for_each(|block| self.files.write(&block, anchor.as_ref()))
    }

    fn anchor(&self) -> Option<Anchor> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).anchor.clone()
    }

    fn keep_valid(&mut self) -> Result<()> {
        let anchor = self.anchor();
        self.files.keep_valid(anchor.as_ref())
    }

    /// New findings about the packets, and warnings about other senders.
    fn news(&mut self) -> Vec<String> {
        let stats = self.shared.lock().unwrap_or_else(PoisonError::into_inner).stats;
        let intruders = self.intruders.look(net::clock::now(), stats.intruders());
        let intruders = intruders.into_iter().map(|sentence| format!("warning: {}: {sentence}", self.name));
        self.findings.look(&self.name, stats.finding).into_iter().chain(intruders).collect()
    }

    fn finish(mut self) -> Result<()> {
        // Dropping the listener passes on all frames that are still waiting.
        drop(self.listener.take());
        let written = self.write();
        self.news().iter().for_each(|sentence| print(sentence));
        let anchor = self.anchor();
        let finished = written.and(self.files.finish(anchor.as_ref()));
        print(&self.line());
        finished
    }

    /// Number of datagrams that the kernel dropped.
    fn dropped(&self) -> u64 {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.legs.iter().map(|leg| leg.socket.dropped).sum()
    }

    fn line(&self) -> String {
        let dropped = self.dropped();
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let stats = &shared.stats;
        format!(
            "{:.1} s in {}: {} packets, {} frames missing in {} gaps, {} late, {}{}, {} restarts",
            self.files.seconds(),
            self.files.current().display(),
            stats.packets,
            stats.missing_frames,
            stats.gaps,
            stats.late_packets,
            stats.refusals,
            drops::told(dropped),
            stats.restarts,
        )
    }
}

/// Returns a PTP client if possible. A recording does not need PTP: without it, the start time is
/// read from the system clock.
fn ptp_client(arguments: &RecordArguments, target: &Target, interface: &Interface) -> Result<Option<Arc<PtpClient>>> {
    let on_ptp = matches!(target.stream.relation(), MediaClock::Ptp { .. });
    if arguments.no_ptp || !on_ptp {
        return Ok(None);
    }
    let client = PtpClient::shared(arguments.ptp.slave(interface, target.domain)?);
    Ok(client
        .inspect_err(|error| warn(format_args!("warning: times are the system clock's, without PTP: {error}")))
        .ok())
}

struct Sink {
    capture: Capture,
    rate: SampleRate,
    media_clock: MediaClock,
    ptp: Option<Arc<PtpClient>>,
    blocks: Sender<Block>,
    shared: Arc<Mutex<Shared>>,
}

impl Sink {
    fn pass_on(&mut self) {
        while let Some(block) = self.capture.poll_block() {
            // This fails only if the writer has ended with an error, which it reports itself.
            let _ = self.blocks.send(block);
        }
    }

    /// Returns an anchor once for each timeline, and again when it can be determined from PTP.
    fn anchor(&self, known: Option<&Anchor>, clock: Option<&ClockReading>) -> Option<Anchor> {
        let (timeline, frame, at) = self.capture.newest()?;
        let status = self.ptp.as_ref().map(|ptp| ptp.status());
        let ptp = status.as_deref().zip(clock.filter(|clock| clock.state.is_usable()));
        let final_one = known.is_some_and(|known| known.timeline == timeline && (known.by_ptp || ptp.is_none()));
        (!final_one).then(|| Anchor::new(timeline, frame, at, self.rate, self.media_clock, ptp))
    }
}

impl MediaSink for Sink {
    fn handle_datagram(&mut self, datagram: Datagram<'_>) {
        self.capture.handle(datagram);
        self.pass_on();
    }

    fn handle_idle(&mut self, until: LocalTime, clock: Option<&ClockReading>, legs: &[LegStatus]) {
        self.capture.handle_idle(until);
        self.pass_on();
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.stats = *self.capture.stats();
        legs.clone_into(&mut shared.legs);
        if let Some(anchor) = self.anchor(shared.anchor.as_ref(), clock) {
            shared.anchor = Some(anchor);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.capture.finish();
        self.pass_on();
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).stats = *self.capture.stats();
    }
}
