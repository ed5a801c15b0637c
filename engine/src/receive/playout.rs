//! The audio half of a receiver: the sound card calls it for each buffer, and it always fills the
//! whole buffer.
//!
//! Model: the read position is a fractional media frame that advances by the resampling step, even
//! during silence, so that the latency is the same after an underrun. A controller keeps it at a
//! [setpoint](super::target).
//!
//! Contract of [`Playout::pull`]: no allocation, no lock, no log, no system call, no unbounded
//! loop.

use super::config::StreamConfig;
use super::depth::Depth;
use super::exchange::{ControlSnapshot, PlayoutStats};
use super::held_ratio::{HeldRatio, MeasuredRate};
use super::packet_ring::{PacketConsumer, PacketHeader};
use super::target::Target;
use crate::audio::{Correction, Decoder, Insertion, RateController, RateInput, Reader};
use crate::clock::{CardClock, MediaMap};
use crate::resample::{Resampler, input_capacity};
use crate::units::{Frames, LocalTime, MediaPosition, Nanos, SampleRate};

/// Playout begins once the offset of the arrivals is known to this standard deviation. Judgement:
/// the initial position is then close enough to the final one.
const START_SIGMA: Nanos = Nanos::from_micros(200);
/// Playout begins after about this time even if the offset is not known to [`START_SIGMA`].
/// Judgement: otherwise, a delayed first packet would mute a stream for seconds.
const START_PATIENCE: Nanos = Nanos::from_millis(400);
/// After a shift of the arrivals, a remaining error smaller than this is removed slowly by the trim
/// instead of by a jump. Judgement: the error is this small only if the card's clock has shifted as
/// well, which happens when the host clock has been set.
const WORTH_A_JUMP: Nanos = Nanos::from_micros(200);

/// Audio half of a stream.
pub struct Playout<D> {
    rate: SampleRate,
    /// Number of output channels.
    channels: usize,
    depth: Depth,
    nominal_step: f64,
    resampler: Box<dyn Resampler>,
    drift: D,
    held: HeldRatio,
    card: CardClock,
    reader: Reader,
    /// Position of the next frame to feed to the resampler; `None` until the first packets have
    /// arrived.
    cursor: Option<Frames>,
    target: Option<Target>,
    /// When the wait for a better estimate of the arrivals began.
    waiting_since: Option<LocalTime>,
    /// Earliest frame received before playout began. With PTP, playout may begin at an earlier
    /// position; the silence before this frame is not counted as loss.
    first_frame: Option<Frames>,
    snapshot: ControlSnapshot,
    /// Whether the arrivals have shifted and playout has not followed the shift yet.
    follows_shift: bool,
    /// When callbacks resumed after the host had been stalled.
    resumed_at: Option<LocalTime>,
    stats: PlayoutStats,
    input: Vec<f32>,
    decoder: Decoder,
    packets: PacketConsumer,
    control: triple_buffer::Output<ControlSnapshot>,
    publisher: triple_buffer::Input<PlayoutStats>,
}

impl<D: RateController> Playout<D> {
    #[expect(clippy::too_many_arguments, reason = "called from one place, which makes all the parts")]
    pub(super) fn new(
        config: &StreamConfig,
        nominal_step: f64,
        capacity_frames: usize,
        resampler: Box<dyn Resampler>,
        drift: D,
        packets: PacketConsumer,
        control: triple_buffer::Output<ControlSnapshot>,
        publisher: triple_buffer::Input<PlayoutStats>,
    ) -> Self {
        let channels = config.channel_map.outputs();
        // Twice the nominal input size, which is also enough for the filter's length and any
        // permitted step.
        let input_frames = input_capacity(resampler.max_frames(), nominal_step);
        Self {
            rate: config.format.sample_rate(),
            channels,
            depth: Depth::new(config),
            nominal_step,
            resampler,
            drift,
            held: HeldRatio::default(),
            card: CardClock::new(config.card_rate, config.warm_start.card_rate),
            reader: Reader::new(channels, capacity_frames, config.format.sample_rate()),
            cursor: None,
            target: None,
            waiting_since: None,
            first_frame: None,
            snapshot: ControlSnapshot::default(),
            follows_shift: false,
            resumed_at: None,
            stats: PlayoutStats::default(),
            input: vec![0.0; input_frames * channels],
            decoder: Decoder::new(config.format, config.channel_map),
            packets,
            control,
            publisher,
        }
    }

    /// Fills `out` with the audio that the card plays next: a whole number of frames, with the
    /// channel map's outputs interleaved. `now` is the time of the callback. Until the first
    /// packets have arrived, `out` is filled with silence.
    pub fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        self.pull_fetched(now, out, true);
    }

    /// Like [`Playout::pull`], for an output that plays first and then requests the audio for the
    /// time since its last request. `now` is the time at which the first frame was played; packets
    /// that arrived before this call can be used.
    pub fn pull_played(&mut self, now: LocalTime, out: &mut [f32]) {
        self.pull_fetched(now, out, false);
    }

    /// Fills `out`; `is_ahead` states whether a block is fetched before it is played.
    fn pull_fetched(&mut self, now: LocalTime, out: &mut [f32], is_ahead: bool) {
        let channels = self.channels;
        let frames = out.len() / channels;
        if frames == 0 {
            out.fill(0.0);
            return;
        }
        self.notice_standstill(now);
        if self.card.restarts_at(now) {
            self.return_to_target();
        }
        let played_at = self.card.callback(now, frames);
        self.receive(now);
        let block = self.rate.duration_f64(Frames::of(frames).as_f64() * self.nominal_step);
        let latest = self.depth.latest(if is_ahead { block } else { Nanos::ZERO });
        let Some(position) = self.begin(played_at, latest) else {
            self.wait(out);
            self.publish();
            return;
        };
        let behind = self.steer(played_at, position, block, latest);
        let step = self.step(block, behind);
        self.render(out, step);
        self.publish();
    }

    /// Statistics as of the last callback.
    #[must_use]
    pub fn stats(&self) -> &PlayoutStats {
        &self.stats
    }

    /// Detects that there have been no callbacks for longer than any depth. The lateness of packets
    /// from that period is not evidence about the network.
    fn notice_standstill(&mut self, now: LocalTime) {
        let last = std::mem::replace(&mut self.stats.at, now);
        if self.stats.started && now.since(last) > self.depth.maximum() {
            self.resumed_at = Some(now);
        }
    }

    /// Receives the latest snapshot and packets from the control half.
    fn receive(&mut self, now: LocalTime) {
        let mut snapshot = *self.control.read();
        let is_new = snapshot.generation != self.snapshot.generation;
        let is_silenced = snapshot.silenced && !self.snapshot.silenced;
        if is_new && !snapshot.silenced && self.has_more_to_play() {
            // Packets of the new source wait in the ring until the old source's audio has been
            // played.
            snapshot = self.snapshot;
        }
        if snapshot.generation != self.snapshot.generation || is_silenced {
            self.reader.restart();
            self.cursor = None;
            self.target = None;
            self.waiting_since = None;
            self.first_frame = None;
            self.depth.begin(self.rate.duration(Frames::new(i64::from(snapshot.packet_frames))));
            self.held.reset();
            self.follows_shift = false;
        } else if snapshot.shifts != self.snapshot.shifts && self.cursor.is_some() {
            self.follows_shift = true;
        }
        self.snapshot = snapshot;
        // The ring is bounded, and so is this loop, even if packets keep coming.
        for _ in 0..self.packets.capacity() {
            match self.packets.peek() {
                Some(packet) if packet.generation == snapshot.generation && !snapshot.silenced => {
                    self.store(now, &packet);
                }
                // Packets of a newer timeline wait for its snapshot; those of an older one are
                // discarded below.
                Some(packet) if packet.generation.wrapping_sub(snapshot.generation).cast_signed() > 0 => break,
                Some(_) => self.packets.pop(|_| ()),
                None => break,
            }
        }
        self.decrease_delay(now);
    }

    /// Whether buffered audio of this generation can still be played while new packets wait in the
    /// ring.
    fn has_more_to_play(&mut self) -> bool {
        self.packets.is_half_empty() && self.cursor.is_some_and(|cursor| self.reader.buffer.has_arrived_beyond(cursor))
    }

    /// Plays the concealment of the last audio while the sender's timeline is unknown.
    fn wait(&mut self, out: &mut [f32]) {
        if self.stats.started {
            self.render(out, self.nominal_step * self.stats.ratio.ratio());
        } else {
            out.fill(0.0);
        }
    }

    /// Moves the first packet of the ring to the jitter buffer.
    fn store(&mut self, now: LocalTime, packet: &PacketHeader) {
        if !self.stats.started {
            self.first_frame =
                Some(self.first_frame.map_or(packet.position, |first_frame| first_frame.min(packet.position)));
        }
        let late = self.cursor.map_or(Frames::ZERO, |cursor| cursor - packet.position);
        // If the packet's first frame is already in the buffer, this is a copy of a packet that
        // arrived in time.
        let is_late = late > Frames::ZERO && !self.reader.buffer.run(packet.position, 1).0;
        if is_late {
            self.stats.late_packets += 1;
            if self.resumed_at.is_none_or(|resumed_at| packet.at >= resumed_at) {
                self.increase_delay(now, late);
            }
        } else if late <= Frames::ZERO && self.cursor.is_some() {
            self.depth.observe_margin(now, self.rate.duration(Frames::ZERO - late));
        }
        let cursor = self.cursor.unwrap_or(packet.position);
        let (decoder, buffer) = (&mut self.decoder, &mut self.reader.buffer);
        let insertion = self.packets.pop(|payload| {
            let frames = decoder.frames(payload);
            let decode = |first: usize, out: &mut [f32]| decoder.decode_to(payload, first, out);
            if buffer.insert_newest(cursor, packet.position, frames, decode) {
                return Insertion::Stored;
            }
            buffer.insert(cursor, packet.position, decoder.decode(payload))
        });
        match insertion {
            Insertion::Stored => {}
            Insertion::Late if is_late => self.stats.dropped_packets += 1,
            Insertion::Duplicate | Insertion::Late => self.stats.duplicate_packets += 1,
            Insertion::TooEarly => self.stats.early_packets += 1,
        }
    }

    /// Moves the read position back, with a crossfade, after a packet arrived `late` frames too
    /// late, so that it and similarly late packets can be played. If the depth limit does not
    /// permit this, the position stays where it is.
    fn increase_delay(&mut self, now: LocalTime, late: Frames) {
        let Some(target) = &mut self.target else { return };
        let increase = self.depth.increase_for(now, self.rate.duration(late));
        if increase == Nanos::ZERO {
            return;
        }
        let back = libm::ceil(self.rate.frames_in(increase));
        target.shift(back);
        self.jump(Frames::from_f64(-back));
    }

    /// Moves the read position forward, with a crossfade, by the part of the depth's increase that
    /// is no longer needed.
    fn decrease_delay(&mut self, now: LocalTime) {
        let Some(target) = &mut self.target else { return };
        let decrease = self.depth.decrease(now);
        if decrease == Nanos::ZERO {
            return;
        }
        let forward = libm::ceil(self.rate.frames_in(decrease));
        target.shift(-forward);
        self.jump(Frames::from_f64(forward));
    }

    /// Discards the read position, so that playout begins again at the setpoint. Call this only if
    /// nothing has been played for so long that the audio need not be continuous.
    fn return_to_target(&mut self) {
        if self.cursor.take().is_some() {
            self.target = None;
            self.reader.concealer.splice();
            self.stats.jumps += 1;
        }
    }

    /// Moves the read position by this many frames, with a crossfade.
    fn jump(&mut self, by: Frames) {
        let Some(cursor) = self.cursor else { return };
        self.reader.splice_at(cursor, &mut self.input);
        self.cursor = Some(cursor + by);
        self.stats.jumps += 1;
    }

    /// Returns the media position of the next frame to be played. Begins playout if it has not
    /// begun and the sender's timeline is known.
    fn begin(&mut self, now: LocalTime, latest: Nanos) -> Option<MediaPosition> {
        if let Some(cursor) = self.cursor {
            return Some(self.position_of(cursor));
        }
        let depth = self.depth.target();
        let mut target = Target::new(self.rate, depth);
        let position = target.position(now, &self.snapshot, depth, latest)?;
        if !target.is_by_ptp() && !self.knows_arrivals(now) {
            return None;
        }
        let cursor = position.advanced(self.resampler.input_latency_frames() + 0.5).frame();
        self.cursor = Some(cursor);
        self.target = Some(target);
        self.stats.started = true;
        self.stats.generation = self.snapshot.generation;
        Some(self.position_of(cursor))
    }

    /// Returns whether the arrivals are known accurately enough to begin, or whether
    /// [`START_PATIENCE`] has passed.
    fn knows_arrivals(&mut self, now: LocalTime) -> bool {
        let since = *self.waiting_since.get_or_insert(now);
        let sigma_ns = self.snapshot.arrivals.map_or(f64::INFINITY, |arrivals| arrivals.clock().sigma_ns(now));
        sigma_ns < START_SIGMA.as_nanos_f64() || now.since(since) >= START_PATIENCE
    }

    /// Media position of the next output frame when `cursor` is fed to the resampler next.
    fn position_of(&self, cursor: Frames) -> MediaPosition {
        MediaPosition::at_frame(cursor).advanced(-self.resampler.input_latency_frames())
    }

    /// Compares playout with its setpoint, and jumps if necessary. Returns the phase error that
    /// remains to be trimmed.
    fn steer(&mut self, now: LocalTime, position: MediaPosition, block: Nanos, latest: Nanos) -> Nanos {
        let depth = self.depth.target();
        let Some(target) = &mut self.target else { return Nanos::ZERO };
        let Some(wanted) = target.position(now, &self.snapshot, depth, latest) else { return Nanos::ZERO };
        let behind_frames = wanted.frames_since(position);
        let behind = self.rate.duration_f64(behind_frames);
        let correction = target.correct(behind, block);
        self.stats.phase_error = behind;
        self.stats.actual_depth = target.depth() + behind;
        let packet = self.rate.duration(Frames::new(i64::from(self.snapshot.packet_frames)));
        self.stats.link_offset = target.is_by_ptp().then(|| depth + packet + behind);
        if self.follows_shift && !self.card.is_in_doubt() {
            self.follows_shift = false;
            if !target.is_by_ptp() {
                return self.follow_shift(now, behind_frames);
            }
        }
        match correction {
            Correction::Hold | Correction::Adopt => Nanos::ZERO,
            Correction::Trim => behind,
            Correction::Jump => self.jump_to_target(behind_frames),
        }
    }

    /// Jumps to the setpoint. Returns the remaining phase error.
    fn jump_to_target(&mut self, behind_frames: f64) -> Nanos {
        let jump = libm::round(behind_frames);
        self.jump(Frames::from_f64(jump));
        self.rate.duration_f64(behind_frames - jump)
    }

    /// Follows a shift of the arrivals. If late packets have increased the depth in the meantime
    /// and have thus compensated most of the shift, playout stays where it is. Otherwise the
    /// increase is undone, because the shift was its cause. Returns the remaining phase error.
    fn follow_shift(&mut self, now: LocalTime, behind_frames: f64) -> Nanos {
        let Some(target) = &mut self.target else { return Nanos::ZERO };
        let is_deep_enough = self.stats.actual_depth.times(2) >= self.depth.requested();
        if is_deep_enough && self.depth.was_increased_lately(now) {
            target.shift(behind_frames);
            return Nanos::ZERO;
        }
        let decrease_frames = self.rate.frames_in(self.depth.undo_increase(now));
        target.shift(-decrease_frames);
        let behind_frames = behind_frames + decrease_frames;
        if behind_frames.abs() < self.rate.frames_in(WORTH_A_JUMP) {
            return self.rate.duration_f64(behind_frames);
        }
        self.jump_to_target(behind_frames)
    }

    fn step(&mut self, block: Nanos, behind: Nanos) -> f64 {
        let sigma = |map: MediaMap| map.clock().rate_sigma();
        let media_sigma = self.snapshot.arrivals.map_or(self.card.rate_sigma(), sigma);
        let media = MeasuredRate { rate: self.snapshot.media_rate, sigma: media_sigma };
        let card = MeasuredRate { rate: self.card.rate(), sigma: self.card.rate_sigma() };
        let [source_rate, sink_rate] = self.held.select_rates(media, card, block);
        let input = RateInput {
            block,
            source_rate,
            sink_rate,
            phase_error: behind,
            setpoint_sigma: self.target.map_or(Nanos::ZERO, |target| target.sigma()),
        };
        let ratio = self.drift.ratio(&input);
        self.stats.ratio = ratio;
        self.stats.card_rate = card.rate;
        self.stats.fill = self.fill();
        self.nominal_step * ratio.ratio()
    }

    /// Duration of the contiguous audio after the playback position.
    fn fill(&mut self) -> Nanos {
        let Some(cursor) = self.cursor else { return Nanos::ZERO };
        let frames = self.reader.buffer.contiguous_frames(cursor).as_f64();
        let ahead = if frames > 0.0 { frames + self.resampler.input_latency_frames() } else { 0.0 };
        self.rate.duration_f64(ahead)
    }

    fn render(&mut self, out: &mut [f32], step_end: f64) {
        let channels = self.channels;
        let mut starved = false;
        for block in out.chunks_mut(self.resampler.max_frames() * channels) {
            let needed = self.resampler.prepare(block.len() / channels, step_end);
            // The input is moved out of `self`, so that `self` can be borrowed while the jitter
            // buffer is read.
            let mut input = std::mem::take(&mut self.input);
            let samples = &mut input[..needed * channels];
            starved |= self.fetch(samples);
            self.resampler.process(samples, block);
            self.input = input;
        }
        if starved {
            self.stats.underruns += 1;
        }
        self.stats.position = self.cursor.map_or(self.stats.position, |cursor| self.position_of(cursor));
    }

    /// Reads the next frames, and conceals missing ones. Returns whether audio was missing because
    /// it had not arrived yet.
    fn fetch(&mut self, samples: &mut [f32]) -> bool {
        let Some(cursor) = self.cursor else {
            self.reader.concealer.conceal(samples);
            self.stats.concealed_frames += (samples.len() / self.channels) as u64;
            return false;
        };
        let (first_frame, stats) = (self.first_frame, &mut self.stats);
        let mut starved = false;
        let end = self.reader.read(cursor, samples, |run| {
            starved |= run.is_starved;
            if !run.is_present {
                // Silence before the first packet does not count as missing audio.
                let frames = Frames::of(run.frames).get();
                let early = first_frame.map_or(0, |first_frame| (first_frame - run.first).get().clamp(0, frames));
                stats.concealed_frames += (frames - early).unsigned_abs();
            }
        });
        self.cursor = Some(end);
        starved
    }

    fn publish(&mut self) {
        self.stats.requested_depth = self.depth.requested();
        self.stats.target_depth = self.depth.target();
        self.stats.depth_increase = self.depth.increase();
        self.publisher.write(self.stats);
    }
}
