//! Reads the programme from a WAV file.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use engine::SampleRate;
use hound::{SampleFormat, WavReader};

use super::source::{CHANNELS_MAX, SourceError};

/// The file's samples, one plane per channel (one plane only if the file is mono), full scale ±1.
pub(super) fn read(path: &Path, sample_rate: SampleRate, channels: u16) -> Result<Vec<Vec<f32>>, SourceError> {
    let file = File::open(path).map_err(|e| unreadable(path, &e.to_string()))?;
    let reader = WavReader::new(BufReader::new(file))
        .map_err(|e| format_error(path, &format!("is not a WAV file that can be read ({e})")))?;
    let spec = reader.spec();
    if spec.sample_rate != sample_rate.as_hz() {
        let (file_hz, stream_hz) = (spec.sample_rate, sample_rate.as_hz());
        return Err(SourceError::SampleRate { file: path.into(), file_hz, stream_hz });
    }
    if spec.channels == 0 || spec.channels > CHANNELS_MAX || (spec.channels != 1 && spec.channels != channels) {
        let (file_channels, stream_channels) = (spec.channels, channels);
        return Err(SourceError::Channels { file: path.into(), file_channels, stream_channels });
    }
    let samples = samples(path, reader)?;
    let stride = usize::from(spec.channels);
    if samples.len() < stride {
        return Err(SourceError::Empty { file: path.into() });
    }
    Ok((0..stride).map(|c| samples.chunks_exact(stride).map(|frame| frame[c]).collect()).collect())
}

fn samples(path: &Path, reader: WavReader<BufReader<File>>) -> Result<Vec<f32>, SourceError> {
    let spec = reader.spec();
    let samples = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Float, 32) => reader.into_samples::<f32>().collect::<Result<Vec<_>, _>>(),
        (SampleFormat::Int, bits @ (16 | 24 | 32)) => {
            let full_scale = (1i64 << (bits - 1)) as f64;
            reader.into_samples::<i32>().map(|s| s.map(|s| (f64::from(s) / full_scale) as f32)).collect()
        }
        (format, bits) => return Err(format_error(path, &format!("has {bits}-bit {format:?} samples"))),
    }
    .map_err(|e| unreadable(path, &e.to_string()))?;
    match samples.iter().position(|s| !s.is_finite()) {
        Some(at) => Err(format_error(path, &format!("sample {at} is not a finite number"))),
        None => Ok(samples),
    }
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
    use hound::{WavSpec, WavWriter};

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
        for bits in [16, 24, 32] {
            let half = 1 << (bits - 2);
            write_ints(&path, spec(1, 48_000, bits, SampleFormat::Int), &[half, -half]);
            let source = SourceSignal::from_wav(&path, SampleRate::HZ_48000, 2).unwrap().quantised(24);
            let mut out = [0.0; 6];
            source.render(-1, &mut out);
            assert_eq!(out.map(f32::to_bits), [-0.5f32, -0.5, 0.5, 0.5, -0.5, -0.5].map(f32::to_bits), "{bits} bits");
        }
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
        write_ints(&path, spec(2, 48_000, 8, SampleFormat::Int), &[0, 0]);
        assert!(message(2).contains("8-bit"));
        write_ints(&path, spec(2, 48_000, 16, SampleFormat::Int), &[]);
        assert!(message(2).contains("at least one frame"));
    }
}
