//! The data of a run: the typed trace from which plots, tables, CSV and expectations are made.

mod pcm;
mod stability;
mod trace;

pub(crate) use pcm::{PcmReader, write_block};
pub use stability::{ClockDeviation, ClockStability, ShownMask, TruePhases};
pub use trace::{AudioExcerpt, ClockState, Incident, Occurrence, Recording, RunTrace, Subjects, TraceEvent, TraceRow};
