//! Converts the results of the detector to a listener's judgement, and adds them to the rows of the
//! trace.

use crate::check::{Circumstances, FrameTimes, Listening, Span};
use crate::models::MediaTimeline;
use crate::record::Recording;
use crate::scenario::{Loaded, Receiver};
use crate::world::{Outcome, card_clock, scaled};

/// What was heard from a receiver, if its audio was judged. Completes the rows of its trace.
pub(super) fn listen(loaded: &Loaded, receiver: &Receiver, outcome: &mut Outcome) -> Option<Listening> {
    let report = outcome.heard.as_ref()?;
    let scenario = &loaded.scenario;
    let surroundings = scenario.surroundings_of(receiver);
    let chain = surroundings.chain?;
    let rate_hz = chain.card.sample_rate_hz.get();
    let mut card = card_clock(&chain, &surroundings, &scenario.faults, scenario.seed);
    let frames = outcome.row_frames.last().copied().unwrap_or(0) + u64::from(rate_hz);
    let times = FrameTimes::new(frames, rate_hz, |frame| {
        card.true_time_of(frame as f64 * 1e9 / f64::from(rate_hz)) as f64 * 1e-9
    });
    let mut captured = MediaTimeline::new(chain.talker, scenario);
    let scale = f64::from(rate_hz) / f64::from(chain.talker.sample_rate_hz.get());
    let around = Circumstances { times, card_gaps: &outcome.card_gaps, concealed: &outcome.concealed };
    let heard = Listening::new(report, around, |at_s, position| {
        let captured = scaled(captured.position_at((at_s * 1e9) as i64), scale);
        captured.frames_since(position) / f64::from(rate_hz) * 1e3
    });
    complete(&mut outcome.recording, &heard);
    Some(heard)
}

/// Writes into each row what was heard in its interval.
fn complete(recording: &mut Recording, heard: &Listening) {
    let interval_s = recording.rows.first().map_or(1.0, |row| row.time_s);
    for row in &mut recording.rows {
        let span = Span { from_s: row.time_s - interval_s, to_s: row.time_s };
        let seconds = heard.seconds(span);
        let begin = |at: &f64| (span.from_s..span.to_s).contains(at);
        row.crackles = Some(heard.crackles_s.iter().filter(|at| begin(at)).count() as u32);
        row.glitches = Some(heard.glitches.iter().filter(|glitch| begin(&glitch.from_s)).count() as u32);
        row.heard_ms = Some(seconds.right * 1e3);
        row.silent_ms = Some(seconds.silent * 1e3);
        row.wrong_ms = Some((seconds.wrong + seconds.concealed) * 1e3);
    }
}
