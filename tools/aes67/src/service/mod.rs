//! `aes67 service`: runs a command of this program as a Windows service, which starts with the
//! computer, whether or not anybody logs on.

#[cfg(any(windows, test))]
mod log;
#[cfg(any(windows, test))]
mod plan;
#[cfg(windows)]
mod windows;

#[cfg(windows)]
pub(crate) use windows::stop;

use crate::failure::Result;
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples (in a console that runs as administrator):
  aes67 service install studio -- play studio.sdp --output null
  net start studio
  net stop studio
  aes67 service uninstall studio

Files of the command are looked for in the folder in which `install` ran. What it says goes to the log, %ProgramData%\\AES67\\NAME.log.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServiceArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Have Windows run a command when the computer starts, and again 5 s after it has failed
    Install(Plan),
    /// Stop a service, and remove it
    Uninstall {
        /// The service
        name: String,
    },
    /// For Windows's service manager, which starts this
    Run(Plan),
}

/// What a service is to do.
#[derive(Args, Clone, Debug)]
struct Plan {
    /// The service's name: letters, digits, spaces, `-`, `_` and `.`
    name: String,

    /// The folder of the command's files [default: the present one]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,

    /// What the command says; from 16 MiB on the file is renamed to NAME.old.log, and begun anew
    /// [default: %ProgramData%\AES67\NAME.log]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// A command of this program and its options, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[cfg(windows)]
pub(crate) fn run(arguments: &ServiceArguments) -> Result<ExitCode> {
    match &arguments.what {
        What::Install(plan) => windows::install(plan),
        What::Uninstall { name } => windows::uninstall(name),
        What::Run(plan) => windows::run(plan),
    }
}

#[cfg(not(windows))]
pub(crate) fn run(arguments: &ServiceArguments) -> Result<ExitCode> {
    let (verb, name) = match &arguments.what {
        What::Install(plan) => ("install", &plan.name),
        What::Uninstall { name } => ("uninstall", name),
        What::Run(plan) => ("run", &plan.name),
    };
    Err(crate::failure::Failure::input(format!(
        "`service {verb} {name}` is for Windows; here systemd (on macOS launchd) runs a command in the background"
    )))
}
