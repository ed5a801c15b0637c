//! The interface between the world and a receiver, and the engine as a receiver.

use super::clock_receiver::EngineClock;
use super::host::{HostTime, StampClock};
use super::positions::PositionResampler;
use super::reception::{Reception, Teller};
use crate::record::ClockState;
use engine::audio::{FusedRateController, RateController};
use engine::clock::{ClockServo, PtpMap, SlaveClock};
use engine::ptp::wire::{ClockIdentity, PortIdentity};
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::{Datagram, Ingest, IngestStats, Leg, Playout, StreamBuilder, StreamConfig, StreamError, stream};
use engine::resample::NearUnityResampler;
use engine::{Frames, LocalTime, MediaPosition, Nanos, SampleRate};
use std::net::Ipv4Addr;

/// Identity of the receiver's PTP port.
pub(crate) const RECEIVER_PORT: PortIdentity =
    PortIdentity { clock_identity: ClockIdentity([0x00, 0x1B, 0x21, 0xFF, 0xFE, 0x0A, 0x67, 0x01]), port_number: 1 };

/// A receiver under test. All its inputs come through this trait.
pub trait Receiver {
    /// Switches it on. Returns whether it has a timer or a message before it receives anything.
    fn begin(&mut self, _now: LocalTime) -> bool {
        false
    }
    /// Takes a datagram of the PTP ports, timestamped `now` by [`Receiver::stamp_clock`].
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]);
    /// The clock of the host with which PTP messages are timestamped, and to which its map of PTP
    /// time refers.
    fn stamp_clock(&self) -> StampClock {
        StampClock::Monotonic
    }
    /// Takes a datagram of the PTP ports, for receivers that use both clocks.
    fn handle_ptp_at(&mut self, now: HostTime, datagram: &[u8]) {
        self.handle_ptp(now.by(self.stamp_clock()), datagram);
    }
    /// Takes a datagram of the PTP ports with its source address, for receivers that use it.
    fn handle_ptp_from(&mut self, now: HostTime, _source: Ipv4Addr, datagram: &[u8]) {
        self.handle_ptp_at(now, datagram);
    }
    /// Takes a datagram of the stream, timestamped `now`. A receiver that is only a clock gets
    /// none.
    fn handle_media(&mut self, _now: LocalTime, _datagram: &[u8]) {}
    /// Takes a datagram of the stream's second leg, which a receiver without redundancy has not
    /// joined.
    fn handle_media_b(&mut self, _now: LocalTime, _datagram: &[u8]) {}
    /// Takes a datagram of one of the stream's legs with its source address, for receivers that use
    /// it.
    fn handle_media_from(&mut self, now: LocalTime, leg: Leg, _source: Ipv4Addr, datagram: &[u8]) {
        match leg {
            Leg::A => self.handle_media(now, datagram),
            Leg::B => self.handle_media_b(now, datagram),
        }
    }
    /// Handles everything that is due at `now`.
    fn handle_timeout(&mut self, now: LocalTime);
    /// When [`Receiver::handle_timeout`] is due next.
    fn poll_timeout(&self) -> Option<LocalTime>;
    /// The next Delay_Req.
    fn poll_transmit(&mut self) -> Option<Transmit>;
    /// Takes the transmit timestamp of a Delay_Req.
    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime);
    /// Takes the transmit timestamp of a Delay_Req, for receivers that use both clocks.
    fn handle_transmitted_at(&mut self, token: TransmitToken, sent: HostTime) {
        self.handle_transmitted(token, sent.by(self.stamp_clock()));
    }
    /// Fills `out` for the sound card.
    fn pull(&mut self, _now: LocalTime, out: &mut [f32]) {
        out.fill(0.0);
    }
    /// State of playback after the last pull.
    fn playback(&self) -> Playback {
        Playback::default()
    }
    /// The contents of its own display, if it has one.
    fn display(&self) -> Option<Display> {
        None
    }
    /// Its counts of packets, if it reports them.
    fn reception(&self) -> Reception {
        Reception::default()
    }
    /// The state of its clock as it reports it when its [`Receiver::stamp_clock`] shows `now`.
    fn clock(&self, now: LocalTime) -> Clock;
    /// The grandmaster that it follows, if it reports it.
    fn grandmaster(&self) -> Option<ClockIdentity> {
        None
    }
    /// Whether it has detected that the sender is not on PTP, although its SDP says so.
    fn sender_off_ptp(&self) -> bool {
        false
    }
    /// The next event that a user would be informed of.
    fn poll_event(&mut self) -> Option<String>;
    /// The run has ended.
    fn end(&mut self) {}
    /// Why it cannot go on, if it cannot: the run ends with this sentence. Asked after every call.
    fn failure(&mut self) -> Option<String> {
        None
    }
}

/// State of playback after a callback.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Playback {
    /// Media position (RTP timestamp, unwrapped from any origin) of the next frame; `None` while
    /// nothing is played.
    pub position: Option<MediaPosition>,
    /// How often the position moved by more than the playback: jumps, mutes, restarts.
    pub discontinuities: u64,
    /// Audio that was available to the callback.
    pub fill: Nanos,
    /// Callbacks so far that found too little audio.
    pub underruns: u64,
    /// Packets so far that arrived after their playout.
    pub late_packets: u64,
    /// How often so far there was no room for audio that arrived.
    pub overruns: u64,
}

/// The contents of a receiver's own display about its playback, which may be wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Display {
    /// Share of audio so far.
    pub audio_percent: f64,
    /// Underruns so far.
    pub underruns: u64,
    /// Underruns of the jitter buffer so far.
    pub buffer_underruns: u64,
    /// Level of the jitter buffer as a share of its target.
    pub level_percent: f64,
}

/// State of a receiver's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// State.
    pub state: ClockState,
    /// Its estimate of PTP time.
    pub map: Option<PtpMap>,
    /// Whether it states an uncertainty.
    pub claims_sigma: bool,
}

/// The engine that ships: control half and audio half, driven from one thread.
pub struct EngineReceiver<D = FusedRateController, L = SlaveClock> {
    clock: EngineClock<L>,
    ingest: Ingest,
    playout: Playout<D>,
    media_rate: SampleRate,
    teller: Teller,
    /// Whether something has happened to the stream since it was looked at.
    unseen: bool,
}

impl EngineReceiver {
    /// A receiver of one stream in a PTP domain.
    ///
    /// # Errors
    /// If the stream cannot be received as configured.
    pub fn new(config: StreamConfig, domain_number: u8) -> Result<Self, StreamError> {
        Ok(Self::around(&config, EngineClock::new(domain_number), stream(config)?))
    }

    /// As [`EngineReceiver::new`], but the output is silence, which is faster where only positions
    /// matter.
    ///
    /// # Errors
    /// If the stream cannot be received as configured.
    pub fn silent(config: StreamConfig, domain_number: u8) -> Result<Self, StreamError> {
        let step = f64::from(config.format.sample_rate().as_hz()) / f64::from(config.card_rate.as_hz());
        let resampler = PositionResampler::new(config.format.channels(), config.block_frames, step);
        let halves = StreamBuilder::new(config).resampler(Box::new(resampler)).build()?;
        Ok(Self::around(&config, EngineClock::new(domain_number), halves))
    }
}

impl<D: RateController, L: ClockServo> EngineReceiver<D, L> {
    /// The engine with any rate controller and any clock. If nobody listens, the output is silence,
    /// which takes half the time; positions are the same. A card of another nominal rate than the
    /// stream's is played to as usual.
    ///
    /// # Errors
    /// If the stream cannot be received as configured.
    pub(crate) fn by(
        config: StreamConfig,
        clock: EngineClock<L>,
        rate_controller: D,
        is_heard: bool,
    ) -> Result<Self, StreamError> {
        let mut builder = StreamBuilder::new(config).rate_controller(rate_controller);
        if !is_heard && config.format.sample_rate() == config.card_rate {
            let silent = NearUnityResampler::silent(config.channel_map.outputs(), config.block_frames)?;
            builder = builder.resampler(Box::new(silent));
        }
        Ok(Self::around(&config, clock, builder.build()?))
    }

    fn around(config: &StreamConfig, clock: EngineClock<L>, halves: (Ingest, Playout<D>)) -> Self {
        let (ingest, playout) = halves;
        let media_rate = config.format.sample_rate();
        Self { clock, ingest, playout, media_rate, teller: Teller::default(), unseen: true }
    }

    fn reception_by(&self, ingest: &IngestStats) -> Reception {
        let playout = self.playout.stats();
        let concealed = self.media_rate.duration(Frames::new(playout.concealed_frames as i64));
        Reception::of_engine(ingest, playout, concealed)
    }

    fn hear(&mut self, datagram: Datagram<'_>) {
        self.unseen = true;
        if let Err(error) = self.ingest.handle(datagram) {
            self.teller.refused(datagram.at, error);
        }
    }
}

impl<D: RateController, L: ClockServo> Receiver for EngineReceiver<D, L> {
    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.clock.handle_ptp(now, datagram);
        self.ingest.set_clock(&self.clock.timeline());
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        self.clock.handle_ptp_from(now, source, datagram);
        self.ingest.set_clock(&self.clock.timeline());
    }

    fn handle_media(&mut self, now: LocalTime, datagram: &[u8]) {
        self.hear(Datagram { leg: Leg::A, at: now, from: None, bytes: datagram });
    }

    fn handle_media_b(&mut self, now: LocalTime, datagram: &[u8]) {
        self.hear(Datagram { leg: Leg::B, at: now, from: None, bytes: datagram });
    }

    fn handle_media_from(&mut self, now: LocalTime, leg: Leg, source: Ipv4Addr, datagram: &[u8]) {
        self.hear(Datagram { leg, at: now, from: Some(source.into()), bytes: datagram });
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.clock.handle_timeout(now);
        self.ingest.set_clock(&self.clock.timeline());
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.clock.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.clock.poll_transmit()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.clock.handle_transmitted(token, sent);
    }

    fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        self.unseen = true;
        self.playout.pull(now, out);
    }

    fn reception(&self) -> Reception {
        self.reception_by(&self.ingest.stats())
    }

    fn playback(&self) -> Playback {
        let (stats, ingest) = (self.playout.stats(), self.ingest.stats());
        // Positions of different timelines cannot be compared, and before playout on the new one
        // there is none.
        let there = stats.started && stats.generation == ingest.generation;
        Playback {
            position: there.then_some(stats.position),
            discontinuities: stats.jumps + u64::from(ingest.generation),
            fill: stats.fill,
            underruns: stats.underruns,
            late_packets: stats.late_packets,
            overruns: stats.early_packets + ingest.overflows,
        }
    }

    fn clock(&self, now: LocalTime) -> Clock {
        self.clock.clock(now)
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.clock.grandmaster()
    }

    fn sender_off_ptp(&self) -> bool {
        self.ingest.stats().sender_off_ptp
    }

    fn poll_event(&mut self) -> Option<String> {
        // This allocates, so it is not done in a pull.
        if std::mem::take(&mut self.unseen) {
            let ingest = self.ingest.stats();
            self.teller.look(&self.reception_by(&ingest));
            self.teller.look_at_rates(&ingest);
        }
        self.clock.poll_event().or_else(|| self.teller.poll())
    }
}
