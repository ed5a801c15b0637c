//! Reads the chunks up to the first sample.

use crate::body::Stated;
use crate::format::EXTENSIBLE_BYTES;
use crate::lookahead::Lookahead;
use crate::{Error, Format};
use std::io::Read;

/// Maximum number of chunks before the samples, which is more than any recorder writes. It limits
/// how much is read from an endless pipe.
const MAX_CHUNKS: usize = 1000;
/// The 32-bit length which means that the actual length is in `ds64`, or unknown.
const NOT_IN_32_BITS: u32 = u32::MAX;
/// Length of `ds64` before its table, and length of an entry in this table, bytes (EBU
/// Tech 3306, 3.5).
const DS64_BYTES: usize = 28;
const DS64_ENTRY_BYTES: usize = 12;
/// Maximum number of entries that are kept from the table, which states the lengths of chunks
/// beyond 4 GiB other than the samples.
const MAX_LONG_CHUNKS: usize = 16;

/// Wave64 names chunks by GUIDs: the GUID of the RIFF chunk, and the common ending of the others,
/// except LIST.
const WAVE64_RIFF: [u8; 16] = *b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\x00\x00";
const WAVE64_ENDING: [u8; 12] = *b"\xF3\xAC\xD3\x11\x8C\xD1\x00\xC0\x4F\x8E\xDB\x8A";
/// Length of a Wave64 chunk header (GUID and length), bytes. The stated length includes the header.
pub(crate) const WAVE64_HEADER_BYTES: usize = 24;
/// Length of a RIFF chunk header (name and length), bytes. The stated length does not include the
/// header.
pub(crate) const RIFF_HEADER_BYTES: usize = 8;

/// The kind of chunks in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// RIFF, RF64 and BW64.
    Riff,
    Wave64,
}

impl Container {
    /// Length of a chunk header, bytes.
    pub(crate) const fn header_bytes(self) -> usize {
        match self {
            Self::Riff => RIFF_HEADER_BYTES,
            Self::Wave64 => WAVE64_HEADER_BYTES,
        }
    }

    /// Number of padding bytes between a chunk of this length and the next chunk.
    pub(crate) const fn padding(self, bytes: u64) -> u64 {
        match self {
            Self::Riff => bytes % 2,
            Self::Wave64 => bytes.wrapping_neg() % 8,
        }
    }
}

/// The contents of a header, up to the first byte of the samples.
pub(crate) struct Header {
    pub(crate) container: Container,
    pub(crate) format: Format,
    pub(crate) stated: Stated,
}

impl Header {
    /// Reads the header, up to the first sample.
    pub(crate) fn read<R: Read>(input: &mut Lookahead<R>) -> Result<Self, Error> {
        let container = read_magic(input)?;
        let mut format = None;
        let mut long = LongLengths::default();
        for _ in 0..MAX_CHUNKS {
            let at = input.position();
            let chunk = Chunk::read(input, container)?;
            let bytes = long.of(&chunk);
            match &chunk.name {
                b"data" => {
                    let format = format.ok_or(Error::NoFormat { at })?;
                    return Ok(Self { container, format, stated: long.stated(&chunk) });
                }
                b"fmt " => {
                    let mut start = [0; EXTENSIBLE_BYTES];
                    let start = read_start(input, bytes, &mut start)?;
                    format = Some(Format::parse(start, at, bytes)?);
                }
                b"ds64" if container == Container::Riff => {
                    let mut start = [0; DS64_BYTES + MAX_LONG_CHUNKS * DS64_ENTRY_BYTES];
                    let start = read_start(input, bytes, &mut start)?;
                    long = LongLengths::parse(start);
                }
                _ => skip(input, bytes)?,
            }
            skip_padding(input, container, bytes)?;
        }
        Err(Error::TooManyChunks { chunks: MAX_CHUNKS, at: input.position() })
    }
}

/// Reads the first bytes of a file, and determines its container.
fn read_magic<R: Read>(input: &mut Lookahead<R>) -> Result<Container, Error> {
    let start = input.peek(16)?;
    if start == WAVE64_RIFF {
        skip(input, WAVE64_HEADER_BYTES as u64)?;
        let mut form = [0; 16];
        read_exact(input, &mut form)?;
        if &form[..4] == b"wave" && form[4..] == WAVE64_ENDING {
            return Ok(Container::Wave64);
        }
        return Err(Error::NotWav { found: "a Wave64 file without sound" });
    }
    if start.get(8..12) == Some(b"WAVE") && [b"RIFF", b"RF64", b"BW64"].iter().any(|id| start.starts_with(*id)) {
        skip(input, 12)?;
        return Ok(Container::Riff);
    }
    let found = match start {
        [] => "an empty file",
        [b'R', b'I', b'F', b'X', ..] => "RIFX (a big-endian WAV file)",
        [b'R', b'I', b'F', b'F', ..] => "RIFF without sound",
        [b'F', b'O', b'R', b'M', ..] => "AIFF",
        [b'f', b'L', b'a', b'C', ..] => "FLAC",
        [b'O', b'g', b'g', b'S', ..] => "Ogg",
        [b'c', b'a', b'f', b'f', ..] => "CAF",
        [b'.', b's', b'n', b'd', ..] => "AU",
        [b'I', b'D', b'3', ..] => "MP3",
        // A frame of MPEG audio begins with eleven bits set to one.
        [0xFF, next, ..] if *next >= 0xE0 => "MP3",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "MP4",
        _ => "another kind of file",
    };
    Err(Error::NotWav { found })
}

/// The header of a chunk.
struct Chunk {
    /// The RIFF name, or the beginning of a Wave64 GUID, which is the same.
    name: [u8; 4],
    /// Length of the chunk's content in bytes.
    bytes: u64,
}

impl Chunk {
    fn read<R: Read>(input: &mut Lookahead<R>, container: Container) -> Result<Self, Error> {
        let at = input.position();
        match container {
            Container::Riff => {
                let mut header = [0; RIFF_HEADER_BYTES];
                read_exact(input, &mut header)?;
                let [a, b, c, d, length @ ..] = header;
                let name = [a, b, c, d];
                if !is_name(&name) {
                    return Err(Error::NoChunk { at });
                }
                Ok(Self { name, bytes: u64::from(u32::from_le_bytes(length)) })
            }
            Container::Wave64 => {
                let mut header = [0; WAVE64_HEADER_BYTES];
                read_exact(input, &mut header)?;
                let mut length = [0; 8];
                length.copy_from_slice(&header[16..]);
                let length = u64::from_le_bytes(length);
                let known = header[4..16] == WAVE64_ENDING;
                let name = if known { [header[0], header[1], header[2], header[3]] } else { [0; 4] };
                // If the length of the samples is too small for the header, for example 0, the file
                // was never completed.
                match length.checked_sub(WAVE64_HEADER_BYTES as u64) {
                    Some(bytes) => Ok(Self { name, bytes }),
                    None if name == *b"data" => Ok(Self { name, bytes: 0 }),
                    None => Err(Error::NoChunk { at }),
                }
            }
        }
    }
}

/// Whether four bytes can be the name of a chunk, which consists of printable ASCII characters.
pub(crate) fn is_name(name: &[u8; 4]) -> bool {
    name.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// The 64-bit lengths in RF64 and BW64 files.
#[derive(Default)]
struct LongLengths {
    /// The length of the samples, if there is a `ds64` chunk.
    data: Option<u64>,
    others: Vec<([u8; 4], u64)>,
}

impl LongLengths {
    fn parse(chunk: &[u8]) -> Self {
        let long = |at: usize| {
            let bytes = chunk.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u64::from_le_bytes)
        };
        let table = chunk.get(DS64_BYTES..).unwrap_or_default().chunks_exact(DS64_ENTRY_BYTES);
        let entry = |entry: &[u8]| {
            let (name, length) = (entry.first_chunk::<4>()?, entry.last_chunk::<8>()?);
            Some((*name, u64::from_le_bytes(*length)))
        };
        Self { data: long(8), others: table.filter_map(entry).collect() }
    }

    /// The length of a chunk other than the samples.
    fn of(&self, chunk: &Chunk) -> u64 {
        let long = self.others.iter().find(|(name, _)| *name == chunk.name);
        match long {
            Some((_, bytes)) if chunk.bytes == u64::from(NOT_IN_32_BITS) => *bytes,
            _ => chunk.bytes,
        }
    }

    /// The lengths of the samples that the header states.
    fn stated(&self, data: &Chunk) -> Stated {
        Stated::new([self.data, Some(data.bytes).filter(|bytes| *bytes != u64::from(NOT_IN_32_BITS))])
    }
}

/// Reads the first bytes of a chunk's content, and skips the rest.
fn read_start<'a, R: Read>(input: &mut Lookahead<R>, bytes: u64, start: &'a mut [u8]) -> Result<&'a [u8], Error> {
    let kept = usize::try_from(bytes).map_or(start.len(), |bytes| bytes.min(start.len()));
    read_exact(input, &mut start[..kept])?;
    skip(input, bytes - kept as u64)?;
    Ok(&start[..kept])
}

fn read_exact<R: Read>(input: &mut Lookahead<R>, out: &mut [u8]) -> Result<(), Error> {
    if input.read(out)? == out.len() { Ok(()) } else { Err(Error::EndsInHeader { at: input.position() }) }
}

fn skip<R: Read>(input: &mut Lookahead<R>, bytes: u64) -> Result<(), Error> {
    if input.skip(bytes)? == bytes { Ok(()) } else { Err(Error::EndsInHeader { at: input.position() }) }
}

/// Skips the padding between a chunk and the next one. Some writers omit the byte that pads a RIFF
/// chunk to an even length.
fn skip_padding<R: Read>(input: &mut Lookahead<R>, container: Container, bytes: u64) -> Result<(), Error> {
    let padding = container.padding(bytes);
    let is_forgotten = container == Container::Riff && padding == 1 && is_pad_forgotten(input.peek(9)?);
    if is_forgotten { Ok(()) } else { skip(input, padding) }
}

/// Whether the next chunk follows a chunk of odd length without padding.
fn is_pad_forgotten(ahead: &[u8]) -> bool {
    let name_at = |at: usize| ahead.get(at..).and_then(|rest| rest.first_chunk::<4>());
    match (name_at(0), name_at(1)) {
        (_, Some(b"data" | b"fmt ")) => false,
        (Some(b"data" | b"fmt "), _) => true,
        // According to the specification, a pad byte is 0, and no name begins with 0.
        (Some(name), _) => is_name(name),
        (None, _) => false,
    }
}
