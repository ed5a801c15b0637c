//! `summary.json`: the results of a run for scripts.

use super::Played;
use crate::check::{Evidence, Judgement, Span};
use crate::record::{ClockDeviation, ClockStability, Recording};
use crate::report::{Check, Verdict};
use crate::scenario::{Audio, Loaded, Metric, SourceFile};
use crate::world::{LegReception, Reception};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// Decimals of every number: enough for any unit in use, and the same digits on any machine.
const DECIMALS: f64 = 1e6;

/// Version of the file's form. It grows when a key is removed or changes its meaning; keys may be
/// added without.
pub const SUMMARY_VERSION: u32 = 1;

/// A run in numbers.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// [`SUMMARY_VERSION`].
    pub version: u32,
    /// Version of the simulator.
    pub tool_version: &'static str,
    /// Hash of the scenario's files and of what was set from the command line (XXH3, 128 bits).
    pub scenario_hash: String,
    /// The scenario's file, then those that it extends.
    pub files: Vec<FileSummary>,
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// Its seed.
    pub seed: u64,
    /// Length of the run.
    pub duration_s: f64,
    /// What was set from the command line.
    pub overrides: Vec<String>,
    /// Whether the run was stopped before its end. In that case nothing was judged, and metrics
    /// cover the simulated part.
    pub interrupted: bool,
    /// Whether the run came to its end, and every expectation was judged and holds.
    pub passed: bool,
    /// Expectations that were not judged, because the data that they need were left out of the run
    /// on request.
    pub skipped: usize,
    /// Per receiver.
    pub receivers: Vec<ReceiverSummary>,
    /// Every expectation.
    pub expectations: Vec<Judgement>,
}

/// A file of the scenario.
#[derive(Debug, Serialize)]
pub struct FileSummary {
    /// Its path from the folder of the scenario's own.
    pub path: String,
    /// Hash of its text (XXH3, 128 bits).
    pub hash: String,
}

/// One receiver in numbers.
#[derive(Debug, Serialize)]
pub struct ReceiverSummary {
    /// Its name.
    pub name: String,
    /// Every metric over the whole run; `null` where nothing could be measured, or nothing ever
    /// happened.
    pub metrics: BTreeMap<Metric, Option<f64>>,
    /// The metrics that are infinite, because what they measure the time to never happened.
    pub infinite: Vec<Metric>,
    /// Largest deviation from nominal pitch.
    pub pitch_deviation_cents: Option<f64>,
    /// Share of the audio that could be compared with the programme.
    pub audio_tracked_share: Option<f64>,
    /// How stable the receiver's clocks are; those that are perfect or unknown are left out.
    pub stability: Vec<ClockStability>,
    /// The figures of each leg, if the stream has two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<LegSummary>,
    /// Hash of the datagrams on the wire.
    pub hash_wire: String,
    /// Hash of the times of events.
    pub hash_timing: String,
    /// Hash of the played audio; `null` if the audio was not needed and not rendered.
    pub hash_audio: Option<String>,
    /// Events that were simulated.
    pub events: u64,
}

/// One leg in numbers, since the stream's source last started.
#[derive(Debug, Serialize)]
pub struct LegSummary {
    /// Its name.
    pub leg: &'static str,
    /// Packets that arrived on it, without copies.
    pub received: u64,
    /// Packets that should have arrived on it, but did not.
    pub lost: u64,
    /// Packets that arrived on it first.
    pub won: u64,
    /// Packets that arrived after their playout.
    pub late: u64,
    /// How much later packets arrive on it than on the followed leg.
    pub skew_ms: Option<f64>,
}

/// The legs of a receiver that has two.
fn legs(loaded: &Loaded, reception: &Reception) -> Vec<LegSummary> {
    if loaded.scenario.network.media_b.is_none() {
        return Vec::new();
    }
    let summary = |(leg, &LegReception { received, lost, won, late, skew }): (_, &LegReception)| LegSummary {
        leg,
        received,
        lost,
        won,
        late,
        skew_ms: skew.map(|skew| rounded(skew.as_secs_f64() * 1e3)),
    };
    ["a", "b"].into_iter().zip(&reception.legs).map(summary).collect()
}

fn stability(recording: &Recording) -> Vec<ClockStability> {
    let point = |point: &ClockDeviation| ClockDeviation {
        tau_s: rounded(point.tau_s),
        adev_ppb: point.adev_ppb.map(rounded),
        tdev_ns: point.tdev_ns.map(rounded),
        mtie_ns: point.mtie_ns.map(rounded),
    };
    let curve = |of: &ClockStability| ClockStability { clock: of.clock, points: of.points.iter().map(point).collect() };
    recording.stability.iter().map(curve).collect()
}

impl ReceiverSummary {
    /// The three hashes of the trajectory; none of the audio if nobody listened.
    #[must_use]
    pub fn hashes(&self) -> [Option<&str>; 3] {
        [Some(&self.hash_wire), Some(&self.hash_timing), self.hash_audio.as_deref()]
    }

    fn new(loaded: &Loaded, evidence: &Evidence<'_>, played: &Played) -> Self {
        let whole = Span { from_s: 0.0, to_s: evidence.duration_s };
        let value = |metric| evidence.measure(metric, whole).value();
        let measured = |metric| value(metric).filter(|value| value.is_finite()).map(rounded);
        let is_infinite = |metric: &Metric| value(*metric).is_some_and(f64::is_infinite);
        let heard = played.outcome.heard.as_ref();
        let [wire, timing, audio] = played.outcome.hash.digests().map(|digest| format!("{digest:016x}"));
        Self {
            name: played.outcome.recording.receiver.clone(),
            metrics: Metric::ALL.into_iter().map(|metric| (metric, measured(metric))).collect(),
            infinite: Metric::ALL.into_iter().filter(is_infinite).collect(),
            pitch_deviation_cents: heard.map(|heard| rounded(heard.pitch_deviation_cents)),
            audio_tracked_share: heard.map(|heard| rounded(heard.tracked_share)),
            stability: stability(&played.outcome.recording),
            legs: legs(loaded, &played.outcome.reception),
            hash_wire: wire,
            hash_timing: timing,
            hash_audio: Some(audio).filter(|_| loaded.scenario.record.audio != Audio::None),
            events: played.outcome.events,
        }
    }
}

impl Summary {
    pub(super) fn new(loaded: &Loaded, played: &[Played], expectations: Vec<Judgement>, interrupted: bool) -> Self {
        Self {
            version: SUMMARY_VERSION,
            tool_version: env!("CARGO_PKG_VERSION"),
            scenario_hash: hash_of(loaded),
            files: files(loaded),
            scenario: loaded.name.clone(),
            title: loaded.scenario.title.clone(),
            seed: loaded.scenario.seed,
            duration_s: loaded.scenario.duration_s.get(),
            overrides: loaded.overrides.clone(),
            interrupted,
            skipped: expectations.iter().filter(|judgement| judgement.skipped).count(),
            passed: !interrupted && expectations.iter().all(|judgement| judgement.holds),
            receivers: played
                .iter()
                .map(|one| ReceiverSummary::new(loaded, &super::evidence(loaded, one, played), one))
                .collect(),
            expectations,
        }
    }

    /// The rows of the table: of each receiver its expectations, then what is told of all.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for receiver in &self.receivers {
            let judged = self.expectations.iter().filter(|judgement| judgement.receiver == receiver.name);
            checks.extend(judged.map(|judgement| Check {
                receiver: judgement.receiver.clone(),
                check: judgement.check.clone(),
                limit: judgement.limit.clone(),
                measured: judgement.measured_text(),
                verdict: judgement.verdict(),
            }));
            let info = |check: &str, measured: Option<f64>| Check {
                receiver: receiver.name.clone(),
                check: check.to_owned(),
                limit: String::new(),
                measured: measured.map_or("not measured".to_owned(), |value| format!("{value:.2}")),
                verdict: Verdict::Info,
            };
            checks.push(info("pitch_deviation_cents", receiver.pitch_deviation_cents));
            checks.push(info("longest_gap_ms", receiver.metrics.get(&Metric::LongestGapMs).copied().flatten()));
        }
        checks
    }

    /// As JSON, with a line feed at the end.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// The files of a scenario, by their paths from its own folder.
fn files(loaded: &Loaded) -> Vec<FileSummary> {
    let folder = loaded.path.parent().unwrap_or(Path::new(""));
    let path = |path: &Path| path.strip_prefix(folder).unwrap_or(path).display().to_string().replace('\\', "/");
    let file = |file: &SourceFile| FileSummary { path: path(&file.path), hash: digest(&[&file.text]) };
    loaded.files.iter().map(file).collect()
}

fn hash_of(loaded: &Loaded) -> String {
    let texts = loaded.files.iter().map(|file| file.text.as_str());
    digest(&texts.chain(loaded.overrides.iter().map(String::as_str)).collect::<Vec<_>>())
}

/// Hash of texts, each with its length before it.
fn digest(texts: &[&str]) -> String {
    let mut hash = Xxh3::new();
    for text in texts {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    format!("{:032x}", hash.digest128())
}

fn rounded(value: f64) -> f64 {
    (value * DECIMALS).round() / DECIMALS
}
