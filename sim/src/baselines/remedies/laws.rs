//! The remedies: how packets are moved from the network's queue to the card's ring, and the step
//! with which the card reads the ring.

use super::ring::Ring;
use engine::Ppb;

/// Sample rate in the notes.
const NOMINAL_HZ: f64 = 48_000.0;

/// What differs between the remedies.
pub trait Remedy {
    /// Whether a timer moves packets into the ring; otherwise they are put there when they arrive.
    const TIMED: bool;

    /// Media frames per card frame, given the fill of the ring as a share.
    fn step(&self, _share: f64) -> f64 {
        1.0
    }

    /// The timer's interval relative to the packet time, by the host's clock, given the fill of the
    /// ring as a share and PTP's rate against the host's clock, if known.
    fn interval(&self, _share: f64, _ptp: Option<Ppb>) -> f64 {
        1.0
    }

    /// Capacity of the ring in frames, given the lengths of a callback, a packet and the target
    /// depth.
    fn capacity(&self, _callback: usize, _packet: usize, target: usize) -> usize {
        2 * target
    }
}

/// No remedy: the callback takes packets from a short queue, and if it is empty, plays silence for
/// the length of a packet. The drift of the card's crystal adds up to a packet every packet time /
/// ppm: at 80 ppm and 48 frames, a packet is missing or left over every 12.5 s.
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

/// A timer paced by PTP fills the ring, and its interval follows the fill level. Packets enter the
/// queue at the sender's rate and leave it at the card's: instead of the ring, the queue drifts.
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

/// The step with which a block is read.
pub(super) fn step<R: Remedy>(remedy: &R, ring: &Ring) -> f64 {
    remedy.step(ring.share())
}
