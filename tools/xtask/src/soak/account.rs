//! The record of a soak: glitches with their causes, and the resources that programs used.

use std::collections::BTreeMap;
use std::fmt;

/// A fault counts as the cause of a glitch if it began before the glitch and ended less than this
/// before it, s: a clock recovers within 10 s, and is checked once per second.
const AFTER_S: f64 = 12.0;
/// A pause of the machine counts as a cause if it is this near, s: players report a second after
/// its end.
const PAUSE_S: f64 = 2.5;
/// Time in which a program warms up, s. After that, its use of resources is compared between the
/// first and the last quarter.
const WARM_UP_S: f64 = 60.0;
/// Permitted growth of memory: the allocator keeps pages of several sizes.
const GROWTH_KB: u64 = 2048;

/// A fault that the soak caused.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) name: String,
    pub(super) begin_s: f64,
    pub(super) end_s: f64,
}

/// A glitch of a program.
#[derive(Clone, Debug)]
pub(super) struct Glitch {
    pub(super) at_s: f64,
    pub(super) who: &'static str,
    pub(super) what: String,
}

/// What a program used at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) memory_kb: u64,
    pub(super) threads: u64,
    pub(super) files: u64,
}

/// The whole record.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) faults: Vec<Fault>,
    pub(super) glitches: Vec<Glitch>,
    /// Pauses of the machine, and their lengths in ms.
    pub(super) pauses: Vec<(f64, f64)>,
    /// Usage of each program over time. A program that was restarted counts from its restart.
    pub(super) usage: BTreeMap<&'static str, Vec<(f64, Usage)>>,
    /// The largest error of our PTP client while it was LOCKED or in HOLDOVER, and of linuxptp's.
    pub(super) worst_us: f64,
    pub(super) peer_worst_us: f64,
}

impl Account {
    fn cause(&self, glitch: &Glitch) -> Option<String> {
        let is_meant = |fault: &&Fault| (fault.begin_s..=fault.end_s + AFTER_S).contains(&glitch.at_s);
        let fault = self.faults.iter().find(is_meant).map(|fault| fault.name.clone());
        let pause = || {
            let near = self.pauses.iter().find(|(at_s, _)| (at_s - glitch.at_s).abs() <= PAUSE_S)?;
            Some(format!("the machine stood still for {:.0} ms", near.1))
        };
        fault.or_else(pause)
    }

    /// The glitches without a cause.
    fn unexplained(&self) -> Vec<&Glitch> {
        self.glitches.iter().filter(|glitch| self.cause(glitch).is_none()).collect()
    }

    /// Descriptions of the resources whose use grows.
    fn growth(&self) -> Vec<String> {
        let mut growth = Vec::new();
        for (who, usage) in &self.usage {
            let start_s = usage.first().map_or(0.0, |(at_s, _)| *at_s) + WARM_UP_S;
            let warm: Vec<Usage> = usage.iter().filter(|(at_s, _)| *at_s >= start_s).map(|(_, usage)| *usage).collect();
            let quarter = warm.len() / 4;
            // A leak increases the minimum, whereas the maximum may be reached only for a moment.
            let least = |part: &[Usage], of: fn(&Usage) -> u64| part.iter().map(of).min().unwrap_or(0);
            let (first, last) = (&warm[..quarter], &warm[warm.len() - quarter..]);
            for (name, of, margin) in [
                ("KB of memory", (|usage| usage.memory_kb) as fn(&Usage) -> u64, GROWTH_KB),
                ("threads", |usage| usage.threads, 0),
                ("open files", |usage| usage.files, 0),
            ] {
                let (before, after) = (least(first, of), least(last, of));
                if after > before + margin {
                    growth.push(format!("{who}: {before} {name} in the first quarter, {after} in the last"));
                }
            }
        }
        growth
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.unexplained().is_empty() || !self.growth().is_empty()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nglitches by cause")?;
        let mut causes: BTreeMap<String, usize> = BTreeMap::new();
        for cause in self.glitches.iter().filter_map(|glitch| self.cause(glitch)) {
            *causes.entry(cause).or_default() += 1;
        }
        for (cause, count) in &causes {
            writeln!(f, "{count:>6}  {cause}")?;
        }
        for glitch in self.unexplained() {
            writeln!(f, "UNEXPLAINED at {:.1} s: {}: {}", glitch.at_s, glitch.who, glitch.what)?;
        }
        writeln!(f, "\nused at first and at last: KB of memory, threads, open files")?;
        for (who, usage) in &self.usage {
            let shown = |at: Option<&(f64, Usage)>| {
                at.map_or_else(String::new, |(_, usage)| {
                    format!("{}, {}, {}", usage.memory_kb, usage.threads, usage.files)
                })
            };
            writeln!(f, "{who:<10} {:<22} {}", shown(usage.first()), shown(usage.last()))?;
        }
        self.growth().iter().try_for_each(|growth| writeln!(f, "NOT FLAT: {growth}"))?;
        writeln!(
            f,
            "\nlargest error of our clock while it was used: {:.0} us; of ptp4l's measurement: {:.0} us",
            self.worst_us, self.peer_worst_us
        )?;
        let (all, unexplained) = (self.glitches.len(), self.unexplained().len());
        writeln!(f, "{} faults, {all} glitches, {unexplained} without a cause", self.faults.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(at_s: f64) -> Account {
        let fault = Fault { name: "attack".to_owned(), begin_s: 100.0, end_s: 110.0 };
        let glitch = Glitch { at_s, who: "play", what: "1 underrun".to_owned() };
        Account { faults: vec![fault], glitches: vec![glitch], pauses: vec![(200.0, 20.0)], ..Account::default() }
    }

    #[test]
    fn a_glitch_without_a_cause_fails() {
        let failed = |at_s| account(at_s).has_failed();
        assert_eq!((failed(99.0), failed(100.5), failed(121.0), failed(123.0)), (true, false, false, true));
        assert_eq!((failed(198.0), failed(205.0)), (false, true));
        assert!(account(99.0).to_string().contains("UNEXPLAINED at 99.0 s: play: 1 underrun"));
    }

    #[test]
    fn what_grows_fails() {
        let grown = |usage: fn(u64) -> Usage| {
            let used = (0..400).map(|second| (second as f64, usage(second))).collect();
            Account { usage: BTreeMap::from([("play", used)]), ..Account::default() }.growth()
        };
        let flat = |second: u64| Usage { memory_kb: 5000 + second % 7, threads: 4, files: 9 };
        assert_eq!(grown(flat), [""; 0]);
        let leaks = |second: u64| Usage { memory_kb: 5000 + second * 20, threads: 4, files: 9 };
        assert_eq!(grown(leaks), ["play: 6200 KB of memory in the first quarter, 11300 in the last"]);
        let opens = |second: u64| Usage { memory_kb: 5000, threads: 4, files: 9 + second / 100 };
        assert_eq!(grown(opens), ["play: 9 open files in the first quarter, 12 in the last"]);
    }
}
