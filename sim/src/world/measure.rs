//! Converts callbacks to trace rows: what a receiver actually did in each interval, compared with
//! the truth.

use super::receiver::{Clock, Display, Playback};
use super::reception::Reception;
use super::sender::SenderTruth;
use crate::record::{ClockState, TraceRow};
use engine::Ppb;
use std::ops::Range;

/// One callback as observed from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallbackSeen {
    /// Frames that the card took.
    pub(super) frames: usize,
    /// Number of the first of these frames, counted from the start of the run.
    pub(super) first_frame: u64,
    /// Playback after the callback.
    pub(super) playback: Playback,
    /// The receiver's counts of packets until then.
    pub(super) reception: Reception,
    /// How long the first frame of a packet without jitter would have waited, had it arrived when
    /// the card ends this block, s.
    pub(super) depth_s: Option<f64>,
    /// When the card ends this block, true s.
    pub(super) time_s: f64,
    /// Nominal number of media frames per card frame.
    pub(super) nominal_step: f64,
    /// The ratio that would have kept the depth over this block, as deviation from 1.
    pub(super) ratio_truth_ppm: f64,
}

/// One callback, for analyses that need more detail than the trace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallbackRow {
    /// When the card ends the block, true s.
    pub time_s: f64,
    /// Deviation of the actual playback ratio, averaged over the block; `None` while nothing is
    /// played, and across a jump.
    pub ratio_ppm: Option<f64>,
    /// The ratio that would have kept the depth.
    pub ratio_truth_ppm: f64,
    /// True depth at the end of the block.
    pub depth_ms: Option<f64>,
    /// Underruns in this callback.
    pub underruns: u64,
    /// Overruns since the last callback.
    pub overruns: u64,
    /// Concealed audio of the callback, ms.
    pub concealed_ms: f64,
    /// Whether the position moved by more than the playback.
    pub jumped: bool,
    /// The depth that the receiver reports.
    pub told_depth_ms: f64,
}

/// Collects one interval.
#[derive(Clone, Debug, Default)]
pub(super) struct Interval {
    moved_frames: f64,
    card_frames: f64,
    depth_sum_s: f64,
    depths: u32,
    fill_min_ms: Option<f64>,
    fill_max_ms: f64,
    underruns: u64,
    late: u64,
    concealed_ms: f64,
    dropped: u64,
}

/// Follows a receiver's playback from callback to callback.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    interval: Interval,
    previous: Playback,
    /// Media frames per card frame of the last block.
    step: Option<f64>,
    reception: Reception,
    /// Counts at the last row.
    at_row: Reception,
    /// Changes between playing what was sent and anything else.
    pub(super) playing: Vec<(f64, bool)>,
    /// Card frames of callbacks in which the receiver concealed audio.
    pub(super) concealed: Vec<Range<u64>>,
    /// Every callback, if they are kept.
    pub(super) callbacks: Option<Vec<CallbackRow>>,
}

impl Meter {
    pub(super) fn callback(&mut self, seen: &CallbackSeen) {
        let now = seen.playback;
        let moved_frames = self.moved_frames(&now);
        let nominal_frames = seen.frames as f64 * seen.nominal_step;
        self.step = now.position.map(|_| moved_frames.unwrap_or(nominal_frames) / seen.frames as f64);
        if let Some(moved) = moved_frames {
            self.interval.moved_frames += moved;
            self.interval.card_frames += seen.frames as f64;
        }
        if let Some(callbacks) = &mut self.callbacks {
            callbacks.push(CallbackRow {
                time_s: seen.time_s,
                ratio_ppm: moved_frames.map(|moved| (moved / nominal_frames - 1.0) * 1e6),
                ratio_truth_ppm: seen.ratio_truth_ppm,
                depth_ms: seen.depth_s.map(|depth_s| depth_s * 1e3),
                underruns: now.underruns - self.previous.underruns,
                overruns: now.overruns - self.previous.overruns,
                concealed_ms: (seen.reception.concealed - self.reception.concealed).as_secs_f64() * 1e3,
                jumped: now.discontinuities != self.previous.discontinuities,
                told_depth_ms: seen.reception.depth_told.as_secs_f64() * 1e3,
            });
        }
        if let Some(depth_s) = seen.depth_s {
            self.interval.depth_sum_s += depth_s;
            self.interval.depths += 1;
        }
        let fill_ms = now.fill.as_secs_f64() * 1e3;
        self.interval.fill_min_ms = Some(self.interval.fill_min_ms.map_or(fill_ms, |least| least.min(fill_ms)));
        self.interval.fill_max_ms = self.interval.fill_max_ms.max(fill_ms);
        self.interval.underruns += now.underruns - self.previous.underruns;
        self.interval.late += now.late_packets - self.previous.late_packets;
        self.interval.concealed_ms += (seen.reception.concealed - self.reception.concealed).as_secs_f64() * 1e3;
        self.interval.dropped += seen.reception.dropped - self.reception.dropped;
        self.note_concealed(seen);
        self.note_playing(seen);
        self.previous = now;
        self.reception = seen.reception;
    }

    fn note_concealed(&mut self, seen: &CallbackSeen) {
        if seen.reception.concealed == self.reception.concealed {
            return;
        }
        let end = seen.first_frame + seen.frames as u64;
        match self.concealed.last_mut().filter(|last| last.end == seen.first_frame) {
            Some(last) => last.end = end,
            None => self.concealed.push(seen.first_frame..end),
        }
    }

    /// Records whether this callback played only what was sent.
    fn note_playing(&mut self, seen: &CallbackSeen) {
        let moves = seen.playback.position.is_some() && seen.playback.position != self.previous.position;
        let whole = seen.playback.underruns == self.previous.underruns;
        let playing = moves && whole && seen.reception.concealed == self.reception.concealed;
        if self.playing.last().is_none_or(|last| last.1 != playing) {
            self.playing.push((seen.time_s, playing));
        }
    }

    /// Counts of this interval. Counts of an earlier timeline are not compared with those of the
    /// new one.
    fn counts(&mut self) -> (Reception, Reception) {
        let now = self.reception;
        let before = std::mem::replace(&mut self.at_row, now);
        let comparable = before.generation == now.generation;
        (if comparable { before } else { Reception { refused: before.refused, ..Reception::default() } }, now)
    }

    /// Media frames per card frame of the last block; the nominal number if the position jumped in
    /// it.
    pub(super) fn step(&self) -> Option<f64> {
        self.step
    }

    /// Media frames that were played since the last callback.
    fn moved_frames(&self, now: &Playback) -> Option<f64> {
        let undisturbed = now.discontinuities == self.previous.discontinuities;
        self.previous.position.zip(now.position).filter(|_| undisturbed).map(|(from, to)| to.frames_since(from))
    }

    /// Ends the interval, and returns its row.
    pub(super) fn row(&mut self, time_s: f64, truth: &Truth, clock: &Clock, lost: u64) -> TraceRow {
        let interval = std::mem::take(&mut self.interval);
        let (before, now) = self.counts();
        let more = |of: fn(&Reception) -> u64| of(&now) as i64 - of(&before) as i64;
        let skew = now.legs[1].skew.zip(now.legs[0].skew).map(|(b, a)| (b - a).as_secs_f64() * 1e3);
        let ratio =
            |moved: f64, card: f64| if card > 0.0 { (moved / card / truth.nominal_step - 1.0) * 1e6 } else { 0.0 };
        TraceRow {
            time_s,
            clock_state: clock.state,
            clock_error_us: truth.clock_error_us,
            clock_sigma_us: truth.clock_sigma_us,
            host_rate_ppm: clock
                .map
                .map(|map| host_rate_ppm(map.clock().rate()))
                .filter(|_| clock.state > ClockState::Listening),
            host_rate_truth_ppm: truth.host_rate_ppm,
            ratio_ppm: ratio(interval.moved_frames, interval.card_frames),
            ratio_truth_ppm: truth.ratio_ppm,
            depth_ms: if interval.depths > 0 { interval.depth_sum_s * 1e3 / f64::from(interval.depths) } else { 0.0 },
            fill_min_ms: interval.fill_min_ms.unwrap_or(0.0),
            fill_max_ms: interval.fill_max_ms,
            underruns: interval.underruns as u32,
            crackles: None,
            packets_late: interval.late as u32,
            packets_lost: lost as u32,
            latency_ms: truth.latency_ms,
            sender_off_ptp: truth.sender_off_ptp,
            packets_missed: more(|reception| reception.missed) as i32,
            packets_dropped: interval.dropped as u32,
            packets_refused: more(|reception| reception.refused) as u32,
            concealed_ms: interval.concealed_ms,
            depth_raised_ms: now.depth_raised.as_secs_f64() * 1e3,
            card_rate_error_ppm: now.card_rate.map(|rate| rate.as_ppm() - truth.card_rate_ppm),
            leg_a_lost: more(|reception| reception.legs[0].lost) as i32,
            leg_b_lost: more(|reception| reception.legs[1].lost) as i32,
            leg_b_skew_ms: skew,
            packets_altered: more(|reception| reception.altered) as u32,
            sender_error_us: truth.sender.error_us,
            sender_sigma_us: truth.sender.sigma_us,
            sender_wrong_timestamps: truth.sender.wrong_timestamps,
            sender_jumps: truth.sender.jumps,
            glitches: None,
            heard_ms: None,
            silent_ms: None,
            wrong_ms: None,
            displayed_audio_percent: truth.display.map(|display| display.audio_percent),
            displayed_underruns: truth.display.map(|display| display.underruns as u32),
            displayed_buffer_underruns: truth.display.map(|display| display.buffer_underruns as u32),
            displayed_level_percent: truth.display.map(|display| display.level_percent),
        }
    }
}

/// The host's rate against PTP, from PTP's against the host: not just the sign changes, which at
/// 100 ppm makes 10 ppb.
fn host_rate_ppm(ptp_rate: Ppb) -> f64 {
    (1.0 / ptp_rate.ratio() - 1.0) * 1e6
}

/// The true values at the end of an interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Truth {
    pub(super) nominal_step: f64,
    pub(super) host_rate_ppm: f64,
    pub(super) ratio_ppm: f64,
    /// Rate of the card against the host's clock.
    pub(super) card_rate_ppm: f64,
    pub(super) clock_error_us: Option<f64>,
    pub(super) clock_sigma_us: Option<f64>,
    pub(super) latency_ms: Option<f64>,
    /// Whether the receiver reports that the sender is not on PTP.
    pub(super) sender_off_ptp: bool,
    /// What the receiver's display shows.
    pub(super) display: Option<Display>,
    /// The true values of the engine's sender.
    pub(super) sender: SenderTruth,
}
