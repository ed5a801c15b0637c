//! Our side of a session, which offers and serves our clock.

use super::*;

impl<L: ClockServo> YieldSession<L> {
    pub(super) fn stop_offering(&mut self) {
        self.timers.stop(Timer::Announce);
        self.timers.stop(Timer::Sync);
        self.offer.open_sync = None;
        self.offer.signaling_id = self.offer.signaling_id.wrapping_add(1);
        let id = self.offer.signaling_id;
        self.send(|writer| writer.stop_signaling(id));
    }

    pub(super) fn send_announce(&mut self, now: LocalTime) {
        let first = self.offer.announce_id == 0;
        self.offer.announce_id = self.offer.announce_id.wrapping_add(1);
        let id = self.offer.announce_id;
        self.send(|writer| writer.announce(id));
        if first {
            self.offer.signaling_id = self.offer.signaling_id.wrapping_add(1);
            let id = self.offer.signaling_id;
            self.send(|writer| writer.signaling(id));
        }
        self.timers.set(Timer::Announce, now + ANNOUNCE_INTERVAL);
    }

    pub(super) fn send_sync(&mut self, now: LocalTime) {
        self.offer.sync_id = self.offer.sync_id.wrapping_add(1);
        let id = self.offer.sync_id;
        self.offer.open_sync = Some(id);
        self.send(|writer| writer.sync(id));
        self.offer.syncs_left = self.offer.syncs_left.saturating_sub(1);
        if self.state == YieldState::OwnTimeline || self.offer.syncs_left > 0 {
            self.timers.set(Timer::Sync, now + SYNC_INTERVAL);
        }
    }

    pub(super) fn sync_left(&mut self, sequence_id: u16, sent: LocalTime) {
        if self.offer.open_sync != Some(sequence_id) {
            return;
        }
        self.offer.open_sync = None;
        let left = self.offer.map.ptp_at(sent);
        self.send(|writer| writer.follow_up(sequence_id, left));
    }

    /// Answers a Delay_Req if the timeline is ours or may become so.
    pub(super) fn answer(&mut self, received: LocalTime, request: &Header) {
        if self.state == YieldState::Following {
            return;
        }
        let time = self.offer.map.ptp_at(received);
        self.counters.answered_requests += 1;
        self.send(|writer| writer.delay_resp(request, time));
    }

    pub(super) fn send(&mut self, write: impl FnOnce(Writer<'_>) -> bool) {
        let queued = write(Writer { config: &self.config, outbox: &mut self.outbox });
        self.counters.unsent += u64::from(!queued);
    }
}
