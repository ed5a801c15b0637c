//! The data of a run: the typed trace from which plots, tables, CSV and expectations are made.

mod pcm;
mod trace;

pub(crate) use pcm::{PcmReader, write_block};
pub use trace::{AudioExcerpt, ClockState, Incident, Occurrence, Recording, RunTrace, Subjects, TraceEvent, TraceRow};
