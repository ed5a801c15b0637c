//! A scenario from file to reports: all receivers in parallel, then pictures, tables and verdicts.

mod attacks;
mod budget;
mod folder;
mod incidents;
mod listening;
mod mutants;
mod sounds;
mod summary;

pub use budget::{Budget, Cost, TooLarge};
pub use folder::{claim_folder, folder_name};
pub use mutants::{Fate, MutantOutcome, engines, mutant_outcomes, pairs, render_mutants};
pub use sounds::SoundError;
pub use summary::{FileSummary, ReceiverSummary, SUMMARY_VERSION, Summary};

use crate::check::{CrackleReport, Evidence, Judgement, Listening, stability_of};
use crate::models::MediaTimeline;
use crate::receivers::{Factory, Slot};
use crate::record::{Recording, RunTrace, TraceEvent};
use crate::report::{self, ReportError, Story};
use crate::scenario::{
    Audio, AudioChain, Expectation, FaultKind, Jitter, Loaded, MediaLeg, MonotonicClock, Receiver, Scenario, Stream,
    Surroundings, TalkerRestart,
};
use crate::world::{
    Capture, CaptureError, Control, Outcome, RunError, World, card_clock, excerpt, reference, scaled, target_latency,
};
use engine::ptp::wire::ClockIdentity;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use thiserror::Error;

/// Name of the reference's WAV file.
const REFERENCE: &str = "reference";

/// True time and a WAV file's time, both in s, in order.
type WavTimes = Vec<(f64, f64)>;

/// A scenario was not run to the end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The folder for the reports cannot be made.
    #[error("{path}: the folder for the reports cannot be made: {source}; give another with --reports", path = .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder for the reports is another scenario's.
    #[error("{folder} belongs to another scenario of that name, {owner}: give another folder with --reports, or delete this one", folder = .folder.display(), owner = .owner.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// The other scenario's file.
        owner: PathBuf,
    },
    /// The file that says which scenario a folder belongs to cannot be written or read.
    #[error("{path}: {source}; give another folder with --reports, or delete this one", path = .path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A receiver's run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A WAV file could not be written or read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A WAV file could not be completed.
    #[error(transparent)]
    Sound(#[from] SoundError),
    /// A report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// `summary.json` could not be written.
    #[error("{path}: {source}", path = .path.display())]
    Summary {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The result of a scenario.
#[derive(Debug)]
pub struct Session {
    /// Everything that is in `summary.json`.
    pub summary: Summary,
    /// The trace of all receivers.
    pub trace: RunTrace,
    /// Whether it was stopped before its end, in which case nothing was judged.
    pub cancelled: bool,
}

/// One receiver's outcome, and what was heard from it.
struct Played {
    outcome: Outcome,
    /// Nominal rate of its card; 0 if there is none.
    card_rate_hz: u32,
    /// What was heard; `None` if the audio was not judged.
    heard: Option<Listening>,
}

/// Where the files of a run go, and which.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The folder, which is made if need be.
    pub folder: &'a Path,
    /// Whether pictures and the page are made. WAV files, `trace.csv` and `summary.json` are
    /// written in any case.
    pub pictures: bool,
}

/// Runs a scenario; with a folder, WAV files, pictures, `trace.csv` and `summary.json` are written
/// into it.
///
/// # Errors
/// If a file cannot be written, or an invariant was violated.
pub fn run(loaded: &Loaded, folder: Option<&Path>, control: &Control) -> Result<Session, SessionError> {
    run_with(loaded, folder.map(|folder| Output { folder, pictures: true }), control, &|slot| slot.built_in())
}

/// Runs a scenario, and writes the files that are wanted.
///
/// # Errors
/// If a file cannot be written, or an invariant was violated.
pub fn run_into(loaded: &Loaded, output: Output<'_>, control: &Control) -> Result<Session, SessionError> {
    run_with(loaded, Some(output), control, &|slot| slot.built_in())
}

/// Runs a scenario with receivers of any make, and writes the files that are wanted. See
/// [`receivers`](crate::receivers) for an example.
///
/// # Errors
/// If a file cannot be written, a receiver cannot be made or fails, or an invariant was violated.
pub fn run_with(
    loaded: &Loaded,
    output: Option<Output<'_>>,
    control: &Control,
    make: &Factory<'_>,
) -> Result<Session, SessionError> {
    let folder = output.map(|output| output.folder);
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(|source| SessionError::Folder { path: folder.to_owned(), source })?;
    }
    let receivers = loaded.scenario.receivers.len();
    let (played, rendered) = rayon::join(
        || {
            (0..receivers)
                .into_par_iter()
                .map(|index| play(loaded, index, folder, control, make))
                .collect::<Result<Vec<_>, _>>()
        },
        || {
            let wanted = references(loaded).into_par_iter();
            wanted.map(|wanted| render_reference(loaded, &wanted, folder, control)).collect::<Result<Vec<_>, _>>()
        },
    );
    let references = rendered?.into_iter().flatten().collect();
    let mut played = played?;
    let cancelled = played.iter().any(|played| played.outcome.cancelled);
    for (played, receiver) in played.iter_mut().zip(&loaded.scenario.receivers) {
        played.heard = listening::listen(loaded, receiver, &mut played.outcome);
        played.outcome.recording.stability = stability_of(&played.outcome.recording);
        let wavs = kept(folder, loaded);
        if let (Some(folder), Some(heard)) = (wavs, played.outcome.heard.clone()) {
            cut_excerpt(receiver, loaded, folder, played, &heard)?;
        }
    }
    let judgements = if cancelled { Vec::new() } else { judge(loaded, &played) };
    let summary = Summary::new(loaded, &played, judgements, cancelled);
    let trace = trace_of(loaded, &mut played);
    if let Some(output) = output {
        write(loaded, output, &summary, &trace, &played, references)?;
    }
    Ok(Session { summary, trace, cancelled })
}

/// Writes everything but the samples of the WAV files, which are there already.
fn write(
    loaded: &Loaded,
    Output { folder, pictures }: Output<'_>,
    summary: &Summary,
    trace: &RunTrace,
    played: &[Played],
    references: Vec<(String, WavTimes)>,
) -> Result<(), SessionError> {
    let sounds = match kept(Some(folder), loaded) {
        Some(folder) => sounds::complete(loaded, trace, played, references, folder, pictures)?,
        None => Vec::new(),
    };
    if pictures {
        report::write_all(trace, folder)?;
        let glitches: Vec<_> =
            played.iter().map(|one| one.heard.as_ref().map(|heard| heard.glitches.as_slice())).collect();
        let command = command_of(loaded, &portable(&loaded.path), None);
        let (files, sounds) = (&loaded.files, &sounds);
        report::write_page(&Story { summary, files, trace, glitches: &glitches, sounds, command: &command }, folder)?;
    } else {
        report::remove_pictures(folder)?;
    }
    report::write_csv(trace, folder)?;
    report::note_history(summary, &loaded.path, folder)?;
    let path = folder.join("summary.json");
    report::write_atomically(&path, summary.json()).map_err(|source| SessionError::Summary { path, source })
}

/// The command that repeats a run, to be pasted into a shell; with a folder for the reports unless
/// it is the usual one.
#[must_use]
pub fn command(loaded: &Loaded, reports: Option<&Path>) -> String {
    command_of(loaded, &loaded.path, reports)
}

/// The path of a scenario as a page shows it, whose bytes are the same in any folder: from where
/// the program was started, or the name alone of a file elsewhere.
fn portable(path: &Path) -> PathBuf {
    if path.is_relative() {
        return path.to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).ok().or(path.file_name().map(Path::new)).unwrap_or(path).to_owned()
}

fn command_of(loaded: &Loaded, path: &Path, reports: Option<&Path>) -> String {
    let mut words = vec![path.display().to_string()];
    if let Some(reports) = reports.filter(|reports| *reports != Path::new("reports")) {
        words.extend(["--reports".to_owned(), reports.display().to_string()]);
    }
    for assignment in &loaded.overrides {
        words.extend(["--set".to_owned(), assignment.clone()]);
    }
    if !loaded.overrides.iter().any(|assignment| assignment.starts_with("seed=")) {
        words.extend(["--seed".to_owned(), loaded.scenario.seed.to_string()]);
    }
    words.iter().fold("cargo run -p sim --".to_owned(), |command, word| command + " " + &quoted(word))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Where WAV files go, if they are kept.
fn kept<'a>(folder: Option<&'a Path>, loaded: &Loaded) -> Option<&'a Path> {
    folder.filter(|_| loaded.scenario.record.audio == Audio::Full)
}

fn wav_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.wav"))
}

/// A capture of what a receiver plays, or of its reference. It is written to a file only if there
/// is a folder.
fn capture(
    loaded: &Loaded,
    chain: &AudioChain<'_>,
    folder: Option<&Path>,
    name: &str,
    listen: Option<&Stream>,
) -> Result<Capture, CaptureError> {
    let (scenario, &AudioChain { talker, card, .. }) = (&loaded.scenario, chain);
    let latency = target_latency(chain);
    let mut timeline = MediaTimeline::new(talker, scenario);
    let scale = f64::from(card.sample_rate_hz.get()) / f64::from(talker.sample_rate_hz.get());
    let start = scaled(timeline.position_at(-latency.as_nanos()), scale).frame();
    let listen = listen.map(|stream| (stream.source_at(card.sample_rate_hz.rate()), start));
    let path = folder.map(|folder| wav_path(folder, name));
    let file = path.as_deref().map(|path| (path, scenario.record.wav_bits));
    Capture::create(file, talker.channels, card.sample_rate_hz.get(), listen)
}

/// One receiver's run without files, and what was heard from it.
pub(crate) fn live(
    loaded: &Loaded,
    index: usize,
    control: &Control,
) -> Result<(Outcome, Option<Listening>), SessionError> {
    let Played { mut outcome, .. } = play(loaded, index, None, control, &|slot| slot.built_in())?;
    let heard = listening::listen(loaded, &loaded.scenario.receivers[index], &mut outcome);
    Ok((outcome, heard))
}

fn play(
    loaded: &Loaded,
    index: usize,
    folder: Option<&Path>,
    control: &Control,
    make: &Factory<'_>,
) -> Result<Played, SessionError> {
    let receiver = &loaded.scenario.receivers[index];
    let name = receiver.name.as_ref();
    let folder = kept(folder, loaded);
    let listens = folder.is_some() || loaded.scenario.record.audio == Audio::Heard;
    let capture = match audible(loaded, &loaded.scenario.surroundings_of(receiver)).filter(|_| listens) {
        Some((chain, stream)) => Some(capture(loaded, &chain, folder, name, Some(stream))?),
        None => None,
    };
    let outcome = World::with(loaded, index, make(&Slot::new(loaded, index))?, capture)?.run(control)?;
    let card_rate_hz =
        loaded.scenario.surroundings_of(receiver).chain.map_or(0, |chain| chain.card.sample_rate_hz.get());
    Ok(Played { outcome, card_rate_hz, heard: None })
}

/// The audio chain and its stream, if the audio is to be judged.
fn audible<'a>(loaded: &'a Loaded, surroundings: &Surroundings<'a>) -> Option<(AudioChain<'a>, &'a Stream)> {
    surroundings.chain.zip(loaded.stream.as_ref()).filter(|_| loaded.scenario.record.audio != Audio::None)
}

/// Name of the reference that a receiver's audio is compared with: the scenario's, or its own if
/// its surroundings require a different one.
fn reference_name(receiver: &Receiver, surroundings: &Surroundings<'_>) -> String {
    // No receiver's name has a dot.
    if surroundings.has_own_reference() { format!("{}.{REFERENCE}", receiver.name.as_ref()) } else { REFERENCE.into() }
}

/// All references that receivers are compared with, each once.
fn references(loaded: &Loaded) -> BTreeMap<String, Surroundings<'_>> {
    let receivers = loaded.scenario.receivers.iter();
    receivers
        .map(|receiver| {
            let surroundings = loaded.scenario.surroundings_of(receiver);
            (reference_name(receiver, &surroundings), surroundings)
        })
        .collect()
}

fn render_reference(
    loaded: &Loaded,
    (name, surroundings): &(String, Surroundings<'_>),
    folder: Option<&Path>,
    control: &Control,
) -> Result<Option<(String, WavTimes)>, SessionError> {
    let scenario = &loaded.scenario;
    let folder = kept(folder, loaded);
    let Some((folder, (chain, stream))) = folder.zip(audible(loaded, surroundings)) else { return Ok(None) };
    let mut capture = capture(loaded, &chain, Some(folder), name, None)?;
    let timeline = MediaTimeline::new(chain.talker, scenario);
    let rate_hz = chain.card.sample_rate_hz.get();
    let clock = card_clock(&chain, surroundings, &scenario.faults, scenario.seed);
    let mut perfect =
        reference(stream.source_at(chain.card.sample_rate_hz.rate()), timeline, clock, rate_hz, target_latency(&chain));
    let channels = usize::from(chain.talker.channels);
    let mut block = vec![0.0; usize::from(chain.card.callback_frames) * channels];
    let end = scenario.duration_s.nanos().as_nanos();
    let interval = scenario.record.interval_s.nanos().as_nanos();
    let mut times = WavTimes::new();
    loop {
        let at = perfect.render(&mut block, channels);
        if at > end {
            break;
        }
        if at >= interval * (times.len() as i64 + 1) {
            times.push((at as f64 * 1e-9, capture.frames() as f64 / f64::from(rate_hz)));
        }
        capture.push(&block)?;
        // The reference of a run that was stopped is only rendered as far as the receivers came.
        let reached = control.reached_ms.load(Ordering::Relaxed) as i64 * 1_000_000;
        if control.cancelled.load(Ordering::Relaxed) && at >= reached {
            break;
        }
    }
    capture.finish()?;
    Ok(Some((name.clone(), sounds::thinned(times.into_iter()))))
}

/// Cuts the waveform of the worst moment: the longest crackle after the start, or the middle of the
/// run.
fn cut_excerpt(
    receiver: &Receiver,
    loaded: &Loaded,
    folder: &Path,
    played: &mut Played,
    heard: &CrackleReport,
) -> Result<(), SessionError> {
    let surroundings = loaded.scenario.surroundings_of(receiver);
    let rate_hz = f64::from(played.card_rate_hz);
    let total = played.outcome.row_frames.last().copied().unwrap_or(0);
    // Crackles in the first second belong to the start of a receiver and are not typical of the
    // run.
    let later = heard.crackles.iter().filter(|crackle| crackle.at_frame as f64 > rate_hz);
    let frame = later.max_by_key(|crackle| crackle.duration_frames).map_or(total / 2, |crackle| crackle.at_frame);
    let name = &played.outcome.recording.receiver;
    let reference = wav_path(folder, &reference_name(receiver, &surroundings));
    let cut = excerpt(&wav_path(folder, name), &reference, frame, |first| first as f64 / rate_hz)?;
    played.outcome.recording.excerpt = Some(cut);
    Ok(())
}

fn evidence<'a>(loaded: &Loaded, played: &'a Played, all: &'a [Played]) -> Evidence<'a> {
    let others = all.iter().map(|other| (&other.outcome.recording, other.heard.as_ref()));
    Evidence {
        recording: &played.outcome.recording,
        others: others.filter(|(other, _)| other.receiver != played.outcome.recording.receiver).collect(),
        clock_states: &played.outcome.clock_states,
        locked_errors: &played.outcome.locked_errors,
        grandmasters: &played.outcome.grandmasters,
        playing: &played.outcome.playing,
        heard: played.heard.as_ref(),
        target_depth_ms: target_depth_ms(&loaded.scenario),
        target_latency_ms: target_latency_ms(loaded, &played.outcome.recording.receiver),
        duration_s: simulated_s(loaded, played),
    }
}

fn target_depth_ms(scenario: &Scenario) -> Option<f64> {
    scenario.chain().map(|chain| chain.playout.target_depth_ms.get())
}

/// The latency that corresponds to the requested depth on a receiver's own network.
fn target_latency_ms(loaded: &Loaded, receiver: &str) -> Option<f64> {
    let receivers = &loaded.scenario.receivers;
    let receiver = receivers.iter().find(|other| other.name.as_ref() == receiver)?;
    let chain = loaded.scenario.surroundings_of(receiver).chain?;
    Some(target_latency(&chain).as_secs_f64() * 1e3)
}

/// The actual length of a run, which is shorter than planned if it was stopped.
fn simulated_s(loaded: &Loaded, played: &Played) -> f64 {
    match &played.outcome {
        Outcome { cancelled: true, recording, .. } => recording.rows.last().map_or(0.0, |row| row.time_s),
        _ => loaded.scenario.duration_s.get(),
    }
}

fn judge(loaded: &Loaded, played: &[Played]) -> Vec<Judgement> {
    let listening = loaded.scenario.record.audio != Audio::None;
    let judge_one = |expectation: &Expectation| {
        if !listening && expectation.metric.as_ref().needs_audio() {
            return Some(Judgement::skipped(expectation, "nobody listened: record.audio is \"none\""));
        }
        let name = expectation.receiver.as_ref();
        let of_receiver = played.iter().find(|played| played.outcome.recording.receiver == *name)?;
        Some(Judgement::of(expectation, &evidence(loaded, of_receiver, played)))
    };
    loaded.scenario.expectations.iter().filter_map(judge_one).collect()
}

fn trace_of(loaded: &Loaded, played: &mut [Played]) -> RunTrace {
    let scenario = &loaded.scenario;
    // The rows are moved, because those of some days take much memory.
    let recording = |outcome: &mut Outcome| Recording {
        grandmasters: outcome.grandmasters.iter().map(followed).collect(),
        ..std::mem::take(&mut outcome.recording)
    };
    RunTrace {
        scenario: loaded.name.clone(),
        title: scenario.title.clone(),
        duration_s: scenario.duration_s.get(),
        target_depth_ms: target_depth_ms(scenario),
        listened: played.iter().any(|played| played.outcome.heard.is_some()),
        subjects: incidents::subjects(scenario),
        masks: incidents::masks(scenario),
        incidents: incidents::incidents(scenario),
        recordings: played.iter_mut().map(|played| recording(&mut played.outcome)).collect(),
    }
}

fn followed((time_s, grandmaster): &(f64, ClockIdentity)) -> TraceEvent {
    TraceEvent { time_s: *time_s, text: grandmaster.to_string() }
}

fn describe(fault: &FaultKind) -> String {
    match fault {
        FaultKind::GrandmasterLost => "grandmaster lost".to_owned(),
        FaultKind::RivalsLost => "other masters lost".to_owned(),
        FaultKind::GrandmasterStepUs(by) => format!("grandmaster steps by {:+}", by.nanos()),
        FaultKind::GrandmasterRestart(restart) => format!("grandmaster restarts at {} s", restart.time_s.get()),
        FaultKind::DelayRequestsUnanswered => "Delay_Reqs unanswered".to_owned(),
        FaultKind::PtpDelay(extra) => {
            format!("PTP delay +{} us down, +{} us up", extra.down_us.get(), extra.up_us.get())
        }
        FaultKind::LateSyncUs(late) => format!("one Sync late by {} us", late.get()),
        FaultKind::NetworkLost => "network lost".to_owned(),
        FaultKind::MediaLost => "stream lost".to_owned(),
        FaultKind::LegLost(MediaLeg::A) => "leg A lost".to_owned(),
        FaultKind::LegLost(MediaLeg::B) => "leg B lost".to_owned(),
        FaultKind::MediaDelayMs(longer) => format!("network {} ms longer", longer.get()),
        FaultKind::TalkerSlipMs(later) => format!("sender slips {:+} ms", later.get()),
        FaultKind::MediaJitter(jitter) => format!("network jitter {}", size(jitter)),
        FaultKind::TalkerRestart(TalkerRestart { new_ssrc: true }) => "sender restarts, new SSRC".to_owned(),
        FaultKind::TalkerRestart(TalkerRestart { new_ssrc: false }) => "sender restarts, same SSRC".to_owned(),
        FaultKind::SsrcChange => "SSRC changes".to_owned(),
        FaultKind::SecondSender => "second sender".to_owned(),
        FaultKind::HostReceiveJitter(jitter) => format!("receive jitter {}", size(jitter)),
        FaultKind::HostTransmitJitter(jitter) => format!("transmit jitter {}", size(jitter)),
        FaultKind::MediaStall(stall) => format!("network stalls to {} ms", stall.max_ms.get()),
        FaultKind::HostClockRampPpm(change) => format!("host warms up {:+} ppm", change.get()),
        FaultKind::CardClockRampPpm(change) => format!("sound card warms up {:+} ppm", change.get()),
        FaultKind::CardXrunMs(length) => format!("xrun of {} ms", length.get()),
        FaultKind::CallbacksStalled => "callbacks held up".to_owned(),
        FaultKind::CallbackFrames(frames) => format!("callbacks of {} frames", frames.get()),
        FaultKind::HostStalls(stall) => format!("host stands still to {} ms", stall.max_ms.get()),
        FaultKind::MediaThreadHeld => "receiving thread held up".to_owned(),
        FaultKind::MediaThreadStalls(stall) => format!("receiving thread held up to {} ms", stall.max_ms.get()),
        FaultKind::HostSuspended(suspend) => match suspend.monotonic_clock {
            MonotonicClock::Stops => "host asleep, its clock too".to_owned(),
            MonotonicClock::GoesOn => "host asleep".to_owned(),
        },
        FaultKind::HostClockSlewPpm(rate) => format!("host's clocks slewed {:+} ppm", rate.get()),
        FaultKind::HostClockStepMs(by) => format!("host's clocks step by {:+} ms", by.get()),
        FaultKind::HostPaused => "host paused, its clocks too".to_owned(),
        FaultKind::WallClockSlewPpm(rate) => format!("wall clock slewed {:+} ppm", rate.get()),
        FaultKind::WallClockStepMs(by) => format!("wall clock steps by {:+} ms", by.get()),
        FaultKind::MediaRateLimit(limit) => format!("network limited to {} Mbit/s", limit.mbit_per_s.get()),
        FaultKind::MediaDuplicated(every) => match every.every_packets.get() {
            1 => "every packet twice".to_owned(),
            packets => format!("1 of {packets} packets twice"),
        },
        FaultKind::IgmpQuerierMissing => "no IGMP querier".to_owned(),
        FaultKind::FollowUpBeforeSync => "Follow_Ups before Syncs".to_owned(),
        FaultKind::PtpMalformed(malformed) => format!("{} malformed PTP datagrams a second", malformed.per_s.get()),
        FaultKind::TransmitStampsMissing(stamps) => {
            format!("{} % of the transmit stamps missing", 100.0 * stamps.share.get())
        }
        FaultKind::TransmitStampsLateUs(late) => format!("transmit stamps late by {} us", late.get()),
        FaultKind::PacketFrames(frames) => format!("packets of {} frames", frames.get()),
        FaultKind::WrongPayloadType(wrong) => format!("payload type {}", wrong.0.get()),
        FaultKind::CardLost => "sound card lost".to_owned(),
        FaultKind::GrandmasterLies(lies) => attacks::describe_lies(lies),
        FaultKind::Attack(attack) => attacks::describe(attack),
    }
}

fn size(jitter: &Jitter) -> String {
    match jitter {
        Jitter::None => "none".to_owned(),
        Jitter::Uniform { min_us, max_us } => format!("{}-{} us", min_us.get(), max_us.get()),
        Jitter::Exponential { mean_us } => format!("{} us (exponential)", mean_us.get()),
        Jitter::Normal { mean_us, sigma_us } => format!("{} +- {} us", mean_us.get(), sigma_us.get()),
        Jitter::Gamma { queues, mean_us } => format!("{} x {} us (exponential)", queues.get(), mean_us.get()),
        Jitter::Pareto { scale_us, tail_index } => {
            format!("{} us (Pareto, tail index {})", scale_us.get(), tail_index.get())
        }
        Jitter::Bimodal { mean_us, gap_us, share } => {
            format!("{} us (exponential), {} % + {} us", mean_us.get(), 100.0 * share.get(), gap_us.get())
        }
    }
}

/// Position of the first difference of two sessions' trajectories, for `--check-determinism`.
#[must_use]
pub fn first_difference(a: &Session, b: &Session) -> Option<String> {
    for (one, two) in a.summary.receivers.iter().zip(&b.summary.receivers) {
        for (level, (x, y)) in ["wire", "timing", "audio"].iter().zip(one.hashes().iter().zip(two.hashes())) {
            // What nobody listened to is compared with nothing.
            if x.zip(y).is_some_and(|(x, y)| x != y) {
                let rows = a.trace.recordings.iter().zip(&b.trace.recordings).find(|(r, _)| r.receiver == one.name);
                let row = rows.and_then(|(r, s)| r.rows.iter().zip(&s.rows).find(|(p, q)| p != q));
                let when = row.map_or("no row of the trace".to_owned(), |(p, _)| format!("the row at {} s", p.time_s));
                return Some(format!("receiver `{}` differs on level {level}, first in {when}", one.name));
            }
        }
    }
    None
}
