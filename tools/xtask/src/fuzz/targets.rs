//! The kind of each target: a parser or a state machine.

use super::{Error, files};
use std::path::{Path, PathBuf};

/// Folder with one file per target.
pub(super) const FOLDER: &str = "fuzz/fuzz_targets";

/// Number of inputs after which a target of each kind counts as searched. Judgement: where a search
/// of some minutes to an hour stops reaching new code.
const ENOUGH_FOR_PARSER: u64 = 5_000_000;
const ENOUGH_FOR_MACHINE: u64 = 1_000_000;

/// Targets whose inputs are texts or datagrams for a parser. The inputs of other targets are
/// scripts of events for a state machine.
const PARSERS: [&str; 11] = [
    "bass_url",
    "livewire_datagram",
    "ptp_message",
    "rtp_packet",
    "sa_file",
    "sap_packet",
    "scenario_file",
    "sdp_text",
    "send_config",
    "trace_file",
    "wav_file",
];

/// The names of all targets.
pub(super) fn all() -> Result<Vec<String>, Error> {
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut targets: Vec<String> = files::list(Path::new(FOLDER))?.iter().filter_map(stem).collect();
    targets.sort();
    Ok(targets)
}

/// Whether a target searches in a parser.
pub(super) fn is_parser(target: &str) -> bool {
    PARSERS.contains(&target)
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
        for target in PARSERS {
            assert!(root().join(FOLDER).join(target).with_extension("rs").exists(), "{target}");
            assert!(root().join("fuzz/corpus").join(target).with_extension("hex").exists(), "{target}");
        }
    }

    #[test]
    fn parsers_are_to_have_had_more_inputs_than_machines() {
        assert_eq!((enough("sdp_text"), enough("relay")), (5_000_000, 1_000_000));
    }
}
