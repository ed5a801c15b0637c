//! `sim bench slips`: runs slips of senders and paths, and prints and writes their table.

use super::{Failure, finished, simulate, write_files};
use crate::{EXIT_FAILED, EXIT_USAGE};
use clap::Args;
use sim::bench::{self, SlipBenchError, SlipKind, SlipPlan};
use sim::scenario::Loaded;
use sim::world::Control;
use std::path::PathBuf;
use std::process::ExitCode;

/// The scenario that the slips are applied to, relative to the top of the workspace.
const CONDITION: &str = "scenarios/bench/slips/lan.toml";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Slips {
    /// A scenario with an audio chain that the slips are put on
    #[arg(default_value = CONDITION)]
    file: PathBuf,

    /// Kinds of slips; all if not given
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    kinds: Vec<SlipKind>,

    /// Sizes, ms
    #[arg(long, value_delimiter = ',', value_name = "MS", default_value = "1,2,5,10,18,30,50,100,300,1000")]
    sizes: Vec<f64>,

    /// Target depths, ms
    #[arg(long, value_delimiter = ',', value_name = "MS", default_value = "5,10,20,50,100")]
    depths: Vec<f64>,

    /// Frames of a packet
    #[arg(long, value_delimiter = ',', value_name = "FRAMES", default_value = "48,240", value_parser = clap::value_parser!(u16).range(1..=480))]
    packets: Vec<u16>,

    /// Frames of a callback
    #[arg(long, value_delimiter = ',', value_name = "FRAMES", default_value = "48,240,480,960", value_parser = clap::value_parser!(u16).range(16..=8192))]
    callbacks: Vec<u16>,

    /// Changes a value of the scenario; may be given several times
    #[arg(long = "set", value_name = "KEY.KEY=VALUE")]
    overrides: Vec<String>,

    /// Prints every run instead of the worst at each depth
    #[arg(long)]
    all: bool,

    /// Also writes the result to this file, for scripts
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
A sender that slips stands still, or catches up, and its timestamps go on as if nothing had happened; a path gets longer or shorter for good. Limit: playout is right
again within 1 s after packets come again, not more than 1 s is lost beyond the time in which none came, and nobody is told of a new source.

Examples:
  sim bench slips
  sim bench slips --kinds sender_later --sizes 18 --depths 20 --all
  sim bench slips --set network.media.jitter.exponential.mean_us=500";

pub(super) fn run(arguments: &Slips) -> ExitCode {
    finished(plan(arguments).and_then(|plan| {
        let compare = |control: &Control| bench::compare_slips(&plan, control);
        let render = if arguments.all { bench::render_slip_cells } else { bench::render_slip_table };
        let figures = simulate("bench slips", plan.total_ms(), compare, render)?;
        let json = arguments.json.iter().map(|path| (path.clone(), bench::render_slip_json(&figures)));
        write_files(&json.collect::<Vec<_>>(), "--json")
    }))
}

fn plan(arguments: &Slips) -> Result<SlipPlan, Failure> {
    let plan = SlipPlan {
        condition: Loaded::read(&arguments.file, &arguments.overrides).map_err(Failure::usage)?,
        kinds: if arguments.kinds.is_empty() { SlipKind::ALL.to_vec() } else { arguments.kinds.clone() },
        sizes_ms: arguments.sizes.clone(),
        depths_ms: arguments.depths.clone(),
        packets: arguments.packets.clone(),
        callbacks: arguments.callbacks.clone(),
    };
    plan.check()?;
    Ok(plan)
}

impl From<SlipBenchError> for Failure {
    fn from(error: SlipBenchError) -> Self {
        let code = if matches!(error, SlipBenchError::Run(_)) { EXIT_FAILED } else { EXIT_USAGE };
        Self(code, format!("error: {error}"))
    }
}
