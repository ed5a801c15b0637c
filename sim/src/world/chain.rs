//! The audio chain around a receiver: the talker's packets, the sound card's callbacks, and what they show against the truth.

use super::capture::{Capture, CaptureError};
use super::hash::TrajectoryHash;
use super::legs::{Delivery, Legs};
use super::measure::{CallbackRow, CallbackSeen, Meter};
use super::receiver::Receiver;
use crate::check::CrackleReport;
use crate::models::{CrystalClock, MediaTimeline, RandomStream, Sent, TalkerModel, TrueTime};
use crate::scenario::{AudioChain, Fault, FaultKind, Grandmaster, Stream};
use engine::{Frames, LocalTime, MediaPosition, Nanos};
use thiserror::Error;

/// A callback went wrong.
#[derive(Debug, Error)]
pub(super) enum CallbackError {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error("{0}")]
    NoSample(String),
}

/// The sound card's crystal, with the ramps that a scenario's faults put on it.
pub(crate) fn card_clock(chain: &AudioChain<'_>, faults: &[Fault], seed: u64) -> CrystalClock {
    let ramps = faults.iter().filter_map(|fault| match fault.what {
        FaultKind::CardClockRampPpm(change) => Some(fault.ramp(change)),
        _ => None,
    });
    CrystalClock::new(chain.card.clock, ramps.collect(), RandomStream::new(seed, "card/clock/walk"))
}

/// The time from a frame's capture to its playout at exactly the target depth: its packet must be filled, and travel.
pub(crate) fn target_latency(chain: &AudioChain<'_>) -> Nanos {
    let packet = chain.talker.sample_rate_hz.rate().duration(Frames::new(i64::from(chain.talker.packet_frames)));
    packet + chain.media.delay_us.nanos() + chain.playout.target_depth_ms.nanos()
}

/// The chain of one run.
pub(super) struct ChainWorld<'a> {
    chain: AudioChain<'a>,
    card: CrystalClock,
    timeline: MediaTimeline,
    talker: TalkerModel,
    legs: Legs,
    lateness: RandomStream,
    callbacks: i64,
    last_callback: TrueTime,
    /// When the card ended the block before.
    last_end: TrueTime,
    buffer: Vec<f32>,
    channels: usize,
    pub(super) meter: Meter,
    capture: Option<Capture>,
}

impl<'a> ChainWorld<'a> {
    pub(super) fn new(
        chain: AudioChain<'a>,
        grandmaster: &Grandmaster,
        stream: &Stream,
        faults: &[Fault],
        seed: u64,
        capture: Option<Capture>,
    ) -> Self {
        let timeline = MediaTimeline::new(chain.talker, grandmaster, seed);
        let channels = stream.format.channels();
        Self {
            card: card_clock(&chain, faults, seed),
            talker: TalkerModel::new(chain.talker, timeline.clone(), stream.source.clone(), stream.format, seed),
            timeline,
            legs: Legs::new(&chain, seed),
            lateness: RandomStream::new(seed, "card/callback"),
            callbacks: 0,
            last_callback: 0,
            last_end: 0,
            buffer: vec![0.0; usize::from(chain.card.callback_frames) * channels],
            channels,
            meter: Meter::default(),
            capture,
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
        let mut deliveries = packet.map_or_else(Vec::new, |datagram| self.legs.send(now, &datagram));
        deliveries.extend(second.into_iter().flat_map(|datagram| self.legs.send_second(now, &datagram)));
        deliveries
    }

    /// A fault begins or ends.
    pub(super) fn fault(&mut self, now: TrueTime, what: &FaultKind, begins: bool) {
        self.legs.fault(now, what, begins);
        self.talker.fault(what, begins);
    }

    /// Packets lost since the last call.
    pub(super) fn take_lost(&mut self) -> u64 {
        self.legs.take_lost()
    }

    /// Media frames per card frame, nominally.
    pub(super) fn nominal_step(&self) -> f64 {
        f64::from(self.chain.talker.sample_rate_hz.get()) / f64::from(self.chain.card.sample_rate_hz.get())
    }

    /// The ratio that would have kept the buffer level constant between two times, as deviation from 1.
    pub(super) fn ratio_ppm(&mut self, from: TrueTime, to: TrueTime) -> f64 {
        let card_ppb = self.card_rate_ppb(from, to);
        let talker_ppb = self.timeline.mean_rate_ppb(from, to);
        ((1.0 + talker_ppb * 1e-9) / (1.0 + card_ppb * 1e-9) - 1.0) * 1e6
    }

    /// Rate of the card between two times, as deviation from nominal.
    pub(super) fn card_rate_ppb(&mut self, from: TrueTime, to: TrueTime) -> f64 {
        (self.card.error_ns(to) - self.card.error_ns(from)) / ((to - from) as f64 * 1e-9)
    }

    /// Frames that the card has taken.
    pub(super) fn frames(&self) -> u64 {
        self.callbacks as u64 * (self.buffer.len() / self.channels) as u64
    }

    /// The card wants audio; returns when it will again.
    pub(super) fn callback(
        &mut self,
        local: LocalTime,
        receiver: &mut dyn Receiver,
        hash: &mut TrajectoryHash,
    ) -> Result<TrueTime, CallbackError> {
        let frames = self.buffer.len() / self.channels;
        // A receiver that leaves a sample untouched is found out.
        self.buffer.fill(f32::NAN);
        receiver.pull(local, &mut self.buffer);
        if let Some(bad) = self.buffer.iter().position(|sample| !sample.is_finite() || sample.abs() > 4.0) {
            let what = format!("sample {bad} of a callback is {}, and not a sample", self.buffer[bad]);
            return Err(CallbackError::NoSample(what));
        }
        self.callbacks += 1;
        let rate = f64::from(self.chain.card.sample_rate_hz.get());
        let ends = self.card.true_time_of((self.callbacks * frames as i64) as f64 * 1e9 / rate);
        let (playback, reception) = (receiver.playback(), receiver.reception());
        let depth_s = playback.position.map(|position| self.depth_s(ends, position));
        let nominal_step = self.nominal_step();
        let ratio_truth_ppm = self.ratio_ppm(self.last_end, ends);
        let time_s = ends as f64 * 1e-9;
        self.meter.callback(&CallbackSeen {
            frames,
            playback,
            reception,
            depth_s,
            time_s,
            nominal_step,
            ratio_truth_ppm,
        });
        self.last_end = ends;
        hash.callback(local, depth_s.unwrap_or(0.0));
        hash.audio(&self.buffer);
        if let Some(capture) = &mut self.capture {
            capture.push(&self.buffer)?;
        }
        let lateness = self.lateness.lateness(&self.chain.card.callback_jitter);
        self.last_callback = (ends + lateness.as_nanos()).max(self.last_callback);
        Ok(self.last_callback)
    }

    /// How long the frame at `position` would have waited at `t`, had its packet begun with it and met no queue.
    fn depth_s(&mut self, t: TrueTime, position: MediaPosition) -> f64 {
        let travelled = t - self.legs.min_delay().as_nanos();
        let captured = self.timeline.position_at(travelled);
        let packet = f64::from(self.chain.talker.packet_frames);
        let frame = self.talker.programme_frame(position.frame(), captured.frame());
        let waited = captured.frames_since(MediaPosition::at_frame(frame)) - position.fraction() - packet;
        waited / f64::from(self.chain.talker.sample_rate_hz.get())
    }

    /// Takes the callbacks that were kept.
    pub(super) fn take_callbacks(&mut self) -> Vec<CallbackRow> {
        self.meter.callbacks.take().unwrap_or_default()
    }

    /// Takes the changes between playing and not.
    pub(super) fn take_playing(&mut self) -> Vec<(f64, bool)> {
        std::mem::take(&mut self.meter.playing)
    }

    /// Completes the capture; tells what was heard.
    pub(super) fn finish(self) -> Result<Option<CrackleReport>, CaptureError> {
        Ok(self.capture.map(Capture::finish).transpose()?.flatten())
    }
}
