//! Cue points: labelled positions in a file, which players and editors display.

use crate::complete::{CHUNK_HEADER, find_data};
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A labelled position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// The frame, counted from 0.
    pub frame: u32,
    /// The text of the label.
    pub label: String,
}

/// Adds cue points after the samples of a complete RIFF file: a `cue ` chunk, and a list of labels.
/// The file is left unchanged if it has no samples, if other chunks follow the samples, if it would
/// exceed the 4 GiB of RIFF, or if `cues` is empty. Returns whether cue points were added.
///
/// ```no_run
/// let fault = wav::Cue { frame: 48_000, label: "crackle".to_owned() };
/// wav::add_cues("played.wav".as_ref(), &[fault])?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If the file cannot be read or changed.
pub fn add_cues(path: &Path, cues: &[Cue]) -> io::Result<bool> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let Some((data, _)) = find_data(&mut file, length)?.filter(|_| !cues.is_empty()) else { return Ok(false) };
    let mut bytes = [0; 4];
    file.seek(SeekFrom::Start(data - 4))?;
    file.read_exact(&mut bytes)?;
    let end = data + u64::from(u32::from_le_bytes(bytes));
    let padded = end + end % 2;
    let chunks = chunks(cues);
    let riff = u32::try_from(padded + chunks.len() as u64 - CHUNK_HEADER);
    let (Ok(riff), true) = (riff, length == end || length == padded) else { return Ok(false) };
    file.seek(SeekFrom::Start(end))?;
    // Samples with an odd length in bytes are followed by a pad byte.
    file.write_all(&[0; 1][..(padded - end) as usize])?;
    file.write_all(&chunks)?;
    // The length is written last, so that if the chunks do not fit on the disk, the file is read
    // without them.
    file.seek(SeekFrom::Start(4))?;
    file.write_all(&riff.to_le_bytes())?;
    Ok(true)
}

/// Creates the `cue ` chunk, and the `LIST` chunk of type `adtl` (IBM and Microsoft, 1991,
/// chapter 3).
fn chunks(cues: &[Cue]) -> Vec<u8> {
    let mut points = (cues.len() as u32).to_le_bytes().to_vec();
    let mut labels = b"adtl".to_vec();
    for (name, cue) in (1_u32..).zip(cues) {
        // A cue point consists of its name, its position in a play list, the name of the chunk, the
        // start of the chunk and of the block, which are both 0 for samples in one chunk, and the
        // frame.
        for number in [name, cue.frame] {
            points.extend(number.to_le_bytes());
        }
        points.extend(b"data");
        for number in [0, 0, cue.frame] {
            points.extend(number.to_le_bytes());
        }
        let mut label = name.to_le_bytes().to_vec();
        label.extend(cue.label.bytes().filter(|&byte| byte != 0));
        label.push(0);
        labels.extend(chunk(b"labl", &label));
    }
    [chunk(b"cue ", &points), chunk(b"LIST", &labels)].concat()
}

fn chunk(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
    let mut chunk = name.to_vec();
    chunk.extend((contents.len() as u32).to_le_bytes());
    chunk.extend(contents);
    chunk.resize(chunk.len() + contents.len() % 2, 0);
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

    fn file(folder: &Path, bits_per_sample: u16, samples: i32) -> std::path::PathBuf {
        let path = folder.join("played.wav");
        let spec = WavSpec { channels: 1, sample_rate: 48_000, bits_per_sample, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        (0..samples).for_each(|n| writer.write_sample(n).unwrap());
        writer.finalize().unwrap();
        path
    }

    /// The chunks of a file by name.
    fn chunks_of(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        assert_eq!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize + 8, bytes.len());
        let (mut at, mut all) = (12, Vec::new());
        while at < bytes.len() {
            let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            let name = String::from_utf8(bytes[at..at + 4].to_vec()).unwrap();
            all.push((name, bytes[at + 8..at + 8 + length].to_vec()));
            at += 8 + length + length % 2;
        }
        all
    }

    #[test]
    fn cue_points_are_after_the_samples_which_stay() {
        let folder = tempfile::tempdir().unwrap();
        let cue = |frame, label: &str| Cue { frame, label: label.to_owned() };
        // 33 frames of 24 bits have an odd length.
        for (bits, samples) in [(16, 100), (24, 33)] {
            let path = file(folder.path(), bits, samples);
            assert!(add_cues(&path, &[cue(7, "crackle"), cue(12, "grandmaster lost")]).unwrap());
            let read: Vec<i32> = WavReader::open(&path).unwrap().into_samples().map(|sample| sample.unwrap()).collect();
            assert!(read.iter().copied().eq(0..samples), "{bits}");
            let bytes = std::fs::read(&path).unwrap();
            let chunks = chunks_of(&bytes);
            let of = |name: &str| &chunks.iter().find(|(other, _)| other == name).unwrap().1;
            assert_eq!(of("cue ").len(), 4 + 2 * 24);
            assert_eq!(of("cue ")[48..52], 12_u32.to_le_bytes());
            assert!(of("LIST").windows(16).any(|label| label == b"grandmaster lost"));
            // Not twice.
            assert!(!add_cues(&path, &[cue(7, "crackle")]).unwrap());
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn a_file_for_no_cue_points_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), 16, 10);
        let before = std::fs::read(&path).unwrap();
        assert!(!add_cues(&path, &[]).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
