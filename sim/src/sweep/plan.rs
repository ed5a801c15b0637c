//! Which runs a sweep consists of.

use super::{Axis, Seeds};
use crate::run::command;
use crate::scenario::{Audio, Loaded, ScenarioError, SourceFile};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// Version of the files of a sweep. It grows when a key is removed or changes its meaning.
const VERSION: u32 = 1;

/// All runs of a sweep: every combination of the varied values with every seed.
///
/// Runs are numbered from 0. The seed changes from one run to the next, then the value of the key
/// that was given last. A point is one combination of values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    version: u32,
    /// Version of the simulator.
    pub tool_version: String,
    /// The scenario's file, as it was given.
    pub scenario: PathBuf,
    /// Hash of the scenario's files (XXH3, 128 bits).
    pub scenario_hash: String,
    /// What is set in every run.
    pub set: Vec<String>,
    /// The seeds.
    pub seeds: Seeds,
    /// What is varied.
    pub vary: Vec<Axis>,
}

impl Plan {
    /// The runs of a scenario; without seeds, its own one.
    ///
    /// # Errors
    /// If the scenario cannot be read with these changes, or a key is varied twice.
    pub fn new(scenario: &Path, set: &[String], seeds: Option<Seeds>, vary: Vec<Axis>) -> Result<Self, String> {
        if let Some((_, axis)) =
            vary.iter().enumerate().find(|(index, axis)| vary[..*index].iter().any(|other| other.key == axis.key))
        {
            return Err(format!("{} is varied twice: give all its values in one --vary", axis.key));
        }
        let loaded = Loaded::read(scenario, set).map_err(|error| error.to_string())?;
        let plan = Self {
            version: VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.to_owned(),
            scenario_hash: hash(&loaded.files),
            set: set.to_vec(),
            seeds: seeds.unwrap_or(Seeds::from(loaded.scenario.seed)),
            vary,
        };
        plan.vary.iter().try_fold(plan.seeds.len(), |runs, axis| runs.checked_mul(axis.values.len())).map_or_else(
            || Err("the varied keys have more combinations than can be counted".to_owned()),
            |_| Ok(plan.clone()),
        )
    }

    /// The name of the scenario: that of its file without extension.
    #[must_use]
    pub fn name(&self) -> String {
        self.scenario.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Combinations of values.
    #[must_use]
    pub fn points(&self) -> usize {
        self.vary.iter().map(|axis| axis.values.len()).product()
    }

    /// Runs.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.points() * self.seeds.len()
    }

    /// The point of a run.
    #[must_use]
    pub fn point_of(&self, run: usize) -> usize {
        run / self.seeds.len().max(1)
    }

    /// The seed of a run.
    #[must_use]
    pub fn seed_of(&self, run: usize) -> u64 {
        self.seeds.get(run % self.seeds.len().max(1)).unwrap_or_default()
    }

    /// The place of a point's value on each axis.
    #[must_use]
    pub fn places(&self, mut point: usize) -> Vec<usize> {
        let mut places: Vec<usize> = Vec::new();
        for axis in self.vary.iter().rev() {
            places.push(point % axis.values.len());
            point /= axis.values.len();
        }
        places.reverse();
        places
    }

    /// The values at a point, one for each axis.
    #[must_use]
    pub fn values(&self, point: usize) -> Vec<&str> {
        self.places(point).into_iter().zip(&self.vary).map(|(place, axis)| axis.values[place].as_str()).collect()
    }

    /// What a run sets: what all runs do, the values of its point, and its seed.
    #[must_use]
    pub fn overrides(&self, run: usize) -> Vec<String> {
        let values = self.values(self.point_of(run)).into_iter().zip(&self.vary);
        let varied = values.map(|(value, axis)| format!("{}={value}", axis.key));
        let seed = format!("seed={}", self.seed_of(run));
        self.set.iter().cloned().chain(varied).chain([seed]).collect()
    }

    /// The scenario of a run. Everything is listened to if audio is wanted, but no WAV file is
    /// written.
    ///
    /// # Errors
    /// If a value is wrong, or the file has changed since the plan was made.
    pub fn load(&self, run: usize) -> Result<Loaded, String> {
        let read = Loaded::read(&self.scenario, &self.overrides(run));
        let mut loaded = read.map_err(|error: ScenarioError| error.to_string())?;
        if hash(&loaded.files) != self.scenario_hash {
            let file = self.scenario.display();
            return Err(format!("{file} has been changed since the sweep began: start a new one"));
        }
        if loaded.scenario.record.audio == Audio::Full {
            loaded.scenario.record.audio = Audio::Heard;
        }
        Ok(loaded)
    }

    /// The command that repeats a run alone, with all its reports. Its bytes are the same whatever
    /// folder the sweep is in.
    #[must_use]
    pub fn command(&self, loaded: &Loaded, run: usize) -> String {
        command(&Loaded { overrides: self.overrides(run), ..loaded.clone() }, None)
    }

    /// What another plan has otherwise, in words; none if they are equal.
    #[must_use]
    pub fn difference(&self, there: &Self) -> Option<String> {
        let vary = |plan: &Self| {
            let text = |axis: &Axis| format!("--vary {}={}", axis.key, axis.values.join(","));
            plan.vary.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        let set = |plan: &Self| plan.set.iter().map(|set| format!("--set {set}")).collect::<Vec<_>>().join(" ");
        let path = |plan: &Self| plan.scenario.display().to_string();
        let sides = [
            ("version of the files", self.version.to_string(), there.version.to_string()),
            ("version of sim", self.tool_version.clone(), there.tool_version.clone()),
            ("scenario", path(self), path(there)),
            ("seeds", self.seeds.to_string(), there.seeds.to_string()),
            ("varied keys", vary(self), vary(there)),
            ("settings", set(self), set(there)),
            ("text of the scenario", self.scenario_hash.clone(), there.scenario_hash.clone()),
        ];
        let shown = |side: &str| if side.is_empty() { "none".to_owned() } else { side.to_owned() };
        let differs = sides.into_iter().find(|(_, here, there)| here != there);
        differs.map(|(what, here, there)| format!("{what}: {} there, {} here", shown(&there), shown(&here)))
    }
}

/// Hash of files, each with its length before it.
fn hash(files: &[SourceFile]) -> String {
    let mut hash = Xxh3::new();
    for file in files {
        hash.update(&(file.text.len() as u64).to_le_bytes());
        hash.update(file.text.as_bytes());
    }
    format!("{:032x}", hash.digest128())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seeds: &str, vary: &[&str]) -> Plan {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/gm_step_1ms.toml");
        let vary = vary.iter().map(|axis| axis.parse().unwrap()).collect();
        Plan::new(&path, &["record.audio=\"none\"".to_owned()], Some(seeds.parse().unwrap()), vary).unwrap()
    }

    #[test]
    fn seeds_change_first_and_then_the_last_key() {
        let plan = plan("1..2", &["duration_s=30,40", "playout.target_depth_ms=20,30,40"]);
        assert_eq!((plan.points(), plan.runs()), (6, 12));
        let run = |run: usize| plan.overrides(run)[1..].join(" ");
        assert_eq!(run(0), "duration_s=30 playout.target_depth_ms=20 seed=1");
        assert_eq!(run(1), "duration_s=30 playout.target_depth_ms=20 seed=2");
        assert_eq!(run(2), "duration_s=30 playout.target_depth_ms=30 seed=1");
        assert_eq!(run(11), "duration_s=40 playout.target_depth_ms=40 seed=2");
    }

    #[test]
    fn plans_that_differ_say_in_what() {
        let (one, other) = (plan("1..2", &[]), plan("1..3", &[]));
        assert_eq!(one.difference(&other).unwrap(), "seeds: 1..3 there, 1..2 here");
        assert_eq!(one.difference(&one), None);
        let varied = plan("1..2", &["duration_s=30,40"]);
        assert_eq!(varied.difference(&one).unwrap(), "varied keys: none there, --vary duration_s=30,40 here");
    }
}
