//! A sound card without hardware: a thread makes the callbacks, paced by the host clock.

use super::mix::Mixer;
use crate::failure::{Failure, Result};
use crate::session::warn;
use engine::{Frames, LocalTime, Nanos, Ppb, SampleRate};
use hound::{SampleFormat, WavSpec, WavWriter};
use net::clock;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Largest crystal error that can be simulated, ppm: no crystal is worse.
const WORST_PPM: f64 = 1000.0;
/// Full scale of the samples in the file.
const FULL_SCALE: f32 = 8_388_608.0;
/// Maximum number of 3-byte samples in a WAV file, with room for its header.
const MAX_SAMPLES: u64 = (u32::MAX as u64 - 1024) / 3;
/// A card that was not served for this long would have played silence, because no queue is that
/// long (see `CardClock`), so the blocks of this time are skipped.
const LEFT_OUT: Nanos = Nanos::from_secs(1);
/// Number of callbacks between two updates of the file's header.
const FLUSH_CALLBACKS: u64 = 200;

type Writer = WavWriter<BufWriter<File>>;

/// An opened timer output, ready to play.
pub(super) struct Opened {
    sample_rate: SampleRate,
    channels: usize,
    rate: Ppb,
    block_frames: usize,
    file: Option<(String, Writer)>,
}

impl Opened {
    /// Opens the output, which is a WAV file or `null`.
    pub(super) fn open(
        output: &str,
        sample_rate: SampleRate,
        channels: usize,
        ppm: f64,
        block_frames: usize,
    ) -> Result<Self> {
        if !(-WORST_PPM..=WORST_PPM).contains(&ppm) {
            return Err(Failure::input(format!("--ppm is {ppm}: right would be -{WORST_PPM} to {WORST_PPM}")));
        }
        let spec = WavSpec {
            channels: channels as u16,
            sample_rate: sample_rate.as_hz(),
            bits_per_sample: 24,
            sample_format: SampleFormat::Int,
        };
        let create = || WavWriter::create(output, spec).map_err(|error| Failure::input(format!("{output}: {error}")));
        let file = if output == "null" { None } else { Some((output.to_owned(), create()?)) };
        Ok(Self { sample_rate, channels, rate: Ppb::from_ppm(ppm), block_frames, file })
    }

    pub(super) fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| "nothing".to_owned(), |(name, _)| name.clone())
    }

    pub(super) fn rate(&self) -> SampleRate {
        self.sample_rate
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn block_frames(&self) -> usize {
        self.block_frames
    }

    pub(super) fn start(self, mixer: Mixer) -> Result<Playing> {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("card".to_owned());
        let thread = thread.spawn(move || self.call_back(mixer, &ended)).map_err(Failure::run)?;
        Ok(Playing { stop, thread: Some(thread) })
    }

    fn call_back(mut self, mixer: Mixer, stop: &AtomicBool) -> Result<()> {
        let written = self.write_until(mixer, stop);
        let Some((name, writer)) = self.file else { return Ok(()) };
        let Err(error) = written.and_then(|()| writer.finalize()) else { return Ok(()) };
        // The frames that fitted on the disk are complete, and the header must state their number.
        let kept =
            wav::complete(Path::new(&name)).map_or(0.0, |frames| frames as f64 / f64::from(self.sample_rate.as_hz()));
        Err(Failure::run(format!("{name}: {error}; the {kept:.1} s played until then are kept")))
    }

    fn write_until(&mut self, mut mixer: Mixer, stop: &AtomicBool) -> hound::Result<()> {
        // A real card does not wait for other programs either, so the thread requests a real-time
        // priority.
        net::ask_for_real_time();
        let mut block = vec![0.0; self.block_frames * self.channels];
        let silence = block.clone();
        let started = clock::now();
        // Blocks that were due before this time are skipped.
        let mut resumed_at = started;
        for callbacks in 0u64.. {
            let due = self.due(started, callbacks);
            sleep_until(due);
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let now = clock::now();
            if now.since(due) >= LEFT_OUT {
                resumed_at = now;
            }
            let is_left_out = due < resumed_at;
            if !is_left_out {
                mixer.pull(now, &mut block);
            }
            if let Some((_, writer)) = &mut self.file {
                let flush = callbacks % FLUSH_CALLBACKS == 0;
                let audio = if is_left_out { &silence } else { &block };
                write(writer, audio, flush)?;
            }
        }
        Ok(())
    }

    /// When a callback is due, according to a crystal with this error.
    fn due(&self, started: LocalTime, callbacks: u64) -> LocalTime {
        let frames = Frames::new(callbacks as i64 * self.block_frames as i64);
        let nominal = self.sample_rate.duration(frames);
        started + Nanos::from_secs_f64(nominal.as_secs_f64() / self.rate.ratio())
    }
}

fn sleep_until(due: LocalTime) {
    let left = due.since(clock::now());
    std::thread::sleep(Duration::from_nanos(left.as_nanos() as u64));
}

fn write(writer: &mut Writer, block: &[f32], flush: bool) -> hound::Result<()> {
    if u64::from(writer.len()) + block.len() as u64 > MAX_SAMPLES {
        let full = "it holds the 4 GiB that a WAV file can; `aes67 record` writes longer ones";
        return Err(std::io::Error::other(full).into());
    }
    for sample in block {
        let steps = (sample * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1.0);
        writer.write_sample(steps as i32)?;
    }
    if flush { writer.flush() } else { Ok(()) }
}

/// A timer output that is playing. Stops when it is dropped.
pub(super) struct Playing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Playing {
    /// Returns an error if the file cannot be written.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.thread.take_if(|thread| thread.is_finished()) {
            Some(thread) => thread.join().unwrap_or_else(|_| Err(Failure::run("the output's thread has panicked"))),
            None => Ok(()),
        }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(failure))) = self.thread.take().map(JoinHandle::join) {
            warn(format_args!("error: {failure}"));
        }
    }
}
