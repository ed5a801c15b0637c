//! The audio chain around a receiver: the talker's packets, the sound card's callbacks, and the
//! comparison of both with the truth.

use super::capture::{Capture, CaptureError};
use super::hash::TrajectoryHash;
use super::legs::{Delivery, Legs};
use super::measure::{CallbackRow, CallbackSeen, Meter};
use super::receiver::Receiver;
use crate::check::CrackleReport;
use crate::models::{CrystalClock, MediaTimeline, Ramp, RandomStream, Sent, SoundCard, TalkerModel, TrueTime};
use crate::scenario::{AudioChain, Fault, FaultKind, Scenario, Stream, Surroundings};
use engine::{Frames, LocalTime, MediaPosition, Nanos};
use std::net::Ipv4Addr;
use std::ops::Range;
use thiserror::Error;

/// The largest value that may be a sample: resamplers and crossfades exceed full scale, which is 1.
const LOUDEST: f32 = 4.0;

/// An error in a callback.
#[derive(Debug, Error)]
pub(super) enum CallbackError {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error("{0}")]
    NoSample(String),
}

/// The sound card's crystal, with the ramps of the scenario's faults.
pub(crate) fn card_clock(
    chain: &AudioChain<'_>,
    around: &Surroundings<'_>,
    faults: &[Fault],
    seed: u64,
) -> CrystalClock {
    let ramps = faults.iter().filter_map(|fault| match fault.what {
        FaultKind::CardClockRampPpm(change) => Some(Ramp::of(fault, change)),
        _ => None,
    });
    let walk = RandomStream::new(seed, &around.card_stream("card/clock/walk"));
    CrystalClock::new(chain.card.clock, ramps.collect(), walk)
}

/// The time from a frame's capture to its playout at exactly the target depth: this includes the
/// time to fill its packet and the network delay.
pub(crate) fn target_latency(chain: &AudioChain<'_>) -> Nanos {
    let packet = chain.talker.sample_rate_hz.rate().duration(Frames::new(i64::from(chain.talker.packet_frames)));
    packet + chain.media.delay_us.nanos() + chain.playout.target_depth_ms.nanos()
}

/// Index of the first value that cannot be a sample.
fn no_sample(block: &[f32]) -> Option<usize> {
    // In this form, NaN is out of range as well.
    let is_sample = |value: &f32| value.abs() <= LOUDEST;
    // Without an early exit, the compiler compares several values at a time.
    let all = block.iter().fold(true, |all, value| all & is_sample(value));
    if all { None } else { block.iter().position(|value| !is_sample(value)) }
}

/// The block that the card plays: the media position at its end, and its step.
#[derive(Clone, Copy, Debug)]
struct Playing {
    position: MediaPosition,
    /// Media frames per card frame.
    step: f64,
}

/// The chain of one run.
pub(super) struct ChainWorld<'a> {
    chain: AudioChain<'a>,
    card: SoundCard,
    timeline: MediaTimeline,
    talker: TalkerModel,
    legs: Legs,
    /// When the card ended the previous block.
    last_end: TrueTime,
    /// The block that it played until then.
    playing: Option<Playing>,
    buffer: Vec<f32>,
    channels: usize,
    pub(super) meter: Meter,
    capture: Option<Capture>,
    /// Card frames in which the card itself was silent.
    gaps: Vec<Range<u64>>,
}

impl<'a> ChainWorld<'a> {
    pub(super) fn new(
        chain: AudioChain<'a>,
        around: &Surroundings<'a>,
        scenario: &Scenario,
        stream: &Stream,
        capture: Option<Capture>,
    ) -> Self {
        let seed = scenario.seed;
        let timeline = MediaTimeline::new(chain.talker, scenario);
        let channels = stream.format.channels();
        Self {
            card: SoundCard::new(
                chain.card.clone(),
                card_clock(&chain, around, &scenario.faults, seed),
                RandomStream::new(seed, &around.card_stream("card/callback")),
            ),
            talker: TalkerModel::new(chain.talker, timeline.clone(), stream.source.clone(), stream.format, seed),
            timeline,
            legs: Legs::new(&chain, around, seed),
            last_end: 0,
            playing: None,
            buffer: vec![0.0; usize::from(chain.card.callback_frames) * channels],
            channels,
            meter: Meter::default(),
            capture,
            gaps: Vec::new(),
            chain,
        }
    }

    /// When the next packet leaves.
    pub(super) fn next_departure(&mut self) -> TrueTime {
        self.talker.next_departure()
    }

    /// The datagrams that leave now and arrive.
    pub(super) fn packets(&mut self, now: TrueTime) -> Vec<Delivery> {
        let Sent { packet, second } = self.talker.send();
        let mut deliveries = packet.map_or_else(Vec::new, |datagram| self.legs.send(now, datagram));
        deliveries.extend(second.into_iter().flat_map(|datagram| self.legs.send_second(now, &datagram)));
        deliveries
    }

    /// Sends a packet of the engine's sender, which replaces the talker.
    pub(super) fn send(&mut self, now: TrueTime, datagram: Vec<u8>) -> Vec<Delivery> {
        self.legs.send(now, datagram)
    }

    /// Sends a forged packet.
    pub(super) fn send_forged(&mut self, now: TrueTime, source: Ipv4Addr, datagram: &[u8]) -> Vec<Delivery> {
        self.legs.send_forged(now, source, datagram)
    }

    /// Begins or ends a fault. Returns when a callback that waited for its end is made.
    pub(super) fn fault(&mut self, now: TrueTime, what: &FaultKind, begins: bool) -> Option<TrueTime> {
        self.legs.fault(now, what, begins);
        self.talker.fault(what, begins);
        match *what {
            FaultKind::CardXrunMs(length) if begins => self.card.add_xrun(length.nanos()),
            FaultKind::CallbackFrames(frames) => self.card.set_callback_frames(begins.then(|| frames.get())),
            FaultKind::CallbacksStalled
            | FaultKind::HostSuspended(_)
            | FaultKind::HostStalls(_)
            | FaultKind::HostPaused
            | FaultKind::CardLost
                if begins =>
            {
                self.card.stop();
            }
            FaultKind::CallbacksStalled => return self.card.resume(now, false),
            FaultKind::HostSuspended(_) | FaultKind::HostStalls(_) | FaultKind::HostPaused | FaultKind::CardLost => {
                return self.card.resume(now, true);
            }
            _ => {}
        }
        None
    }

    /// Packets lost since the last call.
    pub(super) fn take_lost(&mut self) -> u64 {
        self.legs.take_lost()
    }

    /// Nominal number of media frames per card frame.
    pub(super) fn nominal_step(&self) -> f64 {
        f64::from(self.chain.talker.sample_rate_hz.get()) / f64::from(self.chain.card.sample_rate_hz.get())
    }

    /// The ratio that would have kept the buffer level constant between two times, as deviation
    /// from 1.
    pub(super) fn ratio_ppm(&mut self, from: TrueTime, to: TrueTime) -> f64 {
        let card_ppb = self.card_rate_ppb(from, to);
        let talker_ppb = self.timeline.mean_rate_ppb(from, to);
        ((1.0 + talker_ppb * 1e-9) / (1.0 + card_ppb * 1e-9) - 1.0) * 1e6
    }

    /// Rate of the card between two times, as deviation from nominal.
    pub(super) fn card_rate_ppb(&mut self, from: TrueTime, to: TrueTime) -> f64 {
        (self.card.clock().error_ns(to) - self.card.clock().error_ns(from)) / ((to - from) as f64 * 1e-9)
    }

    /// Time error of the card's crystal against true time, ns.
    pub(super) fn card_error_ns(&mut self, now: TrueTime) -> f64 {
        self.card.clock().error_ns(now)
    }

    /// Number of frames that the card has taken.
    pub(super) fn frames(&self) -> u64 {
        self.card.frames()
    }

    /// Makes a callback of the card. Returns when the next one is due, unless the card is stopped.
    pub(super) fn callback(
        &mut self,
        local: LocalTime,
        receiver: &mut dyn Receiver,
        hash: &mut TrajectoryHash,
    ) -> Result<Option<TrueTime>, CallbackError> {
        if !self.card.may_call() {
            return Ok(None);
        }
        self.play_silence()?;
        let frames = self.card.callback_frames();
        self.buffer.resize(frames * self.channels, 0.0);
        // NaN reveals samples that the receiver does not write.
        self.buffer.fill(f32::NAN);
        receiver.pull(local, &mut self.buffer);
        if let Some(bad) = no_sample(&self.buffer) {
            let what = format!("sample {bad} of a callback is {}, and not a sample", self.buffer[bad]);
            return Err(CallbackError::NoSample(what));
        }
        let first_frame = self.card.frames();
        let ends = self.card.play();
        let (playback, reception) = (receiver.playback(), receiver.reception());
        let depth_s = playback.position.map(|position| self.depth_s(ends, position));
        let nominal_step = self.nominal_step();
        let ratio_truth_ppm = self.ratio_ppm(self.last_end, ends);
        let time_s = ends as f64 * 1e-9;
        self.meter.callback(&CallbackSeen {
            frames,
            first_frame,
            playback,
            reception,
            depth_s,
            time_s,
            nominal_step,
            ratio_truth_ppm,
        });
        self.playing = self.meter.step().zip(playback.position).map(|(step, position)| Playing { position, step });
        self.last_end = ends;
        hash.callback(local, depth_s.unwrap_or(0.0));
        hash.audio(&self.buffer);
        if let Some(capture) = &mut self.capture {
            capture.push(&self.buffer)?;
        }
        Ok(Some(self.card.next_callback()))
    }

    /// Captures the silence that the card played while it had no audio.
    fn play_silence(&mut self) -> Result<(), CaptureError> {
        let (end, silence) = (self.card.frames(), self.card.take_silence());
        if silence == 0 {
            return Ok(());
        }
        self.gaps.push(end - silence as u64..end);
        match &mut self.capture {
            Some(capture) => capture.push(&vec![0.0; silence * self.channels]),
            None => Ok(()),
        }
    }

    /// Takes the frames in which the card itself was silent.
    pub(super) fn take_gaps(&mut self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.gaps)
    }

    /// The depth at `t`: how long the frame at `position` would have waited if its packet had begun
    /// with it and had not been queued.
    fn depth_s(&mut self, t: TrueTime, position: MediaPosition) -> f64 {
        let packet = f64::from(self.chain.talker.packet_frames) / f64::from(self.chain.talker.sample_rate_hz.get());
        self.age_s(t - self.legs.min_delay().as_nanos(), position) - packet
    }

    /// How long before `t` the frame at `position` was captured.
    fn age_s(&mut self, t: TrueTime, position: MediaPosition) -> f64 {
        let captured = self.timeline.position_at(t);
        let frame = self.talker.programme_frame(position.frame(), captured.frame());
        let frames = captured.frames_since(MediaPosition::at_frame(frame)) - position.fraction();
        frames / f64::from(self.chain.talker.sample_rate_hz.get())
    }

    /// How long before `now` the frame that is played now was captured.
    pub(super) fn latency_s(&mut self, now: TrueTime) -> Option<f64> {
        let Playing { position, step } = self.playing?;
        let rate = f64::from(self.chain.card.sample_rate_hz.get());
        let card = self.card.clock();
        let left_ns = (self.last_end - now) as f64 + card.error_ns(self.last_end) - card.error_ns(now);
        // A callback that is late by less than a block is, on a real card, in time for the block
        // after.
        let block_ns = (self.buffer.len() / self.channels) as f64 / rate * 1e9;
        (left_ns > -block_ns).then(|| self.age_s(now, position.advanced(-left_ns * 1e-9 * rate * step)))
    }

    /// Takes the callbacks that were kept.
    pub(super) fn take_callbacks(&mut self) -> Vec<CallbackRow> {
        self.meter.callbacks.take().unwrap_or_default()
    }

    /// Takes the card frames of callbacks in which the receiver concealed audio.
    pub(super) fn take_concealed(&mut self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.meter.concealed)
    }

    /// Takes the changes between playing and not.
    pub(super) fn take_playing(&mut self) -> Vec<(f64, bool)> {
        std::mem::take(&mut self.meter.playing)
    }

    /// Completes the capture, and returns what was heard.
    pub(super) fn finish(self) -> Result<Option<CrackleReport>, CaptureError> {
        Ok(self.capture.map(Capture::finish).transpose()?.flatten())
    }
}
