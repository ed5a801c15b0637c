//! What the two halves of a stream hand to each other.

use crate::clock::MediaMap;
use crate::rtp::format::MAX_PAYLOAD;
use crate::units::{Frames, LocalTime, MediaPosition, Nanos, Ppb, RtpTimestamp};

/// One packet's audio (or a piece of one that is longer than AES67's), still encoded, with its
/// place on the unwrapped media timeline. A plain value, so that it can be copied through a ring of
/// fixed size.
#[derive(Clone, Copy, Debug)]
pub struct MediaPacket {
    pub(super) generation: u32,
    pub(super) position: Frames,
    /// When it came.
    pub(super) at: LocalTime,
    pub(super) length: usize,
    pub(super) payload: [u8; MAX_PAYLOAD],
}

impl MediaPacket {
    /// The RTP timestamp of the first frame.
    pub(crate) fn timestamp(&self) -> RtpTimestamp {
        RtpTimestamp::from_frames(self.position)
    }

    /// The encoded audio.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload[..self.length]
    }
}

/// The control half's newest knowledge, for the audio half.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ControlSnapshot {
    /// Counts the restarts of the media timeline; positions of different generations cannot be
    /// compared.
    pub generation: u32,
    /// Counts the times that arrivals have shifted for good: what is played by them follows at
    /// once.
    pub shifts: u32,
    /// Host time to the media position whose packet arrives then without queueing.
    pub arrivals: Option<MediaMap>,
    /// Rate of the sender's media clock against the host's: as measured, or the best guess before.
    pub media_rate: Ppb,
    /// Host time to media position by way of PTP; `None` while the sender is not on PTP or PTP is
    /// not usable.
    pub reference: Option<MediaMap>,
    /// Frames of the packet that began the timeline: by how much a packet is sent after the time of
    /// its first frame.
    pub packet_frames: u32,
    /// Whether the packets contradict the stream's description: what came of this generation is not
    /// to be played.
    pub silenced: bool,
}

/// What the audio half tells of itself after every callback.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlayoutStats {
    /// When the last callback came.
    pub at: LocalTime,
    /// Whether audio (or concealment of it) is being played.
    pub started: bool,
    /// Which restart of the media timeline [`PlayoutStats::position`] belongs to; 0 before the
    /// first one is played.
    pub generation: u32,
    /// Media position of the next frame to be played.
    pub position: MediaPosition,
    /// Deviation from the nominal ratio of media frames per card frame at the end of the last
    /// block.
    pub ratio: Ppb,
    /// Rate of the sound card against the host's clock.
    pub card_rate: Ppb,
    /// How far playout is behind its target position.
    pub behind: Nanos,
    /// The depth that was asked for: how long a packet that met no queue waits until its playout.
    pub asked: Nanos,
    /// The depth aimed at now: what was asked for, and [`PlayoutStats::raised_by`].
    pub target: Nanos,
    /// By how much late packets have raised the target, as far as it has not been lowered again.
    pub raised_by: Nanos,
    /// The depth achieved: how far playout is behind the arrivals at the last callback. The card's
    /// own latency comes on top.
    pub achieved: Nanos,
    /// The link offset achieved (AES67-2018, 7.5): from the time that the sender stamped a frame
    /// with to the callback that plays it. `None` while the target is known by arrivals only.
    pub link_offset: Option<Nanos>,
    /// Contiguous audio found by the last callback, from the position it played on.
    pub fill: Nanos,
    /// Callbacks that needed audio which had not arrived.
    pub underruns: u64,
    /// Frames that were concealed, for whichever reason.
    pub concealed_frames: u64,
    /// Packets that arrived after their playout had begun and were not there for it. Those that a
    /// raised target still saved are among them.
    pub late_packets: u64,
    /// Packets that arrived after their playout and of which nothing could be played: a raised
    /// target did not save them.
    pub dropped_packets: u64,
    /// Packets that arrived twice.
    pub duplicate_packets: u64,
    /// Packets that lay further ahead than the buffer is long.
    pub early_packets: u64,
    /// Crossfaded jumps of the read position.
    pub jumps: u64,
}
