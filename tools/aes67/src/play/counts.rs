//! Sums up the counts of a stream since the command began, across restarts of the receiver and the
//! output.

use engine::receive::Refusals;
use net::stream::ReceiverStatus;

/// Sums of counts over all timelines and outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) lost: i64,
    pub(super) leg_lost: [i64; 2],
    pub(super) late: u64,
    pub(super) dropped: u64,
    pub(super) refusals: Refusals,
    pub(super) concealed_frames: u64,
    pub(super) underruns: u64,
    pub(super) jumps: u64,
    pub(super) dropped_by_kernel: u64,
    /// Number of restarts by the sender: another source, or a jump of the timestamps.
    pub(super) restarts: u64,
    /// Number of permanent shifts, after which all packets arrive later or earlier.
    pub(super) shifts: u64,
}

/// Sums up the counts of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    total: Counts,
    /// The last counts of the current timeline.
    seen: Counts,
    generation: u32,
    sources: u32,
    shifts: u32,
}

impl Tally {
    /// Adds the counts in a status. Returns the sums.
    pub(super) fn update(&mut self, status: &ReceiverStatus) -> Counts {
        let now = Counts::of(status);
        let generation = status.ingest.generation;
        if generation != self.generation {
            // Packet counts restart with every timeline.
            (self.seen.received, self.seen.lost, self.seen.leg_lost) = (0, 0, [0, 0]);
            self.generation = generation;
        }
        let (sources, shifts) = (status.ingest.sources, status.ingest.shifts);
        self.total.restarts += u64::from(sources.saturating_sub(self.sources.max(1)));
        self.total.shifts += u64::from(shifts.saturating_sub(self.shifts));
        (self.sources, self.shifts) = (sources, shifts);
        self.total.add(&now, &self.seen);
        self.seen = now;
        self.total
    }

    /// Prepares for a new receiver, which counts from 0.
    pub(super) fn start_anew(&mut self) {
        *self = Self { total: self.total, ..Self::default() };
    }
}

impl Counts {
    fn of(status: &ReceiverStatus) -> Self {
        let (ingest, playout) = (&status.ingest, &status.playout);
        Self {
            received: ingest.sequence.received,
            lost: ingest.sequence.lost as i64,
            leg_lost: ingest.legs.map(|leg| leg.sequence.lost as i64),
            late: playout.late_packets,
            dropped: playout.dropped_packets,
            refusals: ingest.refusals,
            concealed_frames: playout.concealed_frames,
            underruns: playout.underruns,
            jumps: playout.jumps,
            dropped_by_kernel: status.legs.iter().map(|leg| leg.socket.dropped).sum(),
            restarts: 0,
            shifts: 0,
        }
    }

    /// Adds the difference between `now` and `seen`. The number of lost packets may fall, because
    /// packets may still arrive late.
    fn add(&mut self, now: &Self, seen: &Self) {
        self.received += now.received.saturating_sub(seen.received);
        self.lost += now.lost - seen.lost;
        for leg in 0..2 {
            self.leg_lost[leg] += now.leg_lost[leg] - seen.leg_lost[leg];
        }
        self.late += now.late.saturating_sub(seen.late);
        self.dropped += now.dropped.saturating_sub(seen.dropped);
        self.refusals.add(&now.refusals.since(&seen.refusals));
        self.concealed_frames += now.concealed_frames.saturating_sub(seen.concealed_frames);
        self.underruns += now.underruns.saturating_sub(seen.underruns);
        self.jumps += now.jumps.saturating_sub(seen.jumps);
        self.dropped_by_kernel += now.dropped_by_kernel.saturating_sub(seen.dropped_by_kernel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(generation: u32, received: u64, lost: u64, underruns: u64) -> ReceiverStatus {
        let mut status = ReceiverStatus::default();
        (status.ingest.generation, status.ingest.sources) = (generation, generation);
        status.ingest.sequence.received = received;
        status.ingest.sequence.lost = lost;
        status.playout.underruns = underruns;
        status
    }

    #[test]
    fn counts_go_on_through_restarts_of_sender_and_output() {
        let mut tally = Tally::default();
        tally.update(&status(1, 100, 3, 0));
        // One of the lost ones came late.
        tally.update(&status(1, 200, 2, 1));
        tally.update(&status(2, 10, 1, 2));
        tally.start_anew();
        let counts = tally.update(&status(1, 5, 0, 1));
        assert_eq!((counts.received, counts.lost, counts.underruns, counts.restarts), (215, 3, 3, 1));
    }
}
