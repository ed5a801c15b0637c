#![forbid(unsafe_code)]
//! Tests that cannot run on this machine, told to whoever counts them.
//!
//! A test can only pass or fail: neither libtest nor nextest lets it say at run time that it was
//! skipped. A test whose peer is missing therefore calls [`tell`] and returns, and the runner
//! counts it as passed. `cargo xtask test` names a [file](RECORDS) for what is told, and takes
//! these tests from the passed ones. Without that file the reason goes to the error output.
//!
//! Model: a record is one line, written by one system call at the end of the file, so that tests of
//! several processes do not mix their records. It has the test's package, its binary, its name and
//! the reason, separated by tabs.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// The environment variable that names the file of records.
pub const RECORDS: &str = "AES67_SKIPS";

/// A test that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The package that the test belongs to.
    pub package: String,
    /// Its binary: the name of the file of integration tests, or of the crate for unit tests.
    pub binary: String,
    /// Its name within the binary, such as `timer::tests::a_clock_that_runs_is_called_for`.
    pub test: String,
    /// What is missing, and how to get it.
    pub reason: String,
}

impl Record {
    /// The name by which people and lists know the test: `interop::we_follow_ptp4l`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}::{}", self.binary, self.test)
    }

    fn line(&self) -> String {
        let fields = [&self.package, &self.binary, &self.test, &self.reason];
        let plain = |text: &String| text.split(char::is_control).collect::<Vec<_>>().join(" ");
        fields.map(plain).join("\t") + "\n"
    }
}

/// Says that the calling test cannot run here and why; the test has to return after that.
///
/// # Panics
/// If the record cannot be written, or another thread than the test's own calls this: the test
/// fails then, because nobody would count it as skipped.
pub fn tell(reason: impl Display) {
    match std::env::var_os(RECORDS) {
        Some(file) => {
            let record = of_this_test(&reason.to_string());
            append(Path::new(&file), &record).unwrap_or_else(|error| panic!("{}: {error}", Path::new(&file).display()));
        }
        None => eprintln!("skipped: {reason}"),
    }
}

/// Reads the file of records. A test that has told several reasons is there once, with the first
/// one.
///
/// # Errors
/// With the line that is no record.
pub fn read(text: &str) -> Result<Vec<Record>, String> {
    let mut records: Vec<Record> = Vec::new();
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(text.lines().last().unwrap_or_default().to_owned());
    }
    for line in text.lines() {
        let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let Ok([package, binary, test, reason]) = <[String; 4]>::try_from(fields) else {
            return Err(line.to_owned());
        };
        let record = Record { package, binary, test, reason };
        if !records.iter().any(|other| other.package == record.package && other.name() == record.name()) {
            records.push(record);
        }
    }
    Ok(records)
}

/// Both runners start each test on a thread that has its name, and name the package in the
/// environment.
fn of_this_test(reason: &str) -> Record {
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").expect("a test's own thread tells that it is skipped");
    let own = std::env::current_exe().expect("a test is a program");
    let file = own.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // Cargo adds a hash: `interop-0a1b2c`.
    let binary = file.rsplit_once('-').map_or(file.as_str(), |(name, _)| name);
    let package = std::env::var("CARGO_PKG_NAME").expect("cargo and nextest name the package");
    Record { package, binary: binary.to_owned(), test: test.to_owned(), reason: reason.to_owned() }
}

fn append(file: &Path, record: &Record) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(file)?;
    file.write_all(record.line().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(test: &str, reason: &str) -> Record {
        Record { package: "xtask".into(), binary: "interop".into(), test: test.into(), reason: reason.into() }
    }

    #[test]
    fn a_record_knows_the_test_that_tells_it() {
        let own = of_this_test("no peer");
        assert_eq!((own.package.as_str(), own.reason.as_str()), ("skips", "no peer"));
        assert_eq!(own.name(), "skips::tests::a_record_knows_the_test_that_tells_it");
    }

    #[test]
    fn records_of_many_writers_are_read_back_one_per_test() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("records");
        std::fs::write(&file, "").unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    for n in 0..50 {
                        append(file, &record(&format!("test_{writer}_{n}"), "a\nreason\tof two lines")).unwrap();
                        append(file, &record(&format!("test_{writer}_{n}"), "another one")).unwrap();
                    }
                });
            }
        });
        let records = read(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(records.len(), 400);
        assert!(records.iter().all(|record| record.reason == "a reason of two lines"));
    }

    #[test]
    fn what_is_no_record_is_told() {
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(read("one\ttwo\n"), Err("one\ttwo".to_owned()));
        let whole = record("test", "reason").line();
        assert_eq!(read(whole.trim_end()), Err(whole.trim_end().to_owned()), "cut off");
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        assert!(append(Path::new("/nowhere/records"), &record("test", "reason")).is_err());
    }
}
