//! Reports a permanent shift of a stream's arrivals: its sender slipped, or the network path has
//! changed.

use engine::{LocalTime, Nanos};
use net::stream::ReceiverStatus;

/// Delay of the report after a shift, a few callbacks long, so that playback has reacted by then.
const DECIDED: Nanos = Nanos::from_millis(200);

/// Detects shifts that are to be reported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shifts {
    count: u64,
    tell_at: Option<LocalTime>,
}

impl Shifts {
    /// Processes the number of shifts so far. Returns whether to report a shift now.
    pub(super) fn look(&mut self, now: LocalTime, count: u64) -> bool {
        if std::mem::replace(&mut self.count, count) != count {
            self.tell_at = Some(now + DECIDED);
        }
        self.tell_at.take_if(|at| *at <= now).is_some()
    }
}

/// One sentence that states the size of the shift and the effect on playback. `is_timed` states
/// whether there is a clock that could time playback.
pub(super) fn sentence(status: &ReceiverStatus, is_timed: bool) -> String {
    let later = status.ingest.shifted_by;
    let (by, which) = if later >= Nanos::ZERO { (later, "later") } else { (-later, "earlier") };
    let playback = match status.playout.link_offset {
        Some(_) => "playback stays where the clock puts it",
        None if is_timed => "by the clock they cannot be played in time, so playback follows their arrival",
        None => "playback follows",
    };
    format!("its packets come {by} {which} from now on, as after a slip of the sender or by another path; {playback}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_told_once_when_playback_has_decided() {
        let mut shifts = Shifts::default();
        let at = |ms: i64| LocalTime::ZERO + Nanos::from_millis(ms);
        let told: Vec<i64> = (0..1_000).filter(|&ms| shifts.look(at(ms), u64::from(ms >= 300))).collect();
        assert_eq!(told, [500]);
    }

    #[test]
    fn it_says_which_way_and_what_becomes_of_playback() {
        let mut status = ReceiverStatus::default();
        status.ingest.shifted_by = Nanos::from_millis(18);
        let later = "its packets come 18.0 ms later from now on, as after a slip of the sender or by another path; ";
        assert_eq!(sentence(&status, false), format!("{later}playback follows"));
        assert!(sentence(&status, true).ends_with("so playback follows their arrival"));
        status.ingest.shifted_by = Nanos::from_millis(-3);
        status.playout.link_offset = Some(Nanos::from_millis(40));
        assert!(sentence(&status, true).starts_with("its packets come 3000.0 us earlier"));
        assert!(sentence(&status, true).ends_with("stays where the clock puts it"));
    }
}
