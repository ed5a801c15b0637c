#![forbid(unsafe_code)]
//! `aes67`: plays, sends, records and finds AES67 streams, and follows or serves PTP.
//!
//! Each command is a module: it reads its options, starts the parts of `net` that it needs, and
//! reports to a user or, with `--json`, to a script.

mod channels;
mod clock_wait;
mod completions;
mod discover;
mod drops;
mod failure;
mod findings;
mod interfaces;
mod intruders;
#[cfg(all(feature = "cpal", target_os = "linux"))]
mod jack;
mod lateness;
mod lint;
mod livewire_clock;
mod meter;
mod monitor;
mod options;
mod play;
mod priority;
mod ptp;
mod ptp_options;
mod ptp_plan;
mod ptp_security;
mod record;
mod relay;
#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod send;
mod service;
mod session;
#[cfg(feature = "cpal")]
mod sound_card;
mod stream_options;
mod target;
mod text_file;
mod trust;
mod whole_file;

use clap::{Parser, Subcommand};
use std::io::IsTerminal as _;
use std::process::ExitCode;
use tracing::Level;

const EXAMPLES: &str = "\
Examples:
  aes67 interfaces                              what --interface takes
  aes67 ptp --interface eth0                    follow PTP, one line a second
  aes67 discover                                what is announced
  aes67 monitor --interface eth0                masters and streams, live, with their rates and losses
  aes67 play studio.sdp --interface eth0        play it on the sound card
  aes67 record \"Studio 1\" --output take.wav     record an announced stream, bit for bit
  aes67 send music.wav --group 239.69.0.1       send a file
  aes67 loop studio.sdp --group 239.69.0.2      send it on, 5 ms later

Exit code: 0 if all went well, 1 if not, 2 for bad input.";

/// Plays, sends, records and finds AES67 streams, and follows or serves PTP
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Write more of the log to the standard error; twice for all of it
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Follow PTP and report how well, or serve it
    Ptp(ptp::PtpArguments),
    /// List announced streams, as they appear and disappear
    Discover(discover::DiscoverArguments),
    /// Explain what is wrong with a description
    Lint(lint::LintArguments),
    /// Play a stream on a sound card, into a file, or nowhere
    Play(play::PlayArguments),
    /// Record streams, bit for bit
    Record(record::RecordArguments),
    /// Send files, a sound card or a tone, and announce the streams
    Send(send::SendArguments),
    /// Show on one screen which clocks and streams the network has, and how well the streams arrive
    Monitor(monitor::MonitorArguments),
    /// List the network interfaces of this computer
    Interfaces(interfaces::InterfacesArguments),
    /// Write completions for a shell
    Completions(completions::CompletionsArguments),
    /// Receive a stream and send it again with other gains, channels or packets, at a constant
    /// latency
    Loop(relay::LoopArguments),
    /// Have Windows run a command when the computer starts
    Service(service::ServiceArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // For a service, the level of the log is determined by the command that the service runs.
    if !matches!(arguments.command, Command::Service(_)) {
        log_to_stderr(arguments.verbose);
    }
    match run(&arguments.command) {
        Ok(code) => code,
        Err(failure) => {
            session::warn(format_args!("error: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}

/// Writes the log to standard error, in more detail for each `--verbose`.
fn log_to_stderr(verbose: u8) {
    let level = [Level::WARN, Level::INFO, Level::DEBUG][usize::from(verbose.min(2))];
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).without_time();
    // A Windows console interprets escape sequences only on request.
    let has_escapes = net::process::enable_escape_sequences();
    let log = if has_escapes && std::io::stderr().is_terminal() { log } else { log.with_ansi(false) };
    log.init();
}

fn run(command: &Command) -> failure::Result<ExitCode> {
    match command {
        Command::Ptp(arguments) => ptp::run(arguments),
        Command::Discover(arguments) => discover::run(arguments),
        Command::Lint(arguments) => lint::run(arguments),
        Command::Play(arguments) => play::run(arguments),
        Command::Record(arguments) => record::run(arguments),
        Command::Send(arguments) => send::run(arguments),
        Command::Monitor(arguments) => monitor::run(arguments),
        Command::Interfaces(arguments) => interfaces::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
        Command::Loop(arguments) => relay::run(arguments),
        Command::Service(arguments) => service::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_line_in_the_documents_is_one_of_ours() {
        let commands = documents::commands_of(documents::Program::Aes67).expect("the documents can be read");
        assert!(commands.len() > 20, "{} commands are not all that the documents have", commands.len());
        for documents::CommandLine { place, arguments, .. } in commands {
            let words = std::iter::once("aes67".to_owned()).chain(arguments);
            if let Err(error) = Arguments::try_parse_from(words) {
                assert!(!error.use_stderr(), "{place}: {error}");
            }
        }
    }
}
