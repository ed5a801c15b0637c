//! Expectations: limits on the behaviour of a receiver, with the spans in which they hold.

use super::value::{LimitValue, Seconds, Tau};
use super::{Mask, ObservedClock};
use serde::{Deserialize, Serialize};
use std::fmt;
use toml::Spanned;

/// A limit. At least one of `min` and `max` is given, or a mask.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The receiver, by name.
    pub receiver: Spanned<String>,
    /// The metric.
    pub metric: Spanned<Metric>,
    /// Smallest permitted value.
    pub min: Option<LimitValue>,
    /// Largest permitted value.
    pub max: Option<LimitValue>,
    /// The clock, of `adev_ppb`, `tdev_ns` and `mtie_ns`.
    pub clock: Option<ObservedClock>,
    /// The interval of observation of these metrics: a multiple of `record.interval_s`.
    pub tau_s: Option<Tau>,
    /// The limits of these metrics for all intervals of observation, in the place of `tau_s`, `min`
    /// and `max`. What is measured is the largest share of the mask.
    pub mask: Option<Mask>,
    /// Start of the span; the start of the run if not given.
    #[serde(default)]
    pub from_s: Seconds,
    /// End of the span; the end of the run if not given.
    pub to_s: Option<Seconds>,
    /// The limit describes a known failure of a baseline, which is asserted: the receiver fails as
    /// reported.
    #[serde(default)]
    pub known_failure: bool,
}

impl Expectation {
    /// The smallest and the largest permitted value.
    #[must_use]
    pub fn limits(&self) -> [Option<f64>; 2] {
        let [min, max] = [self.min, self.max].map(|limit| limit.map(LimitValue::get));
        // Of a mask, the share of it is measured.
        [min, max.or(self.mask.map(|_| 1.0))]
    }
}

/// Metrics. Units are in the names; counts and shares have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of the programme that was heard correctly, of all that was heard, silent, wrong and
    /// concealed. Where the programme itself is silent nothing counts.
    HeardShare,
    /// Audible faults: crackles, silence in place of the programme, and 20 ms or more of anything
    /// but the programme.
    Glitches,
    /// The heard latency, from the sender's capture to the sound card's output, that differs most
    /// from the requested one.
    LatencyMs,
    /// Time from the start of the span until the programme was heard for 100 ms; infinite if it
    /// never was.
    TimeToAudioS,
    /// Duration of silence in place of the programme.
    SilentS,
    /// Duration of audio other than the programme that the receiver did not report as concealed.
    WrongS,
    /// Median RMS of the difference between output and programme, where they are exactly aligned.
    ResidualDbfs,
    /// Crackles heard, except those at the edges of a silence of the sound card itself.
    Crackles,
    /// Callbacks that found less audio than they had to play.
    Underruns,
    /// Longest silence where the programme was not silent.
    LongestGapMs,
    /// How often the clock became unlocked.
    Unlocks,
    /// Share of the span in which the clock was locked.
    LockedShare,
    /// Share of the span in which the clock was in holdover.
    HoldoverShare,
    /// Time from the start of the span until the clock was locked and stayed so for 1 s; infinite
    /// if it never was.
    LockTimeS,
    /// Largest |playback ratio - truth| of the trace intervals.
    RatioErrorPpm,
    /// Largest |buffer depth - target| of the trace intervals.
    DepthErrorMs,
    /// Largest |estimate of PTP time - truth|.
    ClockErrorUs,
    /// Largest |estimate of PTP time - truth| while the clock claimed to be locked, whenever that
    /// was within the trace intervals of the span.
    LockedErrorUs,
    /// Largest change of the clock's error from one trace interval to the next.
    ClockStepUs,
    /// Share of the trace intervals at whose end the clock's error was within three times its
    /// claimed sigma.
    #[serde(rename = "coverage_3sigma")]
    Coverage3Sigma,
    /// Time from the start of the span until the clock was locked for the rest of it; infinite if
    /// it was not at its end.
    RelockTimeS,
    /// How often another grandmaster than before was followed.
    GrandmasterChanges,
    /// Packets that came after their playout.
    PacketsLate,
    /// Largest difference, at the ends of the trace intervals, between the times at which this
    /// receiver and another play the same frame.
    SkewUs,
    /// Root of the mean square of that difference, of the receiver for which it is largest.
    SkewRmsUs,
    /// Share of the trace intervals at whose end the receiver reported that the sender is not on
    /// PTP as its SDP claims.
    SenderOffPtpShare,
    /// Crackles heard per minute.
    CracklesPerMin,
    /// Packets that the receiver missed: their sequence numbers show that they were sent, and they
    /// came on no leg.
    PacketsMissed,
    /// Packets that came but of which nothing was played.
    PacketsDropped,
    /// Datagrams that the receiver refused: another sender's, or of an unknown timeline.
    PacketsRefused,
    /// Audio that the receiver concealed, whether that is audible or not.
    ConcealedMs,
    /// Time from the start of the span until the receiver played nothing but the programme for the
    /// rest of it; infinite if it did not at its end.
    ReplayTimeS,
    /// Largest increase of the target depth by late packets.
    DepthRaisedMs,
    /// Largest error of the receiver's estimate of its sound card's rate.
    CardRateErrorPpm,
    /// Packets missed on the first leg, whether the other one delivered them or not.
    LegALost,
    /// Likewise on the second leg.
    LegBLost,
    /// Largest |lateness of the second leg's packets against the first leg's|, by the receiver's
    /// estimate.
    LegSkewMs,
    /// Packets that a relay sent with other bytes than it had received.
    PacketsAltered,
    /// Largest |error of the engine's sender's timeline at a packet|.
    SenderErrorUs,
    /// Largest change of that error from one trace interval to the next.
    SenderStepUs,
    /// Largest |error of the sender's timeline| in its claimed standard deviations.
    SenderErrorSigmas,
    /// Packets whose RTP timestamp was not, to the frame, the true PTP time at which they were due.
    SenderWrongTimestamps,
    /// Jumps of the sender's stream, and packets that it left out.
    SenderJumps,
    /// The share of audio that the receiver's own display shows at the end of the span.
    DisplayedAudioPercent,
    /// The underruns that the display shows then.
    DisplayedUnderruns,
    /// Allan deviation of a clock (IEEE 1139, overlapping), for `tau_s`.
    AdevPpb,
    /// Time deviation of a clock (ITU-T G.810), for `tau_s` or by a mask.
    TdevNs,
    /// Maximum time interval error of a clock (ITU-T G.810), for `tau_s` or by a mask.
    MtieNs,
}

impl Metric {
    /// Every metric that a span defines, in the order of reports; those of stability need a clock
    /// and an interval of observation as well.
    pub const ALL: [Self; 45] = [
        Self::HeardShare,
        Self::Glitches,
        Self::LatencyMs,
        Self::TimeToAudioS,
        Self::SilentS,
        Self::WrongS,
        Self::ResidualDbfs,
        Self::Crackles,
        Self::Underruns,
        Self::LongestGapMs,
        Self::Unlocks,
        Self::LockedShare,
        Self::HoldoverShare,
        Self::LockTimeS,
        Self::RatioErrorPpm,
        Self::DepthErrorMs,
        Self::ClockErrorUs,
        Self::LockedErrorUs,
        Self::ClockStepUs,
        Self::Coverage3Sigma,
        Self::RelockTimeS,
        Self::GrandmasterChanges,
        Self::PacketsLate,
        Self::SkewUs,
        Self::SkewRmsUs,
        Self::SenderOffPtpShare,
        Self::CracklesPerMin,
        Self::PacketsMissed,
        Self::PacketsDropped,
        Self::PacketsRefused,
        Self::ConcealedMs,
        Self::ReplayTimeS,
        Self::DepthRaisedMs,
        Self::CardRateErrorPpm,
        Self::LegALost,
        Self::LegBLost,
        Self::LegSkewMs,
        Self::PacketsAltered,
        Self::SenderErrorUs,
        Self::SenderStepUs,
        Self::SenderErrorSigmas,
        Self::SenderWrongTimestamps,
        Self::SenderJumps,
        Self::DisplayedAudioPercent,
        Self::DisplayedUnderruns,
    ];

    /// Whether it needs the audio to be rendered, and most of them that it is listened to.
    #[must_use]
    pub fn needs_audio(self) -> bool {
        matches!(
            self,
            Self::HeardShare
                | Self::Glitches
                | Self::LatencyMs
                | Self::TimeToAudioS
                | Self::SilentS
                | Self::WrongS
                | Self::ResidualDbfs
                | Self::Crackles
                | Self::LongestGapMs
                | Self::CracklesPerMin
                | Self::DisplayedAudioPercent
        )
    }

    /// Whether it has a meaning only while the receiver plays. A receiver that plays nothing has no
    /// underrun, and has lost nothing.
    #[must_use]
    pub fn needs_playout(self) -> bool {
        matches!(
            self,
            Self::Underruns
                | Self::RatioErrorPpm
                | Self::DepthErrorMs
                | Self::PacketsLate
                | Self::SenderOffPtpShare
                | Self::SkewUs
                | Self::SkewRmsUs
                | Self::PacketsMissed
                | Self::PacketsDropped
                | Self::PacketsRefused
                | Self::ConcealedMs
                | Self::DepthRaisedMs
                | Self::CardRateErrorPpm
                | Self::LegALost
                | Self::LegBLost
                | Self::LegSkewMs
                | Self::PacketsAltered
        )
    }

    /// Whether it needs an audio chain.
    #[must_use]
    pub fn needs_chain(self) -> bool {
        let otherwise = matches!(
            self,
            Self::ReplayTimeS
                | Self::SenderErrorUs
                | Self::SenderStepUs
                | Self::SenderErrorSigmas
                | Self::SenderWrongTimestamps
                | Self::SenderJumps
                | Self::DisplayedUnderruns
        );
        otherwise || self.needs_playout() || self.needs_audio()
    }

    /// Whether it is of the receiver's PTP clock.
    #[must_use]
    pub fn is_of_clock(self) -> bool {
        matches!(
            self,
            Self::Unlocks
                | Self::LockedShare
                | Self::HoldoverShare
                | Self::LockTimeS
                | Self::ClockErrorUs
                | Self::LockedErrorUs
                | Self::ClockStepUs
                | Self::Coverage3Sigma
                | Self::RelockTimeS
                | Self::GrandmasterChanges
        )
    }

    /// Whether it is of the stability of a clock, for an interval of observation.
    #[must_use]
    pub fn is_of_stability(self) -> bool {
        matches!(self, Self::AdevPpb | Self::TdevNs | Self::MtieNs)
    }

    /// Whether it needs another receiver to compare with.
    #[must_use]
    pub fn compares_receivers(self) -> bool {
        matches!(self, Self::SkewUs | Self::SkewRmsUs)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeardShare => "heard_share",
            Self::Glitches => "glitches",
            Self::LatencyMs => "latency_ms",
            Self::TimeToAudioS => "time_to_audio_s",
            Self::SilentS => "silent_s",
            Self::WrongS => "wrong_s",
            Self::ResidualDbfs => "residual_dbfs",
            Self::Crackles => "crackles",
            Self::Underruns => "underruns",
            Self::LongestGapMs => "longest_gap_ms",
            Self::Unlocks => "unlocks",
            Self::LockedShare => "locked_share",
            Self::HoldoverShare => "holdover_share",
            Self::LockTimeS => "lock_time_s",
            Self::RatioErrorPpm => "ratio_error_ppm",
            Self::DepthErrorMs => "depth_error_ms",
            Self::ClockErrorUs => "clock_error_us",
            Self::LockedErrorUs => "locked_error_us",
            Self::ClockStepUs => "clock_step_us",
            Self::Coverage3Sigma => "coverage_3sigma",
            Self::RelockTimeS => "relock_time_s",
            Self::GrandmasterChanges => "grandmaster_changes",
            Self::PacketsLate => "packets_late",
            Self::SkewUs => "skew_us",
            Self::SkewRmsUs => "skew_rms_us",
            Self::SenderOffPtpShare => "sender_off_ptp_share",
            Self::CracklesPerMin => "crackles_per_min",
            Self::PacketsMissed => "packets_missed",
            Self::PacketsDropped => "packets_dropped",
            Self::PacketsRefused => "packets_refused",
            Self::ConcealedMs => "concealed_ms",
            Self::ReplayTimeS => "replay_time_s",
            Self::DepthRaisedMs => "depth_raised_ms",
            Self::CardRateErrorPpm => "card_rate_error_ppm",
            Self::LegALost => "leg_a_lost",
            Self::LegBLost => "leg_b_lost",
            Self::LegSkewMs => "leg_skew_ms",
            Self::PacketsAltered => "packets_altered",
            Self::SenderErrorUs => "sender_error_us",
            Self::SenderStepUs => "sender_step_us",
            Self::SenderErrorSigmas => "sender_error_sigmas",
            Self::SenderWrongTimestamps => "sender_wrong_timestamps",
            Self::SenderJumps => "sender_jumps",
            Self::DisplayedAudioPercent => "displayed_audio_percent",
            Self::DisplayedUnderruns => "displayed_underruns",
            Self::AdevPpb => "adev_ppb",
            Self::TdevNs => "tdev_ns",
            Self::MtieNs => "mtie_ns",
        })
    }
}
