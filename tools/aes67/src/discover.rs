//! `aes67 discover`: lists announced streams as they appear and disappear.

use crate::failure::{Failure, Result};
use crate::session::{Session, print, warn, write_bytes};
use crate::target::{SapSources, describe_format, named};
use clap::Args;
use engine::announce::livewire::{LivewireEntry, LivewireEvent};
use engine::announce::sap::{Entry, SapEvent, SessionKey};
use engine::announce::sdp::StreamDescription;
use net::interface::Interface;
use net::livewire::LivewireListener;
use net::sap::SapListener;
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  aes67 discover --interface eth0
  aes67 discover --seconds 35 --json
  aes67 discover --sdp \"Studio 1\" > studio.sdp
  aes67 play livewire:6031                       a Livewire channel by its number

Listed are announcements by SAP and the advertisements of Livewire nodes. A line begins with + for a new stream, * for a changed one and - for one that is gone. Devices announce every 30 s or so. SAP is heard by IPv4 on 239.255.255.255, 224.2.127.254, 239.195.255.255, 224.0.0.56, 224.0.0.255 and what --sap-group names; SAP by IPv6 is left out.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiscoverArguments {
    /// Network interface, by name, address or index (`aes67 interfaces`); may be left out if there
    /// is only one
    #[arg(long, value_name = "IF")]
    interface: Option<String>,

    /// Listen to announcements on this group, too; several times for several groups
    #[arg(long, value_name = "GROUP")]
    sap_group: Vec<Ipv4Addr>,

    #[command(flatten)]
    sap_sources: SapSources,

    /// One JSON object for each change
    #[arg(long)]
    json: bool,

    /// Write the description of the stream of this name, as it is announced, and end; faults of it
    /// go to the standard error
    #[arg(long, value_name = "NAME")]
    sdp: Option<String>,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

pub(crate) fn run(arguments: &DiscoverArguments) -> Result<ExitCode> {
    let interface = Interface::find(arguments.interface.as_deref())?;
    let listener = SapListener::with_groups(&interface, &arguments.sap_group, &arguments.sap_sources.accepted)?;
    let session = Session::start(arguments.seconds)?;
    if let Some(name) = &arguments.sdp {
        return write_sdp(name, &listener, &session);
    }
    let livewire = LivewireListener::start(&interface)?;
    if !arguments.json {
        print(&format!("listening on {interface}"));
        print(&row(["", "name", "address", "format", "from"]));
    }
    while session.goes_on() {
        // The sessions are read after the changes, so they already include them.
        let changes: Vec<SapEvent> = std::iter::from_fn(|| listener.poll_event()).collect();
        let heard = listener.snapshot();
        let sessions = &heard.0;
        for event in changes {
            let entry = |key: &SessionKey| sessions.iter().find(|(other, _)| other == key).map(|(_, entry)| entry);
            match &event {
                SapEvent::Added(key) => tell("added", entry(key), &rivals(key, sessions), arguments.json)?,
                SapEvent::Updated(key) => tell("updated", entry(key), &rivals(key, sessions), arguments.json)?,
                SapEvent::Refused { from, reason } if arguments.json => {
                    let line = serde_json::json!({ "event": "refused", "from": from, "reason": reason.to_string() });
                    print(&line.to_string());
                }
                SapEvent::Crowded(crowd) if arguments.json => {
                    let line = serde_json::json!({
                        "event": "crowded", "sessions": crowd.sessions, "announced_once": crowd.unconfirmed,
                        "addresses": crowd.addresses, "most_by": crowd.most.0, "by_that": crowd.most.1,
                    });
                    print(&line.to_string());
                }
                SapEvent::Refused { from, reason } => print(&format!("! {from}: {reason}")),
                SapEvent::Removed { name, reason, .. } if arguments.json => {
                    print(
                        &serde_json::json!({ "event": "removed", "name": name, "reason": reason.to_string() })
                            .to_string(),
                    );
                }
                SapEvent::Removed { name, reason, .. } => print(&row(["-", name, &reason.to_string(), "", ""])),
                // This event means that the directory is full, which the listener has already
                // reported on standard error.
                _ => {}
            }
        }
        while let Some(event) = livewire.poll_event() {
            print(&advertised(&event, arguments.json));
        }
    }
    let stats = listener.stats();
    if !arguments.json {
        let announced = listener.sessions().len();
        let crowded = match stats.crowded_out {
            0 => String::new(),
            sessions => format!(", {sessions} sessions pushed out or left out because there were too many"),
        };
        print(&format!(
            "{announced} announced; {} datagrams understood, {} refused{crowded}",
            stats.understood, stats.refused
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Describes a change in the advertisements of Livewire nodes.
fn advertised(event: &LivewireEvent, json: bool) -> String {
    let (mark, word, LivewireEntry { source, node_name, node }) = match event {
        LivewireEvent::Added(entry) => ("+", "added", entry),
        LivewireEvent::Removed(entry) => ("-", "removed", entry),
    };
    let (channel, group) = (source.channel, source.channel.group());
    if json {
        let line = serde_json::json!({
            "event": word, "name": source.name, "livewire_channel": channel.number(), "addresses": [format!("{group}:5004")],
            "node": node_name, "from": node.to_string(),
        });
        return line.to_string();
    }
    let from = format!("{node} {node_name}");
    row([mark, &source.name, &format!("{group}:5004"), &format!("Livewire channel {channel}"), &from])
}

fn write_sdp(name: &str, listener: &SapListener, session: &Session) -> Result<ExitCode> {
    loop {
        let heard = listener.snapshot();
        let sessions = &heard.0;
        if let Some(entry) = named(sessions.iter().map(|(_, entry)| entry), name) {
            entry.findings.iter().for_each(|finding| warn(format_args!("{name}: {finding}")));
            write_bytes(entry.text());
            return Ok(ExitCode::SUCCESS);
        }
        if !session.goes_on() {
            return Err(Failure::run(format!("no stream named {name} was announced")));
        }
    }
}

/// Another host that announces a session with the same `o=` line.
struct Rival {
    from: IpAddr,
    /// The host for which it claims to announce; a proxy announces for another host.
    on_behalf_of: IpAddr,
    /// Whether the two announcements are identical, byte for byte.
    same: bool,
}

impl Rival {
    fn sentence(&self) -> String {
        let Self { from, on_behalf_of, same } = self;
        let behalf = if from == on_behalf_of { String::new() } else { format!(" on behalf of {on_behalf_of}") };
        if *same {
            format!("{from} announces the same{behalf}: a proxy, or another address of the device")
        } else {
            format!(
                "conflict: {from} announces it otherwise{behalf} (same o=): an address of the same device, or a stranger"
            )
        }
    }
}

fn rivals(key: &SessionKey, sessions: &[(SessionKey, Entry)]) -> Vec<Rival> {
    let text = sessions.iter().find(|(other, _)| other == key).map(|(_, entry)| entry.text());
    let others = sessions.iter().filter(|(other, _)| other.has_origin_of(key) && other.from() != key.from());
    let rival = |(other, entry): &(SessionKey, Entry)| Rival {
        from: other.from(),
        on_behalf_of: other.origin(),
        same: text == Some(entry.text()),
    };
    others.map(rival).collect()
}

/// Reports an event. If its session has already disappeared again, nothing is reported.
fn tell(event: &str, entry: Option<&Entry>, rivals: &[Rival], json: bool) -> Result<()> {
    let Some(entry) = entry else { return Ok(()) };
    if json {
        print(&serde_json::to_string(&Line::of(event, entry, rivals)).map_err(Failure::run)?);
        return Ok(());
    }
    let mark = if event == "added" { "+" } else { "*" };
    for stream in &entry.description.streams {
        let (name, from) = (&entry.description.name, entry.from.to_string());
        print(&row([mark, name, &addresses(stream).join(" "), &describe_format(stream), &from]));
    }
    for rival in rivals {
        print(&format!("      {}", rival.sentence()));
    }
    entry.findings.iter().for_each(|finding| print(&format!("      {finding}")));
    Ok(())
}

fn row([mark, name, address, format, from]: [&str; 5]) -> String {
    format!("{mark:1} {name:24} {address:22} {format:46} {from}").trim_end().to_owned()
}

fn addresses(stream: &StreamDescription) -> Vec<String> {
    stream.legs.iter().map(|leg| format!("{}:{}", leg.destination, leg.port)).collect()
}

#[derive(Serialize)]
struct Line {
    event: String,
    name: String,
    session: String,
    version: u64,
    from: String,
    streams: Vec<Stream>,
    /// Other hosts with the same `o=` line.
    also_announced_by: Vec<String>,
    /// Hosts with the same `o=` line whose announcements differ.
    conflicts_with: Vec<String>,
    findings: Vec<String>,
    sdp: String,
}

#[derive(Serialize)]
struct Stream {
    addresses: Vec<String>,
    encoding: String,
    sample_rate_hz: u32,
    channels: usize,
    packet_frames: Option<usize>,
    reference_clock: Option<String>,
    media_clock: String,
}

impl Line {
    fn of(event: &str, entry: &Entry, rivals: &[Rival]) -> Self {
        let origin = &entry.description.origin;
        let conflicts = rivals.iter().filter(|rival| !rival.same);
        Self {
            event: event.to_owned(),
            name: entry.description.name.clone(),
            session: origin.session_id.clone(),
            version: origin.version,
            from: entry.from.to_string(),
            streams: entry.description.streams.iter().map(Stream::of).collect(),
            also_announced_by: rivals.iter().map(|rival| rival.from.to_string()).collect(),
            conflicts_with: conflicts.map(|rival| rival.from.to_string()).collect(),
            findings: entry.findings.iter().map(ToString::to_string).collect(),
            sdp: String::from_utf8_lossy(entry.text()).into_owned(),
        }
    }
}

impl Stream {
    fn of(stream: &StreamDescription) -> Self {
        Self {
            addresses: addresses(stream),
            encoding: stream.format.encoding().to_string(),
            sample_rate_hz: stream.format.sample_rate().as_hz(),
            channels: stream.format.channels(),
            packet_frames: stream.packet_frames,
            reference_clock: stream.legs.first().map(|leg| leg.reference_clock.to_string()),
            media_clock: stream.media_clock.to_string(),
        }
    }
}
