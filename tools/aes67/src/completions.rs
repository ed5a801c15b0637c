//! `aes67 completions`: writes a shell's completions for commands and options.

use crate::Arguments;
use crate::failure::Result;
use crate::session::print;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::process::ExitCode;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  aes67 completions bash > ~/.local/share/bash-completion/completions/aes67\n  aes67 completions zsh > ~/.zfunc/_aes67"
)]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionsArguments) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "aes67", &mut text);
    print(String::from_utf8_lossy(&text).trim_end());
    Ok(ExitCode::SUCCESS)
}
