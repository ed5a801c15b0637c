//! What is kept of a run.

use super::Plan;
use crate::run::{Session, SessionError, run};
use crate::scenario::Loaded;
use crate::world::Control;
use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every expectation holds.
    Passed,
    /// None fails, and some were skipped.
    Skipped,
    /// One fails, or could not be judged.
    Failed,
    /// It was not run to its end.
    Error,
}

impl Ending {
    /// The word for tables and files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }
}

/// A number that may be infinite. It is written as a text: JSON has no infinity, and the number
/// that is read must be the one that was written.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Figure(pub f64);

impl Serialize for Figure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// The metrics of a receiver over the whole run that could be measured, by their names, in the
/// order of reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The receiver's name.
    pub receiver: String,
    /// Names and values.
    pub values: Vec<(String, Figure)>,
}

/// An expectation that does not hold, and was not skipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The expectation: receiver, metric, span and limit.
    pub what: String,
    /// By how much it is missed; infinite if nothing could be judged.
    pub missed_by: Figure,
    /// The same as a sentence.
    pub sentence: String,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number in the plan.
    pub run: usize,
    /// How it ended.
    pub ending: Ending,
    /// Why it was not run to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// What was measured.
    pub figures: Vec<Figures>,
}

impl Record {
    /// Runs one of a plan; none if it was stopped.
    ///
    /// # Errors
    /// If the scenario cannot be loaded.
    pub fn make(plan: &Plan, number: usize, control: &Control) -> Result<Option<Self>, String> {
        let loaded = plan.load(number)?;
        Ok(Self::of(&loaded, number, control).map(|(record, _)| record))
    }

    /// Runs a scenario without files; the session has its trace. None if it was stopped.
    #[must_use]
    pub fn of(loaded: &Loaded, number: usize, control: &Control) -> Option<(Self, Option<Session>)> {
        match run(loaded, None, control) {
            Ok(session) if session.cancelled => None,
            Ok(session) => Some((Self::finished(number, &session), Some(session))),
            Err(error) => Some((Self::broken(number, &error), None)),
        }
    }

    fn broken(run: usize, error: &SessionError) -> Self {
        let error = Some(error.to_string());
        Self { run, ending: Ending::Error, error, failures: Vec::new(), figures: Vec::new() }
    }

    fn finished(run: usize, session: &Session) -> Self {
        let summary = &session.summary;
        let failed = summary.expectations.iter().filter(|judgement| !judgement.holds && !judgement.skipped);
        let failures: Vec<Failure> = failed
            .map(|judgement| Failure {
                what: format!("{}: {} {}", judgement.receiver, judgement.check, judgement.limit),
                missed_by: Figure(judgement.missed_by),
                sentence: judgement.failure().unwrap_or_default(),
            })
            .collect();
        let figures = summary.receivers.iter().map(|receiver| {
            let values = receiver.metrics.iter().filter_map(|(metric, value)| {
                let infinite = receiver.infinite.contains(metric).then_some(f64::INFINITY);
                Some((metric.to_string(), Figure(value.or(infinite)?)))
            });
            Figures { receiver: receiver.name.clone(), values: values.collect() }
        });
        let ending = match (failures.is_empty(), summary.skipped) {
            (false, _) => Ending::Failed,
            (true, 0) => Ending::Passed,
            (true, _) => Ending::Skipped,
        };
        Self { run, ending, error: None, figures: figures.collect(), failures }
    }
}
