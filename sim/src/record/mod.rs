//! The data of a run: the typed trace from which plots, tables, CSV and expectations are made.

mod trace;

pub use trace::{AudioExcerpt, ClockState, Incident, Occurrence, Recording, RunTrace, Subjects, TraceEvent, TraceRow};
