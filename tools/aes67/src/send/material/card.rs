//! Captures from a sound card, through cpal.

use super::feed::Feed;
use crate::failure::{Failure, Result};
use crate::meter::Meter;
use crate::sound_card::{
    Handover, LONGEST_CALLBACK, MAX_ERRORS, Pulse, callback_frames, find, open_with, rank, unknown_format,
    with_words_logged,
};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, FromSample, Sample, SampleFormat, SizedSample, SupportedStreamConfig};
use engine::rtp::format::PacketTime;
use engine::send::{CaptureConfig, CaptureInput, capture};
use engine::{Frames, Nanos, SampleRate};
use net::clock;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Requested length of a callback. The shorter it is, the earlier packets can leave.
const CALLBACK: Nanos = Nanos::from_millis(5);
/// Additional delay of the stream, to allow for late callbacks and the filter.
const MARGIN: Nanos = Nanos::from_millis(6);

/// An opened card and its settings.
pub(crate) struct Opened {
    device: cpal::Device,
    name: String,
    config: SupportedStreamConfig,
    rate: SampleRate,
    callback_frames: [u32; 3],
}

impl Opened {
    /// Opens the card whose name contains `wanted`, or the system's default card for `default`.
    pub(crate) fn open(wanted: &str, rate_hz: Option<u32>, channels: Option<u16>) -> Result<Self> {
        with_words_logged(|| Self::look_for(wanted, rate_hz, channels))
    }

    fn look_for(wanted: &str, rate_hz: Option<u32>, channels: Option<u16>) -> Result<Self> {
        let host = cpal::default_host();
        let device = match wanted {
            "" | "default" => host
                .default_input_device()
                .ok_or_else(|| Failure::run("this computer has no sound card that captures"))?,
            wanted => find(host.input_devices(), wanted, " that captures")?,
        };
        let name = device.to_string();
        let config = choose(&device, rate_hz, channels).map_err(|error| Failure::run(format!("{name}: {error}")))?;
        let rate = SampleRate::from_hz(config.sample_rate()).unwrap_or(SampleRate::HZ_48000);
        let wanted = (rate.frames_in(CALLBACK) as u32).max(1);
        let callback_frames = callback_frames(&config, wanted);
        Ok(Self { device, name, config, rate, callback_frames })
    }

    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    pub(crate) const fn rate(&self) -> SampleRate {
        self.rate
    }

    pub(crate) fn channels(&self) -> usize {
        usize::from(self.config.channels())
    }

    /// How long after the end of their last frame packets must leave.
    pub(crate) fn delay(&self) -> Nanos {
        self.rate.duration(Frames::new(i64::from(self.callback_frames[0]))) + MARGIN
    }

    /// Starts to capture for the streams, each with its channels and packet time.
    pub(crate) fn start(self, streams: &[(&[u16], PacketTime, Arc<Meter>)]) -> Result<(Vec<Feed>, Capturing)> {
        let mut inputs = Vec::new();
        let mut feeds = Vec::new();
        for (map, time, meter) in streams {
            let config = CaptureConfig {
                card_rate: self.rate,
                card_channels: self.channels(),
                channels: map.iter().map(|&channel| usize::from(channel)).collect(),
                stream_rate: self.rate,
                packet_frames: time.frames(self.rate).unwrap_or(48),
                remembered: None,
            };
            let (input, source) = capture(&config).map_err(Failure::input)?;
            inputs.push(input);
            feeds.push(Feed::captured(source, map, Arc::clone(meter)));
        }
        let inputs = Handover::new(inputs);
        // Longer callbacks would exceed [`Opened::delay`].
        let sizes = self.callback_frames.into_iter().filter(|frames| *frames <= self.callback_frames[0]);
        let run = |frames| match self.config.sample_format() {
            SampleFormat::F32 => self.run::<f32>(inputs.clone(), frames),
            SampleFormat::I32 => self.run::<i32>(inputs.clone(), frames),
            SampleFormat::I24 => self.run::<cpal::I24>(inputs.clone(), frames),
            SampleFormat::I16 => self.run::<i16>(inputs.clone(), frames),
            other => Err(unknown_format(other)),
        };
        let capturing = with_words_logged(|| open_with(sizes, run));
        Ok((feeds, capturing.map_err(|error| Failure::run(format!("{}: {error}", self.name)))?))
    }

    fn run<T: SizedSample>(
        &self,
        inputs: Handover<Vec<CaptureInput>>,
        frames: u32,
    ) -> std::result::Result<Capturing, cpal::Error>
    where
        f32: FromSample<T>,
    {
        let channels = self.channels();
        let mut block = vec![0.0; LONGEST_CALLBACK * channels];
        let (tell, errors) = sync_channel(MAX_ERRORS);
        let pulse = Pulse::new();
        let called = pulse.clone();
        let mut work = None;
        let call_back = move |samples: &[T], _: &cpal::InputCallbackInfo| {
            let now = clock::now();
            if work.is_none() {
                work = inputs.take();
            }
            let Some(inputs) = &mut work else { return };
            called.beat(now);
            for samples in samples.chunks(LONGEST_CALLBACK * channels) {
                let block = &mut block[..samples.len()];
                block.iter_mut().zip(samples).for_each(|(to, &sample)| *to = f32::from_sample(sample));
                inputs.iter_mut().for_each(|input| input.push(now, block));
            }
        };
        let on_error = move |error: cpal::Error| {
            // This fails if nobody reads the messages, or if the queue is full.
            let _ = tell.try_send(error);
        };
        let mut config = self.config.config();
        config.buffer_size = BufferSize::Fixed(frames);
        let stream = self.device.build_input_stream(config, call_back, on_error, None)?;
        stream.play()?;
        pulse.beat(clock::now());
        Ok(Capturing { name: self.name.clone(), errors, pulse, _stream: stream })
    }
}

/// Chooses the card's configuration: the requested rate and number of channels, by default 48 kHz
/// and the card's own number, and the widest supported samples.
fn choose(
    device: &cpal::Device,
    rate_hz: Option<u32>,
    channels: Option<u16>,
) -> std::result::Result<SupportedStreamConfig, cpal::Error> {
    let default = device.default_input_config()?;
    let rate_hz = rate_hz.unwrap_or(SampleRate::HZ_48000.as_hz());
    let channels = channels.unwrap_or_else(|| default.channels());
    let supported = device.supported_input_configs()?;
    let best = supported
        .filter(|range| rank(range.sample_format()).is_some())
        .filter_map(|range| range.try_with_sample_rate(rate_hz))
        .min_by_key(|config| (config.channels().abs_diff(channels), rank(config.sample_format())));
    Ok(best.unwrap_or(default))
}

/// A card that is capturing. Stops when it is dropped.
pub(crate) struct Capturing {
    name: String,
    errors: Receiver<cpal::Error>,
    pulse: Pulse,
    _stream: cpal::Stream,
}

impl Capturing {
    /// Reports xruns. Returns an error if the card has disappeared or stopped.
    pub(crate) fn check(&self) -> Result<()> {
        for error in self.errors.try_iter() {
            let message = format!("{}: {error}", self.name);
            match error.kind() {
                cpal::ErrorKind::Xrun | cpal::ErrorKind::RealtimeDenied | cpal::ErrorKind::DeviceChanged => {
                    crate::session::warn(format_args!("warning: {message}"));
                }
                _ => return Err(Failure::run(message)),
            }
        }
        let stalled = |silent| Err(Failure::run(format!("{}: it has not brought audio for {silent}", self.name)));
        self.pulse.stalled().map_or(Ok(()), stalled)
    }
}
