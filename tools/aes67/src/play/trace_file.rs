//! `--trace FILE`: writes a trace from a real network in the simulator's format. Values that only
//! the simulator knows stay empty: the true clocks and rates, what a listener would have heard, and
//! the packets that the network lost.

use super::counts::Counts;
use crate::failure::{Failure, Result};
use engine::{Frames, Nanos, SampleRate};
use net::stream::ReceiverStatus;
use net::timeline::Timeline;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use trace::{ClockState, TraceRow, Writer};

/// The trace file.
pub(super) struct TraceFile {
    path: PathBuf,
    /// `None` after a write has failed.
    writer: Option<Writer<BufWriter<File>>>,
}

impl TraceFile {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Failure::input(format!("{}: {error}", path.display()));
        let file = File::create(path).map_err(|error| failed(&error))?;
        let writer = Writer::new(BufWriter::new(file)).map_err(|error| failed(&error))?;
        Ok(Self { path: path.to_owned(), writer: Some(writer) })
    }

    pub(super) fn write(&mut self, receiver: &str, row: &TraceRow) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let Err(error) = writer.write(receiver, row, true).and_then(|()| writer.flush()) else { return Ok(()) };
        // Dropping the writer writes as much of its buffer as fits on the disk. After that, an
        // incomplete row can be cut off.
        self.writer = None;
        let kept = keep_whole_rows(&self.path);
        let what = kept.map_or_else(
            |cut| format!("its last row may not be whole: {cut}"),
            |()| "its rows until then are kept".into(),
        );
        Err(Failure::run(format!("{}: {error}; {what}", self.path.display())))
    }
}

/// Removes an incomplete row that did not fit on the disk.
fn keep_whole_rows(path: &Path) -> io::Result<()> {
    let bytes = std::fs::read(path)?;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    OpenOptions::new().write(true).open(path)?.set_len(whole as u64)
}

/// The values of a stream in the current interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    before: Counts,
    looks: u32,
    ratio_ppm: f64,
    depth_ms: f64,
    fill_min_ms: f64,
    fill_max_ms: f64,
}

impl Interval {
    /// Begins an interval. `before` are the counts at its beginning.
    pub(super) fn new(before: Counts) -> Self {
        Self { before, looks: 0, ratio_ppm: 0.0, depth_ms: 0.0, fill_min_ms: f64::INFINITY, fill_max_ms: 0.0 }
    }

    /// Adds a status to the interval; called about twenty times a second.
    pub(super) fn look(&mut self, status: &ReceiverStatus) {
        let playout = &status.playout;
        if !playout.started {
            return;
        }
        let fill_ms = ms(playout.fill);
        self.looks += 1;
        self.ratio_ppm += playout.ratio.as_ppm();
        self.depth_ms += ms(playout.actual_depth);
        self.fill_min_ms = self.fill_min_ms.min(fill_ms);
        self.fill_max_ms = self.fill_max_ms.max(fill_ms);
    }

    /// Returns the row for the interval, which ends now.
    pub(super) fn row(
        &self,
        elapsed: Nanos,
        status: &ReceiverStatus,
        timeline: Option<&Timeline>,
        counts: &Counts,
        rate: SampleRate,
    ) -> TraceRow {
        let before = &self.before;
        let looked = self.looks > 0;
        let mean = |sum: f64| if looked { sum / f64::from(self.looks) } else { f64::NAN };
        let since = |now: u64, before: u64| now.saturating_sub(before) as u32;
        let concealed = Frames::new(since(counts.concealed_frames, before.concealed_frames).into());
        let missed = (counts.lost - before.lost) as i32;
        let (clock_state, host_rate_ppm, sigma) = clock(timeline);
        TraceRow {
            time_s: elapsed.as_secs_f64(),
            clock_state,
            clock_error_us: None,
            clock_sigma_us: sigma.map(|sigma| ms(sigma) * 1e3),
            host_rate_ppm,
            host_rate_truth_ppm: f64::NAN,
            ratio_ppm: mean(self.ratio_ppm),
            ratio_truth_ppm: f64::NAN,
            depth_ms: mean(self.depth_ms),
            fill_min_ms: if looked { self.fill_min_ms } else { f64::NAN },
            fill_max_ms: if looked { self.fill_max_ms } else { f64::NAN },
            underruns: since(counts.underruns, before.underruns),
            crackles: None,
            packets_late: since(counts.late, before.late),
            packets_lost: 0,
            latency_ms: None,
            sender_off_ptp: status.ingest.sender_off_ptp,
            packets_missed: missed,
            packets_dropped: since(counts.dropped, before.dropped),
            packets_refused: since(counts.refusals.total(), before.refusals.total()),
            concealed_ms: ms(rate.duration(concealed)),
            depth_raised_ms: ms(status.playout.depth_increase),
            card_rate_error_ppm: None,
            leg_a_lost: (counts.leg_lost[0] - before.leg_lost[0]) as i32,
            leg_b_lost: (counts.leg_lost[1] - before.leg_lost[1]) as i32,
            leg_b_skew_ms: status.ingest.legs[1].skew.map(ms),
            packets_altered: 0,
            sender_error_us: None,
            sender_sigma_us: None,
            sender_wrong_timestamps: 0,
            sender_jumps: 0,
            glitches: None,
            heard_ms: None,
            silent_ms: None,
            wrong_ms: None,
            displayed_audio_percent: None,
            displayed_underruns: None,
            displayed_buffer_underruns: None,
            displayed_level_percent: None,
        }
    }
}

/// The state of the clock, the host's rate relative to PTP, and the uncertainty.
fn clock(timeline: Option<&Timeline>) -> (ClockState, Option<f64>, Option<Nanos>) {
    match timeline {
        Some(Timeline::Ptp(client)) => {
            let status = client.status();
            (status.clock.state.into(), status.rate().map(|rate| -rate.as_ppm()), status.uncertainty())
        }
        Some(Timeline::Livewire(client)) => {
            let status = client.status();
            (status.clock.state.into(), status.rate().map(|rate| -rate.as_ppm()), status.uncertainty())
        }
        Some(Timeline::System(system)) => (system.reading().state.into(), None, None),
        None => (ClockState::Listening, None, None),
    }
}

fn ms(time: Nanos) -> f64 {
    time.as_secs_f64() * 1e3
}
