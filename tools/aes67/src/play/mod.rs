//! `aes67 play`: plays streams on a sound card, into a file, or nowhere.
//!
//! Model: the card's callback pulls audio from the engine, and only the mixer is in between. A file
//! and `null` are cards without hardware: a thread makes the callbacks, paced by the host clock
//! with a configurable crystal error. If the card is lost, the command tries to open it until it is
//! back; if the network is lost, the command waits. Both are reported.

#[cfg(feature = "cpal")]
mod card;
mod card_rates;
mod controller;
mod counts;
mod floor;
mod late;
mod mix;
mod output;
mod player;
mod shift;
mod timer;
mod trace_file;
mod view;

use crate::clock_wait::{self, ClockWait};
use crate::failure::{Failure, Result};
use crate::findings::Findings;
use crate::intruders::{Intruders, Seen};
use crate::options::interfaces;
use crate::priority::Hint;
use crate::ptp_options::PtpOptions;
use crate::session::{Session, print, warn};
use crate::target::{Finder, SapSources, Target};
use crate::trust::Trust;
use card_rates::CardRates;
use clap::{Args, ValueEnum};
use counts::{Counts, Tally};
use engine::receive::{Finding, MediaClock};
use engine::{LocalTime, Nanos};
use late::LatePackets;
use net::clock;
use net::interface::Interface;
use net::livewire_clock::{LivewireClient, LivewireConfig};
use net::ptp::PtpClient;
use net::stream::{LegConfig, ReceiverStatus};
use net::timeline::{SystemTimeline, Timeline};
use output::Lost;
use player::{Player, PlayingStream, Stream};
use shift::Shifts;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use trace_file::{Interval, TraceFile};
use view::{View, clock_line, is_silent, summary};

/// How often a lost card is searched for.
const RETRY: Nanos = Nanos::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  aes67 play studio.sdp
  aes67 play \"Studio 1\" --interface eth0 --latency 20
  aes67 play \"aes67://239.69.0.1:5004?channels=2&rate=48000&format=L24&ptime=1&interface=eth0&latency=20&domain=0\"
  aes67 play \"aes67://239.192.0.7?ptime=5\" --clock arrivals
  aes67 play livewire:6031 --clock livewire           by the Livewire clock, if the device stamps by it
  aes67 play studio.sdp                               all streams in it; studio.sdp#2 is the second alone
  aes67 play \"a.sdp?interface=eth0\" \"b.sdp?interface=eth1\"
                                                      each stream on its own interface
  aes67 play rtsp://10.0.0.7/by-name/Studio           the description comes from the device
  aes67 play studio.sdp --channels 2,1                left and right exchanged
  aes67 play a.sdp b.sdp --channels 1,2 --channels -,-,1,2
                                                      the second stream on outputs 3 and 4
  aes67 play studio.sdp --output out.wav --seconds 10
  aes67 play studio.sdp --output null --ppm 100       a card that runs 100 ppm fast, without hardware
  aes67 play studio.sdp --trace night.csv             then: cargo run -p sim -- replay night.csv";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlayArguments {
    /// SDP files, aes67://, rtp:// or rtsp:// URLs, or names of announced streams; ?interface=IF
    /// and other options may follow, and #2 for the second stream of a description
    #[arg(required = true, value_name = "STREAM")]
    streams: Vec<String>,

    /// Network interface, by name, address or index (`aes67 interfaces`); twice for the two legs of
    /// a redundant stream. A stream's own ?interface=IF goes before it
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,

    /// Listen to announcements on this group, too; several times for several groups
    #[arg(long, value_name = "GROUP")]
    sap_group: Vec<Ipv4Addr>,

    #[command(flatten)]
    sap_sources: SapSources,

    /// Sound card, by a part of its name; the system's default if it is left out
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// A WAV file instead of a sound card, or `null` for neither
    #[arg(long, value_name = "FILE|null", conflicts_with = "device")]
    output: Option<String>,

    /// For each output, in order, the stream's channel that it plays, counted from 1, or `-`; once
    /// for each stream
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, value_parser = parse_channels)]
    channels: Vec<Channels>,

    /// Latency in ms, fixed unless the output's callback needs more; without it 40 ms, raised if
    /// packets come late
    #[arg(long, value_name = "MS")]
    latency: Option<f64>,

    /// Refuse a latency that is too short for the output, instead of raising it
    #[arg(long)]
    latency_strict: bool,

    /// Give up, and say why, if the PTP, Livewire or system clock is not known after this many
    /// seconds
    #[arg(long, value_name = "SECONDS")]
    wait: Option<f64>,

    #[command(flatten)]
    ptp: PtpOptions,

    /// The clock that the playback position and rate follow
    #[arg(long, value_enum, default_value = "ptp")]
    clock: Clock,

    /// Which one counts if the packets contradict the description
    #[arg(long, value_enum, default_value = "description")]
    trust: Trust,

    /// Error of the crystal of `--output`, in ppm
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, requires = "output")]
    ppm: f64,

    /// Frames of a callback of `--output`
    #[arg(long, default_value_t = 480, requires = "output", value_parser = clap::value_parser!(u32).range(16..=8192))]
    block: u32,

    /// Write a trace to this CSV file, a row a second, which the simulator shows
    /// (`sim replay FILE`)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// One JSON object a second for each stream
    #[arg(long)]
    json: bool,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

/// The stream's channel for each output, both counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Channels(Vec<Option<usize>>);

fn parse_channels(text: &str) -> std::result::Result<Channels, String> {
    let one = |word: &str| match word.trim() {
        "-" => Ok(None),
        number => match number.parse::<usize>() {
            Ok(channel) if channel > 0 => Ok(Some(channel - 1)),
            _ => Err(format!("`{word}` is no channel; right would be a list such as 1,2 or 2,1 or -,1")),
        },
    };
    text.split(',').map(one).collect::<std::result::Result<_, _>>().map(Channels)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Clock {
    /// PTP where the stream is on it, otherwise the arrivals
    Ptp,
    /// The system's clock as PTP time, disciplined by another program such as a PTP daemon
    System,
    /// The Livewire clock where the stream's timestamps are its time, otherwise the arrivals
    Livewire,
    /// The arrival of packets alone
    Arrivals,
    /// The sound card's crystal: nothing is resampled, and playback jumps when it is 2 ms off
    Free,
}

pub(crate) fn run(arguments: &PlayArguments) -> Result<ExitCode> {
    arguments.ptp.check_followed(arguments.clock == Clock::Ptp)?;
    let mut wait = ClockWait::new(arguments.wait)?;
    let mut session = Session::start(arguments.seconds)?.kept_awake();
    let streams = streams(arguments, &session)?;
    let mut card_rates = CardRates::load();
    let mut trace = arguments.trace.as_deref().map(TraceFile::create).transpose()?;
    let player = Player::open(arguments, &streams, &card_rates, Nanos::ZERO)?;
    if !arguments.json {
        streams.iter().for_each(|stream| print(&format!("playing {} on {}", stream.target.describe(), player.name)));
    }
    let mut play_session = PlaySession::new(arguments, &streams, player);
    while session.goes_on() {
        play_session.look(&mut session, &mut card_rates)?;
        wait.look(session.elapsed(), clocks_are_known(&streams), || no_clock(&streams))?;
        if session.second_is_over() {
            play_session.write(&session, trace.as_mut())?;
            play_session.show(&mut session)?;
        }
    }
    if !arguments.json {
        session.end_line();
    }
    play_session.end(&mut card_rates);
    Ok(ExitCode::SUCCESS)
}

/// The streams to be played, and their clocks.
fn streams(arguments: &PlayArguments, session: &Session) -> Result<Vec<Stream>> {
    let interface = arguments.interface.first().map(String::as_str);
    let finder = Finder { interface, sap_groups: &arguments.sap_group, sap_sources: &arguments.sap_sources, session };
    let targets: Vec<Vec<Target>> = arguments.streams.iter().map(|text| finder.find(text)).collect::<Result<_>>()?;
    let targets = targets.concat();
    if !arguments.channels.is_empty() && arguments.channels.len() != targets.len() {
        let (maps, streams) = (arguments.channels.len(), targets.len());
        return Err(Failure::input(format!(
            "--channels was given {maps} times for {streams} streams: give it once for each"
        )));
    }
    let mut system = None;
    let mut streams = Vec::new();
    for (index, mut target) in targets.into_iter().enumerate() {
        let interfaces = interfaces(&arguments.interface, &target)?;
        let legs = LegConfig::of(&target.stream, &interfaces)?;
        arguments.trust.apply(&mut target, &legs, session)?;
        let channels = arguments.channels.get(index).map(|map| map.0.clone());
        let inputs = target.stream.format.channels();
        if let Some(wrong) = channels.iter().flatten().flatten().find(|channel| **channel >= inputs) {
            let name = &target.name;
            return Err(Failure::input(format!(
                "--channels: there is no channel {} in {name}, which has {inputs}",
                wrong + 1
            )));
        }
        let timeline = timeline(arguments, &target, &interfaces[0], &mut system)?;
        streams.push(Stream { target, legs, timeline, channels });
    }
    Ok(streams)
}

/// Selects the timeline for a stream. If PTP is not available, the stream is played by arrivals,
/// which is reported.
fn timeline(
    arguments: &PlayArguments,
    target: &Target,
    interface: &Interface,
    system: &mut Option<Arc<SystemTimeline>>,
) -> Result<Option<Timeline>> {
    let on_ptp = matches!(target.stream.relation(), MediaClock::Ptp { .. });
    match arguments.clock {
        Clock::Arrivals | Clock::Free => Ok(None),
        Clock::Livewire => {
            let client = LivewireClient::shared(LivewireConfig::slave(interface.clone()));
            let warned = client.inspect_err(|error| {
                warn(format_args!("warning: playing by the arrival of packets, without the Livewire clock: {error}"));
            });
            Ok(warned.ok().map(Timeline::Livewire))
        }
        _ if !on_ptp => Ok(None),
        Clock::Ptp => {
            let client = PtpClient::shared(arguments.ptp.slave(interface, target.domain)?);
            let warned = client.inspect_err(|error| {
                warn(format_args!("warning: playing by the arrival of packets, without PTP: {error}"));
            });
            Ok(warned.ok().map(Timeline::Ptp))
        }
        Clock::System => {
            let shared = match system {
                Some(shared) => Arc::clone(shared),
                None => Arc::clone(system.insert(Arc::new(SystemTimeline::start()?))),
            };
            Ok(Some(Timeline::System(shared)))
        }
    }
}

/// Whether all requested clocks are known.
fn clocks_are_known(streams: &[Stream]) -> bool {
    let is_known = |timeline: &Timeline| match timeline {
        Timeline::Ptp(client) => client.status().is_usable(),
        Timeline::Livewire(client) => client.status().is_usable(),
        Timeline::System(system) => system.reading().map.is_some(),
    };
    streams.iter().filter_map(|stream| stream.timeline.as_ref()).all(is_known)
}

/// Why the first unknown clock is unknown.
fn no_clock(streams: &[Stream]) -> String {
    let reason = |timeline: &Timeline| match timeline {
        Timeline::Ptp(client) if !client.status().is_usable() => Some(clock_wait::reason(client)),
        Timeline::Livewire(client) if !client.status().is_usable() => Some(client.status().reason.clone()),
        Timeline::System(system) if system.reading().map.is_none() => Some(system.report().to_string()),
        _ => None,
    };
    streams.iter().filter_map(|stream| stream.timeline.as_ref()).find_map(reason).unwrap_or_default()
}

/// The state of a stream that is kept from one update to the next.
struct Followed {
    /// Whether a grandmaster other than the described one has been reported.
    other_grandmaster: bool,
    tally: Tally,
    counts: Counts,
    interval: Interval,
    late: LatePackets,
    findings: Findings,
    intruders: Intruders,
    shifts: Shifts,
    silent: bool,
}

/// The state of a run: the player, or the wait for a card, and the state of each stream.
struct PlaySession<'a> {
    arguments: &'a PlayArguments,
    streams: &'a [Stream],
    player: Option<Player>,
    followed: Vec<Followed>,
    hint: Hint,
    retry_at: LocalTime,
    /// The shortest latency that works with the output, as far as known.
    floor: Nanos,
}

impl<'a> PlaySession<'a> {
    fn new(arguments: &'a PlayArguments, streams: &'a [Stream], player: Player) -> Self {
        let followed = |_: &Stream| Followed {
            other_grandmaster: false,
            tally: Tally::default(),
            counts: Counts::default(),
            interval: Interval::new(Counts::default()),
            late: LatePackets::default(),
            findings: Findings::default(),
            intruders: Intruders::default(),
            shifts: Shifts::default(),
            silent: false,
        };
        let followed = streams.iter().map(followed).collect();
        let (hint, retry_at, floor) = (Hint::default(), LocalTime::ZERO, Nanos::ZERO);
        Self { arguments, streams, player: Some(player), followed, hint, retry_at, floor }
    }

    /// Updates everything, and reports changes.
    fn look(&mut self, session: &mut Session, card_rates: &mut CardRates) -> Result<()> {
        let Some(player) = &mut self.player else { return self.try_again(session, card_rates) };
        for ((stream, channel), followed) in self.streams.iter().zip(&player.channels).zip(&mut self.followed) {
            let status = channel.receiver.status();
            follow(session, stream, &status, followed);
            let asked = self.arguments.latency.or(stream.target.latency_ms).is_some();
            if followed.late.look(clock::now(), followed.counts.dropped) && asked {
                session.tell(format_args!(
                    "warning: packets of {} keep coming too late for a latency of {}: give a longer one (--latency, or latency= in the URL), or none, which finds what it needs",
                    stream.target.name, status.playout.target_depth
                ));
            }
        }
        let troubles = |followed: &Followed| followed.counts.late + followed.counts.dropped_by_kernel;
        let troubles = self.followed.iter().map(troubles).sum();
        if let Some(channel) = player.channels.first() {
            self.hint.look(session, troubles, || channel.receiver.scheduling());
        }
        if let Some((callback, latency)) = player.callback_too_long() {
            return self.raise(session, card_rates, callback, latency);
        }
        match player.check() {
            Ok(()) => Ok(()),
            Err(Lost::ForGood(failure)) => Err(failure),
            #[cfg(feature = "cpal")]
            Err(Lost::ForNow(reason)) => {
                session.tell(format_args!("the sound card is lost ({reason}); looking for it every second"));
                player.remember(self.arguments, card_rates);
                self.player = None;
                self.retry_at = clock::now() + RETRY;
                Ok(())
            }
        }
    }

    /// Restarts playback with a latency that exceeds the output's callback by a margin.
    fn raise(&mut self, session: &mut Session, card_rates: &CardRates, callback: Nanos, latency: Nanos) -> Result<()> {
        let reason = floor::reason(latency, callback);
        let Some(raised) = floor::raised(latency, callback) else { return Ok(()) };
        if self.arguments.latency_strict {
            return Err(Failure::run(format!("{reason}: give --latency {:.0} or more", raised.as_secs_f64() * 1e3)));
        }
        session.tell(format_args!("warning: {reason}; it is raised to {raised}"));
        self.floor = raised;
        self.player = None;
        self.retry_at = LocalTime::ZERO;
        self.followed.iter_mut().for_each(|followed| followed.tally.start_anew());
        self.player = Some(Player::open(self.arguments, self.streams, card_rates, raised)?);
        Ok(())
    }

    fn try_again(&mut self, session: &mut Session, card_rates: &CardRates) -> Result<()> {
        if clock::now() < self.retry_at {
            return Ok(());
        }
        self.retry_at = clock::now() + RETRY;
        match Player::open(self.arguments, self.streams, card_rates, self.floor) {
            Ok(player) => {
                session.tell(format_args!("playing again on {}", player.name));
                self.followed.iter_mut().for_each(|followed| followed.tally.start_anew());
                self.player = Some(player);
            }
            Err(failure) => tracing::debug!("{failure}"),
        }
        Ok(())
    }

    fn views<'v>(
        &'v self,
        statuses: &'v [Arc<ReceiverStatus>],
        session: &'v Session,
    ) -> impl Iterator<Item = View<'v>> {
        let card_latency = self.player.as_ref().and_then(Player::card_latency);
        let channels = self.player.iter().flat_map(|player| &player.channels);
        let each = self.streams.iter().zip(channels).zip(&self.followed).zip(statuses);
        each.map(move |(((stream, channel), followed), status)| View {
            name: &stream.target.name,
            status,
            counts: followed.counts,
            timeline: stream.timeline.as_ref(),
            meter: &channel.meter,
            card_latency,
            elapsed: session.elapsed(),
        })
    }

    fn statuses(&self) -> Vec<Arc<ReceiverStatus>> {
        let status = |channel: &PlayingStream| channel.receiver.status();
        self.player.iter().flat_map(|player| &player.channels).map(status).collect()
    }

    fn show(&self, session: &mut Session) -> Result<()> {
        let statuses = self.statuses();
        if self.arguments.json {
            let lines: Vec<String> =
                self.views(&statuses, session).map(|view| view.to_json()).collect::<Result<_>>()?;
            lines.iter().for_each(|line| print(line));
            return Ok(());
        }
        let clock = clock_line(self.streams[0].timeline.as_ref());
        let one = |view: View<'_>| match self.streams {
            [_] => view.line(),
            _ => format!("{}: {}", view.name, view.line()),
        };
        let mut lines = vec![clock];
        lines.extend(self.views(&statuses, session).map(one));
        if statuses.is_empty() {
            lines.push("no sound card".to_owned());
        }
        session.show_all(&lines);
        Ok(())
    }

    /// Writes a row of the trace for each stream.
    fn write(&mut self, session: &Session, trace: Option<&mut TraceFile>) -> Result<()> {
        let Some(trace) = trace else { return Ok(()) };
        let statuses = self.statuses();
        for ((stream, followed), status) in self.streams.iter().zip(&mut self.followed).zip(&statuses) {
            let rate = stream.target.stream.format.sample_rate();
            let counts = &followed.counts;
            let row = followed.interval.row(session.elapsed(), status, stream.timeline.as_ref(), counts, rate);
            trace.write(&stream.target.name, &row)?;
            followed.interval = Interval::new(followed.counts);
        }
        Ok(())
    }

    /// Reports a summary, and saves the rate of the card.
    fn end(mut self, card_rates: &mut CardRates) {
        let Some(player) = self.player.take() else { return };
        player.remember(self.arguments, card_rates);
        let statuses: Vec<_> = player.channels.iter().map(|channel| channel.receiver.status()).collect();
        let scheduling = player.channels.first().map(|channel| channel.receiver.scheduling());
        drop(player);
        if self.arguments.json {
            return;
        }
        for ((stream, followed), status) in self.streams.iter().zip(&self.followed).zip(&statuses) {
            print(&format!("{}: {}", stream.target.name, summary(status, &followed.counts)));
        }
        if let Some(scheduling) = scheduling {
            print(&format!("thread: {scheduling}"));
        }
    }
}

/// Updates the counts of a stream, and reports notable changes such as silence, its end, and a
/// restart of the sender.
fn follow(session: &mut Session, stream: &Stream, status: &ReceiverStatus, followed: &mut Followed) {
    let name = &stream.target.name;
    if let Some(Timeline::Ptp(client)) = stream.timeline.as_ref() {
        let other = stream
            .target
            .stream
            .legs
            .iter()
            .find_map(|leg| clock_wait::other_grandmaster(&client.status(), &leg.reference_clock));
        if let Some(other) = other.as_ref().filter(|_| !followed.other_grandmaster) {
            session.tell(format_args!("warning: {name}: {other}"));
        }
        followed.other_grandmaster = other.is_some();
    }
    let restarts = followed.counts.restarts;
    followed.counts = followed.tally.update(status);
    followed.interval.look(status);
    if followed.counts.restarts > restarts {
        session.tell(format_args!("{name}: its sender has started anew"));
    }
    let finding = status.ingest.finding;
    if let Some(sentence) = followed.findings.look(name, finding) {
        session.tell(format_args!("{sentence}"));
    }
    let ingest = &status.ingest;
    let seen = Seen {
        intruder: ingest.intruder,
        other_address: followed.counts.refusals.other_address,
        takeovers: ingest.takeovers,
        takeover: ingest.takeover,
        not_continuing: followed.counts.refusals.not_continuing,
    };
    for sentence in followed.intruders.look(clock::now(), seen) {
        session.tell(format_args!("warning: {name}: {sentence}"));
    }
    if followed.shifts.look(clock::now(), followed.counts.shifts) {
        session.tell(format_args!("{name}: {}", shift::sentence(status, stream.timeline.is_some())));
    }
    let silent = is_silent(status);
    if finding.is_some_and(Finding::is_contradiction) {
        // The contradiction explains the silence, which is not reported separately.
    } else if silent && !followed.silent {
        let links: Vec<String> = stream.legs.iter().map(|leg| leg.interface.link().to_string()).collect();
        session.tell(format_args!("{name}: nothing has come for a second; {}", links.join(", ")));
    } else if followed.silent && !silent {
        session.tell(format_args!("{name}: it is heard again"));
    }
    followed.silent = silent;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_lists_count_from_one() {
        assert_eq!(parse_channels("2,1"), Ok(Channels(vec![Some(1), Some(0)])));
        assert_eq!(parse_channels("-,1"), Ok(Channels(vec![None, Some(0)])));
        assert!(parse_channels("0").unwrap_err().contains("`0` is no channel"));
        assert!(parse_channels("").is_err());
    }
}
