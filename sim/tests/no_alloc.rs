//! The engine's audio half never asks the allocator for anything, in any scenario that ships: all
//! of them are run until their faults are over, and every pull is watched.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../engine/tests/counting_allocator/mod.rs"]
mod counting_allocator;

use counting_allocator::watched;
use engine::LocalTime;
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::StreamError;
use rayon::prelude::*;
use sim::receivers::stream_config;
use sim::scenario::{Loaded, ReceiverKind, Seconds};
use sim::world::{Clock, Control, EngineReceiver, Playback, Receiver, World};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long a scenario is run that has no faults, and how long after them.
const WITHOUT_FAULTS_S: f64 = 60.0;
const AFTER_FAULTS_S: f64 = 10.0;

/// The engine, whose pulls are watched.
struct Watched {
    engine: EngineReceiver,
    calls: Arc<AtomicU64>,
    pulls: Arc<AtomicU64>,
}

impl Receiver for Watched {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.engine.handle_ptp(now, datagram);
    }

    fn handle_media(&mut self, now: LocalTime, datagram: &[u8]) {
        self.engine.handle_media(now, datagram);
    }

    fn handle_media_b(&mut self, now: LocalTime, datagram: &[u8]) {
        self.engine.handle_media_b(now, datagram);
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.engine.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.engine.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.engine.poll_transmit()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.engine.handle_transmitted(token, sent);
    }

    fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        let ((), calls) = watched(|| self.engine.pull(now, out));
        self.calls.fetch_add(calls as u64, Ordering::Relaxed);
        self.pulls.fetch_add(1, Ordering::Relaxed);
    }

    fn playback(&self) -> Playback {
        self.engine.playback()
    }

    fn clock(&self, now: LocalTime) -> Clock {
        self.engine.clock(now)
    }

    fn poll_event(&mut self) -> Option<String> {
        self.engine.poll_event()
    }
}

/// Shortens a scenario to a minute, or to what it takes to live through its faults, each once.
fn shorten(mut loaded: Loaded) -> Loaded {
    let scenario = &mut loaded.scenario;
    let ends = scenario.faults.iter().map(|fault| fault.at_s.as_ref().get() + fault.for_s.map_or(0.0, Seconds::get));
    let end = ends.map(|end| end + AFTER_FAULTS_S).fold(WITHOUT_FAULTS_S, f64::max);
    scenario.duration_s = Seconds::try_from(end.min(scenario.duration_s.get())).unwrap();
    loaded
}

/// Scenarios in which the engine plays audio.
fn audible() -> Vec<Loaded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    paths.sort();
    let load = |path: &PathBuf| Loaded::read(path, &["record.audio=\"none\"".to_owned()]).unwrap();
    let plays = |loaded: &Loaded| {
        loaded.stream.is_some() && loaded.scenario.receivers.iter().any(|one| one.kind == ReceiverKind::Engine)
    };
    paths.iter().map(load).filter(plays).map(shorten).collect()
}

/// Runs a scenario with each of its engines; returns pulls, and calls to the allocator in them.
fn run(loaded: &Loaded) -> Result<(u64, u64), StreamError> {
    let [calls, pulls] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let engines = loaded.scenario.receivers.iter().filter(|receiver| receiver.kind == ReceiverKind::Engine);
    for receiver in engines {
        let surroundings = loaded.scenario.surroundings_of(receiver);
        let Some((chain, stream)) = surroundings.chain.zip(loaded.stream.as_ref()) else { continue };
        let engine = EngineReceiver::new(stream_config(&chain, stream), loaded.scenario.grandmaster.domain)?;
        let watched = Watched { engine, calls: calls.clone(), pulls: pulls.clone() };
        let world = World::in_place(loaded, receiver.name.as_ref(), Box::new(watched), &surroundings, None);
        world.run(&Control::default()).unwrap();
    }
    Ok((pulls.load(Ordering::Relaxed), calls.load(Ordering::Relaxed)))
}

#[test]
fn no_scenario_makes_a_pull_allocate() {
    let scenarios = audible();
    assert!(scenarios.len() >= 5, "{}", scenarios.len());
    let outcomes: Vec<_> = scenarios.par_iter().map(|loaded| (&loaded.name, run(loaded).unwrap())).collect();
    for (name, (pulls, calls)) in outcomes {
        assert!(pulls > 1_000, "{name}: {pulls} pulls");
        assert_eq!(calls, 0, "{name}: calls to the allocator in {pulls} pulls");
    }
}
