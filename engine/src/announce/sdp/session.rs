//! The session description of a stream that we send.
//!
//! The description must state the grandmaster that the timestamps actually follow: an outdated
//! grandmaster is the most common fault in descriptions, and receivers refuse streams with this
//! fault. So the caller must report every change of the clock, and announce the session again after
//! a change.

use super::{Description, LegDescription, MediaClockSource, Origin, ReferenceClock, StreamDescription};
use crate::rtp::leg::Leg;
use crate::send::{SenderConfig, SenderError};
use std::net::IpAddr;

/// Our own session: a stream that is sent, and its description, whose version increases with every
/// change.
///
/// ```
/// use engine::SampleRate;
/// use engine::announce::sdp::{ReferenceClock, Session};
/// use engine::ptp::wire::ClockIdentity;
/// use engine::rtp::format::{Encoding, StreamFormat};
/// use engine::send::SenderConfig;
/// let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2)?;
/// let config = SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 1);
/// let mut session = Session::new(&config, [192, 0, 2, 1].into(), 1_790_000_000, "Studio 1", 32)?;
/// let grandmaster = ReferenceClock::ptp(ClockIdentity([0, 0x1B, 0x21, 0xFF, 0xFE, 0x0A, 0x67, 1]), 0);
/// assert!(session.set_clock(&grandmaster), "announce it again");
/// assert!(!session.set_clock(&grandmaster), "nothing new");
/// assert!(session.to_sdp().contains("o=- 1790000000 1790000001 IN IP4 192.0.2.1\r\n"));
/// assert!(session.to_sdp().contains("a=ts-refclk:ptp=IEEE1588-2008:00-1B-21-FF-FE-0A-67-01:0\r\na=mediaclk:direct=0\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    description: Description,
    media_clock_offset: u32,
}

impl Session {
    /// Creates a session whose clock is not known yet. `started_s` is its start time in seconds,
    /// which becomes both the identifier and the first version of the session, so that both
    /// increase when the sender is restarted (RFC 8866, 5.2).
    ///
    /// # Errors
    /// If the stream cannot be sent as configured.
    pub fn new(config: &SenderConfig, host: IpAddr, started_s: u64, name: &str, ttl: u8) -> Result<Self, SenderError> {
        let frames = config.packet_frames()?;
        let leg = |leg| {
            let destination = config.destination(leg)?;
            let address = destination.ip();
            Some(LegDescription {
                destination: address,
                port: destination.port(),
                ttl: (address.is_ipv4() && address.is_multicast()).then_some(ttl),
                source: None,
                reference_clock: own_clock(),
            })
        };
        let stream = StreamDescription {
            format: config.format,
            payload_type: config.payload_type.get(),
            alternative_payload_type: None,
            packet_frames: Some(frames),
            max_packet_frames: Some(frames),
            media_clock: MediaClockSource::Sender,
            channel_order: Some(channel_order(config.format.channels())),
            legs: Leg::ALL.into_iter().filter_map(leg).collect(),
        };
        let origin = Origin {
            username: "-".to_owned(),
            session_id: started_s.to_string(),
            version: started_s,
            address: host.to_string(),
        };
        let name = session_name(name, &stream);
        let description = Description { origin, name, information: None, streams: vec![stream] };
        Ok(Self { description, media_clock_offset: config.media_clock_offset })
    }

    /// Sets the clock of the timestamps on both legs. Returns whether it has changed, in which case
    /// the session must be announced again. If the clock is not PTP, the timestamps are described
    /// as the sender's own time. The same applies to an unknown clock, which is written as `local`
    /// (RFC 7273, 4.8).
    pub fn set_clock(&mut self, clock: &ReferenceClock) -> bool {
        let offset = self.media_clock_offset;
        let clock = &if *clock == ReferenceClock::Unknown { own_clock() } else { clock.clone() };
        let media_clock = if clock.is_ptp() { MediaClockSource::Direct { offset } } else { MediaClockSource::Sender };
        let mut changed = false;
        for stream in &mut self.description.streams {
            changed |= stream.media_clock != media_clock;
            stream.media_clock = media_clock;
            for leg in &mut stream.legs {
                changed |= leg.reference_clock != *clock;
                leg.reference_clock = clock.clone();
            }
        }
        self.revise(changed)
    }

    /// Sets the name and the information. Returns whether they have changed.
    pub fn rename(&mut self, name: &str, information: Option<&str>) -> bool {
        let name = session_name(name, &self.description.streams[0]);
        let changed = self.description.name != name || self.description.information.as_deref() != information;
        self.description.name = name;
        self.description.information = information.map(str::to_owned);
        self.revise(changed)
    }

    /// The description.
    #[must_use]
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// The text to announce.
    #[must_use]
    pub fn to_sdp(&self) -> String {
        self.description.to_sdp()
    }

    fn revise(&mut self, changed: bool) -> bool {
        self.description.origin.version += u64::from(changed);
        changed
    }
}

/// The sender's own clock.
fn own_clock() -> ReferenceClock {
    ReferenceClock::Other("local".to_owned())
}

/// The name or, if there is none, the destination of the stream, because some receivers do not show
/// a session without a name (`s=-`).
fn session_name(name: &str, stream: &StreamDescription) -> String {
    let is_name = name.chars().any(|c| !c.is_whitespace() && !c.is_control()) && name.trim() != "-";
    let leg = stream.legs.first().filter(|_| !is_name);
    leg.map_or_else(|| name.to_owned(), |leg| format!("{}:{}", leg.destination, leg.port))
}

/// The default channel order for this number of channels: mono, stereo, or otherwise undefined
/// (SMPTE ST 2110-30, 6.2.2).
fn channel_order(channels: usize) -> String {
    match channels {
        1 => "SMPTE2110.(M)".to_owned(),
        2 => "SMPTE2110.(ST)".to_owned(),
        _ => format!("SMPTE2110.(U{channels:02})"),
    }
}
