//! What a listener is told: crackles, gaps, residual and pitch.

use super::align::{BLOCK, Track};
use super::hop::Hop;

/// Mean square of the programme below which nothing is audible: -60 dBFS.
pub(super) const AUDIBLE: f64 = 1e-6;
/// Bins of 1 dB from -200 dBFS.
const RESIDUAL_BINS: usize = 220;

/// What a crackle is.
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
    /// What it is; of several things within 15 ms, the worst.
    pub kind: CrackleKind,
    /// From its first to its last discontinuity, in frames; at least 1.
    pub duration_frames: u64,
}

/// What a listener would say of the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct CrackleReport {
    /// All crackles, in order.
    pub crackles: Vec<Crackle>,
    /// Longest silence where the programme was not silent, faded or not, in ms.
    pub longest_gap_ms: f64,
    /// Median over well aligned hops of the RMS residual against the aligned programme, in dBFS; `None` if nothing was aligned.
    pub residual_dbfs: Option<f64>,
    /// Largest deviation from nominal pitch, in cents.
    pub pitch_deviation_cents: f64,
    /// Share of hops that followed the programme. A low value means that the count cannot be trusted: the audio is
    /// something else, or the search for its start did not reach far enough.
    pub tracked_share: f64,
}

/// What the report is made from.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) crackles: Vec<Crackle>,
    pub(super) hops: u64,
    tracked: u64,
    /// Hops by residual, in steps of 1 dB from -200 dBFS.
    residuals: Vec<u64>,
    cents: f64,
    gap_blocks: usize,
    gap_energy: f64,
    longest_gap_blocks: usize,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            crackles: Vec::new(),
            hops: 0,
            tracked: 0,
            residuals: vec![0; RESIDUAL_BINS],
            cents: 0.0,
            gap_blocks: 0,
            gap_energy: 0.0,
            longest_gap_blocks: 0,
        }
    }
}

impl Tally {
    pub(super) fn residual(&mut self, power: f64) {
        let bin = (10.0 * libm::log10(power.max(1e-20)) + 200.0) as usize;
        self.residuals[bin.min(RESIDUAL_BINS - 1)] += 1;
    }

    pub(super) fn fitted(&mut self, track: &Track) {
        self.tracked += 1;
        if track.rate_is_known() {
            self.cents = self.cents.max((1200.0 * libm::log2(track.rate)).abs());
        }
    }

    pub(super) fn gaps(&mut self, hop: &Hop, quiet: &[bool]) {
        for (block, &quiet) in hop.blocks.iter().zip(quiet) {
            if quiet {
                self.gap_blocks += 1;
                self.gap_energy += block.rr / hop.reference.len() as f64;
            } else {
                self.end_gap();
            }
        }
    }

    pub(super) fn end_gap(&mut self) {
        if self.gap_energy > AUDIBLE * (self.gap_blocks * BLOCK) as f64 {
            self.longest_gap_blocks = self.longest_gap_blocks.max(self.gap_blocks);
        }
        (self.gap_blocks, self.gap_energy) = (0, 0.0);
    }

    pub(super) fn report(self, rate_hz: f64) -> CrackleReport {
        let all: u64 = self.residuals.iter().sum();
        let mut below = 0;
        let median = self.residuals.iter().position(|&n| {
            below += n;
            n > 0 && 2 * below >= all
        });
        CrackleReport {
            crackles: self.crackles,
            longest_gap_ms: (self.longest_gap_blocks * BLOCK) as f64 / rate_hz * 1e3,
            residual_dbfs: median.map(|bin| bin as f64 - 200.0),
            pitch_deviation_cents: self.cents,
            tracked_share: self.tracked as f64 / self.hops.max(1) as f64,
        }
    }
}
