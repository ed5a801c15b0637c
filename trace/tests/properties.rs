//! The property that the fuzz target searches for violations of, on what it found to reach code that
//! nothing shorter reaches.

#[path = "../../fuzz/trace_file.rs"]
mod trace_file;

#[test]
fn the_corpus_holds() {
    for (index, line) in include_str!("../../fuzz/corpus/trace_file.hex").lines().enumerate() {
        let byte = |at: usize| u8::from_str_radix(&line[at..at + 2], 16);
        let bytes: Result<Vec<u8>, _> = (0..line.len()).step_by(2).map(byte).collect();
        trace_file::trace_file(&bytes.unwrap_or_else(|error| panic!("line {}: {error}", index + 1)));
    }
}
