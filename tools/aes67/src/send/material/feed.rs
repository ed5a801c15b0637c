//! Distributes the source's audio to the streams, in blocks with all channels, from which every
//! stream picks its own.
//!
//! Model: a separate thread reads the source a second ahead, because disks may be slow; every
//! stream has a queue of the same blocks. The stream that requests audio first determines the
//! position of the source's frame 0 on the media timeline, so that all streams have the same audio
//! at the same media time. If the sender skips frames, they are also skipped in the source. If the
//! timeline itself jumps, the source continues where it was.

use super::Playlist;
use super::signal::Signal;
use crate::failure::{Failure, Result};
use crate::meter::Meter;
use engine::send::Source;
use engine::{Frames, Nanos, SampleRate};
#[cfg(feature = "cpal")]
use engine::{clock::PtpMap, send::CaptureSource};
use net::clock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Number of frames per block, and number of blocks that are read ahead: one second at 48 kHz.
const BLOCK_FRAMES: usize = 4800;
const BLOCKS_AHEAD: usize = 10;
/// Maximum time to wait for the first block.
const FIRST_BLOCK: Nanos = Nanos::from_secs(1);

type Block = Arc<Vec<f32>>;

/// The progress of the streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    streams: usize,
    over: Arc<AtomicUsize>,
    starved_frames: Arc<AtomicU64>,
}

impl Progress {
    pub(crate) fn new(streams: usize) -> Self {
        Self { streams, ..Self::default() }
    }

    /// Whether every stream has sent the last frame.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) >= self.streams
    }

    /// Number of frames of silence that were sent in place of audio that had not been read in time.
    pub(crate) fn starved_frames(&self) -> u64 {
        self.starved_frames.load(Ordering::Relaxed)
    }
}

/// Position of the source's frame 0 on the media timeline. It is determined again after each jump
/// of the timeline.
#[derive(Debug, Default)]
pub(crate) struct Anchor {
    jumps: u64,
    origin: Option<Frames>,
}

/// The connection of a stream to the source.
pub(crate) struct Feed {
    kind: Kind,
    map: Vec<u16>,
    meter: Arc<Meter>,
}

enum Kind {
    Computed {
        signal: Signal,
        rate: SampleRate,
    },
    Read(Box<Reading>),
    #[cfg(feature = "cpal")]
    Captured {
        source: Box<CaptureSource>,
    },
}

/// The state of a stream that is fed from a source that is read.
struct Reading {
    blocks: Receiver<Block>,
    block: Block,
    /// Number of frames of the block that have been used.
    used: usize,
    /// The next frame of the source.
    at: i64,
    channels: usize,
    /// The media frame that is expected next.
    expected: Option<Frames>,
    jumps: u64,
    anchor: Arc<Mutex<Anchor>>,
    /// Longest jump that is attributed to skipped packets, in frames.
    longest_skip: i64,
    over: bool,
    progress: Progress,
}

impl Feed {
    pub(crate) fn computed(signal: Signal, rate: SampleRate, map: &[u16], meter: Arc<Meter>) -> Self {
        Self { kind: Kind::Computed { signal, rate }, map: map.to_vec(), meter }
    }

    /// Creates a feed from a captured source, which already has the stream's channels.
    #[cfg(feature = "cpal")]
    pub(crate) fn captured(source: CaptureSource, map: &[u16], meter: Arc<Meter>) -> Self {
        Self { kind: Kind::Captured { source: Box::new(source) }, map: map.to_vec(), meter }
    }

    /// Creates the feeds for streams from a playlist, and starts the thread that reads it.
    pub(crate) fn read(
        mut playlist: Playlist,
        maps: &[(&[u16], Arc<Meter>)],
        progress: &Progress,
    ) -> Result<Vec<Self>> {
        let (channels, rate) = (usize::from(playlist.layout().channels), playlist.layout().sample_rate_hz);
        let anchor = Arc::<Mutex<Anchor>>::default();
        let (tell, blocks): (Vec<_>, Vec<_>) = maps.iter().map(|_| sync_channel(BLOCKS_AHEAD)).unzip();
        // Files are available at once, and their first second is read before it is needed; audio
        // from a pipe arrives at its own pace.
        for _ in 0..if playlist.is_of_files() { BLOCKS_AHEAD } else { 0 } {
            tell_all(&mut playlist, &tell);
        }
        let deadline = clock::now() + FIRST_BLOCK;
        let thread = std::thread::Builder::new().name("source".to_owned());
        thread.spawn(move || read_all(playlist, &tell)).map_err(Failure::run)?;
        let feed = |((map, meter), blocks): (&(&[u16], Arc<Meter>), Receiver<Block>)| {
            // Wait for the first block, so that the first packet has audio. While a pipe delivers
            // nothing, silence is sent.
            let patience = (deadline - clock::now()).as_nanos().max(0) as u64;
            let block = blocks.recv_timeout(Duration::from_nanos(patience)).unwrap_or_default();
            let reading = Reading {
                blocks,
                block,
                used: 0,
                at: 0,
                channels,
                expected: None,
                jumps: 0,
                anchor: Arc::clone(&anchor),
                longest_skip: i64::from(rate),
                over: false,
                progress: progress.clone(),
            };
            Self { kind: Kind::Read(Box::new(reading)), map: map.to_vec(), meter: Arc::clone(meter) }
        };
        Ok(maps.iter().zip(blocks).map(feed).collect())
    }
}

impl Source for Feed {
    fn read(&mut self, first: Frames, out: &mut [f32]) {
        match &mut self.kind {
            Kind::Computed { signal, rate } => signal.render(*rate, first, &self.map, out),
            Kind::Read(reading) => reading.read(first, &self.map, out),
            #[cfg(feature = "cpal")]
            Kind::Captured { source } => source.read(first, out),
        }
        self.meter.measure(out);
    }

    #[cfg(feature = "cpal")]
    fn set_timeline(&mut self, timeline: &PtpMap) {
        if let Kind::Captured { source } = &mut self.kind {
            source.set_timeline(timeline);
        }
    }
}

impl Reading {
    fn read(&mut self, first: Frames, map: &[u16], out: &mut [f32]) {
        let frames = (out.len() / map.len()) as i64;
        let skipped = self.expected.map_or(0, |expected| (first - expected).get());
        if !(0..=self.longest_skip).contains(&skipped) {
            self.jumps += 1;
        }
        self.expected = Some(first + Frames::new(frames));
        let ahead = (first - self.origin(first)).get() - self.at;
        // Another stream began earlier or later, so this one begins with silence or skips audio.
        let (silent, surplus) = ((-ahead).clamp(0, frames) as usize, ahead.max(0) as usize);
        self.take(surplus, map, None);
        let (before, audio) = out.split_at_mut(silent * map.len());
        before.fill(0.0);
        self.take(frames as usize - silent, map, Some(audio));
    }

    /// The media frame at which the source's frame 0 is sent.
    fn origin(&mut self, first: Frames) -> Frames {
        // Only the sender's own thread acquires the lock, so this never blocks.
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        if anchor.jumps < self.jumps {
            *anchor = Anchor { jumps: self.jumps, origin: None };
        }
        self.jumps = anchor.jumps;
        *anchor.origin.get_or_insert(first - Frames::new(self.at))
    }

    /// Moves frames to `out`, or discards them. Missing frames are silence.
    fn take(&mut self, frames: usize, map: &[u16], mut out: Option<&mut [f32]>) {
        let mut done = 0;
        while done < frames {
            let there = self.block.len() / self.channels - self.used;
            if there == 0 {
                if !self.next_block() {
                    if let Some(out) = &mut out {
                        out[done * map.len()..].fill(0.0);
                    }
                    self.starve(frames - done);
                    return;
                }
                continue;
            }
            let count = there.min(frames - done);
            if let Some(out) = &mut out {
                let from = &self.block[self.used * self.channels..][..count * self.channels];
                let to = &mut out[done * map.len()..][..count * map.len()];
                for (to, from) in to.chunks_exact_mut(map.len()).zip(from.chunks_exact(self.channels)) {
                    to.iter_mut().zip(map).for_each(|(to, &channel)| *to = from[usize::from(channel)]);
                }
            }
            self.used += count;
            self.at += count as i64;
            done += count;
        }
    }

    fn next_block(&mut self) -> bool {
        match self.blocks.try_recv() {
            Ok(block) => (self.block, self.used) = (block, 0),
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => {
                if !std::mem::replace(&mut self.over, true) {
                    self.progress.over.fetch_add(1, Ordering::Relaxed);
                }
                return false;
            }
        }
        true
    }

    /// Records that silence has replaced audio that had not arrived. This audio is sent later,
    /// because otherwise the audio of a pipe would be late from then on.
    fn starve(&mut self, frames: usize) {
        if !self.over {
            self.jumps += 1;
            self.progress.starved_frames.fetch_add(frames as u64, Ordering::Relaxed);
        }
    }
}

/// Reads the playlist to its end, or endlessly if it is repeated. Ends when all feeds have been
/// dropped.
fn read_all(mut playlist: Playlist, tell: &[SyncSender<Block>]) {
    while tell_all(&mut playlist, tell) {}
}

/// Reads a block for all streams. Returns false at the end, and when a feed has been dropped.
fn tell_all(playlist: &mut Playlist, tell: &[SyncSender<Block>]) -> bool {
    let block: Block = Arc::new(playlist.read(BLOCK_FRAMES));
    !block.is_empty() && tell.iter().all(|tell| tell.send(Arc::clone(&block)).is_ok())
}
