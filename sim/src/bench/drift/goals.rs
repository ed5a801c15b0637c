//! Goals for the engine's playout, with at least 20 seeds.

use super::figures::DriftFigures;

/// Limits of the figures; `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Goal {
    settle_s: Option<f64>,
    ratio_rms_ppm: Option<f64>,
    ratio_pp_ppm: Option<f64>,
    delay_pp_ms: Option<f64>,
    phase_noise_dbc: Option<f64>,
    xruns: Option<f64>,
    step_removed_s: Option<f64>,
    xrun_removed_s: Option<f64>,
    /// How many times steadier the ratio must be than that of PipeWire's RTP source.
    pub(super) steadier: Option<f64>,
}

/// The goal of a condition: slightly less strict than what a prototype of fused rates reached in
/// this model.
pub(super) fn goal(condition: &str) -> Option<Goal> {
    let none = Goal { xruns: Some(0.0), ..Goal::default() };
    let still = |settle_s, rms, steadier| Goal {
        settle_s: Some(settle_s),
        ratio_rms_ppm: Some(rms),
        ratio_pp_ppm: Some(0.4),
        delay_pp_ms: Some(0.02),
        phase_noise_dbc: Some(-120.0),
        steadier: Some(steadier),
        ..none
    };
    Some(match condition {
        "A" => still(15.0, 0.05, 40.0),
        "B" => still(20.0, 0.06, 150.0),
        "C" => Goal { ratio_rms_ppm: Some(0.12), delay_pp_ms: Some(0.06), ..none },
        "D" => Goal { ratio_rms_ppm: Some(0.3), ..none },
        "F" => Goal { settle_s: Some(2.0), ratio_rms_ppm: Some(0.02), ..none },
        "H" => Goal { ratio_rms_ppm: Some(0.1), ..none },
        _ => return wandering(condition),
    })
}

/// The goal where the master wanders, however much and however fast. A step of 1 ms is removed by a
/// trim of at most 20 ppm, which takes 50 s; the step of a master that wanders by half of it, or
/// more, cannot be distinguished from its wander.
fn wandering(condition: &str) -> Option<Goal> {
    let (rms_us, _) = condition.strip_prefix('W')?.split_once('_')?;
    let rms_us: f64 = rms_us.parse().ok()?;
    let none = Goal { xruns: Some(0.0), ..Goal::default() };
    let step_removed_s = (rms_us < 500.0).then_some(60.0);
    Some(Goal { settle_s: Some(60.0), ratio_rms_ppm: Some(0.15), step_removed_s, xrun_removed_s: Some(2.0), ..none })
}

impl Goal {
    /// The goals in the order of the table's columns, and whether the engine meets each of them.
    pub(super) fn columns(&self, engine: Option<&DriftFigures>) -> [Option<(f64, Option<bool>)>; 11] {
        let column = |limit: Option<f64>, of: fn(&DriftFigures) -> Option<f64>| {
            limit.map(|limit| (limit, engine.map(|engine| of(engine).is_some_and(|value| value <= limit))))
        };
        [
            column(self.settle_s, |figures| figures.settle_s),
            column(self.ratio_rms_ppm, |figures| figures.ratio_rms_ppm),
            column(self.ratio_pp_ppm, |figures| Some(figures.ratio_pp_ppm)),
            None,
            column(self.delay_pp_ms, |figures| Some(figures.delay_pp_ms)),
            None,
            column(self.phase_noise_dbc, |figures| figures.phase_noise_dbc),
            column(self.xruns, |figures| Some(figures.underruns as f64)),
            column(self.xruns, |figures| Some(figures.overruns as f64)),
            column(self.step_removed_s, |figures| figures.step_removed_s),
            column(self.xrun_removed_s, |figures| figures.xrun_removed_s),
        ]
    }
}
