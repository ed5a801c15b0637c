//! Decodes frames from a file.

use crate::body::{Body, Stated};
use crate::container::{Container, Header};
use crate::lookahead::{Extent, Lookahead};
use crate::{Encoding, Error, Format, Notice};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Files are read in pieces of this many bytes.
const BUFFER_BYTES: usize = 1 << 18;
/// Number of bytes that are decoded at once.
const BLOCK_BYTES: usize = 1 << 14;

/// Reads a WAV file from front to back.
pub struct Reader<R> {
    input: Lookahead<R>,
    format: Format,
    body: Body,
    notices: Vec<Notice>,
    block: Vec<u8>,
    frames: u64,
    floats: Floats,
    over: bool,
}

/// Counts of invalid floats.
#[derive(Default)]
struct Floats {
    not_finite: u64,
    first_frame: u64,
    over_full_scale: u64,
    peak: f32,
}

impl Reader<BufReader<File>> {
    /// Opens a file, or anything else that can be read through a path (a named pipe, `/dev/fd/0`),
    /// and reads its header.
    ///
    /// # Errors
    /// If the file cannot be read; the [`Error`] describes the reason.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path)?;
        let extent = Extent::of(&file)?;
        Self::new(BufReader::with_capacity(BUFFER_BYTES, file), extent)
    }
}

impl<R: Read> Reader<R> {
    /// Creates a reader for a file, and reads its header. The next byte of `reader` must be the
    /// first byte of the file.
    ///
    /// # Errors
    /// If the file cannot be read; the [`Error`] describes the reason.
    pub fn new(reader: R, extent: Extent) -> Result<Self, Error> {
        let mut input = Lookahead::new(reader, extent);
        let Header { container, format, stated } = Header::read(&mut input)?;
        let mut notices = Vec::new();
        let body = Body::new(&mut input, container, &stated, &mut notices)?;
        Ok(Self::of(input, format, body, notices))
    }

    /// Creates a reader for raw samples without a header, up to the end of `reader`.
    ///
    /// # Errors
    /// If `reader` fails.
    pub fn bare(reader: R, format: Format) -> io::Result<Self> {
        let mut input = Lookahead::new(reader, Extent::Unknown);
        let mut notices = Vec::new();
        let body = Body::new(&mut input, Container::Riff, &Stated::default(), &mut notices)?;
        Ok(Self::of(input, format, body, notices))
    }

    fn of(input: Lookahead<R>, format: Format, body: Body, notices: Vec<Notice>) -> Self {
        Self { input, format, body, notices, block: Vec::new(), frames: 0, floats: Floats::default(), over: false }
    }

    /// The format of the samples.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The notices since the last call. They arise when the file is opened, and at the end of the
    /// samples.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Appends up to `frames` frames to `out`, interleaved, with full scale ±1. Returns the number
    /// of frames, which is smaller than requested only at the end, and then 0.
    ///
    /// # Errors
    /// If the underlying reader fails. The frames before the error have been appended.
    pub fn read(&mut self, frames: usize, out: &mut Vec<f32>) -> io::Result<usize> {
        let frame_bytes = self.format.frame_bytes();
        let mut appended = 0;
        while appended < frames && !self.over {
            let block_frames = (BLOCK_BYTES / frame_bytes).max(1).min(frames - appended);
            self.block.resize(block_frames * frame_bytes, 0);
            let filled = self.body.read(&mut self.input, &mut self.block, &mut self.notices)?;
            let whole = filled / frame_bytes;
            self.decode(whole * frame_bytes, out);
            appended += whole;
            self.frames += whole as u64;
            if whole < block_frames {
                self.end(filled % frame_bytes);
            }
        }
        Ok(appended)
    }

    fn decode(&mut self, bytes: usize, out: &mut Vec<f32>) {
        let (encoding, decoded) = (self.format.encoding, out.len());
        encoding.decode(&self.block[..bytes], out);
        if matches!(encoding, Encoding::F32 | Encoding::F64) {
            let channels = u64::from(self.format.channels);
            for (index, sample) in (0..).zip(&mut out[decoded..]) {
                *sample = self.floats.check(*sample, self.frames + index / channels);
            }
        }
    }

    /// Records the notices at the end of the samples. If `bytes` is not 0, the samples end within a
    /// frame.
    fn end(&mut self, bytes: usize) {
        self.over = true;
        let Floats { not_finite, first_frame, over_full_scale, peak } = self.floats;
        if bytes > 0 {
            self.notices.push(Notice::PartialFrame { bytes, frame_bytes: self.format.frame_bytes() });
        }
        if not_finite > 0 {
            self.notices.push(Notice::NotFinite { samples: not_finite, first_frame });
        }
        if over_full_scale > 0 {
            self.notices.push(Notice::OverFullScale { samples: over_full_scale, peak });
        }
    }
}

impl Floats {
    fn check(&mut self, sample: f32, frame: u64) -> f32 {
        if !sample.is_finite() {
            if self.not_finite == 0 {
                self.first_frame = frame;
            }
            self.not_finite += 1;
            return 0.0;
        }
        if sample.abs() > 1.0 {
            self.over_full_scale += 1;
            self.peak = self.peak.max(sample.abs());
        }
        sample
    }
}
