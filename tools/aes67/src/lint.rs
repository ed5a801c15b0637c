//! `aes67 lint`: tells in plain words what is wrong with a description.

use crate::failure::{Failure, Result};
use crate::session::print;
use clap::Args;
use engine::announce::sdp::Description;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(
    after_help = "Exit code: 0 if nothing is wrong, 1 if something is, 2 if no stream can be received by it.\n\nExample:\n  aes67 lint studio.sdp"
)]
pub(crate) struct LintArguments {
    /// The SDP file
    file: PathBuf,
}

pub(crate) fn run(arguments: &LintArguments) -> Result<ExitCode> {
    let file = arguments.file.display();
    let text = std::fs::read(&arguments.file).map_err(|error| Failure::input(format!("{file}: {error}")))?;
    let parsed = Description::parse(&text).map_err(|error| Failure::input(format!("{file}: {error}")))?;
    for finding in &parsed.findings {
        print(&format!("{file}: {finding}"));
    }
    if parsed.findings.is_empty() {
        print(&format!("{file}: nothing is wrong"));
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
