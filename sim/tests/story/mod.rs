//! A made-up trace with the shape of the simulator's main story, for tests and for looking at pictures: a host that
//! gets busier at 240 s, a grandmaster lost at 600 s, an engine that stays calm and a prototype that does not.

use sim::record::{
    AudioExcerpt, ClockState, Incident, Occurrence, Recording, RunTrace, Subjects, TraceEvent, TraceRow,
};

/// Names of up to six receivers.
const NAMES: [&str; 6] = ["engine", "prototype", "level loop", "fixed ratio", "wide window", "a long receiver name"];

/// When the grandmaster is silent.
#[derive(Clone, Copy)]
struct Outage {
    from_s: f64,
    to_s: f64,
}

/// A small generator of noise (an LCG with Knuth's constants), so that the story needs no seed and no crate.
struct Noise(u64);

impl Noise {
    /// Uniform in -1..1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 23) - 1.0
    }

    /// Roughly normal with unit variance.
    fn normal(&mut self) -> f64 {
        (0..6).map(|_| self.next()).sum::<f64>() / 1.414
    }
}

/// The story with that many receivers (1 to 6) over that many seconds; the weather moves with the length.
pub(crate) fn story(receivers: usize, duration_s: u32) -> RunTrace {
    let scale = f64::from(duration_s) / 900.0;
    let incident = |text: &str, from_s: f64, to_s: Option<f64>| Incident {
        text: text.into(),
        silences_master: text.starts_with("grandmaster"),
        times: vec![Occurrence { from_s, to_s }],
    };
    let (busy_s, outage) = (240.0 * scale, Outage { from_s: 600.0 * scale, to_s: 600.0 * scale + 20.0 });
    RunTrace {
        scenario: "busy-host".into(),
        title: "A host gets busy, then the grandmaster is gone for 20 s".into(),
        duration_s: f64::from(duration_s),
        target_depth_ms: Some(50.0),
        listened: true,
        subjects: Subjects { clock: true, ..Subjects::default() },
        incidents: vec![
            incident("host busy: 300 µs of timestamp jitter", busy_s, Some(660.0 * scale)),
            incident("a Sync late by 1 ms", 300.0 * scale, None),
            incident("grandmaster lost", outage.from_s, Some(outage.to_s)),
        ],
        recordings: (0..receivers).map(|index| recording(index, duration_s, outage)).collect(),
    }
}

fn recording(index: usize, duration_s: u32, outage: Outage) -> Recording {
    let mut noise = Noise(index as u64 + 1);
    let busy_from = 240.0 * f64::from(duration_s) / 900.0;
    let mut rows = Vec::new();
    let mut state = Prototype { depth_ms: 50.0, wobble_ppm: 0.0, error_us: 900.0, unlocked_for: 0 };
    for second in 1..=duration_s {
        let time_s = f64::from(second);
        let truth = 38.0 + 6.0 * (time_s / f64::from(duration_s) * 3.0).sin();
        let silent = time_s >= outage.from_s && time_s < outage.to_s;
        let busy = time_s > busy_from;
        rows.push(if index == 0 {
            engine_row(time_s, truth, silent, busy, outage, &mut noise)
        } else {
            state.row(time_s, truth, silent, busy, index as f64, &mut noise)
        });
    }
    let start_s = rows
        .iter()
        .find(|row| row.glitches.is_some_and(|glitches| glitches > 0))
        .map_or(f64::from(duration_s) / 2.0, |row| row.time_s - 0.6);
    let events = vec![TraceEvent { time_s: start_s, text: "unlocked: drift of 57 ppm exceeds 50 ppm".into() }];
    let identities = [(3.0, "dca600fffeff2eea"), (outage.to_s + 2.0, "00b0c2fffe000001")];
    let grandmasters = identities.map(|(time_s, text)| TraceEvent { time_s, text: text.into() }).into();
    Recording { receiver: NAMES[index].into(), rows, events, grandmasters, excerpt: Some(excerpt(start_s, index > 0)) }
}

fn engine_row(time_s: f64, truth: f64, silent: bool, busy: bool, outage: Outage, noise: &mut Noise) -> TraceRow {
    let locked = time_s > 12.0;
    let settle = (-time_s / 6.0).exp();
    let hold = if silent { time_s - outage.from_s } else { 0.0 };
    let jitter = if busy { 0.25 } else { 0.1 };
    let ratio = truth + if time_s < 10.0 { -truth } else { jitter * noise.normal() + 20.0 * settle * noise.next() };
    let depth = 50.0 + 0.06 * noise.normal() - 0.9 * settle;
    let swing = 1.6 + if busy { 1.2 + noise.next() } else { 0.2 * noise.next() };
    TraceRow {
        clock_state: match (locked, silent) {
            _ if time_s < 3.0 => ClockState::Listening,
            (false, _) => ClockState::Acquiring,
            (true, true) if hold > 3.0 => ClockState::Holdover,
            (true, _) => ClockState::Locked,
        },
        clock_error_us: (time_s > 3.0).then_some((4.0 * jitter + 60.0 * settle) * 4.0 * noise.normal() + 0.3 * hold),
        clock_sigma_us: (time_s > 3.0).then_some((4.0 * jitter + 70.0 * settle) * 4.5 + 0.5 * hold),
        host_rate_ppm: (time_s > 5.0).then_some(truth - 46.0 + 0.2 * noise.normal() + 30.0 * settle * noise.next()),
        ratio_ppm: ratio,
        depth_ms: depth,
        fill_min_ms: depth - swing,
        fill_max_ms: depth + swing,
        ..blank(time_s, truth)
    }
}

struct Prototype {
    depth_ms: f64,
    wobble_ppm: f64,
    error_us: f64,
    unlocked_for: u32,
}

impl Prototype {
    fn row(&mut self, time_s: f64, truth: f64, silent: bool, busy: bool, index: f64, noise: &mut Noise) -> TraceRow {
        let push = if busy { 14.0 } else { 1.5 } / index.sqrt();
        self.wobble_ppm = 0.86 * self.wobble_ppm + push * noise.normal();
        self.error_us = 0.9 * self.error_us + (if busy { 160.0 } else { 12.0 }) * noise.normal();
        if self.unlocked_for > 0 {
            self.unlocked_for -= 1;
        } else if self.wobble_ppm.abs() > 48.0 || silent {
            self.unlocked_for = 14;
        }
        let unlocked = self.unlocked_for > 0 && time_s > 20.0;
        let pull = if unlocked { 95.0 } else { 0.0 };
        self.depth_ms -= (self.wobble_ppm + pull) * 0.012 - if unlocked { 0.0 } else { (50.0 - self.depth_ms) * 0.03 };
        let starved = self.depth_ms < 3.0;
        if starved && noise.next() > 0.2 {
            self.depth_ms = 20.0 + 5.0 * noise.next();
        }
        self.depth_ms = self.depth_ms.max(0.0);
        let cracks = if starved { 2 } else { u32::from(unlocked && noise.next() > 0.55) };
        TraceRow {
            clock_state: match unlocked {
                true if self.unlocked_for < 5 => ClockState::Acquiring,
                true => ClockState::Unlocked,
                false if time_s < 20.0 => ClockState::Acquiring,
                false => ClockState::Locked,
            },
            clock_error_us: (time_s > 4.0).then_some(self.error_us),
            host_rate_ppm: (time_s > 4.0).then_some(truth - 46.0 + self.wobble_ppm),
            ratio_ppm: truth + self.wobble_ppm + pull,
            depth_ms: self.depth_ms,
            fill_min_ms: (self.depth_ms - 3.0 - push * 0.3).max(0.0),
            fill_max_ms: self.depth_ms + 3.0 + push * 0.3,
            underruns: if starved { 3 } else { 0 },
            glitches: Some(cracks),
            ..blank(time_s, truth)
        }
    }
}

fn blank(time_s: f64, truth: f64) -> TraceRow {
    TraceRow {
        time_s,
        clock_state: ClockState::Listening,
        clock_error_us: None,
        clock_sigma_us: None,
        host_rate_ppm: None,
        host_rate_truth_ppm: truth - 46.0,
        ratio_ppm: 0.0,
        ratio_truth_ppm: truth,
        depth_ms: 0.0,
        fill_min_ms: 0.0,
        fill_max_ms: 0.0,
        underruns: 0,
        glitches: Some(0),
        packets_late: 0,
        packets_lost: 0,
        ..TraceRow::default()
    }
}

/// 300 ms of two tones; a bad one has a gap of 7 ms and comes back 2 ms late.
fn excerpt(start_s: f64, bad: bool) -> AudioExcerpt {
    let tone = |index: usize| {
        let phase = index as f64 / 48_000.0 * std::f64::consts::TAU;
        (0.42 * (220.0 * phase).sin() + 0.2 * (523.0 * phase).sin()) as f32
    };
    let reference: Vec<f32> = (0..14_400).map(tone).collect();
    let played = (0..14_400)
        .map(|index| match index {
            6_000..6_336 if bad => 0.0,
            6_336.. if bad => tone(index - 96),
            _ => tone(index),
        })
        .collect();
    AudioExcerpt { start_s, sample_rate_hz: 48_000, played, reference }
}
