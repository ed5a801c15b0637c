//! The page of a run: one file of HTML that a browser opens from the disk, with its plots and their
//! data in it. Sounds are beside it.
//!
//! Everything that comes from a scenario is escaped: text by `maud`, data by [`script_safe`].

mod body;
mod compare;
mod data;
mod index;
mod stability;
mod sweep;
mod trends;

pub use compare::write_compare_page;
pub use index::write_index;
pub use sweep::write_sweep_page;

use super::{ReportError, write_atomically};
use crate::check::{Glitch, Judgement};
use crate::record::RunTrace;
use crate::run::Summary;
use crate::scenario::SourceFile;
use data::{STATES, plots, rounded_time};
use serde_json::json;
use std::path::Path;

/// Most audible faults of a receiver that are listed and marked; a run that has more is not judged
/// by looking at each.
const MOST_GLITCHES: usize = 500;

/// A recording beside the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// The name of its file.
    pub file: String,
    /// What it is, in words.
    pub label: String,
    /// Whose it is, by the place of the receiver in the scenario; none for what should be heard.
    pub receiver: Option<usize>,
    /// Whether it is what differs from what should be heard.
    pub difference: bool,
    /// True time and the file's time, both in s, in order.
    pub times: Vec<(f64, f64)>,
}

/// What a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// Verdicts and figures.
    pub summary: &'a Summary,
    /// The files of the scenario.
    pub files: &'a [SourceFile],
    /// What happened.
    pub trace: &'a RunTrace,
    /// The audible faults of each receiver; none of one that nobody listened to.
    pub glitches: &'a [Option<&'a [Glitch]>],
    /// The recordings.
    pub sounds: &'a [Sound],
    /// The command that repeats the run.
    pub command: &'a str,
}

impl Story<'_> {
    /// The audible faults that are shown, each with its receiver.
    fn shown_glitches(&self) -> impl Iterator<Item = (usize, &Glitch)> {
        self.glitches.iter().enumerate().flat_map(|(index, glitches)| {
            glitches.iter().flat_map(|all| all.iter().take(MOST_GLITCHES)).map(move |glitch| (index, glitch))
        })
    }

    /// What failed, in order.
    fn failures(&self) -> impl Iterator<Item = (&Judgement, String)> {
        let all = self.summary.expectations.iter();
        all.filter_map(|judgement| Some((judgement, judgement.failure()?)))
    }

    /// The data of the plots, marks and players.
    fn data(&self) -> serde_json::Value {
        let Self { trace, .. } = self;
        let (x, plots) = plots(trace);
        let incidents = trace.incidents.iter().map(|incident| {
            let times = incident.times.iter().map(|at| json!([rounded_time(at.from_s), at.to_s.map(rounded_time)]));
            json!({
                "text": incident.text,
                "silences_master": incident.silences_master,
                "times": times.collect::<Vec<_>>(),
            })
        });
        let events = trace.recordings.iter().enumerate().flat_map(|(receiver, recording)| {
            let event = move |event: &crate::record::TraceEvent| json!({ "receiver": receiver, "time_s": rounded_time(event.time_s), "text": event.text });
            recording.events.iter().map(event)
        });
        let glitches = self.shown_glitches().map(|(receiver, glitch)| {
            json!({
                "receiver": receiver,
                "from_s": rounded_time(glitch.from_s),
                "to_s": rounded_time(glitch.to_s),
                "kind": glitch.kind.to_string(),
            })
        });
        let sounds = self.sounds.iter().map(|sound| {
            let times = sound.times.iter().map(|&(at_s, file_s)| [rounded_time(at_s), rounded_time(file_s)]);
            json!({ "receiver": sound.receiver, "difference": sound.difference, "times": times.collect::<Vec<_>>() })
        });
        json!({
            "duration_s": trace.duration_s,
            "states": STATES,
            "receivers": trace.recordings.iter().map(|recording| recording.receiver.as_str()).collect::<Vec<_>>(),
            "incidents": incidents.collect::<Vec<_>>(),
            "events": events.collect::<Vec<_>>(),
            "glitches": glitches.collect::<Vec<_>>(),
            "sounds": sounds.collect::<Vec<_>>(),
            "x": x,
            "plots": plots,
            "stability": stability::plots(trace),
        })
    }
}

/// Writes `index.html` into the folder of a run.
///
/// # Errors
/// If it cannot be written.
pub fn write_page(story: &Story<'_>, folder: &Path) -> Result<(), ReportError> {
    let path = folder.join("index.html");
    let html = body::page(story).into_string();
    write_atomically(&path, html).map_err(|source| ReportError::Page { path, source })
}

/// Removes what an earlier run with pictures has left in the folder of a run, so that no page shows
/// other verdicts than `summary.json`: the page, the pictures and the differences of recordings.
///
/// # Errors
/// If the folder cannot be read, or a file cannot be removed.
pub fn remove_pictures(folder: &Path) -> Result<(), ReportError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ReportError::Page { path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_stale = name == "index.html" || name.ends_with(".png") || name.ends_with(".difference.wav");
        if is_stale {
            std::fs::remove_file(&path).map_err(failed(&path))?;
        }
    }
    Ok(())
}

/// JSON that ends no script, whatever a text in it says.
fn script_safe(json: &serde_json::Value) -> String {
    json.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_script() {
        let json = json!({ "text": "</script><!--" });
        let safe = script_safe(&json);
        assert!(!safe.contains('<'), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), json);
    }
}
