//! Many runs of one scenario: seeds, and keys whose values are varied.
//!
//! A [`Plan`] numbers the runs. Each finished run is one [`Record`], a line of a [`Journal`] in the
//! folder of the sweep, so that a sweep goes on where it was stopped. A [`Shard`] is every n-th
//! run, for several machines; [`merge`] reads the journals of all of them. The reports are made
//! from plan and records alone: they have the same bytes in whatever order, and on whichever
//! machines, the runs were finished.

mod axis;
mod figures;
mod journal;
mod parquet;
mod plan;
mod record;
mod report;
mod shard;

pub use axis::{Axis, Seeds};
pub use figures::{Row, Stats, is_lower_worse, rows};
pub use journal::{Journal, JournalError, merge};
pub use plan::Plan;
pub use record::{Ending, Failure, Figure, Figures, Record};
pub use report::{Outcome, write_reports};
pub use shard::Shard;
