//! Abrupt changes from one signal to another: a mute, an un-mute, a jump without a crossfade.
//!
//! Model: played = old + r (new - old), where `r` goes from 0 to 1. With y = played - old and u =
//! new - old, `r` over half a millisecond is <y, u> / <u, u>. A change is abrupt if `r` moves by
//! more than 0.6 within two thirds of a millisecond, which a linear fade does if it is shorter than
//! about 1.1 ms. As `r` is a ratio, a mute is found even where the waveform crosses zero.

const BLOCK: usize = 8;
/// Blocks of the windows before and after, which have one block between them.
const WINDOW: usize = 3;
/// Change of `r` that counts as abrupt.
const ABRUPT: f64 = 0.6;
/// Share of `u` that may remain unexplained.
const UNEXPLAINED: f64 = 0.08;
/// RMS below which a difference is inaudible: -60 dBFS.
const AUDIBLE: f64 = 1e-3;

/// Frames on either side of an instant in which its corner may lie: both windows and the block
/// between them.
const CORNER_NEAR: usize = (WINDOW + 1) * BLOCK;
/// Further frames on either side with which a corner is compared: a pitch period of 100 Hz.
const CORNER_AROUND: usize = 480;
/// Smallest peak of a corner, as a multiple of the RMS of those frames: in one of 250 sets of as
/// many normally distributed values, one is larger.
const CORNER_RMS: f64 = 4.0;

#[derive(Clone, Copy, Default)]
struct Sums {
    yy: f64,
    yu: f64,
    uu: f64,
}

/// Frames at which `y` changes abruptly from one share of `u` to another; the caller must merge
/// those that are close together. Differences `u` whose RMS is below `level` are ignored.
pub(super) fn abrupt_changes(y: &[f32], u: &[f32], level: f64) -> Vec<usize> {
    let blocks = block_sums(y, u);
    let floor = level.max(AUDIBLE);
    let mut found = Vec::new();
    for at in WINDOW..blocks.len().saturating_sub(WINDOW) {
        let (before, after) = (window(&blocks, at - WINDOW), window(&blocks, at + 1));
        let (Some(before), Some(after)) = (share(before, floor), share(after, floor)) else { continue };
        if (after - before).abs() > ABRUPT {
            found.push(at * BLOCK + BLOCK / 2);
        }
    }
    found
}

/// The frame at which `y` stops abruptly to be small against `reference`, which means that tracking
/// was lost in an instant.
pub(super) fn abrupt_loss(y: &[f32], reference: &[f32]) -> Option<usize> {
    let blocks = block_sums(y, reference);
    (WINDOW..blocks.len().saturating_sub(WINDOW))
        .find(|&at| {
            let (before, after) = (window(&blocks, at - WINDOW), window(&blocks, at + 1));
            let audible = AUDIBLE * AUDIBLE * (WINDOW * BLOCK) as f64;
            let heard = before.uu.max(after.uu) > audible;
            heard && before.yy < 0.03 * before.uu && after.yy > 0.3 * after.uu.max(audible)
        })
        .map(|at| at * BLOCK + BLOCK / 2)
}

/// Whether `y` itself has a corner near `at`: its second difference has a peak there that exceeds
/// its values before and after. A substitute that continues smoothly while the programme changes
/// has no corner.
pub(super) fn has_corner(y: &[f32], at: usize) -> bool {
    let second = |range: std::ops::Range<usize>| {
        let range = range.start.max(1)..range.end.min(y.len().saturating_sub(1));
        range.map(|n| f64::from(y[n - 1] - 2.0 * y[n] + y[n + 1]).abs())
    };
    let (from, to) = (at.saturating_sub(CORNER_NEAR), at + CORNER_NEAR);
    let peak = second(from..to).fold(0.0, f64::max);
    let around = [from.saturating_sub(CORNER_AROUND)..from, to..to + CORNER_AROUND];
    let sides = around.map(|side| {
        let (mut sum, mut count, mut highest) = (0.0, 0.0f64, 0.0f64);
        second(side).for_each(|d| (sum, count, highest) = (sum + d * d, count + 1.0, highest.max(d)));
        ((sum / count.max(1.0)).sqrt(), highest)
    });
    let [(rms, highest), (other_rms, other_highest)] = sides;
    peak > CORNER_RMS * rms.max(other_rms) && peak > highest.max(other_highest)
}

fn share(sums: Sums, floor: f64) -> Option<f64> {
    if sums.uu < floor * floor * (WINDOW * BLOCK) as f64 {
        return None;
    }
    let rest = sums.yy - sums.yu * sums.yu / sums.uu;
    (rest < UNEXPLAINED * sums.uu).then_some(sums.yu / sums.uu)
}

fn window(blocks: &[Sums], first: usize) -> Sums {
    blocks[first..first + WINDOW].iter().fold(Sums::default(), |a, b| Sums {
        yy: a.yy + b.yy,
        yu: a.yu + b.yu,
        uu: a.uu + b.uu,
    })
}

fn block_sums(y: &[f32], u: &[f32]) -> Vec<Sums> {
    y.chunks_exact(BLOCK)
        .zip(u.chunks_exact(BLOCK))
        .map(|(y, u)| {
            y.iter().zip(u).fold(Sums::default(), |s, (&y, &u)| {
                let (y, u) = (f64::from(y), f64::from(u));
                Sums { yy: s.yy + y * y, yu: s.yu + y * u, uu: s.uu + u * u }
            })
        })
        .collect()
}

/// Whether `y` is mostly a smoothly changing share of `u`: a crossfade and not unknown audio.
pub(super) fn explained(y: &[f32], u: &[f32]) -> bool {
    let (mut rest, mut total) = (0.0, 0.0);
    for s in block_sums(y, u).chunks_exact(WINDOW).map(|w| window(w, 0)) {
        rest += s.yy - s.yu * s.yu / s.uu.max(1e-12);
        total += s.yy;
    }
    rest < 0.1 * total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frame: f64) -> f32 {
        (0.3 * libm::sin(frame * 0.05) + 0.1 * libm::sin(frame * 0.31)) as f32
    }

    #[test]
    fn a_splice_has_a_corner_and_a_tone_has_none() {
        let smooth: Vec<f32> = (0..4000).map(|n| tone(f64::from(n))).collect();
        let spliced: Vec<f32> = (0..4000).map(|n| tone(f64::from(if n < 2000 { n } else { n + 240 }))).collect();
        assert!(!has_corner(&smooth, 2000));
        assert!(has_corner(&spliced, 2000) && has_corner(&spliced, 1980) && has_corner(&spliced, 2030));
        assert!(!has_corner(&spliced, 1500));
    }

    #[test]
    fn the_end_of_the_audio_is_no_corner() {
        let smooth: Vec<f32> = (0..1000).map(|n| tone(f64::from(n))).collect();
        assert!(!has_corner(&smooth, 4) && !has_corner(&smooth, 998));
    }
}
