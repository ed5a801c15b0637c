//! The port as slave, which extracts timestamps for the servo from the master's messages.
//!
//! Model: while the clock holds a time (the *held time*), timestamps that agree with it are used at
//! once. Timestamps that contradict the held time are held back for an interval. If other
//! timestamps [compete](super::claims) with them, they are not used. Otherwise they come from the
//! master, whose time may have stepped.

use super::slave::SYNC_INTERVALS;
use super::*;
use crate::clock::{Agreement, Direction, TimestampPair};
use crate::ptp::claims;
use crate::ptp::delay_exchange::Answered;

impl<L: ClockServo> Port<L> {
    /// Handles Sync, Follow_Up and Delay_Resp. Only messages from the selected master are used.
    pub(super) fn handle_master_message(&mut self, now: LocalTime, source: PeerAddress, header: &Header, body: &Body) {
        let timing = matches!(body, Body::Sync { .. } | Body::FollowUp { .. } | Body::DelayResp { .. });
        if !timing {
            return;
        }
        if matches!(body, Body::Sync { .. }) {
            self.senders.heard(now, header.source_port_identity, source);
        }
        if self.master().is_none_or(|master| master.sender != header.source_port_identity) {
            self.counters.not_the_master += 1;
            if self.master().is_none() && matches!(body, Body::Sync { .. }) {
                self.unusable.hear(now, What::Unannounced(header.source_port_identity), None);
            }
            return;
        }
        // If two addresses use one clock identity, only messages from the address that sends the
        // master's Announces and Syncs are used.
        let pursued = self.slave.parent().filter(|parent| parent.address != source);
        if pursued.is_some_and(|of| evidence(&self.senders, false, now, of) == Evidence::Sends) {
            self.counters.other_source += 1;
            return;
        }
        let admitted = self.slave.plausibility.admits_correction(header.correction_field);
        self.counters.implausible += u64::from(!admitted);
        // Any Delay_Resp shows that the master answers, even an implausible one.
        if admitted || matches!(body, Body::DelayResp { .. }) {
            self.take_timestamps(now, source, header, body, admitted);
        }
        self.report_findings(now);
    }

    fn take_timestamps(&mut self, now: LocalTime, source: PeerAddress, header: &Header, body: &Body, admitted: bool) {
        match *body {
            Body::Sync { origin_timestamp } => {
                self.counters.syncs += 1;
                let repeated = self.counters.repeated;
                let (sync, counters) = (&mut self.slave.sync, &mut self.counters);
                let pair = sync.sync(now, source, header, origin_timestamp, counters);
                self.slave.sync_heard = Some(now);
                if self.counters.repeated == repeated {
                    self.slave.intervals.heard(now);
                }
                self.learn_sync_interval(now, header.log_message_interval);
                self.take_syncs(now, pair);
            }
            Body::FollowUp { precise_origin_timestamp } => {
                self.counters.follow_ups += 1;
                let (sync, counters) = (&mut self.slave.sync, &mut self.counters);
                let pair = sync.follow_up(now, source, header, precise_origin_timestamp, counters);
                self.take_syncs(now, pair);
            }
            Body::DelayResp { receive_timestamp, requesting_port_identity }
                if requesting_port_identity == self.config.identity =>
            {
                self.counters.delay_responses += 1;
                let (id, correction, log2) = (header.sequence_id, header.correction_field, header.log_message_interval);
                if !self.holds_time(now) {
                    self.learn_delay_interval(log2);
                }
                let (delay, counters) = (&mut self.slave.delay, &mut self.counters);
                let contradicts = delay.response(now, id, receive_timestamp, correction, log2, counters);
                if !self.slave.delay.is_unanswered() {
                    self.slave.unanswered = 0;
                }
                if contradicts {
                    self.contest(now);
                }
                self.take_answers(now, admitted);
            }
            _ => {}
        }
    }

    fn holds_time(&self, now: LocalTime) -> bool {
        self.servo.reading(now).state.is_usable()
    }

    /// Records evidence that another sender is impersonating the master.
    fn contest(&mut self, now: LocalTime) {
        let Some(master) = self.master().map(|master| master.sender) else { return };
        if self.slave.claims.contest(now, self.slave.measured_sync_interval) {
            self.servo.contest(now, true);
            self.events.push(PortEvent::Contested(master));
        }
        self.set_claims_timer();
    }

    fn set_claims_timer(&mut self) {
        self.timers.set(Timer::Claims, self.slave.claims.due());
    }

    /// Judges the timestamps that were held back.
    pub(super) fn judge_claims(&mut self, now: LocalTime) {
        self.judge_syncs(now);
        self.judge_answers(now);
        if self.slave.claims.settle(now) {
            self.servo.contest(now, false);
            // The Delay_Req interval may come from a message forged during the contest, so it is
            // reset.
            self.slave.delay_interval = Nanos::from_log2_secs(self.config.log_min_delay_req_interval);
            self.schedule_delay_request(now);
            self.events.push(PortEvent::Settled);
        }
        self.set_claims_timer();
        self.report_findings(now);
    }

    /// Handles the expected timestamps of a Sync (`pair`), and then the alternatives.
    fn take_syncs(&mut self, now: LocalTime, pair: Option<TimestampPair>) {
        if self.slave.claims.due().is_some_and(|due| due <= now) {
            self.judge_claims(now);
        }
        if self.slave.sync.take_conflict() {
            self.contest(now);
        }
        if let Some(pair) = pair {
            self.take_sync(now, pair);
        }
        while let Some(pair) = self.slave.sync.poll_alternative() {
            self.take_alternative(now, pair);
        }
    }

    fn take_sync(&mut self, now: LocalTime, pair: TimestampPair) {
        let agreement = self.servo.agreement(&pair);
        let is_contested = self.slave.claims.is_contested();
        let is_crowded = self.slave.claims.is_crowded(pair.local, self.slave.measured_sync_interval);
        // Outside a contest, larger contradictions are not counted, because they are held back
        // anyway. They may come from the master, received late because this host had stalled.
        let counts = match agreement {
            Some(Agreement::Contradicts(off)) => is_contested || off <= claims::APART,
            Some(_) => true,
            None => false,
        };
        if counts && self.slave.claims.note(pair.local, self.slave.measured_sync_interval) {
            self.contest(now);
        }
        match agreement {
            _ if self.slave.claims.is_contested() => self.hold_sync(now, pair),
            Some(Agreement::Contradicts(_) | Agreement::Unclear) if is_crowded => self.hold_sync(now, pair),
            // Smaller contradictions are passed to the servo at once. Otherwise, the servo would
            // stay locked to the held time while the master's time drifts away.
            Some(Agreement::Contradicts(off)) if off > claims::APART => self.hold_sync(now, pair),
            _ => self.judge(now, &pair),
        }
    }

    /// Holds an alternative back. Outside a contest, this is done only if the alternative agrees
    /// with the held time and no Sync in the same interval has agreed. A contest then begins.
    fn take_alternative(&mut self, now: LocalTime, pair: TimestampPair) {
        let interval = self.slave.measured_sync_interval;
        if self.slave.claims.is_contested() {
            self.hold_sync(now, pair);
            return;
        }
        let agrees = matches!(self.servo.agreement(&pair), Some(Agreement::Agrees(_)));
        if agrees && !self.slave.claims.is_taken(pair.local, interval) {
            self.contest(now);
            self.hold_sync(now, pair);
        }
    }

    fn hold_sync(&mut self, now: LocalTime, pair: TimestampPair) {
        self.slave.claims.hold_sync(now, pair, self.slave.measured_sync_interval);
        self.set_claims_timer();
    }

    fn judge_syncs(&mut self, now: LocalTime) {
        let interval = self.slave.measured_sync_interval;
        let pairs = self.slave.claims.take_syncs(now);
        let Some(first) = pairs.first() else { return };
        let several = pairs.len() > 1;
        let is_taken = self.slave.claims.is_taken(first.local, interval);
        if self.servo.agreement(first).is_none() {
            self.judge_unheld(now, &pairs);
        } else if !self.slave.claims.is_contested() && !several && !is_taken {
            self.judge(now, first);
        } else {
            if is_taken {
                self.contest(now);
            }
            let best = nearest(&self.servo, pairs.iter().copied());
            let is_one = claims::may_be_of_one(&pairs, interval);
            let newest = pairs.last().copied().filter(|_| is_one && !self.slave.claims.is_contested());
            let best = best.or(newest);
            if best.is_none() && !is_one {
                self.contest(now);
            }
            self.counters.contested += pairs.len() as u64 - u64::from(best.is_some());
            best.iter().for_each(|pair| self.judge(now, pair));
        }
    }

    /// Judges Syncs while there is no held time. They are used only if they agree with each other,
    /// because nothing else shows which of them are genuine.
    fn judge_unheld(&mut self, now: LocalTime, pairs: &[TimestampPair]) {
        if claims::agree(pairs) {
            pairs.iter().for_each(|pair| self.judge(now, pair));
        } else {
            self.counters.contested += pairs.len() as u64;
            self.contest(now);
        }
    }

    /// Handles complete exchanges, in which the answer has arrived and the departure time of the
    /// request is known.
    fn take_answers(&mut self, now: LocalTime, admitted: bool) {
        while let Some(answer) = self.slave.delay.poll_answer() {
            if !admitted {
                continue;
            }
            match self.servo.agreement(&answer.pair) {
                _ if self.slave.claims.is_contested() => self.hold_answer(now, answer),
                // As in `take_sync`, only larger contradictions are held back.
                Some(Agreement::Contradicts(off)) if off > claims::APART => self.hold_answer(now, answer),
                _ => self.use_answer(now, &answer),
            }
        }
    }

    fn hold_answer(&mut self, now: LocalTime, answer: Answered) {
        self.slave.claims.hold_answer(now, answer, self.slave.measured_sync_interval);
        self.set_claims_timer();
    }

    fn judge_answers(&mut self, now: LocalTime) {
        let answers = self.slave.claims.take_answers(now);
        let Some(first) = answers.first() else { return };
        let contested = self.slave.claims.is_contested();
        let chosen = if self.servo.agreement(&first.pair).is_none() {
            let pairs: Vec<_> = answers.iter().map(|answer| answer.pair).collect();
            Some(*first).filter(|_| claims::agree(&pairs))
        } else if contested {
            let best = nearest(&self.servo, answers.iter().map(|answer| answer.pair));
            best.and_then(|best| answers.iter().find(|answer| answer.pair == best).copied())
        } else {
            Some(*first).filter(|_| answers.len() == 1)
        };
        self.counters.contested += answers.len() as u64 - u64::from(chosen.is_some());
        if let Some(answer) = chosen {
            self.use_answer(now, &answer);
        }
    }

    fn use_answer(&mut self, now: LocalTime, answer: &Answered) {
        if self.slave.answer_used.replace(answer.pair.local) == Some(answer.pair.local) {
            return;
        }
        self.learn_delay_interval(answer.log_interval);
        self.slave.longest = Some(answer.round_trip);
        self.judge(now, &answer.pair);
    }

    pub(super) fn learn_delay_interval(&mut self, log2: i8) {
        self.slave.learn_delay_interval(log2);
    }

    /// Updates the Sync interval. Forged Syncs can only make the interval look shorter, so it is
    /// not shortened while the clock is locked or another sender is impersonating the master.
    pub(super) fn learn_sync_interval(&mut self, now: LocalTime, log2: i8) {
        let told = match log2 {
            NO_INTERVAL => self.slave.sync_interval,
            log2 => Nanos::from_log2_secs(log2.clamp(SYNC_INTERVALS.0, SYNC_INTERVALS.1)),
        };
        // The measured interval is bounded, because the measurement is zero if the host's clock
        // stands still.
        let (least, most) = (Nanos::from_log2_secs(SYNC_INTERVALS.0), Nanos::from_log2_secs(SYNC_INTERVALS.1));
        let slave = &mut self.slave;
        let interval = slave.intervals.interval(told).clamp(least, most);
        let measured = slave.intervals.measured().unwrap_or(told).clamp(least, interval);
        if self.servo.reading(now).state != LockState::Locked && !slave.claims.is_contested() {
            slave.shortest = (interval, measured);
        }
        slave.sync_interval = interval.max(slave.shortest.0);
        slave.measured_sync_interval = measured.max(slave.shortest.1);
        self.servo.set_sync_interval(self.slave.sync_interval);
    }

    /// Passes plausible timestamps to the servo.
    fn judge(&mut self, now: LocalTime, pair: &TimestampPair) {
        let agreement = self.servo.agreement(pair);
        if matches!(agreement, Some(Agreement::Agrees(_))) {
            self.slave.plausibility.confirm(pair);
            if pair.direction == Direction::Forward {
                self.slave.claims.note_agreed(pair.local);
            }
        } else if !self.slave.plausibility.admits(pair) {
            self.counters.implausible += 1;
            return;
        }
        if pair.direction == Direction::Reverse {
            self.slave.unstamped = 0;
            if let Some(longest) = self.slave.longest.take() {
                self.servo.exchange_took(longest);
            }
        }
        self.observe(now, pair);
    }

    /// Records the departure time of our Delay_Req.
    pub(super) fn request_left(&mut self, sequence_id: u16, sent: LocalTime) {
        self.slave.delay.transmitted(sequence_id, sent);
        self.take_answers(sent, true);
        self.report_findings(sent);
    }
}

/// The pair that agrees best with the held time; `None` if none agrees.
fn nearest<L: ClockServo>(servo: &L, pairs: impl Iterator<Item = TimestampPair>) -> Option<TimestampPair> {
    let off = |pair: TimestampPair| match servo.agreement(&pair) {
        Some(Agreement::Agrees(off)) => Some((off, pair)),
        _ => None,
    };
    pairs.filter_map(off).min_by_key(|(off, _)| *off).map(|(_, pair)| pair)
}
