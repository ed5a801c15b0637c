#![forbid(unsafe_code)]
//! The developer's commands, called as `cargo xtask <command>`.
//!
//! `cargo xtask test` runs everything that CI runs, in the same order and with the same commands:
//! what passes here passes there. Every command works from the workspace's root, wherever it was
//! called from.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod attack;
mod bass;
mod cmd;
mod debian;
mod docs;
mod error;
mod files;
mod fuzz;
mod guest;
mod interop;
mod interrupt;
mod sdp;
mod soak;
mod test;
mod windows;

/// The developer's commands of this workspace.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install or name missing tools, then run everything that CI runs
    Test(test::TestArgs),
    /// Write the page of a scenario's keys, and check links and commands of all documents
    Docs(docs::DocsArgs),
    /// Fetch the BASS binaries that tests of the add-on load: free for non-commercial use only, and
    /// never part of this repository
    BassFetch,
    /// Fetch a Linux guest with network cards that stamp packets, for a case of `interop`
    GuestFetch,
    /// Fetch readers of SDP from npm, for a case of `interop`
    SdpFetch,
    /// Build the BASS add-on for Windows and Linux into a release folder
    Windows(windows::WindowsArgs),
    /// Run `aes67` against other programs: ptp4l, GStreamer, FFmpeg, JACK
    Interop(interop::InteropArgs),
    /// Attack the clocks of `aes67` and ptp4l with forged packets, and report their errors
    Attack(attack::AttackArgs),
    /// Search for inputs that break parsers and state machines
    Fuzz(fuzz::FuzzArgs),
    /// Run everything for hours under attacks and faults, and find the cause of each glitch
    Soak(soak::SoakArgs),
    /// Send forged packets, for `attack`
    #[command(name = attack::forge::COMMAND, hide = true)]
    Forge {
        /// The attack's name, the source address, and the duration in seconds
        arguments: Vec<String>,
    },
    /// Send many streams, for a case of `interop`
    #[command(name = interop::flood::COMMAND, hide = true)]
    Flood {
        /// Number of streams, and the source address
        arguments: Vec<String>,
    },
    /// Record when this machine stands still, for cases of `interop`
    #[command(name = interop::pauses::COMMAND, hide = true)]
    Pauses,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // These run on other hosts, where there is no workspace.
    match &cli.command {
        Command::Flood { arguments } => return interop::flood::run(arguments),
        Command::Pauses => return interop::pauses::run(),
        Command::Forge { arguments } => return attack::forge::run(arguments),
        Command::Test(_)
        | Command::Docs(_)
        | Command::Interop(_)
        | Command::Attack(_)
        | Command::Soak(_)
        | Command::Fuzz(_)
        | Command::BassFetch
        | Command::GuestFetch
        | Command::SdpFetch
        | Command::Windows(_) => {}
    }
    if let Err(error) = enter_workspace_root().and_then(|()| interrupt::listen()) {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    match cli.command {
        Command::Test(args) => test::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::BassFetch => end(bass::fetch(&target_folder()).map(|folder| println!("{}", folder.display()))),
        Command::GuestFetch => end(guest::fetch(&target_folder()).map(|folder| println!("{}", folder.display()))),
        Command::SdpFetch => end(sdp::fetch(&target_folder()).map(|folder| println!("{}", folder.display()))),
        Command::Windows(args) => end(windows::run(&args, &target_folder())),
        Command::Interop(args) => interop::run(&args),
        Command::Attack(args) => attack::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Fuzz(args) => fuzz::run(&args, &target_folder()),
        Command::Flood { .. } | Command::Forge { .. } | Command::Pauses => ExitCode::SUCCESS,
    }
}

/// Cargo's target folder, relative to the workspace's root or absolute.
fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
}

/// Prints the error of a command without steps, if there is one. Returns the exit code.
fn end(result: Result<(), error::Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Makes the workspace's root the working directory, so that a person can repeat the printed
/// commands exactly.
///
/// The root is determined at run time, not at compile time, so that a checkout may be moved.
fn enter_workspace_root() -> Result<(), error::Error> {
    let own_folder = env::var_os("CARGO_MANIFEST_DIR").ok_or(error::Error::NotThroughCargo)?;
    let root = Path::new(&own_folder).ancestors().nth(2).ok_or(error::Error::NotThroughCargo)?;
    env::set_current_dir(root).map_err(|source| error::Error::Root { root: root.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_line_in_the_documents_is_one_of_ours() {
        let commands = documents::commands_of(documents::Program::Xtask).expect("the documents can be read");
        assert!(commands.len() > 5, "{} commands are not all that the documents have", commands.len());
        for documents::CommandLine { place, arguments, .. } in commands {
            if let Err(error) = Cli::try_parse_from(std::iter::once("xtask".to_owned()).chain(arguments)) {
                assert!(!error.use_stderr(), "{place}: {error}");
            }
        }
    }
}
