//! The receiver of the user's report: its PTP client, its jitter buffer, and its display.
//!
//! It comes in three forms, which differ by the buffer and its reader ([`PrototypeForm`]). Its
//! display counts all samples that it has read: "Audio" is the share of those that are not zero,
//! and "Under" is the number of underruns of a ring. Direct mode does not use this ring, so the
//! number remains zero. The underruns in the trace are counted by the simulator: callbacks in which
//! the buffer inserted silence.

mod buffer;
mod packets;
mod ptp;
mod ring;
mod servo;

pub use ptp::PrototypeClock;

use crate::world::{Clock, Display, HostTime, Playback, Receiver, StampClock};
use buffer::PlayoutBuffer;
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::StreamConfig;
use engine::rtp::wire::RtpPacket;
use engine::{Frames, LocalTime};
use packets::{PacketBuffer, Reader};
use ring::SampleRing;

/// The successive forms of the prototype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrototypeForm {
    /// Direct mode, as in the user's report: packets, of which one frame is read for each frame of
    /// the card.
    Direct,
    /// Packets, resampled by the servo's frequency whether the servo is locked or not.
    Resampled,
    /// A ring of samples, resampled by the servo's frequency while the servo is locked, and by a
    /// trim that depends on the level.
    Ring,
}

/// The prototype.
pub struct PrototypeReceiver {
    config: StreamConfig,
    clock: PrototypeClock,
    buffer: Box<dyn PlayoutBuffer>,
    samples_read: u64,
    samples_not_zero: u64,
    has_played: bool,
    playback: Playback,
}

impl PrototypeReceiver {
    /// A receiver of one stream in a PTP domain.
    #[must_use]
    pub fn new(form: PrototypeForm, config: StreamConfig, domain_number: u8) -> Self {
        let buffer: Box<dyn PlayoutBuffer> = match form {
            PrototypeForm::Direct => Box::new(PacketBuffer::new(config, Reader::Direct)),
            PrototypeForm::Resampled => Box::new(PacketBuffer::new(config, Reader::Resampled)),
            PrototypeForm::Ring => Box::new(SampleRing::new(config)),
        };
        Self {
            config,
            clock: PrototypeClock::new(domain_number),
            buffer,
            samples_read: 0,
            samples_not_zero: 0,
            has_played: false,
            playback: Playback::default(),
        }
    }
}

impl Receiver for PrototypeReceiver {
    fn stamp_clock(&self) -> StampClock {
        self.clock.stamp_clock()
    }

    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.clock.handle_ptp(now, datagram);
    }

    fn handle_ptp_at(&mut self, now: HostTime, datagram: &[u8]) {
        self.clock.handle_ptp_at(now, datagram);
    }

    fn handle_media(&mut self, _now: LocalTime, datagram: &[u8]) {
        if let Ok(packet) = RtpPacket::parse(datagram) {
            self.buffer.push(&packet);
        }
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.clock.handle_timeout(now);
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

    fn pull(&mut self, _now: LocalTime, out: &mut [f32]) {
        let found = self.buffer.report().level_frames;
        let outcome = self.buffer.read(&self.clock, out);
        self.samples_read += out.len() as u64;
        self.samples_not_zero += out.iter().filter(|&&sample| sample != 0.0).count() as u64;
        let report = self.buffer.report();
        self.has_played |= report.position.is_some();
        self.playback = Playback {
            position: report.position,
            discontinuities: self.playback.discontinuities + u64::from(outcome.jumped),
            fill: self.config.format.sample_rate().duration(Frames::new(found as i64)),
            underruns: self.playback.underruns + u64::from(outcome.padded && self.has_played),
            late_packets: report.late_packets,
            overruns: report.overruns,
        };
    }

    fn playback(&self) -> Playback {
        self.playback
    }

    fn display(&self) -> Option<Display> {
        let report = self.buffer.report();
        Some(Display {
            audio_percent: 100.0 * self.samples_not_zero as f64 / self.samples_read.max(1) as f64,
            underruns: 0,
            buffer_underruns: report.underruns,
            level_percent: report.level_percent(),
        })
    }

    fn clock(&self, now: LocalTime) -> Clock {
        self.clock.clock(now)
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.clock.grandmaster()
    }

    fn poll_event(&mut self) -> Option<String> {
        self.clock.poll_event()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::models::{GrandmasterModel, RandomStream};
    use crate::scenario::Loaded;
    use engine::Nanos;
    use engine::rtp::format::{Encoding, StreamFormat};

    /// 16-bit stereo at 48 kHz.
    pub(crate) fn config(target_ms: i64) -> StreamConfig {
        let format = StreamFormat::new(Encoding::L16, engine::SampleRate::HZ_48000, 2).unwrap();
        StreamConfig::new(format, Nanos::from_millis(target_ms), 960)
    }

    /// A packet all of whose samples are its number.
    pub(crate) fn datagram(number: u16, frames: usize) -> Vec<u8> {
        let timestamp = u32::from(number) * frames as u32;
        let header = [[0x80, 96], number.to_be_bytes()].concat();
        let samples = number.to_be_bytes().repeat(2 * frames);
        [header, timestamp.to_be_bytes().to_vec(), vec![1, 2, 3, 4], samples].concat()
    }

    /// The number of the packet that a sample is from; 0 for silence.
    pub(crate) fn number_of(sample: f32) -> u16 {
        (sample * 32_768.0) as i16 as u16
    }

    /// A clock on a host that is 30 ppm fast, which is locked, or 60 ppm, which is not.
    pub(crate) fn clock(locked: bool) -> PrototypeClock {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/gm_loss.toml");
        let grandmaster = Loaded::read(path.as_ref(), &[]).unwrap().scenario.grandmaster;
        let mut clock = PrototypeClock::new(grandmaster.domain);
        let mut master = GrandmasterModel::new(grandmaster, RandomStream::new(1, "test"));
        clock.handle_ptp(LocalTime::ZERO, &master.announce());
        for i in 1..=600 {
            let sent = 125_000_000 * i;
            let (sync, follow_up) = master.sync(sent);
            let stamp = LocalTime::from_nanos(sent + sent / 1_000_000 * if locked { 30 } else { 60 });
            clock.handle_ptp(stamp, &sync);
            clock.handle_ptp(stamp, &follow_up.unwrap());
        }
        assert_eq!(clock.is_locked(), locked);
        clock
    }

    #[test]
    fn the_display_counts_samples_that_are_not_zero_and_its_ring_never_runs_dry() {
        let mut receiver = PrototypeReceiver::new(PrototypeForm::Direct, config(50), 0);
        let pull = |receiver: &mut PrototypeReceiver| receiver.pull(LocalTime::ZERO, &mut [0.0; 1920]);
        pull(&mut receiver);
        assert_eq!(receiver.playback().underruns, 0, "it has not begun");
        (1..=12).for_each(|number| receiver.handle_media(LocalTime::ZERO, &datagram(number, 240)));
        let shown = |receiver: &PrototypeReceiver| {
            let Display { audio_percent, underruns, buffer_underruns, level_percent } = receiver.display().unwrap();
            (audio_percent, underruns, buffer_underruns, level_percent)
        };
        assert_eq!(shown(&receiver), (0.0, 0, 0, 120.0));
        (0..3).for_each(|_| pull(&mut receiver));
        assert_eq!(shown(&receiver), (75.0, 0, 0, 0.0));
        // Nothing is left: the buffer fills, in silence.
        (0..4).for_each(|_| pull(&mut receiver));
        assert_eq!(shown(&receiver), (37.5, 0, 1, 0.0));
        assert_eq!(receiver.playback().underruns, 4);
    }
}
