//! `aes67 monitor`: shows grandmasters and streams on one screen, and how well each stream arrives.
//!
//! Model: streams are found by SAP, and masters by their Announces in any domain. Each announced
//! stream is joined to count its packets. If a stream follows PTP and our own client is locked, the
//! lateness of packets is measured against PTP, as the time from the end of a packet's last frame
//! to the arrival of the packet.

mod masters;
mod streams;

use crate::failure::{Failure, Result};
use crate::ptp_options::PtpOptions;
use crate::session::{Session, print, warn};
use crate::target::SapSources;
use clap::Args;
use masters::Masters;
use net::interface::Interface;
use net::ptp::PtpClient;
use net::sap::SapListener;
use net::timeline::Timeline;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use streams::Streams;

const EXAMPLES: &str = "\
Examples:
  aes67 monitor --interface eth0
  aes67 monitor --domain 2 --json --seconds 60

A stream's `late` is the time from a packet's last frame to its arrival, by PTP: smallest and largest of the last second. `loss` is of the last second, `lost` of all time.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MonitorArguments {
    /// Network interface, by name, address or index (`aes67 interfaces`); may be left out if there
    /// is only one
    #[arg(long, value_name = "IF")]
    interface: Option<String>,

    /// Listen to announcements on this group, too; several times for several groups
    #[arg(long, value_name = "GROUP")]
    sap_group: Vec<Ipv4Addr>,

    #[command(flatten)]
    sap_sources: SapSources,

    /// The clock that lateness is measured against
    #[command(flatten)]
    ptp: PtpOptions,

    /// The most streams to join
    #[arg(long, value_name = "N", default_value_t = 64)]
    streams: usize,

    /// One JSON object a second
    #[arg(long)]
    json: bool,

    /// End after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

pub(crate) fn run(arguments: &MonitorArguments) -> Result<ExitCode> {
    let interface = Interface::find(arguments.interface.as_deref())?;
    let listener = SapListener::with_groups(&interface, &arguments.sap_group, &arguments.sap_sources.accepted)?;
    let mut session = Session::start(arguments.seconds)?;
    // If the PTP ports are refused, streams can still be shown.
    let refused = |error: &net::Error| warn(format_args!("warning: no masters and no lateness: {error}"));
    let client = PtpClient::shared(arguments.ptp.slave(&interface, None)?).inspect_err(refused).ok();
    let masters = Masters::start(&interface).ok();
    let mut streams = Streams::new(&interface, client.clone().map(Timeline::Ptp), arguments.streams);
    while session.goes_on() {
        streams.follow(&listener.snapshot().0);
        if !session.second_is_over() {
            continue;
        }
        let (heard, rows) = (masters.as_ref().map(Masters::list).unwrap_or_default(), streams.rows());
        if arguments.json {
            let line = serde_json::json!({
                "elapsed_s": session.elapsed().as_secs_f64(),
                "ptp": client.as_ref().map(|client| client.status().to_string()),
                "masters": heard,
                "streams": rows,
            });
            print(&serde_json::to_string(&line).map_err(Failure::run)?);
            continue;
        }
        let ptp = client
            .as_ref()
            .map_or_else(|| "PTP: its ports are refused".to_owned(), |client| client.status().to_string());
        let mut lines = vec![format!("{interface}   {ptp}")];
        lines.push(masters::header());
        lines.extend(heard.iter().map(masters::Master::line));
        lines.push(streams::header());
        lines.extend(rows.iter().map(streams::Row::line));
        session.show_all(&lines);
    }
    Ok(ExitCode::SUCCESS)
}
