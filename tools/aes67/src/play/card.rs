//! Plays on a sound card, through cpal.

use super::mix::Mixer;
use crate::failure::{Failure, Result};
#[cfg(target_os = "linux")]
use crate::jack::untold_latency;
use crate::session::warn;
use crate::sound_card::{
    Delay, Handover, LONGEST_CALLBACK, MAX_ERRORS, Pulse, callback_frames, find, open_with, rank, unknown_format,
    with_words_logged,
};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, FromSample, SampleFormat, SizedSample, SupportedStreamConfig};
use engine::rtp::format::MAX_CHANNELS;
use engine::{Nanos, SampleRate};
use net::clock;
use std::sync::mpsc::{Receiver, sync_channel};

/// Maximum number of frames that the engine resamples at once.
pub(super) const BLOCK_FRAMES: usize = 1024;
/// Longest callback to request, because the latency beyond it is the margin for late packets. Cards
/// have defaults from 5 to 340 ms.
const CALLBACK: Nanos = Nanos::from_millis(10);
/// A callback should be no longer than the latency divided by this.
const CALLBACKS_OF_LATENCY: i64 = 4;

/// An opened card and its settings.
pub(super) struct Opened {
    device: cpal::Device,
    name: String,
    config: SupportedStreamConfig,
    rate: SampleRate,
    /// Playback delay in addition to the delay that the card reports.
    untold_latency: Nanos,
}

impl Opened {
    /// Opens the card whose name contains `wanted`, or the default card, at the streams' rate if
    /// the card supports it.
    pub(super) fn open(wanted: Option<&str>, rate: SampleRate, channels: usize) -> Result<Self> {
        with_words_logged(|| Self::look_for(wanted, rate, channels))
    }

    fn look_for(wanted: Option<&str>, rate: SampleRate, channels: usize) -> Result<Self> {
        let host = cpal::default_host();
        let device = match wanted {
            None => host.default_output_device().ok_or_else(|| {
                Failure::input("this computer has no sound card: give --output null or a WAV file to play without")
            })?,
            Some(wanted) => find(host.output_devices(), wanted, "")?,
        };
        let name = device.to_string();
        let config = choose(&device, rate, channels).map_err(|error| {
            Failure::input(format!("{name}: {error} To play without a sound card give --output null or a WAV file."))
        })?;
        let rate = SampleRate::from_hz(config.sample_rate()).unwrap_or(SampleRate::HZ_48000);
        let untold_latency = untold_latency(&device, rate, u32::from(config.channels()));
        Ok(Self { device, name, config, rate, untold_latency })
    }

    pub(super) fn name(&self) -> String {
        format!("{} ({} Hz, {} channels)", self.name, self.rate.as_hz(), self.channels())
    }

    pub(super) const fn rate(&self) -> SampleRate {
        self.rate
    }

    pub(super) fn channels(&self) -> usize {
        usize::from(self.config.channels()).min(MAX_CHANNELS)
    }

    /// Starts playback with a callback length that suits `latency`, if the card supports it.
    pub(super) fn start(self, mixer: Mixer, latency: Nanos) -> Result<Playing> {
        let callback = CALLBACK.min(Nanos::new(latency.as_nanos() / CALLBACKS_OF_LATENCY));
        let frames = (self.rate.frames_in(callback) as u32).max(1);
        let fixed = callback_frames(&self.config, frames).map(BufferSize::Fixed);
        let sizes = fixed.into_iter().chain([BufferSize::Default]);
        let mixer = Handover::new(mixer);
        let run = |size| match self.config.sample_format() {
            SampleFormat::F32 => self.run::<f32>(mixer.clone(), size),
            SampleFormat::I32 => self.run::<i32>(mixer.clone(), size),
            SampleFormat::I24 => self.run::<cpal::I24>(mixer.clone(), size),
            SampleFormat::I16 => self.run::<i16>(mixer.clone(), size),
            other => Err(unknown_format(other)),
        };
        let opened = with_words_logged(|| open_with(sizes, run));
        opened.map_err(|error| Failure::run(format!("{}: {error}", self.name)))
    }

    fn run<T: SizedSample + FromSample<f32>>(
        &self,
        mixer: Handover<Mixer>,
        buffer_size: BufferSize,
    ) -> std::result::Result<Playing, cpal::Error> {
        let channels = self.channels();
        let card_channels = usize::from(self.config.channels());
        let mut block = vec![0.0; LONGEST_CALLBACK * channels];
        let (tell, errors) = sync_channel(MAX_ERRORS);
        let pulse = Pulse::new();
        let called = pulse.clone();
        let delay = Delay::new();
        let waits = delay.clone();
        let mut work = None;
        let call_back = move |out: &mut [T], info: &cpal::OutputCallbackInfo| {
            let now = clock::now();
            if work.is_none() {
                // The library's thread has the usual priority, so a busy computer would delay it.
                // Request a real-time priority.
                net::ask_for_real_time();
                work = mixer.take();
            }
            let Some(mixer) = &mut work else { return out.fill(T::EQUILIBRIUM) };
            called.beat(now);
            let times = info.timestamp();
            waits.told(Nanos::new(times.playback.duration_since(times.callback).as_nanos() as i64));
            for out in out.chunks_mut(LONGEST_CALLBACK * card_channels) {
                let block = &mut block[..out.len() / card_channels * channels];
                mixer.pull(now, block);
                for (out, frame) in out.chunks_exact_mut(card_channels).zip(block.chunks_exact(channels)) {
                    out.fill(T::EQUILIBRIUM);
                    out.iter_mut().zip(frame).for_each(|(out, &sample)| *out = T::from_sample(sample));
                }
            }
        };
        let on_error = move |error: cpal::Error| {
            // This fails if nobody reads the messages, or if the queue is full.
            let _ = tell.try_send(error);
        };
        let mut config = self.config.config();
        config.buffer_size = buffer_size;
        let stream = self.device.build_output_stream(config, call_back, on_error, None)?;
        stream.play()?;
        pulse.beat(clock::now());
        let untold_latency = self.untold_latency;
        Ok(Playing { name: self.name.clone(), errors, pulse, delay, untold_latency, _stream: stream })
    }
}

/// On other systems, cards report their whole latency.
#[cfg(not(target_os = "linux"))]
fn untold_latency(_: &cpal::Device, _: SampleRate, _: u32) -> Nanos {
    Nanos::ZERO
}

/// Chooses the card's configuration: the stream's rate if the card supports it, the stream's number
/// of channels or the next larger one, and the widest supported samples.
fn choose(
    device: &cpal::Device,
    rate: SampleRate,
    channels: usize,
) -> std::result::Result<SupportedStreamConfig, cpal::Error> {
    let channels = channels as u16;
    let supported = device.supported_output_configs()?;
    let best = supported
        .filter(|range| rank(range.sample_format()).is_some() && usize::from(range.channels()) <= MAX_CHANNELS)
        .filter_map(|range| range.try_with_sample_rate(rate.as_hz()))
        .min_by_key(|config| {
            let missing = channels.saturating_sub(config.channels());
            let spare = config.channels().saturating_sub(channels);
            (missing, spare, rank(config.sample_format()))
        });
    best.map_or_else(|| device.default_output_config(), Ok)
}

/// A card that is playing. Stops when it is dropped.
pub(super) struct Playing {
    name: String,
    errors: Receiver<cpal::Error>,
    pulse: Pulse,
    delay: Delay,
    untold_latency: Nanos,
    _stream: cpal::Stream,
}

impl Playing {
    /// The card's own latency, from the callback to the sound; `None` before the first callback.
    pub(super) fn latency(&self) -> Option<Nanos> {
        Some(self.delay.mean()? + self.untold_latency)
    }

    /// Reports xruns.
    ///
    /// # Errors
    /// If the card has disappeared or stopped; the error says so.
    pub(super) fn check(&mut self) -> std::result::Result<(), String> {
        for error in self.errors.try_iter() {
            let message = format!("{}: {error}", self.name);
            match error.kind() {
                cpal::ErrorKind::Xrun | cpal::ErrorKind::RealtimeDenied => warn(format_args!("warning: {message}")),
                _ => return Err(message),
            }
        }
        let stalled = |silent| Err(format!("{}: it has not asked for audio for {silent}", self.name));
        self.pulse.stalled().map_or(Ok(()), stalled)
    }
}
