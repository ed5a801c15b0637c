//! Decodes FLAC and MP3 files.
//!
//! FLAC is decoded by flac-codec and MP3 by nanomp3 (a port of minimp3). Both are maintained,
//! licensed under MIT or Apache-2.0, free of unsafe code, and able to read a stream. Symphonia
//! supports both formats, but is licensed under the MPL, which `deny.toml` does not allow; claxon
//! has had no release since 2020.

use super::Layout;
use flac_codec::decode::{FlacSampleReader, Metadata};
use std::fs::File;
use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Maximum number of samples that are decoded at a time.
const BLOCK_SAMPLES: usize = 4096;

/// The kind of a file, recognised by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flac,
    Mp3,
}

impl Kind {
    /// Recognises the kind; `None` for other files, which the WAV reader reads or refuses with an
    /// explanation.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [b'f', b'L', b'a', b'C', ..] => Some(Self::Flac),
            [b'I', b'D', b'3', ..] => Some(Self::Mp3),
            // A frame header (ISO 11172-3, 2.4.1.3): eleven bits set to one, and layer III.
            [0xFF, second, ..] if second & 0xE6 == 0xE2 => Some(Self::Mp3),
            _ => None,
        }
    }
}

/// A running decoder.
pub(super) enum Decoder {
    Flac {
        reader: Box<FlacSampleReader<Box<dyn Read + Send>>>,
        block: Vec<i32>,
        /// Full scale, in steps.
        scale: f32,
    },
    Mp3(Box<nanomp3::Reader<BufReader<File>>>),
}

impl Decoder {
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub(super) fn flac(reader: Box<dyn Read + Send>) -> Result<(Self, Layout), String> {
        let reader =
            FlacSampleReader::new(reader).map_err(|error| format!("this FLAC file cannot be read: {error}"))?;
        let layout = Layout { channels: u16::from(reader.channel_count()), sample_rate_hz: reader.sample_rate() };
        if layout.channels == 0 || layout.sample_rate_hz == 0 {
            let Layout { channels, sample_rate_hz } = layout;
            return Err(format!(
                "this FLAC file says {channels} channels at {sample_rate_hz} Hz: both must be above 0"
            ));
        }
        // The format allows at most 32 bits.
        let scale = (1u64 << (reader.bits_per_sample().clamp(1, 32) - 1)) as f32;
        Ok((Self::Flac { reader: Box::new(reader), block: vec![0; BLOCK_SAMPLES], scale }, layout))
    }

    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub(super) fn mp3(file: BufReader<File>) -> Result<(Self, Layout), String> {
        let options = nanomp3::Options::default().skip_scan(true);
        let reader = nanomp3::Reader::with_options(file, options);
        let reader = reader.map_err(|error| format!("this MP3 file cannot be read: {error}"))?;
        let Some(channels) = reader.channels() else {
            return Err("there is no MPEG audio in this MP3 file; at least one frame is needed".to_owned());
        };
        let channels = match channels {
            nanomp3::Channels::Mono => 1,
            nanomp3::Channels::Stereo => 2,
        };
        let layout = Layout { channels, sample_rate_hz: reader.sample_rate() };
        Ok((Self::Mp3(Box::new(reader)), layout))
    }

    /// Appends at most this many samples to `out`. Returns the number of samples; 0 at the end.
    ///
    /// # Errors
    /// A sentence with the error of the disk or the decoder.
    pub(super) fn read(&mut self, samples: usize, out: &mut Vec<f32>) -> Result<usize, String> {
        // If a damaged file makes the decoder panic, only this file ends, and the stream continues.
        let decoded = catch_unwind(AssertUnwindSafe(|| self.decode(samples, out)));
        decoded.unwrap_or_else(|_| Err("the file is damaged".to_owned()))
    }

    fn decode(&mut self, samples: usize, out: &mut Vec<f32>) -> Result<usize, String> {
        match self {
            Self::Flac { reader, block, scale } => {
                let wanted = samples.min(block.len());
                let count = reader.read(&mut block[..wanted]).map_err(|error| error.to_string())?;
                out.extend(block[..count].iter().map(|&sample| sample as f32 / *scale));
                Ok(count)
            }
            Self::Mp3(reader) => {
                let begin = out.len();
                out.resize(begin + samples, 0.0);
                let count = reader.read(&mut out[begin..]);
                out.truncate(begin + count.as_ref().copied().unwrap_or(0));
                count.map_err(|error| error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::audio::Audio;
    use std::path::Path;

    /// A tone of 1 kHz, the right channel at half the left one's level and inverted, as FFmpeg
    /// writes it.
    fn read(name: &str) -> Vec<f32> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio").join(name);
        let mut audio = Audio::open(&path).unwrap();
        assert_eq!((audio.layout().channels, audio.layout().sample_rate_hz), (2, 48_000));
        let mut samples = Vec::new();
        while audio.read(1000, &mut samples).unwrap() > 0 {}
        samples
    }

    /// Level and frequency of what `read` returns, away from its ends.
    fn check(samples: &[f32], tolerance: f64) {
        let frames = samples.as_chunks::<2>().0;
        let middle = &frames[480..frames.len() - 480];
        let middle = &middle[..middle.len() / 48 * 48];
        let power: f64 = middle.iter().map(|[left, _]| f64::from(*left).powi(2)).sum();
        let level = (2.0 * power / middle.len() as f64).sqrt();
        // FFmpeg's sine is of -18 dBFS; it was raised by 6 dB.
        assert!((level - 0.25).abs() < tolerance, "{level}");
        assert!(middle.iter().all(|[left, right]| f64::from(left + 2.0 * right).abs() < tolerance));
        let rising = middle.windows(2).filter(|pair| pair[0][0] < 0.0 && pair[1][0] >= 0.0).count();
        assert!(rising.abs_diff(middle.len() / 48) <= 1, "{rising} periods in {}", middle.len());
    }

    #[test]
    fn flac_is_read_to_the_last_frame() {
        let samples = read("tone.flac");
        assert_eq!(samples.len(), 2 * 2400);
        check(&samples, 1e-3);
    }

    #[test]
    fn mp3_is_read_without_what_the_encoder_has_added() {
        let samples = read("tone.mp3");
        assert_eq!(samples.len(), 2 * 12_000);
        check(&samples, 0.02);
    }

    #[test]
    fn damaged_files_end_or_are_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tone.flac", "tone.mp3"] {
            let whole = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio").join(name)).unwrap();
            for seed in 0..300usize {
                let mut bytes = whole.clone();
                for change in 0..1 + seed % 4 {
                    let at = (seed * 7919 + change * 104_729) % bytes.len();
                    bytes[at] ^= 1 << (seed % 8);
                }
                bytes.truncate(if seed % 3 == 0 { seed * bytes.len() / 300 } else { bytes.len() });
                let path = folder.path().join(name);
                std::fs::write(&path, &bytes).unwrap();
                match Audio::open(&path) {
                    Err(reason) => assert!(reason.contains(name), "{reason}"),
                    Ok(mut audio) => {
                        let mut samples = Vec::new();
                        while audio.read(1000, &mut samples).is_ok_and(|frames| frames > 0) {
                            assert!(samples.len() < 1_000_000, "{name}, seed {seed}: samples without end");
                        }
                    }
                }
            }
        }
    }
}
