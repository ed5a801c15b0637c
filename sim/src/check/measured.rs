//! The metrics of one receiver's run, which are compared with expectations.

use super::listening::Listening;
use super::measurement::Measurement;
use crate::record::{ClockState, Recording, TraceRow};
use crate::scenario::{Expectation, Metric};
use engine::ptp::wire::ClockIdentity;

mod skew;
#[cfg(test)]
mod tests;

/// A clock counts as locked again once it has been locked for this long, s.
const LOCK_DWELL_S: f64 = 1.0;

/// The data for metrics.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// The trace.
    pub recording: &'a Recording,
    /// The traces of the scenario's other receivers, and what was heard from them.
    pub others: Vec<(&'a Recording, Option<&'a Listening>)>,
    /// Changes of the clock's state.
    pub clock_states: &'a [(f64, ClockState)],
    /// Trace intervals in which the clock claimed to be locked: when each ended, and the largest
    /// |error of PTP time| while it claimed so, us.
    pub locked_errors: &'a [(f64, f64)],
    /// Grandmasters that were followed, and the time from which each was.
    pub grandmasters: &'a [(f64, ClockIdentity)],
    /// Changes between playing the programme and anything else.
    pub playing: &'a [(f64, bool)],
    /// What a listener heard, if the audio was judged.
    pub heard: Option<&'a Listening>,
    /// The requested depth; `None` if only clocks were simulated.
    pub target_depth_ms: Option<f64>,
    /// The corresponding latency from the sender's capture to the sound card's output.
    pub target_latency_ms: Option<f64>,
    /// Length of the run.
    pub duration_s: f64,
}

/// A span of time, in true seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Start.
    pub from_s: f64,
    /// End.
    pub to_s: f64,
}

impl Evidence<'_> {
    /// The span of an expectation.
    #[must_use]
    pub fn span_of(&self, expectation: &Expectation) -> Span {
        Span { from_s: expectation.from_s.get(), to_s: expectation.to_s.map_or(self.duration_s, |to| to.get()) }
    }

    /// The value of a metric over a span.
    #[must_use]
    pub fn measure(&self, metric: Metric, span: Span) -> Measurement {
        if metric.needs_chain() && self.target_depth_ms.is_none() {
            return Measurement::nothing("the scenario has no audio");
        }
        if metric.needs_audio() && metric != Metric::DisplayedAudioPercent {
            let Some(heard) = self.heard else { return Measurement::nothing("nobody listened") };
            return self.heard(metric, span, heard);
        }
        if metric.needs_playout()
            && let Err(reason) = self.check_played(span)
        {
            return Measurement::Nothing(reason);
        }
        self.seen(metric, span)
            .map_or_else(|| Measurement::nothing("nothing was recorded in the span"), Measurement::Exact)
    }

    /// A metric of what was heard.
    fn heard(&self, metric: Metric, span: Span, heard: &Listening) -> Measurement {
        let seconds = heard.seconds(span);
        let Some(share) = seconds.share() else { return Measurement::nothing("no audio was due in the span") };
        let begun = heard.begun_s.is_some_and(|begun| begun < span.to_s);
        let needs_begun = matches!(metric, Metric::Glitches | Metric::ResidualDbfs | Metric::LatencyMs);
        if needs_begun && !begun {
            return Measurement::nothing("the programme was never heard until the end of the span");
        }
        let crackles = || heard.crackles_s.iter().filter(|at| (span.from_s..span.to_s).contains(*at)).count() as f64;
        match metric {
            Metric::HeardShare => Measurement::Exact(share),
            Metric::SilentS => Measurement::Exact(seconds.silent),
            Metric::WrongS => Measurement::Exact(seconds.wrong),
            Metric::TimeToAudioS => Measurement::Exact(heard.time_to_audio_s(span)),
            Metric::LongestGapMs => Measurement::Exact(heard.longest_gap_ms(span)),
            Metric::Glitches => Measurement::Exact(heard.glitches_in(span).len() as f64),
            Metric::Crackles => Measurement::count(crackles(), share),
            Metric::CracklesPerMin => Measurement::count(crackles() / ((span.to_s - span.from_s) / 60.0), share),
            Metric::ResidualDbfs => heard
                .residual_dbfs(span)
                .map_or_else(|| Measurement::nothing("nothing was exactly aligned"), Measurement::Exact),
            _ => self.latency_ms(span, heard),
        }
    }

    /// The measured latency that differs most from the requested one.
    fn latency_ms(&self, span: Span, heard: &Listening) -> Measurement {
        let asked = self.target_latency_ms.unwrap_or(0.0);
        let within = heard.latencies.iter().filter(|(at, _)| (span.from_s..span.to_s).contains(at));
        let farthest = within.map(|&(_, ms)| ms).max_by(|a, b| (a - asked).abs().total_cmp(&(b - asked).abs()));
        farthest.map_or_else(|| Measurement::nothing("the programme was never heard in the span"), Measurement::Exact)
    }

    /// Checks that the receiver played for at least half of the span: otherwise its counts have no
    /// meaning.
    fn check_played(&self, span: Span) -> Result<(), String> {
        let (mut played, mut all) = (0u32, 0u32);
        for row in self.rows(span) {
            all += 1;
            played += u32::from(row.latency_ms.is_some());
        }
        match all {
            0 => Err("no interval of the trace lies within the span".to_owned()),
            _ if 2 * played < all => Err(format!("something was played in {played} of {all} intervals only")),
            _ => Ok(()),
        }
    }

    /// A metric of what was recorded.
    fn seen(&self, metric: Metric, span: Span) -> Option<f64> {
        // Nothing is known about a span that contains no row, so its total is unknown and not 0.
        let total = |of: fn(&TraceRow) -> f64| self.rows(span).map(of).reduce(|a, b| a + b);
        let sum = |of: fn(&TraceRow) -> u32| self.rows(span).map(|row| f64::from(of(row))).reduce(|a, b| a + b);
        let played = |of: fn(&Self, &TraceRow) -> Option<f64>| {
            self.largest(span, |row| row.latency_ms.and_then(|_| of(self, row)))
        };
        match metric {
            Metric::Underruns => sum(|row| row.underruns),
            Metric::PacketsLate => sum(|row| row.packets_late),
            Metric::Unlocks => Some(self.unlocks(span)),
            Metric::LockedShare => Some(self.share(ClockState::Locked, span)),
            Metric::HoldoverShare => Some(self.share(ClockState::Holdover, span)),
            Metric::LockTimeS => Some(self.lock_time(span)),
            Metric::RatioErrorPpm => played(|_, row| Some(row.ratio_ppm - row.ratio_truth_ppm)),
            Metric::DepthErrorMs => played(|this, row| this.target_depth_ms.map(|target| row.depth_ms - target)),
            Metric::ClockErrorUs => self.largest(span, |row| row.clock_error_us),
            Metric::LockedErrorUs => {
                let within = self.locked_errors.iter().filter(|(at, _)| *at > span.from_s && *at <= span.to_s + 1e-9);
                within.map(|&(_, error_us)| error_us).max_by(f64::total_cmp)
            }
            Metric::ClockStepUs => self.step(span, |row| row.clock_error_us),
            Metric::Coverage3Sigma => self.coverage(span),
            Metric::RelockTimeS => Some(self.relock_time(span)),
            Metric::SenderOffPtpShare => {
                let count = sum(|_| 1)?;
                sum(|row| u32::from(row.sender_off_ptp)).map(|off| off / count)
            }
            Metric::GrandmasterChanges => self.grandmaster_changes(span),
            Metric::SkewUs => self.most(|other| skew::largest_us(self.skews_us(other, span))),
            Metric::SkewRmsUs => self.most(|other| skew::rms_us(self.skews_us(other, span))),
            Metric::PacketsMissed => total(|row| f64::from(row.packets_missed)),
            Metric::PacketsDropped => sum(|row| row.packets_dropped),
            Metric::PacketsRefused => sum(|row| row.packets_refused),
            Metric::ConcealedMs => total(|row| row.concealed_ms),
            Metric::ReplayTimeS => Some(self.replay_time(span)),
            Metric::DepthRaisedMs => self.largest(span, |row| Some(row.depth_raised_ms)),
            Metric::CardRateErrorPpm => self.largest(span, |row| row.card_rate_error_ppm),
            Metric::LegALost => total(|row| f64::from(row.leg_a_lost)),
            Metric::LegBLost => total(|row| f64::from(row.leg_b_lost)),
            Metric::LegSkewMs => self.largest(span, |row| row.leg_b_skew_ms),
            Metric::PacketsAltered => sum(|row| row.packets_altered),
            Metric::SenderErrorUs => self.largest(span, |row| row.sender_error_us),
            Metric::SenderStepUs => self.step(span, |row| row.sender_error_us),
            Metric::SenderErrorSigmas => {
                self.largest(span, |row| Some(row.sender_error_us? / row.sender_sigma_us?.max(f64::MIN_POSITIVE)))
            }
            // A sender that sent nothing cannot have sent anything wrong.
            Metric::SenderWrongTimestamps | Metric::SenderJumps
                if self.rows(span).all(|row| row.sender_error_us.is_none()) =>
            {
                None
            }
            Metric::SenderWrongTimestamps => sum(|row| row.sender_wrong_timestamps),
            Metric::SenderJumps => sum(|row| row.sender_jumps),
            Metric::HeardShare
            | Metric::SilentS
            | Metric::WrongS
            | Metric::TimeToAudioS
            | Metric::LongestGapMs
            | Metric::Glitches
            | Metric::Crackles
            | Metric::CracklesPerMin
            | Metric::ResidualDbfs
            | Metric::LatencyMs
            | Metric::AdevPpb
            | Metric::TdevNs
            | Metric::MtieNs => None,
            Metric::DisplayedAudioPercent => self.rows(span).last()?.displayed_audio_percent,
            Metric::DisplayedUnderruns => self.rows(span).last()?.displayed_underruns.map(f64::from),
        }
    }

    /// The parts of a number, where they are informative.
    #[must_use]
    pub fn parts(&self, metric: Metric, span: Span) -> Option<String> {
        let heard = self.heard.filter(|_| metric == Metric::Glitches)?;
        let mut counts = std::collections::BTreeMap::new();
        heard.glitches_in(span).iter().for_each(|glitch| *counts.entry(glitch.kind).or_insert(0u32) += 1);
        let parts: Vec<String> = counts.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The largest value of all other receivers; `None` if one of them has no value.
    fn most(&self, of: impl Fn(&(&Recording, Option<&Listening>)) -> Option<f64>) -> Option<f64> {
        let all: Option<Vec<f64>> = self.others.iter().map(of).collect();
        all?.into_iter().max_by(f64::total_cmp)
    }

    /// By how much later than another receiver this one plays a frame, at the end of each interval.
    fn skews_us<'b>(
        &'b self,
        (other, heard): &(&'b Recording, Option<&'b Listening>),
        span: Span,
    ) -> impl Iterator<Item = Option<f64>> + 'b {
        let (other, heard) = (skew::Latencies::new(&other.rows, *heard), self.heard);
        let own = skew::Latencies::new(&self.recording.rows, heard);
        self.rows(span).map(move |row| Some((own.at(row)? - other.at(row)?) * 1e3))
    }

    /// Rows whose whole interval lies in the span.
    fn rows(&self, span: Span) -> impl Iterator<Item = &TraceRow> {
        let rows = &self.recording.rows;
        let interval = rows.first().map_or(0.0, |row| row.time_s);
        rows.iter().filter(move |row| row.time_s - interval >= span.from_s - 1e-9 && row.time_s <= span.to_s + 1e-9)
    }

    fn largest(&self, span: Span, of: impl Fn(&TraceRow) -> Option<f64>) -> Option<f64> {
        self.rows(span).filter_map(of).map(f64::abs).max_by(f64::total_cmp)
    }

    fn unlocks(&self, span: Span) -> f64 {
        let unlocks = self
            .clock_states
            .iter()
            .filter(|(at, state)| *state == ClockState::Unlocked && (span.from_s..span.to_s).contains(at));
        unlocks.count() as f64
    }

    /// Periods of constant clock state within the span.
    fn stretches(&self, span: Span) -> impl Iterator<Item = (ClockState, f64, f64)> {
        let ends = self.clock_states.iter().skip(1).map(|change| change.0).chain([self.duration_s]);
        self.clock_states.iter().zip(ends).filter_map(move |(&(from, state), to)| {
            let (from, to) = (from.max(span.from_s), to.min(span.to_s));
            (to > from).then_some((state, from, to))
        })
    }

    fn share(&self, wanted: ClockState, span: Span) -> f64 {
        let length = (span.to_s - span.from_s).max(f64::MIN_POSITIVE);
        let stretches = self.stretches(span).filter(|(state, ..)| *state == wanted);
        // Not `sum`, which is -0 for an empty sequence.
        let total = stretches.fold(0.0, |total, (_, from, to)| total + (to - from));
        total / length
    }

    fn lock_time(&self, span: Span) -> f64 {
        let mut stretches = self.stretches(span);
        let locked = stretches.find(|(state, from, to)| *state == ClockState::Locked && to - from >= LOCK_DWELL_S);
        locked.map_or(f64::INFINITY, |(_, from, _)| from - span.from_s)
    }

    fn relock_time(&self, span: Span) -> f64 {
        let (mut locked, mut since) = (false, span.from_s);
        for (state, from, _) in self.stretches(span) {
            if state == ClockState::Locked && !locked {
                since = from;
            }
            locked = state == ClockState::Locked;
        }
        if locked { since - span.from_s } else { f64::INFINITY }
    }

    fn replay_time(&self, span: Span) -> f64 {
        let last = self.playing.iter().rfind(|(at, _)| *at < span.to_s);
        last.filter(|(_, playing)| *playing).map_or(f64::INFINITY, |(since, _)| (since - span.from_s).max(0.0))
    }

    /// `None` if the receiver never followed a grandmaster, or does not report it.
    fn grandmaster_changes(&self, span: Span) -> Option<f64> {
        let (_first, changes) = self.grandmasters.split_first()?;
        Some(changes.iter().filter(|(at, _)| (span.from_s..span.to_s).contains(at)).count() as f64)
    }

    fn step(&self, span: Span, of: impl Fn(&TraceRow) -> Option<f64>) -> Option<f64> {
        let errors: Vec<f64> = self.rows(span).filter_map(of).collect();
        errors.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max_by(f64::total_cmp)
    }

    fn coverage(&self, span: Span) -> Option<f64> {
        let claims = self.rows(span).filter_map(|row| Some((row.clock_error_us?, row.clock_sigma_us?)));
        let (mut covered, mut all) = (0.0, 0.0);
        for (error_us, sigma_us) in claims {
            covered += f64::from(error_us.abs() <= 3.0 * sigma_us);
            all += 1.0;
        }
        (all > 0.0).then(|| covered / all)
    }
}
