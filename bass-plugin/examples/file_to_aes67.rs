//! A file as an AES67 stream: whatever BASS decodes, at the pace of PTP, described and announced.
//!
//! ```text
//! BASS=/path/to/libbass.so cargo run -p bass-plugin --example file_to_aes67 -- \
//!     music.mp3 239.69.0.1 [interface] [domain] [seconds] [ptp|serve|system]
//! ```

mod bass;

use bass::{Bass, Result};
use std::path::Path;
use std::time::Duration;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, group, rest @ ..] = &arguments[..] else {
        return Err("usage: file_to_aes67 FILE GROUP [INTERFACE] [DOMAIN] [SECONDS] [ptp|serve|system]".into());
    };
    let (bass, seconds) = Bass::load_with(bass::NO_SOUND, rest)?;
    let clock = match rest.get(3).map_or("ptp", String::as_str) {
        "ptp" => 0,
        "serve" => 1,
        "system" => 2,
        other => return Err(format!("{other}: right would be ptp, serve or system").into()),
    };
    let channel = bass.open_file(file, bass::SAMPLE_FLOAT | bass::STREAM_DECODE | bass::SAMPLE_LOOP)?;
    // That of the file, without its folder.
    let name = Path::new(file).file_stem().map_or(group.into(), |name| name.to_string_lossy());
    let output = bass.send(channel, group, &name, clock)?;
    for second in 1..=seconds {
        std::thread::sleep(Duration::from_secs(1));
        let sent = bass.output_stats(output)?;
        println!(
            "{second:>3} s  {} packets, {} skipped, {} frames of silence, late by {:.0} us (99 %)  {}",
            sent.packets,
            sent.skipped_packets,
            sent.starved_frames,
            sent.late_99_us,
            if clock == 2 { String::new() } else { bass.text(bass::CONFIG_PTP_STATS)? },
        );
    }
    bass.free_output(output)
}
