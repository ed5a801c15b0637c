//! Reports of a run for a person: pictures, a page, a table of verdicts, and the rows as CSV.
//!
//! Everything here is a pure function of a [`RunTrace`](crate::record::RunTrace) or of verdicts
//! made elsewhere; nothing here decides whether a run was good.

mod csv;
mod error;
mod file;
mod history;
mod html;
mod plots;
mod table;

pub use self::csv::write_csv;
pub use error::ReportError;
pub use file::write_atomically;
pub use history::{HistoryLine, note_history, read_history};
pub use html::{Sound, Story, remove_pictures, write_compare_page, write_index, write_page, write_sweep_page};
pub use plots::write_all;
pub use table::{Check, Verdict, render_table};
