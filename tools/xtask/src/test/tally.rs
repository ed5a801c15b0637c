//! How many tests passed and failed, according to the output of nextest or libtest.
//!
//! Neither has a stable machine-readable output, so their final lines for people are read.
//! Inconsistent numbers are an error, so that a change of the format is noticed and no test is
//! lost.

use skips::Record;

/// The tests of a run, as the runner counts them. Tests that reported that they were skipped count
/// as passed there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    /// Ignored, or left out by a filter.
    pub(super) left_out: usize,
    failed_tests: Vec<Test>,
    /// Test binaries of libtest that ended without a result, for example by a signal. Each counts
    /// as one failure.
    broken: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    /// `xtask::interop` or `net` with nextest, `interop` or `net` with libtest.
    binary: String,
    name: String,
}

impl Tally {
    /// Reads the output of `cargo nextest run`.
    ///
    /// # Errors
    /// With what does not add up.
    pub(super) fn of_nextest(lines: &[String]) -> Result<Self, String> {
        // The last summary is used, because the output of a test may contain one as well.
        let at = lines.iter().rposition(|line| line.trim_start().starts_with("Summary ["));
        let at = at.ok_or("nextest wrote no summary")?;
        let summary = &lines[at];
        let unread = || format!("`{}`", summary.trim());
        let counts = summary.split_once("] ").and_then(|(_, rest)| rest.split_once(" run: ")).ok_or_else(unread)?;
        let run = counts.0.split(' ').next().and_then(|count| count.parse::<usize>().ok()).ok_or_else(unread)?;
        let mut tally = Self::default();
        for part in without_brackets(counts.1).split(", ") {
            let (count, what) = part.trim().split_once(' ').ok_or_else(unread)?;
            let count: usize = count.parse().map_err(|_| unread())?;
            match what {
                "passed" => tally.passed += count,
                "skipped" => tally.left_out += count,
                _ => tally.failed += count,
            }
        }
        tally.failed_tests = lines[at + 1..].iter().filter_map(|line| failure(line)).collect();
        if tally.passed + tally.failed == run && tally.failed_tests.len() == tally.failed {
            Ok(tally)
        } else {
            Err(format!("`{}` and {} failed tests after it", summary.trim(), tally.failed_tests.len()))
        }
    }

    /// Reads the output of `cargo test`, including cargo's own lines.
    ///
    /// # Errors
    /// With what does not add up.
    pub(super) fn of_libtest(lines: &[String]) -> Result<Self, String> {
        let mut tally = Self::default();
        let (mut binary, mut results, mut failures) = (None, 0, None::<Vec<String>>);
        for line in lines {
            if let Some(started) = started_binary(line) {
                tally.broken.extend(binary.replace(started));
                failures = None;
            } else if line == "failures:" {
                // The first list has what the tests wrote, the last one their names.
                failures = Some(Vec::new());
            } else if let Some(counts) = line.strip_prefix("test result: ") {
                let binary = binary.take().ok_or_else(|| format!("`{line}` without a binary"))?;
                tally.add_result(line, counts, &binary, &failures.take().unwrap_or_default())?;
                results += 1;
            } else if let (Some(names), Some(name)) = (&mut failures, line.strip_prefix("    ")) {
                names.push(name.to_owned());
            }
        }
        tally.broken.extend(binary);
        tally.failed += tally.broken.len();
        if results == 0 && tally.broken.is_empty() { Err("no test binary has run".to_owned()) } else { Ok(tally) }
    }

    /// One binary's `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out;
    /// finished in 0.05s`.
    fn add_result(&mut self, line: &str, counts: &str, binary: &str, failures: &[String]) -> Result<(), String> {
        let counts = counts.split_once(". ").map_or("", |(_, counts)| counts);
        let count = |what: &str| {
            let part = counts.split("; ").find_map(|part| part.strip_suffix(what));
            part.and_then(|count| count.trim().parse::<usize>().ok()).ok_or_else(|| format!("`{line}`"))
        };
        let failed = count(" failed")?;
        if failures.len() != failed {
            return Err(format!("`{line}` and {} names of failed tests", failures.len()));
        }
        self.passed += count(" passed")?;
        self.failed += failed;
        self.left_out += count(" ignored")? + count(" filtered out")?;
        let test = |name: &String| Test { binary: binary.to_owned(), name: name.clone() };
        self.failed_tests.extend(failures.iter().map(test));
        Ok(())
    }

    /// Subtracts skipped tests from the passed ones, and returns those that were subtracted. A test
    /// that reported itself as skipped and then failed counts as failed.
    ///
    /// # Errors
    /// If more are skipped than have passed.
    pub(super) fn take_skipped(&mut self, records: Vec<Record>) -> Result<Vec<Record>, String> {
        let has_failed = |record: &Record| self.failed_tests.iter().any(|test| test.is_of(record));
        let skipped: Vec<Record> = records.into_iter().filter(|record| !has_failed(record)).collect();
        // Tests that passed in a binary without a result were never counted.
        let counted = skipped.iter().filter(|record| !self.broken.contains(&record.binary)).count();
        let passed = self.passed.checked_sub(counted);
        self.passed = passed.ok_or_else(|| format!("{counted} tests were skipped and {} passed", self.passed))?;
        Ok(skipped)
    }
}

impl Test {
    fn is_of(&self, record: &Record) -> bool {
        let name = self.binary.rsplit([':', '/']).next().unwrap_or_default();
        let is_binary = name == record.binary || self.binary == record.package;
        is_binary && self.name == record.test
    }
}

/// `        FAIL [   0.227s] (2/4) xtask::interop we_follow_ptp4l`, or `TIMEOUT`, `SIGABRT` and
/// others in its place.
fn failure(line: &str) -> Option<Test> {
    let (status, rest) = line.trim_start().split_once(" [")?;
    let has_passed = ["PASS", "LEAK", "SLOW", "SKIP"].contains(&status) || status.starts_with("FLAKY");
    let (_, test) = rest.split_once("] ").filter(|_| !has_passed && !status.contains(':'))?;
    let test = test.trim_start().strip_prefix('(').map_or(Some(test), |rest| Some(rest.split_once(") ")?.1))?;
    let (binary, name) = test.trim().split_once(' ')?;
    Some(Test { binary: binary.to_owned(), name: name.to_owned() })
}

/// `     Running tests/interop.rs (target/debug/deps/interop-0a1b2c)`
fn started_binary(line: &str) -> Option<String> {
    let (_, path) = line.trim_start().strip_prefix("Running ")?.rsplit_once(" (")?;
    let file = path.strip_suffix(')')?.rsplit(['/', '\\']).next()?;
    Some(file.rsplit_once('-').map_or(file, |(name, _)| name).to_owned())
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0;
    let keep = |c: &char| {
        depth += i32::from(*c == '(');
        let is_kept = depth == 0;
        depth -= i32::from(*c == ')');
        is_kept
    };
    text.chars().filter(keep).collect::<String>().replace(" ,", ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn record(binary: &str, test: &str) -> Record {
        Record { package: "xtask".into(), binary: binary.into(), test: test.into(), reason: "no peer".into() }
    }

    fn counts(tally: &Tally) -> (usize, usize, usize) {
        (tally.passed, tally.failed, tally.left_out)
    }

    const NEXTEST: &str = "\
        FAIL [   0.179s] (2/4) xtask::interop one
  stdout ---

     Summary [   0.001s] 900 tests run: 900 passed, 0 skipped
        PASS [   0.005s] (3/4) xtask::interop two
        LEAK [   0.206s] (4/4) net tests::three
------------
     Summary [   0.220s] 4 tests run: 2 passed (1 slow, 1 leaky), 1 failed, 1 timed out, 3 skipped
     TIMEOUT [   0.012s] (1/4) xtask::bin/xtask cmd::four
        FAIL [   0.179s] (2/4) xtask::interop one
error: test run failed
";

    #[test]
    fn the_last_summary_of_nextest_counts() {
        let tally = Tally::of_nextest(&lines(NEXTEST)).unwrap();
        assert_eq!(counts(&tally), (2, 2, 3));
        let one = lines("     Summary [   0.2s] 1 test run: 1 passed, 0 skipped");
        assert_eq!(counts(&Tally::of_nextest(&one).unwrap()), (1, 0, 0));
    }

    #[test]
    fn an_end_of_nextest_that_does_not_add_up_is_an_error() {
        for text in [
            "    Finished",
            "     Summary [   0.2s] 4 tests run",
            "     Summary [   0.2s] 4 tests run: many passed, 0 skipped",
            "     Summary [   0.2s] 4 tests run: 3 passed, 0 skipped",
            "     Summary [   0.2s] 2/4 tests run: 2 passed, 0 skipped",
            "     Summary [   0.2s] 4 tests run: 3 passed, 1 failed, 0 skipped",
        ] {
            let read = Tally::of_nextest(&lines(text));
            // A run that was cancelled has the tests that did not run before the slash.
            assert!(read.is_err(), "{text}: {read:?}");
        }
    }

    const LIBTEST: &str = "\
     Running unittests src/lib.rs (target/debug/deps/net-0a1b)
running 2 tests
test tests::three ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s
     Running tests/interop.rs (target/debug/deps/interop-2c3d)
test one ... FAILED
failures:
---- one stdout ----
    indented
failures:
    one

test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
     Running tests/wire.rs (target/debug/deps/wire-4e5f)
error: test failed, to rerun pass `-p aes67 --test wire`
     Running tests/last.rs (target/debug/deps/last-6a7b)
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn results_of_libtest_are_summed_and_a_binary_without_one_has_failed() {
        let tally = Tally::of_libtest(&lines(LIBTEST)).unwrap();
        assert_eq!(counts(&tally), (6, 2, 5));
        assert_eq!(tally.broken, ["wire"]);
    }

    #[test]
    fn an_end_of_libtest_that_does_not_add_up_is_an_error() {
        let running = "     Running unittests src/lib.rs (target/debug/deps/net-0a1b)\n";
        assert!(Tally::of_libtest(&lines("error: could not compile")).is_err());
        for result in [
            "test result: ok. 2 passed",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            assert!(Tally::of_libtest(&lines(&format!("{running}{result}\n"))).is_err(), "{result}");
            assert!(Tally::of_libtest(&lines(result)).is_err(), "{result}");
        }
    }

    #[test]
    fn a_test_that_failed_after_it_was_skipped_has_failed() {
        for mut tally in [Tally::of_nextest(&lines(NEXTEST)).unwrap(), Tally::of_libtest(&lines(LIBTEST)).unwrap()] {
            let passed = tally.passed;
            let skipped = tally.take_skipped(vec![record("interop", "one"), record("interop", "two")]).unwrap();
            assert_eq!(skipped, [record("interop", "two")]);
            assert_eq!(tally.passed, passed - 1);
        }
    }

    #[test]
    fn no_more_are_skipped_than_passed() {
        let mut tally = Tally { passed: 1, ..Tally::default() };
        assert!(tally.take_skipped(vec![record("interop", "one"), record("interop", "two")]).is_err());
    }

    #[test]
    fn a_skip_in_a_binary_that_broke_was_never_counted_as_passed() {
        let mut tally = Tally::of_libtest(&lines(LIBTEST)).unwrap();
        assert_eq!(tally.take_skipped(vec![record("wire", "one")]).unwrap().len(), 1);
        assert_eq!(tally.passed, 6);
    }
}
