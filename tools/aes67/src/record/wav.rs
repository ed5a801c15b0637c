//! Writes WAV files of any length that are complete at any time and have a start time.
//!
//! Model: the header has a fixed length, and is rewritten in place on request. So a crash loses
//! only the audio since the last rewrite, and a full disk loses nothing, because the header can
//! still be rewritten. A file that grows beyond 4 GiB becomes an RF64 file (EBU Tech 3306): the
//! space for its 64-bit lengths is reserved from the beginning. The time of the first sample is in
//! a `bext` chunk (EBU Tech 3285), in UTC.

use super::stamp::Stamp;
use engine::rtp::format::{Encoding, StreamFormat};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Largest length that a RIFF header can state, bytes.
const MOST_RIFF_BYTES: u64 = u32::MAX as u64;
/// Lengths of chunks, bytes, without the 8 bytes of their name and length.
const DS64_BYTES: u32 = 28;
const FMT_BYTES: u32 = 16;
const EXTENSIBLE_BYTES: u32 = 40;
const BEXT_BYTES: u32 = 602;
/// Space for the coding history in the `bext` chunk, bytes.
const HISTORY_BYTES: usize = 122;
/// Samples are collected and written in pieces of at least this many bytes.
const CHUNK: usize = 1 << 16;
/// `KSDATAFORMAT_SUBTYPE_PCM` without its first two bytes.
const PCM_GUID: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// The format of a file.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    channels: u16,
    rate_hz: u32,
    /// Number of bytes per sample in the file: the upper bytes of the 24-bit samples that are
    /// passed in.
    sample_bytes: usize,
    description: String,
    /// Length beyond which the file becomes an RF64 file, bytes.
    most_riff_bytes: u64,
}

impl Layout {
    pub(super) fn new(format: StreamFormat, description: &str) -> Self {
        let sample_bytes = match format.encoding() {
            Encoding::L16 => 2,
            Encoding::L24 => 3,
        };
        Self {
            channels: format.channels() as u16,
            rate_hz: format.sample_rate().as_hz(),
            sample_bytes,
            description: description.to_owned(),
            most_riff_bytes: MOST_RIFF_BYTES,
        }
    }

    pub(super) const fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    pub(super) fn channels(&self) -> usize {
        usize::from(self.channels)
    }

    fn frame_bytes(&self) -> u64 {
        (self.sample_bytes * self.channels()) as u64
    }

    /// Length of the format chunk. More than two channels need the extensible form.
    fn fmt_bytes(&self) -> u32 {
        if self.channels > 2 { EXTENSIBLE_BYTES } else { FMT_BYTES }
    }

    fn header_bytes(&self) -> u64 {
        let chunks = [DS64_BYTES, BEXT_BYTES + HISTORY_BYTES as u32, self.fmt_bytes(), 0];
        12 + chunks.iter().map(|bytes| 8 + u64::from(*bytes)).sum::<u64>()
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct WavFile {
    file: File,
    layout: Layout,
    pending: Vec<u8>,
    /// Number of bytes of audio in the file, as whole frames.
    data_bytes: u64,
    stamp: Option<Stamp>,
}

impl WavFile {
    /// Creates a file. `overwrite` permits overwriting an existing file.
    pub(super) fn create(path: &Path, layout: Layout, overwrite: bool) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(overwrite).create_new(!overwrite).open(path)?;
        let mut wav = Self { file, layout, pending: Vec::with_capacity(2 * CHUNK), data_bytes: 0, stamp: None };
        wav.update()?;
        Ok(wav)
    }

    /// Sets the time at which the first frame was captured.
    pub(super) fn set_stamp(&mut self, stamp: Stamp) {
        self.stamp = Some(stamp);
    }

    pub(super) const fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// Writes whole frames of 24-bit integers.
    pub(super) fn write(&mut self, samples: &[i32]) -> io::Result<()> {
        let dropped = 3 - self.layout.sample_bytes;
        for sample in samples {
            self.pending.extend_from_slice(&sample.to_le_bytes()[dropped..3]);
        }
        if self.pending.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// Writes all pending samples, and then the header again.
    pub(super) fn update(&mut self) -> io::Result<()> {
        let flushed = self.flush();
        // This is also done if the disk is full, so that the header states how much audio fitted.
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&self.header())?;
        self.file.seek(SeekFrom::Start(self.layout.header_bytes() + self.data_bytes))?;
        self.file.sync_data()?;
        flushed
    }

    /// Completes the file. A chunk with an odd length is padded.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.update()?;
        if self.data_bytes % 2 == 1 { self.file.write_all(&[0]) } else { Ok(()) }
    }

    /// Completes a file that can no longer be written. It contains the whole frames that fitted,
    /// and its header states their length.
    pub(super) fn give_up(&mut self) {
        self.pending.clear();
        // Errors are ignored, because the audio that is already in the file is not lost if its
        // length cannot be written.
        let _ = self.file.set_len(self.layout.header_bytes() + self.data_bytes);
        let _ = self.update();
    }

    /// Number of frames in the file and in the buffer.
    pub(super) fn frames(&self) -> u64 {
        (self.data_bytes + self.pending.len() as u64) / self.layout.frame_bytes()
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            match self.file.write(&self.pending[written..]) {
                Ok(0) => break Ok(()),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        // An incomplete frame will be written again.
        let whole = written as u64 / self.layout.frame_bytes() * self.layout.frame_bytes();
        self.data_bytes += whole;
        self.pending.drain(..whole as usize);
        if result.is_err() {
            self.file.seek(SeekFrom::Start(self.layout.header_bytes() + self.data_bytes))?;
        }
        result
    }

    fn header(&self) -> Vec<u8> {
        let layout = &self.layout;
        let riff_bytes = layout.header_bytes() - 8 + self.data_bytes + self.data_bytes % 2;
        let is_long = riff_bytes > layout.most_riff_bytes;
        let short = |bytes: u64| if is_long { u32::MAX } else { bytes as u32 }.to_le_bytes();
        let mut header = Vec::with_capacity(layout.header_bytes() as usize);
        header.extend(if is_long { b"RF64" } else { b"RIFF" });
        header.extend(short(riff_bytes));
        header.extend(b"WAVE");
        header.extend(if is_long { b"ds64" } else { b"JUNK" });
        header.extend(DS64_BYTES.to_le_bytes());
        let lengths = [riff_bytes, self.data_bytes, self.data_bytes / layout.frame_bytes()];
        lengths.iter().for_each(|length| header.extend(if is_long { *length } else { 0 }.to_le_bytes()));
        header.extend(0u32.to_le_bytes());
        self.bext(&mut header);
        self.fmt(&mut header);
        header.extend(b"data");
        header.extend(short(self.data_bytes));
        header
    }

    fn bext(&self, header: &mut Vec<u8>) {
        let layout = &self.layout;
        header.extend(b"bext");
        header.extend((BEXT_BYTES + HISTORY_BYTES as u32).to_le_bytes());
        let text = |header: &mut Vec<u8>, text: &str, bytes: usize| {
            let ascii: Vec<u8> = text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }).take(bytes).collect();
            header.extend(&ascii);
            header.resize(header.len() + bytes - ascii.len(), 0);
        };
        text(header, &layout.description, 256);
        text(header, "aes67", 32);
        text(header, "", 32);
        let stamp = self.stamp.as_ref();
        text(header, &stamp.map_or_else(String::new, Stamp::date), 10);
        text(header, &stamp.map_or_else(String::new, Stamp::time), 8);
        header.extend(stamp.map_or(0, |stamp| stamp.frames_since_midnight(layout.rate_hz)).to_le_bytes());
        // Version 1 has no loudness values. An empty UMID and reserved bytes follow.
        header.extend(1u16.to_le_bytes());
        text(header, "", 64 + 190);
        let mode = match layout.channels {
            1 => "mono",
            2 => "stereo",
            _ => "multi",
        };
        let by = stamp.map_or("no clock", |stamp| &stamp.by);
        let bits = 8 * layout.sample_bytes;
        text(header, &format!("A=PCM,F={},W={bits},M={mode},T=aes67; UTC by {by}\r\n", layout.rate_hz), HISTORY_BYTES);
    }

    fn fmt(&self, header: &mut Vec<u8>) {
        let layout = &self.layout;
        let is_extensible = layout.fmt_bytes() == EXTENSIBLE_BYTES;
        let bits = 8 * layout.sample_bytes as u16;
        header.extend(b"fmt ");
        header.extend(layout.fmt_bytes().to_le_bytes());
        header.extend(if is_extensible { 0xFFFEu16 } else { 1 }.to_le_bytes());
        header.extend(layout.channels.to_le_bytes());
        header.extend(layout.rate_hz.to_le_bytes());
        header.extend((layout.rate_hz * layout.frame_bytes() as u32).to_le_bytes());
        header.extend((layout.frame_bytes() as u16).to_le_bytes());
        header.extend(bits.to_le_bytes());
        if is_extensible {
            // The extension has 22 bytes: the number of valid bits, no loudspeaker positions, and
            // the GUID for PCM.
            header.extend(22u16.to_le_bytes());
            header.extend(bits.to_le_bytes());
            header.extend(0u32.to_le_bytes());
            header.extend(1u16.to_le_bytes());
            header.extend(PCM_GUID);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::SampleRate;

    fn layout(encoding: Encoding, channels: usize) -> Layout {
        Layout::new(StreamFormat::new(encoding, SampleRate::HZ_48000, channels).unwrap(), "Studio 1")
    }

    fn written(layout: Layout, samples: &[i32]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("take.wav");
        let mut file = WavFile::create(&path, layout, false).unwrap();
        file.write(samples).unwrap();
        file.finish().unwrap();
        (folder, path)
    }

    fn read(path: &Path) -> Vec<i32> {
        hound::WavReader::open(path).unwrap().samples().map(|sample| sample.unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read_by_another_library() {
        let samples: Vec<i32> = (-300..300).map(|n| n * 27_000).collect();
        for (encoding, channels, shift) in
            [(Encoding::L24, 1, 0), (Encoding::L24, 2, 0), (Encoding::L16, 2, 8), (Encoding::L24, 8, 0)]
        {
            let (_folder, path) = written(layout(encoding, channels), &samples);
            let expected: Vec<i32> = samples.iter().map(|sample| sample >> shift).collect();
            assert_eq!(read(&path), expected, "{encoding} {channels}");
            let spec = hound::WavReader::open(&path).unwrap().spec();
            assert_eq!((usize::from(spec.channels), spec.sample_rate), (channels, 48_000));
        }
    }

    #[test]
    fn a_file_is_whole_before_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("take.wav");
        let mut file = WavFile::create(&path, layout(Encoding::L24, 1), false).unwrap();
        file.write(&[1, -2, 8_388_607]).unwrap();
        file.update().unwrap();
        file.write(&[5; 100]).unwrap();
        // A copy is what a crash would leave now.
        let copy = folder.path().join("copy.wav");
        std::fs::copy(&path, &copy).unwrap();
        assert_eq!(read(&copy), [1, -2, 8_388_607]);
        assert_eq!(file.frames(), 103);
    }

    #[test]
    fn a_long_file_is_rf64_and_tells_its_length_in_64_bits() {
        let long = Layout { most_riff_bytes: 1000, ..layout(Encoding::L24, 2) };
        let (_folder, path) = written(long, &[7; 200]);
        let bytes = std::fs::read(&path).unwrap();
        let at = |offset: usize| u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
        assert_eq!((&bytes[..4], &bytes[4..8], &bytes[12..16]), (&b"RF64"[..], &[0xFF; 4][..], &b"ds64"[..]));
        assert_eq!((at(20), at(28), at(36)), (bytes.len() as u64 - 8, 600, 100));
        let data = bytes.windows(4).position(|name| name == b"data").unwrap();
        assert_eq!((&bytes[data + 4..data + 8], bytes.len() - data - 8), (&[0xFF; 4][..], 600));
    }

    #[test]
    fn the_time_of_the_first_frame_is_in_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("take.wav");
        let mut file = WavFile::create(&path, layout(Encoding::L24, 2), false).unwrap();
        // 2026-11-21 00:00:10.5 UTC.
        file.set_stamp(Stamp { utc_ns: 1_795_219_210_500_000_000, by: "PTP".to_owned() });
        file.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let bext = bytes.windows(4).position(|name| name == b"bext").unwrap() + 8;
        assert_eq!(&bytes[bext..bext + 8], b"Studio 1");
        assert_eq!(&bytes[bext + 320..bext + 338], b"2026-11-2100:00:10");
        let reference = u64::from_le_bytes(bytes[bext + 338..bext + 346].try_into().unwrap());
        assert_eq!(reference, 10 * 48_000 + 24_000);
    }
}
