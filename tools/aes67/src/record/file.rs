//! WAV files: their names, their length, and a header that is right at any time.

use crate::failure::{Failure, Result};
use engine::rtp::format::{Encoding, StreamFormat};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// A WAV file counts its bytes in 32 bits; some are left for its header.
const MAX_BYTES: u64 = u32::MAX as u64 - 4096;

/// What the files hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    spec: WavSpec,
    /// How far the integers of 24 bits are shifted to those of the file.
    shift: u32,
    max_frames: u64,
}

impl Layout {
    pub(crate) fn new(format: StreamFormat, split_minutes: Option<f64>) -> Result<Self> {
        let (bits, shift) = match format.encoding() {
            Encoding::L16 => (16, 8),
            Encoding::L24 => (24, 0),
        };
        let rate = format.sample_rate().as_hz();
        let fits = MAX_BYTES / format.bytes_per_frame() as u64;
        let wanted = split_minutes.map_or(Ok(u64::MAX), |minutes| {
            let frames = minutes * 60.0 * f64::from(rate);
            if frames >= 1.0 {
                Ok(frames as u64)
            } else {
                Err(Failure::input(format!("--split-minutes is {minutes}: right would be more than 0")))
            }
        })?;
        let spec = WavSpec {
            channels: format.channels() as u16,
            sample_rate: rate,
            bits_per_sample: bits,
            sample_format: SampleFormat::Int,
        };
        Ok(Self { spec, shift, max_frames: wanted.min(fits) })
    }
}

/// The file that is written now, and those before it.
pub(crate) struct Files {
    first: PathBuf,
    current: PathBuf,
    layout: Layout,
    writer: WavWriter<BufWriter<File>>,
    number: u32,
    frames_in_file: u64,
    frames: u64,
}

impl Files {
    pub(crate) fn create(path: &Path, layout: Layout) -> Result<Self> {
        let writer = create(path, layout)?;
        let (first, current) = (path.to_owned(), path.to_owned());
        Ok(Self { first, current, layout, writer, number: 1, frames_in_file: 0, frames: 0 })
    }

    /// Writes interleaved samples of 24 bits.
    pub(crate) fn write(&mut self, samples: &[i32]) -> Result<()> {
        for frame in samples.chunks_exact(usize::from(self.layout.spec.channels)) {
            if self.frames_in_file == self.layout.max_frames {
                self.next_file()?;
            }
            for sample in frame {
                let written = self.writer.write_sample(sample >> self.layout.shift);
                written.map_err(|error| failed(&self.current, &error))?;
            }
            self.frames_in_file += 1;
            self.frames += 1;
        }
        Ok(())
    }

    /// Writes the header anew, so that a crash loses only what comes after.
    pub(crate) fn keep_valid(&mut self) -> Result<()> {
        self.writer.flush().map_err(|error| failed(&self.current, &error))
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.writer.finalize().map_err(|error| failed(&self.current, &error))
    }

    /// Seconds of audio in all files.
    pub(crate) fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.layout.spec.sample_rate)
    }

    pub(crate) fn current(&self) -> &Path {
        &self.current
    }

    fn next_file(&mut self) -> Result<()> {
        self.number += 1;
        let stem = self.first.file_stem().unwrap_or_default().to_string_lossy();
        let next = self.first.with_file_name(format!("{stem}-{:03}.wav", self.number));
        let writer = std::mem::replace(&mut self.writer, create(&next, self.layout)?);
        writer.finalize().map_err(|error| failed(&self.current, &error))?;
        (self.current, self.frames_in_file) = (next, 0);
        Ok(())
    }
}

fn create(path: &Path, layout: Layout) -> Result<WavWriter<BufWriter<File>>> {
    WavWriter::create(path, layout.spec).map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}

fn failed(path: &Path, error: &hound::Error) -> Failure {
    Failure::run(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::SampleRate;

    fn read(path: &Path) -> Vec<i32> {
        hound::WavReader::open(path).unwrap().samples().map(|sample| sample.unwrap()).collect()
    }

    #[test]
    fn files_are_split_at_their_length_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("take.wav");
        let format = StreamFormat::new(Encoding::L16, SampleRate::HZ_48000, 2).unwrap();
        // 10 frames.
        let layout = Layout::new(format, Some(10.0 / 48_000.0 / 60.0 * 1.001)).unwrap();
        let mut files = Files::create(&path, layout).unwrap();
        let samples: Vec<i32> = (0..50).map(|n| n << 8).collect();
        files.write(&samples).unwrap();
        files.finish().unwrap();
        let names = ["take.wav", "take-002.wav", "take-003.wav"];
        let parts: Vec<Vec<i32>> = names.iter().map(|name| read(&folder.path().join(name))).collect();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 10]);
        assert_eq!(parts.concat(), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_is_whole_before_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("take.wav");
        let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 1).unwrap();
        let mut files = Files::create(&path, Layout::new(format, None).unwrap()).unwrap();
        files.write(&[1, -2, 8_388_607]).unwrap();
        files.keep_valid().unwrap();
        // A copy is what is left if we crash now.
        let copy = folder.path().join("copy.wav");
        std::fs::copy(&path, &copy).unwrap();
        assert_eq!(read(&copy), [1, -2, 8_388_607]);
    }
}
