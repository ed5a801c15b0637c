//! Explains to the user, in one sentence, why there is no clock.
//!
//! Purpose: if a port follows no master, or its clock does not lock, the received messages usually
//! show the reason: they come from masters in another domain, belong to another protocol on the
//! same UDP ports, or are incomplete. A [`Diagnosis`] states the reason that the user can most
//! easily remedy; it is displayed as a sentence.

mod unusable;

pub(super) use unusable::{Unusable, What};

use super::authentication::Unauthenticated;
use super::plausibility::Fault;
use super::transmit::PeerAddress;
use super::wire::{ClockIdentity, PortIdentity};
use crate::clock::LockCause;
use crate::units::Nanos;
use std::fmt;

/// Why a port has no clock.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Diagnosis {
    /// There is no master in our domain.
    NoMaster {
        /// Our domain.
        domain: u8,
        /// Messages that are received instead.
        instead: Instead,
    },
    /// The clock is locked, but not to the grandmaster in a stream's description.
    OtherGrandmaster {
        /// The grandmaster that is followed.
        followed: ClockIdentity,
        /// The grandmaster in the description.
        described: ClockIdentity,
    },
    /// A master is selected, but the clock does not lock to it.
    Master {
        /// The grandmaster of the selected master.
        grandmaster: ClockIdentity,
        /// The problem.
        trouble: Trouble,
    },
}

/// Messages that are received when there is no master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instead {
    /// No PTP message.
    Nothing,
    /// One Announce; two are required (IEEE 1588-2019, 9.3.2.4.5).
    OneAnnounce(ClockIdentity),
    /// A grandmaster behind too many boundary clocks (IEEE 1588-2019, 9.3.2.5).
    TooFar {
        /// The grandmaster.
        grandmaster: ClockIdentity,
        /// stepsRemoved.
        steps_removed: u16,
    },
    /// Syncs, but no Announce.
    Unannounced(PortIdentity),
    /// Grandmasters in other domains.
    OtherDomain {
        /// The grandmaster and its domain.
        first: (ClockIdentity, u8),
        /// A second grandmaster and its domain, if there is one.
        second: Option<(ClockIdentity, u8)>,
    },
    /// Only masters with the alternateMasterFlag.
    AlternateMaster(ClockIdentity),
    /// Messages with another majorSdoId, such as 1 for IEEE 802.1AS.
    OtherSdo {
        /// The sender.
        sender: PortIdentity,
        /// majorSdoId.
        major_sdo_id: u8,
    },
    /// Messages that are not signed with our key.
    Unauthenticated {
        /// The sender.
        sender: PortIdentity,
        /// The reason for the refusal.
        reason: Unauthenticated,
    },
    /// Messages of PTP version 1.
    Version1(PeerAddress),
    /// A unicast master does not answer.
    UnicastUnanswered {
        /// The master.
        master: PeerAddress,
        /// Requests for Announces since its last answer.
        requests: u32,
    },
    /// A unicast master refuses to serve us.
    UnicastDenied(PeerAddress),
    /// Masters that the user does not accept.
    Refused {
        /// The sender of the Announces.
        sender: PortIdentity,
        /// The address of that sender.
        source: PeerAddress,
    },
}

/// A problem with the selected master.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Trouble {
    /// The master sends no Syncs.
    NoSync,
    /// The master's Syncs announce Follow_Ups, but none arrive.
    NoFollowUp,
    /// The master's messages do not agree with each other.
    Fault(Fault),
    /// The clock servo rejects the master's time.
    Servo(LockCause),
    /// The master answers no Delay_Req.
    NoAnswer {
        /// Number of consecutive unanswered requests.
        requests: u32,
    },
    /// The master answers, but the departure time of our Delay_Reqs is unknown.
    NoTransmitTimestamp,
    /// The master's Syncs are so rare that the clock has not locked yet.
    FewSyncs {
        /// Interval between Syncs.
        interval: Nanos,
    },
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMaster { domain, instead } => write!(f, "no master in domain {domain}{instead}"),
            Self::OtherGrandmaster { followed, described } => write!(
                f,
                "grandmaster {followed} is followed, but the stream's description names {described}: their times may differ"
            ),
            Self::Master { grandmaster, trouble } => write!(f, "grandmaster {grandmaster}: {trouble}"),
        }
    }
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str(", and no other PTP is heard"),
            Self::OneAnnounce(grandmaster) => {
                write!(f, " yet: {grandmaster} has announced itself once, it takes twice")
            }
            Self::TooFar { grandmaster, steps_removed } => write!(
                f,
                ", but {grandmaster} is {steps_removed} boundary clocks away: stepsRemoved may be 254 at most"
            ),
            Self::Unannounced(sender) => write!(
                f,
                ", but Syncs of {sender} arrive on UDP port 319: its Announces on UDP port 320 do not, which may be blocked"
            ),
            Self::OtherDomain { first: (grandmaster, domain), second } => {
                write!(f, ", but {grandmaster} is in domain {domain}")?;
                second.map_or(Ok(()), |(grandmaster, domain)| write!(f, " and {grandmaster} in domain {domain}"))
            }
            Self::AlternateMaster(grandmaster) => {
                write!(f, ", but {grandmaster} is announced as an alternate master only")
            }
            Self::OtherSdo { sender, major_sdo_id: 1 } => {
                write!(f, ", but {sender} speaks IEEE 802.1AS (gPTP), which AES67 does not follow")
            }
            Self::OtherSdo { sender, major_sdo_id } => {
                write!(f, ", but {sender} speaks another profile of PTP (majorSdoId {major_sdo_id})")
            }
            Self::Unauthenticated { sender, reason } => {
                write!(f, ", but messages of {sender} arrive that cannot be authenticated: {reason}")
            }
            Self::Refused { sender, source } => {
                write!(
                    f,
                    ", but {sender} at {source} is, which is not among the masters and addresses that are accepted"
                )
            }
            Self::UnicastUnanswered { master, requests } => {
                let times = if *requests == 1 { "time" } else { "times" };
                write!(
                    f,
                    ": unicast master {master} was asked {requests} {times} on UDP port 320, and has not answered"
                )
            }
            Self::UnicastDenied(master) => {
                write!(f, ": unicast master {master} denies Announces, as masters do that have no free places")
            }
            Self::Version1(from) => {
                write!(f, ", but {from} speaks PTP version 1, as Dante does where its AES67 mode is off")
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSync => {
                f.write_str("it announces itself, but no Sync arrives on UDP port 319, which may be blocked")
            }
            Self::NoFollowUp => f.write_str(
                "its Syncs say that Follow_Ups tell their time, but none arrives on UDP port 320, which may be blocked",
            ),
            Self::Fault(fault) => fault.fmt(f),
            Self::Servo(cause) => cause.fmt(f),
            Self::NoAnswer { requests } => {
                write!(f, "it has not answered {requests} Delay_Reqs, so the path delay is not known")
            }
            Self::NoTransmitTimestamp => {
                f.write_str("nobody tells when our Delay_Reqs leave this host, so the path delay is not known")
            }
            Self::FewSyncs { interval } => write!(f, "its Syncs come only every {interval}"),
        }
    }
}
