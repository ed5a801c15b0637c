//! The sender, which writes the packets of a stream when they are due.
//!
//! Contract (sans-IO): call [`Sender::set_clock`] with the timeline whenever the reference has been
//! advanced. When [`Sender::poll_timeout`] is due, call [`Sender::handle_timeout`], which pulls the
//! audio for one packet from the source, and drain [`Sender::poll_transmit`]. Repeat this while the
//! timeout is due: a late caller may have several packets to send.

use super::config::{SenderConfig, SenderError};
use super::lateness::LatenessHistogram;
use super::pacing::Pacer;
use super::packetizer::{Packetizer, Source};
use crate::clock::Reference;
use crate::rtp::leg::Leg;
use crate::rtp::wire::Ssrc;
use crate::units::{Frames, LocalTime};
use std::net::SocketAddr;

/// A packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// The leg on which it is sent.
    pub leg: Leg,
    /// Its destination.
    pub destination: SocketAddr,
    /// The packet.
    pub datagram: &'a [u8],
}

/// Counters of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderStats {
    /// Packets written. With two legs, each packet is sent twice.
    pub packets: u64,
    /// Number of times that the stream has jumped because its reference timeline has stepped.
    pub realignments: u64,
    /// The last jump; negative if the stream jumped back.
    pub last_jump: Frames,
    /// Packets that were skipped because the caller was too late.
    pub skipped_packets: u64,
    /// Packets that were never sent on a leg, because the caller had not polled them before the
    /// next packet was written.
    pub unsent: u64,
    /// Lateness of packets when they were written.
    pub lateness: LatenessHistogram,
}

/// Sends one stream.
///
/// ```
/// use engine::clock::{ClockMap, ClockReading, LockState, PathDelay, PtpMap, Reference, ReferenceConfig, Sources};
/// use engine::rtp::format::{Encoding, StreamFormat};
/// use engine::rtp::wire::RtpPacket;
/// use engine::send::{Sender, SenderConfig};
/// use engine::{Frames, LocalTime, PtpTime, SampleRate};
///
/// let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2)?;
/// let mut sender = Sender::new(SenderConfig::new(format, ([239, 69, 0, 1], 5004).into(), 0xE27))?;
/// assert_eq!(sender.poll_timeout(), None, "there is no time yet");
///
/// let mut reference = Reference::new(ReferenceConfig::default());
/// let now = LocalTime::from_nanos(5_000_000);
/// let map = PtpMap::new(now, PtpTime::from_timestamp(1_790_000_000, 0), ClockMap::default());
/// let ptp = ClockReading { state: LockState::Locked, map: Some(map), epoch: 0, path_delay: PathDelay::Measured };
/// reference.advance(now, &Sources { ptp: Some(ptp), ..Sources::default() });
/// sender.set_clock(now, &reference);
///
/// let due = sender.poll_timeout().unwrap();
/// sender.handle_timeout(due, &mut |_first: Frames, out: &mut [f32]| out.fill(0.5));
/// let transmit = sender.poll_transmit().unwrap();
/// let packet = RtpPacket::parse(transmit.datagram).unwrap();
/// assert_eq!(packet.header.timestamp.get(), (1_790_000_000u64 * 48_000) as u32);
/// assert_eq!(packet.payload.len(), 48 * 6);
/// assert_eq!(sender.poll_transmit(), None, "one leg");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sender {
    config: SenderConfig,
    pacer: Pacer,
    packetizer: Packetizer,
    /// Whether the next packet does not follow the last one on the media timeline.
    discontinuous: bool,
    /// The legs on which the last packet is yet to be sent, in order.
    pending: [bool; 2],
    stats: SenderStats,
}

impl Sender {
    /// Creates a sender that does not know the time yet.
    ///
    /// # Errors
    /// If the stream cannot be sent as configured.
    pub fn new(config: SenderConfig) -> Result<Self, SenderError> {
        let frames = config.check()?;
        Ok(Self {
            config,
            pacer: Pacer::new(config.sample_rate(), frames, config.delay),
            packetizer: Packetizer::new(&config)?,
            discontinuous: false,
            pending: [false; 2],
            stats: SenderStats::default(),
        })
    }

    /// Follows the reference's timeline, whatever its source: while PTP is lost, the timeline
    /// continues without a jump, and so does the stream. If the reference may fall back to another
    /// clock, its timeline may also pace the stream before PTP time is known. The timestamps are
    /// then on an arbitrary timescale, and [`Reference::reading`] has no map.
    ///
    /// A new epoch means that PTP time itself has stepped. Timestamps must be PTP time
    /// (RFC 7273, 5.2), so the stream jumps once to the packet that is due next on the new
    /// timeline, unless this packet is at most one packet away from the planned one. SSRC and
    /// sequence numbers continue, and the first packet after the jump has the marker bit, which for
    /// audio indicates that the difference from the previous timestamps has no meaning
    /// (RFC 3551, 4.1). A new SSRC would comply more strictly with RFC 3550 (3: one timing space
    /// per SSRC), but receivers, including ours, would mistake it for a second sender in the group
    /// and refuse it until the first one had been silent for some time.
    pub fn set_clock(&mut self, now: LocalTime, reference: &Reference) {
        let Some(timeline) = reference.timeline() else { return };
        if let Some(jump) = self.pacer.set_clock(now, timeline, reference.reading().epoch) {
            self.stats.realignments += 1;
            self.stats.last_jump = jump;
            self.discontinuous = true;
        }
    }

    /// When [`Sender::handle_timeout`] is due next; `None` while the time is not known.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        self.pacer.due()
    }

    /// Writes the packet that is due at `now`, if one is.
    pub fn handle_timeout(&mut self, now: LocalTime, source: &mut impl Source) {
        let skipped = self.pacer.skip_late(now);
        self.stats.skipped_packets += skipped;
        self.discontinuous |= skipped > 0 && self.stats.packets > 0;
        let Some(due) = self.pacer.due().filter(|&due| due <= now) else { return };
        self.stats.unsent += self.pending.iter().filter(|&&pending| pending).count() as u64;
        self.stats.lateness.record(now.since(due));
        self.packetizer.packetize(self.pacer.next(), self.discontinuous, source);
        self.pacer.advance();
        self.discontinuous = false;
        self.pending = Leg::ALL.map(|leg| self.config.destination(leg).is_some());
        self.stats.packets += 1;
    }

    /// The next packet to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        let leg = Leg::ALL.into_iter().find(|&leg| self.pending[leg as usize])?;
        self.pending[leg as usize] = false;
        let destination = self.config.destination(leg)?;
        Some(Transmit { leg, destination, datagram: self.packetizer.datagram() })
    }

    /// Chooses a new SSRC, because a packet with ours has arrived from another address (RFC 3550,
    /// 8.2).
    pub fn resolve_collision(&mut self) {
        self.packetizer.renew_ssrc();
    }

    /// The stream's configuration.
    #[must_use]
    pub const fn config(&self) -> &SenderConfig {
        &self.config
    }

    /// The SSRC of the stream.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.packetizer.ssrc()
    }

    /// Media position of the next packet.
    #[must_use]
    pub const fn position(&self) -> Frames {
        self.pacer.next()
    }

    /// The counters.
    #[must_use]
    pub const fn stats(&self) -> &SenderStats {
        &self.stats
    }
}
