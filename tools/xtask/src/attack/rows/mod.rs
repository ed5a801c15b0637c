//! The attacks, one row of the table each.

mod clocks;
mod streams;

use super::forge::Forgery;

/// Prefix of the names of rows without an attack: they show that the bench itself passes.
pub(in crate::attack) const CONTROL: &str = "control-";

/// One attack.
pub(in crate::attack) struct Row {
    /// For `--only`.
    pub(in crate::attack) name: &'static str,
    /// The attack, and the source address.
    pub(in crate::attack) help: &'static str,
    pub(in crate::attack) target: Target,
    pub(in crate::attack) attack: Attack,
    /// Duration of the attack.
    pub(in crate::attack) seconds: f64,
    /// When its targets start.
    pub(in crate::attack) meets: Meets,
    pub(in crate::attack) bar: Bar,
}

/// What is attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::attack) enum Target {
    /// Clients of PTP.
    Clock,
    /// A player and a recorder of a stream.
    Stream,
    /// A search for a stream by its name.
    Announcement,
}

/// The attack.
pub(in crate::attack) enum Attack {
    /// Packets are forged.
    Forged(fn() -> Forgery),
    /// The grandmaster has a fault, and packets may be forged.
    Fault(Fault, Option<fn() -> Forgery>),
}

/// Faults of the grandmaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::attack) enum Fault {
    /// Its cable is disconnected and connected alternately, for these milliseconds each.
    Flaps(u64),
    /// Its cable is disconnected.
    Cut,
    /// It is killed, and restarted at the end.
    Killed,
}

/// Whether clients follow the master, or play, when the attack begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::attack) enum Meets {
    Locked,
    /// They are started during the attack, and so is the sender of a stream.
    Starting,
    /// They are started during the attack; the sender of a stream was started before.
    Joining,
}

/// The criteria.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::attack) enum Bar {
    /// The target is never wrong while locked, and right again soon after the attack.
    Right,
    /// The target need only recover soon after the attack. Such an attack cannot be distinguished
    /// from the real sender: a consistent master that is better by every rule of IEEE 1588, or
    /// packets with the address and SSRC of the stream. Only a list of acceptable masters or
    /// authentication prevents it.
    Recovery,
}

impl Row {
    const fn starting(self) -> Self {
        Self { meets: Meets::Starting, ..self }
    }

    const fn joining(self) -> Self {
        Self { meets: Meets::Joining, ..self }
    }

    const fn by_recovery(self) -> Self {
        Self { bar: Bar::Recovery, ..self }
    }
}

/// All rows, in the order of the table.
pub(in crate::attack) fn all() -> impl Iterator<Item = &'static Row> {
    clocks::ALL.iter().chain(streams::ALL)
}

/// What the attacker of a row forges.
pub(in crate::attack) fn forgery(name: &str) -> Option<Forgery> {
    all().find(|row| row.name == name)?.attack.forgery().map(|make| make())
}

impl Attack {
    pub(in crate::attack) fn forgery(&self) -> Option<fn() -> Forgery> {
        match self {
            Self::Forged(make) | Self::Fault(_, Some(make)) => Some(*make),
            Self::Fault(_, None) => None,
        }
    }
}
