//! Completes files that their writer could not complete.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Offset of `nBlockAlign` in the `fmt ` chunk, and offset of the first chunk in the file, bytes.
const BLOCK_ALIGN: usize = 12;
const FIRST_CHUNK: u64 = 12;
/// Length of a chunk's name and length, bytes.
pub(crate) const CHUNK_HEADER: u64 = 8;

/// Completes a RIFF file that could not be written to its end, for example because the disk was
/// full: its header is changed to state the length of the whole frames in it, and anything after
/// them is cut off. Returns the number of frames. If the header itself did not fit, this is 0, and
/// the file is left unchanged.
///
/// # Errors
/// If the file cannot be read or changed.
pub fn complete(path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let Some((data, frame_bytes)) = find_data(&mut file, length)? else { return Ok(0) };
    let frames = (length - data) / u64::from(frame_bytes);
    let data_bytes = frames * u64::from(frame_bytes);
    file.set_len(data + data_bytes)?;
    for (at, bytes) in [(4, data + data_bytes - CHUNK_HEADER), (data - 4, data_bytes)] {
        file.seek(SeekFrom::Start(at))?;
        // RIFF cannot state a length of 4 GiB or more.
        file.write_all(&u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes())?;
    }
    Ok(frames)
}

/// Finds where the samples begin, and the length of a frame, bytes.
pub(crate) fn find_data(file: &mut File, length: u64) -> io::Result<Option<(u64, u16)>> {
    let (mut at, mut frame_bytes) = (FIRST_CHUNK, 0);
    while at + CHUNK_HEADER <= length {
        let mut header = [0; CHUNK_HEADER as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut header)?;
        let [a, b, c, d, bytes @ ..] = header;
        let bytes = u64::from(u32::from_le_bytes(bytes));
        at += CHUNK_HEADER;
        match &[a, b, c, d] {
            b"data" => return Ok((frame_bytes > 0).then_some((at, frame_bytes))),
            b"fmt " if at + bytes <= length && bytes as usize >= BLOCK_ALIGN + 2 => {
                let mut format = [0; BLOCK_ALIGN + 2];
                file.read_exact(&mut format)?;
                frame_bytes = u16::from_le_bytes([format[BLOCK_ALIGN], format[BLOCK_ALIGN + 1]]);
            }
            _ => {}
        }
        at += bytes + bytes % 2;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

    #[test]
    fn a_file_tells_the_whole_frames_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.wav");
        for (channels, bits_per_sample) in [(2, 24), (1, 16), (8, 24)] {
            let spec = WavSpec { channels, sample_rate: 48_000, bits_per_sample, sample_format: SampleFormat::Int };
            let mut writer = WavWriter::create(&path, spec).unwrap();
            (0..8 * 100).for_each(|n| writer.write_sample(n).unwrap());
            writer.finalize().unwrap();
            let whole = std::fs::metadata(&path).unwrap().len();
            let frame_bytes = u64::from(channels * bits_per_sample / 8);
            OpenOptions::new().write(true).open(&path).unwrap().set_len(whole - 5 * frame_bytes - 1).unwrap();
            let frames = 800 / u64::from(channels) - 6;
            assert_eq!(complete(&path).unwrap(), frames, "{spec:?}");
            let read = WavReader::open(&path).unwrap();
            assert_eq!(u64::from(read.duration()), frames, "{spec:?}");
            let samples: Vec<i32> = read.into_samples().map(|sample| sample.unwrap()).collect();
            assert!(samples.iter().copied().eq(0..samples.len() as i32), "{spec:?}");
            let riff = u32::from_le_bytes(std::fs::read(&path).unwrap()[4..8].try_into().unwrap());
            assert_eq!(u64::from(riff) + 8, std::fs::metadata(&path).unwrap().len());
        }
    }

    #[test]
    fn a_file_without_samples_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.wav");
        for bytes in [&b""[..], b"RIFF", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0", b"RIFF\0\0\0\0WAVEdata\0\0\0\0abc"] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(complete(&path).unwrap(), 0);
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }
}
