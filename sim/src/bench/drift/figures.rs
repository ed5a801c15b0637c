//! One row of the result: all seeds of one drift law in one condition.

use super::law::DriftLawKind;
use super::measure::RunFigures;
use crate::bench::figures::{median, rounded};
use serde::Serialize;

/// Results of one law in one condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DriftFigures {
    /// The condition: its file's name without extension.
    pub condition: String,
    /// The law.
    pub law: DriftLawKind,
    /// How many seeds.
    pub seeds: u64,
    /// When the mean ratio was last off by more than 1 ppm, median of the seeds. The mean is taken
    /// over 1 s for the engine and over 60 s for the others. `None` if the ratio is still off at
    /// the end.
    pub settle_s: Option<f64>,
    /// RMS of the error of each callback's ratio, pooled over the seeds.
    pub ratio_rms_ppm: Option<f64>,
    /// Largest minus smallest ratio, worst of the seeds.
    pub ratio_pp_ppm: f64,
    /// Largest change of the ratio from one callback to the next, divided by the duration of a
    /// block, worst of the seeds.
    pub slew_max_ppm_per_s: f64,
    /// Largest minus smallest true depth, both averaged over 1 s, worst of the seeds.
    pub delay_pp_ms: f64,
    /// Largest deviation of the depth from its target, worst of the seeds.
    pub delay_max_ms: f64,
    /// Phase noise beyond 5 Hz on a tone of 10 kHz, pooled over the seeds.
    pub phase_noise_dbc: Option<f64>,
    /// Blocks that found too little audio, in all seeds.
    pub underruns: u64,
    /// How often there was no room for audio, in all seeds.
    pub overruns: u64,
    /// Time from a step of the grandmaster until playout follows it permanently, median of the
    /// seeds; infinite if it does not (`null` in JSON, which is also written if there is no step).
    pub step_removed_s: Option<f64>,
    /// Time from an xrun of the card until the depth is permanently right again, with the same
    /// special values.
    pub xrun_removed_s: Option<f64>,
}

impl DriftFigures {
    pub(super) fn pooled(condition: &str, law: DriftLawKind, runs: &[RunFigures]) -> Self {
        let (squares, count) =
            runs.iter().fold((0.0, 0), |sum, run| (sum.0 + run.ratio_squares.0, sum.1 + run.ratio_squares.1));
        let phase_square = runs.iter().map(|run| run.phase_square).sum::<f64>() / runs.len().max(1) as f64;
        let worst = |of: fn(&RunFigures) -> f64| rounded(runs.iter().map(of).fold(0.0, f64::max));
        Self {
            condition: condition.to_owned(),
            law,
            seeds: runs.len() as u64,
            settle_s: median(runs.iter().map(|run| run.settle_s).collect()),
            ratio_rms_ppm: (count > 0).then(|| rounded(libm::sqrt(squares / count as f64))),
            ratio_pp_ppm: worst(|run| run.ratio_pp_ppm),
            slew_max_ppm_per_s: worst(|run| run.slew_max_ppm_per_s),
            delay_pp_ms: worst(|run| run.delay_pp_ms),
            delay_max_ms: worst(|run| run.delay_max_ms),
            phase_noise_dbc: (phase_square > 0.0).then(|| rounded(10.0 * libm::log10(phase_square))),
            underruns: runs.iter().map(|run| run.underruns).sum(),
            overruns: runs.iter().map(|run| run.overruns).sum(),
            step_removed_s: removed(runs, |run| run.step_removed_s),
            xrun_removed_s: removed(runs, |run| run.xrun_removed_s),
        }
    }
}

/// The median of the seeds; infinite if the median run never recovers.
fn removed(runs: &[RunFigures], of: fn(&RunFigures) -> Option<f64>) -> Option<f64> {
    let seconds: Option<Vec<f64>> = runs.iter().map(of).collect();
    seconds.filter(|seconds| !seconds.is_empty()).map(|seconds| median(seconds).unwrap_or(f64::INFINITY))
}
