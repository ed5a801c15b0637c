//! A listener's judgement of one receiver's run: shares, gaps, glitches and latency over a span of
//! time.
//!
//! Model: the detector is a black box and knows nothing of the receiver. Here its hops are combined
//! with other information: when the sound card itself was silent, when the receiver reports that it
//! concealed audio, and when each played frame left the card. By the receiver's report, wrong audio
//! can count as concealed, but silence never does.
//!
//! A glitch is an audible fault: a crackle, silence in place of the programme, or other audio for
//! at least [`AUDIBLE_S`]; faults within [`CLUSTER_S`] are one glitch. A fault before the first
//! right audio is not a glitch but a late start, which `time_to_audio_s` and `heard_share` measure.

use super::crackle::CLUSTER_S;
use super::heard::{Gap, Heard, HeardHop, HeardTimeline};
use super::measured::Span;
use super::tally::CrackleReport;
use std::fmt;
use std::ops::Range;

/// A shorter substitute counts as the programme: speech and music are stationary over 10 to 20 ms,
/// and G.711 Appendix I repeats 10 ms of them before it begins to fade.
const AUDIBLE_S: f64 = 0.02;
/// Audio has begun when it was right for this long.
const BEGUN_S: f64 = 0.1;
/// Tolerance for a card's own crackle at the edge of its gap.
const CARD_GAP_MARGIN_S: f64 = 0.002;
/// The latency at a time is known if the path is known at a time that is at most this far away.
const LATENCY_NEAR_S: f64 = 0.15;

/// The times at which played frames left the sound card.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameTimes {
    /// Interval in frames.
    every: u64,
    times_s: Vec<f64>,
}

impl FrameTimes {
    /// The times of `frames` frames of a card with this rate; `time_s` returns the time of a frame.
    /// Within each second, the rate is assumed to be constant.
    #[must_use]
    pub fn new(frames: u64, rate_hz: u32, mut time_s: impl FnMut(u64) -> f64) -> Self {
        let every = u64::from(rate_hz).max(1);
        Self { every, times_s: (0..=frames / every + 1).map(|n| time_s(n * every)).collect() }
    }

    /// When a frame is played, true s.
    #[must_use]
    pub fn time_s(&self, frame: f64) -> f64 {
        let place = frame / self.every as f64;
        let index = (place.max(0.0) as usize).min(self.times_s.len().saturating_sub(2));
        match self.times_s.get(index..index + 2) {
            Some(&[from, to]) => from + (place - index as f64) * (to - from),
            _ => 0.0,
        }
    }
}

/// Information in addition to the audio.
#[derive(Clone, Debug, Default)]
pub struct Circumstances<'a> {
    /// When frames were played.
    pub times: FrameTimes,
    /// Card frames in which the card itself was silent.
    pub card_gaps: &'a [Range<u64>],
    /// Card frames of callbacks in which the receiver concealed audio.
    pub concealed: &'a [Range<u64>],
}

/// Kinds of audible faults, the worst last. A glitch that comprises several has the kind of the
/// worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GlitchKind {
    /// A click, a splice, or the abrupt edge of a silence.
    Crackle,
    /// Audio that the receiver concealed for too long.
    Concealment,
    /// Audio that is not the programme.
    Wrong,
    /// Silence in place of the programme.
    Silence,
}

impl fmt::Display for GlitchKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crackle => "crackle",
            Self::Concealment => "concealment",
            Self::Wrong => "wrong",
            Self::Silence => "silence",
        })
    }
}

/// One audible fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glitch {
    /// When it begins, true s.
    pub from_s: f64,
    /// When it ends.
    pub to_s: f64,
    /// Its kind.
    pub kind: GlitchKind,
}

/// Seconds of a span by judgement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeardSeconds {
    /// The programme.
    pub right: f64,
    /// Silence in place of the programme.
    pub silent: f64,
    /// Anything else.
    pub wrong: f64,
    /// Other audio that the receiver reports as concealed.
    pub concealed: f64,
}

impl HeardSeconds {
    /// Share of the due programme that was heard; `None` if nothing was due.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let all = self.right + self.silent + self.wrong + self.concealed;
        (all > 0.0).then(|| self.right / all)
    }
}

/// A listener's account of one receiver.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listening {
    times: FrameTimes,
    /// The judgements of the detector, corrected by the other information.
    timeline: HeardTimeline,
    gaps: Vec<(f64, f64)>,
    /// When crackles caused by the receiver began, true s.
    pub crackles_s: Vec<f64>,
    /// Every audible fault, in order.
    pub glitches: Vec<Glitch>,
    /// Latency from the sender's capture to the sound card's output: true time in s, and ms.
    pub latencies: Vec<(f64, f64)>,
    /// When right audio was first heard for 100 ms.
    pub begun_s: Option<f64>,
}

impl Listening {
    /// Combines the detector's judgements with the other information. `latency_ms` returns the
    /// latency of a position in the programme (a waypoint's) played at a time.
    #[must_use]
    pub fn new(
        report: &CrackleReport,
        around: Circumstances<'_>,
        mut latency_ms: impl FnMut(f64, engine::MediaPosition) -> f64,
    ) -> Self {
        let Circumstances { times, card_gaps, concealed } = around;
        let mut timeline = report.timeline.clone();
        let hop = timeline.hop_frames.max(1);
        let margin = (CARD_GAP_MARGIN_S * times.every as f64) as u64;
        let in_card_gap = |range: &Range<u64>| {
            card_gaps.iter().any(|gap| range.start + margin >= gap.start && range.end <= gap.end + margin)
        };
        let ranges = |ranges: &[Range<u64>]| -> Vec<Range<usize>> {
            ranges.iter().map(|range| (range.start / hop) as usize..range.end.div_ceil(hop) as usize).collect()
        };
        let mut relabel = |hops: Range<usize>, is: fn(Heard) -> bool, heard: Heard| {
            let end = hops.end.min(timeline.hops.len());
            let hops = timeline.hops.get_mut(hops.start.min(end)..end).unwrap_or_default();
            hops.iter_mut().filter(|hop| is(hop.heard)).for_each(|hop| hop.heard = heard);
        };
        for range in ranges(concealed) {
            relabel(range.start.saturating_sub(1)..range.end + 1, |heard| heard == Heard::Wrong, Heard::Concealed);
        }
        // The hops in which a gap of the card begins or ends are partly its fault, so they count as
        // the card's.
        for range in ranges(card_gaps) {
            relabel(range, Heard::is_disturbed, Heard::CardSilent);
        }
        let crackles: Vec<Range<u64>> = report
            .crackles
            .iter()
            .map(|crackle| crackle.at_frame..crackle.at_frame + crackle.duration_frames)
            .collect();
        let crackles: Vec<Range<u64>> = crackles.into_iter().filter(|range| !in_card_gap(range)).collect();
        let gaps: Vec<&Gap> =
            timeline.gaps.iter().filter(|gap| !in_card_gap(&(gap.at_frame..gap.at_frame + gap.frames))).collect();
        let seconds = |frame: u64| times.time_s(frame as f64);
        let begun = first_right(&timeline.hops, (BEGUN_S * times.every as f64 / hop as f64) as usize);
        let begun_s = begun.map(|index| seconds(index as u64 * hop));
        let latencies = timeline.waypoints.iter().map(|waypoint| {
            let at = times.time_s(waypoint.frame);
            (at, latency_ms(at, waypoint.position))
        });
        Self {
            latencies: latencies.collect(),
            glitches: glitches(&timeline, begun.unwrap_or(timeline.hops.len()), &crackles, &times),
            crackles_s: crackles.iter().map(|range| seconds(range.start)).collect(),
            gaps: gaps.iter().map(|gap| (seconds(gap.at_frame), seconds(gap.at_frame + gap.frames))).collect(),
            begun_s,
            timeline,
            times,
        }
    }

    /// The judgements over a span, in seconds of true time.
    #[must_use]
    pub fn seconds(&self, span: Span) -> HeardSeconds {
        let length = self.hop_s();
        self.timeline.hops[self.within(span)].iter().fold(HeardSeconds::default(), |mut sum, hop| {
            match hop.heard {
                Heard::Right => sum.right += length,
                Heard::Silent => sum.silent += length,
                Heard::Wrong => sum.wrong += length,
                Heard::Concealed => sum.concealed += length,
                Heard::NotDue | Heard::Quiet | Heard::CardSilent => {}
            }
            sum
        })
    }

    /// Audible faults that begin in a span, or extend into it.
    #[must_use]
    pub fn glitches_in(&self, span: Span) -> Vec<&Glitch> {
        let within = |glitch: &&Glitch| {
            let goes_on = glitch.from_s < span.from_s && glitch.to_s > span.from_s;
            (span.from_s..span.to_s).contains(&glitch.from_s) || goes_on
        };
        self.glitches.iter().filter(within).collect()
    }

    /// Longest silence in place of the programme over a span. A late start does not count, but a
    /// missing one does.
    #[must_use]
    pub fn longest_gap_ms(&self, span: Span) -> f64 {
        let from = span.from_s.max(self.begun_s.unwrap_or(0.0));
        let lengths = self.gaps.iter().map(|&(begin, end)| end.min(span.to_s) - begin.max(from));
        1e3 * lengths.fold(0.0, f64::max)
    }

    /// Median RMS of the difference from the programme over a span; `None` if nothing was exactly
    /// aligned.
    #[must_use]
    pub fn residual_dbfs(&self, span: Span) -> Option<f64> {
        self.timeline.residual_dbfs(self.within(span))
    }

    /// Time from the start of the span until the right audio was heard for 100 ms; infinite if it
    /// never was.
    #[must_use]
    pub fn time_to_audio_s(&self, span: Span) -> f64 {
        let hops = self.within(span);
        let begun = first_right(&self.timeline.hops[hops.clone()], (BEGUN_S / self.hop_s()) as usize);
        let at = begun.map(|index| self.times.time_s(((hops.start + index) as u64 * self.timeline.hop_frames) as f64));
        at.map_or(f64::INFINITY, |at| at - span.from_s)
    }

    /// Latency at a time, if the path was known around that time.
    #[must_use]
    pub fn latency_ms_at(&self, at_s: f64) -> Option<f64> {
        let next = self.latencies.partition_point(|(time_s, _)| *time_s < at_s);
        let before = next.checked_sub(1).and_then(|index| self.latencies.get(index));
        let after = self.latencies.get(next);
        let near =
            |point: Option<&(f64, f64)>| point.copied().filter(|(time_s, _)| (time_s - at_s).abs() < LATENCY_NEAR_S);
        match (near(before), near(after)) {
            (Some((t0, a)), Some((t1, b))) if t1 > t0 => Some(a + (b - a) * (at_s - t0) / (t1 - t0)),
            (Some((_, one)), _) | (None, Some((_, one))) => Some(one),
            (None, None) => None,
        }
    }

    /// Hops that lie wholly within a span.
    fn within(&self, span: Span) -> Range<usize> {
        let begins = |index: usize| self.times.time_s((index as u64 * self.timeline.hop_frames) as f64);
        let first = partition(self.timeline.hops.len(), |index| begins(index) < span.from_s - 1e-9);
        let last = partition(self.timeline.hops.len(), |index| begins(index + 1) <= span.to_s + 1e-9);
        first..last.max(first)
    }

    fn hop_s(&self) -> f64 {
        self.timeline.hop_frames as f64 / self.times.every.max(1) as f64
    }
}

/// The number of indices below `length` for which `holds` is true; they must be the first ones.
fn partition(length: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The first of `count` consecutive hops that are all right or quiet; it must itself be right.
fn first_right(hops: &[HeardHop], count: usize) -> Option<usize> {
    let is_right = |heard: &Heard| matches!(heard, Heard::Right | Heard::Quiet);
    let mut start = 0;
    for (index, heard) in hops.iter().map(|hop| &hop.heard).enumerate() {
        if !is_right(heard) || (index == start && *heard != Heard::Right) {
            start = index + 1;
        } else if index + 1 - start >= count.max(1) {
            return Some(start);
        }
    }
    None
}

/// The glitches that result from crackles and from disturbed hops, from hop `begun` on.
fn glitches(timeline: &HeardTimeline, begun: usize, crackles: &[Range<u64>], times: &FrameTimes) -> Vec<Glitch> {
    let (hops, hop) = (&timeline.hops, timeline.hop_frames);
    let seconds = |frames: Range<u64>| (times.time_s(frames.start as f64), times.time_s(frames.end as f64));
    let mut faults: Vec<(f64, f64, GlitchKind)> = crackles
        .iter()
        .filter(|range| range.start >= begun as u64 * hop)
        .map(|range| seconds(range.clone()))
        .map(|(from_s, to_s)| (from_s, to_s, GlitchKind::Crackle))
        .collect();
    let mut index = begun;
    while index < hops.len() {
        let run = hops[index..].iter().take_while(|hop| hop.heard.is_disturbed()).count();
        let (from_s, to_s) = seconds(index as u64 * hop..(index + run) as u64 * hop);
        let is_silent = hops[index..index + run].iter().any(|hop| hop.heard == Heard::Silent);
        if is_silent || (run > 0 && to_s - from_s > AUDIBLE_S - 1e-4) {
            let worst = hops[index..index + run].iter().filter_map(|hop| kind_of(hop.heard)).max();
            faults.extend(worst.map(|kind| (from_s, to_s, kind)));
        }
        index += run + 1;
    }
    faults.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut glitches: Vec<Glitch> = Vec::new();
    for (from_s, to_s, kind) in faults {
        match glitches.last_mut() {
            Some(last) if from_s < last.to_s + CLUSTER_S => {
                (last.to_s, last.kind) = (last.to_s.max(to_s), last.kind.max(kind));
            }
            _ => glitches.push(Glitch { from_s, to_s, kind }),
        }
    }
    glitches
}

fn kind_of(heard: Heard) -> Option<GlitchKind> {
    match heard {
        Heard::Concealed => Some(GlitchKind::Concealment),
        Heard::Wrong => Some(GlitchKind::Wrong),
        Heard::Silent => Some(GlitchKind::Silence),
        Heard::NotDue | Heard::Quiet | Heard::Right | Heard::CardSilent => None,
    }
}
