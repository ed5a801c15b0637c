//! AES67 in, BASS, AES67 out: receives a stream and sends it to another group, both on the same PTP
//! clock.
//!
//! ```text
//! BASS=/path/to/libbass.so cargo run -p bass-plugin --example aes67_loopback -- \
//!     'aes67://239.69.0.1?pace=ptp' 239.69.0.2 [interface] [domain] [seconds]
//! ```
//!
//! With `pace=ptp` samples stay as they are; BASS may change them on the way, by effects or a
//! mixer.

mod bass;

use bass::{Bass, Result};
use std::time::Duration;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, group, rest @ ..] = &arguments[..] else {
        return Err("usage: aes67_loopback URL GROUP [INTERFACE] [DOMAIN] [SECONDS]".into());
    };
    let (bass, seconds) = Bass::load_with(bass::NO_SOUND, rest)?;
    let channel = bass.open_url(url, bass::SAMPLE_FLOAT | bass::STREAM_DECODE)?;
    let output = bass.send(channel, group, "Loopback", 0)?;
    for second in 1..=seconds {
        std::thread::sleep(Duration::from_secs(1));
        let sent = bass.output_stats(output)?;
        println!(
            "{second:>3} s  {}  in: {} packets, {} underruns; out: {} packets, late by {:.0} us at most",
            bass.text(bass::CONFIG_PTP_STATS)?,
            bass.get(bass::CONFIG_PACKETS_RECEIVED)?,
            bass.get(bass::CONFIG_JITTER_UNDERRUNS)?,
            sent.packets,
            sent.late_us,
        );
    }
    bass.free_output(output)
}
