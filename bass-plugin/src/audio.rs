//! Produces audio for BASS: calls the engine's [`Playout::pull`], and converts the audio to the
//! format of the channel.
//!
//! Model: a decode channel is pulled by the host, at the pace of its output, so a pull is like a
//! callback of the card. A playback channel is pulled by BASS's update thread, which requests, each
//! update period or later, as much as was played since its last request. So a pull of n frames
//! corresponds to a callback that was due n frames earlier, whenever the thread woke up. When
//! playback starts, BASS fills its buffer in several calls, each of which requests more than was
//! played. These calls do not show the card's pace, so they get silence and are not passed to the
//! engine.
//!
//! Like [`Playout::pull`], this neither allocates, locks nor blocks, and always fills the buffer.

use engine::audio::{FusedRateController, RateController, RateInput};
use engine::receive::Playout;
use engine::{Frames, LocalTime, Nanos, Ppb, SampleRate};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Maximum number of frames that are converted at a time.
const SCRATCH_FRAMES: usize = 8192;
/// A playback channel that has not been called for this long was stopped, and fills its buffer
/// again. The exception is a call that requests what was played in the meantime, for example if
/// BASS's update period is this long.
const STOPPED: Nanos = Nanos::from_secs(1);
/// If a call requests more than the time since the last call plus this time, BASS is filling its
/// buffer again, because the channel was stopped and started.
const REFILL: Nanos = Nanos::from_millis(120);
/// A channel that was not stopped requests at least this fraction of the time since the last
/// call: 4/5.
const PLAYED: (i64, i64) = (4, 5);
/// Reciprocal of the fraction by which requests exceed the played audio while a buffer is being
/// filled: at least a fifth (in BASS 2.4.16, a half).
const FILLING_SHARE: i64 = 5;
/// Longest time for filling a buffer. By default, BASS takes 0.7 s.
const FILLING: Nanos = Nanos::from_secs(2);

/// How the resampling ratio is determined.
pub(crate) enum Controller {
    /// From measured rates, for hosts that follow a sound card.
    Fused(FusedRateController),
    /// Always 1, for hosts that pull at the pace of the sender's clock: there is nothing to
    /// correct, and samples stay unchanged.
    Paced,
}

impl RateController for Controller {
    fn ratio(&mut self, input: &RateInput) -> Ppb {
        match self {
            Self::Fused(controller) => controller.ratio(input),
            Self::Paced => Ppb::ZERO,
        }
    }
}

/// The sample format of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Samples {
    Float,
    Int16,
}

impl Samples {
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Float => 4,
            Self::Int16 => 2,
        }
    }
}

/// The audio half of a channel.
pub(crate) struct Audio {
    playout: Playout<Controller>,
    channels: usize,
    rate: SampleRate,
    samples: Samples,
    playback: bool,
    called_at: Option<LocalTime>,
    /// When BASS began to fill its buffer.
    filling_since: Option<LocalTime>,
    scratch: Vec<f32>,
    waiting: Arc<Waiting>,
}

/// The duration of audio in the jitter buffer at the last call. For a playback channel, audio that
/// arrived while the requested block was played does not count, so this equals the target when
/// playout is on time, however long BASS's blocks are.
#[derive(Debug, Default)]
pub(crate) struct Waiting(AtomicI64);

impl Waiting {
    pub(crate) fn get(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, waiting: Nanos) {
        self.0.store(waiting.max(Nanos::ZERO).as_nanos(), Ordering::Relaxed);
    }
}

impl Audio {
    pub(crate) fn new(
        playout: Playout<Controller>,
        channels: usize,
        rate: SampleRate,
        samples: Samples,
        playback: bool,
    ) -> Self {
        let scratch = vec![0.0; SCRATCH_FRAMES * channels];
        Self {
            playout,
            channels,
            rate,
            samples,
            playback,
            called_at: None,
            filling_since: None,
            scratch,
            waiting: Arc::default(),
        }
    }

    /// The audio in the jitter buffer, which is updated by each call.
    pub(crate) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }

    /// Number of bytes in a frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.channels * self.samples.bytes()
    }

    /// Fills the buffer. A remainder of less than a frame is filled with silence.
    pub(crate) fn fill(&mut self, now: LocalTime, out: &mut [u8]) {
        let bytes = self.frame_bytes();
        let (whole, rest) = out.split_at_mut(out.len() / bytes * bytes);
        rest.fill(0);
        if self.is_prefill(now, whole.len() / bytes) {
            whole.fill(0);
            return;
        }
        let mut played_late = Nanos::ZERO;
        let mut done = if self.playback { -((whole.len() / bytes) as i64) } else { 0 };
        for block in whole.chunks_mut(SCRATCH_FRAMES * bytes) {
            let frames = block.len() / bytes;
            // The later part of a long block is played later.
            let at = now + self.rate.duration(Frames::new(done));
            let audio = &mut self.scratch[..frames * self.channels];
            if self.playback {
                self.playout.pull_played(at, audio);
            } else {
                self.playout.pull(at, audio);
            }
            played_late = now - at;
            convert(audio, self.samples, block);
            done += frames as i64;
        }
        self.waiting.set(self.playout.stats().fill - played_late);
    }

    /// Whether BASS is filling its buffer with this call, rather than requesting what was played.
    fn is_prefill(&mut self, now: LocalTime, frames: usize) -> bool {
        if !self.playback {
            return false;
        }
        let asked = self.rate.duration(Frames::new(frames as i64));
        let Some(last) = self.called_at.replace(now) else {
            self.filling_since = Some(now);
            return true;
        };
        let elapsed = now - last;
        let surplus = asked - elapsed;
        let (part, of) = PLAYED;
        let stopped = elapsed > STOPPED && asked.times(of) < elapsed.times(part);
        if stopped || surplus > REFILL {
            self.filling_since = Some(now);
            return true;
        }
        let goes_on = |since: &LocalTime| surplus.times(FILLING_SHARE) > elapsed && now - *since < FILLING;
        self.filling_since = self.filling_since.filter(goes_on);
        self.filling_since.is_some()
    }
}

/// Converts samples to the machine's byte order. A buffer from BASS need not be aligned.
fn convert(audio: &[f32], samples: Samples, out: &mut [u8]) {
    match samples {
        Samples::Float => {
            for (sample, out) in audio.iter().zip(out.chunks_exact_mut(4)) {
                out.copy_from_slice(&sample.to_ne_bytes());
            }
        }
        Samples::Int16 => {
            for (sample, out) in audio.iter().zip(out.chunks_exact_mut(2)) {
                out.copy_from_slice(&to_int16(*sample).to_ne_bytes());
            }
        }
    }
}

/// Converts a sample to 16 bits. Full scale is 32768, as in BASS, so that 16-bit samples are
/// unchanged; larger samples are clipped.
fn to_int16(sample: f32) -> i16 {
    // A cast saturates, and turns NaN into 0.
    (sample * 32_768.0).round_ties_even() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::receive::{Datagram, Ingest, Leg, StreamBuilder, StreamConfig};
    use engine::rtp::format::{Encoding, StreamFormat};

    fn audio(samples: Samples, playback: bool) -> Audio {
        stream(samples, playback).1
    }

    /// A stream with a target of 20 ms.
    fn stream(samples: Samples, playback: bool) -> (Ingest, Audio) {
        let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2).unwrap();
        let config = StreamConfig::new(format, Nanos::from_millis(20), 1024);
        let (ingest, playout) = StreamBuilder::new(config).rate_controller(Controller::Paced).build().unwrap();
        (ingest, Audio::new(playout, 2, SampleRate::HZ_48000, samples, playback))
    }

    #[test]
    fn samples_of_16_bits_come_through() {
        for value in [i16::MIN, -1, 0, 1, 12_345, i16::MAX] {
            assert_eq!(to_int16(f32::from(value) / 32_768.0), value);
        }
        assert_eq!((to_int16(1.5), to_int16(-1.5), to_int16(f32::NAN)), (i16::MAX, i16::MIN, 0));
    }

    #[test]
    fn every_byte_is_written() {
        for samples in [Samples::Float, Samples::Int16] {
            let mut out = vec![0xAA; 20_000 * 2 * samples.bytes() + 3];
            audio(samples, false).fill(LocalTime::ZERO, &mut out);
            assert!(out.iter().all(|&byte| byte == 0), "{samples:?}");
        }
    }

    /// The calls of BASS 2.4.16 with its defaults, after a start: when, and for how many ms.
    const START: [(i64, usize); 9] =
        [(0, 200), (99, 150), (199, 150), (299, 150), (399, 150), (498, 150), (599, 150), (699, 100), (799, 100)];

    #[test]
    fn updates_that_are_far_apart_are_played() {
        let mut audio = audio(Samples::Float, true);
        let at = |ms| LocalTime::ZERO + Nanos::from_millis(ms);
        assert!(audio.is_prefill(at(0), 48 * 2_000), "the first one fills the buffer");
        for call in 1..8 {
            assert!(!audio.is_prefill(at(1_200 * call), 48 * 1_200), "call {call}");
        }
        assert!(audio.is_prefill(at(20_000), 48 * 2_000), "stopped meanwhile");
    }

    #[test]
    fn only_a_filled_buffer_is_kept_from_the_engine() {
        let mut audio = audio(Samples::Float, true);
        let at = |ms| LocalTime::ZERO + Nanos::from_millis(ms);
        for start in [0, 60_000] {
            for (ms, asked_ms) in START {
                assert_eq!(audio.is_prefill(at(start + ms), 48 * asked_ms), ms < 699, "{ms} ms");
            }
            assert!(!audio.is_prefill(at(start + 960), 48 * 160), "a late call");
            assert!(!audio.is_prefill(at(start + 1_000), 48 * 60), "and the next one");
        }
        assert!(audio.is_prefill(at(61_010), 48 * 200), "stopped and started again");
        audio.playback = false;
        assert!(!audio.is_prefill(at(90_000), 24_000), "decode channels have no buffer");
    }

    /// A packet of 1 ms, by its number.
    fn packet(number: u16) -> Vec<u8> {
        let timestamp = u32::from(number) * 48;
        let header = [&[0x80, 96][..], &number.to_be_bytes(), &timestamp.to_be_bytes(), &[0, 0, 0, 1]].concat();
        [header, vec![1; 48 * 2 * 3]].concat()
    }

    #[test]
    fn what_waits_is_the_target_however_long_the_blocks_are() {
        for (playback, block_ms) in [(false, 10), (true, 100), (true, 10)] {
            let (mut ingest, mut audio) = stream(Samples::Float, playback);
            let waiting = audio.waiting();
            let mut out = vec![0; 48 * block_ms * 2 * 4];
            for ms in 0..6_000_u16 {
                let at = LocalTime::ZERO + Nanos::from_millis(i64::from(ms));
                let datagram = Datagram { leg: Leg::A, at, from: None, bytes: &packet(ms) };
                ingest.handle(datagram).unwrap();
                if usize::from(ms) % block_ms == 0 {
                    audio.fill(at, &mut out);
                }
            }
            let ms = waiting.get().as_secs_f64() * 1e3;
            assert!((18.0..22.5).contains(&ms), "{ms} ms wait for blocks of {block_ms} ms, playback: {playback}");
        }
    }
}
