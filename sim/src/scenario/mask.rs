//! Masks: the largest permitted deviation of a clock for each observation interval.

use super::Metric;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A mask: a limit for each observation interval. The data and the source of each point are in
/// `sim/src/scenario/masks/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// MTIE at the end of a network for mobile telephony, after a low-pass filter of 0.1 Hz: ITU-T
    /// G.8271.1, Table 7-1.
    #[serde(rename = "g8271_1_class_4")]
    G82711Class4,
    /// MTIE at the end of an enhanced network, after the same filter: ITU-T G.8271.1, Table 7-2.
    #[serde(rename = "g8271_1_enhanced")]
    G82711Enhanced,
    /// MTIE of a primary reference time clock of class A: ITU-T G.8272, Table 1.
    #[serde(rename = "g8272_prtc_a_mtie")]
    G8272PrtcAMtie,
    /// TDEV of a primary reference time clock of class A: ITU-T G.8272, Table 3.
    #[serde(rename = "g8272_prtc_a_tdev")]
    G8272PrtcATdev,
    /// MTIE of a primary reference time clock of class B: ITU-T G.8272, Table 2.
    #[serde(rename = "g8272_prtc_b_mtie")]
    G8272PrtcBMtie,
    /// TDEV of a primary reference time clock of class B: ITU-T G.8272, Table 4.
    #[serde(rename = "g8272_prtc_b_tdev")]
    G8272PrtcBTdev,
    /// MTIE of a tenth of a frame at 48 kHz. This is a choice of this project and no standard's.
    #[serde(rename = "tenth_of_a_frame")]
    TenthOfAFrame,
}

impl Mask {
    const fn text(self) -> &'static str {
        match self {
            Self::G82711Class4 => include_str!("masks/g8271_1_class_4.toml"),
            Self::G82711Enhanced => include_str!("masks/g8271_1_enhanced.toml"),
            Self::G8272PrtcAMtie => include_str!("masks/g8272_prtc_a_mtie.toml"),
            Self::G8272PrtcATdev => include_str!("masks/g8272_prtc_a_tdev.toml"),
            Self::G8272PrtcBMtie => include_str!("masks/g8272_prtc_b_mtie.toml"),
            Self::G8272PrtcBTdev => include_str!("masks/g8272_prtc_b_tdev.toml"),
            Self::TenthOfAFrame => include_str!("masks/tenth_of_a_frame.toml"),
        }
    }

    /// Reads its data.
    ///
    /// # Errors
    /// If its file is wrong, which a test excludes.
    pub fn read(self) -> Result<MaskLimits, String> {
        toml::from_str(self.text()).map_err(|error| format!("mask {self}: {error}"))
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::G82711Class4 => "g8271_1_class_4",
            Self::G82711Enhanced => "g8271_1_enhanced",
            Self::G8272PrtcAMtie => "g8272_prtc_a_mtie",
            Self::G8272PrtcATdev => "g8272_prtc_a_tdev",
            Self::G8272PrtcBMtie => "g8272_prtc_b_mtie",
            Self::G8272PrtcBTdev => "g8272_prtc_b_tdev",
            Self::TenthOfAFrame => "tenth_of_a_frame",
        })
    }
}

/// The data of a mask.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskLimits {
    /// What it limits.
    pub title: String,
    /// The metric that it limits, in whose unit it is.
    pub metric: Metric,
    /// Where it is from.
    pub source: String,
    /// Bandwidth of the first-order low-pass filter through which the clock is to be observed, Hz.
    pub low_pass_hz: Option<f64>,
    #[serde(rename = "segment")]
    segments: Vec<Segment>,
}

/// A part of a mask: `constant + per_s * tau` for `above_s < tau <= to_s`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Segment {
    above_s: f64,
    to_s: f64,
    constant: f64,
    #[serde(default)]
    per_s: f64,
    source: String,
}

impl MaskLimits {
    /// The largest permitted value for an observation interval, if there is a limit for it.
    #[must_use]
    pub fn at(&self, tau_s: f64) -> Option<f64> {
        let segment = self.segments.iter().find(|segment| segment.above_s < tau_s && tau_s <= segment.to_s)?;
        Some(segment.constant + segment.per_s * tau_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Mask; 7] = [
        Mask::G82711Class4,
        Mask::G82711Enhanced,
        Mask::G8272PrtcAMtie,
        Mask::G8272PrtcATdev,
        Mask::G8272PrtcBMtie,
        Mask::G8272PrtcBTdev,
        Mask::TenthOfAFrame,
    ];

    #[test]
    fn every_mask_is_readable_whole_and_has_its_sources() {
        for mask in ALL {
            let limits = mask.read().unwrap();
            assert!(!limits.title.is_empty() && !limits.source.is_empty(), "{mask}");
            assert!(limits.segments.iter().all(|one| one.above_s < one.to_s && !one.source.is_empty()), "{mask}");
            for pair in limits.segments.windows(2) {
                assert!(pair[0].to_s.total_cmp(&pair[1].above_s).is_eq(), "{mask}");
            }
            assert_eq!(serde_json::to_value(mask).unwrap(), mask.to_string());
        }
    }

    /// Values that the figures and tables of the Recommendations print.
    #[test]
    fn masks_have_the_values_of_their_sources() {
        let at = |mask: Mask, tau_s: f64| mask.read().unwrap().at(tau_s);
        assert_eq!(at(Mask::G82711Class4, 1.3), None);
        assert_eq!(at(Mask::G82711Class4, 2.0), Some(250.0));
        assert_eq!(at(Mask::G82711Class4, 100.0), Some(387.0));
        assert_eq!(at(Mask::G82711Class4, 10_000.0), Some(580.0));
        assert_eq!(at(Mask::G82711Class4, 10_001.0), None);
        assert_eq!(at(Mask::G82711Enhanced, 1000.0), Some(200.0));
        assert_eq!(at(Mask::G8272PrtcAMtie, 200.0), Some(80.0));
        assert_eq!(at(Mask::G8272PrtcAMtie, 1e6), Some(100.0));
        assert_eq!(at(Mask::G8272PrtcATdev, 10.0), Some(3.0));
        assert_eq!(at(Mask::G8272PrtcATdev, 1000.0), Some(30.0));
        assert_eq!(at(Mask::G8272PrtcBTdev, 200.0), Some(2.0));
        // Where two segments meet, a mask has no step of more than a few percent.
        for mask in ALL {
            let limits = mask.read().unwrap();
            for segment in limits.segments.iter().filter(|segment| segment.to_s.is_finite()) {
                let (Some(here), Some(beyond)) = (limits.at(segment.to_s), limits.at(segment.to_s * 1.000_001)) else {
                    continue;
                };
                assert!((here / beyond - 1.0).abs() < 0.05, "{mask} at {} s: {here} and {beyond}", segment.to_s);
            }
        }
    }
}
