//! Determines where the samples end.
//!
//! Headers are often wrong about the length: the header on a pipe was written before the length was
//! known, a recorder lost power, or a length did not fit in 32 bits. So the stated lengths only
//! show where the samples may end; see the rules in the crate's documentation.

use crate::Notice;
use crate::container::{Container, RIFF_HEADER_BYTES, WAVE64_HEADER_BYTES, is_name};
use crate::lookahead::Lookahead;
use std::io::{self, Read};

/// Lengths that writers state if they do not know the length: SoX 0x7FFFF000,
/// others 0x7FFFFFFF, 0x80000000, 0xFFFFF000, or one of these minus the length of a header. If
/// there is less audio than such a length states, this is not reported.
const PLACEHOLDERS: [std::ops::RangeInclusive<u64>; 3] =
    [0x7FFF_0000..=0x8000_0000, 0xFFFF_0000..=0xFFFF_FFFF, 0x7FFF_FFFF_0000_0000..=u64::MAX];
/// Names of chunks that follow the samples in practice. Data that begins with one of these names is
/// a chunk, whatever its length.
const TRAILING_CHUNKS: [&[u8; 4]; 28] = [
    b"LIST", b"bext", b"iXML", b"axml", b"bxml", b"sxml", b"chna", b"cue ", b"smpl", b"inst", b"fact", b"JUNK",
    b"junk", b"FLLR", b"PAD ", b"PEAK", b"peak", b"levl", b"cart", b"id3 ", b"ID3 ", b"afsp", b"plst", b"acid",
    b"umid", b"ubxt", b"_PMX", b"data",
];
/// Tags of other formats that are appended to WAV files: ID3v2, ID3v1, APEv2.
const TAGS: [&[u8]; 3] = [b"ID3", b"TAG", b"APETAGEX"];
/// Maximum length of a chunk with an unknown name; data that states a greater length is taken for
/// samples. Four random bytes form a name once in 54 times, and a length up to this once in 256
/// times.
const LONGEST_UNKNOWN_CHUNK: u64 = 1 << 24;

/// The lengths of the samples that a header states.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stated {
    /// The stated lengths other than 0, ascending, in bytes.
    lengths: Vec<u64>,
    /// Whether the only stated length is 0.
    zero: bool,
}

impl Stated {
    /// Creates the set of lengths from the `ds64` chunk and the `data` chunk itself.
    pub(crate) fn new(lengths: [Option<u64>; 2]) -> Self {
        let zero = lengths.iter().flatten().any(|length| *length == 0);
        let mut lengths: Vec<u64> = lengths.into_iter().flatten().filter(|length| *length > 0).collect();
        lengths.sort_unstable();
        lengths.dedup();
        Self { zero: zero && lengths.is_empty(), lengths }
    }
}

/// The samples of a file, as bytes.
pub(crate) struct Body {
    container: Container,
    /// Where the samples begin in the file.
    start: u64,
    /// Number of bytes that have been read.
    done: u64,
    /// Lengths at which the samples may end, ascending, so the next one is first.
    ends: Vec<u64>,
    /// The longest length that the header states.
    stated: Option<u64>,
    /// Whether the samples end at the last of `ends` even if no chunk follows there.
    last_is_certain: bool,
    /// Whether there is less audio than `stated`, which has been reported.
    is_short: bool,
    over: bool,
}

impl Body {
    /// Creates the body. The next byte of `input` must be the first one of the samples.
    pub(crate) fn new<R: Read>(
        input: &mut Lookahead<R>,
        container: Container,
        stated: &Stated,
        notices: &mut Vec<Notice>,
    ) -> io::Result<Self> {
        let (start, remaining) = (input.position(), input.remaining());
        let longest = stated.lengths.last().copied();
        let fits = |length: &u64| remaining.is_none_or(|remaining| *length <= remaining);
        let mut ends: Vec<u64> = stated.lengths.iter().copied().filter(fits).collect();
        if let (Container::Riff, Some(remaining), Some(&shortest)) = (container, remaining, ends.first()) {
            ends.extend(wrapped(shortest, remaining));
            ends.sort_unstable();
            ends.dedup();
        }
        let is_short = longest.is_some_and(|length| !fits(&length));
        if let (true, Some(stated_bytes), Some(found_bytes)) = (is_short, longest, remaining)
            && !is_placeholder(stated_bytes)
        {
            notices.push(Notice::Truncated { stated_bytes, found_bytes });
        }
        let last_is_certain = remaining.is_some() && !is_short && !longest.is_some_and(is_placeholder);
        let mut body =
            Self { container, start, done: 0, ends, stated: longest, last_is_certain, is_short, over: false };
        body.begin(input, stated.zero, notices)?;
        Ok(body)
    }

    /// Determines whether there is any audio. A length of 0 means that there is none, or that the
    /// length was never written.
    fn begin<R: Read>(&mut self, input: &mut Lookahead<R>, zero: bool, notices: &mut Vec<Notice>) -> io::Result<()> {
        let (at, remaining, container) = (self.start, input.remaining(), self.container);
        let ahead = input.peek(if zero { container.header_bytes() } else { 1 })?;
        if ahead.is_empty() || (zero && is_chunk(container, ahead, remaining)) {
            self.over = true;
            notices.push(Notice::NoAudio { at, follows: ahead.first_chunk().copied() });
        } else if zero {
            notices.push(Notice::Unfinished { at });
        }
        Ok(())
    }

    /// Fills `out` with bytes of samples. Returns fewer bytes only at the end of the samples.
    pub(crate) fn read<R: Read>(
        &mut self,
        input: &mut Lookahead<R>,
        out: &mut [u8],
        notices: &mut Vec<Notice>,
    ) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() && !self.over {
            let wanted = out.len() - filled;
            let until_end = self.ends.first().map_or(u64::MAX, |end| end - self.done);
            let wanted = usize::try_from(until_end).map_or(wanted, |until_end| until_end.min(wanted));
            let count = input.read(&mut out[filled..filled + wanted])?;
            filled += count;
            self.done += count as u64;
            if count < wanted {
                self.end_of_input(notices);
            } else if self.ends.first() == Some(&self.done) {
                self.possible_end(input, notices)?;
            }
        }
        Ok(filled)
    }

    /// Handles the end of the file or pipe.
    fn end_of_input(&mut self, notices: &mut Vec<Notice>) {
        self.over = true;
        if let Some(stated_bytes) = self.stated
            && self.done < stated_bytes
            && !is_placeholder(stated_bytes)
            && !self.is_short
        {
            notices.push(Notice::Truncated { stated_bytes, found_bytes: self.done });
        }
    }

    /// Decides whether the samples end here, after as many bytes as one of the lengths states.
    fn possible_end<R: Read>(&mut self, input: &mut Lookahead<R>, notices: &mut Vec<Notice>) -> io::Result<()> {
        let length = self.ends.remove(0);
        let (at, remaining, container) = (input.position(), input.remaining(), self.container);
        let padding = container.padding(length) as usize;
        let ahead = input.peek(padding + container.header_bytes())?;
        let behind_padding = ahead.get(padding..).unwrap_or_default();
        let after = remaining.map(|remaining| remaining.saturating_sub(padding as u64));
        if ahead.len() < padding + container.header_bytes()
            || is_chunk(container, ahead, remaining)
            || is_chunk(container, behind_padding, after)
        {
            self.over = true;
        } else if self.ends.is_empty() && self.last_is_certain {
            self.over = true;
            notices.push(Notice::Trailing { at, bytes: remaining.unwrap_or_default() });
        } else if self.ends.is_empty() && !is_placeholder(length) && self.stated == Some(length) {
            notices.push(Notice::GoesOn { stated_bytes: length });
        }
        Ok(())
    }
}

/// Possible lengths if a writer has stored only the lower 32 bits.
fn wrapped(length: u64, remaining: u64) -> impl Iterator<Item = u64> {
    let most = if length < 1 << 32 { (remaining - length) >> 32 } else { 0 };
    // At most 64 GiB are considered: about two hours of 64 channels with 24 bits at 48 kHz.
    (1..=most.min(16)).map(move |times| length + (times << 32))
}

fn is_placeholder(length: u64) -> bool {
    PLACEHOLDERS.iter().any(|range| range.contains(&length))
}

/// Whether a chunk or a tag begins here. `remaining` is the number of bytes to the end of the file.
fn is_chunk(container: Container, ahead: &[u8], remaining: Option<u64>) -> bool {
    if container == Container::Wave64 {
        let Some(length) = ahead.get(16..WAVE64_HEADER_BYTES).and_then(|bytes| bytes.try_into().ok()) else {
            return false;
        };
        let length = u64::from_le_bytes(length);
        return length >= WAVE64_HEADER_BYTES as u64
            && length <= remaining.unwrap_or(u64::MAX).min(LONGEST_UNKNOWN_CHUNK);
    }
    if TAGS.iter().any(|tag| ahead.starts_with(tag)) {
        return true;
    }
    let (Some(name), Some(length)) = (ahead.first_chunk::<4>(), ahead.get(4..RIFF_HEADER_BYTES)) else { return false };
    if TRAILING_CHUNKS.contains(&name) {
        return true;
    }
    let length = length.try_into().map_or(u64::MAX, |bytes| u64::from(u32::from_le_bytes(bytes)));
    let most = remaining.map_or(u64::MAX, |remaining| remaining.saturating_sub(RIFF_HEADER_BYTES as u64));
    is_name(name) && length <= most.min(LONGEST_UNKNOWN_CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Extent;

    /// How many bytes of samples a body has, and what was found out.
    fn length(mut reader: impl Read, extent: Extent, stated: u64) -> (u64, Vec<Notice>) {
        let mut notices = Vec::new();
        let mut input = Lookahead::new(&mut reader, extent);
        let stated = Stated::new([None, Some(stated)]);
        let mut body = Body::new(&mut input, Container::Riff, &stated, &mut notices).unwrap();
        let (mut block, mut all) = (vec![0; 1 << 16], 0);
        loop {
            let count = body.read(&mut input, &mut block, &mut notices).unwrap();
            all += count as u64;
            if count < block.len() {
                return (all, notices);
            }
        }
    }

    fn noise(bytes: u64) -> impl Read {
        io::repeat(0x9A).take(bytes)
    }

    #[test]
    fn a_placeholder_is_no_end_even_where_there_is_more() {
        let bytes = 0x7FFF_F000 + 1001;
        for extent in [Extent::Unknown, Extent::Bytes(bytes)] {
            assert_eq!(length(noise(bytes), extent, 0x7FFF_F000), (bytes, vec![]), "{extent:?}");
        }
    }

    #[test]
    fn a_length_that_did_not_fit_into_32_bits_is_found() {
        let list = [&b"LIST\x88\x13\0\0"[..], &[0x7F; 5000]].concat();
        let bytes = (1 << 32) + 6000;
        let extent = Extent::Bytes(bytes + list.len() as u64);
        assert_eq!(length(noise(bytes).chain(&list[..]), extent, 6000), (bytes, vec![]));
    }
}
