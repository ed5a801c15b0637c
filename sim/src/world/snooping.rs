//! A switch that forwards multicast only to members of the group (IGMP snooping, RFC 4541).
//!
//! Model: while there is a querier, the receiver answers its queries, and the groups stay. Without
//! a querier, the switch only receives the receiver's unsolicited reports. It stops forwarding a
//! group some time after the last report, and resumes with the next one.

use crate::models::TrueTime;
use crate::scenario::{FaultKind, Membership};

/// The switch in front of one receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snooping {
    membership: Membership,
    /// When the last querier disappeared, if there is none.
    unqueried_since: Option<TrueTime>,
}

impl Snooping {
    pub(super) fn new(membership: Membership) -> Self {
        Self { membership, unqueried_since: None }
    }

    /// Whether what is sent to the receiver's groups at `now` reaches it.
    pub(super) fn forwards(&self, now: TrueTime) -> bool {
        let Some(since) = self.unqueried_since else { return true };
        let silent = now - since;
        let since_report = match self.membership.rejoin_every.map(|every| every.as_nanos()) {
            Some(every) if every > 0 => silent % every,
            _ => silent,
        };
        since_report < self.membership.timeout.as_nanos()
    }

    /// Begins or ends a fault.
    pub(super) fn fault(&mut self, now: TrueTime, what: &FaultKind, begins: bool) {
        if matches!(what, FaultKind::IgmpQuerierMissing) {
            // The last query was answered at this moment.
            self.unqueried_since = begins.then_some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Nanos;

    const SECOND: TrueTime = 1_000_000_000;

    /// The seconds, of those from 0 to 999, in which nothing comes, if the querier is missing from
    /// 100 s to 900 s.
    fn silence(rejoin_every_s: Option<i64>) -> Vec<i64> {
        let membership =
            Membership { timeout: Nanos::from_secs(260), rejoin_every: rejoin_every_s.map(Nanos::from_secs) };
        let mut switch = Snooping::new(membership);
        let mut silent = Vec::new();
        for second in 0..1000 {
            if [100, 900].contains(&second) {
                switch.fault(second * SECOND, &FaultKind::IgmpQuerierMissing, second == 100);
            }
            if !switch.forwards(second * SECOND) {
                silent.push(second);
            }
        }
        silent
    }

    #[test]
    fn a_group_is_forgotten_260_s_after_the_last_report() {
        assert_eq!(silence(None), (360..900).collect::<Vec<_>>());
    }

    #[test]
    fn a_receiver_that_reports_often_enough_keeps_its_group() {
        for every_s in [60, 120, 260] {
            assert_eq!(silence(Some(every_s)), Vec::<i64>::new(), "{every_s}");
        }
        assert_eq!(silence(Some(300)), [360..400, 660..700].into_iter().flatten().collect::<Vec<_>>());
    }
}
