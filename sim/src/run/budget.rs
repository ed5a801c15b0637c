//! Estimates the cost of a run before it starts: events, memory, and the length of its WAV files.
//!
//! Model: every packet, callback, PTP message, row and attack causes one or a few events, whose
//! rates follow from the scenario. The timers of receivers and random effects such as loss are not
//! considered, so an estimate is correct to about a factor of two. The limits are far beyond any
//! run that is useful.

use crate::record::{TraceRow, TruePhases};
use crate::scenario::{
    Attack, Audio, AudioChain, Fault, FaultKind, Grandmaster, Jitter, Loaded, Path, Scenario, Stall, Surroundings,
    WavBits,
};
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// Maximum number of events of a run: weeks on a fast machine.
const MOST_EVENTS: f64 = 2e10;
/// Maximum memory of a run, in bytes.
const MOST_BYTES: f64 = 4e9;
/// Longest WAV file, in bytes: its header has 32 bits for that.
const LONGEST_WAV: f64 = u32::MAX as f64;
/// Maximum number of causes that are reported.
const TOLD: usize = 3;
/// Smallest share of the whole that is reported.
const TOLD_SHARE: f64 = 0.01;

/// Memory of an event in the queue in addition to its datagram, in bytes.
const EVENT_BYTES: f64 = 96.0;
/// Memory of a PTP message that waits or is recorded, in bytes.
const MESSAGE_BYTES: f64 = EVENT_BYTES + 64.0;
/// How many times a row is held in memory: copies for the reports, its WAV cue, its text.
const ROW_COPIES: f64 = 3.0;
/// Largest random lateness that is considered, as a multiple of the mean.
const LATEST_OF_MEAN: f64 = 10.0;

/// One cause of events or of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The cause in words.
    pub what: &'static str,
    /// The keys that it comes from.
    pub keys: String,
    /// Events.
    pub events: f64,
    /// Bytes that are held at the same time.
    pub bytes: f64,
}

/// What a run will cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    costs: Vec<Cost>,
    wav_bytes: f64,
}

/// A run is larger than any run that is useful.
#[derive(Debug, Error)]
#[error("{path}: {reason}", path = .path.display())]
pub struct TooLarge {
    /// The scenario.
    pub path: PathBuf,
    /// The figures, and the keys that make them.
    pub reason: String,
}

impl Budget {
    /// What a scenario will cost.
    #[must_use]
    pub fn of(loaded: &Loaded) -> Self {
        let scenario = &loaded.scenario;
        let mut budget = Self::default();
        for receiver in &scenario.receivers {
            let surroundings = scenario.surroundings_of(receiver);
            if let Some(chain) = &surroundings.chain {
                budget.add_chain(scenario, chain);
            }
            budget.add_masters(scenario, &surroundings);
            budget.add_stalls(scenario, &surroundings);
            scenario.faults.iter().for_each(|fault| budget.add_fault(scenario, &surroundings, fault));
            let rows = duration_s(scenario) / scenario.record.interval_s.get();
            let bytes = rows * ROW_COPIES * (size_of::<TraceRow>() + size_of::<TruePhases>()) as f64;
            budget.add("rows of the trace", "duration_s / record.interval_s", rows, bytes);
        }
        budget
    }

    /// All events.
    #[must_use]
    pub fn events(&self) -> f64 {
        self.costs.iter().map(|cost| cost.events).sum()
    }

    /// All memory that is held at the same time, in bytes.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        self.costs.iter().map(|cost| cost.bytes).sum()
    }

    /// Whether it is within the limits.
    ///
    /// # Errors
    /// With the figures, and the keys that make them.
    pub fn check(&self, loaded: &Loaded) -> Result<(), TooLarge> {
        let too_large = |reason| Err(TooLarge { path: loaded.path.clone(), reason });
        if self.events() > MOST_EVENTS {
            let causes = self.causes(|cost| cost.events, |events| Rounded(events).to_string());
            let (all, most) = (Rounded(self.events()), Rounded(MOST_EVENTS));
            return too_large(format!("this run has some {all} events, more than {most}: {causes}"));
        }
        if self.bytes() > MOST_BYTES {
            let causes = self.causes(|cost| cost.bytes, gigabytes);
            let (all, most) = (gigabytes(self.bytes()), gigabytes(MOST_BYTES));
            return too_large(format!("this run takes some {all} of memory, more than {most}: {causes}"));
        }
        if self.wav_bytes > LONGEST_WAV {
            let (one, most) = (gigabytes(self.wav_bytes), gigabytes(LONGEST_WAV));
            let keys = "duration_s x card.sample_rate_hz x talker.channels";
            let right = "record.audio = \"heard\" listens and keeps none";
            return too_large(format!("a WAV file of this run has {one}, more than {most} ({keys}); {right}"));
        }
        Ok(())
    }

    fn causes(&self, size: fn(&Cost) -> f64, text: fn(f64) -> String) -> String {
        let mut sums: Vec<(&'static str, &str, f64)> = Vec::new();
        for cost in &self.costs {
            match sums.iter_mut().find(|(what, ..)| *what == cost.what) {
                Some((.., sum)) => *sum += size(cost),
                None => sums.push((cost.what, &cost.keys, size(cost))),
            }
        }
        sums.sort_by(|(.., a), (.., b)| b.total_cmp(a));
        let all: f64 = sums.iter().map(|(.., sum)| sum).sum();
        let told = sums.iter().take(TOLD).filter(|(.., sum)| *sum > TOLD_SHARE * all);
        told.map(|&(what, keys, sum)| format!("{} of {what} ({keys})", text(sum))).collect::<Vec<_>>().join(", ")
    }

    fn add(&mut self, what: &'static str, keys: &str, events: f64, bytes: f64) {
        self.costs.push(Cost { what, keys: keys.to_owned(), events, bytes });
    }

    fn add_chain(&mut self, scenario: &Scenario, chain: &AudioChain<'_>) {
        let (seconds, rate_hz) = (duration_s(scenario), f64::from(chain.card.sample_rate_hz.get()));
        let (per_s, bytes) = packets(chain);
        // A packet leaves, and arrives on each leg; a sender has a timer as well.
        let legs = 1.0 + f64::from(u8::from(chain.media_b.is_some()));
        let each = 1.0 + legs + f64::from(u8::from(scenario.sender.is_some()));
        let under_way: f64 = [Some(chain.media), chain.media_b].into_iter().flatten().map(latest_s).sum();
        let keys = "duration_s x talker.sample_rate_hz / talker.packet_frames x receivers";
        self.add("packets", keys, seconds * per_s * each, 0.0);
        let keys = "delay_us, jitter and stall of network.media x packets a second";
        self.add("packets under way", keys, 0.0, under_way * per_s * bytes);
        let callbacks = seconds * rate_hz / f64::from(chain.card.callback_frames);
        self.add("callbacks", "duration_s x card.sample_rate_hz / card.callback_frames x receivers", callbacks, 0.0);
        if scenario.record.audio == Audio::Full {
            let sample = match scenario.record.wav_bits {
                WavBits::Pcm16 => 2.0,
                WavBits::Pcm24 => 3.0,
            };
            let wav_bytes = seconds * rate_hz * f64::from(chain.talker.channels) * sample;
            self.wav_bytes = self.wav_bytes.max(wav_bytes);
        }
    }

    fn add_masters(&mut self, scenario: &Scenario, surroundings: &Surroundings<'_>) {
        let seconds = duration_s(scenario);
        // A sender has masters of its own.
        let hosts = 1.0 + f64::from(u8::from(scenario.sender.is_some()));
        for master in std::iter::once(&scenario.grandmaster).chain(&scenario.rivals) {
            let Grandmaster { log_announce_interval, log_sync_interval, log_min_delay_req_interval, .. } = master;
            let per_s = |log: &i8| libm::exp2(-f64::from(*log));
            // Due, sent and received; a Follow_Up as well; asked, answered, stamped and woken.
            let messages = 2.0 * per_s(log_announce_interval)
                + (2.0 + f64::from(u8::from(master.two_step))) * per_s(log_sync_interval)
                + 5.0 * per_s(log_min_delay_req_interval);
            let keys = "duration_s x the log intervals of [grandmaster] and [[rival]] x receivers";
            let under_way = latest_s(surroundings.ptp) + latest_s(surroundings.ptp_up);
            self.add("PTP messages", keys, seconds * messages * hosts, under_way * messages * MESSAGE_BYTES);
            // A step of the wander costs about as much as an event.
            let steps = master.wander.map_or(0.0, |wander| seconds / wander.tau_s.get() * 50.0);
            self.add("steps of a master's wander", "duration_s / tau_s of wander", steps, 0.0);
        }
    }

    fn add_stalls(&mut self, scenario: &Scenario, surroundings: &Surroundings<'_>) {
        let media = surroundings.chain.iter().flat_map(|chain| [Some(chain.media), chain.media_b]).flatten();
        for stall in media.chain([surroundings.ptp, surroundings.ptp_up]).filter_map(|path| path.stall.as_ref()) {
            let keys = "duration_s / mean_interval_s of stall x receivers";
            self.add("stalls", keys, stalls(stall, duration_s(scenario)), 0.0);
        }
    }

    fn add_fault(&mut self, scenario: &Scenario, surroundings: &Surroundings<'_>, fault: &Fault) {
        let left_s = duration_s(scenario) - fault.at_s.as_ref().get();
        let each_s = fault.for_s.map_or(left_s, |length| length.get().min(left_s));
        let times = 1.0 + fault.every_s.map_or(0.0, |every| left_s / every.get());
        let lasts_s = (times * each_s).min(left_s);
        let keys = "duration_s / every_s of a [[fault]]";
        self.add("beginnings and ends of faults", keys, 2.0 * times, 2.0 * times * EVENT_BYTES);
        let (per_s, bytes) = surroundings.chain.as_ref().map_or((0.0, 0.0), packets);
        match &fault.what {
            FaultKind::HostStalls(stall) | FaultKind::MediaThreadStalls(stall) => {
                let count = 2.0 * stalls(stall, lasts_s);
                self.add("stalls", "duration_s / mean_interval_s of stalls", count, count * EVENT_BYTES);
                self.add("packets that wait", "max_ms of stalls", 0.0, stall.max_ms.get() * 1e-3 * per_s * bytes);
            }
            FaultKind::HostPaused | FaultKind::MediaThreadHeld => {
                self.add("packets that wait", "for_s of a [[fault]]", 0.0, each_s * per_s * bytes);
            }
            FaultKind::MediaDelayMs(longer) => {
                let keys = "what.media_delay_ms x packets a second";
                self.add("packets under way", keys, 0.0, longer.get() * 1e-3 * per_s * bytes);
            }
            // A crystal evaluates all of them once per second.
            FaultKind::HostClockSlewPpm(_) | FaultKind::WallClockSlewPpm(_) => {
                let looks = times * (2.0 * times + duration_s(scenario)) * 0.1;
                self.add("slews of a clock", "duration_s / every_s of a [[fault]]", looks, times * EVENT_BYTES);
            }
            FaultKind::PtpMalformed(malformed) => {
                self.add("malformed messages", "what.ptp_malformed.per_s", 2.0 * malformed.per_s.get() * lasts_s, 0.0);
            }
            FaultKind::Attack(attack) => {
                let per_s = attack.interval().map_or(0.0, |interval| 1.0 / interval.as_secs_f64());
                let recorded_s = if let Attack::ReplaySyncs(replay) = attack { replay.recorded_s.get() } else { 0.0 };
                let syncs = 2.0 * libm::exp2(-f64::from(scenario.grandmaster.log_sync_interval));
                let bytes = recorded_s.min(duration_s(scenario)) * syncs * MESSAGE_BYTES;
                self.add("attacks", "per_s of what.attack", 2.0 * per_s * lasts_s, bytes);
            }
            _ => {}
        }
    }
}

fn duration_s(scenario: &Scenario) -> f64 {
    scenario.duration_s.get()
}

/// Packets per second of a stream, and the memory of each while it waits, in bytes.
fn packets(chain: &AudioChain<'_>) -> (f64, f64) {
    let talker = chain.talker;
    let frames = f64::from(talker.packet_frames);
    let payload = frames * f64::from(talker.channels) * f64::from(talker.encoding.bits() / 8);
    (f64::from(talker.sample_rate_hz.get()) / frames, EVENT_BYTES + payload)
}

/// How many stalls there are in some time.
fn stalls(stall: &Stall, seconds: f64) -> f64 {
    seconds / (stall.mean_interval_s.get() + 0.5e-3 * (stall.min_ms.get() + stall.max_ms.get()))
}

/// Upper limit of the time in transit of most packets, s.
fn latest_s(path: &Path) -> f64 {
    let jitter_us = match path.jitter {
        Jitter::None => 0.0,
        Jitter::Uniform { max_us, .. } => max_us.get(),
        Jitter::Exponential { mean_us } => LATEST_OF_MEAN * mean_us.get(),
        Jitter::Normal { mean_us, sigma_us } => mean_us.get() + LATEST_OF_MEAN * sigma_us.get(),
        Jitter::Gamma { queues, mean_us } => (LATEST_OF_MEAN + f64::from(queues.get())) * mean_us.get(),
        Jitter::Pareto { scale_us, .. } => LATEST_OF_MEAN * scale_us.get(),
        Jitter::Bimodal { mean_us, gap_us, .. } => LATEST_OF_MEAN * mean_us.get() + gap_us.get(),
    };
    (path.delay_us.get() + jitter_us) * 1e-6 + path.stall.map_or(0.0, |stall| stall.max_ms.get() * 1e-3)
}

fn gigabytes(bytes: f64) -> String {
    format!("{:.1} GB", bytes * 1e-9)
}

/// A large number with one digit after the point.
struct Rounded(f64);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1e4 { write!(f, "{:.0}", self.0) } else { write!(f, "{:.1e}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receivers::Slot;
    use crate::world::{Control, World};
    use std::path::Path;

    const CLOCKS: &str = "title = 'clocks'
duration_s = 100
seed = 1
[grandmaster]
identity = 'dca600fffeff2eea'
domain = 0
priority_1 = 128
clock_class = 6
log_announce_interval = 0
log_sync_interval = -3
log_min_delay_req_interval = -3
two_step = true
start_time_s = 1
[network.ptp]
delay_us = 100
[host]
clock = {}
[[receiver]]
name = 'engine'
kind = 'engine'
";
    const AUDIO: &str = "[talker]
group = '239.192.0.1:5004'
encoding = 'L24'
channels = 2
sample_rate_hz = 48_000
packet_frames = 48
payload_type = 96
clock = 'grandmaster'
source = 'silence'
[network.media]
delay_us = 200
[card]
sample_rate_hz = 48_000
clock = {}
callback_frames = 64
[playout]
target_depth_ms = 20
";

    fn loaded(text: &str) -> Loaded {
        Loaded::from_text(Path::new("a.toml"), text).unwrap()
    }

    fn refusal(text: &str) -> String {
        let loaded = loaded(text);
        Budget::of(&loaded).check(&loaded).unwrap_err().to_string()
    }

    #[test]
    fn events_are_estimated_to_a_factor_of_two() {
        let attack = "[[fault]]\nat_s = 10\nwhat.attack.flood_ptp = { per_s = 500 }\n";
        let stalls = "[[fault]]\nat_s = 0\nwhat.host_stalls = { mean_interval_s = 0.01, min_ms = 1, max_ms = 1 }\n";
        for text in
            [CLOCKS.to_owned(), CLOCKS.to_owned() + AUDIO, CLOCKS.to_owned() + attack, CLOCKS.to_owned() + stalls]
        {
            let loaded = loaded(&text.replace("duration_s = 100", "duration_s = 20"));
            let estimate = Budget::of(&loaded).events();
            let events = World::with(&loaded, 0, Slot::new(&loaded, 0).built_in().unwrap(), None)
                .unwrap()
                .run(&Control::default())
                .unwrap()
                .events as f64;
            assert!((0.5..2.0).contains(&(estimate / events)), "{estimate} for {events}: {text}");
        }
    }

    #[test]
    fn a_run_that_never_ends_is_refused_with_the_keys_that_make_it() {
        let year = (CLOCKS.to_owned() + AUDIO).replace("duration_s = 100", "duration_s = 31_557_600");
        insta::assert_snapshot!(refusal(&year));
        let rows = CLOCKS
            .replace("seed = 1", "seed = 1\nrecord.interval_s = 0.001")
            .replace("duration_s = 100", "duration_s = 36_000");
        insta::assert_snapshot!(refusal(&rows));
        let wav = (CLOCKS.to_owned() + AUDIO).replace("duration_s = 100", "duration_s = 20_000");
        insta::assert_snapshot!(refusal(&wav));
    }

    #[test]
    fn what_waits_is_memory() {
        let path = "[network.media]\ndelay_us = 10_000_000\njitter.gamma = { queues = 32, mean_us = 10_000_000 }\n";
        let late = (CLOCKS.to_owned() + AUDIO)
            .replace("[network.media]\ndelay_us = 200\n", path)
            .replace("packet_frames = 48\n", "packet_frames = 1\n")
            .replace("channels = 2", "channels = 64");
        assert!(refusal(&late).contains("packets under way"), "{}", refusal(&late));
        let paused = "[[fault]]\nat_s = 10\nfor_s = 31_000_000\nwhat = 'host_paused'\n";
        let paused = (CLOCKS.to_owned() + AUDIO + paused)
            .replace("duration_s = 100\n", "duration_s = 31_000_000\nrecord.audio = 'none'\n");
        let loaded = loaded(&paused);
        assert!(Budget::of(&loaded).bytes() > 1e12);
    }
}
