//! One row of the result: all seeds of one law in one condition.

use super::measure::RunFigures;
use crate::scenario::ReceiverKind;
use serde::Serialize;

/// Decimals of every number.
const DECIMALS: f64 = 1e6;

/// Results of one law in one condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The condition: its file's name without extension.
    pub condition: String,
    /// Sync interval, 2^n s.
    pub log_sync_interval: i8,
    /// The law.
    pub law: ReceiverKind,
    /// How many seeds.
    pub seeds: u64,
    /// RMS of the error of time, pooled over the seeds.
    pub time_rms_us: Option<f64>,
    /// Limit that 99 % of the errors do not exceed.
    pub time_p99_us: Option<f64>,
    /// Largest error.
    pub time_max_us: Option<f64>,
    /// Mean error.
    pub time_bias_us: Option<f64>,
    /// RMS of the error of the host's estimated rate.
    pub frequency_rms_ppb: Option<f64>,
    /// Time from the start until the error stays below 10 us for 10 s, median of the seeds; `None`
    /// if it never does.
    pub lock_10us_s: Option<f64>,
    /// As [`Figures::lock_10us_s`], for 100 us.
    pub lock_100us_s: Option<f64>,
    /// Largest error at the end of an outage.
    pub outage_end_worst_us: Option<f64>,
    /// Time from the end of the outage until the error is within twice its RMS before the outage
    /// and stays there for 10 s, worst of the seeds.
    pub recovery_s: Option<f64>,
    /// Transitions to Unlocked without a step.
    pub false_unlocks: u64,
    /// Share of seconds in which the error was within three sigma; `None` for a law that claims no
    /// uncertainty.
    pub coverage_3sigma: Option<f64>,
}

impl Figures {
    pub(super) fn pooled(
        condition: &str,
        log_sync_interval: i8,
        law: ReceiverKind,
        runs: &[RunFigures],
        has_outage: bool,
    ) -> Self {
        let errors: Vec<f64> = runs.iter().flat_map(|run| run.errors_us.iter().copied()).collect();
        let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let count = errors.len() as f64;
        let squares: f64 = errors.iter().map(|error| error * error).sum();
        let (frequency, frequencies) =
            runs.iter().fold((0.0, 0), |sum, run| (sum.0 + run.frequency_squares.0, sum.1 + run.frequency_squares.1));
        let (covered, claimed) = runs.iter().fold((0, 0), |sum, run| (sum.0 + run.covered.0, sum.1 + run.covered.1));
        let any = |value: f64| (!errors.is_empty()).then(|| rounded(value));
        let lock = |index: usize| median(runs.iter().map(|run| run.lock_s[index]).collect());
        let worst = |of: fn(&RunFigures) -> Option<f64>| {
            let worst = runs.iter().filter_map(of).map(f64::abs).max_by(f64::total_cmp);
            worst.filter(|value| has_outage && value.is_finite()).map(rounded)
        };
        Self {
            condition: condition.to_owned(),
            log_sync_interval,
            law,
            seeds: runs.len() as u64,
            time_rms_us: any(libm::sqrt(squares / count)),
            time_p99_us: sizes.get((sizes.len() * 99).div_ceil(100).saturating_sub(1)).copied().map(rounded),
            time_max_us: sizes.last().copied().map(rounded),
            time_bias_us: any(errors.iter().sum::<f64>() / count),
            frequency_rms_ppb: (frequencies > 0).then(|| rounded(libm::sqrt(frequency / frequencies as f64))),
            lock_10us_s: lock(0),
            lock_100us_s: lock(1),
            outage_end_worst_us: worst(|run| run.outage_end_us),
            recovery_s: worst(|run| run.recovery_s),
            false_unlocks: runs.iter().map(|run| run.false_unlocks).sum(),
            coverage_3sigma: (claimed > 0).then(|| rounded(covered as f64 / claimed as f64)),
        }
    }
}

/// The median; `None` if it is not finite.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get((values.len().max(1) - 1) / 2)?, values.get(values.len() / 2)?);
    let median = (low + high) / 2.0;
    median.is_finite().then(|| rounded(median))
}

/// With a fixed number of decimals.
pub(super) fn rounded(value: f64) -> f64 {
    // Adding zero removes the sign of a negative zero.
    (value * DECIMALS).round() / DECIMALS + 0.0
}
