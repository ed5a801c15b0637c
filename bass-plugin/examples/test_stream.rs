//! Plays a stream for a minute, and shows its status every second.
//!
//! ```text
//! BASS=/path/to/libbass.so cargo run -p bass-plugin --example test_stream -- \
//!     aes67://239.69.0.1:5004 [interface] [domain] [seconds] [null]
//! ```
//!
//! With `null` it plays on BASS's device without sound.

mod bass;

use bass::{Bass, Result};
use std::time::Duration;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.first().ok_or("usage: test_stream aes67://GROUP:PORT [INTERFACE] [DOMAIN] [SECONDS] [null]")?;
    let silent = arguments.get(4).is_some_and(|device| device == "null");
    let (bass, seconds) = Bass::load_with(if silent { bass::NO_SOUND } else { -1 }, &arguments[1..])?;
    let channel = bass.open_url(url, bass::SAMPLE_FLOAT)?;
    bass.play(channel)?;
    for second in 1..=seconds {
        std::thread::sleep(Duration::from_secs(1));
        println!(
            "{second:>3} s  {}  buffer {} %, {} packets, {} late, {} underruns",
            bass.text(bass::CONFIG_PTP_STATS)?,
            bass.get(bass::CONFIG_BUFFER_LEVEL)?,
            bass.get(bass::CONFIG_PACKETS_RECEIVED)?,
            bass.get(bass::CONFIG_PACKETS_LATE)?,
            bass.get(bass::CONFIG_JITTER_UNDERRUNS)?,
        );
    }
    Ok(())
}
