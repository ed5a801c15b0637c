//! What ALSA's plugin for JACK does not tell of its latency.
//!
//! Model: JACK takes from the plugin's queue, at the beginning of each of its cycles, what is
//! played in that cycle. So right after that the queue is told to be shorter than it was by a whole
//! cycle, of which nothing has been played yet: what is written then is played one cycle later than
//! the queue's length says. A sound card's own queue gets shorter while it plays, and tells the
//! truth.

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, Output, ValueOr};
use cpal::traits::DeviceTrait;
use engine::{Frames, Nanos, SampleRate};

/// By what the plugin calls itself; other plugins say so of what is behind them.
const NAME: &str = "ALSA <-> JACK PCM I/O Plugin";

/// By how much later than the device tells it plays: a cycle of JACK, or nothing if it is not JACK
/// or cannot be asked.
pub(crate) fn untold_latency(device: &cpal::Device, rate: SampleRate, channels: u32) -> Nanos {
    let name = device.id().map(|id| id.id().to_owned());
    let cycle = name.ok().and_then(|name| cycle_frames(&name, rate, channels).ok().flatten());
    cycle.map_or(Nanos::ZERO, |frames| rate.duration(Frames::new(frames)))
}

/// Frames of JACK's cycle: its plugin has no shorter period. `None` if it is not JACK.
fn cycle_frames(name: &str, rate: SampleRate, channels: u32) -> alsa::Result<Option<i64>> {
    let pcm = PCM::new(name, Direction::Playback, true)?;
    let mut description = Output::buffer_open()?;
    pcm.dump(&mut description)?;
    let is_jack = description.buffer_string(|text| String::from_utf8_lossy(text).contains(NAME));
    if !is_jack {
        return Ok(None);
    }
    // Without these a plugin in front of it would convert, and periods would be its own.
    let parameters = HwParams::any(&pcm)?;
    parameters.set_access(Access::RWInterleaved)?;
    parameters.set_format(Format::float())?;
    parameters.set_channels(channels)?;
    parameters.set_rate(rate.as_hz(), ValueOr::Nearest)?;
    parameters.get_period_size_min().map(Some)
}
