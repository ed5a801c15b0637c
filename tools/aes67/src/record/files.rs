//! The files of a stream's recording: their names, the boundaries between them, and their start
//! times.

use super::capture::{Audio, Block};
use super::stamp::Anchor;
use super::wav::{Layout, WavFile};
use crate::failure::{Failure, Result};
use engine::Frames;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Number of frames of silence that are written at once.
const SILENT_FRAMES: usize = 4096;

/// The current file of a recording, and the state of the earlier ones.
pub(super) struct Files {
    first: PathBuf,
    current: PathBuf,
    layout: Layout,
    max_frames: u64,
    overwrite: bool,
    file: WavFile,
    number: u32,
    /// Timeline and position of the current file's first frame; `None` before it is written.
    origin: Option<(u64, Frames)>,
    /// Whether the current file's start time comes from PTP, and is therefore final.
    stamped_by_ptp: bool,
    /// Number of frames in the earlier files.
    earlier_frames: u64,
    /// Whether writing has failed, after which nothing is written.
    is_over: bool,
}

impl Files {
    /// Creates the first file. `max_frames` is the maximum length of a file; `overwrite` permits
    /// overwriting existing files.
    pub(super) fn create(path: &Path, layout: Layout, max_frames: u64, overwrite: bool) -> Result<Self> {
        let file = WavFile::create(path, layout.clone(), overwrite).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::input(format!("{} is there already: give another --output, or --overwrite", path.display()))
            }
            _ => Failure::input(format!("{}: {error}", path.display())),
        })?;
        let (first, current) = (path.to_owned(), path.to_owned());
        Ok(Self {
            first,
            current,
            layout,
            max_frames,
            overwrite,
            file,
            number: 1,
            origin: None,
            stamped_by_ptp: false,
            earlier_frames: 0,
            is_over: false,
        })
    }

    /// Writes a block. `anchor` gives the start time of files that end within this block.
    pub(super) fn write(&mut self, block: &Block, anchor: Option<&Anchor>) -> Result<()> {
        let (timeline, first) = (block.timeline, block.first);
        match &block.audio {
            Audio::Samples(samples) => self.append(timeline, first, samples, anchor),
            Audio::Silence(frames) => {
                let silence = vec![0; SILENT_FRAMES.min(*frames as usize) * self.layout.channels()];
                (0..*frames).step_by(SILENT_FRAMES).try_for_each(|done| {
                    let now = (frames - done).min(SILENT_FRAMES as u64) as usize * self.layout.channels();
                    self.append(timeline, first + Frames::new(done as i64), &silence[..now], anchor)
                })
            }
        }
    }

    fn append(&mut self, timeline: u64, mut first: Frames, mut samples: &[i32], anchor: Option<&Anchor>) -> Result<()> {
        let channels = self.layout.channels();
        while !samples.is_empty() && !self.is_over {
            if self.file.frames() == self.max_frames {
                self.stamp(anchor);
                self.next_file()?;
            }
            self.origin.get_or_insert((timeline, first));
            let room = (self.max_frames - self.file.frames()).min(usize::MAX as u64 / channels as u64) as usize;
            let (now, later) = samples.split_at(samples.len().min(room * channels));
            self.file.write(now).map_err(|error| self.failed(&error))?;
            first += Frames::new((now.len() / channels) as i64);
            samples = later;
        }
        Ok(())
    }

    /// Completes the file on the disk, so that a crash loses only later audio. Also writes its
    /// start time, if known by now.
    pub(super) fn keep_valid(&mut self, anchor: Option<&Anchor>) -> Result<()> {
        if self.is_over {
            return Ok(());
        }
        self.stamp(anchor);
        self.file.update().map_err(|error| self.failed(&error))
    }

    pub(super) fn finish(&mut self, anchor: Option<&Anchor>) -> Result<()> {
        if self.is_over {
            return Ok(());
        }
        self.stamp(anchor);
        self.file.finish().map_err(|error| self.failed(&error))
    }

    /// Duration of the audio in all files, s.
    pub(super) fn seconds(&self) -> f64 {
        (self.earlier_frames + self.file.frames()) as f64 / f64::from(self.layout.rate_hz())
    }

    pub(super) fn current(&self) -> &Path {
        &self.current
    }

    fn stamp(&mut self, anchor: Option<&Anchor>) {
        let Some((anchor, (timeline, first))) = anchor.zip(self.origin) else { return };
        let is_better = anchor.by_ptp || self.file.stamp().is_none();
        if anchor.timeline == timeline && is_better && !self.stamped_by_ptp {
            self.file.set_stamp(anchor.stamp_of(first, self.layout.rate_hz()));
            self.stamped_by_ptp = anchor.by_ptp;
        }
    }

    fn next_file(&mut self) -> Result<()> {
        self.file.finish().map_err(|error| self.failed(&error))?;
        let frames = self.file.frames();
        let stem = self.first.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.file = loop {
            self.number += 1;
            self.current = self.first.with_file_name(format!("{stem}-{:03}.wav", self.number));
            match WavFile::create(&self.current, self.layout.clone(), self.overwrite) {
                // An existing file, for example from an earlier run, is kept, and the next number
                // is tried.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                created => break created.map_err(|error| self.failed(&error))?,
            }
        };
        self.earlier_frames += frames;
        (self.origin, self.stamped_by_ptp) = (None, false);
        Ok(())
    }

    /// Ends the recording after an error. The audio that is already in the files is kept.
    fn failed(&mut self, error: &std::io::Error) -> Failure {
        self.file.give_up();
        self.is_over = true;
        Failure::run(format!(
            "{}: {error}; the {:.1} s recorded until then are kept",
            self.current.display(),
            self.seconds()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::SampleRate;
    use engine::rtp::format::{Encoding, StreamFormat};

    #[test]
    fn files_are_split_at_their_length_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let format = StreamFormat::new(Encoding::L16, SampleRate::HZ_48000, 2).unwrap();
        let mut files = Files::create(&folder.path().join("take.wav"), Layout::new(format, "take"), 10, false).unwrap();
        let samples: Vec<i32> = (0..50).map(|n| n << 8).collect();
        let block = |first, audio| Block { timeline: 0, first: Frames::new(first), audio };
        files.write(&block(100, Audio::Samples(samples)), None).unwrap();
        assert_eq!(files.origin, Some((0, Frames::new(120))));
        files.write(&block(125, Audio::Silence(7)), None).unwrap();
        files.finish(None).unwrap();
        let read = |name: &str| -> Vec<i32> {
            let samples = hound::WavReader::open(folder.path().join(name)).unwrap();
            samples.into_samples().map(|sample| sample.unwrap()).collect()
        };
        let parts = ["take.wav", "take-002.wav", "take-003.wav", "take-004.wav"].map(read);
        assert_eq!(parts.each_ref().map(Vec::len), [20, 20, 20, 4]);
        assert_eq!(parts.concat(), (0..50).chain([0; 14]).collect::<Vec<_>>());
    }
}
