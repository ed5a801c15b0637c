//! The corpus of a target: a file of one input a line, in hexadecimal digits.

use super::targets;
use crate::cmd::Cmd;
use crate::error::Error;
use crate::files;
use std::path::{Path, PathBuf};

/// Longest input and most inputs that are kept in the repository: enough to reach nearly all code
/// again, and little enough to be replayed with every test run.
const LONGEST_KEPT: usize = 512;
const MOST_KEPT: usize = 400;

fn file(target: &str) -> PathBuf {
    Path::new("fuzz/corpus").join(format!("{target}.hex"))
}

/// Writes each input into a file of its own, as libFuzzer wants them, and copies the examples.
pub(super) fn unpack(target: &str, folder: &Path) -> Result<(), Error> {
    files::make_folder(folder)?;
    for (index, example) in targets::examples(target)?.iter().enumerate() {
        files::copy(example, &folder.join(format!("example-{index}")))?;
    }
    let path = file(target);
    if !path.exists() {
        return Ok(());
    }
    for (index, line) in files::read(&path)?.lines().enumerate() {
        let Some(bytes) = bytes(line) else {
            let reason = format!("line {}: not an even number of hexadecimal digits", index + 1);
            return Err(Error::Form { path, reason });
        };
        let to = folder.join(format!("kept-{index}"));
        std::fs::write(&to, bytes).map_err(|source| Error::File { path: to, source })?;
    }
    Ok(())
}

/// Keeps the smallest inputs that reach all that was reached; how many those are.
pub(super) fn keep(target: &str, program: &Path, corpus: &Path, merged: &Path) -> Result<u64, Error> {
    files::remove(merged)?;
    files::make_folder(merged)?;
    // How often an edge is passed is no reason to keep an input.
    let merge = Cmd::new(program)
        .words("-merge=1 -use_counters=0")
        .arg(format!("-max_len={LONGEST_KEPT}"))
        .arg(merged)
        .arg(corpus);
    let told = |reason| Error::Unread { command: merge.to_string(), reason };
    merge.run_quietly().map_err(told)?;
    let mut inputs = Vec::new();
    for path in files::list(merged)? {
        inputs.push(std::fs::read(&path).map_err(|source| Error::File { path, source })?);
    }
    inputs.sort_by_key(|input| (input.len(), input.clone()));
    inputs.truncate(MOST_KEPT);
    let lines: String = inputs.iter().map(|input| digits(input) + "\n").collect();
    files::make_folder(Path::new("fuzz/corpus"))?;
    files::write(&file(target), &lines)?;
    Ok(inputs.len() as u64)
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(line: &str) -> Option<Vec<u8>> {
    let pairs = line.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_they_are_written() {
        assert_eq!(bytes(&digits(&[0, 10, 255])), Some(vec![0, 10, 255]));
        assert_eq!(bytes(""), Some(vec![]));
        assert_eq!((bytes("abc"), bytes("zz")), (None, None));
    }
}
