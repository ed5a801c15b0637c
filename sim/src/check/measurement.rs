//! The value of a metric, or the reason for its absence.

/// Share of the due programme that must have been heard for a count of crackles to be complete:
/// other audio could not be judged.
const HEARD_ENOUGH: f64 = 0.5;

/// Result of a measurement. A number that is based on incomplete data does not count as a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Measurement {
    /// The value.
    Exact(f64),
    /// A count that may be larger, because only a part could be judged.
    AtLeast {
        /// The count.
        value: f64,
        /// Why it may be larger.
        reason: String,
    },
    /// There is no data, and why.
    Nothing(String),
}

impl Measurement {
    pub(super) fn nothing(reason: &str) -> Self {
        Self::Nothing(reason.to_owned())
    }

    /// A count of events that can only be counted while the programme is heard; `heard_share` is
    /// the share of the due programme that was heard.
    pub(super) fn count(value: f64, heard_share: f64) -> Self {
        if heard_share >= HEARD_ENOUGH {
            return Self::Exact(value);
        }
        let reason = format!("the programme was heard for {:.1} % of what was due only", 100.0 * heard_share);
        Self::AtLeast { value, reason }
    }

    /// The value, if it is exact.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Exact(value) => Some(*value),
            Self::AtLeast { .. } | Self::Nothing(_) => None,
        }
    }
}
