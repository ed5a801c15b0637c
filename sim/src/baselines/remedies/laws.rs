//! The remedies: how packets get from the network's queue to the card's ring, and the step by which
//! the card reads the ring.

use super::ring::Ring;
use engine::Ppb;

/// Sample rate in the notes.
const NOMINAL_HZ: f64 = 48_000.0;

/// The differences between the remedies.
pub trait Remedy {
    /// Whether packets wait for a timer, or go into the ring as they come.
    const TIMED: bool;

    /// Media frames per card frame while the ring is filled to a share.
    fn step(&self, _share: f64) -> f64 {
        1.0
    }

    /// The timer's interval per packet time, by the host's clock, while the ring is filled to a
    /// share and PTP's rate against the host's clock is known, or not.
    fn interval(&self, _share: f64, _ptp: Option<Ppb>) -> f64 {
        1.0
    }

    /// Frames of the ring, for a callback, a packet and the target depth.
    fn capacity(&self, _callback: usize, _packet: usize, target: usize) -> usize {
        2 * target
    }
}

/// Nothing: the callback takes packets from a short queue, and when there is none it plays silence
/// for the length of one. The card's crystal uses up a packet every packet / ppm: at 80 ppm and 48
/// frames one is missing, or too many, every 12.5 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncorrected;

impl Remedy for Uncorrected {
    const TIMED: bool = false;

    fn capacity(&self, callback: usize, packet: usize, _target: usize) -> usize {
        2 * callback + 4 * packet
    }
}

/// The stream's rate follows the fill level, in whole Hz: 48000 (1 + 0.001 (fill - 0.5)).
#[derive(Clone, Copy, Debug, Default)]
pub struct OptionA;

impl Remedy for OptionA {
    const TIMED: bool = false;

    fn step(&self, share: f64) -> f64 {
        libm::round(NOMINAL_HZ * (1.0 + 0.001 * (share - 0.5))) / NOMINAL_HZ
    }
}

/// A timer paced by PTP fills the ring, and its interval follows the fill level. Packets come at
/// the sender's pace and leave the queue before the timer at the card's: what was a drift of the
/// ring is one of the queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptionB;

impl Remedy for OptionB {
    const TIMED: bool = true;

    fn interval(&self, share: f64, ptp: Option<Ppb>) -> f64 {
        (1.0 + 0.001 * (share - 0.5)) / ptp.map_or(1.0, Ppb::ratio)
    }
}

/// A timer with a PLL on the PTP offset feeds a small ring; the card's crystal is not corrected.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptionC;

impl Remedy for OptionC {
    const TIMED: bool = true;

    fn interval(&self, _share: f64, ptp: Option<Ppb>) -> f64 {
        1.0 / ptp.map_or(1.0, Ppb::ratio)
    }

    fn capacity(&self, callback: usize, packet: usize, _target: usize) -> usize {
        2 * callback + 4 * packet
    }
}

/// The step of a block.
pub(super) fn step<R: Remedy>(remedy: &R, ring: &Ring) -> f64 {
    remedy.step(ring.share())
}
