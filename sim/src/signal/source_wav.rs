//! Reads the programme from a WAV file.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use engine::SampleRate;
use wav::{Notice, Reader};

use super::error::{CHANNELS_MAX, SourceError};

/// Frames that are read at once.
const BLOCK_FRAMES: usize = 1 << 16;

/// Maximum number of samples of a file: 1 GiB, or 47 minutes of two channels at 48 kHz.
const MOST_SAMPLES: usize = 1 << 28;

/// The file, if it has the stream's format.
pub(super) fn open(
    path: &Path,
    sample_rate: SampleRate,
    channels: u16,
) -> Result<Reader<BufReader<File>>, SourceError> {
    let reader = Reader::open(path).map_err(|error| match error {
        wav::Error::Io(error) => unreadable(path, &error.to_string()),
        error => format_error(path, &format!("is not a WAV file that can be read ({error})")),
    })?;
    let format = reader.format();
    if format.sample_rate_hz != sample_rate.as_hz() {
        let (file_hz, stream_hz) = (format.sample_rate_hz, sample_rate.as_hz());
        return Err(SourceError::SampleRate { file: path.into(), file_hz, stream_hz });
    }
    if format.channels > CHANNELS_MAX || (format.channels != 1 && format.channels != channels) {
        let (file_channels, stream_channels) = (format.channels, channels);
        return Err(SourceError::Channels { file: path.into(), file_channels, stream_channels });
    }
    Ok(reader)
}

/// The file's samples, one plane per channel (one plane only if the file is mono), full scale ±1.
pub(super) fn read(path: &Path, sample_rate: SampleRate, channels: u16) -> Result<Vec<Vec<f32>>, SourceError> {
    let mut reader = open(path, sample_rate, channels)?;
    let format = reader.format();
    let mut samples = Vec::new();
    while reader.read(BLOCK_FRAMES, &mut samples).map_err(|e| unreadable(path, &e.to_string()))? > 0 {
        if samples.len() > MOST_SAMPLES {
            let reason = format!("has more than {MOST_SAMPLES} samples; a shorter loop is enough");
            return Err(format_error(path, &reason));
        }
    }
    if samples.is_empty() {
        return Err(SourceError::Empty { file: path.into() });
    }
    check(path, &reader.take_notices())?;
    let stride = usize::from(format.channels);
    Ok((0..stride).map(|c| samples.chunks_exact(stride).map(|frame| frame[c]).collect()).collect())
}

/// The reference of a listening test must be the whole file and nothing else. Samples beyond full
/// scale are clipped when the programme is quantised, as a talker would.
fn check(path: &Path, notices: &[Notice]) -> Result<(), SourceError> {
    for notice in notices {
        match notice {
            Notice::Truncated { .. } => return Err(unreadable(path, &notice.to_string())),
            Notice::NotFinite { first_frame, .. } => {
                return Err(format_error(path, &format!("frame {first_frame} is not a finite number")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn unreadable(path: &Path, reason: &str) -> SourceError {
    SourceError::Unreadable { file: path.into(), reason: reason.to_owned() }
}

fn format_error(path: &Path, reason: &str) -> SourceError {
    SourceError::Format { file: path.into(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::SourceSignal;
    use super::*;
    use hound::{SampleFormat, WavSpec, WavWriter};

    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
        WavSpec { channels, sample_rate, bits_per_sample, sample_format }
    }

    fn write_ints(path: &Path, spec: WavSpec, samples: &[i32]) {
        let mut writer = WavWriter::create(path, spec).unwrap();
        samples.iter().for_each(|&s| writer.write_sample(s).unwrap());
        writer.finalize().unwrap();
    }

    #[test]
    fn every_supported_format_reads_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        for bits in [8, 16, 24, 32] {
            let half = 1 << (bits - 2);
            write_ints(&path, spec(1, 48_000, bits, SampleFormat::Int), &[half, -half]);
            let source = SourceSignal::from_wav(&path, SampleRate::HZ_48000, 2).unwrap().quantised(24);
            let mut out = [0.0; 6];
            source.render(-1, &mut out);
            assert_eq!(out.map(f32::to_bits), [-0.5f32, -0.5, 0.5, 0.5, -0.5, -0.5].map(f32::to_bits), "{bits} bits");
        }
        // 24 valid bits in containers of 32, left-justified, as hound cannot write them.
        let format = [0xFFFE, 1, 48_000, 0, 0, 0, 4, 32, 22, 24, 4, 0, 1].map(u16::to_le_bytes).concat();
        let guid = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
        let samples = [0x4000_0000i32, -0x4000_0000].map(i32::to_le_bytes).concat();
        let chunks = [&b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0"[..], &format, &guid, b"data\x08\0\0\0", &samples];
        std::fs::write(&path, chunks.concat()).unwrap();
        let mut out = [0.0; 2];
        SourceSignal::from_wav(&path, SampleRate::HZ_48000, 1).unwrap().quantised(24).render(0, &mut out);
        assert_eq!(out.map(f32::to_bits), [0.5f32, -0.5].map(f32::to_bits));
        let mut writer = WavWriter::create(&path, spec(2, 48_000, 32, SampleFormat::Float)).unwrap();
        [0.5f32, -0.25].iter().for_each(|&s| writer.write_sample(s).unwrap());
        writer.finalize().unwrap();
        let mut out = [0.0; 4];
        SourceSignal::from_wav(&path, SampleRate::HZ_48000, 2).unwrap().render(0, &mut out);
        assert_eq!(out.map(f32::to_bits), [0.5f32, -0.25, 0.5, -0.25].map(f32::to_bits));
    }

    #[test]
    fn every_error_names_the_file_and_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let message = |channels| {
            let error = SourceSignal::from_wav(&path, SampleRate::HZ_48000, channels).unwrap_err().to_string();
            assert!(error.contains("a.wav"), "{error}");
            error
        };
        assert!(message(2).contains("existing"));
        std::fs::write(&path, b"this is text, not audio").unwrap();
        assert!(message(2).contains("is not a WAV"));
        std::fs::write(&path, b"RI").unwrap();
        assert!(message(2).contains("is not a WAV"));
        write_ints(&path, spec(2, 44_100, 16, SampleFormat::Int), &[0, 0]);
        let error = message(2);
        assert!(error.contains("44100") && error.contains("48000"), "{error}");
        write_ints(&path, spec(3, 48_000, 16, SampleFormat::Int), &[0, 0, 0]);
        let error = message(2);
        assert!(error.contains("3 channels") && error.contains("has 2"), "{error}");
        write_ints(&path, spec(2, 48_000, 16, SampleFormat::Int), &[0; 40]);
        let mut bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..100]).unwrap();
        assert!(message(2).contains("cut short: the header says 80 bytes of audio, and there are 56"));
        // nBlockAlign of 8 where 16 bits stereo are 4.
        bytes[32] = 8;
        std::fs::write(&path, &bytes).unwrap();
        assert!(message(2).contains("frames of 8 bytes, but 2 channels of 16 bits are 4"));
        write_ints(&path, spec(2, 48_000, 16, SampleFormat::Int), &[]);
        assert!(message(2).contains("at least one frame"));
    }
}
