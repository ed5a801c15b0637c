//! What is sent: a WAV file or a tone.
//!
//! Model: the file is read by a thread of its own, some blocks ahead, because disks make one wait. The sender asks for frames of the media timeline; the first
//! one it asks for is the file's first, and what it skips is skipped.

use crate::failure::{Failure, Result};
use engine::send::Source;
use engine::{Frames, SampleRate};
use hound::{SampleFormat, WavReader};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// Frames that are read at once, and how many such blocks ahead: a second at 48 kHz.
const BLOCK_FRAMES: usize = 4800;
const BLOCKS_AHEAD: usize = 10;
/// A tone's format.
const TONE_RATE: SampleRate = SampleRate::HZ_48000;
const TONE_CHANNELS: usize = 2;

/// What is to be sent.
pub(crate) enum Material {
    Tone { frequency_mhz: i64, gain: f64 },
    File { reader: WavReader<BufReader<File>>, name: String, repeat: bool },
}

impl Material {
    pub(crate) fn open(source: &str, (frequency_hz, level_dbfs): (f64, f64), repeat: bool) -> Result<Self> {
        if source == "tone" {
            let highest = f64::from(TONE_RATE.as_hz()) / 2.0;
            if !(0.0..highest).contains(&frequency_hz) || !(-144.0..=0.0).contains(&level_dbfs) {
                return Err(Failure::input(format!(
                    "a tone has 0 to {highest} Hz and -144 to 0 dBFS, not {frequency_hz} Hz and {level_dbfs} dBFS"
                )));
            }
            let frequency_mhz = (frequency_hz * 1e3).round() as i64;
            return Ok(Self::Tone { frequency_mhz, gain: 10f64.powf(level_dbfs / 20.0) });
        }
        let reader = WavReader::open(source).map_err(|error| Failure::input(format!("{source}: {error}")))?;
        let spec = reader.spec();
        let is_known = match spec.sample_format {
            SampleFormat::Int => (1..=32).contains(&spec.bits_per_sample),
            SampleFormat::Float => spec.bits_per_sample == 32,
        };
        if !is_known || SampleRate::from_hz(spec.sample_rate).is_none() || reader.duration() == 0 {
            return Err(Failure::input(format!("{source}: no audio that can be sent")));
        }
        let name =
            Path::new(source).file_stem().map_or_else(|| source.into(), |stem| stem.to_string_lossy().into_owned());
        Ok(Self::File { reader, name, repeat })
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Tone { .. } => "tone".to_owned(),
            Self::File { name, .. } => name.clone(),
        }
    }

    pub(crate) fn channels(&self) -> usize {
        match self {
            Self::Tone { .. } => TONE_CHANNELS,
            Self::File { reader, .. } => usize::from(reader.spec().channels),
        }
    }

    pub(crate) fn sample_rate(&self) -> SampleRate {
        match self {
            Self::Tone { .. } => TONE_RATE,
            Self::File { reader, .. } => SampleRate::from_hz(reader.spec().sample_rate).unwrap_or(TONE_RATE),
        }
    }
}

/// How far the sender has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    over: Arc<AtomicBool>,
    starved_frames: Arc<AtomicU64>,
}

impl Progress {
    /// Whether the last frame was sent.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Frames of silence that stand for audio that had not been read.
    pub(crate) fn starved_frames(&self) -> u64 {
        self.starved_frames.load(Ordering::Relaxed)
    }
}

/// The sender's end.
pub(crate) struct Feed {
    kind: Kind,
    channels: usize,
    progress: Progress,
}

enum Kind {
    Tone { frequency_mhz: i64, gain: f64 },
    File { blocks: Receiver<Vec<f32>>, block: Vec<f32>, used: usize, next: Option<Frames> },
}

impl Feed {
    pub(crate) fn start(material: Material) -> Result<(Self, Progress)> {
        let channels = material.channels();
        let progress = Progress::default();
        let kind = match material {
            Material::Tone { frequency_mhz, gain } => Kind::Tone { frequency_mhz, gain },
            Material::File { reader, repeat, .. } => {
                let (filled, blocks) = sync_channel(BLOCKS_AHEAD);
                let thread = std::thread::Builder::new().name("file".to_owned());
                thread.spawn(move || read_file(reader, repeat, &filled)).map_err(Failure::run)?;
                // So that the first packet finds audio.
                let block = blocks.recv().unwrap_or_default();
                Kind::File { blocks, block, used: 0, next: None }
            }
        };
        Ok((Self { kind, channels, progress: progress.clone() }, progress))
    }
}

impl Source for Feed {
    fn read(&mut self, first: Frames, out: &mut [f32]) {
        out.fill(0.0);
        match &mut self.kind {
            Kind::Tone { frequency_mhz, gain } => {
                // The phase is that of the media time, so that it goes on where packets were skipped; in integers, because media time has 47 bits.
                let turn = 1000 * i64::from(TONE_RATE.as_hz());
                for (frame, samples) in (first.get()..).zip(out.chunks_exact_mut(self.channels)) {
                    let turned = i128::from(frame) * i128::from(*frequency_mhz) % i128::from(turn);
                    let phase = std::f64::consts::TAU * turned as f64 / turn as f64;
                    samples.fill((*gain * phase.sin()) as f32);
                }
            }
            Kind::File { blocks, block, used, next } => {
                let skipped = next.map_or(0, |next| (first - next).get().max(0) as usize) * self.channels;
                *next = Some(first + Frames::new((out.len() / self.channels) as i64));
                let mut file = Blocks { blocks, block, used, progress: &self.progress, channels: self.channels };
                file.take(skipped, None);
                file.take(out.len(), Some(out));
            }
        }
    }
}

/// What was read ahead.
struct Blocks<'a> {
    blocks: &'a Receiver<Vec<f32>>,
    block: &'a mut Vec<f32>,
    used: &'a mut usize,
    progress: &'a Progress,
    channels: usize,
}

impl Blocks<'_> {
    /// Takes samples, to `out` or nowhere. What is not there leaves it silent.
    fn take(&mut self, samples: usize, mut out: Option<&mut [f32]>) {
        let mut done = 0;
        while done < samples {
            if *self.used == self.block.len() {
                match self.blocks.try_recv() {
                    Ok(next) => (*self.block, *self.used) = (next, 0),
                    Err(TryRecvError::Disconnected) => return self.progress.over.store(true, Ordering::Relaxed),
                    Err(TryRecvError::Empty) => {
                        let starved = ((samples - done) / self.channels) as u64;
                        self.progress.starved_frames.fetch_add(starved, Ordering::Relaxed);
                        return;
                    }
                }
                continue;
            }
            let available = &self.block[*self.used..];
            let count = available.len().min(samples - done);
            if let Some(out) = &mut out {
                out[done..done + count].copy_from_slice(&available[..count]);
            }
            *self.used += count;
            done += count;
        }
    }
}

/// Reads to the end, or for ever; ends when nobody takes any more.
fn read_file(mut reader: WavReader<BufReader<File>>, repeat: bool, filled: &SyncSender<Vec<f32>>) {
    let length = BLOCK_FRAMES * usize::from(reader.spec().channels);
    loop {
        let block = read_block(&mut reader, length);
        if block.is_empty() {
            if repeat && reader.seek(0).is_ok() {
                continue;
            }
            return;
        }
        if filled.send(block).is_err() {
            return;
        }
    }
}

/// Integers become floats of full scale 1 without rounding, up to 24 bits. A file that ends in the middle of a sample ends there.
fn read_block(reader: &mut WavReader<BufReader<File>>, length: usize) -> Vec<f32> {
    let spec = reader.spec();
    match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().take(length).map_while(|sample| sample.ok()).collect(),
        SampleFormat::Int => {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample - 1)) as f32;
            let samples = reader.samples::<i32>().take(length).map_while(|sample| sample.ok());
            samples.map(|sample| sample as f32 * scale).collect()
        }
    }
}
