//! What can happen during a run.

use super::value::{
    CallbackFrames, MessagesPerSecond, Micros, Millis, PacketFrames, PartsPerMillion, Period, Probability,
    RtpPayloadType, Seconds, SlewPpm, SmallCount, StepMicros, StepMillis,
};
use super::{Attack, Jitter, Lies, RateLimit, Stall};
use engine::Nanos;
use serde::Deserialize;
use toml::Spanned;

/// Something that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    pub at_s: Spanned<Seconds>,
    /// How long it lasts; to the end of the run if not given.
    pub for_s: Option<Seconds>,
    /// Time from one beginning to the next, to the end of the run; it happens once if not given.
    pub every_s: Option<Period>,
    /// What happens.
    pub what: FaultKind,
}

/// What can happen.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The grandmaster is silent.
    GrandmasterLost,
    /// Every other master is silent.
    RivalsLost,
    /// The grandmaster's time jumps by so much, and stays there.
    GrandmasterStepUs(StepMicros),
    /// The grandmaster starts anew, with another time: a device that counts its uptime.
    GrandmasterRestart(Restart),
    /// No master answers Delay_Reqs.
    DelayRequestsUnanswered,
    /// PTP takes longer by so much.
    PtpDelay(ExtraDelay),
    /// The grandmaster's next Sync, and nothing else, is later by so much.
    LateSyncUs(Micros),
    /// The network is down: every packet is lost, of every path and direction.
    NetworkLost,
    /// Every packet of the stream is lost, on every leg.
    MediaLost,
    /// Every packet of one leg is lost.
    LegLost(MediaLeg),
    /// Every packet of the media is on its way for so much longer: another route.
    MediaDelayMs(Millis),
    /// The paths of the media delay packets like this instead of as they do.
    MediaJitter(Jitter),
    /// The sender is silent, and then starts anew: with a random sequence number and a random
    /// offset of its RTP timestamps.
    TalkerRestart(TalkerRestart),
    /// The sender stands still for so long and goes on where it was, with contiguous timestamps; if
    /// negative, it catches up by so much: what it had left to send leaves at once.
    TalkerSlipMs(StepMillis),
    /// The sender's SSRC changes from one packet to the next, and nothing else.
    SsrcChange,
    /// Another sender sends to the stream's group: the same format, timestamps of the same clock,
    /// another place of the programme.
    SecondSender,
    /// The host learns of packets by this lateness instead of its own.
    HostReceiveJitter(Jitter),
    /// The host's packets leave by this lateness instead of its own.
    HostTransmitJitter(Jitter),
    /// The paths of the media stall like this instead of as they do.
    MediaStall(Stall),
    /// The host's crystal changes its rate by so much, evenly over the fault's time, and keeps it:
    /// a host that warms up.
    HostClockRampPpm(PartsPerMillion),
    /// Likewise the sound card's crystal.
    CardClockRampPpm(PartsPerMillion),
    /// The sound card runs dry after the block that it plays: for so long it plays silence, and
    /// playout is behind by that from then on.
    CardXrunMs(Millis),
    /// No callback comes; those that were due come at once when it ends. The card's buffer covers
    /// for it.
    CallbacksStalled,
    /// Callbacks ask for so many frames instead.
    CallbackFrames(CallbackFrames),
    /// The host stands still now and then, as virtual machines and busy ones do: what comes
    /// meanwhile is read when it goes on, and so are timers. The sound card plays out the block
    /// that it has, and is silent then.
    HostStalls(Stall),
    /// The program's thread that reads the stream is held up: what comes meanwhile is read at once
    /// when it goes on. All other threads run.
    MediaThreadHeld,
    /// The same now and then.
    MediaThreadStalls(Stall),
    /// The host sleeps: no packet, no timer, no callback, and the sound card is off.
    HostSuspended(Suspend),
    /// A time service slews the host's clocks by so much, the monotonic one and the wall clock:
    /// Linux's `CLOCK_MONOTONIC`.
    HostClockSlewPpm(SlewPpm),
    /// The host's clocks step by so much, the monotonic one and the wall clock: a virtual machine
    /// that moves to another computer, or goes back to a snapshot.
    HostClockStepMs(StepMillis),
    /// The virtual machine that is the host is paused: as when it stands still, but its clocks do,
    /// too.
    HostPaused,
    /// A time service slews the host's wall clock by so much, and no other clock.
    WallClockSlewPpm(SlewPpm),
    /// The host's wall clock is set, and differs by so much from then on.
    WallClockStepMs(StepMillis),

    // Faults of the catalogue's network, PTP, RTP and devices.
    /// The paths of the media have a narrow link, with a queue that drops what finds it full.
    MediaRateLimit(RateLimit),
    /// The paths of the media carry every so many-th packet twice, counted from the fault's
    /// beginning: a switch that mirrors a port, or a loop that spanning tree has not yet cut.
    MediaDuplicated(EveryNth),
    /// Nobody on the network queries for members of multicast groups any more, and the switches
    /// forget those of which they hear nothing.
    IgmpQuerierMissing,
    /// Every Follow_Up is handled before its Sync, as if it came by a faster queue.
    FollowUpBeforeSync,
    /// Some device sends to the PTP ports what is no PTP message.
    PtpMalformed(Malformed),
    /// The host does not tell when it sent a share of the Delay_Reqs.
    TransmitStampsMissing(Stamps),
    /// The host tells so later, as drivers do that poll the network card: mostly after the answer
    /// has come.
    TransmitStampsLateUs(Micros),
    /// The sender's packets have so many frames instead.
    PacketFrames(PacketFrames),
    /// The sender's packets have another payload type instead.
    WrongPayloadType(RtpPayloadType),
    /// The sound card is gone (unplugged, reset), and with it everything that it would have played
    /// until it is back.
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

    /// Whether it befalls the audio chain, and nothing else.
    #[must_use]
    pub fn needs_chain(&self) -> bool {
        matches!(self, Self::CardXrunMs(_) | Self::CallbacksStalled | Self::CallbackFrames(_) | Self::CardLost)
    }

    /// Whether it befalls the model of the talker, and nothing else.
    #[must_use]
    pub fn needs_talker(&self) -> bool {
        matches!(self, Self::PacketFrames(_) | Self::WrongPayloadType(_) | Self::TalkerSlipMs(_))
    }
}

/// What sleep is to the host's monotonic clock.
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

/// Packets of which every so many-th is carried twice.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EveryNth {
    /// From one packet that is carried twice to the next: with 1 all are, with 10 the 10th, the
    /// 20th and so on.
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
    /// Whether it comes back with another SSRC, as RFC 3550 wants it; some keep a configured one.
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
    /// Datagrams a second.
    pub per_s: MessagesPerSecond,
}

impl Malformed {
    /// From one to the next.
    #[must_use]
    pub fn interval(&self) -> Nanos {
        Nanos::from_secs_f64(1.0 / self.per_s.get())
    }
}

/// Transmit stamps that a host does not give.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamps {
    /// Share of the Delay_Reqs whose transmit timestamp is missing.
    pub share: Probability,
}

/// Delay that comes on top, in each direction.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtraDelay {
    /// From the masters to the receiver.
    pub down_us: Micros,
    /// From the receiver to the masters.
    pub up_us: Micros,
}
