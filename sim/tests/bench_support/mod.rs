//! What the tests of benches have in common.

use sim::scenario::Loaded;
use std::path::{Path, PathBuf};

/// The file of a condition that ships: `clocks/a`.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/bench/{name}.toml"))
}

/// A condition that ships, with changes.
pub(crate) fn condition(name: &str, overrides: &[&str]) -> Vec<Loaded> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    vec![Loaded::read(&path(name), &overrides).unwrap()]
}

/// A result that does not depend on how many threads there are.
#[track_caller]
pub(crate) fn assert_same_on_any_threads(result: impl Fn() -> String + Sync) {
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&result);
    assert_eq!(on(1), on(3));
}

/// Scripts rely on these names.
#[track_caller]
pub(crate) fn assert_keys(object: &serde_json::Value, expected: &[&str]) {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = expected.to_vec();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);
}
