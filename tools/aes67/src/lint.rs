//! `aes67 lint`: explains what is wrong with a description.
//!
//! Model: the description is read and its streams are checked with the same functions that `play`
//! and `record` call first, so that everything they refuse is reported here.

use crate::failure::{Failure, Result};
use crate::session::print;
use crate::target::read_description;
use clap::Args;
use engine::announce::sdp::Lint;
use net::stream::LegConfig;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Exit code: 0 if nothing is wrong, 1 if something is, 2 if no stream can be received by it.

Examples:
  aes67 lint studio.sdp
  aes67 lint rtsp://10.0.0.7/by-name/Studio";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LintArguments {
    /// The SDP file, or the rtsp:// URL of a device that serves the description
    file: String,
}

pub(crate) fn run(arguments: &LintArguments) -> Result<ExitCode> {
    let file = &arguments.file;
    let parsed = read_description(file)?;
    let streams = &parsed.description.streams;
    let refusals: Vec<net::Error> =
        streams.iter().filter_map(|stream| LegConfig::check_description(stream).err()).collect();
    let is_for_another_host = |error: &&net::Error| matches!(error, net::Error::NotOurs(_));
    let nobody = refusals.iter().find(|error| !is_for_another_host(error));
    let nobody = nobody.filter(|_| refusals.len() == streams.len());
    for finding in &parsed.findings {
        // The final error repeats this finding, so it is not printed twice.
        if nobody.is_none() || !matches!(finding.lint, Lint::Obstacle(_)) {
            print(&format!("{file}: {finding}"));
        }
    }
    for other in refusals.iter().filter(is_for_another_host) {
        print(&format!("{file}: not on this host: {other}"));
    }
    match nobody {
        Some(refusal) => return Err(Failure::input(format!("{file}: {refusal}"))),
        None if !parsed.findings.is_empty() || !refusals.is_empty() => return Ok(ExitCode::FAILURE),
        None => print(&format!("{file}: nothing is wrong")),
    }
    Ok(ExitCode::SUCCESS)
}
