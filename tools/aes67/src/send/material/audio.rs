//! Audio that is read: WAV files by path, and what comes in on stdin.

use super::super::plan::StdinFormat;
use super::BUFFER;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use wav::{Encoding, Extent, Format, Notice, Reader};

/// What is read, and what it is called in messages.
pub(crate) struct Audio {
    reader: Reader<Box<dyn Read + Send>>,
    name: String,
    /// Whether it can be opened a second time.
    is_file: bool,
    notices: Vec<Notice>,
}

impl Audio {
    /// A WAV file; reads its header.
    ///
    /// # Errors
    /// What is wrong with it, with its name.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let open = || {
            let file = File::open(path)?;
            let extent = Extent::of(&file)?;
            let boxed: Box<dyn Read + Send> = Box::new(BufReader::with_capacity(BUFFER, file));
            Ok((Reader::new(boxed, extent)?, extent != Extent::Unknown))
        };
        let (reader, is_file) = open().map_err(|error: wav::Error| format!("{name}: {error}"))?;
        Ok(Self::of(reader, name, is_file))
    }

    /// What comes in on stdin; `layout` is that of bare samples.
    ///
    /// # Errors
    /// What is wrong with it.
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
        let notices = reader.take_notices();
        Self { reader, name, is_file, notices }
    }

    pub(crate) fn format(&self) -> Format {
        self.reader.format()
    }

    /// A sentence if it can be used once only, because it is no regular file.
    pub(crate) fn only_once(&self) -> Option<String> {
        let name = &self.name;
        let sentence = || format!("{name} is no regular file: it must be the only source, and cannot be repeated");
        (!self.is_file).then(sentence)
    }

    /// A sentence if there is no audio.
    pub(crate) fn is_empty(&self) -> Option<String> {
        let nothing = self.notices.iter().find(|notice| matches!(notice, Notice::NoAudio { .. }))?;
        Some(format!("{}: {nothing}; at least one frame is needed", self.name))
    }

    /// What was found out about it since the last call, as sentences.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        self.notices.extend(self.reader.take_notices());
        self.notices.drain(..).map(|notice| format!("{}: {notice}", self.name)).collect()
    }

    /// Appends the next frames, so many at most, interleaved; returns how many, none at the end.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn read(&mut self, frames: usize, out: &mut Vec<f32>) -> Result<usize, String> {
        self.reader.read(frames, out).map_err(|error| format!("{}: cannot be read: {error}", self.name))
    }
}
