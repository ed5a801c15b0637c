//! `aes67 send`: sends files, a sound card, standard input or computed signals as streams, and
//! describes and announces them.
//!
//! Model: there are one source, any number of streams that pick channels from it, and one clock.
//! The command line and a configuration file can express the same settings ([`plan`]).

mod locate;
mod material;
mod plan;
mod prepare;
#[cfg(test)]
#[path = "../../../../fuzz/send_config.rs"]
mod send_config;
mod status;
mod wizard;

use crate::channels::ChannelList;
use crate::clock_wait::{self, ClockWait};
use crate::failure::{Failure, Result};
use crate::lateness::histogram;
use crate::priority::Hint;
use crate::ptp_options::PtpOptions;
use crate::ptp_plan::PtpPlan;
use crate::session::{Session, print, seed, warn};
use crate::stream_options::{Destination, Format};
use crate::whole_file;
use clap::Args;
use engine::Nanos;
use engine::announce::sdp::{ReferenceClock, Session as Description};
use net::clock;
use net::interface::Interface;
use net::livewire_clock::{LivewireClient, LivewireConfig};
use net::ptp::{PtpClient, PtpConfig};
use net::sap::SapAnnouncer;
use net::send::{SenderClock, SenderStatus, StreamSender};
use plan::{
    Clock, Dscp, Grandmaster, OneOrTwo, Origin, PayloadTypeNumber, Plan, SourcePlan, StdinFormat, StreamPlan, Ttl,
};
use prepare::{Prepared, Started};
use status::Shown;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

/// If the clock is not known after this time, the wait is reported.
const PATIENCE: Nanos = Nanos::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  aes67 send --init                                            asks what it needs, and writes a file for --config
  aes67 send --config aes67-send.toml
  aes67 send music.wav --group 239.69.0.1 --interface eth0
  aes67 send a.wav b.wav --loop --to 192.168.1.20              a playlist, to one receiver
  aes67 send multitrack.wav --group 239.69.0.1 --split 8       16 channels as 2 streams of 8, to 239.69.0.1 and .2
  aes67 send ident --channels 1-64 --source-channels 64 --group 239.69.0.1 --ptime 0.125
  aes67 send tone --group 239.69.0.1:5004 --clock master --name \"Line-up\"
  aes67 send card --group 239.69.0.1                           what the sound card captures
  aes67 send music.wav --group 239.192.0.7 --ptime 5 --clock livewire
                                                               beside Livewire devices, on their clock
  ffmpeg -i in.m4a -f wav - | aes67 send - --group 239.69.0.1
  aes67 send music.wav --group 239.69.0.1 --clock system --grandmaster 00-1B-21-FF-FE-0A-67-01:0

The source's rate is the stream's: 44100, 48000 or 96000 Hz. WAV as RIFF, RF64, BW64 or Wave64, 8 to 32 bits PCM or floats; FLAC; MP3.
WAV on a pipe ends with the pipe, whatever its header says. Floats beyond full scale are clipped, and those that are no numbers are silence.";

/// Options whose settings a configuration file contains. They conflict with `--config`, because
/// they would be ignored.
const OF_THE_FILE: [&str; 25] = [
    "source",
    "group",
    "to",
    "channels",
    "split",
    "interface",
    "clock",
    "grandmaster",
    "name",
    "format",
    "ptime",
    "payload_type",
    "source_port",
    "ttl",
    "dscp",
    "frequency",
    "level",
    "source_channels",
    "rate",
    "stdin",
    "repeat",
    "sdp",
    "no_sap",
    "sap_group",
    "sap_interval",
];
/// Further options that conflict with `--init`, because they are not written to the file.
const OF_A_RUN: [&str; 6] = ["PtpOptions", "SecurityOptions", "wait", "no_wait", "json", "seconds"];

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SendArguments {
    /// WAV, FLAC or MP3 files, `tone`, `ident` (every channel beeps its number), `card` or
    /// `card:NAME`, or `-` for standard input
    #[arg(required_unless_present_any = ["config", "init"])]
    source: Vec<String>,

    /// Take everything from this file, TOML or JSON. Beside it there are only the options of PTP,
    /// which come before the file's, --wait, --no-wait, --json and --seconds
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_THE_FILE)]
    config: Option<PathBuf>,

    /// Ask what is needed, and write it to this file for --config
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "aes67-send.toml",
        conflicts_with = "config",
        conflicts_with_all = OF_THE_FILE.iter().chain(&OF_A_RUN)
    )]
    init: Option<PathBuf>,

    /// The multicast group to send to, with a port if it is not 5004; twice for a second leg
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    group: Vec<String>,

    /// The same, but also the address of one receiver
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    to: Vec<String>,

    /// Channels of the source that are sent, counted from 1: 1-8 or 1,2,5; all if left out
    #[arg(long, value_name = "LIST", conflicts_with = "split")]
    channels: Option<String>,

    /// Split the source into streams of this many channels, to consecutive groups
    #[arg(long, value_name = "CHANNELS", value_parser = clap::value_parser!(u16).range(1..=64))]
    split: Option<u16>,

    /// Network interface, by name, address or index (`aes67 interfaces`); twice for the two legs
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,

    /// The clock that paces the stream
    #[arg(long, value_enum, default_value = "ptp")]
    clock: Clock,

    #[command(flatten)]
    ptp: PtpOptions,

    /// Give up, and say why, if the clock is not known after this many seconds
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    wait: Option<f64>,

    /// With --clock system: the grandmaster that disciplines the system's clock, for the
    /// description
    #[arg(long, value_name = "IDENTITY:DOMAIN")]
    grandmaster: Option<String>,

    /// Do not wait for the clock: begin by this computer's crystal, and jump when the clock is
    /// known
    #[arg(long)]
    no_wait: bool,

    /// Name of the stream
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Encoding of samples
    #[arg(long, value_enum, ignore_case = true, default_value = "l24")]
    format: Format,

    /// Length of packets, in ms
    #[arg(long, value_name = "MS", default_value = "1", value_parser = ["0.125", "0.25", "0.333", "1", "4", "5"])]
    ptime: String,

    /// RTP payload type
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u8).range(96..=127))]
    payload_type: u8,

    /// UDP port that packets come from; any if it is left out
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    source_port: Option<u16>,

    /// TTL of the packets
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u8).range(1..))]
    ttl: u8,

    /// DSCP of the packets: 34 is AF41, 46 is EF
    #[arg(long, default_value_t = 34, value_parser = clap::value_parser!(u8).range(0..=63))]
    dscp: u8,

    /// Frequency of the tone, in Hz
    #[arg(long, default_value_t = 997.0)]
    frequency: f64,

    /// Level of the tone or the idents, in dBFS
    #[arg(long, default_value_t = -20.0, allow_negative_numbers = true)]
    level: f64,

    /// Channels of a tone, of idents, of a card, or of raw samples on standard input
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    source_channels: Option<u16>,

    /// Sample rate of these, in Hz
    #[arg(long, value_name = "HZ")]
    rate: Option<u32>,

    /// Format of standard input
    #[arg(long, value_enum, default_value = "wav")]
    stdin: StdinFormat,

    /// Start again at the end of the files
    #[arg(long = "loop")]
    repeat: bool,

    /// Also write the description to this file; a folder, if there are several streams
    #[arg(long, value_name = "FILE")]
    sdp: Option<PathBuf>,

    /// Do not announce the stream
    #[arg(long)]
    no_sap: bool,

    /// Announce on this group instead of 239.255.255.255; several times for several groups
    #[arg(long, value_name = "GROUP", conflicts_with = "no_sap")]
    sap_group: Vec<Ipv4Addr>,

    /// Seconds between announcements
    #[arg(long, value_name = "S", default_value_t = 30)]
    sap_interval: u32,

    /// One JSON object a second, and one at the end
    #[arg(long)]
    json: bool,

    /// End this many seconds after the first packet, or if none could be sent for as long
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

pub(crate) fn run(arguments: &SendArguments) -> Result<ExitCode> {
    if let Some(file) = &arguments.init {
        return wizard::run(file);
    }
    let (plan, origin) = match &arguments.config {
        Some(file) => beside_file(Plan::load(file)?, arguments),
        None => (of_command_line(arguments)?, Origin::CommandLine),
    };
    check_clock(&plan, &origin, &arguments.ptp)?;
    let interfaces = interfaces(&plan)?;
    let material = prepare::open(&plan, &origin)?;
    let split = arguments.split.map(usize::from);
    let prepared = prepare::streams(&plan, &origin, &material, &interfaces, split)?;
    let mut wait = ClockWait::new(plan.wait_s).map_err(|failure| origin.failure("wait_s", &failure.to_string()))?;
    let mut session = Session::start(arguments.seconds)?.kept_awake();
    let clock = sender_clock(&plan, &arguments.ptp, &interfaces[0])?;
    let shown = prepare::shown(&prepared);
    let mut told = Told::new(&plan, &prepared, &interfaces[0])?;
    let Started { outgoing, progress, card } = prepare::start(material, &prepared, &shown)?;
    let sender = StreamSender::start(outgoing, &interfaces, clock.clone())?;
    if !arguments.json {
        for stream in &shown {
            print(&format!("sending {} to {} on {}", stream.name, stream.destination, interfaces[0]));
        }
    }
    let mut waiting = Waiting::default();
    let (mut sends, mut hint) = (false, Hint::default());
    while session.goes_on() && !progress.is_over() {
        card.check()?;
        let status = sender.status();
        if !sends && status.streams.iter().any(|stream| stream.packets > 0) {
            sends = true;
            session.lasts_from_now(arguments.seconds);
        }
        if !arguments.json {
            waiting.tell(&session, &status, &clock);
        }
        wait.look(session.elapsed(), status.reading.map.is_some(), || no_clock(&status, &clock))?;
        told.tell(&status, &clock)?;
        let late = status.streams.iter().map(|stream| stream.late_packets).sum();
        hint.look(&mut session, late, || sender.scheduling());
        if session.second_is_over() {
            if arguments.json {
                print_json(&session, &status, &shown, &clock)?;
            } else {
                session.show_all(&status::lines(&status, &shown, &clock));
            }
        }
    }
    let scheduling = sender.scheduling();
    let status = sender.finish();
    drop(told);
    session.end_line();
    if arguments.json {
        print_json(&session, &status, &shown, &clock)?;
        return outcome(&status, &clock);
    }
    status::lines(&status, &shown, &clock).iter().for_each(|line| print(line));
    for (stream, shown) in status.streams.iter().zip(&shown) {
        print(&format!("{}: {}", shown.name, histogram(&stream.departures)));
    }
    print(&format!("thread: {scheduling}"));
    if progress.starved_frames() > 0 {
        print(&format!("{} frames were silence, because the source was not read in time", progress.starved_frames()));
    }
    outcome(&status, &clock)
}

/// The exit code of a run. A run that has sent nothing has failed, whatever ended it.
fn outcome(status: &SenderStatus, clock: &SenderClock) -> Result<ExitCode> {
    if status.streams.iter().any(|stream| stream.packets > 0) {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(refusal) = &status.last_refusal {
        return Err(Failure::run(format!("nothing was sent: {refusal}")));
    }
    Err(Failure::run(format!("nothing was sent: {}", no_clock(status, clock))))
}

/// Why the clock is not known or, if it is known, that no audio has arrived.
fn no_clock(status: &SenderStatus, clock: &SenderClock) -> String {
    match (clock, &status.system) {
        (SenderClock::Ptp(ptp), _) => clock_wait::nothing_sent(ptp),
        (SenderClock::Livewire(client), _) if !client.status().is_usable() => client.status().reason.clone(),
        (SenderClock::System, Some(system)) if status.reading.map.is_none() => system.to_string(),
        _ => "no audio has come".to_owned(),
    }
}

fn print_json(session: &Session, status: &SenderStatus, shown: &[Shown], clock: &SenderClock) -> Result<()> {
    let line = status::json(session.elapsed().as_secs_f64(), status, shown, clock).map_err(Failure::run)?;
    print(&line);
    Ok(())
}

/// Applies the options that may be given together with a file to the file's plan.
fn beside_file((mut plan, origin): (Plan, Origin), arguments: &SendArguments) -> (Plan, Origin) {
    if arguments.no_wait {
        (plan.wait_for_clock, plan.wait_s) = (false, None);
    }
    if arguments.wait.is_some() {
        (plan.wait_for_clock, plan.wait_s) = (true, arguments.wait);
    }
    (plan, origin)
}

/// Refuses settings that have no effect with the selected clock.
fn check_clock(plan: &Plan, origin: &Origin, options: &PtpOptions) -> Result<()> {
    if plan.wait_s.is_some() && !plan.wait_for_clock {
        return Err(origin.failure("wait_s", "this has no effect unless `wait_for_clock` is true"));
    }
    if plan.grandmaster.is_some() && plan.clock != Clock::System {
        return Err(origin.failure("grandmaster", "this has no effect unless the clock is `system`"));
    }
    let follows_ptp = matches!(plan.clock, Clock::Ptp | Clock::Master);
    let no_effect = |key| Err(origin.failure(key, "this has no effect unless the clock is `ptp` or `master`"));
    match plan {
        _ if follows_ptp => Ok(()),
        Plan { ptp_domain: Some(_), .. } => no_effect("ptp_domain"),
        Plan { ptp, .. } if !ptp.is_empty() => no_effect("ptp"),
        _ => options.check_followed(false),
    }
}

fn of_command_line(arguments: &SendArguments) -> Result<Plan> {
    let mut destinations = Vec::new();
    for group in &arguments.group {
        let destination: Destination = group.parse().map_err(Failure::input)?;
        let address = *destination.0.ip();
        if !address.is_multicast() {
            let error = net::Error::NotMulticast(address);
            return Err(Failure::input(format!("{error}; one receiver is given as --to {address}")));
        }
        destinations.push(destination);
    }
    for to in &arguments.to {
        destinations.push(to.parse().map_err(Failure::input)?);
    }
    match destinations.len() {
        0 => return Err(Failure::input("where to? Give --group ADDRESS, or --to ADDRESS for one receiver")),
        1 | 2 => {}
        _ => return Err(Failure::input("a stream has two legs at most: give --group once or twice")),
    }
    let several = arguments.split.is_some();
    let grandmaster =
        arguments.grandmaster.as_deref().map(str::parse::<Grandmaster>).transpose().map_err(Failure::input)?;
    let channels = arguments.channels.as_deref().map(str::parse::<ChannelList>).transpose().map_err(Failure::input)?;
    let interface = Some(arguments.interface.clone()).filter(|names| !names.is_empty());
    if interface.as_ref().is_some_and(|names| names.len() > 2) {
        return Err(Failure::input("a stream has two legs at most: give --interface once or twice"));
    }
    let stream = StreamPlan {
        name: arguments.name.clone(),
        destination: OneOrTwo(destinations),
        channels,
        format: arguments.format,
        packet_time_ms: arguments.ptime.parse().unwrap_or_default(),
        payload_type: PayloadTypeNumber(arguments.payload_type),
        ttl: Ttl(arguments.ttl),
        dscp: Dscp(arguments.dscp),
        source_port: arguments.source_port.unwrap_or(0),
        sdp: arguments.sdp.clone().filter(|_| !several),
    };
    Ok(Plan {
        interface: interface.map(OneOrTwo),
        clock: arguments.clock,
        ptp_domain: None,
        ptp: PtpPlan::default(),
        grandmaster,
        wait_for_clock: !arguments.no_wait,
        wait_s: arguments.wait,
        announce: !arguments.no_sap,
        announce_interval_s: arguments.sap_interval,
        announce_groups: arguments.sap_group.clone(),
        sdp_folder: arguments.sdp.clone().filter(|_| several),
        source: source_plan(arguments),
        streams: vec![stream],
    })
}

fn source_plan(arguments: &SendArguments) -> SourcePlan {
    let (channels, sample_rate_hz) = (arguments.source_channels, arguments.rate);
    let plan = SourcePlan { channels, sample_rate_hz, level_dbfs: Some(arguments.level), ..SourcePlan::default() };
    match &arguments.source[..] {
        [one] if one == "tone" => SourcePlan { tone_hz: Some(arguments.frequency), ..plan },
        [one] if one == "ident" => SourcePlan { ident: true, ..plan },
        [one] if one == "-" => SourcePlan { stdin: Some(arguments.stdin), ..plan },
        [one] if one == "card" || one.starts_with("card:") => {
            SourcePlan { card: Some(one.strip_prefix("card:").unwrap_or_default().to_owned()), ..plan }
        }
        files => {
            let files = files.iter().map(PathBuf::from).collect();
            SourcePlan { files: Some(files), repeat: arguments.repeat, ..plan }
        }
    }
}

fn interfaces(plan: &Plan) -> Result<Vec<Interface>> {
    match &plan.interface {
        None => Ok(vec![Interface::find(None)?]),
        Some(names) => names.0.iter().map(|name| Ok(Interface::find(Some(name))?)).collect(),
    }
}

fn sender_clock(plan: &Plan, options: &PtpOptions, interface: &Interface) -> Result<SenderClock> {
    // Unless requested otherwise, nothing is sent before timestamps can be the clock's time,
    // because a stream that begins on another timeline jumps later. If the master is lost later,
    // its time is held without limit.
    let fallback_after = (!plan.wait_for_clock).then_some(Nanos::ZERO);
    let options = options.or(&plan.ptp);
    let domain = || options.domain(plan.ptp_domain.map(|domain| domain.0));
    let mut config = match plan.clock {
        Clock::System => return Ok(SenderClock::System),
        Clock::Livewire => {
            let mut config = LivewireConfig::slave(interface.clone());
            config.reference.fallback_after = fallback_after;
            return Ok(SenderClock::Livewire(LivewireClient::shared(config)?));
        }
        Clock::Ptp => PtpConfig::slave(interface.clone(), domain()),
        Clock::Master => PtpConfig::master(interface.clone(), domain()),
    };
    config = options.apply(config)?;
    config.reference.fallback_after = fallback_after;
    Ok(SenderClock::Ptp(PtpClient::shared(config)?))
}

/// Reports once that the clock is awaited, and once that it is known.
#[derive(Default)]
struct Waiting {
    told: bool,
    over: bool,
}

impl Waiting {
    fn tell(&mut self, session: &Session, status: &SenderStatus, clock: &SenderClock) {
        if self.over {
            return;
        }
        let elapsed = session.elapsed();
        if status.reading.map.is_some() {
            self.over = true;
            print(&format!("the clock is known after {:.1} s", elapsed.as_secs_f64()));
        } else if elapsed > PATIENCE && !self.told {
            self.told = true;
            match (clock, &status.system) {
                (SenderClock::Ptp(ptp), _) => {
                    let reason = clock_wait::reason(ptp);
                    print(&format!(
                        "still waiting for PTP: {reason}; to send without it: --no-wait, --clock master or --clock system"
                    ));
                }
                (SenderClock::Livewire(client), _) => print(&format!(
                    "still waiting for the Livewire clock: {}; to send without it: --no-wait or --clock system",
                    client.status().reason
                )),
                (SenderClock::System, Some(system)) => print(&format!("by this computer's crystal, because {system}")),
                (SenderClock::System, None) => {}
            }
        }
    }
}

/// Publishes the streams: writes their descriptions to files, and announces them.
struct Told {
    streams: Vec<ToldStream>,
    interface: Interface,
    grandmaster: Option<Grandmaster>,
}

struct ToldStream {
    description: Description,
    announcer: Option<SapAnnouncer>,
    file: Option<PathBuf>,
    /// Whether the file has been written at least once.
    written: bool,
}

impl Told {
    fn new(plan: &Plan, prepared: &[Prepared], interface: &Interface) -> Result<Self> {
        let started_s = (clock::now_with_system().1.as_nanos() / 1_000_000_000) as u64;
        let interval = Nanos::from_secs(i64::from(plan.announce_interval_s.max(1)));
        let announcer = || SapAnnouncer::to_groups(interface, interval, seed(), &plan.announce_groups);
        // A session is identified by its number, so the sessions of one sender must have different
        // numbers.
        let streams = (started_s..).zip(prepared).map(|(number, stream)| {
            let host = interface.address.into();
            let description =
                Description::new(&stream.config, host, number, &stream.name, stream.ttl).map_err(Failure::input)?;
            let announcer = plan.announce.then(announcer).transpose()?;
            Ok(ToldStream { description, announcer, file: stream.sdp.clone(), written: false })
        });
        Ok(Self {
            streams: streams.collect::<Result<_>>()?,
            interface: interface.clone(),
            grandmaster: plan.grandmaster,
        })
    }

    /// Announces streams once packets are being sent, because their clock is not known before.
    fn tell(&mut self, status: &SenderStatus, clock: &SenderClock) -> Result<()> {
        let reference_clock = self.reference_clock(status, clock);
        for (stream, told) in status.streams.iter().zip(&mut self.streams) {
            if stream.packets == 0 {
                continue;
            }
            let revised = told.description.set_clock(&reference_clock);
            let text = told.description.to_sdp();
            if (revised || !told.written)
                && let Some(path) = &told.file
            {
                match write(path, &text) {
                    Ok(()) => told.written = true,
                    // A running stream is not ended because its file cannot be updated.
                    Err(failure) if told.written => warn(format_args!("warning: {failure}")),
                    Err(failure) => return Err(failure),
                }
            }
            told.announcer.iter_mut().for_each(|announcer| announcer.advance(clock::now(), &text));
        }
        Ok(())
    }

    /// The reference clock for the description: the grandmaster of the timestamps, or our own
    /// clock.
    fn reference_clock(&self, status: &SenderStatus, clock: &SenderClock) -> ReferenceClock {
        let own = || self.interface.mac.map_or(ReferenceClock::Unknown, ReferenceClock::LocalMac);
        if status.reading.map.is_none() {
            return own();
        }
        let client = match clock {
            SenderClock::Ptp(client) => Some(client.status()),
            SenderClock::Livewire(_) | SenderClock::System => None,
        };
        let followed = client.and_then(|client| Some(ReferenceClock::ptp(client.grandmaster()?, client.domain)));
        let system = self.grandmaster.filter(|_| status.system.is_some()).map(Grandmaster::reference_clock);
        followed.or(system).unwrap_or_else(own)
    }
}

fn write(path: &std::path::Path, text: &str) -> Result<()> {
    whole_file::write(path, text).map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;

    /// An option that is neither refused beside a file nor read would be left out in silence.
    #[test]
    fn each_option_is_refused_beside_a_file_or_read() {
        let read = ["config", "init", "wait", "no_wait", "json", "seconds"];
        let of_ptp = PtpOptions::augment_args(Command::new("ptp"));
        let is_of_ptp = |id: &str| of_ptp.get_arguments().any(|option| option.get_id() == id);
        for option in SendArguments::augment_args(Command::new("send")).get_arguments() {
            let id = option.get_id().as_str();
            assert!(OF_THE_FILE.contains(&id) || read.contains(&id) || is_of_ptp(id), "--{id} beside --config");
        }
    }
}
