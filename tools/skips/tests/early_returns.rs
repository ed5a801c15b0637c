//! No test of the workspace returns early without a word: where one returns, the same line tells
//! that it is skipped.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// What tells that a test is skipped, or gives the test nothing after it has told so.
const TELLERS: [&str; 5] = ["skips::tell(", "Wire::new(", "Wire::of(", "Bench::new(", "require(&["];

#[test]
fn a_test_that_returns_early_tells_that_it_is_skipped() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = Vec::new();
    collect(&workspace, &mut sources);
    let (mut tests, mut silent) = (0, Vec::new());
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        let (count, lines) = silent_returns(&text);
        tests += count;
        silent.extend(lines.into_iter().map(|line| format!("{}:{line}", path.display())));
    }
    assert!(tests > 500, "only {tests} tests were found");
    assert!(silent.is_empty(), "tests that return without a word:\n{}", silent.join("\n"));
}

/// The sources below a folder, without those that cargo has built.
fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}

/// How many tests a source has, and the numbers of the lines on which one returns without telling
/// why. A test ends at the brace below its first line, as rustfmt sets it.
fn silent_returns(text: &str) -> (usize, Vec<usize>) {
    let (mut tests, mut silent, mut end) = (0, Vec::new(), None::<String>);
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim() == "#[test]" {
            tests += 1;
            end = Some(line.replace("#[test]", "}"));
        } else if end.as_deref() == Some(line) {
            end = None;
        } else if end.is_some() && returns(line) && !TELLERS.iter().any(|teller| line.contains(teller)) {
            silent.push(number);
        }
    }
    (tests, silent)
}

/// Whether the line returns from a function without a value, as tests do, or with `Ok(())`.
fn returns(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    ["return;", "return }", "return Ok(()"].iter().any(|form| code.contains(form))
}

#[test]
fn a_return_without_a_word_is_found() {
    // Written with another word, because this test is looked at as well.
    let source = |line: &str| {
        let text = format!("    #[test]\n    fn one() {{\n        {line}\n    }}\n    fn helper() {{ leave }}\n");
        text.replace("leave", "return")
    };
    for silent in ["leave;", "let Ok(peer) = peer() else { leave };", "if is_missing() { leave Ok(()); }"] {
        assert_eq!(silent_returns(&source(silent)), (1, vec![3]), "{silent}");
    }
    for fine in ["let Some(wire) = Wire::new(&[]) else { leave };", "// leave;", "let left = 1;"] {
        assert_eq!(silent_returns(&source(fine)), (1, vec![]), "{fine}");
    }
}
