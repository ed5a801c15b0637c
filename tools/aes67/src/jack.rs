//! The latency that ALSA's plugin for JACK does not report.
//!
//! Model: at the beginning of each of its cycles, JACK takes from the plugin's queue the audio of
//! that cycle. So the reported length of the queue falls at once by a whole cycle, of which nothing
//! has been played yet: audio that is written then is played one cycle later than the length says.
//! The queue of a sound card is emptied while it plays, so its length is right.

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, Output, ValueOr};
use cpal::traits::DeviceTrait;
use engine::{Frames, Nanos, SampleRate};

/// The name of the plugin; other plugins repeat the name of the device behind them.
const NAME: &str = "ALSA <-> JACK PCM I/O Plugin";

/// How much later the device plays than it reports: a cycle of JACK, or zero if it is not JACK or
/// does not answer.
pub(crate) fn untold_latency(device: &cpal::Device, rate: SampleRate, channels: u32) -> Nanos {
    let name = device.id().map(|id| id.id().to_owned());
    let cycle = name.ok().and_then(|name| cycle_frames(&name, rate, channels).ok().flatten());
    cycle.map_or(Nanos::ZERO, |frames| rate.duration(Frames::new(frames)))
}

/// Frames of JACK's cycle, which is the shortest period of its plugin. `None` if it is not JACK.
fn cycle_frames(name: &str, rate: SampleRate, channels: u32) -> alsa::Result<Option<i64>> {
    let pcm = PCM::new(name, Direction::Playback, true)?;
    let mut description = Output::buffer_open()?;
    pcm.dump(&mut description)?;
    let is_jack = description.buffer_string(|text| String::from_utf8_lossy(text).contains(NAME));
    if !is_jack {
        return Ok(None);
    }
    // Without these, a plugin in front of it would convert, and periods would be those of that
    // plugin.
    let parameters = HwParams::any(&pcm)?;
    parameters.set_access(Access::RWInterleaved)?;
    parameters.set_format(Format::float())?;
    parameters.set_channels(channels)?;
    parameters.set_rate(rate.as_hz(), ValueOr::Nearest)?;
    parameters.get_period_size_min().map(Some)
}
