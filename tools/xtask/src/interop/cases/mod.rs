//! The cases, one file for each kind of peer.

mod announcements;

use super::bench::{Bench, Outcome};

/// One case.
pub(super) struct Case {
    /// For `--only`, and in the name of its test.
    pub(super) name: &'static str,
    /// One line.
    pub(super) help: &'static str,
    /// What it does.
    pub(super) run: fn(&Bench) -> Outcome,
}

/// All cases, in the order in which they run.
pub(super) const ALL: &[Case] = &[Case {
    name: "sap-ffmpeg",
    help: "FFmpeg's announcement appears and disappears in `discover`; malformed ones change nothing",
    run: announcements::ffmpeg,
}];
