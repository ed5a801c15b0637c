//! Compares expectations with measurements.

use super::measured::Evidence;
use super::measurement::Measurement;
use super::stability;
use crate::report::Verdict;
use crate::scenario::{Expectation, Mask, Metric, ObservedClock, Tau};
use serde::Serialize;
use std::fmt::Write;

#[cfg(test)]
mod tests;

/// One expectation, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Judgement {
    /// The receiver's name.
    pub receiver: String,
    /// The metric.
    pub metric: Metric,
    /// The clock, of a metric of stability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ObservedClock>,
    /// Its interval of observation, s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tau_s: Option<f64>,
    /// The mask, of which the share is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// The metric, and the span if it is not the whole run.
    pub check: String,
    /// The limit.
    pub limit: String,
    /// Smallest permitted value.
    pub min: Option<f64>,
    /// Largest permitted value.
    pub max: Option<f64>,
    /// The measured value; `None` if there is no data.
    pub measured: Option<f64>,
    /// Whether the measured value is infinite, because what it measures the time to never happened.
    pub measured_infinite: bool,
    /// The parts of the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<String>,
    /// Whether the expectation holds. One that was not judged does not.
    pub holds: bool,
    /// Why it could not be judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<String>,
    /// Whether it was not judged because the data that it needs were left out of the run on
    /// request.
    pub skipped: bool,
    /// Whether it asserts a known failure of a baseline.
    pub known_failure: bool,
    /// By how much the limit is missed; 0 if it holds. Infinite, which is `null` in JSON, if the
    /// measured value is infinite, or if nothing was judged.
    pub missed_by: f64,
}

impl Judgement {
    /// Judges one expectation.
    #[must_use]
    pub fn of(expectation: &Expectation, evidence: &Evidence<'_>) -> Self {
        let metric = *expectation.metric.as_ref();
        let span = evidence.span_of(expectation);
        let [min, max] = expectation.limits();
        let (measurement, parts) = match expectation.stability() {
            Ok(Some(wish)) => stability::measure(evidence.recording, &wish, span),
            Ok(None) => (evidence.measure(metric, span), evidence.parts(metric, span)),
            Err(reason) => (Measurement::Nothing(reason), None),
        };
        let (measured, not_judged) = match measurement {
            Measurement::Exact(value) => (Some(value), None),
            // The true count may be larger, but a minimum is met in any case.
            Measurement::AtLeast { value, .. } if max.is_none() && min.is_some_and(|min| value >= min) => {
                (Some(value), None)
            }
            Measurement::AtLeast { value, reason } => (Some(value), Some(reason)),
            Measurement::Nothing(reason) => (None, Some(reason)),
        };
        let judged = measured.filter(|_| not_judged.is_none());
        let missed_by = judged.map_or(f64::INFINITY, |value| miss(value, min, max));
        Self {
            measured,
            measured_infinite: measured.is_some_and(f64::is_infinite),
            parts,
            holds: missed_by <= 0.0,
            not_judged,
            missed_by,
            ..Self::empty(expectation)
        }
    }

    /// An expectation that was not judged because the data that it needs were left out of the run
    /// on request.
    #[must_use]
    pub fn skipped(expectation: &Expectation, reason: &str) -> Self {
        Self { skipped: true, not_judged: Some(reason.to_owned()), ..Self::empty(expectation) }
    }

    fn empty(expectation: &Expectation) -> Self {
        let [min, max] = expectation.limits();
        Self {
            receiver: expectation.receiver.as_ref().clone(),
            metric: *expectation.metric.as_ref(),
            clock: expectation.clock,
            tau_s: expectation.tau_s.map(Tau::get),
            mask: expectation.mask,
            check: describe(expectation),
            limit: limit(min, max),
            min,
            max,
            measured: None,
            measured_infinite: false,
            parts: None,
            holds: false,
            not_judged: None,
            skipped: false,
            known_failure: expectation.known_failure,
            missed_by: f64::INFINITY,
        }
    }

    /// The verdict for the table.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.skipped {
            return Verdict::Skipped;
        }
        if self.not_judged.is_some() {
            return Verdict::NotJudged;
        }
        match (self.known_failure, self.holds) {
            (false, true) => Verdict::Pass,
            (false, false) => Verdict::Fail,
            (true, true) => Verdict::ExpectedFailure,
            (true, false) => Verdict::UnexpectedPass,
        }
    }

    /// The measurement as text.
    #[must_use]
    pub fn measured_text(&self) -> String {
        let text = self.measured.map_or_else(|| "not measured".to_owned(), number);
        match (&self.not_judged, &self.parts) {
            (Some(_), _) if self.measured.is_some() => format!("at least {text}"),
            (None, Some(parts)) => format!("{text} ({parts})"),
            _ => text,
        }
    }

    /// What is wrong, in a sentence: by how much a limit is missed, why it was not judged, or that
    /// a baseline no longer fails. Nothing if it holds.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let Self { receiver, check, limit, .. } = self;
        let measured = self.measured_text();
        match (self.holds, &self.not_judged) {
            (true, _) => None,
            (_, Some(reason)) => {
                let start = if self.skipped { "skipped" } else { "not judged" };
                Some(format!("{start}: {receiver}: {check}, which must be {limit}: {reason}"))
            }
            _ if self.known_failure => Some(format!(
                "unexpected pass: {receiver}: {check} is {measured}, and no longer {limit}: by `known_failure = true` the scenario says \
                 that this baseline fails so, and it does not any more; find out what mended it, and if that is right, limit what it does \
                 now without `known_failure`"
            )),
            _ => {
                let by = self.missed_text().map_or_else(String::new, |by| format!(", missed by {by}"));
                Some(format!("failed: {receiver}: {check} is {measured}, but must be {limit}{by}"))
            }
        }
    }

    /// By how much the limit is missed, as text; nothing if it holds, or if that is no number.
    #[must_use]
    pub fn missed_text(&self) -> Option<String> {
        (!self.holds && self.missed_by.is_finite()).then(|| number(self.missed_by))
    }
}

/// By how much a value misses its limits.
fn miss(value: f64, min: Option<f64>, max: Option<f64>) -> f64 {
    let below = min.map_or(0.0, |min| min - value);
    let above = max.map_or(0.0, |max| value - max);
    let miss = below.max(above).max(0.0);
    // A value that is not a number is within no limit.
    if value.is_nan() { f64::INFINITY } else { miss }
}

fn describe(expectation: &Expectation) -> String {
    let mut text = expectation.metric.as_ref().to_string();
    if let Some(clock) = expectation.clock {
        let _ = write!(text, " of clock {clock}");
    }
    if let Some(tau_s) = expectation.tau_s {
        let _ = write!(text, " at tau = {} s", number(tau_s.get()));
    }
    if let Some(mask) = expectation.mask {
        let _ = write!(text, ", share of mask {mask}");
    }
    let from = expectation.from_s.get();
    match expectation.to_s {
        Some(to) => {
            let _ = write!(text, ", {} to {} s", number(from), number(to.get()));
        }
        None if from > 0.0 => {
            let _ = write!(text, " from {} s", number(from));
        }
        None => {}
    }
    text
}

fn limit(min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min.total_cmp(&max).is_eq() => format!("= {}", number(min)),
        (Some(min), Some(max)) => format!("{} to {}", number(min), number(max)),
        (Some(min), None) => format!(">= {}", number(min)),
        (None, Some(max)) => format!("<= {}", number(max)),
        (None, None) => String::new(),
    }
}

/// A number with up to four significant digits and without trailing zeros. A small number is never
/// written as 0, because the limit may be 0.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "never".to_owned();
    }
    if value != 0.0 && value.abs() < 0.001 {
        return format!("{value:.1e}");
    }
    let digits = match value.abs() {
        size if size >= 100.0 => 1,
        size if size >= 1.0 => 3,
        _ => 4,
    };
    // Adding zero removes the sign of a negative zero.
    let text = format!("{:.digits$}", value + 0.0);
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    trimmed.to_owned()
}
