//! What a receiver tells of the packets that it got, and what became of them.

use engine::receive::{IngestError, IngestStats, LegStats, PlayoutStats};
use engine::{LocalTime, Nanos, Ppb};

/// Refused datagrams of one kind are told once; again after so long without one.
const TOLD_AGAIN_AFTER: Nanos = Nanos::from_secs(1);

/// What one leg brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LegReception {
    /// Packets that came by it, without copies.
    pub received: u64,
    /// Packets that should have come by it, and did not.
    pub lost: u64,
    /// Packets that came by it first.
    pub won: u64,
    /// Packets that came after their playout.
    pub late: u64,
    /// How much later than by the other leg they come, if the receiver knows.
    pub skew: Option<Nanos>,
}

/// What a receiver counted. All counts are of the present media timeline, which `generation`
/// numbers, except `refused`, `dropped`, `altered` and `concealed`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reception {
    /// Restarts of the media timeline so far.
    pub generation: u32,
    /// Those of them by another source, beginning with the first.
    pub sources: u32,
    /// Times that packets were found to come later or earlier for good, and by how much later the
    /// last time.
    pub shifts: (u32, Nanos),
    /// Packets that came by no leg. Goes down when one comes late.
    pub missed: u64,
    /// Datagrams that are not of the stream: another sender's, or of no known timeline.
    pub refused: u64,
    /// Packets that came and of which nothing was played.
    pub dropped: u64,
    /// Packets of a relay that went out with other bytes than those that had come in for them.
    pub altered: u64,
    /// Audio that was made up.
    pub concealed: Nanos,
    /// By how much late packets have raised the target depth.
    pub depth_raised: Nanos,
    /// The depth that it says to have reached.
    pub depth_told: Nanos,
    /// Rate of the sound card against the host's clock.
    pub card_rate: Option<Ppb>,
    /// The legs, A first.
    pub legs: [LegReception; 2],
}

impl Reception {
    /// What the engine's two halves say.
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

/// Tells a person what happens to the stream.
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
    /// A datagram was refused.
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

    /// Looks for what has changed.
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

    /// Looks whether the verdict on the sender's clock has changed.
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
