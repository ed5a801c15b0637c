//! What each target searches in: a parser or a state machine.

use super::{Error, files};
use std::path::{Path, PathBuf};

/// Where each target has a file.
pub(super) const FOLDER: &str = "fuzz/fuzz_targets";

/// Inputs that each kind is to have had before it counts as searched. Judgement: where a search of
/// some minutes to an hour stops reaching new code.
const ENOUGH_FOR_PARSER: u64 = 5_000_000;
const ENOUGH_FOR_MACHINE: u64 = 1_000_000;

/// Targets whose inputs are what a parser reads, and where that parser is. The inputs of the other
/// targets are scripts of what happens to a state machine.
const PARSERS: [(&str, &[&str]); 11] = [
    ("bass_url", &["bass-plugin/src/url.rs"]),
    ("livewire_datagram", &["engine/src/announce/livewire.rs"]),
    ("ptp_message", &["engine/src/ptp/wire/"]),
    ("rtp_packet", &["engine/src/rtp/wire.rs"]),
    ("sa_file", &["engine/src/ptp/authentication/sa_file.rs"]),
    ("sap_packet", &["engine/src/announce/sap/wire.rs"]),
    ("scenario_file", &["sim/src/scenario/"]),
    ("sdp_text", &["engine/src/announce/sdp/"]),
    ("send_config", &["tools/aes67/src/send/plan.rs", "tools/aes67/src/send/locate.rs"]),
    ("trace_file", &["trace/src/"]),
    ("wav_file", &["wav/src/"]),
];

/// A folder of files that are right, from which a target's search begins besides its corpus.
const EXAMPLES: [(&str, &str); 2] =
    [("scenario_file", "scenarios"), ("sdp_text", "engine/src/announce/sdp/tests/cases")];

/// The names of all targets.
pub(super) fn all() -> Result<Vec<String>, Error> {
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut targets: Vec<String> = files::list(Path::new(FOLDER))?.iter().filter_map(stem).collect();
    targets.sort();
    Ok(targets)
}

/// Whether a target searches in a parser.
pub(super) fn is_parser(target: &str) -> bool {
    !parser(target).is_empty()
}

/// The files and folders of a target's parser; empty for a state machine.
pub(super) fn parser(target: &str) -> &'static [&'static str] {
    PARSERS.iter().find(|(name, _)| *name == target).map_or(&[], |(_, files)| files)
}

/// Files that are right, from which a target's search begins besides its corpus.
pub(super) fn examples(target: &str) -> Result<Vec<PathBuf>, Error> {
    let folder = EXAMPLES.iter().find(|(name, _)| *name == target);
    let files = folder.map_or(Ok(Vec::new()), |(_, folder)| files::list(Path::new(folder)))?;
    Ok(files.into_iter().filter(|file| file.is_file()).collect())
}

/// Inputs after which a target counts as searched.
pub(super) fn enough(target: &str) -> u64 {
    if is_parser(target) { ENOUGH_FOR_PARSER } else { ENOUGH_FOR_MACHINE }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The workspace's root, from where tests of this package run.
    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn each_parser_is_a_target_with_a_corpus() {
        for (target, files) in PARSERS {
            let is_there = |file: &&str| root().join(file).exists();
            assert!(files.iter().all(is_there), "{target}: {files:?}");
            assert!(root().join(FOLDER).join(target).with_extension("rs").exists(), "{target}");
            assert!(root().join("fuzz/corpus").join(target).with_extension("hex").exists(), "{target}");
        }
    }

    #[test]
    fn parsers_are_to_have_had_more_inputs_than_machines() {
        assert_eq!((enough("sdp_text"), enough("relay")), (5_000_000, 1_000_000));
    }
}
