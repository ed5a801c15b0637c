//! Data that the two halves of a receiver exchange.

use crate::clock::MediaMap;
use crate::units::{LocalTime, MediaPosition, Nanos, Ppb};

/// The latest state of the control half, for the audio half.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ControlSnapshot {
    /// Number of restarts of the media timeline. Positions in different generations cannot be
    /// compared.
    pub generation: u32,
    /// Number of permanent shifts of the arrivals. Playout that is timed by arrivals follows each
    /// shift at once.
    pub shifts: u32,
    /// Map from host time to the media position of the packet that would arrive at that time
    /// without queueing delay.
    pub arrivals: Option<MediaMap>,
    /// Rate of the sender's media clock relative to the host's clock: the measured rate, or the
    /// best prior.
    pub media_rate: Ppb,
    /// Map from host time to media position, derived from PTP; `None` while the sender does not
    /// follow PTP or PTP is unusable.
    pub reference: Option<MediaMap>,
    /// Number of frames in the packet that began the timeline. An ideal sender sends a packet when
    /// it has captured this many frames, so the packet leaves this much later than its timestamp
    /// states.
    pub packet_frames: u32,
    /// Whether the packets contradict the stream's description, in which case this generation must
    /// not be played.
    pub silenced: bool,
}

/// Statistics that the audio half publishes after every callback.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PlayoutStats {
    /// Time of the last callback.
    pub at: LocalTime,
    /// Whether audio, or its concealment, is being played.
    pub started: bool,
    /// Generation of the media timeline that [`PlayoutStats::position`] belongs to; 0 before
    /// playout.
    pub generation: u32,
    /// Media position of the next frame to be played.
    pub position: MediaPosition,
    /// Deviation of the ratio of media frames to card frames from the nominal one, at the end of
    /// the last block.
    pub ratio: Ppb,
    /// Rate of the sound card relative to the host's clock.
    pub card_rate: Ppb,
    /// Phase error: how far playout lags its setpoint.
    pub phase_error: Nanos,
    /// The requested depth: the time from the arrival of a packet without queueing to its playout.
    pub requested_depth: Nanos,
    /// The current target depth: the requested one plus [`PlayoutStats::depth_increase`].
    pub target_depth: Nanos,
    /// The current increase of the target due to late packets.
    pub depth_increase: Nanos,
    /// The actual depth: how far playout is behind the arrivals at the last callback. The card's
    /// own latency is not included.
    pub actual_depth: Nanos,
    /// The actual link offset (AES67-2018, 7.5): the time from the instant that a frame's timestamp
    /// denotes to the callback that plays the frame. `None` while playout is timed by arrivals
    /// only.
    pub link_offset: Option<Nanos>,
    /// Duration of the contiguous audio after the read position at the last callback.
    pub fill: Nanos,
    /// Callbacks that needed audio that had not arrived.
    pub underruns: u64,
    /// Frames that were concealed, for any reason.
    pub concealed_frames: u64,
    /// Packets that arrived after the playout of their first frame, including those that were still
    /// played because the depth was increased. Duplicates are not counted.
    pub late_packets: u64,
    /// Packets that arrived after their playout and were not played.
    pub dropped_packets: u64,
    /// Packets that arrived twice.
    pub duplicate_packets: u64,
    /// Packets that were ahead of playout by more than the length of the buffer.
    pub early_packets: u64,
    /// Crossfaded jumps of the read position.
    pub jumps: u64,
}
