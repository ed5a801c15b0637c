//! A made-up trace with the shape of the simulator's main story, for tests and for looking at
//! pictures: a grandmaster lost for 20 s, then a wall clock that is slewed and a thread that is
//! held up for 20 s; an engine that stays calm but for one gap, and a prototype that unlocks for
//! good, is overrun and crackles, and whose display shows 91 % and 0.

use sim::record::{
    AudioExcerpt, ClockState, Incident, Occurrence, Recording, RunTrace, Subjects, TraceEvent, TraceRow,
};

/// Names of up to six receivers.
const NAMES: [&str; 6] = ["engine", "prototype", "level loop", "fixed ratio", "wide window", "a long receiver name"];

/// A small generator of noise (an LCG with Knuth's constants), so that the story needs no seed and
/// no crate.
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

/// Length of the story as it happens, and when, in seconds; the times move with the length.
const LENGTH_S: f64 = 195.0;
const LOST_S: (f64, f64) = (90.0, 110.0);
const BUSY_S: (f64, f64) = (150.0, 170.0);

/// The story with that many receivers (1 to 6) over that many seconds.
pub(crate) fn story(receivers: usize, duration_s: u32) -> RunTrace {
    let scale = f64::from(duration_s) / LENGTH_S;
    let incident = |(from_s, to_s): (f64, f64), text: &str| Incident {
        text: text.into(),
        silences_master: text.starts_with("grandmaster"),
        times: vec![Occurrence { from_s: from_s * scale, to_s: Some(to_s * scale) }],
    };
    RunTrace {
        scenario: "busy-host".into(),
        title: "Unlocked for good, crackles for 20 s, Audio 91 %, Under 0".into(),
        duration_s: f64::from(duration_s),
        target_depth_ms: Some(50.0),
        listened: true,
        subjects: Subjects { clock: true, ..Subjects::default() },
        incidents: vec![
            incident(LOST_S, "grandmaster lost"),
            incident((BUSY_S.0, LENGTH_S), "wall clock slewed +80 ppm"),
            incident(BUSY_S, "receiving thread held up to 150 ms"),
        ],
        recordings: (0..receivers).map(|index| recording(index, duration_s)).collect(),
        ..RunTrace::default()
    }
}

fn recording(index: usize, duration_s: u32) -> Recording {
    let mut noise = Noise(index as u64 + 1);
    let mut display = Display::default();
    let seconds = 1..=duration_s;
    let rows = seconds.map(|second| {
        let at = Moment::new(f64::from(second), LENGTH_S / f64::from(duration_s));
        if index == 0 {
            engine_row(&at, &mut noise)
        } else {
            prototype_row(&at, index as f64, &mut display, &mut noise)
        }
    });
    let rows: Vec<TraceRow> = rows.collect();
    let start_s = rows
        .iter()
        .find(|row| row.glitches.is_some_and(|glitches| glitches > 0))
        .map_or(f64::from(duration_s) / 2.0, |row| row.time_s - 0.6);
    let event = |text: &str| TraceEvent { time_s: start_s, text: text.into() };
    let events = vec![event("Slave to: PTP/dca600fffeff2eea:1"), event("[UNLOCKED], drift +57.0 ppm")];
    let (first, second) = (3.0, (LOST_S.1 + 2.0) * f64::from(duration_s) / LENGTH_S);
    let identities = [(first, "dca600fffeff2eea"), (second, "00b0c2fffe000001")];
    let grandmasters = identities.map(|(time_s, text)| TraceEvent { time_s, text: text.into() }).into();
    Recording {
        receiver: NAMES[index].into(),
        rows,
        events,
        grandmasters,
        excerpt: Some(excerpt(start_s, index > 0)),
        ..Recording::default()
    }
}

/// A second of the story.
struct Moment {
    time_s: f64,
    /// The same in the story as it happens.
    story_s: f64,
    truth_ppm: f64,
}

impl Moment {
    fn new(time_s: f64, per_s: f64) -> Self {
        let story_s = time_s * per_s;
        Self { time_s, story_s, truth_ppm: 30.0 + 0.2 * (story_s / LENGTH_S * 3.0).sin() }
    }

    fn is_lost(&self) -> bool {
        (LOST_S.0..LOST_S.1).contains(&self.story_s)
    }

    fn is_busy(&self) -> bool {
        (BUSY_S.0..BUSY_S.1).contains(&self.story_s)
    }
}

fn engine_row(at: &Moment, noise: &mut Noise) -> TraceRow {
    let settle = (-at.story_s / 6.0).exp();
    let hold = if at.is_lost() { at.story_s - LOST_S.0 } else { 0.0 };
    let asked = if at.story_s < BUSY_S.0 { 50.0 } else { 264.0 };
    let depth = asked + 0.06 * noise.normal() - 0.9 * settle;
    let swing = 1.6 + 0.2 * noise.next() + if at.is_busy() { 60.0 * noise.next().abs() } else { 0.0 };
    TraceRow {
        clock_state: match at.story_s {
            s if s < 1.0 => ClockState::Listening,
            s if s < 6.0 => ClockState::Acquiring,
            _ if hold > 0.0 => ClockState::Holdover,
            _ => ClockState::Locked,
        },
        clock_error_us: (at.story_s > 1.0).then_some((0.4 + 60.0 * settle) * 4.0 * noise.normal() + 0.3 * hold),
        clock_sigma_us: (at.story_s > 1.0).then_some((0.4 + 70.0 * settle) * 4.5 + 0.5 * hold),
        host_rate_ppm: (at.story_s > 2.0).then_some(at.truth_ppm + 0.2 * noise.normal()),
        ratio_ppm: -120.0 + 0.1 * noise.normal() + 20.0 * settle * noise.next(),
        depth_ms: depth,
        fill_min_ms: depth - swing,
        fill_max_ms: depth + swing,
        ..blank(at)
    }
}

/// What the prototype has counted.
#[derive(Default)]
struct Display {
    callbacks: f64,
    silent: f64,
}

fn prototype_row(at: &Moment, index: f64, display: &mut Display, noise: &mut Noise) -> TraceRow {
    let slewed_s = at.story_s - BUSY_S.0;
    let depth_ms = match at.story_s {
        s if s < BUSY_S.0 => 50.0 - 0.12 * s,
        s if s < BUSY_S.1 => 205.0,
        s => 150.0 - 0.12 * (s - BUSY_S.1),
    };
    let silent = if at.is_busy() { (44.0 + 6.0 * noise.next()).round() } else { 0.0 };
    display.callbacks += 50.0;
    display.silent += silent;
    let small_crack = at.story_s >= BUSY_S.1 && noise.next() > 0.6;
    TraceRow {
        clock_state: if slewed_s > 2.5 { ClockState::Unlocked } else { ClockState::Locked },
        clock_error_us: Some(25.0 * noise.normal() - 80.0 * slewed_s.max(0.0)),
        host_rate_ppm: Some(at.truth_ppm + index * noise.normal() + 80.0 * (1.0 - (-slewed_s.max(0.0)).exp())),
        ratio_ppm: 0.0,
        depth_ms,
        fill_min_ms: if at.is_busy() { 0.0 } else { depth_ms - 5.0 },
        fill_max_ms: if at.is_busy() { 150.0 } else { depth_ms + 5.0 },
        underruns: silent as u32 + u32::from(small_crack),
        glitches: Some(if at.is_busy() { 4 } else { u32::from(small_crack) }),
        displayed_audio_percent: Some(100.0 - 100.0 * display.silent / display.callbacks),
        displayed_underruns: Some(0),
        displayed_buffer_underruns: Some(4 * display.silent as u32),
        displayed_level_percent: Some(if slewed_s > 0.0 { 200.0 } else { 2.0 * depth_ms }),
        ..blank(at)
    }
}

fn blank(at: &Moment) -> TraceRow {
    TraceRow {
        time_s: at.time_s,
        host_rate_truth_ppm: at.truth_ppm,
        ratio_truth_ppm: -120.0,
        latency_ms: None,
        glitches: Some(0),
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
