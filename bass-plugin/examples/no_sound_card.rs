//! No sound card: the program itself takes audio out of the channel as time goes by, here to show
//! its level.
//!
//! ```text
//! BASS=/path/to/libbass.so cargo run -p bass-plugin --example no_sound_card -- \
//!     aes67://239.69.0.1:5004 [interface] [domain] [seconds]
//! ```

mod bass;

use bass::{Bass, Pace, Result, dbfs};

/// 10 ms of two channels at 48 kHz, which the stream has unless its URL says something else.
const BLOCK_SAMPLES: usize = 960;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.first().ok_or("usage: no_sound_card aes67://GROUP:PORT [INTERFACE] [DOMAIN] [SECONDS]")?;
    let (bass, seconds) = Bass::load_with(bass::NO_SOUND, &arguments[1..])?;
    let channel = bass.open_url(url, bass::SAMPLE_FLOAT | bass::STREAM_DECODE)?;
    let mut block = [0.0; BLOCK_SAMPLES];
    let mut pace = Pace::new();
    for second in 1..=seconds {
        let mut peak: f32 = 0.0;
        for _ in 0..100 {
            pace.wait();
            bass.pull(channel, &mut block)?;
            peak = block.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
        }
        println!(
            "{second:>3} s  {}  peak {:.1} dBFS, {} packets",
            bass.text(bass::CONFIG_PTP_STATS)?,
            dbfs(peak),
            bass.get(bass::CONFIG_PACKETS_RECEIVED)?,
        );
    }
    Ok(())
}
