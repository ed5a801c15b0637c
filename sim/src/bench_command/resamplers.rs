//! `sim bench resamplers`: runs the comparison of resamplers, and prints and writes its table.

use super::{Failure, finished, write_files};
use crate::{EXIT_FAILED, terminal};
use clap::Args;
use sim::bench;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Args)]
pub(crate) struct Resamplers {
    /// Turns that each resampler takes at its speed; the best one counts.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rounds: u32,

    /// Also writes the result to this file, for scripts.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[expect(clippy::disallowed_methods, reason = "a command line that measures time reads a clock")]
pub(super) fn run(arguments: &Resamplers) -> ExitCode {
    let start = Instant::now();
    finished(compare(arguments, &mut || start.elapsed()))
}

fn compare(arguments: &Resamplers, clock: &mut dyn FnMut() -> Duration) -> Result<(), Failure> {
    let figures = bench::compare_resamplers(arguments.rounds, clock)
        .map_err(|error| Failure(EXIT_FAILED, format!("error: {error}")))?;
    terminal::say(bench::render_resampler_table(&figures));
    terminal::say("two channels at 48 kHz, 100 ppm, blocks of 480 frames; speed against rubato's default");
    if cfg!(debug_assertions) {
        terminal::say(
            "this is a development build, which checks itself: for speeds as shipped, use cargo run --release",
        );
    }
    let json = arguments.json.iter().map(|path| (path.clone(), bench::render_resampler_json(&figures)));
    write_files(&json.collect::<Vec<_>>(), "--json")
}
