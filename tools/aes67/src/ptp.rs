//! `aes67 ptp`: follows PTP or the Livewire clock and reports how accurately, or serves it.

use crate::clock_wait::{ClockWait, local_clock};
use crate::failure::{Failure, Result};
use crate::livewire_clock;
use crate::ptp_options::{PtpOptions, resolve};
use crate::session::{Session, print};
use clap::{Args, ValueEnum};
use engine::Nanos;
use engine::livewire_clock::HIGHEST_PRIORITY;
use engine::ptp::bmca_yield::{Convergence, SyncOutcome, YieldState};
use engine::ptp::{PortEvent, PortState};
use net::clock;
use net::interface::Interface;
use net::livewire_clock::LivewireConfig;
use net::ptp::{PtpClient, PtpConfig, PtpEvent, PtpStatus, YieldClient, YieldStatus};
use net::socket::Timestamping;
use net::system::System;
use serde::Serialize;
use std::net::IpAddr;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  aes67 ptp --interface eth0
  aes67 ptp --interface 192.168.1.20 --domain 2 --json --seconds 60
  aes67 ptp --interface eth0 --master
  aes67 ptp --interface eth0 --profile st2059-2
  aes67 ptp --interface eth0 --unicast-master 10.0.0.1,10.0.0.2
  aes67 ptp --interface eth0 --yield 192.168.1.30     with one AirPlay receiver, as the sender of a stream
  aes67 ptp --interface eth0 --livewire               the Livewire clock instead of PTP
  aes67 ptp --interface eth0 --livewire --serve       a network without a Livewire device
  aes67 ptp --interface eth0 --wait 10 --json         a script's way to ask whether there is a clock: exit code 1 if not";

/// Help text on the privileges that PTP's ports and stamps require.
const fn needs(system: System) -> &'static str {
    match system {
        System::Linux => {
            "\n\nPorts 319 and 320 need privileges: sudo setcap cap_net_bind_service+ep $(command -v aes67)\n\
             A network card with a clock is set to stamp PTP, for all programs: that takes cap_net_admin, too, \
             and the right to read /dev/ptpN"
        }
        System::Windows => {
            "\n\nThe firewall must let this program receive UDP. Unless the driver of the network card stamps packets \
             (Windows 11 and Server 2022), the clock is as exact as the moments at which they are read."
        }
        System::MacOs => "\n\nPorts 319 and 320 need privileges: run it with sudo.",
    }
}

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}{}", needs(System::HERE)))]
pub(crate) struct PtpArguments {
    /// Network interface, by name, address or index (`aes67 interfaces`); may be left out if there
    /// is only one
    #[arg(long, value_name = "IF")]
    interface: Option<String>,

    #[command(flatten)]
    ptp: PtpOptions,

    /// Serve the domain unless a better clock does
    #[arg(long)]
    master: bool,

    /// Offer our clock to this AirPlay receiver alone, and follow its clock if that is better
    #[arg(long = "yield", value_name = "HOST", conflicts_with_all = ["master", "domain", "profile", "unicast_master"])]
    yield_to: Option<String>,

    /// Follow the Livewire clock instead of PTP: the master of highest priority that sends its time
    /// to 239.192.255.2:7000. Its time is a count of 250 us and not the time of day
    #[arg(
        long,
        conflicts_with_all = [
            "master", "yield_to", "domain", "profile", "unicast_master", "accept_master", "accept_source", "sa_file", "timestamps"
        ]
    )]
    livewire: bool,

    /// With --livewire: serve the clock unless a better master does, and follow that one if there
    /// is
    #[arg(long, requires = "livewire")]
    serve: bool,

    /// With --serve: the priority of this computer as master. Devices have 3, or 7 if they are set
    /// to be the master always
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        requires = "serve",
        value_parser = clap::value_parser!(u8).range(0..=i64::from(HIGHEST_PRIORITY))
    )]
    priority: u8,

    /// The best kind of timestamps to use, to compare their accuracy: by the network card's clock,
    /// the kernel or this program
    #[arg(long, value_enum, value_name = "BY", default_value_t = Timestamps::Hardware)]
    timestamps: Timestamps,

    /// One JSON object a second. With --yield, error_ns is the standard deviation of the receiver's
    /// time (including the unknown path delay where Delay_Reqs are not answered), rtt_ns the
    /// shortest round trip so far, and clock_id the clock that is followed
    #[arg(long)]
    json: bool,

    /// Give up, and say why, if the clock is not known after this many seconds
    #[arg(long, value_name = "SECONDS")]
    wait: Option<f64>,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

/// Who makes timestamps, if possible.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Timestamps {
    Hardware,
    Kernel,
    UserSpace,
}

impl From<Timestamps> for Timestamping {
    fn from(timestamps: Timestamps) -> Self {
        match timestamps {
            Timestamps::Hardware => Self::Hardware,
            Timestamps::Kernel => Self::Kernel,
            Timestamps::UserSpace => Self::UserSpace,
        }
    }
}

pub(crate) fn run(arguments: &PtpArguments) -> Result<ExitCode> {
    let interface = Interface::find(arguments.interface.as_deref())?;
    if arguments.livewire {
        let config = match arguments.serve {
            true => LivewireConfig::master(interface, arguments.priority),
            false => LivewireConfig::slave(interface),
        };
        return livewire_clock::run(config, arguments.wait, arguments.seconds, arguments.json);
    }
    if let Some(host) = &arguments.yield_to {
        return run_yield(arguments, &interface, host);
    }
    let make = if arguments.master { PtpConfig::master } else { PtpConfig::slave };
    let domain = arguments.ptp.domain(None);
    let config = arguments.ptp.apply(make(interface.clone(), domain))?;
    let client = PtpClient::shared(PtpConfig { timestamps: arguments.timestamps.into(), ..config })?;
    let events = client.subscribe();
    let mut wait = ClockWait::new(arguments.wait)?;
    let mut session = Session::start(arguments.seconds)?.kept_awake();
    if !arguments.json {
        print(&format!("PTP on {interface}, domain {domain}"));
    }
    let mut findings = Vec::new();
    while session.goes_on() {
        for event in events.try_iter() {
            if !arguments.json {
                print(&format!("  {:.1} s: {event}", session.elapsed().as_secs_f64()));
            } else if is_finding(&event) {
                findings.push(event.to_string());
            }
        }
        let status = client.status();
        wait.look(session.elapsed(), status.is_usable(), || status.reason.clone())?;
        if session.second_is_over() {
            if arguments.json {
                print(&to_json(&status, session.elapsed().as_secs_f64(), std::mem::take(&mut findings))?);
            } else {
                print(&status.to_string());
                print(&details(&status));
            }
        }
    }
    let status = client.status();
    if !arguments.json {
        print(&summary(&status));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether an event reports a peculiarity of a master.
fn is_finding(event: &PtpEvent) -> bool {
    matches!(event, PtpEvent::Port(PortEvent::FlagContradicted(_) | PortEvent::Doubted(_) | PortEvent::Trusted))
}

fn run_yield(arguments: &PtpArguments, interface: &Interface, host: &str) -> Result<ExitCode> {
    let IpAddr::V4(peer) = resolve(host)? else { return Err(Failure::input(format!("{host} has no IPv4 address"))) };
    let client = YieldClient::start(interface, peer, arguments.timestamps.into())?;
    let mut session = Session::start(arguments.seconds)?.kept_awake();
    if !arguments.json {
        let ports = if client.status().on_own_ports {
            "319 and 320"
        } else {
            "other than 319 and 320, which are refused or taken"
        };
        print(&format!("PTP with {peer} on {interface}, from ports {ports}"));
    }
    let mut wait = ClockWait::new(arguments.wait)?;
    while session.goes_on() {
        while let Some(event) = client.poll_event().filter(|_| !arguments.json) {
            print(&format!("  {:.1} s: {event}", session.elapsed().as_secs_f64()));
        }
        let status = client.status();
        wait.look(session.elapsed(), status.is_synchronized(), || status.reason())?;
        if session.second_is_over() {
            print(&if arguments.json {
                yield_json(&status, session.elapsed().as_secs_f64())
            } else {
                yield_line(&status)
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn yield_state(status: &YieldStatus) -> &'static str {
    match status.state {
        YieldState::Offering => "OFFERING",
        YieldState::Following => "FOLLOWING",
        YieldState::OwnTimeline => "OWN TIMELINE",
    }
}

fn yield_outcome(status: &YieldStatus) -> &'static str {
    match status.outcome {
        SyncOutcome::Pending => "not known yet",
        SyncOutcome::Converged { by: Convergence::OwnTimeline } => "known: our own",
        SyncOutcome::Converged { by: Convergence::OneWay } => "known one way, because Delay_Reqs are not answered",
        SyncOutcome::Converged { by: Convergence::TwoWay } => "known both ways",
        SyncOutcome::TimedOut { has_estimate: true } => "a first guess after 10 s",
        SyncOutcome::TimedOut { has_estimate: false } => "not known after 10 s",
    }
}

fn yield_line(status: &YieldStatus) -> String {
    let time_s = status.receiver_time_ns.map_or_else(|| "unknown".to_owned(), |ns| format!("{:.6} s", ns as f64 / 1e9));
    let uncertainty = status.uncertainty.map_or_else(String::new, |sigma| format!(" +- {sigma}"));
    let round_trip = status.round_trip.map_or_else(String::new, |shortest| format!(", round trip {shortest}"));
    let counters = &status.counters;
    format!(
        "{} {}: its time is {} ({time_s}{uncertainty}){round_trip}; Announces {}, Syncs {}, Follow_Ups {}, Delay_Resps {} [{}]",
        yield_state(status),
        status.clock_identity,
        yield_outcome(status),
        counters.announces,
        counters.syncs,
        counters.follow_ups,
        counters.delay_responses,
        status.clock.state,
    )
}

fn yield_json(status: &YieldStatus, elapsed_s: f64) -> String {
    let (now, system) = clock::now_with_system();
    let system_ns = (system - (now - status.at)).as_nanos();
    let system_minus_receiver_ns = status.receiver_time_ns.map(|receiver_ns| system_ns - receiver_ns);
    serde_json::json!({
        "elapsed_s": elapsed_s,
        "state": yield_state(status),
        "outcome": yield_outcome(status),
        "receiver_time_ns": status.receiver_time_ns.and_then(|ns| i64::try_from(ns).ok()),
        "error_ns": status.uncertainty.map(Nanos::as_nanos),
        "rtt_ns": status.round_trip.map(Nanos::as_nanos),
        "clock_id": status.clock_identity.to_string(),
        "synchronized": status.is_synchronized(),
        "system_minus_receiver_ns": system_minus_receiver_ns.and_then(|ns| i64::try_from(ns).ok()),
        "clock": status.clock.state.to_string(),
        "on_own_ports": status.on_own_ports,
        "announces": status.counters.announces,
        "syncs": status.counters.syncs,
        "delay_responses": status.counters.delay_responses,
    })
    .to_string()
}

/// The line below the status line.
fn details(status: &PtpStatus) -> String {
    // The status line already contains the diagnosis.
    let reason = if status.diagnosis.is_some() { String::new() } else { format!("; {}", status.reason) };
    let Some(uncertainty) = status.uncertainty().filter(|_| status.port != PortState::Master) else {
        return format!("    {}{reason}", status.port);
    };
    let (delay, jitter) = (status.mean_path_delay, status.jitter);
    format!("    {}, path delay {delay}, uncertainty {uncertainty}, jitter {jitter}{reason}", status.port)
}

fn summary(status: &PtpStatus) -> String {
    let counters = &status.counters;
    let (told, untold) = status.transmit_stamps;
    let refusal = status
        .hardware_refusal
        .as_ref()
        .map_or_else(String::new, |reason| format!(", the card's not because {reason}"));
    format!(
        "Announces {}, Syncs {}, Follow_Ups {}, Delay_Resps {}, unanswered {}; other domains {}, malformed {}, PTP version 1 {}, implausible {}, not authentic {}\n\
         timestamps: {}{refusal} (by user space {}, left out without {}, error of conversion at most {}), of sent messages {told} and {untold} missing\n\
         local clock: {}\nthread: {}\nsystem clock: {}{}",
        counters.announces,
        counters.syncs,
        counters.follow_ups,
        counters.delay_responses,
        counters.unanswered_requests,
        counters.other_domain,
        counters.malformed,
        counters.version_1,
        counters.implausible,
        counters.unauthenticated,
        status.timestamping,
        status.event_socket.stamped_by_user_space,
        status.event_socket.unstamped,
        status.event_socket.stamp_error,
        local_clock(clock::steps_back()),
        status.scheduling,
        status.system,
        match status.event_socket.system_clock_steps {
            0 => String::new(),
            steps => format!("; it was set {steps} times meanwhile"),
        },
    )
}

#[derive(Serialize)]
struct Line<'a> {
    elapsed_s: f64,
    port: String,
    state: String,
    reason: &'a str,
    /// Peculiarities of the master, each reported once.
    findings: Vec<String>,
    domain: u8,
    identity: String,
    grandmaster: Option<String>,
    /// The number of the master port that is followed.
    parent_port: Option<u16>,
    prediction_error_ns: Option<i64>,
    mean_path_delay_ns: i64,
    rate_ppm: Option<f64>,
    uncertainty_ns: Option<i64>,
    jitter_ns: i64,
    /// The system clock (UTC) minus PTP time.
    system_minus_ptp_ns: Option<i64>,
    epoch: u32,
    /// The clock to which all stamps are converted.
    local_clock: &'static str,
    /// How often this clock ran backwards.
    local_clock_steps_back: u64,
    /// How often the system clock was set.
    system_clock_steps: u64,
    timestamping: String,
    hardware_refusal: Option<&'a str>,
    unstamped: u64,
    stamped_by_user_space: u64,
    stamp_error_ns: i64,
    transmit_stamps: u64,
    transmit_stamps_missing: u64,
    announces: u64,
    syncs: u64,
    delay_responses: u64,
    unanswered_requests: u64,
    scheduling: String,
}

fn to_json(status: &PtpStatus, elapsed_s: f64, findings: Vec<String>) -> Result<String> {
    let (now, system) = clock::now_with_system();
    let line = Line {
        elapsed_s,
        port: status.port.to_string(),
        state: status.clock.state.to_string(),
        reason: &status.reason,
        findings,
        domain: status.domain,
        identity: status.identity.to_string(),
        grandmaster: status.grandmaster().map(|grandmaster| grandmaster.to_string()),
        parent_port: status.master.map(|master| master.sender.port_number),
        prediction_error_ns: status.prediction_error.map(Nanos::as_nanos),
        mean_path_delay_ns: status.mean_path_delay.as_nanos(),
        rate_ppm: status.rate().map(engine::Ppb::as_ppm),
        uncertainty_ns: status.uncertainty().map(Nanos::as_nanos),
        jitter_ns: status.jitter.as_nanos(),
        system_minus_ptp_ns: status.clock.map.map(|map| (system - map.ptp_at(now)).as_nanos()),
        epoch: status.clock.epoch,
        local_clock: clock::NAME,
        local_clock_steps_back: clock::steps_back().0,
        system_clock_steps: status.event_socket.system_clock_steps,
        timestamping: status.timestamping.to_string(),
        hardware_refusal: status.hardware_refusal.as_deref(),
        unstamped: status.event_socket.unstamped,
        stamped_by_user_space: status.event_socket.stamped_by_user_space,
        stamp_error_ns: status.event_socket.stamp_error.as_nanos(),
        transmit_stamps: status.transmit_stamps.0,
        transmit_stamps_missing: status.transmit_stamps.1,
        announces: status.counters.announces,
        syncs: status.counters.syncs,
        delay_responses: status.counters.delay_responses,
        unanswered_requests: status.counters.unanswered_requests,
        scheduling: status.scheduling.to_string(),
    };
    serde_json::to_string(&line).map_err(Failure::run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_is_told_nothing_of_linux() {
        let windows = needs(System::Windows);
        assert!(!windows.contains("setcap") && !windows.contains("/dev/") && windows.contains("firewall"), "{windows}");
        assert!(needs(System::Linux).contains("setcap cap_net_bind_service+ep"));
    }

    #[test]
    fn a_clock_that_ran_backwards_is_told() {
        assert_eq!(local_clock((0, Nanos::ZERO)), clock::NAME);
        let told = local_clock((3, Nanos::from_micros(20)));
        let by = Nanos::from_micros(20).to_string();
        assert!(told.contains("ran backwards 3 times") && told.contains(&by), "{told}");
    }
}
