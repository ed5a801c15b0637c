//! Conditions with masters whose time wanders: one scenario with every combination of size and time
//! constant.
//!
//! The sizes are those of a good hardware clock, of a boundary clock in software, of a PC that is a
//! grandmaster, of one under load, and of one on a wireless network; the time constants are shorter
//! and longer than those of a software slave.

use crate::scenario::{Loaded, ScenarioError};
use std::path::Path;

/// Sizes, us RMS.
const RMS_US: [u32; 5] = [1, 20, 100, 500, 2000];
/// Time constants, s.
const TAU_S: [u32; 3] = [1, 5, 50];

/// The conditions made from a scenario, each named after its size and time constant, such as
/// `W100_5`.
///
/// # Errors
/// If the file is no scenario of a master that wanders.
pub fn wandering_masters(file: &Path, overrides: &[String]) -> Result<Vec<Loaded>, ScenarioError> {
    let pairs = RMS_US.into_iter().flat_map(|rms_us| TAU_S.map(|tau_s| (rms_us, tau_s)));
    let condition = |(rms_us, tau_s): (u32, u32)| {
        let wander = [format!("grandmaster.wander.rms_us={rms_us}"), format!("grandmaster.wander.tau_s={tau_s}")];
        let overrides: Vec<String> = wander.into_iter().chain(overrides.iter().cloned()).collect();
        let mut loaded = Loaded::read(file, &overrides)?;
        loaded.name = format!("{}{rms_us}_{tau_s}", loaded.name);
        Ok(loaded)
    };
    pairs.map(condition).collect()
}
