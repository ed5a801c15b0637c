//! A listener's summary: crackles, gaps, residual and pitch.

use super::align::{BLOCK, Track};
use super::heard::{Gap, Heard, HeardHop, HeardTimeline, Waypoint};
use super::hop::Hop;

/// Mean square of the programme below which nothing is audible: -60 dBFS.
pub(super) const AUDIBLE: f64 = 1e-6;
/// Lower limit of residuals: the noise of a 24-bit converter is at -144 dBFS.
const LEAST_RESIDUAL_DBFS: f64 = -200.0;
/// The path is recorded once in this many hops, every 100 ms, in which a rate that is off by 100
/// ppm moves it by 10 us.
const WAYPOINT_HOPS: usize = 10;

/// Kinds of crackles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrackleKind {
    /// A click, or a splice of two places of the programme.
    Discontinuity,
    /// An abrupt mute, or the abrupt return from one.
    Dropout,
}

/// One audible crackle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crackle {
    /// Played frame at which it begins, within a millisecond.
    pub at_frame: u64,
    /// Its kind; the worst of several within 15 ms.
    pub kind: CrackleKind,
    /// From its first to its last discontinuity, in frames; at least 1.
    pub duration_frames: u64,
}

/// The summary.
#[derive(Clone, Debug, PartialEq)]
pub struct CrackleReport {
    /// All crackles, in order.
    pub crackles: Vec<Crackle>,
    /// The judgements from the first frame on.
    pub timeline: HeardTimeline,
    /// Longest silence where the programme was not silent, faded or not, in ms.
    pub longest_gap_ms: f64,
    /// Largest deviation from nominal pitch, in cents.
    pub pitch_deviation_cents: f64,
    /// Share of hops that followed the programme. A low value means that the count cannot be
    /// trusted: the audio is something else, or the search for its start did not reach far enough.
    pub tracked_share: f64,
}

impl CrackleReport {
    /// Median over well aligned hops of the RMS residual against the aligned programme, in dBFS;
    /// `None` if nothing was aligned.
    #[must_use]
    pub fn residual_dbfs(&self) -> Option<f64> {
        self.timeline.residual_dbfs(0..self.timeline.hops.len())
    }
}

/// The data from which the report is made.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) crackles: Vec<Crackle>,
    pub(super) hops: u64,
    tracked: u64,
    timeline: HeardTimeline,
    cents: f64,
    /// The current silence: its first frame, its number of blocks, and the energy of the programme
    /// during it.
    gap: Option<(u64, usize, f64)>,
}

impl Tally {
    pub(super) fn new(hop_frames: usize) -> Self {
        let timeline = HeardTimeline { hop_frames: hop_frames as u64, ..HeardTimeline::default() };
        Self { crackles: Vec::new(), hops: 0, tracked: 0, timeline, cents: 0.0, gap: None }
    }

    /// The next hop; `power` is the mean square of its residual, if it is exactly aligned.
    pub(super) fn heard(&mut self, heard: Heard, power: Option<f64>) {
        let dbfs = |power: f64| (10.0 * libm::log10(power.max(1e-30))).max(LEAST_RESIDUAL_DBFS) as i16;
        self.timeline.hops.push(HeardHop { heard, residual_dbfs: power.map(dbfs) });
    }

    /// Records the path at the middle of a hop that fits it.
    pub(super) fn waypoint(&mut self, hop: &Hop) {
        let frame = hop.start as f64 + hop.frames() as f64 / 2.0;
        if (hop.start as usize / hop.frames()).is_multiple_of(WAYPOINT_HOPS) {
            self.timeline.waypoints.push(Waypoint { frame, position: hop.centre() });
        }
    }

    pub(super) fn fitted(&mut self, track: &Track) {
        self.tracked += 1;
        if track.rate_is_known() {
            self.cents = self.cents.max((1200.0 * libm::log2(track.rate)).abs());
        }
    }

    /// Follows silences through the blocks of a hop that begins at `start`: which are silent, and
    /// the programme's energy in each.
    pub(super) fn gaps(&mut self, start: u64, blocks: impl Iterator<Item = (bool, f64)>, channels: usize) {
        for (n, (quiet, energy)) in blocks.enumerate() {
            if quiet {
                let (_, blocks, sum) = self.gap.get_or_insert((start + (n * BLOCK) as u64, 0, 0.0));
                (*blocks, *sum) = (*blocks + 1, *sum + energy / channels as f64);
            } else {
                self.end_gap();
            }
        }
    }

    pub(super) fn end_gap(&mut self) {
        let Some((at_frame, blocks, energy)) = self.gap.take() else { return };
        if energy > AUDIBLE * (blocks * BLOCK) as f64 {
            self.timeline.gaps.push(Gap { at_frame, frames: (blocks * BLOCK) as u64 });
        }
    }

    pub(super) fn report(self, rate_hz: f64) -> CrackleReport {
        let longest = self.timeline.gaps.iter().map(|gap| gap.frames).max().unwrap_or(0);
        CrackleReport {
            crackles: self.crackles,
            longest_gap_ms: longest as f64 / rate_hz * 1e3,
            pitch_deviation_cents: self.cents,
            tracked_share: self.tracked as f64 / self.hops.max(1) as f64,
            timeline: self.timeline,
        }
    }
}
