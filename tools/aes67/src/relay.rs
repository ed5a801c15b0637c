//! `aes67 loop`: receives a stream and sends it again, on the same PTP clock, with constant
//! latency.
//!
//! Model: nothing is resampled, because both streams follow one clock. At unity gain, the output
//! samples are bit-identical to the input samples.

use crate::channels::ChannelList;
use crate::clock_wait::{self, ClockWait};
use crate::failure::{Failure, Result};
use crate::lateness::histogram;
use crate::options::{duration_ms, interfaces};
use crate::priority::Hint;
use crate::ptp_options::PtpOptions;
use crate::session::{Session, print, seed};
use crate::stream_options::{Destination, Format, PacketTimeMs, legs};
use crate::target::{Finder, SapSources, Target};
use crate::whole_file;
use clap::Args;
use engine::announce::sdp::{ReferenceClock, Session as Description};
use engine::audio::ChannelMap;
use engine::receive::StreamConfig;
use engine::relay::RelayConfig;
use engine::rtp::format::{Encoding, PacketTime, StreamFormat};
use engine::send::{Dither, SenderConfig};
use engine::{Nanos, SampleRate};
use net::clock;
use net::interface::Interface;
use net::ptp::PtpClient;
use net::relay::{RelayStatus, RelayStreams, StreamRelay};
use net::sap::SapAnnouncer;
use net::stream::LegConfig;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Frames per sound card callback, which the configuration requires although a relay has no card.
const NO_BLOCK: usize = 48;
/// Interval between announcements.
const SAP_INTERVAL: Nanos = Nanos::from_secs(30);

const EXAMPLES: &str = "\
Examples:
  aes67 loop studio.sdp --group 239.69.0.2
  aes67 loop \"Studio 1\" --group 239.69.0.2 --latency 3 --gain -6
  aes67 loop studio.sdp --group 239.69.0.2 --channels 2,1 --ptime 0.25 --format l16

The latency counts from media time to media time: it must hold the input's packet time and the network's delay and jitter.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoopArguments {
    /// An SDP file, an aes67:// or rtsp:// URL, or the name of an announced stream, with #2 for the
    /// second stream of a description; it must be on PTP
    stream: String,

    /// Destination: a group or one receiver, with a port if it is not 5004; twice for a second leg
    #[arg(long, visible_alias = "to", value_name = "ADDRESS[:PORT]", required = true)]
    group: Vec<String>,

    /// Network interface of the input, by name, address or index (`aes67 interfaces`); twice for
    /// the two legs
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,

    /// Listen to announcements on this group, too, and announce there instead of 239.255.255.255;
    /// several times for several groups
    #[arg(long, value_name = "GROUP")]
    sap_group: Vec<Ipv4Addr>,

    #[command(flatten)]
    sap_sources: SapSources,

    /// Network interface of the output; the input's if it is left out
    #[arg(long, value_name = "IF")]
    output_interface: Vec<String>,

    /// Latency in ms
    #[arg(long, value_name = "MS", default_value_t = 5.0)]
    latency: f64,

    /// Channels of the input to be sent, counted from 1: 1-8 or 2,1; all if left out
    #[arg(long, value_name = "LIST")]
    channels: Option<String>,

    /// Gain in dB; one for each channel of the output, or one for all
    #[arg(long, value_name = "DB", allow_negative_numbers = true, value_delimiter = ',', default_value = "0")]
    gain: Vec<f64>,

    /// Encoding of samples; as in the input if it is left out
    #[arg(long, value_enum, ignore_case = true)]
    format: Option<Format>,

    /// Length of packets, in ms; that of the input if it is left out
    #[arg(long, value_name = "MS", value_parser = ["0.125", "0.25", "0.333", "1", "4", "5"])]
    ptime: Option<String>,

    /// Give up, and say why, if the clock is not known after this many seconds
    #[arg(long, value_name = "SECONDS")]
    wait: Option<f64>,

    #[command(flatten)]
    ptp: PtpOptions,

    /// Name of the output
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// TTL of the packets
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u8).range(1..))]
    ttl: u8,

    /// DSCP of the packets: 34 is AF41, 46 is EF
    #[arg(long, default_value_t = 34, value_parser = clap::value_parser!(u8).range(0..=63))]
    dscp: u8,

    /// Also write the description to this file
    #[arg(long, value_name = "FILE")]
    sdp: Option<PathBuf>,

    /// Do not announce the stream
    #[arg(long)]
    no_sap: bool,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

pub(crate) fn run(arguments: &LoopArguments) -> Result<ExitCode> {
    let mut session = Session::start(arguments.seconds)?.kept_awake();
    let interface = arguments.interface.first().map(String::as_str);
    let target =
        Finder { interface, sap_groups: &arguments.sap_group, sap_sources: &arguments.sap_sources, session: &session }
            .find_one(&arguments.stream)?;
    let mut wait = ClockWait::new(arguments.wait)?;
    let inputs = interfaces(&arguments.interface, &target)?;
    let outputs: Vec<Interface> = match &arguments.output_interface[..] {
        [] => inputs.clone(),
        names => names.iter().map(|name| Ok(Interface::find(Some(name))?)).collect::<Result<_>>()?,
    };
    let config = relay_config(arguments, &target)?;
    let gains = gains(&arguments.gain, config.output.format.channels())?;
    let name = arguments.name.clone().unwrap_or_else(|| format!("{} loop", target.name));
    let started_s = (clock::now_with_system().1.as_nanos() / 1_000_000_000) as u64;
    let host = outputs[0].address.into();
    let description = Description::new(&config.output, host, started_s, &name, arguments.ttl);
    let mut description = description.map_err(Failure::input)?;
    let domain = arguments.ptp.domain(target.domain);
    let mut ptp_config = arguments.ptp.slave(&inputs[0], target.domain)?;
    ptp_config.reference.fallback_after = None;
    let ptp = PtpClient::shared(ptp_config)?;
    let announcer = || SapAnnouncer::to_groups(&outputs[0], SAP_INTERVAL, seed(), &arguments.sap_group);
    let announcer = (!arguments.no_sap).then(announcer);
    let mut announcer = announcer.transpose()?;
    let input = LegConfig::of(&target.stream, &inputs)?;
    let streams = RelayStreams { config, input, output: outputs, ttl: arguments.ttl, dscp: arguments.dscp };
    let relay = StreamRelay::start(streams, ptp.clone())?;
    for (channel, gain) in gains.into_iter().enumerate() {
        relay.set_gain(channel, gain);
    }
    print(&format!("from {}", target.describe()));
    print(&format!("to {} as {name}, {} later", arguments.group.join(" and "), config.latency));
    let mut hint = Hint::default();
    while session.goes_on() {
        let status = relay.status();
        wait.look(session.elapsed(), status.reading.map.is_some(), || clock_wait::reason(&ptp))?;
        if status.packets > 0 && status.reading.map.is_some() {
            let grandmaster = ptp.status().grandmaster();
            let clock =
                grandmaster.map_or(ReferenceClock::Unknown, |grandmaster| ReferenceClock::ptp(grandmaster, domain));
            let revised = description.set_clock(&clock);
            let text = description.to_sdp();
            if revised && let Some(path) = &arguments.sdp {
                whole_file::write(path, &text)
                    .map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
            }
            announcer.iter_mut().for_each(|announcer| announcer.advance(clock::now(), &text));
        }
        hint.look(&mut session, status.relay.late_packets, || relay.scheduling());
        if session.second_is_over() {
            session.show(&line(&status, &ptp));
        }
    }
    drop(announcer);
    let status = relay.status();
    session.end_line();
    print(&line(&status, &ptp));
    print(&histogram(&status.departures));
    print(&format!("thread: {}", relay.scheduling()));
    if status.packets > 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let reason = status.last_failure.clone().unwrap_or_else(|| clock_wait::nothing_sent(&ptp));
    Err(Failure::run(format!("nothing was sent on: {reason}")))
}

fn relay_config(arguments: &LoopArguments, target: &Target) -> Result<RelayConfig> {
    let format = target.stream.format;
    let latency = duration_ms("--latency", arguments.latency)?;
    let list = match &arguments.channels {
        Some(list) => list.parse::<ChannelList>().map_err(Failure::input)?,
        None => ChannelList::run(0, format.channels()),
    };
    let map: Vec<Option<usize>> = list.as_slice().iter().map(|&channel| Some(usize::from(channel))).collect();
    let destinations = arguments.group.iter().map(|group| group.parse::<Destination>().map_err(Failure::input));
    let destinations: Vec<Destination> = destinations.collect::<Result<_>>()?;
    let (primary, secondary) = legs(&destinations).map_err(Failure::input)?;
    let is_input = |to: &&Destination| {
        target.stream.legs.iter().any(|leg| leg.destination == *to.0.ip() && leg.port == to.0.port())
    };
    if let Some(input) = destinations.iter().find(is_input) {
        return Err(Failure::input(format!(
            "{input} is where the input comes from: give the output another address or port"
        )));
    }
    let encoding = arguments.format.map_or(format.encoding(), Format::encoding);
    let out_format = StreamFormat::new(encoding, format.sample_rate(), map.len()).map_err(Failure::input)?;
    // Only a conversion from 24 to 16 bits needs dither.
    let dither = match (format.encoding(), encoding) {
        (Encoding::L24, Encoding::L16) => Dither::Tpdf { seed: seed() },
        _ => Dither::Off,
    };
    let output = SenderConfig {
        packet_time: packet_time(arguments, target, format.sample_rate()),
        secondary: secondary.map(|to| to.0.into()),
        dither,
        ..SenderConfig::new(out_format, primary.0.into(), seed())
    };
    let input = StreamConfig {
        channel_map: ChannelMap::new(&map).map_err(Failure::input)?,
        payload_type: target.payload_type,
        packet_frames: target.described().packet_frames,
        media_clock: target.stream.relation(),
        depth_limit: latency,
        ..StreamConfig::new(format, latency, NO_BLOCK)
    };
    Ok(RelayConfig { input, output, latency })
}

/// The requested packet time, or the input's, or 1 ms.
fn packet_time(arguments: &LoopArguments, target: &Target, rate: SampleRate) -> PacketTime {
    let asked = arguments.ptime.as_ref().and_then(|text| text.parse::<PacketTimeMs>().ok());
    let inputs = || {
        let mut known = PacketTime::AES67.into_iter().chain([PacketTime::MS_5]);
        known.find(|time| time.frames(rate) == target.stream.packet_frames)
    };
    asked.map(PacketTimeMs::packet_time).or_else(inputs).unwrap_or(PacketTime::MS_1)
}

/// Converts gains in dB to factors, one for each channel.
fn gains(gains_db: &[f64], channels: usize) -> Result<Vec<f32>> {
    if let Some(wrong) = gains_db.iter().find(|db| !(-120.0..=24.0).contains(*db)) {
        return Err(Failure::input(format!("a gain of {wrong} dB: it must be within -120 and 24")));
    }
    let factor = |db: &f64| 10f64.powf(db / 20.0) as f32;
    match gains_db {
        [one] => Ok(vec![factor(one); channels]),
        all if all.len() == channels => Ok(all.iter().map(factor).collect()),
        all => Err(Failure::input(format!(
            "{} gains for {channels} channels: give one for each, or one for all",
            all.len()
        ))),
    }
}

fn line(status: &RelayStatus, ptp: &PtpClient) -> String {
    let clock = ptp.status().to_string();
    let (ingest, relay) = (&status.ingest, &status.relay);
    if status.sender.packets == 0 {
        return format!("waiting for PTP; {clock}");
    }
    let late = &status.departures;
    let refusal = status.last_refusal.as_ref().map_or_else(String::new, |refusal| format!(" ({refusal})"));
    format!(
        "{} packets in ({} refused{refusal}), {} out, {} not sent, late by {} (99 %) and {} at most; {} frames as they came, {} concealed in {} gaps, {} packets late, {} early; {clock}",
        ingest.sequence.received,
        ingest.refused,
        status.packets,
        status.failed_packets,
        late.quantile(0.99),
        late.max(),
        relay.relayed_frames,
        relay.concealed_frames,
        relay.gaps,
        relay.late_packets,
        relay.early_packets,
    )
}
