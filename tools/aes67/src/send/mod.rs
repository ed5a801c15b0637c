//! `aes67 send`: a file or a tone as a stream, with its description and announcement.

mod source;

use crate::failure::{Failure, Result};
use crate::session::{Session, print, seed};
use clap::{Args, ValueEnum};
use engine::Nanos;
use engine::announce::sdp::{ReferenceClock, Session as Description};
use engine::rtp::format::{Encoding, PacketTime, StreamFormat};
use engine::rtp::wire::PayloadType;
use engine::send::{Lateness, SenderConfig};
use net::clock;
use net::interface::Interface;
use net::ptp::{PtpClient, PtpConfig};
use net::sap::SapAnnouncer;
use net::send::{SenderClock, SenderStatus, StreamSender};
use source::{Feed, Material};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  aes67 send music.wav --group 239.69.0.1 --interface eth0
  aes67 send tone --group 239.69.0.1:5004 --clock master --name 'Line-up'
  aes67 send music.wav --group 239.69.0.1 --clock system --loop --sdp music.sdp

The file's rate and channels are the stream's: 44100, 48000 or 96000 Hz, 16 or 24-bit PCM or float.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SendArguments {
    /// A WAV file, or `tone`
    source: String,

    /// The multicast group to send to, with a port if it is not 5004; twice for a second leg
    #[arg(long, value_name = "ADDRESS[:PORT]", required = true)]
    group: Vec<String>,

    /// Network interface, by name or address; twice for the two legs
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,

    /// What the stream is paced by
    #[arg(long, value_enum, default_value = "ptp")]
    clock: Clock,

    /// PTP domain
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=127))]
    ptp_domain: u8,

    /// What the stream is called
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// How samples are written
    #[arg(long, value_enum, ignore_case = true, default_value = "l24")]
    format: Format,

    /// Length of packets, in ms
    #[arg(long, value_name = "MS", default_value = "1", value_parser = ["0.125", "0.25", "0.333", "1", "4", "5"])]
    ptime: String,

    /// RTP payload type
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u8).range(96..=127))]
    payload_type: u8,

    /// How many routers packets may pass
    #[arg(long, default_value_t = 32)]
    ttl: u8,

    /// Frequency of the tone, in Hz
    #[arg(long, default_value_t = 997.0)]
    frequency: f64,

    /// Level of the tone, in dBFS
    #[arg(long, default_value_t = -20.0, allow_negative_numbers = true)]
    level: f64,

    /// Begin again at the file's end
    #[arg(long = "loop")]
    repeat: bool,

    /// Write the description to this file, too
    #[arg(long, value_name = "FILE")]
    sdp: Option<PathBuf>,

    /// Do not announce the stream
    #[arg(long)]
    no_sap: bool,

    /// Seconds between announcements
    #[arg(long, value_name = "S", default_value_t = 30)]
    sap_interval: u32,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Clock {
    /// The PTP master of the network
    Ptp,
    /// PTP, and serve it ourselves if nobody better does
    Master,
    /// The system's clock if somebody disciplines it, else this computer's crystal
    System,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    L16,
    L24,
}

pub(crate) fn run(arguments: &SendArguments) -> Result<ExitCode> {
    let interfaces = interfaces(arguments)?;
    let interface = interfaces[0].clone();
    let tone = (arguments.frequency, arguments.level);
    let material = Material::open(&arguments.source, tone, arguments.repeat)?;
    let config = sender_config(arguments, &material)?;
    let name = arguments.name.clone().unwrap_or_else(|| material.name());
    let (started, mut session) = (clock::now_with_system().1, Session::start(arguments.seconds)?);
    let started_s = (started.as_nanos() / 1_000_000_000) as u64;
    let mut description =
        Description::new(&config, interface.address.into(), started_s, &name, arguments.ttl).map_err(Failure::input)?;
    let ptp = ptp_client(arguments, &interface)?;
    let pace = ptp.clone().map_or(SenderClock::System, SenderClock::Ptp);
    let announcer = (!arguments.no_sap)
        .then(|| SapAnnouncer::new(&interface, Nanos::from_secs(i64::from(arguments.sap_interval.max(1))), seed()));
    let mut announcer = announcer.transpose()?;
    let (feed, progress) = Feed::start(material)?;
    let sender = StreamSender::start(config, arguments.ttl, &interfaces, pace, feed)?;
    print(&format!("sending {name} to {} on {interface}", arguments.group.join(" and ")));
    while session.goes_on() && !progress.is_over() {
        // A description is told once the stream flows: before that its clock is not known.
        if sender.status().sender.packets > 0 {
            let revised = description.set_clock(&reference_clock(ptp.as_deref(), &interface));
            let text = description.to_sdp();
            if revised && let Some(path) = &arguments.sdp {
                std::fs::write(path, &text).map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
            }
            announcer.iter_mut().for_each(|announcer| announcer.advance(clock::now(), &text));
        }
        if session.second_is_over() {
            session.show(&line(&sender.status(), ptp.as_deref()));
        }
    }
    // The last packets' status is published by then.
    std::thread::sleep(std::time::Duration::from_millis(100));
    drop(announcer);
    let status = sender.status();
    drop(sender);
    session.end_line();
    print(&line(&status, ptp.as_deref()));
    print(&histogram(&status.sender.lateness));
    if progress.starved_frames() > 0 {
        print(&format!("{} frames were silence, because the file was not read in time", progress.starved_frames()));
    }
    Ok(ExitCode::SUCCESS)
}

fn interfaces(arguments: &SendArguments) -> Result<Vec<Interface>> {
    if arguments.interface.is_empty() {
        return Ok(vec![Interface::find(None)?]);
    }
    arguments.interface.iter().map(|name| Ok(Interface::find(Some(name))?)).collect()
}

fn sender_config(arguments: &SendArguments, material: &Material) -> Result<SenderConfig> {
    let groups: Vec<SocketAddrV4> = arguments.group.iter().map(|text| parse_group(text)).collect::<Result<_>>()?;
    let &[primary, ref others @ ..] = &groups[..] else { return Err(Failure::input("--group is missing")) };
    if others.len() > 1 {
        return Err(Failure::input("a stream has two legs at most: give --group once or twice"));
    }
    let encoding = match arguments.format {
        Format::L16 => Encoding::L16,
        Format::L24 => Encoding::L24,
    };
    let format = StreamFormat::new(encoding, material.sample_rate(), material.channels()).map_err(Failure::input)?;
    let config = SenderConfig::new(format, primary.into(), seed());
    Ok(SenderConfig {
        packet_time: packet_time(&arguments.ptime),
        payload_type: PayloadType::new(arguments.payload_type).unwrap_or(config.payload_type),
        secondary: others.first().map(|&group| group.into()),
        ..config
    })
}

fn parse_group(text: &str) -> Result<SocketAddrV4> {
    let with_port = text.parse::<SocketAddrV4>();
    let group = with_port.or_else(|_| text.parse::<Ipv4Addr>().map(|group| SocketAddrV4::new(group, 5004)));
    let group = group.map_err(|_| {
        Failure::input(format!("{text} is no group; right would be an address such as 239.69.0.1 or 239.69.0.1:5004"))
    })?;
    if group.ip().is_multicast() { Ok(group) } else { Err(net::Error::NotMulticast(*group.ip()).into()) }
}

fn packet_time(text: &str) -> PacketTime {
    match text {
        "0.125" => PacketTime::US_125,
        "0.25" => PacketTime::US_250,
        "0.333" => PacketTime::US_333,
        "4" => PacketTime::MS_4,
        "5" => PacketTime::MS_5,
        _ => PacketTime::MS_1,
    }
}

fn ptp_client(arguments: &SendArguments, interface: &Interface) -> Result<Option<Arc<PtpClient>>> {
    let mut config = match arguments.clock {
        Clock::System => return Ok(None),
        Clock::Ptp => PtpConfig::slave(interface.clone(), arguments.ptp_domain),
        Clock::Master => PtpConfig::master(interface.clone(), arguments.ptp_domain),
    };
    // Timestamps are PTP time or nothing is sent: a stream that began on another timeline would jump. A master that is lost later is held without end.
    config.reference.fallback_after = None;
    Ok(Some(PtpClient::shared(config)?))
}

/// What the description says of the timestamps: the grandmaster that they come from, or our own clock.
fn reference_clock(ptp: Option<&PtpClient>, interface: &Interface) -> ReferenceClock {
    let status = ptp.map(PtpClient::status);
    let usable = status.filter(|status| status.reference.reading().map.is_some());
    match usable.and_then(|status| Some((status.grandmaster()?, status.domain))) {
        Some((grandmaster, domain)) => ReferenceClock::ptp(grandmaster, domain),
        None => interface.mac.map_or(ReferenceClock::Unknown, ReferenceClock::LocalMac),
    }
}

fn line(status: &SenderStatus, ptp: Option<&PtpClient>) -> String {
    let clock = ptp.map_or_else(|| format!("clock: {}", status.source), |ptp| ptp.status().to_string());
    let sender = &status.sender;
    let errors: u64 = status.sockets.iter().map(|socket| socket.send_errors).sum();
    if sender.packets == 0 {
        return format!("waiting for the clock; {clock}");
    }
    let late = &sender.lateness;
    format!(
        "{} packets, late by {} (99 %) and {} at most, {} skipped, {} jumps, {errors} errors; {clock}",
        sender.packets,
        late.quantile(0.99),
        late.max(),
        sender.skipped_packets,
        sender.realignments,
    )
}

fn histogram(lateness: &Lateness) -> String {
    let shares = [(50.0, 0.5), (90.0, 0.9), (99.0, 0.99), (99.9, 0.999), (100.0, 1.0)];
    let rows = shares.map(|(percent, share)| format!("  {percent:>5} % at most {}", lateness.quantile(share)));
    format!("lateness of {} packets:\n{}", lateness.count(), rows.join("\n"))
}
