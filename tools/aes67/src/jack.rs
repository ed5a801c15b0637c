//! Determines the latency that ALSA's JACK plugin does not report.
//!
//! Model: at the beginning of each cycle, JACK takes the audio for the whole cycle from the
//! plugin's queue. The reported queue length then falls by a whole cycle at once, although none of
//! this audio has been played yet. So audio that is written next is played one cycle later than the
//! queue length indicates. The queue of a sound card is emptied continuously while the card plays,
//! so its length is correct.

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, Output, ValueOr};
use cpal::traits::DeviceTrait;
use engine::{Frames, Nanos, SampleRate};

/// The name of the plugin. Plugins that are stacked on other devices report the name of the
/// underlying device.
const NAME: &str = "ALSA <-> JACK PCM I/O Plugin";

/// How much later the device plays than it reports: one JACK cycle; zero if the device is not JACK
/// or does not answer.
pub(crate) fn untold_latency(device: &cpal::Device, rate: SampleRate, channels: u32) -> Nanos {
    let name = device.id().map(|id| id.id().to_owned());
    let cycle = name.ok().and_then(|name| cycle_frames(&name, rate, channels).ok().flatten());
    cycle.map_or(Nanos::ZERO, |frames| rate.duration(Frames::new(frames)))
}

/// Number of frames in a JACK cycle, which is the shortest period of the plugin; `None` if the
/// device is not JACK.
fn cycle_frames(name: &str, rate: SampleRate, channels: u32) -> alsa::Result<Option<i64>> {
    let pcm = PCM::new(name, Direction::Playback, true)?;
    let mut description = Output::buffer_open()?;
    pcm.dump(&mut description)?;
    let is_jack = description.buffer_string(|text| String::from_utf8_lossy(text).contains(NAME));
    if !is_jack {
        return Ok(None);
    }
    // Without these parameters, another plugin would convert the format, and the period would be
    // that plugin's.
    let parameters = HwParams::any(&pcm)?;
    parameters.set_access(Access::RWInterleaved)?;
    parameters.set_format(Format::float())?;
    parameters.set_channels(channels)?;
    parameters.set_rate(rate.as_hz(), ValueOr::Nearest)?;
    parameters.get_period_size_min().map(Some)
}
