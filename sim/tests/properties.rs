//! The property that the fuzz target searches for violations of, on what it found to reach code
//! that nothing shorter reaches.

#[path = "../../fuzz/replay.rs"]
mod replay;
#[path = "../../fuzz/scenario_file.rs"]
mod scenario_file;

#[test]
fn the_corpus_holds() {
    replay::replay(include_str!("../../fuzz/corpus/scenario_file.hex"), scenario_file::scenario_file);
}
