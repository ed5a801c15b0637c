//! Runs what is left of a sweep, on all processors.

use super::Stop;
use crate::terminal::Progress;
use crate::total_ms;
use sim::sweep::{Ending, Journal, Plan, Record};
use sim::world::Control;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Lines of progress where there is no terminal to draw a bar on.
const LINES: usize = 10;

/// What the threads share.
struct State {
    journal: Journal,
    done: usize,
    failed: usize,
    /// The first error, which ends the sweep.
    stop: Option<Stop>,
}

/// Runs these runs of a plan, each into the journal as soon as it is finished.
pub(super) fn work(plan: &Plan, left: &[usize], journal: Journal, control: &Arc<Control>) -> Result<Journal, Stop> {
    if left.is_empty() {
        return Ok(journal);
    }
    let each_ms = plan.load(left[0]).map(|loaded| total_ms(&loaded)).map_err(Stop::usage)?;
    let progress = Progress::start(&format!("{} runs", left.len()), each_ms * left.len() as u64, control);
    let next = AtomicUsize::new(0);
    let state = Mutex::new(State { journal, done: 0, failed: 0, stop: None });
    let one = || {
        while let Some(&number) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
            let made = Record::make(plan, number, control);
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = match made {
                // Stopped, by the user or by an error in another thread.
                Ok(None) => break,
                Ok(Some(record)) => keep(&mut state, record),
                Err(error) => Err(Stop::usage(error)),
            };
            if let Err(stop) = kept {
                state.stop.get_or_insert(stop);
                control.cancelled.store(true, Ordering::Relaxed);
                break;
            }
            if !std::io::stderr().is_terminal() {
                tell(&state, left.len(), progress.elapsed());
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(left.len());
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(one))));
    progress.finish();
    let State { journal, stop, .. } = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    stop.map_or(Ok(journal), Err)
}

fn keep(state: &mut State, record: Record) -> Result<(), Stop> {
    state.done += 1;
    state.failed += usize::from(matches!(record.ending, Ending::Failed | Ending::Error));
    Ok(state.journal.add(record)?)
}

/// A line after each tenth of the runs.
fn tell(state: &State, all: usize, elapsed: Duration) {
    let State { done, failed, .. } = *state;
    if done * LINES / all > (done - 1) * LINES / all {
        let left = elapsed.mul_f64((all - done) as f64 / done as f64);
        eprintln!("{done} of {all} runs, {failed} failed; about {:.0} s to go", left.as_secs_f64());
    }
}
