//! Faults and other events during a run.

use super::value::{
    CallbackFrames, MessagesPerSecond, Micros, Millis, PacketFrames, PartsPerMillion, Period, Probability,
    RtpPayloadType, Seconds, SlewPpm, SmallCount, StepMicros, StepMillis,
};
use super::{Attack, Jitter, Lies, RateLimit, Stall};
use engine::Nanos;
use serde::Deserialize;
use toml::Spanned;

/// An event during a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    pub at_s: Spanned<Seconds>,
    /// Its duration; to the end of the run if not given.
    pub for_s: Option<Seconds>,
    /// Time from one beginning to the next, to the end of the run; it happens once if not given.
    pub every_s: Option<Period>,
    /// The kind of event.
    pub what: FaultKind,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The grandmaster is silent.
    GrandmasterLost,
    /// Every other master is silent.
    RivalsLost,
    /// The grandmaster's time jumps by this much, for good.
    GrandmasterStepUs(StepMicros),
    /// The grandmaster restarts with another time: a device that counts its uptime.
    GrandmasterRestart(Restart),
    /// No master answers Delay_Reqs.
    DelayRequestsUnanswered,
    /// PTP messages take longer by this much.
    PtpDelay(ExtraDelay),
    /// Only the grandmaster's next Sync is later by this much.
    LateSyncUs(Micros),
    /// The network is down: every packet is lost, on every path in either direction.
    NetworkLost,
    /// Every packet of the stream is lost, on every leg.
    MediaLost,
    /// Every packet of one leg is lost.
    LegLost(MediaLeg),
    /// Every media packet takes longer by this much: another route.
    MediaDelayMs(Millis),
    /// The delays of the media paths are replaced by these.
    MediaJitter(Jitter),
    /// The sender is silent, and then restarts with a random sequence number and a random offset of
    /// its RTP timestamps.
    TalkerRestart(TalkerRestart),
    /// The sender pauses for this long and continues where it was, with contiguous timestamps. If
    /// negative, it catches up by this much: the packets of that time leave at once.
    TalkerSlipMs(StepMillis),
    /// Only the sender's SSRC changes, from one packet to the next.
    SsrcChange,
    /// Another sender sends to the stream's group: the same format, timestamps of the same clock,
    /// another position of the programme.
    SecondSender,
    /// The lateness with which the host learns of packets is replaced by this.
    HostReceiveJitter(Jitter),
    /// The lateness with which the host's packets leave is replaced by this.
    HostTransmitJitter(Jitter),
    /// The stalls of the media paths are replaced by these.
    MediaStall(Stall),
    /// The host's crystal changes its rate by this much, evenly over the fault's time, and keeps
    /// it: a host that warms up.
    HostClockRampPpm(PartsPerMillion),
    /// Likewise the sound card's crystal.
    CardClockRampPpm(PartsPerMillion),
    /// The sound card has nothing to play after the present block: it plays silence for this long,
    /// and playout is behind by that from then on.
    CardXrunMs(Millis),
    /// No callback comes; those that were due come at once when it ends. The card's buffer bridges
    /// the time.
    CallbacksStalled,
    /// The number of frames per callback is replaced by this.
    CallbackFrames(CallbackFrames),
    /// The host stands still at intervals, as virtual machines and busy hosts do: datagrams and
    /// timers of that time are handled when it resumes. The sound card plays the block that it has,
    /// and is silent then.
    HostStalls(Stall),
    /// The program's thread that reads the stream is delayed: datagrams of that time are read at
    /// once when it resumes. All other threads run.
    MediaThreadHeld,
    /// The same at intervals.
    MediaThreadStalls(Stall),
    /// The host sleeps: no packet, no timer, no callback, and the sound card is off.
    HostSuspended(Suspend),
    /// A time service slews the host's clocks by this much, the monotonic one and the wall clock:
    /// Linux's `CLOCK_MONOTONIC`.
    HostClockSlewPpm(SlewPpm),
    /// The host's clocks step by this much, the monotonic one and the wall clock: a virtual machine
    /// that is migrated or restored from a snapshot.
    HostClockStepMs(StepMillis),
    /// The virtual machine that is the host is paused: it stands still, and so do its clocks.
    HostPaused,
    /// A time service slews only the host's wall clock by this much.
    WallClockSlewPpm(SlewPpm),
    /// The host's wall clock is set, and differs by this much from then on.
    WallClockStepMs(StepMillis),

    // Faults of the catalogue's network, PTP, RTP and devices. The media paths have a narrow link,
    // whose queue drops packets that find it full.
    /// The paths of the media have a narrow link, with a queue that drops what finds it full.
    MediaRateLimit(RateLimit),
    /// The media paths duplicate every n-th packet, counted from the fault's beginning: a switch
    /// that mirrors a port, or a loop that spanning tree has not yet cut.
    MediaDuplicated(EveryNth),
    /// Nobody on the network queries for members of multicast groups any more, and the switches
    /// forget groups without reports.
    IgmpQuerierMissing,
    /// Every Follow_Up is handled before its Sync, as if it came by a faster queue.
    FollowUpBeforeSync,
    /// A device sends datagrams to the PTP ports that are not PTP messages.
    PtpMalformed(Malformed),
    /// The host does not report the departure time of a share of the Delay_Reqs.
    TransmitStampsMissing(Stamps),
    /// The host reports the departure time later, as drivers do that poll the network card: mostly
    /// after the answer has come.
    TransmitStampsLateUs(Micros),
    /// The number of frames in the sender's packets is replaced by this.
    PacketFrames(PacketFrames),
    /// The payload type of the sender's packets is replaced by this.
    WrongPayloadType(RtpPayloadType),
    /// The sound card has disappeared (unplugged, reset), and with it everything that it would have
    /// played until it is back.
    CardLost,

    // Malice.
    /// The grandmaster lies.
    GrandmasterLies(Lies),
    /// A stranger on the network attacks PTP or the stream.
    Attack(Attack),
}

impl FaultKind {
    /// Whether it happens at one time, and does not last.
    #[must_use]
    pub fn is_instant(&self) -> bool {
        matches!(
            self,
            Self::GrandmasterStepUs(_)
                | Self::GrandmasterRestart(_)
                | Self::LateSyncUs(_)
                | Self::SsrcChange
                | Self::TalkerSlipMs(_)
                | Self::CardXrunMs(_)
                | Self::HostClockStepMs(_)
                | Self::WallClockStepMs(_)
        )
    }

    /// Whether it affects only the audio chain.
    #[must_use]
    pub fn needs_chain(&self) -> bool {
        matches!(self, Self::CardXrunMs(_) | Self::CallbacksStalled | Self::CallbackFrames(_) | Self::CardLost)
    }

    /// Whether it affects only the model of the talker.
    #[must_use]
    pub fn needs_talker(&self) -> bool {
        matches!(self, Self::PacketFrames(_) | Self::WrongPayloadType(_) | Self::TalkerSlipMs(_))
    }
}

/// The effect of sleep on the host's monotonic clock.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspend {
    /// Whether it counts the time asleep.
    pub monotonic_clock: MonotonicClock,
}

/// Monotonic clocks in sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MonotonicClock {
    /// It stops: Linux's `CLOCK_MONOTONIC`, macOS's `mach_absolute_time`.
    Stops,
    /// It goes on: Windows' performance counter, Linux's `CLOCK_BOOTTIME`.
    GoesOn,
}

impl Fault {
    /// Beginning and end of every time that it happens in a run of some length; no end if it lasts.
    pub fn times(&self, duration: Nanos) -> impl Iterator<Item = (Nanos, Option<Nanos>)> {
        let every = self.every_s.map(|every| every.nanos()).filter(|&every| every > Nanos::ZERO);
        let length = self.for_s.map(|length| length.nanos());
        let begins = std::iter::successors(Some(self.at_s.as_ref().nanos()), move |&at| Some(at + every?));
        begins.take_while(move |&at| at <= duration).map(move |at| (at, length.map(|length| at + length)))
    }
}

/// Duplication of every n-th packet.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EveryNth {
    /// Distance between duplicated packets: with 1 all are duplicated, with 10 the 10th, the 20th
    /// and so on.
    pub every_packets: SmallCount,
    /// How much later than the packet its copy arrives.
    #[serde(default)]
    pub later_ms: Millis,
}

/// A restart of the grandmaster.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Its time then, seconds since the epoch.
    pub time_s: Seconds,
}

/// A restart of the sender.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TalkerRestart {
    /// Whether it returns with another SSRC, as RFC 3550 requires; some senders keep a configured
    /// one.
    pub new_ssrc: bool,
}

/// One of the two networks of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaLeg {
    /// `[network.media]`.
    A,
    /// `[network.media_b]`.
    B,
}

/// A device that disturbs PTP.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Malformed {
    /// Datagrams per second.
    pub per_s: MessagesPerSecond,
}

impl Malformed {
    /// From one to the next.
    #[must_use]
    pub fn interval(&self) -> Nanos {
        Nanos::from_secs_f64(1.0 / self.per_s.get())
    }
}

/// Missing transmit stamps of a host.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamps {
    /// Share of the Delay_Reqs whose transmit timestamp is missing.
    pub share: Probability,
}

/// Additional delay in each direction.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtraDelay {
    /// From the masters to the receiver.
    pub down_us: Micros,
    /// From the receiver to the masters.
    pub up_us: Micros,
}
