//! Draws all pictures of a made-up run, to look at them without a simulation.
//!
//! `cargo run -p sim --example pictures -- DIRECTORY [RECEIVERS] [SECONDS]`

use std::error::Error;
use std::path::Path;

#[path = "../tests/story/mod.rs"]
mod story;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("name a directory that exists")?;
    let receivers = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let seconds = arguments.next().map_or(Ok(195), |text| text.parse())?;
    sim::report::write_all(&story::story(receivers, seconds), Path::new(&dir))?;
    Ok(())
}
