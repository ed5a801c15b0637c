//! One side of a comparison, and its runs: by this program, or by another build of it.

use serde_json::Value;
use sim::compare::{Run, Traces};
use sim::replay;
use sim::scenario::{Audio, Loaded};
use sim::sweep::{Figure, Figures, Record};
use sim::world::Control;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Exit codes of runs that came to their end: all holds, something fails, something was skipped.
const FINISHED: [i32; 3] = [0, 1, 3];

/// A side.
pub(crate) struct Side {
    pub(super) scenario: PathBuf,
    /// All that is set, without the seed.
    pub(super) settings: Vec<String>,
    /// What only this side sets.
    pub(super) own: Vec<String>,
    /// Another build of sim.
    pub(super) program: Option<PathBuf>,
}

impl Side {
    /// What it is, in words.
    pub(super) fn words(&self) -> String {
        let program = self.program.as_ref().map(|program| program.display().to_string());
        let words: Vec<String> = program.into_iter().chain(self.own.iter().cloned()).collect();
        if words.is_empty() { "as in the file".to_owned() } else { words.join(" ") }
    }

    /// Whether its program can be started.
    ///
    /// # Errors
    /// With a sentence.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(program) = &self.program else { return Ok(()) };
        let told = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        let told = told.map_err(|error| format!("{}: {error}; give a build of sim", program.display()))?;
        if told.status.success() && told.stdout.starts_with(b"sim ") {
            return Ok(());
        }
        Err(format!("{} is no build of sim: its --version says something else", program.display()))
    }

    /// The scenario with a seed. Another build may know keys that this one does not; its settings
    /// are checked by itself.
    ///
    /// # Errors
    /// If it is not valid.
    pub(super) fn load(&self, seed: u64) -> Result<Loaded, String> {
        let settings: &[String] = if self.program.is_some() { &[] } else { &self.settings };
        let overrides: Vec<String> = settings.iter().cloned().chain([format!("seed={seed}")]).collect();
        let mut loaded = Loaded::read(&self.scenario, &overrides).map_err(|error| error.to_string())?;
        if loaded.scenario.record.audio == Audio::Full {
            loaded.scenario.record.audio = Audio::Heard;
        }
        Ok(loaded)
    }

    /// A run; none if it was stopped.
    ///
    /// # Errors
    /// If it was not run to its end.
    pub(super) fn run(&self, seed: u64, control: &Control) -> Result<Option<Run>, String> {
        let loaded = self.load(seed)?;
        if let Some(program) = &self.program {
            return self.run_by(program, &loaded, seed).map(Some);
        }
        match Record::of(&loaded, 0, control) {
            None => Ok(None),
            Some((record, Some(session))) => {
                Ok(Some(Run { figures: record.figures, traces: Traces::of(&session.trace) }))
            }
            Some((record, None)) => Err(format!("seed {seed}: {}", record.error.unwrap_or_default())),
        }
    }

    /// A run of another build: `sim run --json`, in a folder that is removed again.
    fn run_by(&self, program: &Path, loaded: &Loaded, seed: u64) -> Result<Run, String> {
        let folder = Scratch::new(seed)?;
        let mut command = Command::new(program);
        command.arg("run").arg(&self.scenario).args(["--json", "--no-pictures", "--allow-large", "--reports"]);
        command.arg(&folder.0);
        let mut settings = self.settings.clone();
        let chooses = settings.iter().any(|setting| setting.trim_start().starts_with("record.audio"));
        // No WAV files, which would fill the disk.
        if loaded.scenario.record.audio != Audio::None && !chooses {
            settings.push("record.audio=\"heard\"".to_owned());
        }
        settings.push(format!("seed={seed}"));
        for setting in settings {
            command.arg("--set").arg(setting);
        }
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        read(&output).map_err(|reason| format!("{}, seed {seed}: {reason}", program.display()))
    }
}

/// A folder that goes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new(seed: u64) -> Result<Self, String> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("sim-ab-{}-{number}-{seed}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("warning: {}: {error}", self.0.display());
        }
    }
}

fn read(output: &Output) -> Result<Run, String> {
    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.code().is_some_and(|code| FINISHED.contains(&code)) {
        return Err(format!("it ended with {}: {told}", output.status));
    }
    let json: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("its JSON: {error}"))?;
    let report = &json["runs"][0];
    let receivers = report["summary"]["receivers"].as_array().ok_or_else(|| format!("it has no summary: {told}"))?;
    let trace = Path::new(report["folder"].as_str().unwrap_or_default()).join("trace.csv");
    let trace = replay::load(&trace).map_err(|error| error.to_string())?;
    Ok(Run { figures: receivers.iter().map(figures).collect(), traces: Traces::of(&trace) })
}

/// The figures of a receiver in `summary.json`.
fn figures(receiver: &Value) -> Figures {
    let infinite: Vec<&str> = receiver["infinite"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let metrics = receiver["metrics"].as_object().into_iter().flatten();
    let values = metrics.filter_map(|(name, value)| {
        let infinite = infinite.contains(&name.as_str()).then_some(f64::INFINITY);
        Some((name.clone(), Figure(value.as_f64().or(infinite)?)))
    });
    Figures { receiver: receiver["name"].as_str().unwrap_or_default().to_owned(), values: values.collect() }
}
