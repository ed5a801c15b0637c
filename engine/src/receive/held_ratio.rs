//! The ratio of the sender's rate to the sound card's while the host clock, against which both are
//! measured, is unsteady.
//!
//! Model: the ratio of the sender's crystal frequency to the card's does not depend on the host
//! clock. A time service that slews the host clock changes both measured rates by the same amount,
//! but not at the same moment: arrivals are frequent and show the change early, whereas callbacks
//! are rarer and show it later. So a change of the ratio that is too large for crystals is ignored
//! while either rate is being measured again, and afterwards for as long as the other rate may take
//! to show the same change. If the change persists, a crystal has drifted or a device has been
//! replaced, and the new ratio is used.

use crate::units::{Nanos, Ppb};

/// Largest abrupt change of the ratio that crystals may cause; a larger change is used only after
/// [`PATIENCE`]. Judgement: a device that replaces another one on the same network usually differs
/// by less, so its rate is used at once.
const APART: Ppb = Ppb::from_ppm(10.0);
/// Standard deviation of a rate below which its measurement is complete after a change. Judgement:
/// the rate of a crystal is known more accurately than this within seconds.
const SETTLED: Ppb = Ppb::from_ppm(2.0);
/// Time within which both rates must show the same change. Judgement: twice the 1.5 s after which a
/// run of late callbacks proves the change.
const PATIENCE: Nanos = Nanos::from_secs(3);

/// A rate and its standard deviation.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeasuredRate {
    pub(super) rate: Ppb,
    pub(super) sigma: Ppb,
}

/// Holds the last trusted rates of sender and card while their measured ratio is not trusted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeldRatio {
    /// Rates of the media clock and of the card; `None` until both have been measured accurately.
    held: Option<[Ppb; 2]>,
    apart_for: Nanos,
}

impl HeldRatio {
    /// Returns the rates for the next block: the measured ones, or the held ones while the measured
    /// ratio is not trusted.
    pub(super) fn select_rates(&mut self, media: MeasuredRate, card: MeasuredRate, block: Nanos) -> [Ppb; 2] {
        let measured = [media.rate, card.rate];
        let settled = media.sigma < SETTLED && card.sigma < SETTLED;
        let Some(held) = self.held else {
            self.held = settled.then_some(measured);
            return measured;
        };
        let ratio = |[media, card]: [Ppb; 2]| media.ratio() / card.ratio();
        let change = Ppb::from_ratio(ratio(measured) / ratio(held));
        if change.as_ppb().abs() <= APART.as_ppb() {
            (self.held, self.apart_for) = (Some(measured), Nanos::ZERO);
            return measured;
        }
        self.apart_for = if settled { self.apart_for + block } else { Nanos::ZERO };
        if self.apart_for < PATIENCE {
            return held;
        }
        (self.held, self.apart_for) = (Some(measured), Nanos::ZERO);
        measured
    }

    /// Discards the rates, because the source has changed.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Nanos = Nanos::from_millis(10);

    fn rate(ppm: f64, sigma_ppm: f64) -> MeasuredRate {
        MeasuredRate { rate: Ppb::from_ppm(ppm), sigma: Ppb::from_ppm(sigma_ppm) }
    }

    /// The ratio after this many blocks with the same rates, ppm.
    fn after(held: &mut HeldRatio, media: MeasuredRate, card: MeasuredRate, blocks: i64) -> f64 {
        let selected = (0..blocks).map(|_| held.select_rates(media, card, BLOCK)).last().unwrap();
        Ppb::from_ratio(selected[0].ratio() / selected[1].ratio()).as_ppm()
    }

    #[test]
    fn a_slewed_host_does_not_move_the_ratio() {
        let mut held = HeldRatio::default();
        assert!((after(&mut held, rate(20.0, 0.1), rate(120.0, 0.1), 10) + 100.0).abs() < 0.1);
        // The arrivals show the change first, then the callbacks, and then both rates are known
        // again.
        for (media, card, blocks) in [
            (rate(20.0, 250.0), rate(120.0, 0.1), 100),
            (rate(-480.0, 1.0), rate(120.0, 0.1), 150),
            (rate(-480.0, 0.5), rate(120.0, 250.0), 2000),
            (rate(-480.0, 0.1), rate(-380.0, 1.0), 1000),
        ] {
            let ppm = after(&mut held, media, card, blocks);
            assert!((ppm + 100.0).abs() < 0.2, "{ppm}");
        }
    }

    #[test]
    fn a_sender_that_changes_is_followed_after_three_seconds() {
        let mut held = HeldRatio::default();
        after(&mut held, rate(20.0, 0.1), rate(120.0, 0.1), 10);
        assert!((after(&mut held, rate(80.0, 0.1), rate(120.0, 0.1), 299) + 100.0).abs() < 0.1);
        assert!((after(&mut held, rate(80.0, 0.1), rate(120.0, 0.1), 1) + 40.0).abs() < 0.1);
    }

    #[test]
    fn crystals_that_warm_up_and_streams_that_begin_are_followed_at_once() {
        let mut held = HeldRatio::default();
        assert!((after(&mut held, rate(70.0, 50.0), rate(0.0, 50.0), 1) - 70.0).abs() < 0.1);
        after(&mut held, rate(20.0, 0.1), rate(120.0, 0.1), 1);
        assert!((after(&mut held, rate(29.0, 0.1), rate(120.0, 0.1), 1) + 91.0).abs() < 0.1);
    }
}
