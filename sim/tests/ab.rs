//! `sim ab`: two sides in the same weather.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod short;

use short::{with, write};
use std::path::Path;
use std::process::{Command, Stdio};

fn ab(folder: &Path, words: &[&str], code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.current_dir(folder).args(["ab", "short.toml"]).args(words).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &with("audio = \"full\"", "audio = \"none\""));
    folder
}

/// The last column of a metric's row in the table of differences.
fn verdict<'a>(text: &'a str, metric: &str) -> Option<&'a str> {
    text.lines().find(|line| line.split_whitespace().nth(1) == Some(metric))?.split_whitespace().last()
}

/// A host that learns of packets late knows the time worse, whatever the seed.
#[test]
fn a_noisier_host_is_worse_and_the_same_one_equal() {
    let folder = folder();
    let noisy = "host.receive_jitter.uniform={ min_us = 0, max_us = 400 }";
    let text = ab(folder.path(), &["--b", noisy, "--seeds", "1..16"], 0);
    assert_eq!(verdict(&text, "clock_error_us"), Some("worse"), "{text}");
    assert!(text.contains("A: as in the file\nB: host.receive_jitter"), "{text}");
    ab(folder.path(), &["--b", noisy, "--seeds", "1..16", "--fail-if-worse"], 1);
    // The other way round it is better.
    let text = ab(folder.path(), &["--a", noisy, "--seeds", "1..16"], 0);
    assert_eq!(verdict(&text, "clock_error_us"), Some("better"), "{text}");
    let reports = folder.path().join("reports/short.ab");
    let pairs = std::fs::read_to_string(reports.join("pairs.csv")).unwrap();
    assert_eq!(pairs.lines().filter(|line| line.starts_with("engine,clock_error_us,")).count(), 16);
    let page = std::fs::read_to_string(reports.join("index.html")).unwrap();
    assert!(page.contains("Wilcoxon") && page.contains("engine: Error of the estimate of PTP time (us)"));
    // A title changes nothing: the weather is the same.
    let text = ab(folder.path(), &["--b", "title=\"another\"", "--seeds", "1..3"], 0);
    assert!(text.contains(" 0 metrics better, 0 worse, ") && text.contains(" equal, 0 undecided"), "{text}");
}

/// What another build says of itself is what this one measures.
#[test]
fn two_builds_are_compared() {
    let folder = folder();
    let other = env!("CARGO_BIN_EXE_sim");
    let text = ab(folder.path(), &["--b-sim", other, "--seeds", "1..4"], 0);
    assert!(text.contains(" 0 metrics better, 0 worse, ") && text.contains(" equal, 0 undecided"), "{text}");
    assert!(!text.contains(": 0 metrics better, 0 worse, 0 equal"), "{text}");
    assert!(text.contains(&format!("B: {other}")), "{text}");
}

#[test]
fn bad_input_is_refused_before_anything_is_run() {
    let folder = folder();
    for (words, wrong) in [
        (&[][..], "both sides are the same"),
        (&["--b", "card.callback_frames=0"], "card.callback_frames"),
        (&["--b-sim", "nowhere"], "nowhere: "),
        (&["--b-sim", "/bin/true"], "/bin/true is no build of sim"),
        (&["--b", "seed=4", "--equal-within", "-1"], "--equal-within -1 is no share"),
        (
            &[
                "--b",
                "receiver=[{ name = \"x\", kind = \"engine\" }, { name = \"y\", kind = \"engine\" }]",
                "--set",
                "expect=[]",
                "--seeds",
                "1,2",
            ],
            "no receiver in common",
        ),
    ] {
        let text = ab(folder.path(), words, 2);
        assert!(text.starts_with("error: ") && text.contains(wrong) && text.lines().count() == 1, "{text}");
    }
}
