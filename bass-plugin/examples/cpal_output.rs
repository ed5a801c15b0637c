//! Direct mode: the sound card's callback (cpal) decodes from the stream's channel, and BASS plays
//! nothing itself.
//!
//! ```text
//! BASS=/path/to/libbass.so cargo run -p bass-plugin --example cpal_output -- \
//!     aes67://239.69.0.1:5004 [interface] [domain] [seconds] [frames|default]
//! ```
//!
//! A callback takes a whole buffer at once, so that the jitter buffer has to hold more than that.
//! This asks for buffers of 960 frames; some devices take a second by default.

mod bass;

use bass::{Bass, Line, Result};
use cpal::BufferSize;
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const USAGE: &str = "usage: cpal_output aes67://GROUP:PORT [INTERFACE] [DOMAIN] [SECONDS] [FRAMES|default]";
/// Of the stream, unless its URL says something else.
const CHANNELS: u16 = 2;
const RATE_HZ: u32 = 48_000;
/// 20 ms.
const FRAMES: u32 = 960;
/// What the jitter buffer has to hold beside the device's: packets that come late.
const SPARE_MS: u32 = 20;
/// What the add-on takes.
const MOST_JITTER_MS: u32 = 5000;

/// What the callback works with. It plays silence as long as the channel is 0.
struct Player {
    get_data: bass::GetData,
    channel: AtomicU32,
    callbacks: AtomicU32,
    longest: AtomicU32,
    samples: AtomicU64,
    audible: AtomicU64,
}

impl Player {
    fn fill(&self, out: &mut [f32]) {
        if self.callbacks.fetch_add(1, Relaxed) == 0 {
            bass::ask_for_real_time();
        }
        self.longest.fetch_max((out.len() / usize::from(CHANNELS)) as u32, Relaxed);
        let channel = self.channel.load(Relaxed);
        if channel == 0 {
            return out.fill(0.0);
        }
        // SAFETY: the buffer has that many bytes. The channel always gives all of it, and neither
        // waits nor allocates.
        unsafe { (self.get_data)(channel, out.as_mut_ptr().cast(), size_of_val(out) as u32) };
        self.samples.fetch_add(out.len() as u64, Relaxed);
        self.audible.fetch_add(out.iter().filter(|sample| **sample != 0.0).count() as u64, Relaxed);
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.first().ok_or(USAGE)?;
    let wanted = match arguments.get(4).map(String::as_str) {
        Some("default") => None,
        frames => Some(frames.map_or(Ok(FRAMES), |frames| frames.parse().map_err(|_| USAGE))?),
    };
    let (bass, seconds) = Bass::load_with(bass::NO_SOUND, &arguments[1..])?;
    let [channel, callbacks, longest] = std::array::from_fn(|_| AtomicU32::new(0));
    let [samples, audible] = std::array::from_fn(|_| AtomicU64::new(0));
    let player = Arc::new(Player { get_data: bass.get_data()?, channel, callbacks, longest, samples, audible });
    let stream = open_device(wanted, &player)?;
    make_room(&bass, url, longest_block(&player, wanted)?)?;
    let channel = bass.open_url(url, bass::SAMPLE_FLOAT | bass::STREAM_DECODE)?;
    player.channel.store(channel, Relaxed);
    let mut line = Line::default();
    for second in 1..=seconds {
        std::thread::sleep(Duration::from_secs(1));
        line.show(&format!("{second:>3} s  {}", status(&bass, &player)?), second == seconds)?;
    }
    // Before BASS goes.
    drop(stream);
    Ok(())
}

/// Opens the default device with buffers of so many frames, or of the nearest powers of two, which
/// is all that some devices take, or else with what it has by itself.
fn open_device(wanted: Option<u32>, player: &Arc<Player>) -> Result<cpal::Stream> {
    let device = cpal::default_host().default_output_device().ok_or("no sound card")?;
    let above = |frames: u32| frames.checked_next_power_of_two().unwrap_or(frames);
    let sizes = wanted.into_iter().flat_map(|frames| [frames, above(frames) / 2, above(frames)]).map(BufferSize::Fixed);
    let mut refusal = None;
    for buffer_size in sizes.chain([BufferSize::Default]) {
        let config = cpal::StreamConfig { channels: CHANNELS, sample_rate: RATE_HZ, buffer_size };
        let player = Arc::clone(player);
        let call_back = move |out: &mut [f32], _: &cpal::OutputCallbackInfo| player.fill(out);
        match device.build_output_stream(config, call_back, |error| eprintln!("sound card: {error}"), None) {
            Ok(stream) => {
                stream.play()?;
                return Ok(stream);
            }
            Err(error) => refusal = Some(error),
        }
    }
    Err(format!("{device}: {}", refusal.ok_or("it takes no buffer")?).into())
}

/// Frames that the device takes at once; the first buffers are filled faster than they are played.
fn longest_block(player: &Player, wanted: Option<u32>) -> Result<u32> {
    let called = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        player.callbacks.load(Relaxed) > 3
    });
    let longest = player.longest.load(Relaxed);
    if longest == 0 && !called {
        return Err("the sound card asks for nothing".into());
    }
    let asked = wanted.map_or("its own buffers".to_owned(), |frames| format!("buffers of {frames} frames"));
    println!("asked the sound card for {asked}; it takes {longest} frames ({} ms) at once", longest * 1000 / RATE_HZ);
    Ok(longest)
}

/// Raises a jitter buffer that is too small for the device, unless the URL says what it shall be.
fn make_room(bass: &Bass, url: &str, block: u32) -> Result<()> {
    let needed_ms = (block * 1000).div_ceil(RATE_HZ) + SPARE_MS;
    let of_url =
        ["latency=", "jitter="].iter().find_map(|key| url.split(['?', '&']).find_map(|part| part.strip_prefix(key)));
    let has_ms = match of_url {
        Some(ms) => ms.split('#').next().unwrap_or(ms).parse::<f64>()? as u32,
        None => bass.get(bass::CONFIG_JITTER_MS)?,
    };
    if has_ms >= needed_ms {
        return Ok(());
    }
    let shorter = "For less latency choose another device, or give it shorter buffers (JACK: jackd -p)";
    if of_url.is_some() || needed_ms > MOST_JITTER_MS {
        eprintln!(
            "warning: the device's buffer is too large for {has_ms} ms of latency, and silence will be heard: {needed_ms} ms would be right. {shorter}."
        );
        return Ok(());
    }
    eprintln!(
        "warning: the device's buffer is too large for {has_ms} ms of latency, which is raised to {needed_ms} ms. {shorter}."
    );
    bass.set(bass::CONFIG_JITTER_MS, needed_ms)
}

/// The clock's state, offset and rate, and how the stream plays. Audio is the share of samples of
/// the last second that are not zero.
fn status(bass: &Bass, player: &Player) -> Result<String> {
    let (samples, audible) = (player.samples.swap(0, Relaxed), player.audible.swap(0, Relaxed));
    Ok(format!(
        "{}  Audio {:.1} %  Under {}  Late {}  Level {} %",
        bass.text(bass::CONFIG_PTP_STATS)?,
        audible as f64 * 100.0 / samples.max(1) as f64,
        bass.get(bass::CONFIG_JITTER_UNDERRUNS)?,
        bass.get(bass::CONFIG_PACKETS_LATE)?,
        bass.get(bass::CONFIG_BUFFER_LEVEL)?,
    ))
}
