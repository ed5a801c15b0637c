//! `sim bench resamplers`: runs the comparison of resamplers, and prints and writes its table.

use crate::{EXIT_FAILED, EXIT_USAGE};
use clap::Args;
use sim::bench;
use sim::report::write_atomically;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

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
    let figures = match bench::compare_resamplers(arguments.rounds, &mut || start.elapsed()) {
        Ok(figures) => figures,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    println!("{}", bench::render_resampler_table(&figures));
    println!("two channels at 48 kHz, 100 ppm, blocks of 480 frames; speed against rubato's default");
    if cfg!(debug_assertions) {
        println!("this is a development build, which checks itself: for speeds as shipped, use cargo run --release");
    }
    if let Some(path) = &arguments.json
        && let Err(error) = write_atomically(path, &bench::render_resampler_json(&figures))
    {
        eprintln!("error: {}: {error}; choose another place with --json", path.display());
        return ExitCode::from(EXIT_USAGE);
    }
    ExitCode::SUCCESS
}
