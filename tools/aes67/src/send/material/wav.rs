//! Audio files as a stream of bytes: RIFF, RF64 and BW64 WAV, and bare samples.
//!
//! Read from the front only, so that a pipe does as well as a file. A length that is not known (a pipe's, or the 4 GiB of a RIFF file that went on) means until the end.
//! Integers become floats of full scale 1 without rounding, up to 24 bits.

use super::super::plan::StdinFormat;
use std::io::{self, ErrorKind, Read};

/// Longest `fmt ` chunk of any use.
const LONGEST_FORMAT: usize = 64;
/// RIFF has 32 bits for lengths; this one means that they are elsewhere or not known.
const NO_LENGTH: u32 = u32::MAX;
/// `WAVE_FORMAT_*`.
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Samples {
    U8,
    S16,
    S24,
    S32,
    F32,
    F64,
}

impl Samples {
    const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::S16 => 2,
            Self::S24 => 3,
            Self::S32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn decode(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::U8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::S16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Self::S24, &[a, b, c]) => (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0,
            (Self::S32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32 / 2_147_483_648.0,
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => 0.0,
        }
    }
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) samples: Samples,
    pub(crate) channels: u16,
    pub(crate) sample_rate_hz: u32,
}

impl Layout {
    /// Of bare samples; `None` if they come as a WAV file.
    pub(crate) fn bare(format: StdinFormat, channels: u16, sample_rate_hz: u32) -> Option<Self> {
        let samples = match format {
            StdinFormat::Wav => return None,
            StdinFormat::S16le => Samples::S16,
            StdinFormat::S24le => Samples::S24,
            StdinFormat::S32le => Samples::S32,
            StdinFormat::F32le => Samples::F32,
        };
        Some(Self { samples, channels, sample_rate_hz })
    }

    const fn frame_bytes(self) -> usize {
        self.samples.bytes() * self.channels as usize
    }
}

/// A file that is read.
pub(crate) struct Audio {
    layout: Layout,
    reader: Box<dyn Read + Send>,
    /// Bytes of audio that are left.
    left: u64,
    bytes: Vec<u8>,
}

impl Audio {
    /// Bare samples until the end.
    pub(crate) fn bare(reader: Box<dyn Read + Send>, layout: Layout) -> Self {
        Self { layout, reader, left: u64::MAX, bytes: Vec::new() }
    }

    /// A WAV file; reads its header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn open(mut reader: Box<dyn Read + Send>) -> Result<Self, String> {
        let (layout, left) = read_header(&mut reader).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => "the file ends within its header".to_owned(),
            _ => error.to_string(),
        })?;
        Ok(Self { layout, reader, left, bytes: Vec::new() })
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The next frames, so many at most, interleaved; none at the end. A file that ends in the middle of a frame ends before it.
    ///
    /// # Errors
    /// If the disk has some.
    pub(crate) fn read(&mut self, frames: usize) -> io::Result<Vec<f32>> {
        let frame_bytes = self.layout.frame_bytes();
        let wanted = ((frames * frame_bytes) as u64).min(self.left) as usize;
        self.bytes.resize(wanted, 0);
        let mut filled = 0;
        while filled < wanted {
            match self.reader.read(&mut self.bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.left != u64::MAX {
            self.left -= filled as u64;
        }
        let whole = &self.bytes[..filled / frame_bytes * frame_bytes];
        let samples = self.layout.samples;
        Ok(whole.chunks_exact(samples.bytes()).map(|bytes| samples.decode(bytes)).collect())
    }
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.into())
}

/// Reads up to the first sample; returns the layout and how many bytes of audio follow.
fn read_header(reader: &mut impl Read) -> io::Result<(Layout, u64)> {
    let mut head = [0; 12];
    reader.read_exact(&mut head)?;
    let is_long = &head[..4] == b"RF64" || &head[..4] == b"BW64";
    if !(is_long || &head[..4] == b"RIFF") || &head[8..] != b"WAVE" {
        return Err(wrong("no WAV file (RIFF, RF64 or BW64)"));
    }
    let (mut layout, mut long_data) = (None, None);
    loop {
        let mut chunk = [0; 8];
        reader.read_exact(&mut chunk)?;
        let [a, b, c, d, size @ ..] = chunk;
        let size = u32::from_le_bytes(size);
        match &[a, b, c, d] {
            b"data" => {
                let layout = layout.ok_or_else(|| wrong("its samples come before their format"))?;
                let left = match (size, long_data) {
                    (NO_LENGTH, Some(long)) => long,
                    (0 | NO_LENGTH, None) => u64::MAX,
                    (size, _) => u64::from(size),
                };
                return Ok((layout, left));
            }
            b"fmt " => layout = Some(read_format(&take(reader, size)?)?),
            b"ds64" => {
                long_data =
                    take(reader, size)?.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
            }
            // Whatever else there is, with the byte that makes it even.
            _ => skip(reader, u64::from(size) + u64::from(size % 2))?,
        }
    }
}

/// A whole chunk that is understood; those are short.
fn take(reader: &mut impl Read, size: u32) -> io::Result<Vec<u8>> {
    let kept = (size as usize).min(LONGEST_FORMAT);
    let mut bytes = vec![0; kept];
    reader.read_exact(&mut bytes)?;
    skip(reader, u64::from(size) + u64::from(size % 2) - kept as u64)?;
    Ok(bytes)
}

fn skip(reader: &mut impl Read, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut reader.take(bytes), &mut io::sink())?;
    if skipped == bytes { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn read_format(bytes: &[u8]) -> io::Result<Layout> {
    let word = |at: usize| bytes.get(at..at + 2).map_or(0, |word| u16::from_le_bytes([word[0], word[1]]));
    let (mut tag, channels, bits) = (word(0), word(2), word(14));
    let sample_rate_hz = u32::from(word(4)) | u32::from(word(6)) << 16;
    if tag == EXTENSIBLE {
        tag = word(24);
    }
    let samples = match (tag, bits) {
        (PCM, 8) => Samples::U8,
        (PCM, 16) => Samples::S16,
        (PCM, 24) => Samples::S24,
        (PCM, 32) => Samples::S32,
        (FLOAT, 32) => Samples::F32,
        (FLOAT, 64) => Samples::F64,
        _ => return Err(wrong(format!("samples of {bits} bits and format {tag}: only PCM and floats are known here"))),
    };
    if channels == 0 || sample_rate_hz == 0 {
        return Err(wrong(format!("{channels} channels at {sample_rate_hz} Hz")));
    }
    Ok(Layout { samples, channels, sample_rate_hz })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(id: &[u8; 4], ds64: Option<u64>, data: u32) -> Vec<u8> {
        let mut bytes = id.to_vec();
        bytes.extend(NO_LENGTH.to_le_bytes());
        bytes.extend(b"WAVE");
        if let Some(data) = ds64 {
            bytes.extend(b"ds64");
            bytes.extend(28u32.to_le_bytes());
            bytes.extend([0; 8]);
            bytes.extend(data.to_le_bytes());
            bytes.extend([0; 12]);
        }
        // A chunk of odd length that nobody knows.
        bytes.extend(b"junk\x03\0\0\0abc\0");
        bytes.extend(b"fmt \x10\0\0\0\x01\0\x02\0\x80\xBB\0\0\0\x65\x04\0\x06\0\x18\0");
        bytes.extend(b"data");
        bytes.extend(data.to_le_bytes());
        bytes
    }

    fn read_all(bytes: Vec<u8>) -> Vec<f32> {
        let mut audio = Audio::open(Box::new(io::Cursor::new(bytes))).unwrap();
        assert_eq!(audio.layout(), Layout { samples: Samples::S24, channels: 2, sample_rate_hz: 48_000 });
        let mut all = Vec::new();
        loop {
            let block = audio.read(3).unwrap();
            if block.is_empty() {
                return all;
            }
            all.extend(block);
        }
    }

    #[test]
    fn long_files_and_pipes_are_read_to_their_end() {
        // Five frames, of which the last one is not whole, and then another chunk.
        let audio: Vec<u8> = (0..28).collect();
        for (head, frames) in [
            (header(b"RF64", Some(24), NO_LENGTH), 4),
            (header(b"RIFF", None, 18), 3),
            (header(b"RIFF", None, NO_LENGTH), 4),
            (header(b"BW64", Some(12), NO_LENGTH), 2),
        ] {
            let samples = read_all([head, audio.clone()].concat());
            assert_eq!(samples.len(), 2 * frames);
            assert_eq!(samples[1].to_bits(), (0x05_0403 as f32 / 8_388_608.0).to_bits());
        }
    }

    #[test]
    fn what_is_no_audio_says_so() {
        let reason = |bytes: &[u8]| Audio::open(Box::new(io::Cursor::new(bytes.to_vec()))).err().unwrap();
        assert_eq!(reason(b"hello, this is text"), "no WAV file (RIFF, RF64 or BW64)");
        assert_eq!(reason(b"RIFF\0\0\0\0WAVEfmt "), "the file ends within its header");
        let mp3 = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x55\0\x02\0\x80\xBB\0\0\0\x65\x04\0\x06\0\x10\0data\0\0\0\0";
        assert_eq!(reason(mp3), "samples of 16 bits and format 85: only PCM and floats are known here");
    }

    #[test]
    fn samples_of_24_bits_are_exact() {
        for value in [0, 1, -1, 8_388_607, -8_388_608, 123_456] {
            let [a, b, c, _] = i32::to_le_bytes(value);
            let float = Samples::S24.decode(&[a, b, c]);
            assert_eq!((float * 8_388_608.0) as i32, value);
        }
    }
}
