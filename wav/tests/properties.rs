//! The property that the fuzz target searches for violations of, tried on some inputs on every test
//! run: random bytes, and files with any header fields.

#[path = "../../fuzz/replay.rs"]
mod replay;
#[path = "../../fuzz/wav_file.rs"]
mod wav_file;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Names of chunks that mean something, and some that do not.
const NAMES: [&[u8; 4]; 8] = [b"fmt ", b"data", b"ds64", b"LIST", b"JUNK", b"id3 ", b"none", b"\0\x01\x02\x03"];
/// Lengths at the edges.
const LENGTHS: [u32; 8] = [0, 1, 17, 28, 40, 0x7FFF_F000, u32::MAX - 1, u32::MAX];

prop_compose! {
    /// A chunk, whose length may be wrong.
    fn chunk()(
        name in select(&NAMES[..]),
        content in vec(any::<u8>(), 0..60),
        stated in prop::option::of(select(&LENGTHS[..])),
    ) -> Vec<u8> {
        let length = stated.unwrap_or(content.len() as u32);
        [&name[..], &length.to_le_bytes(), &content].concat()
    }
}

prop_compose! {
    /// A format that is right, or nearly.
    fn format()(
        tag in select(&[1u16, 3, 0xFFFE, 0x55][..]),
        channels in select(&[0u16, 1, 2, 3, 64, 1024, 1025, u16::MAX][..]),
        bits in select(&[0u16, 7, 8, 16, 20, 24, 32, 64, u16::MAX][..]),
        valid in 0u16..70,
        align_error in select(&[0u16, 0, 0, 1, 2][..]),
        length in select(&[16usize, 18, 20, 40, 40, 60][..]),
    ) -> Vec<u8> {
        let align = (bits / 8).wrapping_mul(channels).wrapping_add(align_error);
        let mut content = [tag, channels, 48_000, 0, 0, 0, align, bits, 22, valid, 3, 0, 1].map(u16::to_le_bytes).concat();
        content.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        content.resize(length, 0);
        [&b"fmt "[..], &(length as u32).to_le_bytes(), &content].concat()
    }
}

prop_compose! {
    /// A file with some chunks, of which a few bytes were changed.
    fn file()(
        id in select(&[b"RIFF", b"RF64", b"BW64"][..]),
        before in vec(chunk(), 0..3),
        format in format(),
        after in vec(chunk(), 0..4),
        changes in vec((any::<Index>(), any::<u8>()), 0..3),
        rest in vec(any::<u8>(), 0..3000),
    ) -> Vec<u8> {
        let header = [&id[..], &[0; 4], b"WAVE"].concat();
        let mut bytes = [header, before.concat(), format, after.concat(), rest].concat();
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..400)) {
        wav_file::wav_file(&bytes);
    }

    #[test]
    fn any_file(bytes in file()) {
        wav_file::wav_file(&bytes);
    }
}

/// What searching found to reach code that nothing shorter reaches.
#[test]
fn the_corpus_holds() {
    replay::replay(include_str!("../../fuzz/corpus/wav_file.hex"), wav_file::wav_file);
}
