//! Low latency in playback by BASS: a short buffer of its own beside a short jitter buffer.
//!
//! ```text
//! BASS=/path/to/libbass.so cargo run -p bass-plugin --example low_latency -- \
//!     aes67://239.69.0.1:5004 [interface] [domain] [seconds] [null]
//! ```
//!
//! With `null` it plays on BASS's device without sound. `cpal_output` leaves BASS's buffer out.

mod bass;

use bass::{Bass, Result};
use std::time::Duration;

/// From the sender's stamp to the channel, kept as it is; in an URL with a latency that holds.
const LATENCY_MS: u32 = 10;
/// BASS fills its buffer this often, and the buffer holds some of that: its defaults are 100 and
/// 500 ms.
const UPDATE_MS: u32 = 5;
const BUFFER_MS: u32 = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.first().ok_or("usage: low_latency aes67://GROUP:PORT [INTERFACE] [DOMAIN] [SECONDS] [null]")?;
    let silent = arguments.get(4).is_some_and(|device| device == "null");
    let (bass, seconds) = Bass::load_with(if silent { bass::NO_SOUND } else { -1 }, &arguments[1..])?;
    bass.set(bass::CONFIG_UPDATEPERIOD, UPDATE_MS)?;
    bass.set(bass::CONFIG_BUFFER, BUFFER_MS)?;
    let url = match url.contains("latency=") {
        true => url.clone(),
        false => format!("{url}{}latency={LATENCY_MS}", if url.contains('?') { '&' } else { '?' }),
    };
    let channel = bass.open_url(&url, bass::SAMPLE_FLOAT)?;
    bass.play(channel)?;
    for second in 1..=seconds {
        std::thread::sleep(Duration::from_secs(1));
        let stats = bass.stats(channel)?;
        println!(
            "{second:>3} s  {}  {:.1} ms to the channel, up to {BUFFER_MS} ms in BASS's buffer; {} packets, {} late, {} underruns",
            bass.text(bass::CONFIG_PTP_STATS)?,
            stats.latency_ms,
            stats.packets_received,
            stats.packets_late,
            stats.underruns,
        );
    }
    Ok(())
}
