//! A receiver's report on the packets that it received.

use engine::receive::{IngestError, IngestStats, LegStats, PlayoutStats};
use engine::{LocalTime, Nanos, Ppb};

/// Refused datagrams of one kind are reported once, and again after this long without one.
const TOLD_AGAIN_AFTER: Nanos = Nanos::from_secs(1);

/// Counts of one leg.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LegReception {
    /// Packets that arrived on it, without copies.
    pub received: u64,
    /// Packets that should have arrived on it, but did not.
    pub lost: u64,
    /// Packets that arrived on it first.
    pub won: u64,
    /// Packets that arrived after their playout.
    pub late: u64,
    /// How much later packets arrive on it than on the other leg, if the receiver knows.
    pub skew: Option<Nanos>,
}

/// Counts of a receiver. They refer to the current media timeline, whose number is `generation`,
/// except `refused`, `dropped`, `altered` and `concealed`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reception {
    /// Restarts of the media timeline so far.
    pub generation: u32,
    /// Number of those that were caused by another source, including the first one.
    pub sources: u32,
    /// Number of permanent shifts of the arrivals, and the size of the last one; positive if
    /// packets arrive later.
    pub shifts: (u32, Nanos),
    /// Packets that arrived on no leg. Decreases when one arrives late.
    pub missed: u64,
    /// Datagrams that do not belong to the stream: another sender's, or of an unknown timeline.
    pub refused: u64,
    /// Packets that arrived, but of which nothing was played.
    pub dropped: u64,
    /// Packets of a relay whose audio bytes differ from those it had received.
    pub altered: u64,
    /// Concealed audio.
    pub concealed: Nanos,
    /// By how much late packets have increased the target depth.
    pub depth_raised: Nanos,
    /// The actual depth that it reports.
    pub depth_told: Nanos,
    /// Rate of the sound card against the host's clock.
    pub card_rate: Option<Ppb>,
    /// The legs, A first.
    pub legs: [LegReception; 2],
}

impl Reception {
    /// The counts of the engine's two halves.
    pub(super) fn of_engine(ingest: &IngestStats, playout: &PlayoutStats, concealed: Nanos) -> Self {
        let leg = |leg: LegStats| LegReception {
            received: leg.sequence.received,
            lost: leg.sequence.lost,
            won: leg.won,
            late: leg.late,
            skew: leg.skew,
        };
        Self {
            generation: ingest.generation,
            sources: ingest.sources,
            shifts: (ingest.shifts, ingest.shifted_by),
            missed: ingest.sequence.lost,
            refused: ingest.refused,
            dropped: playout.dropped_packets + playout.early_packets + ingest.overflows,
            altered: 0,
            concealed,
            depth_raised: playout.depth_increase,
            depth_told: playout.actual_depth,
            card_rate: playout.started.then_some(playout.card_rate),
            legs: ingest.legs.map(leg),
        }
    }
}

/// Describes events of the stream for a person.
#[derive(Debug, Default)]
pub(super) struct Teller {
    refused: Option<(IngestError, LocalTime)>,
    sources: u32,
    shifts: u32,
    depth_raised: Nanos,
    sender_off_ptp: bool,
    texts: std::collections::VecDeque<String>,
}

impl Teller {
    /// Records a refused datagram.
    pub(super) fn refused(&mut self, now: LocalTime, error: IngestError) {
        if !error.is_refusal() {
            return;
        }
        let known = self.refused.is_some_and(|(last, at)| {
            std::mem::discriminant(&last) == std::mem::discriminant(&error) && now.since(at) < TOLD_AGAIN_AFTER
        });
        self.refused = Some((error, now));
        if !known {
            self.texts.push_back(format!("stream: {error}"));
        }
    }

    /// Records the changes since the last call.
    pub(super) fn look(&mut self, reception: &Reception) {
        if reception.sources != self.sources {
            if self.sources > 0 {
                self.texts.push_back("stream: its source has started anew".to_owned());
            }
            self.sources = reception.sources;
        }
        let (shifts, later) = reception.shifts;
        if shifts != self.shifts {
            self.shifts = shifts;
            self.texts.push_back(match later >= Nanos::ZERO {
                true => format!("stream: packets come {later} later from now on"),
                false => format!("stream: packets come {} earlier from now on", -later),
            });
        }
        if reception.depth_raised > self.depth_raised {
            self.texts.push_back(format!("stream: depth raised by {}", reception.depth_raised));
        }
        self.depth_raised = reception.depth_raised;
    }

    /// Records whether the verdict on the sender's clock has changed.
    pub(super) fn look_at_rates(&mut self, ingest: &IngestStats) {
        if ingest.sender_off_ptp == self.sender_off_ptp {
            return;
        }
        self.sender_off_ptp = ingest.sender_off_ptp;
        let apart = ingest.rate_against_ptp;
        self.texts.push_back(match ingest.sender_off_ptp {
            true => format!("the sender is not on PTP, as its SDP says: {apart} apart; played by arrivals"),
            false => format!("the sender is on PTP: {apart} apart"),
        });
    }

    pub(super) fn poll(&mut self) -> Option<String> {
        self.texts.pop_front()
    }
}
