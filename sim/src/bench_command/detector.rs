//! `sim bench detector`: plants faults and prints how many the judge detects.

use crate::terminal;
use clap::Args;
use sim::bench;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Detector {
    /// Length of each programme, s.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(10..=3_600))]
    seconds: u32,
}

pub(super) fn run(arguments: &Detector) -> ExitCode {
    let figures = bench::detector_figures(arguments.seconds);
    terminal::say(bench::render_detector_table(&figures));
    ExitCode::SUCCESS
}
