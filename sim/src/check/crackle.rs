//! Counts the crackles in the output.
//!
//! The detector knows the programme and the played samples, but nothing about the receiver, so that
//! it can also judge recordings of real hardware. Hop by hop (10 ms), it determines the position of
//! the audio in the programme (`align`), subtracts the programme and searches the residual for
//! clicks (`residual`). Where a hop does not fit, it searches for abrupt changes between the path
//! before, silence, and the path after (`splice`).
//!
//! Not crackles: a constant or wandering pitch, a gain that fades over 3 ms or more, a crossfade of
//! 3 ms or more, the dull sound of linear interpolation, quantisation noise of 16 bits, what
//! happens while the programme is silent, and whatever precedes the first alignment.
//!
//! Besides the crackles it determines for every hop what was heard ([`super::heard`]), and the
//! position in the programme.
//!
//! Assumptions: all channels share one path, which runs within ±1000 ppm of nominal, and gains
//! below 2. Clicks further than 15 ms apart are counted separately. The last hop and its lookahead,
//! up to 15 ms, are not judged.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::{Frames, MediaPosition};

use super::align::{self, BLOCK, MARGIN, Track};
use super::heard;
use super::hop::{self, Hop, HopKind};
use super::loss::{FADING, MISFIT_EXACT, trust};
use super::residual::{Residual, Trust};
use super::tally::{AUDIBLE, Crackle, CrackleKind, CrackleReport, Tally};
use crate::signal::{Interpolator, SourceSignal};

/// Residual energy, as a share of the energy played, above which a hop does not fit. White noise
/// through linear interpolation half-way between samples has 0.19.
const MISFIT_MAX: f64 = 0.25;
/// A hop that is further from its path than this many frames has jumped.
const JUMP_FRAMES: f64 = 0.3;
/// Mean square of a residual below which a hop fits in any case: -80 dBFS, for programmes that are
/// nearly silent.
const NEGLIGIBLE: f64 = 1e-8;
/// Maximum number of hops without a fit that are kept for analysis.
const MISSES_MAX: usize = 30;
/// Consecutive hops on one path, half a second, after which it counts as the path that the receiver
/// intends.
const STEADY_HOPS: usize = 50;
/// Number of unknown hops that are each searched for in the programme; later ones are searched less
/// often.
const STRANGE_HOPS: usize = 12;
/// Number of consecutive unknown hops, 10 s, after which the receiver is lost.
const LOST_HOPS: usize = 1000;
/// A lost receiver is searched for nearby once in this many hops, which is twice a second.
const LOST_NEAR: usize = 50;
/// A lost receiver is searched for farther away once in this many hops, which is once a second.
const LOST_FAR: usize = 100;
/// Flags that are less than this apart are one crackle.
pub(super) const CLUSTER_S: f64 = 0.015;

/// Streaming detector. Its memory does not grow with time, except for the list of crackles.
#[derive(Clone, Debug)]
pub struct CrackleDetector {
    pub(super) reference: Interpolator,
    pub(super) hop: usize,
    expected: i64,
    reach: u32,
    /// Played samples by channel; the first is that of frame `base`.
    pub(super) played: Vec<Vec<f32>>,
    pub(super) base: i64,
    /// First frame of the next hop to align.
    next: i64,
    track: Option<Track>,
    /// The last path that was followed for [`STEADY_HOPS`], extrapolated: after a disturbance, a
    /// receiver usually returns to it.
    home: Option<Track>,
    /// Consecutive fitting hops.
    fits: usize,
    /// Gain of the last exact hop.
    pub(super) gain: f64,
    misses: usize,
    /// Number of misses that were not silent, minus those that were, so that audio that alternates
    /// with silence is searched as rarely as continuous audio.
    strange: usize,
    attempts: usize,
    /// Hops that wait for judgement: a fitting one, and those after it that do not fit.
    pub(super) pending: VecDeque<Hop>,
    /// Position and gain at the border between the last judged hop and the next one.
    edge: Option<(MediaPosition, f64)>,
    residuals: Vec<Residual>,
    pub(super) flags: Vec<(u64, CrackleKind)>,
    tally: Tally,
}

/// A rate, if a receiver may have it.
fn within_limits(rate: f64) -> Option<f64> {
    ((rate - 1.0).abs() < 2e-3).then_some(rate)
}

/// A hop compared with a track.
struct Aligned {
    hop: Hop,
    /// By how much the hop's position is ahead of the track's.
    moved: f64,
    /// Variance of the offset, in frames squared.
    variance: f64,
}

impl CrackleDetector {
    /// A detector for audio whose first frame is expected at media frame `expected_start` of
    /// `source`, or up to `search_frames` away from it.
    #[must_use]
    pub fn new(source: Arc<SourceSignal>, expected_start: Frames, search_frames: u32) -> Self {
        let channels = usize::from(source.channels());
        // 10 ms in an even number of blocks, so that the middle of a hop is a border of blocks.
        let hop = (source.sample_rate().as_hz() as usize / (200 * BLOCK)).max(4) * 2 * BLOCK;
        let tally = Tally::new(hop);
        Self {
            reference: Interpolator::new(source),
            hop,
            expected: expected_start.get(),
            reach: search_frames,
            played: vec![vec![0.0; MARGIN]; channels],
            base: -(MARGIN as i64),
            next: 0,
            track: None,
            home: None,
            fits: 0,
            gain: 1.0,
            misses: 0,
            strange: 0,
            attempts: 0,
            pending: VecDeque::new(),
            edge: None,
            residuals: vec![Residual::default(); channels],
            flags: Vec::new(),
            tally,
        }
    }

    /// Takes played frames, interleaved; an incomplete last frame is ignored.
    pub fn push(&mut self, played: &[f32]) {
        let channels = self.played.len();
        for (channel, plane) in self.played.iter_mut().enumerate() {
            plane.extend(played.chunks_exact(channels).map(|frame| frame[channel]));
        }
        // A search needs this hop and the next one.
        while self.available() >= self.next + 3 * self.hop as i64 {
            self.step();
        }
    }

    /// The verdict.
    #[must_use]
    pub fn finish(mut self) -> CrackleReport {
        while self.available() > self.next + self.hop as i64 {
            self.step();
        }
        if self.pending.len() > 1 {
            self.resolve_loss();
        }
        while let Some(hop) = self.pending.pop_front() {
            self.judge(&hop, None, Trust::Rough);
        }
        self.drain_flags(u64::MAX);
        self.tally.end_gap();
        let rate = f64::from(self.reference.source().sample_rate().as_hz());
        self.tally.report(rate)
    }

    pub(super) fn available(&self) -> i64 {
        self.base + self.played[0].len() as i64
    }

    /// Played planes from `first` on, `frames` long.
    pub(super) fn window(&self, first: i64, frames: usize) -> Vec<&[f32]> {
        let at = (first - self.base) as usize;
        self.played.iter().map(|plane| &plane[at..at + frames]).collect()
    }

    /// Aligns the next hop, and judges those hops that can be judged by now.
    fn step(&mut self) {
        if self.track.is_none() {
            self.track = self.acquire(self.expected + self.next, self.reach as usize, None);
        }
        match self.track {
            Some(track) => self.follow(track),
            None => self.without_path(),
        }
        self.next += self.hop as i64;
        for track in self.track.iter_mut().chain(&mut self.home) {
            track.advance(self.hop as f64);
        }
        let oldest = self.pending.front().map_or(self.next, |hop| hop.start as i64) - self.hop as i64;
        self.drain_flags(oldest.max(0) as u64);
        self.forget(oldest - 2 * self.hop as i64);
    }

    /// Drops played audio that is no longer needed.
    fn forget(&mut self, before: i64) {
        let old = before - self.base;
        if old > 64 * self.hop as i64 {
            for plane in &mut self.played {
                plane.drain(..old as usize);
            }
            self.base = before;
        }
    }

    /// Handles the next hop while the position in the programme is unknown.
    fn without_path(&mut self) {
        let first = self.expected + self.next;
        let mut reference = vec![vec![0.0; self.hop]; self.played.len()];
        for (channel, plane) in reference.iter_mut().enumerate() {
            self.reference.source().render_channel(channel, first, plane);
        }
        let played = self.window(self.next, self.hop);
        let energy = |planes: &mut dyn Iterator<Item = &[f32]>| -> f64 {
            planes.flat_map(|plane| plane.iter()).map(|&x| f64::from(x) * f64::from(x)).sum()
        };
        let blocks: Vec<(bool, f64)> = (0..self.hop / BLOCK)
            .map(|n| {
                let block = n * BLOCK..(n + 1) * BLOCK;
                let own = energy(&mut played.iter().map(|plane| &plane[block.clone()]));
                let programme = energy(&mut reference.iter().map(|plane| &plane[block.clone()]));
                (hop::is_quiet(own, self.played.len()), programme)
            })
            .collect();
        let is_due = first >= 0;
        let heard = heard::without_path(&played, &reference, is_due);
        self.tally.heard(heard, None);
        if is_due {
            self.tally.gaps(self.next as u64, blocks.into_iter(), self.played.len());
        }
    }

    fn follow(&mut self, track: Track) {
        self.tally.hops += 1;
        let aligned = self.align(&track);
        if aligned.hop.kind == HopKind::Miss && self.misses > 0 && self.search_now(&aligned.hop) {
            let reach = self.reach_now();
            let home = self.home.filter(|home| {
                home.position.frames_since(track.position).abs() > reach as f64 / 2.0 && self.misses > 1
            });
            for path in [Some(track), home].into_iter().flatten() {
                if let Some((there, found)) = self.find_near(&path, reach) {
                    let jumped = found.position.frames_since(track.position).abs() > JUMP_FRAMES;
                    self.accept(there, found, jumped);
                    return;
                }
            }
        }
        if aligned.hop.kind == HopKind::Fit {
            self.accept(aligned, track, false);
            return;
        }
        self.fits = 0;
        self.misses += 1;
        let audible = self.is_audible(&aligned.hop);
        self.strange = if audible { self.strange + 1 } else { self.strange.saturating_sub(1).min(STRANGE_HOPS) };
        self.pending.push_back(aligned.hop);
        if self.pending.len() > MISSES_MAX {
            self.resolve_loss();
        }
    }

    /// The next hop and its path, if it is within `reach` frames of the extrapolated `path`.
    fn find_near(&mut self, path: &Track, reach: usize) -> Option<(Aligned, Track)> {
        let around = path.position.advanced(-(self.hop as f64) / 2.0 * path.rate).frame();
        let found = self.acquire(around.get(), reach, Some(path.rate))?;
        let there = self.align(&found);
        (there.hop.kind == HopKind::Fit).then_some((there, found))
    }

    /// A search takes more time than everything else, so it is made less often while the audio
    /// stays unknown.
    fn search_now(&self, hop: &Hop) -> bool {
        let every = if self.strange < LOST_HOPS { 10 } else { LOST_NEAR };
        self.is_audible(hop) && (self.strange < STRANGE_HOPS || self.strange.is_multiple_of(every))
    }

    /// How many frames from a path a search goes: first where a receiver jumps to, then farther.
    fn reach_now(&self) -> usize {
        let far = self.misses > 30 && (self.strange < LOST_HOPS || self.strange.is_multiple_of(LOST_FAR));
        self.hop * if far { 100 } else { 10 }
    }

    fn is_audible(&self, hop: &Hop) -> bool {
        let energy: f64 = hop.blocks.iter().map(|b| b.yy).sum();
        energy > AUDIBLE * (self.hop * self.played.len()) as f64
    }

    /// Adds a fitting hop to the track, and judges all hops before it.
    fn accept(&mut self, aligned: Aligned, mut track: Track, jumped: bool) {
        let Aligned { mut hop, moved, variance } = aligned;
        hop.offset = track.update(moved + hop.offset, variance) - moved;
        self.track = Some(track);
        self.fits = if jumped { 1 } else { self.fits + 1 };
        if self.fits >= STEADY_HOPS {
            self.home = Some(track);
        }
        self.tally.fitted(&track);
        let steady = hop.misfit < MISFIT_EXACT / 5.0 && hop.slope.abs() < FADING;
        if self.misses > 0 || jumped {
            self.resolve(&hop, jumped);
        } else if let Some(before) = self.pending.pop_front() {
            let trust = trust(&before, hop.gain);
            self.judge(&before, Some(&hop), trust);
        }
        if steady {
            self.gain = hop.gain;
        } else {
            self.mute_edges(std::slice::from_ref(&hop));
        }
        (self.misses, self.strange) = (0, 0);
        self.pending.push_back(hop);
    }

    /// Position in the programme from the next hop on, determined from that hop and the one after
    /// it.
    fn acquire(&mut self, around: i64, reach: usize, rate: Option<f64>) -> Option<Track> {
        let frames = 2 * self.hop;
        if self.available() < self.next + frames as i64 + 1 {
            return None;
        }
        let at = (self.next - self.base) as usize;
        let played: Vec<&[f32]> = self.played.iter().map(|plane| &plane[at..at + frames]).collect();
        let energy: f64 = played.iter().flat_map(|p| p.iter()).map(|&x| f64::from(x) * f64::from(x)).sum();
        if energy < AUDIBLE * (frames * played.len()) as f64 {
            return None;
        }
        self.attempts += 1;
        if rate.is_none() && self.attempts > 20 && !self.attempts.is_multiple_of(10) {
            return None;
        }
        let around = MediaPosition::at_frame(Frames::new(around));
        let candidates = align::search(&played, &self.reference, around, reach);
        let middle = self.hop as f64 / 2.0;
        let mut best: Option<(Track, f64)> = None;
        for start in candidates {
            let Some((track, misfit)) = self.refine_both(start.advanced(middle), rate) else { continue };
            // The nearest one is tried first, so a farther one must be clearly better.
            if best.is_none_or(|(_, least)| misfit < 0.3 * least - 1e-7) {
                best = Some((track, misfit));
            }
        }
        best.map(|(track, _)| track)
    }

    /// A track through the next two hops, given the position of the middle of the next hop to
    /// within a frame, and the rate of an earlier path; and the sum of its misfits.
    fn refine_both(&mut self, guess: MediaPosition, of_path: Option<f64>) -> Option<(Track, f64)> {
        let Some(rate) = of_path else { return self.refine_with_rate(guess) };
        let (here, there, misfit) = self.refine_at(guess, rate)?;
        let of_path = within_limits(rate).map(|rate| (Track::new(here, rate, 2e-5), misfit));
        if (there.frames_since(here) - self.hop as f64 * rate).abs() < JUMP_FRAMES {
            return of_path;
        }
        // This rate misses the second hop, and would miss every hop that is not searched for.
        self.refine_with_rate(guess).filter(|(_, measured)| *measured < misfit).or(of_path)
    }

    /// The same without any knowledge of the rate.
    fn refine_with_rate(&mut self, guess: MediaPosition) -> Option<(Track, f64)> {
        // A deviation of 1000 ppm impairs the fit as much as a wrong position, so the rate is
        // measured first and the fit is then repeated.
        let (here, there, _) = self.refine_at(guess, 1.0)?;
        let rate = there.frames_since(here) / self.hop as f64;
        let (here, there, misfit) = self.refine_at(here, rate)?;
        let rate = there.frames_since(here) / self.hop as f64;
        within_limits(rate).map(|rate| (Track::new(here, rate, 1e-4), misfit))
    }

    /// The exact positions of the middles of the next two hops at a rate, and the sum of their
    /// misfits.
    fn refine_at(&mut self, guess: MediaPosition, rate: f64) -> Option<(MediaPosition, MediaPosition, f64)> {
        let (here, a) = self.refine(0, guess, rate)?;
        let (there, b) = self.refine(self.hop, here.advanced(self.hop as f64 * rate), rate)?;
        Some((here, there, a + b))
    }

    /// The exact position of the middle of the hop that begins `ahead` frames after the next one,
    /// given its position to within a frame.
    fn refine(&mut self, ahead: usize, guess: MediaPosition, rate: f64) -> Option<(MediaPosition, f64)> {
        let (mut centre, mut misfit) = (guess, 1.0);
        for _ in 0..5 {
            let start = centre.advanced(-(self.hop as f64) / 2.0 * rate);
            let reference = hop::render(&mut self.reference, start, rate, self.hop);
            let fit = align::solve(&align::sums(&self.window(self.next + ahead as i64, self.hop), &reference));
            misfit = fit.misfit;
            centre = centre.advanced(fit.offset.clamp(-0.7, 0.7));
            if fit.offset.abs() < 1e-3 {
                break;
            }
        }
        (misfit < MISFIT_MAX).then_some((centre, misfit))
    }

    /// Compares the next hop with a track.
    fn align(&mut self, track: &Track) -> Aligned {
        let mut moved = 0.0;
        loop {
            let position = track.position.advanced(moved - self.hop as f64 / 2.0 * track.rate);
            let reference = hop::render(&mut self.reference, position, track.rate, self.hop);
            let blocks = align::sums(&self.window(self.next, self.hop), &reference);
            let fit = align::solve(&blocks);
            let samples = (self.hop * self.played.len()) as f64;
            let total = moved + fit.offset;
            let silent =
                fit.residual < NEGLIGIBLE * samples && blocks.iter().map(|b| b.rr).sum::<f64>() < AUDIBLE * samples;
            let fits =
                silent || (fit.misfit < MISFIT_MAX && total.abs() < JUMP_FRAMES && (0.02..2.0).contains(&fit.gain));
            if fits && !silent && fit.offset.abs() > 0.03 && moved == 0.0 {
                moved = fit.offset;
                continue;
            }
            let hop = Hop {
                start: self.next as u64,
                kind: if fits { HopKind::Fit } else { HopKind::Miss },
                position: track.position.advanced(-(self.hop as f64) / 2.0 * track.rate).advanced(moved),
                step: track.rate,
                offset: if fits && !silent { fit.offset } else { 0.0 },
                gain: if fits && !silent { fit.gain } else { self.gain },
                slope: if fits && !silent { fit.slope } else { 0.0 },
                misfit: if silent { 0.0 } else { fit.misfit },
                reference,
                blocks,
            };
            return Aligned { hop, moved, variance: if silent { 1e6 } else { fit.variance } };
        }
    }

    /// Searches a hop for clicks; `next` is the hop after it, if that is on the same path.
    pub(super) fn judge(&mut self, hop: &Hop, next: Option<&Hop>, trust: Trust) {
        let frames = hop.frames();
        let quiet = hop.quiet(self.played.len());
        let heard: Vec<bool> = hop.blocks.iter().map(|b| b.rr > AUDIBLE * (BLOCK * self.played.len()) as f64).collect();
        let energies = quiet.iter().copied().zip(hop.blocks.iter().map(|block| block.rr));
        self.tally.gaps(hop.start, energies, self.played.len());
        let mute: Vec<bool> = (0..quiet.len())
            .map(|n| heard[n] && (n.saturating_sub(1)..(n + 2).min(quiet.len())).any(|n| quiet[n]))
            .collect();
        let begin = self.edge.take();
        self.edge = next.map(|next| {
            let middle = hop.centre().advanced(next.centre().frames_since(hop.centre()) / 2.0);
            (middle, (hop.gain + next.gain) / 2.0)
        });
        let length = frames as f64 * hop.step;
        let ahead = |edge: MediaPosition, at: f64| edge.frames_since(hop.position) - at;
        let (o0, g0) = begin.map_or((hop.offset, hop.gain), |(p, g)| (ahead(p, 0.0), g));
        let (o2, g2) = self.edge.map_or((hop.offset, hop.gain), |(p, g)| (ahead(p, length), g));
        let offset = [o0 as f32, hop.offset as f32, o2 as f32];
        // If a neighbour fades, the gain of this hop is not linear.
        let bent = (g0 - hop.gain).abs().max((g2 - hop.gain).abs()) > FADING / 2.0;
        let trust = if bent && trust == Trust::Exact { Trust::Rough } else { trust };
        let gain = [g0 as f32, hop.gain as f32, g2 as f32];
        let at = (hop.start as i64 - 1 - self.base) as usize;
        let (mut flags, mut energy) = (Vec::new(), 0.0);
        for ((residual, plane), reference) in self.residuals.iter_mut().zip(&self.played).zip(&hop.reference) {
            let played = &plane[at..at + frames + 2];
            energy += residual.push(hop.start, played, reference, offset, gain, trust, &mute, &mut flags);
        }
        let heard = heard::on_path(hop, &self.window(hop.start as i64, frames), &quiet);
        let power = (trust == Trust::Exact).then(|| energy / (frames * self.played.len()) as f64);
        self.tally.heard(heard, power);
        if hop.kind == HopKind::Fit {
            self.tally.waypoint(hop);
        }
        self.flags.extend(flags.into_iter().map(|at| (at, CrackleKind::Discontinuity)));
    }

    /// Converts the flags before `frame` to crackles.
    fn drain_flags(&mut self, frame: u64) {
        if self.flags.is_empty() {
            return;
        }
        self.flags.sort_unstable();
        let ready = self.flags.partition_point(|&(at, _)| at < frame);
        let distance = (CLUSTER_S * f64::from(self.reference.source().sample_rate().as_hz())) as u64;
        for (at, kind) in self.flags.drain(..ready) {
            match self.tally.crackles.last_mut() {
                Some(last) if at < last.at_frame + last.duration_frames + distance => {
                    last.duration_frames = last.duration_frames.max(at.saturating_sub(last.at_frame) + 1);
                    last.kind = last.kind.max(kind);
                }
                _ => self.tally.crackles.push(Crackle { at_frame: at, kind, duration_frames: 1 }),
            }
        }
    }
}
