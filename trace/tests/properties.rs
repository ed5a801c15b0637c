//! The property that the fuzz target searches for violations of, on what it found to reach code
//! that nothing shorter reaches.

#[path = "../../fuzz/replay.rs"]
mod replay;
#[path = "../../fuzz/trace_file.rs"]
mod trace_file;

#[test]
fn the_corpus_holds() {
    replay::replay(include_str!("../../fuzz/corpus/trace_file.hex"), trace_file::trace_file);
}
