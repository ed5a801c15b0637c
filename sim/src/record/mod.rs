//! What a run writes down: the typed trace that plots, tables, CSV and expectations are all made
//! from.

mod trace;

pub use trace::{AudioExcerpt, ClockState, Incident, Occurrence, Recording, RunTrace, Subjects, TraceEvent, TraceRow};
