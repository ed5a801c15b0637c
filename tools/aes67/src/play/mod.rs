//! `aes67 play`: a stream on a sound card, in a file, or nowhere.
//!
//! Model: the card's callback pulls the engine, and nothing is between. A file and `null` are a card without hardware: a thread calls back by the host's clock, with a
//! crystal error of choice.

#[cfg(feature = "cpal")]
mod card;
mod memory;
pub(crate) mod meter;
mod timer;

use crate::failure::{Failure, Result};
use crate::record::{duration_ms, interfaces};
use crate::session::{Session, print};
use crate::target::Target;
use clap::{Args, ValueEnum};
use engine::clock::LockState;
use engine::receive::{ChannelMap, MediaClock, StreamConfig, WarmStart};
use engine::{Frames, LocalTime, Nanos, SampleRate};
use memory::Memory;
use meter::Meter;
use net::ptp::{PtpClient, PtpConfig};
use net::stream::{LegConfig, Receiver, ReceiverStatus};
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;

/// How long the first frame of a packet waits, unless it is asked for; and how far late packets may raise that.
const LATENCY: Nanos = Nanos::from_millis(40);
const LATENCY_LIMIT: Nanos = Nanos::from_millis(250);
/// A stream of which nothing was heard for this long is silent.
const SILENCE: Nanos = Nanos::from_secs(1);
/// The rate of a card is worth remembering once it was measured for so long.
const MEASURED: Nanos = Nanos::from_secs(30);

const EXAMPLES: &str = "\
Examples:
  aes67 play studio.sdp
  aes67 play 'Studio 1' --interface eth0 --latency 20
  aes67 play 'aes67://239.69.0.1:5004?channels=2&rate=48000&format=L24&ptime=1&interface=eth0&latency=20&domain=0'
  aes67 play 'aes67://239.192.0.7?ptime=5' --clock livewire
  aes67 play studio.sdp --output out.wav --seconds 10
  aes67 play studio.sdp --output null --ppm 100       a card that runs 100 ppm fast, without hardware";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlayArguments {
    /// An SDP file, an aes67:// URL, or the name of an announced stream
    stream: String,

    /// Network interface, by name or address; twice for the two legs of a redundant stream
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,

    /// Sound card, by a part of its name; the system's default if it is left out
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// A WAV file instead of a sound card, or `null` for neither
    #[arg(long, value_name = "FILE|null", conflicts_with = "device")]
    output: Option<String>,

    /// Latency in ms, kept as it is; without it 40 ms, raised if packets come late
    #[arg(long, value_name = "MS")]
    latency: Option<f64>,

    /// PTP domain; that of the description if it is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=127))]
    ptp_domain: Option<u8>,

    /// What the playback position is taken from
    #[arg(long, value_enum, default_value = "ptp")]
    clock: Clock,

    /// Error of the crystal of `--output`, in ppm
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, requires = "output")]
    ppm: f64,

    /// Frames of a callback of `--output`
    #[arg(long, default_value_t = 480, requires = "output", value_parser = clap::value_parser!(u32).range(16..=8192))]
    block: u32,

    /// One JSON object a second
    #[arg(long)]
    json: bool,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Clock {
    /// PTP where the stream is on it, else arrivals
    Ptp,
    /// The arrival of packets alone
    Livewire,
}

pub(crate) fn run(arguments: &PlayArguments) -> Result<ExitCode> {
    let mut session = Session::start(arguments.seconds)?;
    let first = arguments.interface.first().map(String::as_str);
    let target = Target::find(&arguments.stream, first, &session)?;
    let interfaces = interfaces(&arguments.interface, &target)?;
    let legs = LegConfig::of(&target.stream, &interfaces)?;
    let opened = Output::open(arguments, &target)?;
    let mut memory = Memory::load();
    let config = stream_config(arguments, &target, &opened, &memory)?;
    let ptp = ptp_client(arguments, &target, &interfaces[0]);
    if !arguments.json {
        print(&format!("playing {} on {}", target.describe(), opened.name()));
    }
    let meter = Arc::new(Meter::new(config.channel_map.outputs()));
    let (receiver, playout) = Receiver::start(config, &legs, ptp.clone())?;
    let mut output = opened.start(playout, Arc::clone(&meter), config.target_depth)?;
    let mut warned = false;
    let mut started = None;
    while session.goes_on() {
        output.check()?;
        let status = receiver.status();
        started = started.or_else(|| status.playout.started.then(net::clock::now));
        let callback = config.card_rate.duration(Frames::new(i64::from(meter.longest_callback())));
        if !warned && callback >= config.target_depth {
            warned = true;
            eprintln!(
                "warning: the output asks for {callback} at a time, but the latency is {}: give a longer --latency",
                config.target_depth
            );
        }
        if session.second_is_over() {
            let view = View { status: &status, ptp: ptp.as_deref(), meter: &meter, elapsed: session.elapsed() };
            if arguments.json { print(&view.to_json()?) } else { session.show(&view.line()) }
        }
    }
    drop(output);
    let status = receiver.status();
    if !arguments.json {
        session.end_line();
        print(&summary(&status, &receiver));
    }
    if let (Some(device), Some(started)) = (&config_device(arguments), started)
        && net::clock::now() - started > MEASURED
    {
        memory.remember(device, status.playout.card_rate);
    }
    Ok(ExitCode::SUCCESS)
}

/// The name by which a card is remembered; files and `null` have no crystal.
fn config_device(arguments: &PlayArguments) -> Option<String> {
    arguments.output.is_none().then(|| arguments.device.clone().unwrap_or_else(|| "default".to_owned()))
}

fn stream_config(arguments: &PlayArguments, target: &Target, output: &Output, memory: &Memory) -> Result<StreamConfig> {
    let asked = arguments.latency.or(target.latency_ms);
    let latency = asked.map_or(Ok(LATENCY), |ms| duration_ms("the latency", ms))?;
    let config = target.stream.stream_config(latency, output.rate(), output.block_frames());
    let channels = target.stream.format.channels();
    let map: Vec<Option<usize>> = (0..output.channels())
        .map(|output| if channels == 1 { Some(0) } else { Some(output).filter(|&input| input < channels) })
        .collect();
    let media_clock = match arguments.clock {
        Clock::Ptp => config.media_clock,
        Clock::Livewire => MediaClock::Unrelated,
    };
    let card_rate = config_device(arguments).and_then(|device| memory.recall(&device));
    Ok(StreamConfig {
        channel_map: ChannelMap::new(&map).map_err(Failure::input)?,
        payload_type: target.payload_type,
        media_clock,
        depth_limit: if asked.is_some() { latency } else { LATENCY_LIMIT },
        warm_start: WarmStart { card_rate, media_rate: None },
        ..config
    })
}

/// Without PTP a stream is played all the same, by arrivals; that is said.
fn ptp_client(
    arguments: &PlayArguments,
    target: &Target,
    interface: &net::interface::Interface,
) -> Option<Arc<PtpClient>> {
    let on_ptp = matches!(target.stream.relation(), MediaClock::Ptp { .. });
    if arguments.clock == Clock::Livewire || !on_ptp {
        return None;
    }
    let domain = arguments.ptp_domain.or(target.domain).unwrap_or(0);
    let client = PtpClient::shared(PtpConfig::slave(interface.clone(), domain));
    client.inspect_err(|error| eprintln!("warning: playing by the arrival of packets, without PTP: {error}")).ok()
}

/// What plays.
enum Output {
    Timer(timer::Opened),
    #[cfg(feature = "cpal")]
    Card(card::Opened),
}

impl Output {
    fn open(arguments: &PlayArguments, target: &Target) -> Result<Self> {
        let format = target.stream.format;
        match &arguments.output {
            Some(output) => {
                timer::Opened::open(output, format, arguments.ppm, arguments.block as usize).map(Self::Timer)
            }
            #[cfg(feature = "cpal")]
            None => card::Opened::open(arguments.device.as_deref(), format).map(Self::Card),
            #[cfg(not(feature = "cpal"))]
            None => Err(Failure::input(
                "this program was built without sound cards: give --output null or a WAV file, or build it with the feature `cpal`",
            )),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Timer(opened) => opened.name(),
            #[cfg(feature = "cpal")]
            Self::Card(opened) => opened.name(),
        }
    }

    fn rate(&self) -> SampleRate {
        match self {
            Self::Timer(opened) => opened.rate(),
            #[cfg(feature = "cpal")]
            Self::Card(opened) => opened.rate(),
        }
    }

    fn channels(&self) -> usize {
        match self {
            Self::Timer(opened) => opened.channels(),
            #[cfg(feature = "cpal")]
            Self::Card(opened) => opened.channels(),
        }
    }

    fn block_frames(&self) -> usize {
        match self {
            Self::Timer(opened) => opened.block_frames(),
            #[cfg(feature = "cpal")]
            Self::Card(_) => card::BLOCK_FRAMES,
        }
    }

    #[cfg_attr(not(feature = "cpal"), expect(unused_variables, reason = "a timer has the callback it is told"))]
    fn start(self, playout: Playout, meter: Arc<Meter>, latency: Nanos) -> Result<Playing> {
        match self {
            Self::Timer(opened) => opened.start(playout, meter).map(Playing::Timer),
            #[cfg(feature = "cpal")]
            Self::Card(opened) => opened.start(playout, meter, latency).map(Playing::Card),
        }
    }
}

/// The engine's audio half.
type Playout = engine::receive::Playout<engine::receive::FusedDrift>;

/// Plays until it is dropped.
enum Playing {
    Timer(timer::Playing),
    #[cfg(feature = "cpal")]
    Card(card::Playing),
}

impl Playing {
    /// Tells what happened to the output; an error if it is gone for good.
    fn check(&mut self) -> Result<()> {
        match self {
            Self::Timer(playing) => playing.check(),
            #[cfg(feature = "cpal")]
            Self::Card(playing) => playing.check(),
        }
    }
}

/// What is shown each second.
struct View<'a> {
    status: &'a ReceiverStatus,
    ptp: Option<&'a PtpClient>,
    meter: &'a Meter,
    elapsed: Nanos,
}

impl View<'_> {
    fn state(&self) -> &'static str {
        let silent = |last: LocalTime| self.status.at - last > SILENCE;
        match (self.status.last_packet, self.status.playout.started) {
            (None, _) => "WAITING",
            (Some(last), _) if silent(last) => "SILENT",
            (Some(_), false) => "STARTING",
            (Some(_), true) => "PLAYING",
        }
    }

    fn clock(&self) -> String {
        let Some(ptp) = self.ptp else { return "arrivals".to_owned() };
        match ptp.status().clock.state {
            LockState::Locked if self.status.playout.link_offset.is_some() => "PTP LOCKED".to_owned(),
            LockState::Locked => "PTP LOCKED, but the stream is not on it".to_owned(),
            state => format!("PTP {state}"),
        }
    }

    fn line(&self) -> String {
        let (playout, ingest) = (&self.status.playout, &self.status.ingest);
        let latency = playout.link_offset.unwrap_or(playout.achieved);
        let refused = match &self.status.last_refusal {
            Some(reason) if ingest.refused > 0 => format!(", {} refused ({reason})", ingest.refused),
            _ => String::new(),
        };
        format!(
            "{} [{}] buffer {}, latency {latency}, ratio {}, lost {}, late {}, concealed {} frames, underruns {}{refused}, {}",
            self.state(),
            self.clock(),
            playout.fill,
            playout.ratio,
            ingest.sequence.lost,
            playout.late_packets,
            playout.concealed_frames,
            playout.underruns,
            self.meter.show(),
        )
    }

    fn to_json(&self) -> Result<String> {
        let (playout, ingest) = (&self.status.playout, &self.status.ingest);
        let line = Line {
            elapsed_s: self.elapsed.as_secs_f64(),
            state: self.state(),
            clock: self.clock(),
            buffer_us: playout.fill.as_nanos() / 1000,
            achieved_us: playout.achieved.as_nanos() / 1000,
            link_offset_us: playout.link_offset.map(|offset| offset.as_nanos() / 1000),
            ratio_ppm: playout.ratio.as_ppm(),
            card_ppm: playout.card_rate.as_ppm(),
            media_ppm: ingest.media_rate.as_ppm(),
            received: ingest.sequence.received,
            lost: ingest.sequence.lost,
            late: playout.late_packets,
            refused: ingest.refused,
            concealed_frames: playout.concealed_frames,
            underruns: playout.underruns,
            jumps: playout.jumps,
            dropped_by_kernel: self.status.legs.iter().map(|leg| leg.socket.dropped).sum(),
            arrival_jitter_us: ingest.arrival_jitter.as_nanos() / 1000,
            sender_off_ptp: ingest.sender_off_ptp,
            peaks_dbfs: self.meter.peaks_dbfs(),
        };
        serde_json::to_string(&line).map_err(Failure::run)
    }
}

#[derive(Serialize)]
struct Line {
    elapsed_s: f64,
    state: &'static str,
    clock: String,
    buffer_us: i64,
    achieved_us: i64,
    link_offset_us: Option<i64>,
    ratio_ppm: f64,
    card_ppm: f64,
    media_ppm: f64,
    received: u64,
    lost: u64,
    late: u64,
    refused: u64,
    concealed_frames: u64,
    underruns: u64,
    jumps: u64,
    dropped_by_kernel: u64,
    arrival_jitter_us: i64,
    sender_off_ptp: bool,
    peaks_dbfs: Vec<f64>,
}

fn summary(status: &ReceiverStatus, receiver: &Receiver) -> String {
    let (sequence, playout) = (&status.ingest.sequence, &status.playout);
    let stamps: Vec<String> = status.legs.iter().map(|leg| leg.timestamping.to_string()).collect();
    let dropped: u64 = status.legs.iter().map(|leg| leg.socket.dropped).sum();
    format!(
        "{} packets, {} lost, {} late, {} frames concealed, {} jumps, {dropped} dropped by the kernel; card {}, sender {}\n\
         timestamps: {}; thread: {}",
        sequence.received,
        sequence.lost,
        playout.late_packets,
        playout.concealed_frames,
        playout.jumps,
        playout.card_rate,
        status.ingest.media_rate,
        stamps.join(" and "),
        receiver.scheduling(),
    )
}
