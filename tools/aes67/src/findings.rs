//! Reports differences between the packets of a stream and its description.

use engine::receive::Finding;

/// The last known finding about a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Findings {
    last: Option<Finding>,
}

impl Findings {
    /// Updates the finding. Returns a sentence if it is new, or if the last one has disappeared.
    pub(crate) fn look(&mut self, name: &str, finding: Option<Finding>) -> Option<String> {
        let before = std::mem::replace(&mut self.last, finding);
        if finding == before {
            return None;
        }
        match finding {
            Some(finding @ (Finding::FrameSize { .. } | Finding::PayloadType { .. })) => {
                Some(format!("{name}: {finding}; such packets are silence (--trust packets goes by the packets)"))
            }
            Some(finding @ Finding::SampleRate { .. }) => {
                Some(format!("{name}: {finding} (--trust packets goes by the packets)"))
            }
            Some(finding) => Some(format!("{name}: {finding}; that does no harm")),
            None => before
                .filter(|before| before.is_contradiction())
                .map(|_| format!("{name}: its packets are as described now")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_told_once() {
        let rate = Finding::SampleRate { measured_hz: 96_000, described_hz: 48_000 };
        let time = Finding::PacketTime { frames: 240, described: 48, rate_hz: 48_000 };
        let mut findings = Findings::default();
        let told = [None, Some(rate), Some(rate), None, None, Some(time), None]
            .map(|finding| findings.look("Studio", finding).unwrap_or_default());
        assert!(told[1].starts_with("Studio: timestamps advance by about 96000"), "{told:?}");
        assert_eq!(told[3], "Studio: its packets are as described now");
        assert!(told[5].ends_with("the description says 1.000 ms; that does no harm"), "{told:?}");
        assert!([0, 2, 4, 6].iter().all(|silent| told[*silent].is_empty()), "{told:?}");
    }
}
