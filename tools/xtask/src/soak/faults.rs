//! The faults and their times, drawn at random from a seed.

use super::scene::{MASTER_HOST, ROLE_HOSTS, ROLES};
use crate::attack::{self, Random};
use std::fmt;

/// Shortest time between two faults, s: 15 s for everything to recover, and the rest to check that
/// it has.
pub(super) const QUIET_S: f64 = 25.0;
/// Maximum random addition to [`QUIET_S`], s.
const SPREAD_S: f64 = 20.0;

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// An attack that forges packets, by the name of its row.
    Attack { name: &'static str, seconds: f64 },
    /// The first grandmaster is killed, and restarted afterwards.
    MasterKilled { seconds: f64 },
    /// The cable of a host is disconnected.
    Cable { host: char, seconds: f64 },
    /// A program is suspended.
    Stopped { role: usize, seconds: f64 },
    /// The sender is ended, and restarted afterwards.
    SenderAway { seconds: f64 },
}

impl Plan {
    pub(super) fn seconds(&self) -> f64 {
        match self {
            Self::Attack { seconds, .. }
            | Self::MasterKilled { seconds }
            | Self::Cable { seconds, .. }
            | Self::Stopped { seconds, .. }
            | Self::SenderAway { seconds } => *seconds,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attack { name, .. } => write!(f, "attack {name}")?,
            Self::MasterKilled { .. } => f.write_str("the grandmaster is killed")?,
            Self::Cable { host, .. } => write!(f, "the cable of host {host} is out")?,
            Self::Stopped { role, .. } => write!(f, "{} stands still", ROLES[*role])?,
            Self::SenderAway { .. } => f.write_str("the sender is ended")?,
        }
        write!(f, ", {:.1} s", self.seconds())
    }
}

/// A random sequence of faults.
pub(super) struct Schedule {
    random: Random,
    attacks: Vec<&'static str>,
    roles: usize,
}

impl Schedule {
    /// A schedule for the first `roles` programs of [`ROLES`].
    pub(super) fn new(seed: u64, roles: usize) -> Self {
        Self { random: Random::new(&format!("soak {seed}")), attacks: attack::forged_names(), roles }
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.random.next() % limit as u64) as usize
    }

    fn between(&mut self, from_s: f64, to_s: f64) -> f64 {
        from_s + (to_s - from_s) * (self.random.next() % 1000) as f64 / 1000.0
    }

    /// The quiet time before the next fault, and the fault. Every second fault is an attack.
    pub(super) fn next(&mut self) -> (f64, Plan) {
        let wait_s = self.between(QUIET_S, QUIET_S + SPREAD_S);
        let plan = match self.below(10) {
            0 => Plan::MasterKilled { seconds: self.between(2.0, 20.0) },
            1 | 2 => {
                let host = match self.below(self.roles + 1) {
                    0 => MASTER_HOST,
                    role => ROLE_HOSTS[role - 1],
                };
                Plan::Cable { host, seconds: self.between(0.1, 10.0) }
            }
            3 => Plan::Stopped { role: self.below(self.roles), seconds: self.between(0.1, 5.0) },
            4 => Plan::SenderAway { seconds: self.between(0.5, 10.0) },
            _ => {
                let index = self.below(self.attacks.len());
                Plan::Attack { name: self.attacks[index], seconds: self.between(2.0, 10.0).round() }
            }
        };
        (wait_s, plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_and_another_one_others() {
        let plans = |seed| {
            let mut schedule = Schedule::new(seed, ROLES.len());
            (0..100).map(|_| schedule.next()).collect::<Vec<_>>()
        };
        assert_eq!(plans(1), plans(1));
        assert_ne!(plans(1), plans(2));
        let attacks = plans(1).iter().filter(|(_, plan)| matches!(plan, Plan::Attack { .. })).count();
        assert!((30..70).contains(&attacks), "{attacks}");
        assert!(plans(1).iter().all(|(wait_s, _)| (QUIET_S..=QUIET_S + SPREAD_S).contains(wait_s)));
    }
}
