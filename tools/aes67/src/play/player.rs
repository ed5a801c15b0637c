//! Plays streams on an output, from the time the output is opened until it is lost.

use super::card_rates::CardRates;
use super::controller::Controller;
use super::floor;
use super::mix::Mixer;
use super::output::{Lost, Output, Playing};
use super::{Clock, PlayArguments};
use crate::failure::{Failure, Result};
use crate::meter::Meter;
use crate::options::duration_ms;
use crate::session::warn;
use crate::target::Target;
use engine::audio::{ChannelMap, FusedRateController};
use engine::receive::{MediaClock, StreamConfig, WarmStart};
use engine::rtp::format::MAX_CHANNELS;
use engine::{Frames, LocalTime, Nanos, Ppb, SampleRate};
use net::clock;
use net::stream::{LegConfig, Receiver};
use net::timeline::Timeline;
use std::sync::Arc;

/// Default latency: how long the first frame of a packet waits, and the limit up to which late
/// packets may raise this time.
const LATENCY: Nanos = Nanos::from_millis(40);
const LATENCY_LIMIT: Nanos = Nanos::from_millis(250);
/// The rate of a card is saved if it was measured for at least this long.
const MEASURED: Nanos = Nanos::from_secs(30);

/// A stream to play.
pub(super) struct Stream {
    pub(super) target: Target,
    pub(super) legs: Vec<LegConfig>,
    pub(super) timeline: Option<Timeline>,
    /// The stream's channel for each output, both counted from 0; `None` if not given.
    pub(super) channels: Option<Vec<Option<usize>>>,
}

/// A stream that is being played.
pub(super) struct PlayingStream {
    pub(super) receiver: Receiver,
    pub(super) meter: Arc<Meter>,
    pub(super) latency: Nanos,
}

/// Plays streams until it is dropped.
pub(super) struct Player {
    pub(super) channels: Vec<PlayingStream>,
    pub(super) name: String,
    rate: SampleRate,
    output: Playing,
    started_at: LocalTime,
}

impl Player {
    /// Opens the output and starts to receive, with a latency of at least `floor`.
    ///
    /// # Errors
    /// If an option is invalid, or if the output or a socket is refused.
    pub(super) fn open(
        arguments: &PlayArguments,
        streams: &[Stream],
        card_rates: &CardRates,
        floor: Nanos,
    ) -> Result<Self> {
        let floor = floor.max(known_floor(arguments, streams)?);
        let layout = layout(streams);
        let wanted = layout.iter().map(Vec::len).max().unwrap_or(1);
        let format = streams[0].target.stream.format;
        let opened = Output::open(arguments, format, wanted)?;
        let outputs = opened.channels();
        if arguments.channels.iter().any(|map| map.0.len() > outputs) {
            return Err(Failure::input(format!(
                "--channels names more than the {outputs} channels of {}",
                opened.name()
            )));
        }
        let (name, rate) = (opened.name(), opened.rate());
        let card_rate = remembered_name(arguments).and_then(|device| card_rates.recall(&device));
        let (mut channels, mut playouts) = (Vec::new(), Vec::new());
        for (stream, map) in streams.iter().zip(&layout) {
            let map = spread(map, outputs);
            let config = stream_config(arguments, &stream.target, &opened, &map, card_rate, floor)?;
            let played = (0..outputs).filter(|&output| map[output].is_some());
            let meter = Arc::new(Meter::of(outputs, played));
            let controller = if arguments.clock == Clock::Free {
                Controller::Free
            } else {
                Controller::Measured(FusedRateController::default())
            };
            let (receiver, playout) = Receiver::start_by(config, &stream.legs, stream.timeline.clone(), controller)?;
            playouts.push((playout, Arc::clone(&meter)));
            channels.push(PlayingStream { receiver, meter, latency: config.target_depth });
        }
        let latency = channels.iter().map(|channel| channel.latency).min().unwrap_or(LATENCY);
        let mixer = Mixer::new(playouts, opened.longest_callback() * outputs);
        let output = opened.start(mixer, latency)?;
        Ok(Self { channels, name, rate, output, started_at: clock::now() })
    }

    /// # Errors
    /// If the output no longer plays.
    pub(super) fn check(&mut self) -> std::result::Result<(), Lost> {
        self.output.check()
    }

    /// The latency of the card from its callback to the sound.
    pub(super) fn card_latency(&self) -> Option<Nanos> {
        self.output.latency()
    }

    /// If a callback is too long to leave a margin for packets, returns its length and the latency.
    pub(super) fn callback_too_long(&self) -> Option<(Nanos, Nanos)> {
        let of = |channel: &PlayingStream| {
            let callback = self.rate.duration(Frames::new(i64::from(channel.meter.longest_callback())));
            floor::raised(channel.latency, callback).map(|_| (callback, channel.latency))
        };
        self.channels.iter().find_map(of)
    }

    /// Saves the rate of the card, if it was measured for long enough.
    pub(super) fn remember(&self, arguments: &PlayArguments, card_rates: &mut CardRates) {
        let long_enough = clock::now() - self.started_at > MEASURED;
        let playing = self.channels.iter().map(|channel| channel.receiver.status());
        let measured = playing.filter(|status| status.playout.started).map(|status| status.playout.card_rate).next();
        if let (Some(device), Some(rate), true) = (remembered_name(arguments), measured, long_enough) {
            card_rates.remember(&device, rate);
        }
    }
}

/// The name under which the card's rate is saved; `None` for files and `null`, which have no
/// crystal.
fn remembered_name(arguments: &PlayArguments) -> Option<String> {
    arguments.output.is_none().then(|| arguments.device.clone().unwrap_or_else(|| "default".to_owned()))
}

/// Assigns outputs to each stream: as given, or else side by side if there are enough outputs, or
/// else all streams on the same outputs.
fn layout(streams: &[Stream]) -> Vec<Vec<Option<usize>>> {
    let inputs = |stream: &Stream| stream.target.stream.format.channels();
    let fit = streams.iter().map(inputs).sum::<usize>() <= MAX_CHANNELS;
    let mut first = 0;
    let mut maps = Vec::new();
    for stream in streams {
        let straight = || std::iter::repeat_n(None, first).chain((0..inputs(stream)).map(Some)).collect();
        maps.push(stream.channels.clone().unwrap_or_else(straight));
        first += if fit { inputs(stream) } else { 0 };
    }
    maps
}

/// Extends or shortens a map to this number of outputs. A single channel plays on all outputs. If
/// the map is too long, its leading empty outputs are removed.
fn spread(map: &[Option<usize>], outputs: usize) -> Vec<Option<usize>> {
    match map {
        [Some(only)] => vec![Some(*only); outputs],
        _ => {
            let skipped = if map.len() > outputs { map.iter().take_while(|input| input.is_none()).count() } else { 0 };
            map[skipped..].iter().copied().chain(std::iter::repeat(None)).take(outputs).collect()
        }
    }
}

/// The requested latency, or the default if none was requested.
fn asked_latency(arguments: &PlayArguments, target: &Target) -> Result<Nanos> {
    let asked = arguments.latency.or(target.latency_ms);
    asked.map_or(Ok(LATENCY), |ms| duration_ms("the latency", ms))
}

/// The shortest latency that works with an output, if the length of its block is known before the
/// output is opened.
///
/// # Errors
/// If a shorter latency was requested and must not be raised.
fn known_floor(arguments: &PlayArguments, streams: &[Stream]) -> Result<Nanos> {
    let mut floor = Nanos::ZERO;
    for stream in streams.iter().filter(|_| arguments.output.is_some()) {
        let rate = stream.target.stream.format.sample_rate();
        let callback = rate.duration(Frames::new(i64::from(arguments.block)));
        let latency = asked_latency(arguments, &stream.target)?;
        let Some(raised) = floor::raised(latency, callback) else { continue };
        let reason = floor::reason(latency, callback);
        if arguments.latency_strict {
            let right_ms = raised.as_secs_f64() * 1e3;
            return Err(Failure::input(format!(
                "{reason}: give --latency {right_ms:.0} or more, or a shorter --block"
            )));
        }
        warn(format_args!("warning: {reason}; it is raised to {raised}"));
        floor = floor.max(raised);
    }
    Ok(floor)
}

fn stream_config(
    arguments: &PlayArguments,
    target: &Target,
    output: &Output,
    map: &[Option<usize>],
    card_rate: Option<Ppb>,
    floor: Nanos,
) -> Result<StreamConfig> {
    let asked = arguments.latency.or(target.latency_ms);
    let latency = asked_latency(arguments, target)?.max(floor);
    let config = target.stream.stream_config(latency, output.rate(), output.block_frames());
    let media_clock = match arguments.clock {
        Clock::Ptp | Clock::System => config.media_clock,
        // The Livewire clock counts 250 us, which is 12 frames of audio at 48 kHz, so its
        // timestamps have no offset.
        Clock::Livewire => MediaClock::Ptp { offset: 0 },
        Clock::Arrivals | Clock::Free => MediaClock::Unrelated,
    };
    Ok(StreamConfig {
        channel_map: ChannelMap::new(map).map_err(Failure::input)?,
        payload_type: target.payload_type,
        media_clock,
        depth_limit: if asked.is_some() { latency } else { LATENCY_LIMIT },
        warm_start: WarmStart { card_rate, media_rate: None },
        ..config
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_fills_the_outputs_that_there_are() {
        assert_eq!(spread(&[Some(0)], 2), [Some(0), Some(0)]);
        assert_eq!(spread(&[Some(1), None], 3), [Some(1), None, None]);
        // The second stereo stream of two, on a card of two channels.
        assert_eq!(spread(&[None, None, Some(0), Some(1)], 2), [Some(0), Some(1)]);
        assert_eq!(spread(&[Some(0), Some(1), Some(2)], 2), [Some(0), Some(1)]);
    }
}
