//! Reads audio from WAV, FLAC and MP3 files, and from standard input.

use super::super::plan::StdinFormat;
use super::compressed::{Decoder, Kind};
use super::{BUFFER, Layout};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use wav::{Encoding, Extent, Format, Notice, Reader};

/// An opened source of audio, with its name for messages.
pub(crate) struct Audio {
    source: Source,
    layout: Layout,
    name: String,
    /// Whether the source is a regular file, which can be opened again.
    is_file: bool,
    notices: Vec<Notice>,
}

enum Source {
    Wav(Box<Reader<Box<dyn Read + Send>>>),
    Compressed(Decoder),
}

impl Audio {
    /// Opens a file, and reads its header.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file, with its name.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let unreadable = |error: io::Error| format!("{name}: {}", wav::Error::from(error));
        let file = File::open(path).map_err(unreadable)?;
        let extent = Extent::of(&file).map_err(unreadable)?;
        let mut reader = BufReader::with_capacity(BUFFER, file);
        let kind = Kind::of(reader.fill_buf().map_err(unreadable)?);
        let is_file = extent != Extent::Unknown;
        let decoder = match kind {
            None => {
                let boxed: Box<dyn Read + Send> = Box::new(reader);
                let reader = Reader::new(boxed, extent).map_err(|error| format!("{name}: {error}"))?;
                return Ok(Self::of(reader, name, is_file));
            }
            Some(Kind::Mp3) if !is_file => Err("MP3 must come from a file, not from a pipe".to_owned()),
            Some(Kind::Mp3) => Decoder::mp3(reader),
            Some(Kind::Flac) => Decoder::flac(Box::new(reader)),
        };
        let (decoder, layout) = decoder.map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { source: Source::Compressed(decoder), layout, name, is_file, notices: Vec::new() })
    }

    /// Opens standard input: a WAV file, or raw samples with the given number of channels and rate.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the input.
    pub(crate) fn stdin(format: StdinFormat, channels: u16, sample_rate_hz: u32) -> Result<Self, String> {
        let stdin: Box<dyn Read + Send> = Box::new(BufReader::with_capacity(BUFFER, io::stdin()));
        let encoding = match format {
            StdinFormat::Wav => None,
            StdinFormat::S16le => Some(Encoding::S16),
            StdinFormat::S24le => Some(Encoding::S24),
            StdinFormat::S32le => Some(Encoding::S32),
            StdinFormat::F32le => Some(Encoding::F32),
        };
        let reader = match encoding {
            None => Reader::new(stdin, Extent::Unknown),
            Some(encoding) => {
                Reader::bare(stdin, Format::new(encoding, channels, sample_rate_hz)).map_err(wav::Error::from)
            }
        };
        let reader = reader.map_err(|error| format!("stdin: {error}"))?;
        Ok(Self::of(reader, "stdin".to_owned(), false))
    }

    fn of(mut reader: Reader<Box<dyn Read + Send>>, name: String, is_file: bool) -> Self {
        let Format { channels, sample_rate_hz, .. } = reader.format();
        let (layout, notices) = (Layout { channels, sample_rate_hz }, reader.take_notices());
        Self { source: Source::Wav(Box::new(reader)), layout, name, is_file, notices }
    }

    pub(crate) const fn layout(&self) -> Layout {
        self.layout
    }

    /// A sentence that the source can be read only once, if it is not a regular file.
    pub(crate) fn only_once(&self) -> Option<String> {
        let name = &self.name;
        let sentence = || format!("{name} is no regular file: it must be the only source, and cannot be repeated");
        (!self.is_file).then(sentence)
    }

    /// A sentence that the source is empty, if it contains no audio.
    pub(crate) fn is_empty(&self) -> Option<String> {
        let nothing = self.notices.iter().find(|notice| matches!(notice, Notice::NoAudio { .. }))?;
        Some(format!("{}: {nothing}; at least one frame is needed", self.name))
    }

    /// New findings since the last call, as sentences.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        if let Source::Wav(reader) = &mut self.source {
            self.notices.extend(reader.take_notices());
        }
        self.notices.drain(..).map(|notice| format!("{}: {notice}", self.name)).collect()
    }

    /// Appends at most this many frames, interleaved, to `out`. Returns the number of frames; 0 at
    /// the end.
    ///
    /// # Errors
    /// A sentence with the read error.
    pub(crate) fn read(&mut self, frames: usize, out: &mut Vec<f32>) -> Result<usize, String> {
        let channels = usize::from(self.layout.channels);
        let read = match &mut self.source {
            Source::Wav(reader) => reader.read(frames, out).map_err(|error| error.to_string()),
            Source::Compressed(decoder) => decoder.read(frames * channels, out).map(|samples| samples / channels),
        };
        read.map_err(|error| format!("{}: cannot be read to its end: {error}", self.name))
    }
}
