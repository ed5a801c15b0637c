//! The open streams and their status.

use crate::audio::{Samples, Waiting};
use crate::error::{BassError, code};
use crate::syncs::Syncs;
use engine::rtp::format::StreamFormat;
use engine::{Frames, Nanos};
use net::stream::{Receiver, ReceiverStatus};
use net::timeline::Timeline;
use std::ffi::CString;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An RTP header without extensions.
const RTP_HEADER: usize = 12;
/// A stream without packets for this long has stopped.
pub(crate) const SILENCE: Nanos = Nanos::from_secs(1);

/// The running parts of a stream; gone once it is freed.
pub(crate) struct Live {
    pub(crate) receiver: Receiver,
    /// The clock that it follows besides arrivals.
    pub(crate) timeline: Option<Timeline>,
}

/// A stream, as seen by its control side.
pub(crate) struct Stream {
    handle: AtomicU32,
    live: Mutex<Option<Live>>,
    pub(crate) format: StreamFormat,
    /// The description; `None` without one.
    packet_frames: Option<usize>,
    pub(crate) samples: Samples,
    waiting: Arc<Waiting>,
    /// For `BASS_CHANNELINFO`.
    pub(crate) url: CString,
    pub(crate) syncs: Syncs,
}

impl Stream {
    pub(crate) fn new(
        live: Live,
        format: StreamFormat,
        packet_frames: Option<usize>,
        samples: Samples,
        waiting: Arc<Waiting>,
        url: CString,
    ) -> Self {
        let live = Mutex::new(Some(live));
        Self { handle: AtomicU32::new(0), live, format, packet_frames, samples, waiting, url, syncs: Syncs::default() }
    }

    /// BASS's handle; 0 until the stream is open.
    pub(crate) fn handle(&self) -> u32 {
        self.handle.load(Ordering::Relaxed)
    }

    /// The status of the receiver; `None` after the end.
    pub(crate) fn status(&self) -> Option<Arc<ReceiverStatus>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().map(|live| live.receiver.status())
    }

    /// Waiting audio, beyond the block that is being taken.
    pub(crate) fn waiting(&self) -> Nanos {
        self.waiting.get()
    }

    /// Reads the timeline that is followed, if there is one.
    pub(crate) fn with_timeline<T>(&self, look: impl FnOnce(&Timeline) -> T) -> Option<T> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref()?.timeline.as_ref().map(look)
    }

    /// Frames of a packet: of arriving packets, or else as described, or of 1 ms.
    pub(crate) fn packet_frames(&self, status: &ReceiverStatus) -> usize {
        let payload = status.last_length.saturating_sub(RTP_HEADER);
        let rate_khz = self.format.sample_rate().as_hz() as usize / 1000;
        match payload / self.format.bytes_per_frame() {
            0 => self.packet_frames.unwrap_or(rate_khz).max(1),
            frames => frames,
        }
    }

    /// The same as a time.
    pub(crate) fn packet_time(&self, status: &ReceiverStatus) -> Nanos {
        self.format.sample_rate().duration(Frames::new(self.packet_frames(status) as i64))
    }

    /// Ends the parts that work for this stream, and waits for the threads that do nothing else.
    fn end(&self) {
        self.syncs.end();
        // Outside of the lock, which the threads take as readers.
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(live);
    }
}

/// Sums over all streams of a process. Closing or reopening a stream subtracts nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) late: u64,
    pub(crate) underruns: u64,
}

impl Counts {
    const NONE: Self = Self { received: 0, late: 0, underruns: 0 };

    fn of(stream: &Stream) -> Self {
        let Some(status) = stream.status() else { return Self::NONE };
        let (ingest, playout) = (&status.ingest, &status.playout);
        Self { received: ingest.packets, late: playout.late_packets, underruns: playout.underruns }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            late: self.late + other.late,
            underruns: self.underruns + other.underruns,
        }
    }
}

/// The streams of this process.
struct All {
    /// Open streams, the newest last.
    open: Vec<Arc<Stream>>,
    /// Sums over closed streams.
    closed: Counts,
}

static STREAMS: Mutex<All> = Mutex::new(All { open: Vec::new(), closed: Counts::NONE });

fn all() -> MutexGuard<'static, All> {
    STREAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sums over all streams, including closed ones.
pub(crate) fn counts() -> Counts {
    let all = all();
    all.open.iter().map(|stream| Counts::of(stream)).fold(all.closed, Counts::plus)
}

/// BASS has opened a stream.
pub(crate) fn add(stream: &Arc<Stream>, handle: u32) {
    stream.handle.store(handle, Ordering::Relaxed);
    all().open.push(Arc::clone(stream));
}

/// BASS closes a stream.
pub(crate) fn remove(stream: &Arc<Stream>) {
    {
        let mut all = all();
        let before = all.open.len();
        all.open.retain(|other| !Arc::ptr_eq(other, stream));
        // A stream that BASS refused was never listed.
        if all.open.len() < before {
            all.closed = all.closed.plus(Counts::of(stream));
        }
    }
    stream.end();
}

/// The stream of a handle.
///
/// # Errors
/// If it is not one of ours.
pub(crate) fn find(handle: u32) -> Result<Arc<Stream>, BassError> {
    let found = all().open.iter().find(|stream| handle != 0 && stream.handle() == handle).cloned();
    found.ok_or_else(|| BassError::new(code::HANDLE, format!("{handle:#x} is no stream of aes67://")))
}

/// The stream that was opened last.
pub(crate) fn newest() -> Option<Arc<Stream>> {
    all().open.last().cloned()
}

/// The receiver status of the stream that was opened last; `None` without such a stream.
pub(crate) fn newest_status() -> Option<Arc<ReceiverStatus>> {
    newest()?.status()
}
