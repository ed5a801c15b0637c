//! Your own rate controller in the engine, beside the engine's own: the table, and the pictures.
//!
//! `cargo run -p sim --example own_rate_controller -- DIRECTORY [KEY.KEY=VALUE ...]`

use engine::Ppb;
use engine::audio::{RateController, RateInput};
use sim::report::render_table;
use sim::run::{Output, Session, run_with};
use sim::scenario::Loaded;
use sim::world::Control;
use std::error::Error;
use std::path::Path;

/// The ratio of the measured rates, plus a share of the phase error that would be gone after this
/// time.
const REMOVED_AFTER_S: f64 = 100.0;
/// Largest trim, ppb.
const MOST_TRIM_PPB: f64 = 20_000.0;

struct OwnController;

impl RateController for OwnController {
    fn ratio(&mut self, input: &RateInput) -> Ppb {
        let measured_ppb = (input.source_rate.ratio() / input.sink_rate.ratio() - 1.0) * 1e9;
        let trim_ppb = input.phase_error.as_nanos() as f64 / REMOVED_AFTER_S;
        Ppb::new(measured_ppb + trim_ppb.clamp(-MOST_TRIM_PPB, MOST_TRIM_PPB))
    }
}

/// Runs it; `overrides` change the scenario as `--set` does.
pub(crate) fn run(folder: &Path, overrides: &[String]) -> Result<Session, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/gm_loss.toml");
    let mut loaded = Loaded::read(&path, overrides)?;
    loaded.add_own("own_controller", "engine")?;
    let output = Output { folder, pictures: true };
    Ok(run_with(&loaded, Some(output), &Control::default(), &|slot| match slot.name() {
        "own_controller" => slot.rate_controller(OwnController),
        _ => slot.built_in(),
    })?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name a directory for the pictures and the audio")?;
    let overrides: Vec<String> = std::env::args().skip(2).collect();
    println!("{}", render_table(&run(folder.as_ref(), &overrides)?.summary.checks(), false));
    Ok(())
}
