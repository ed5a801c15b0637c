//! Many streams at once: the level and the statistics of each, every second.
//!
//! ```text
//! BASS=/path/to/libbass.so cargo run -p bass-plugin --example input_lab -- \
//!     interface domain seconds aes67://239.69.0.1 aes67://239.69.0.2 ...
//! ```

mod bass;

use bass::{Bass, Pace, Result, dbfs};

/// 10 ms of two channels at 48 kHz, which the streams have unless their URLs say something else.
const BLOCK_SAMPLES: usize = 960;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(options), Some(urls @ [_, ..])) = (arguments.get(..3), arguments.get(3..)) else {
        return Err("usage: input_lab INTERFACE DOMAIN SECONDS URL...".into());
    };
    let (bass, seconds) = Bass::load_with(bass::NO_SOUND, options)?;
    let open = |url: &String| bass.open_url(url, bass::SAMPLE_FLOAT | bass::STREAM_DECODE);
    let channels = urls.iter().map(open).collect::<Result<Vec<_>>>()?;
    let mut block = [0.0; BLOCK_SAMPLES];
    let mut pace = Pace::new();
    for second in 1..=seconds {
        let mut peaks = vec![[0.0_f32; 2]; channels.len()];
        for _ in 0..100 {
            pace.wait();
            for (&channel, peak) in channels.iter().zip(&mut peaks) {
                bass.pull(channel, &mut block)?;
                for frame in block.chunks_exact(2) {
                    peak.iter_mut().zip(frame).for_each(|(peak, sample)| *peak = peak.max(sample.abs()));
                }
            }
        }
        println!("{second:>3} s  {}", bass.text(bass::CONFIG_PTP_STATS)?);
        for ((&channel, [left, right]), url) in channels.iter().zip(peaks).zip(urls) {
            let stats = bass.stats(channel)?;
            println!(
                "  {url}  {:.1} {:.1} dBFS, {} packets, {} lost, {} late, {} frames concealed, {} underruns, {} jumps, \
                 jitter {:.2} ms, level {:.1} of {:.1} ms",
                dbfs(left),
                dbfs(right),
                stats.packets_received,
                stats.packets_lost,
                stats.packets_late,
                stats.concealed_frames,
                stats.underruns,
                stats.jumps,
                stats.jitter_ms,
                stats.buffer_ms,
                stats.target_ms,
            );
        }
    }
    Ok(())
}
