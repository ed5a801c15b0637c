//! Displays a stream that is being played, each second and at the end.

use super::counts::Counts;
use crate::drops;
use crate::failure::{Failure, Result};
use crate::meter::Meter;
use engine::Nanos;
use engine::clock::LockState;
use net::stream::ReceiverStatus;
use net::timeline::Timeline;
use serde::Serialize;

/// A stream from which no packets arrive for this long is silent.
const SILENCE: Nanos = Nanos::from_secs(1);

/// The data that are displayed for one stream at one moment.
pub(super) struct View<'a> {
    pub(super) name: &'a str,
    pub(super) status: &'a ReceiverStatus,
    pub(super) counts: Counts,
    pub(super) timeline: Option<&'a Timeline>,
    pub(super) meter: &'a Meter,
    /// The latency that the card reports; `None` if there is no card.
    pub(super) card_latency: Option<Nanos>,
    pub(super) elapsed: Nanos,
}

/// The status line of the clock, such as that of the PTP client.
pub(super) fn clock_line(timeline: Option<&Timeline>) -> String {
    match timeline {
        Some(Timeline::Ptp(client)) => client.status().to_string(),
        Some(Timeline::Livewire(client)) => client.status().to_string(),
        Some(Timeline::System(system)) => format!("System clock: {}", system.report()),
        None => "Clock: arrivals of packets".to_owned(),
    }
}

/// Whether packets of the stream have stopped arriving.
pub(super) fn is_silent(status: &ReceiverStatus) -> bool {
    status.last_packet.is_some_and(|last| status.at - last > SILENCE)
}

impl View<'_> {
    fn state(&self) -> &'static str {
        match (self.status.last_packet, self.status.playout.started) {
            (None, _) => "WAITING",
            (Some(_), _) if is_silent(self.status) => "SILENT",
            (Some(_), false) => "STARTING",
            (Some(_), true) => "PLAYING",
        }
    }

    fn clock(&self) -> String {
        let name = match self.timeline {
            None => return "arrivals".to_owned(),
            Some(Timeline::Ptp(_)) => "PTP",
            Some(Timeline::Livewire(_)) => "Livewire clock",
            Some(Timeline::System(_)) => "system clock",
        };
        match self.clock_state() {
            LockState::Locked if self.status.playout.link_offset.is_some() => format!("{name} LOCKED"),
            LockState::Locked => format!("{name} LOCKED, but the stream is not on it"),
            state => format!("{name} {state}"),
        }
    }

    fn clock_state(&self) -> LockState {
        match self.timeline {
            Some(Timeline::Ptp(client)) => client.status().clock.state,
            Some(Timeline::Livewire(client)) => client.status().clock.state,
            Some(Timeline::System(system)) => system.reading().state,
            None => LockState::Listening,
        }
    }

    /// Time from a frame's timestamp to its sound, as far as the card reports its latency. `None`
    /// while playback is timed by arrivals.
    fn latency(&self) -> Option<Nanos> {
        Some(self.status.playout.link_offset? + self.card_latency.unwrap_or_default())
    }

    /// The line for the terminal: `PLAYING, buffer 38.1 ms, ...`.
    pub(super) fn line(&self) -> String {
        let (playout, counts) = (&self.status.playout, &self.counts);
        let latency = playout.link_offset.unwrap_or(playout.actual_depth) + self.card_latency.unwrap_or_default();
        let card = self.card_latency.map(|card| format!(" ({card} the card's)")).unwrap_or_default();
        let by = match self.timeline {
            Some(_) if playout.started && playout.link_offset.is_none() => " by arrivals",
            _ => "",
        };
        let refused = match &self.status.last_refusal {
            Some(reason) if counts.refusals.total() > 0 => format!(", {} refused ({reason})", counts.refusals.total()),
            _ => String::new(),
        };
        format!(
            "{}{by}, buffer {}, latency {latency}{card}, ratio {}, lost {}, late {}, concealed {} frames, underruns {}{refused}, {}",
            self.state(),
            playout.fill,
            playout.ratio,
            counts.lost,
            counts.late,
            counts.concealed_frames,
            counts.underruns,
            self.meter.show(),
        )
    }

    pub(super) fn to_json(&self) -> Result<String> {
        let (playout, ingest, counts) = (&self.status.playout, &self.status.ingest, &self.counts);
        let line = Line {
            elapsed_s: self.elapsed.as_secs_f64(),
            stream: self.name,
            state: self.state(),
            clock: self.clock(),
            clock_line: clock_line(self.timeline),
            buffer_us: playout.fill.as_nanos() / 1000,
            achieved_us: playout.actual_depth.as_nanos() / 1000,
            link_offset_us: playout.link_offset.map(|offset| offset.as_nanos() / 1000),
            card_latency_us: self.card_latency.map(|card| card.as_nanos() / 1000),
            latency_us: self.latency().map(|latency| latency.as_nanos() / 1000),
            ratio_ppm: playout.ratio.as_ppm(),
            card_ppm: playout.card_rate.as_ppm(),
            media_ppm: ingest.media_rate.as_ppm(),
            received: counts.received,
            lost: counts.lost,
            late: counts.late,
            refused: counts.refusals.total(),
            keep_alives: counts.refusals.companions,
            finding: ingest.finding.map(|finding| finding.to_string()),
            concealed_frames: counts.concealed_frames,
            underruns: counts.underruns,
            jumps: counts.jumps,
            restarts: counts.restarts,
            shifts: counts.shifts,
            dropped_by_kernel: counts.dropped_by_kernel,
            arrival_jitter_us: ingest.arrival_jitter.as_nanos() / 1000,
            sender_off_ptp: ingest.sender_off_ptp,
            timestamping: timestamping(self.status),
            local_clock: net::clock::NAME,
            peaks_dbfs: self.meter.peaks_dbfs(),
        };
        serde_json::to_string(&line).map_err(Failure::run)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    elapsed_s: f64,
    stream: &'a str,
    state: &'static str,
    clock: String,
    clock_line: String,
    buffer_us: i64,
    achieved_us: i64,
    /// Time from a frame's timestamp to the callback that plays it.
    link_offset_us: Option<i64>,
    /// Time from the callback to the sound, as the card reports it.
    card_latency_us: Option<i64>,
    /// The sum of these two times.
    latency_us: Option<i64>,
    ratio_ppm: f64,
    card_ppm: f64,
    media_ppm: f64,
    received: u64,
    lost: i64,
    late: u64,
    refused: u64,
    /// Number of keep-alives and other datagrams without audio on the stream's port.
    keep_alives: u64,
    /// The difference between packets and description, if there is one.
    finding: Option<String>,
    concealed_frames: u64,
    underruns: u64,
    jumps: u64,
    restarts: u64,
    /// Number of permanent shifts, after which all packets arrive later or earlier.
    shifts: u64,
    dropped_by_kernel: u64,
    arrival_jitter_us: i64,
    sender_off_ptp: bool,
    /// The origin of each leg's timestamps.
    timestamping: Vec<String>,
    /// The clock to which all stamps are converted.
    local_clock: &'static str,
    peaks_dbfs: Vec<f64>,
}

/// The summary at the end.
pub(super) fn summary(status: &ReceiverStatus, counts: &Counts) -> String {
    format!(
        "{} packets, {} lost, {} late, {}, {} frames concealed, {} jumps, {} restarts of the sender{}; card {}, sender {}; timestamps: {} on {}",
        counts.received,
        counts.lost,
        counts.late,
        counts.refusals,
        counts.concealed_frames,
        counts.jumps,
        counts.restarts,
        drops::told(counts.dropped_by_kernel),
        status.playout.card_rate,
        status.ingest.media_rate,
        timestamping(status).join(" and "),
        net::clock::NAME,
    )
}

/// The origin of each leg's timestamps.
fn timestamping(status: &ReceiverStatus) -> Vec<String> {
    status.legs.iter().map(|leg| leg.timestamping.to_string()).collect()
}
