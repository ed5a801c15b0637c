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

/// Length of an RTP header without extensions, bytes.
const RTP_HEADER: usize = 12;
/// A stream from which no packets arrive for this long has stopped.
pub(crate) const SILENCE: Nanos = Nanos::from_secs(1);

/// The running parts of a stream, which are dropped when it is freed.
pub(crate) struct Live {
    pub(crate) receiver: Receiver,
    /// The clock that the stream follows in addition to arrivals.
    pub(crate) timeline: Option<Timeline>,
}

/// A stream without its audio.
pub(crate) struct Stream {
    handle: AtomicU32,
    live: Mutex<Option<Live>>,
    pub(crate) format: StreamFormat,
    /// Frames per packet according to the description; `None` without a description.
    packet_frames: Option<usize>,
    pub(crate) samples: Samples,
    waiting: Arc<Waiting>,
    /// The URL, for `BASS_CHANNELINFO`.
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

    /// The status of the receiver; `None` after the stream has ended.
    pub(crate) fn status(&self) -> Option<Arc<ReceiverStatus>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().map(|live| live.receiver.status())
    }

    /// Duration of the audio in the jitter buffer, without the block that is being read.
    pub(crate) fn waiting(&self) -> Nanos {
        self.waiting.get()
    }

    /// Calls `look` with the timeline that is followed, if there is one.
    pub(crate) fn with_timeline<T>(&self, look: impl FnOnce(&Timeline) -> T) -> Option<T> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref()?.timeline.as_ref().map(look)
    }

    /// Number of frames in a packet: of the arriving packets, or else as described, or else for 1
    /// ms.
    pub(crate) fn packet_frames(&self, status: &ReceiverStatus) -> usize {
        let payload = status.last_length.saturating_sub(RTP_HEADER);
        let rate_khz = self.format.sample_rate().as_hz() as usize / 1000;
        match payload / self.format.bytes_per_frame() {
            0 => self.packet_frames.unwrap_or(rate_khz).max(1),
            frames => frames,
        }
    }

    /// The duration of a packet; see [`Stream::packet_frames`].
    pub(crate) fn packet_time(&self, status: &ReceiverStatus) -> Nanos {
        self.format.sample_rate().duration(Frames::new(self.packet_frames(status) as i64))
    }

    /// Ends the running parts of this stream, and waits for the threads that work only for it.
    fn end(&self) {
        self.syncs.end();
        // The parts are dropped after the lock has been released, because their threads may acquire
        // it.
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(live);
    }
}

/// Counts summed over all streams of a process. Closing or reopening a stream does not reduce them.
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

/// Records that BASS has opened a stream.
pub(crate) fn add(stream: &Arc<Stream>, handle: u32) {
    stream.handle.store(handle, Ordering::Relaxed);
    all().open.push(Arc::clone(stream));
}

/// Ends a stream that BASS closes.
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

/// The stream with this handle.
///
/// # Errors
/// If the handle is not one of ours.
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
