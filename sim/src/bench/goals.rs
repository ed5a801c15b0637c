//! Goals for the engine's clock, with 8 Syncs per second and at least 20 seeds.

use super::figures::Figures;

/// Sync interval for which the goals are set.
const LOG_SYNC_INTERVAL: i8 = -3;

/// Limits of the figures; `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Goal {
    pub(super) time_rms_us: Option<f64>,
    pub(super) frequency_rms_ppb: Option<f64>,
    pub(super) lock_10us_s: Option<f64>,
    pub(super) outage_end_worst_us: Option<f64>,
    pub(super) recovery_s: Option<f64>,
}

/// The goal of a condition: the best figure of the known slaves and of prototypes in this model.
/// With a packet loss of 10 %, it may be 1.3 times as large.
pub(super) fn goal(condition: &str, log_sync_interval: i8) -> Option<Goal> {
    let rms = |us: f64| Goal { time_rms_us: Some(us), ..Goal::default() };
    let outage = |us: f64| Goal { outage_end_worst_us: Some(us), recovery_s: Some(3.0), ..Goal::default() };
    let goal = match condition {
        "a" => Goal { frequency_rms_ppb: Some(40.0), lock_10us_s: Some(6.0), ..rms(0.12) },
        "b" => Goal { frequency_rms_ppb: Some(250.0), ..rms(1.7) },
        "bN" => rms(3.0),
        "c" => rms(7.5),
        "d_a" => outage(3.0),
        "d_b" => outage(10.0),
        "e_a" => rms(1.3 * 0.12),
        "e_b" => rms(1.3 * 1.7),
        _ => return None,
    };
    (log_sync_interval == LOG_SYNC_INTERVAL).then_some(goal)
}

impl Goal {
    /// The goals as columns, and whether the engine meets each of them.
    pub(super) fn columns(&self, engine: Option<&Figures>) -> [(&'static str, Option<f64>, Option<bool>); 5] {
        let column = |name, limit: Option<f64>, of: fn(&Figures) -> Option<f64>| {
            let met = limit.zip(engine).map(|(limit, figures)| of(figures).is_some_and(|value| value <= limit));
            (name, limit, met)
        };
        [
            column("time_rms_us", self.time_rms_us, |figures| figures.time_rms_us),
            column("frequency_rms_ppb", self.frequency_rms_ppb, |figures| figures.frequency_rms_ppb),
            column("lock_10us_s", self.lock_10us_s, |figures| figures.lock_10us_s),
            column("outage_end_worst_us", self.outage_end_worst_us, |figures| figures.outage_end_worst_us),
            column("recovery_s", self.recovery_s, |figures| figures.recovery_s),
        ]
    }
}
