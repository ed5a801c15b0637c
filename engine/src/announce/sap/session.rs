//! The identity of announced sessions.
//!
//! According to RFC 8866 (5.2), the `o=` line without its version identifies a session. In
//! practice, this is not enough: two announcers on one host may write the same line
//! (`o=- 0 0 IN IP4 127.0.0.1` in FFmpeg), lines may be truncated, and anybody can send another
//! host's line. So a session belongs to the host that announces it, which is identified by the
//! source address of its datagrams and the originating source in their header. An announcement with
//! the same `o=` line but another stream destination is a different session, unless its version has
//! increased.

use crate::announce::sdp::{Description, MAX_TEXT, Origin};
use std::fmt;
use std::net::IpAddr;

/// Identifies a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey {
    host: Host,
    session: SessionName,
    /// Distinguishes sessions with the same `o=` line.
    number: u16,
}

/// The announcing host: the source address of its datagrams, and the originating source in their
/// header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host {
    pub(super) from: IpAddr,
    pub(super) origin: IpAddr,
}

/// An `o=` line without its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionName {
    username: String,
    session_id: String,
    address: String,
}

impl SessionKey {
    pub(super) const fn new(host: Host, session: SessionName, number: u16) -> Self {
        Self { host, session, number }
    }

    /// The source address of the datagrams that announce the session.
    #[must_use]
    pub const fn from(&self) -> IpAddr {
        self.host.from
    }

    /// The originating source in the header of these datagrams (RFC 2974, 6), which is a different
    /// host if a proxy announces the session.
    #[must_use]
    pub const fn origin(&self) -> IpAddr {
        self.host.origin
    }

    /// Whether both sessions have the same `o=` line, whoever announces them.
    #[must_use]
    pub fn has_origin_of(&self, other: &Self) -> bool {
        self.session == other.session
    }

    pub(super) fn is_of(&self, host: Host) -> bool {
        self.host == host
    }

    pub(super) fn is_named(&self, session: &SessionName) -> bool {
        self.session == *session
    }

    pub(super) const fn number(&self) -> u16 {
        self.number
    }
}

impl SessionName {
    pub(super) fn of(origin: &Origin) -> Self {
        let Origin { username, session_id, address, .. } = origin;
        Self { username: username.clone(), session_id: session_id.clone(), address: address.clone() }
    }

    /// Reads the payload of a deletion, which is an `o=` line or a whole description.
    pub(super) fn of_payload(payload: &[u8]) -> Option<Self> {
        let payload = payload.get(..MAX_TEXT.min(payload.len()))?;
        Origin::find(payload).map(|origin| Self::of(&origin))
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SessionName { username, session_id, address } = &self.session;
        write!(f, "{session_id} of {username} at {address}, announced by {}", self.host.from)?;
        if self.number == 0 { Ok(()) } else { write!(f, " (the {}.)", self.number + 1) }
    }
}

/// The destination of the first leg of a description.
pub(super) fn place(description: &Description) -> Option<(IpAddr, u16)> {
    let leg = description.streams.first()?.legs.first()?;
    Some((leg.destination, leg.port))
}
