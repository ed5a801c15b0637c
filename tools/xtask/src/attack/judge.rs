//! The criteria for a PTP client: absolute bounds, the same for each attack.

use super::rows::{Bar, Meets};
use std::collections::BTreeMap;

/// Limit of the error of a clock that claims to be locked, or to hold the time of a master. With a
/// crystal that is known to 1 ppm, this takes a quarter of an hour.
const USED_WITHIN_US: f64 = 1000.0;
/// Within [`RECOVERY_S`] after an attack, a clock must be locked with an error below this.
const RIGHT_WITHIN_US: f64 = 100.0;
const RECOVERY_S: f64 = 10.0;
/// A clock has recovered when it meets [`RIGHT_WITHIN_US`] for this long, s.
const STAYS_S: f64 = 3.0;
/// A client that starts while Announces are forged must lock within this. Without an attack it
/// takes some 3 s.
const START_S: f64 = 10.0;
/// The states of a clock whose time is used: it follows its master, or continues without one.
pub(super) const LOCKED: &str = "LOCKED";
const HOLDOVER: &str = "HOLDOVER";

/// A report of a client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    /// Since the row began.
    pub(super) at_s: f64,
    pub(super) state: String,
    /// PTP time according to the client, minus the true time; `None` if the client has no time.
    pub(super) error_us: Option<f64>,
}

/// The time of the attack, since the row began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) begin_s: f64,
    pub(super) end_s: f64,
}

/// All reports of a client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) start_s: f64,
    pub(super) samples: Vec<Sample>,
}

impl Client {
    fn from(&self, at_s: f64) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.at_s >= at_s)
    }

    /// Number of the client's reports in each state during the attack.
    pub(super) fn states(&self, times: Times) -> BTreeMap<&str, usize> {
        let mut states = BTreeMap::new();
        for sample in self.from(times.begin_s).filter(|sample| sample.at_s <= times.end_s) {
            *states.entry(&sample.state[..]).or_default() += 1;
        }
        states
    }

    /// The largest error in a state since the beginning of the attack.
    fn worst_us(&self, times: Times, state: &str) -> Option<f64> {
        let asked = self.from(times.begin_s).filter(|sample| sample.state == state);
        asked.filter_map(|sample| sample.error_us).map(f64::abs).reduce(f64::max)
    }

    pub(super) fn worst_locked_us(&self, times: Times) -> Option<f64> {
        self.worst_us(times, LOCKED)
    }

    pub(super) fn worst_held_us(&self, times: Times) -> Option<f64> {
        self.worst_us(times, HOLDOVER)
    }

    /// Number of the client's reports without a usable time during the attack.
    fn lost(&self, times: Times) -> usize {
        let lost = |(state, count): (&str, usize)| if [LOCKED, HOLDOVER].contains(&state) { 0 } else { count };
        self.states(times).into_iter().map(lost).sum()
    }

    /// Time from the end of the attack until the clock was permanently locked with a small error.
    pub(super) fn recovery_s(&self, times: Times) -> Option<f64> {
        let is_right = |sample: &Sample| {
            sample.state == LOCKED && sample.error_us.is_some_and(|error_us| error_us.abs() <= RIGHT_WITHIN_US)
        };
        let mut right_since = None;
        for sample in self.from(times.end_s) {
            if !is_right(sample) {
                right_since = None;
                continue;
            }
            let since_s: f64 = *right_since.get_or_insert(sample.at_s);
            if sample.at_s - since_s >= STAYS_S {
                return Some(since_s - times.end_s);
            }
        }
        None
    }

    /// Time from its start until it was first locked.
    pub(super) fn lock_s(&self) -> Option<f64> {
        self.samples.iter().find(|sample| sample.state == LOCKED).map(|sample| sample.at_s - self.start_s)
    }
}

/// Why our clients fail a row, judged by the worst of them; empty if they pass.
pub(super) fn faults(clients: &[Client], times: Times, meets: Meets, bar: Bar) -> Vec<String> {
    let largest = |of: &dyn Fn(&Client) -> Option<f64>| clients.iter().filter_map(of).reduce(f64::max);
    let mut faults = Vec::new();
    if bar == Bar::Right {
        let locked_us = largest(&|client| client.worst_locked_us(times));
        let held_us = largest(&|client| client.worst_held_us(times));
        for (state, worst_us) in [(LOCKED, locked_us), (HOLDOVER, held_us)] {
            if let Some(worst_us) = worst_us.filter(|worst_us| *worst_us > USED_WITHIN_US) {
                faults.push(format!("{state} while {} off", microseconds(worst_us)));
            }
        }
        let lost = clients.iter().map(|client| client.lost(times)).max().unwrap_or(0);
        if meets == Meets::Locked && lost > 0 {
            faults.push(format!("without time for {lost} s"));
        }
    }
    if meets != Meets::Locked {
        if clients.iter().any(|client| client.lock_s().is_none()) {
            faults.push("never locked".to_owned());
        } else if let Some(lock_s) = largest(&Client::lock_s).filter(|lock_s| *lock_s > START_S) {
            faults.push(format!("locked {lock_s:.1} s after its start"));
        }
    }
    if clients.iter().any(|client| client.recovery_s(times).is_none()) {
        faults.push("not right again".to_owned());
    } else if let Some(recovery_s) = largest(&|client| client.recovery_s(times)).filter(|after_s| *after_s > RECOVERY_S)
    {
        faults.push(format!("right again after {recovery_s:.1} s"));
    }
    faults
}

/// A duration as text, in a suitable unit.
pub(super) fn microseconds(us: f64) -> String {
    match us.abs() {
        small if small < 1e3 => format!("{us:.0} us"),
        small if small < 1e6 => format!("{:.1} ms", us / 1e3),
        _ => format!("{:.1} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { begin_s: 10.0, end_s: 18.0 };

    /// A line each second from 5 s on, by its time.
    fn client(line: impl Fn(f64) -> (&'static str, Option<f64>)) -> Client {
        let sample = |second: u32| {
            let at_s = f64::from(second);
            let (state, error_us) = line(at_s);
            Sample { at_s, state: state.to_owned(), error_us }
        };
        Client { start_s: 4.5, samples: (5..48).map(sample).collect() }
    }

    fn faults_of(line: impl Fn(f64) -> (&'static str, Option<f64>)) -> Vec<String> {
        faults(&[client(line)], TIMES, Meets::Locked, Bar::Right)
    }

    #[test]
    fn a_clock_that_holds_through_an_attack_passes() {
        let held = |at_s: f64| if (10.0..19.0).contains(&at_s) { (HOLDOVER, Some(-30.0)) } else { (LOCKED, Some(5.0)) };
        assert_eq!(faults_of(held), [""; 0]);
        assert_eq!(client(held).recovery_s(TIMES), Some(1.0));
        assert_eq!((client(held).worst_held_us(TIMES), client(held).worst_locked_us(TIMES)), (Some(30.0), Some(5.0)));
    }

    #[test]
    fn each_kind_of_fault_is_told() {
        let wrong = |at_s: f64| (LOCKED, Some(if (at_s - 12.0).abs() < 0.1 { -1001.0 } else { 1.0 }));
        assert_eq!(faults_of(wrong), ["LOCKED while 1.0 ms off"]);
        // Also after the end.
        let late = |at_s: f64| (LOCKED, Some(if (at_s - 21.0).abs() < 0.1 { 2000.0 } else { 1.0 }));
        assert_eq!(faults_of(late), ["LOCKED while 2.0 ms off"]);
        assert_eq!(client(late).recovery_s(TIMES), Some(4.0));
        let jumped = |at_s: f64| if (at_s - 12.0).abs() < 0.1 { (HOLDOVER, Some(1e7)) } else { (LOCKED, Some(1.0)) };
        assert_eq!(faults_of(jumped), ["HOLDOVER while 10.0 s off"]);
        let lost = |at_s: f64| if (at_s - 12.0).abs() < 0.1 { ("ACQUIRING", Some(1.0)) } else { (LOCKED, Some(1.0)) };
        assert_eq!(faults_of(lost), ["without time for 1 s"]);
        let slow = |at_s: f64| (LOCKED, Some(if (12.0..29.0).contains(&at_s) { 150.0 } else { 1.0 }));
        assert_eq!(faults_of(slow), ["right again after 11.0 s"]);
        let never = |at_s: f64| if at_s > 12.0 { (HOLDOVER, Some(1.0)) } else { (LOCKED, Some(1.0)) };
        assert_eq!(faults_of(never), ["not right again"]);
        let started =
            |from_s: f64| move |at_s: f64| if at_s < from_s { ("LISTENING", None) } else { (LOCKED, Some(1.0)) };
        let starting = |line: &dyn Fn(f64) -> (&'static str, Option<f64>)| {
            faults(&[client(line)], TIMES, Meets::Starting, Bar::Right)
        };
        assert_eq!(starting(&started(14.0)), [""; 0]);
        assert_eq!(starting(&started(15.0)), ["locked 10.5 s after its start"]);
        assert_eq!(starting(&started(99.0)), ["never locked", "not right again"]);
    }

    #[test]
    fn a_better_master_is_followed_by_right() {
        let follows = |at_s: f64| (LOCKED, Some(if (12.0..20.0).contains(&at_s) { 2000.0 } else { 1.0 }));
        assert_eq!(faults(&[client(follows)], TIMES, Meets::Locked, Bar::Recovery), [""; 0]);
    }
}
