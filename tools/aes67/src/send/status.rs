//! Reports to a user or a script while streams are being sent.

use crate::meter::Meter;
use net::send::{SenderClock, SenderStatus, StreamStatus};
use serde::Serialize;
use std::sync::Arc;

/// The properties of a stream that are displayed in addition to its status.
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) destination: String,
    pub(crate) meter: Arc<Meter>,
}

/// Formats one line for each stream.
pub(crate) fn lines(status: &SenderStatus, shown: &[Shown], clock: &SenderClock) -> Vec<String> {
    let clock = clock_line(status, clock);
    let several = shown.len() > 1;
    let mut lines: Vec<String> = status
        .streams
        .iter()
        .zip(shown)
        .map(|(stream, shown)| {
            let name = if several { format!("{}: ", shown.name) } else { String::new() };
            let clock = if several { String::new() } else { format!("; {clock}") };
            format!("{name}{}{clock}", line(stream, &shown.meter))
        })
        .collect();
    if several {
        lines.push(clock);
    }
    lines
}

fn line(stream: &StreamStatus, meter: &Meter) -> String {
    let sender = &stream.sender;
    if sender.packets == 0 {
        return "waiting for the clock".to_owned();
    }
    let late = &stream.departures;
    format!(
        "{} packets, late by {} (99 %) and {} at most, {} over a packet time, {} skipped, {} jumps, {} not sent, {}",
        stream.packets,
        late.quantile(0.99),
        late.max(),
        stream.late_packets,
        sender.skipped_packets,
        sender.realignments,
        stream.failed_packets,
        meter.show(),
    )
}

/// The status line of the clock: that of its client, or what the kernel reports about the system
/// clock.
fn clock_line(status: &SenderStatus, clock: &SenderClock) -> String {
    match (clock, &status.system) {
        (SenderClock::Ptp(client), _) => client.status().to_string(),
        (SenderClock::Livewire(client), _) => client.status().to_string(),
        (SenderClock::System, Some(system)) => {
            format!("clock: {} [{}]; {system}", status.source, status.reading.state)
        }
        (SenderClock::System, None) => format!("clock: {} [{}]", status.source, status.reading.state),
    }
}

#[derive(Serialize)]
struct Line<'a> {
    elapsed_s: f64,
    clock: String,
    clock_state: String,
    usable: bool,
    /// Difference between the clock's time and its prediction a second ago.
    offset_ns: Option<i64>,
    uncertainty_ns: Option<i64>,
    rate_ppm: Option<f64>,
    streams: Vec<StreamLine<'a>>,
}

#[derive(Serialize)]
struct StreamLine<'a> {
    name: &'a str,
    destination: &'a str,
    packets: u64,
    late_p50_ns: i64,
    late_p99_ns: i64,
    late_max_ns: i64,
    late_packets: u64,
    skipped_packets: u64,
    jumps: u64,
    /// Number of packets that left on no leg.
    failed_packets: u64,
    sent: u64,
    send_errors: u64,
    peaks_dbfs: Vec<f64>,
}

/// Formats the report as a JSON object, for a script.
pub(crate) fn json(
    elapsed_s: f64,
    status: &SenderStatus,
    shown: &[Shown],
    clock: &SenderClock,
) -> serde_json::Result<String> {
    let prediction_error = match clock {
        SenderClock::Ptp(client) => client.status().prediction_error,
        SenderClock::Livewire(client) => client.status().prediction_error,
        SenderClock::System => None,
    };
    let streams = status.streams.iter().zip(shown).map(|(stream, shown)| StreamLine {
        name: &shown.name,
        destination: &shown.destination,
        packets: stream.packets,
        late_p50_ns: stream.departures.quantile(0.5).as_nanos(),
        late_p99_ns: stream.departures.quantile(0.99).as_nanos(),
        late_max_ns: stream.departures.max().as_nanos(),
        late_packets: stream.late_packets,
        skipped_packets: stream.sender.skipped_packets,
        jumps: stream.sender.realignments,
        failed_packets: stream.failed_packets,
        sent: stream.sent,
        send_errors: stream.send_errors,
        peaks_dbfs: shown.meter.peaks_dbfs(),
    });
    let map = status.reading.map;
    serde_json::to_string(&Line {
        elapsed_s,
        clock: clock_line(status, clock),
        clock_state: status.reading.state.to_string(),
        usable: status.reading.state.is_usable() && map.is_some(),
        offset_ns: prediction_error.map(|error| error.as_nanos()),
        uncertainty_ns: map.map(|map| map.clock().sigma_ns(status.at) as i64),
        rate_ppm: map.map(|map| map.clock().rate().as_ppm()),
        streams: streams.collect(),
    })
}
