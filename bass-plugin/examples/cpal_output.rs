//! Direct mode: the sound card's callback (cpal) decodes from the stream's channel, and BASS plays nothing itself.
//!
//! ```text
//! BASS=/path/to/libbass.so cargo run -p bass-plugin --example cpal_output -- aes67://239.69.0.1:5004 [interface] [domain] [seconds]
//! ```

mod bass;

use bass::{Bass, Result};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use std::time::Duration;

/// Of the stream, unless its URL says something else.
const CHANNELS: u16 = 2;
const RATE_HZ: u32 = 48_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.first().ok_or("usage: cpal_output aes67://GROUP:PORT [INTERFACE] [DOMAIN] [SECONDS]")?;
    let (bass, seconds) = Bass::load_with(bass::NO_SOUND, &arguments[1..])?;
    let channel = bass.open_url(url, bass::SAMPLE_FLOAT | bass::STREAM_DECODE)?;
    let get_data = bass.get_data()?;
    let device = cpal::default_host().default_output_device().ok_or("no sound card")?;
    let config =
        cpal::StreamConfig { channels: CHANNELS, sample_rate: RATE_HZ, buffer_size: cpal::BufferSize::Default };
    let call_back = move |out: &mut [f32], _: &cpal::OutputCallbackInfo| {
        let bytes = size_of_val(out) as u32;
        // SAFETY: the buffer has that many bytes. The channel always gives all of it, and neither waits nor allocates.
        unsafe { get_data(channel, out.as_mut_ptr().cast(), bytes) };
    };
    let stream = device.build_output_stream(config, call_back, |error| eprintln!("sound card: {error}"), None)?;
    stream.play()?;
    for second in 1..=seconds {
        std::thread::sleep(Duration::from_secs(1));
        println!(
            "{second:>3} s  {}  buffer {} %",
            bass.text(bass::CONFIG_PTP_STATS)?,
            bass.get(bass::CONFIG_BUFFER_LEVEL)?
        );
    }
    // Before BASS goes.
    drop(stream);
    Ok(())
}
