//! The pictures of a run: playback ratio, clock, buffer, audio, and an overview of all four and of
//! the subjects of the scenario.
//!
//! Every picture has one time axis in minutes and seconds, the scenario's faults shaded, and the
//! same colour for the same receiver. Series are reduced to one column per pixel first, so a day
//! draws as fast as a minute. Only the encoder can fail: empty traces, missing values and flat
//! ranges result in pictures that say so.

mod audio;
mod axis;
mod buffer;
mod canvas;
mod clock;
mod display;
mod drift;
mod overview;
mod page;
mod panel;
mod series;
mod stability;
mod subject;
mod theme;

use std::path::Path;

use super::ReportError;
use crate::record::RunTrace;

/// Writes `drift.png`, `clock.png`, `buffer.png`, `audio.png` and `overview.png` into a directory
/// that exists; only `clock.png` and `overview.png` if only clocks were simulated. `stability.png`
/// is written if any clock deviates.
///
/// # Errors
///
/// [`ReportError::Picture`] names the first file that could not be written.
pub fn write_all(trace: &RunTrace, dir: &Path) -> Result<(), ReportError> {
    clock::draw(trace)?.save(dir, "clock.png")?;
    if trace.target_depth_ms.is_some() {
        drift::draw(trace)?.save(dir, "drift.png")?;
        buffer::draw(trace)?.save(dir, "buffer.png")?;
        audio::draw(trace)?.save(dir, "audio.png")?;
    }
    if let Some(page) = stability::draw(trace)? {
        page.save(dir, "stability.png")?;
    }
    overview::draw(trace)?.save(dir, "overview.png")
}

/// Whether no receiver has a row.
fn is_empty(trace: &RunTrace) -> bool {
    trace.recordings.iter().all(|recording| recording.rows.is_empty())
}
