//! Samples of WAV files as whole numbers, block by block: one by one, they would take more time
//! than a simulated receiver.

use hound::{WavReader, WavSpec, WavWriter};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::path::Path;

/// A WAV file of 16 or 24 bits that this program has written, read from front to back.
pub(crate) struct PcmReader {
    file: BufReader<File>,
    spec: WavSpec,
    /// Samples that were not read yet.
    left: usize,
    bytes: Vec<u8>,
    samples: Vec<i32>,
}

impl PcmReader {
    /// Opens a file at its first sample.
    ///
    /// # Errors
    /// If it is missing, or not such a file.
    pub(crate) fn open(path: &Path) -> hound::Result<Self> {
        let reader = WavReader::open(path)?;
        let (spec, left) = (reader.spec(), reader.len() as usize);
        if !matches!(spec.bits_per_sample, 16 | 24) {
            return Err(hound::Error::Unsupported);
        }
        Ok(Self { file: reader.into_inner(), spec, left, bytes: Vec::new(), samples: Vec::new() })
    }

    /// Its format.
    pub(crate) fn spec(&self) -> WavSpec {
        self.spec
    }

    /// The next samples, at most `most`; none at the end.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn block(&mut self, most: usize) -> io::Result<&[i32]> {
        let (count, width) = (most.min(self.left), usize::from(self.spec.bits_per_sample / 8));
        self.left -= count;
        self.bytes.resize(count * width, 0);
        self.file.read_exact(&mut self.bytes)?;
        self.samples.clear();
        if width == 2 {
            let (pairs, _) = self.bytes.as_chunks::<2>();
            self.samples.extend(pairs.iter().map(|&bytes| i32::from(i16::from_le_bytes(bytes))));
        } else {
            let (triples, _) = self.bytes.as_chunks::<3>();
            self.samples
                .extend(triples.iter().map(|&[low, middle, high]| i32::from_le_bytes([0, low, middle, high]) >> 8));
        }
        Ok(&self.samples)
    }
}

/// Writes samples, which must be within the range of the file's format.
///
/// # Errors
/// If the disk is full, or the file would exceed 4 GiB.
pub(crate) fn write_block(
    writer: &mut WavWriter<BufWriter<File>>,
    samples: impl ExactSizeIterator<Item = i32>,
) -> hound::Result<()> {
    if writer.spec().bits_per_sample != 16 {
        return samples.into_iter().try_for_each(|sample| writer.write_sample(sample));
    }
    let mut block = writer.get_i16_writer(samples.len() as u32);
    samples.for_each(|sample| block.write_sample(sample as i16));
    block.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::SampleFormat;

    #[test]
    fn what_was_written_is_read_in_blocks_of_any_size() {
        let folder = tempfile::tempdir().unwrap();
        for bits_per_sample in [16, 24] {
            let path = folder.path().join(format!("{bits_per_sample}.wav"));
            let spec = WavSpec { channels: 2, sample_rate: 48_000, bits_per_sample, sample_format: SampleFormat::Int };
            let most = (1 << (bits_per_sample - 1)) - 1;
            let samples: Vec<i32> = (-500..500).map(|n| n * (most / 500)).chain([most, -most - 1, -1, 0]).collect();
            let mut writer = WavWriter::create(&path, spec).unwrap();
            samples.chunks(300).for_each(|chunk| write_block(&mut writer, chunk.iter().copied()).unwrap());
            writer.finalize().unwrap();
            let mut reader = PcmReader::open(&path).unwrap();
            assert_eq!(reader.spec(), spec);
            let mut read = Vec::new();
            loop {
                let block = reader.block(7).unwrap();
                if block.is_empty() {
                    break;
                }
                read.extend_from_slice(block);
            }
            assert_eq!(read, samples);
        }
    }
}
