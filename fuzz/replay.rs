//! Replaying a corpus: a file of one input a line, in hexadecimal digits, as
//! `cargo xtask fuzz --keep` writes it.

/// Tries a property with each input of a corpus.
pub(crate) fn replay(corpus: &str, property: fn(&[u8])) {
    for (index, line) in corpus.lines().enumerate() {
        let byte = |at: usize| u8::from_str_radix(&line[at..at + 2], 16);
        let bytes: Result<Vec<u8>, _> = (0..line.len()).step_by(2).map(byte).collect();
        property(&bytes.unwrap_or_else(|error| panic!("line {}: {error}", index + 1)));
    }
}
