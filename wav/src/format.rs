//! Parses the `fmt ` chunk, which states how samples are stored.

use crate::Error;

/// Maximum number of channels in a file: sixteen times as many as an AES67 stream can carry. This
/// limits the memory for a frame.
pub const MAX_CHANNELS: u16 = 1024;

/// Length of a `fmt ` chunk, bytes: PCMWAVEFORMAT, and WAVEFORMATEXTENSIBLE.
const PLAIN_BYTES: usize = 16;
pub(crate) const EXTENSIBLE_BYTES: usize = 40;

/// `WAVE_FORMAT_*` (mmreg.h).
const PCM: u16 = 0x0001;
const FLOAT: u16 = 0x0003;
const EXTENSIBLE: u16 = 0xFFFE;

/// Subformats without their first word: `KSDATAFORMAT_SUBTYPE_*` (ksmedia.h), and the corresponding
/// GUID in ambisonic files.
const SUBFORMATS: [[u8; 14]; 2] = [
    [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71],
    [0, 0, 0x21, 0x07, 0xD3, 0x11, 0x86, 0x44, 0xC8, 0xC1, 0xCA, 0, 0, 0],
];

/// How one sample is stored: little-endian, full scale at ±1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 8 bits, offset binary: 128 is silence.
    U8,
    /// 16 bits, two's complement, like the longer integers.
    S16,
    /// 24 bits in 3 bytes.
    S24,
    /// 32 bits.
    S32,
    /// IEEE 754, 32 bits.
    F32,
    /// IEEE 754, 64 bits.
    F64,
}

impl Encoding {
    /// Length of a sample in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::S16 => 2,
            Self::S24 => 3,
            Self::S32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Decodes whole samples and appends them to `out`. Integers up to 24 bits are exact; longer
    /// ones and 64-bit floats are rounded to the nearest `f32`.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::U8 => out.extend(bytes.iter().map(|&byte| (f32::from(byte) - 128.0) / 128.0)),
            Self::S16 => extend(bytes, out, |sample| f32::from(i16::from_le_bytes(sample)) / 32_768.0),
            Self::S24 => extend(bytes, out, |[a, b, c]| (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0),
            Self::S32 => extend(bytes, out, |sample| i32::from_le_bytes(sample) as f32 / 2_147_483_648.0),
            Self::F32 => extend(bytes, out, f32::from_le_bytes),
            Self::F64 => extend(bytes, out, |sample| narrow(f64::from_le_bytes(sample))),
        }
    }
}

fn extend<const BYTES: usize>(bytes: &[u8], out: &mut Vec<f32>, decode: impl Fn([u8; BYTES]) -> f32) {
    out.extend(bytes.as_chunks().0.iter().map(|sample| decode(*sample)));
}

/// Converts a sample to `f32`, so that finite numbers stay finite.
fn narrow(sample: f64) -> f32 {
    if sample.is_finite() { sample.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32 } else { sample as f32 }
}

/// The format of the samples in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// How the samples are stored.
    pub encoding: Encoding,
    /// Number of significant bits of a sample. The unused bits of the container are below them.
    pub valid_bits: u16,
    /// Channels, 1 to [`MAX_CHANNELS`].
    pub channels: u16,
    /// Frames per second, not 0.
    pub sample_rate_hz: u32,
}

impl Format {
    /// Creates a format with samples that fill their container.
    #[must_use]
    pub const fn new(encoding: Encoding, channels: u16, sample_rate_hz: u32) -> Self {
        Self { encoding, valid_bits: 8 * encoding.bytes() as u16, channels, sample_rate_hz }
    }

    /// Length of a frame in bytes.
    #[must_use]
    pub const fn frame_bytes(self) -> usize {
        self.encoding.bytes() * self.channels as usize
    }

    /// Parses a `fmt ` chunk, given its first [`EXTENSIBLE_BYTES`]. The chunk is at byte `at` and
    /// is `bytes` long.
    pub(crate) fn parse(chunk: &[u8], at: u64, bytes: u64) -> Result<Self, Error> {
        let word = |at: usize| chunk.get(at..at + 2).map_or(0, |word| u16::from_le_bytes([word[0], word[1]]));
        let too_short = |needed| Error::FormatTooShort { at, bytes, needed };
        if chunk.len() < PLAIN_BYTES {
            return Err(too_short(PLAIN_BYTES));
        }
        let (mut tag, channels, block_align, bits) = (word(0), word(2), word(12), word(14));
        let sample_rate_hz = u32::from(word(4)) | u32::from(word(6)) << 16;
        let mut valid_bits = bits;
        if tag == EXTENSIBLE {
            let subformat = chunk.get(24..EXTENSIBLE_BYTES).ok_or_else(|| too_short(EXTENSIBLE_BYTES))?;
            (tag, valid_bits) = (word(24), word(18));
            if !SUBFORMATS.iter().any(|known| subformat[2..] == known[..]) {
                return Err(Error::Codec { at, tag, codec: "of a subformat that is not known" });
            }
        }
        if channels == 0 || channels > MAX_CHANNELS || sample_rate_hz == 0 {
            return Err(Error::Layout { at, channels, sample_rate_hz });
        }
        let encoding = match (tag, bits) {
            (PCM, 8) => Encoding::U8,
            (PCM, 9..=16) => Encoding::S16,
            (PCM, 17..=24) => Encoding::S24,
            (PCM, 25..=32) => Encoding::S32,
            (FLOAT, 32) => Encoding::F32,
            (FLOAT, 64) => Encoding::F64,
            (PCM | FLOAT, _) => return Err(Error::Bits { at, bits }),
            _ => return Err(Error::Codec { at, tag, codec: codec_name(tag) }),
        };
        // Some writers leave this field at 0, which has no meaning.
        valid_bits = if tag == FLOAT || valid_bits == 0 { bits } else { valid_bits };
        if valid_bits > bits {
            return Err(Error::ValidBits { at, valid: valid_bits, bits });
        }
        let right = encoding.bytes() * usize::from(channels);
        if usize::from(block_align) != right {
            return Err(Error::BlockAlign { at, block_align, channels, bits, right });
        }
        Ok(Self { encoding, valid_bits, channels, sample_rate_hz })
    }
}

/// Names of other format tags (mmreg.h) that occur in WAV files.
const fn codec_name(tag: u16) -> &'static str {
    match tag {
        0x0002 => "Microsoft ADPCM",
        0x0006 => "A-law",
        0x0007 => "mu-law",
        0x0011 => "IMA ADPCM",
        0x0031 => "GSM 6.10",
        0x0050 => "MPEG layer 1 or 2",
        0x0055 => "MP3",
        0x0092 => "AC-3 over S/PDIF",
        0x00FF | 0x1600 | 0x1610 => "AAC",
        0x0161..=0x0163 => "Windows Media Audio",
        0xF1AC => "FLAC",
        _ => "of a codec that is not known",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(tag: u16, channels: u16, block_align: u16, bits: u16) -> Vec<u8> {
        let mut chunk = [tag, channels, 48_000, 0, 0, 0, block_align, bits].map(u16::to_le_bytes).concat();
        chunk[4..8].copy_from_slice(&48_000u32.to_le_bytes());
        chunk
    }

    fn extensible(tag: u16, block_align: u16, bits: u16, valid: u16) -> Vec<u8> {
        let mut chunk = plain(EXTENSIBLE, 2, block_align, bits);
        chunk.extend([22, valid, 3, 0, tag].map(u16::to_le_bytes).concat());
        chunk.extend(SUBFORMATS[0]);
        chunk
    }

    fn parse(chunk: &[u8]) -> Result<Format, String> {
        Format::parse(chunk, 12, chunk.len() as u64).map_err(|error| error.to_string())
    }

    #[test]
    fn containers_follow_the_bits_and_valid_bits_do_not_matter() {
        use Encoding::{F32, F64, S16, S24, S32, U8};
        for (bits, block_align, encoding) in
            [(8, 2, U8), (12, 4, S16), (16, 4, S16), (20, 6, S24), (24, 6, S24), (32, 8, S32)]
        {
            let format = parse(&plain(PCM, 2, block_align, bits)).unwrap();
            assert_eq!((format.encoding, format.valid_bits), (encoding, bits));
        }
        assert_eq!(parse(&plain(FLOAT, 2, 8, 32)).unwrap().encoding, F32);
        assert_eq!(parse(&plain(FLOAT, 2, 16, 64)).unwrap().encoding, F64);
        for (chunk, encoding, valid) in [
            (extensible(PCM, 8, 32, 24), S32, 24),
            (extensible(PCM, 8, 32, 0), S32, 32),
            (extensible(PCM, 6, 24, 20), S24, 20),
            (extensible(FLOAT, 8, 32, 0), F32, 32),
        ] {
            let format = parse(&chunk).unwrap();
            assert_eq!((format.encoding, format.valid_bits), (encoding, valid));
        }
    }

    #[test]
    fn what_cannot_be_right_is_refused_with_its_place_and_the_remedy() {
        for (chunk, said) in [
            (plain(PCM, 2, 8, 24), "says frames of 8 bytes, but 2 channels of 24 bits are 6 bytes"),
            (extensible(PCM, 8, 24, 24), "frames of 8 bytes, but 2 channels of 24 bits are 6"),
            (plain(PCM, 2, 0, 16), "frames of 0 bytes"),
            (plain(PCM, 2, 12, 48), "48 bits a sample: 8 to 32 bits PCM"),
            (plain(FLOAT, 2, 4, 16), "16 bits a sample"),
            (plain(0x55, 2, 4, 16), "the samples are MP3 (format tag 0x0055): PCM (1) or float (3) is needed"),
            (extensible(0x92, 4, 16, 16), "AC-3"),
            (extensible(PCM, 4, 16, 24), "24 valid bits in samples of 16"),
            (extensible(PCM, 4, 16, 16)[..38].to_vec(), "has 38 bytes: 40 are needed"),
            (plain(PCM, 2, 4, 16)[..14].to_vec(), "has 14 bytes: 16 are needed"),
            (plain(PCM, 0, 0, 16), "0 channels at 48000 Hz"),
            (plain(PCM, 1025, 2050, 16), "1025 channels"),
        ] {
            let error = parse(&chunk).unwrap_err();
            assert!(error.contains(said) && error.starts_with("the `fmt ` chunk at byte 12 "), "{error}");
        }
    }

    #[test]
    fn samples_are_exact_up_to_24_bits_and_finite_numbers_stay_finite() {
        let decode = |encoding: Encoding, bytes: &[u8]| {
            let mut out = Vec::new();
            encoding.decode(bytes, &mut out);
            out
        };
        for value in [0, 1, -1, 8_388_607, -8_388_608, 123_456] {
            let sample = decode(Encoding::S24, &i32::to_le_bytes(value)[..3])[0];
            assert_eq!((sample * 8_388_608.0) as i32, value);
        }
        assert_eq!(decode(Encoding::U8, &[0, 128, 192]), [-1.0, 0.0, 0.5]);
        let [huge, nan] = decode(Encoding::F64, &[1e300, f64::NAN].map(f64::to_le_bytes).concat())[..] else {
            panic!()
        };
        assert!(huge.is_finite() && nan.is_nan());
    }
}
