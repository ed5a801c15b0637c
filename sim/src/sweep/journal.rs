//! The finished runs of a sweep, one line of JSON each, after a line with the plan.
//!
//! A line is written by one system call when its run ends, so that a sweep that is stopped, or
//! whose machine fails, keeps all runs but those that were going on. A last line that is not whole
//! is dropped. When all runs are there, the lines are put in the order of the runs.

use super::{Plan, Record, Shard};
use crate::report::write_atomically;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The journal cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A file cannot be read or written.
    #[error("{path}: {source}; check that it is there, and can be read and written", path = .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder has the runs of another sweep.
    #[error("{path} is of another sweep ({difference}): give another folder with --reports, or delete that file", path = .path.display())]
    Other {
        /// The journal.
        path: PathBuf,
        /// What differs, in words.
        difference: String,
    },
    /// It is no journal, or has been changed.
    #[error("{path}:{line}: this is no run of a sweep: {reason}; delete the file to begin again", path = .path.display())]
    Broken {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// Another process is writing it.
    #[error("{path} is being written by another sim: wait for it, or give another folder with --reports", path = .path.display())]
    Busy {
        /// The journal.
        path: PathBuf,
    },
    /// Shards do not make up a whole.
    #[error("{0}")]
    Shards(String),
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    plan: Plan,
    shard: Option<String>,
}

/// A journal that is open for more runs.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    head: String,
    file: File,
    records: BTreeMap<usize, Record>,
}

/// What a file has.
struct Contents {
    head: Head,
    records: BTreeMap<usize, Record>,
    /// Bytes up to the end of the last whole line.
    whole: usize,
}

impl Journal {
    /// Opens the journal of a sweep in its folder, or begins it. Both may exist already, with runs
    /// that are finished.
    ///
    /// # Errors
    /// If it cannot be written, is being written, or belongs to another sweep.
    pub fn open(folder: &Path, plan: &Plan, shard: Option<Shard>) -> Result<Self, JournalError> {
        let path = folder.join(file_name(shard));
        let failed = |source| JournalError::File { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy { path }),
            // Some network file systems have no locks. Two writers would only repeat each other's
            // runs.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let head = line(&Head { plan: plan.clone(), shard: shard.map(|shard| shard.to_string()) });
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let mut records = BTreeMap::new();
        if text.contains('\n') {
            let contents = parse(&path, &text)?;
            if let Some(difference) = plan.difference(&contents.head.plan) {
                return Err(JournalError::Other { path, difference });
            }
            records = contents.records;
            file.set_len(contents.whole as u64).map_err(failed)?;
        } else {
            file.set_len(0).map_err(failed)?;
            file.write_all(head.as_bytes()).map_err(failed)?;
        }
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path, head, file, records })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The finished runs, by their numbers.
    #[must_use]
    pub fn records(&self) -> &BTreeMap<usize, Record> {
        &self.records
    }

    /// Adds a run.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, record: Record) -> Result<(), JournalError> {
        let failed = |source| JournalError::File { path: self.path.clone(), source };
        self.file.write_all(line(&record).as_bytes()).map_err(failed)?;
        self.records.insert(record.run, record);
        Ok(())
    }

    /// Puts the runs in order, and returns them.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(self) -> Result<Vec<Record>, JournalError> {
        // The new file takes the place of the locked one, which Windows does not permit while it is
        // open.
        drop(self.file);
        write(&self.path, self.head, self.records)
    }
}

fn write(path: &Path, head: String, records: BTreeMap<usize, Record>) -> Result<Vec<Record>, JournalError> {
    let text = records.values().fold(head, |text, record| text + &line(record));
    write_atomically(path, text).map_err(|source| JournalError::File { path: path.to_owned(), source })?;
    Ok(records.into_values().collect())
}

fn file_name(shard: Option<Shard>) -> String {
    shard.map_or("runs.jsonl".to_owned(), |shard| format!("runs.{}-of-{}.jsonl", shard.index, shard.count))
}

fn line(value: &impl Serialize) -> String {
    // Texts, numbers and lists of them: nothing that JSON has not.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

fn parse(path: &Path, text: &str) -> Result<Contents, JournalError> {
    let broken = |line: usize, reason: String| JournalError::Broken { path: path.to_owned(), line, reason };
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut lines = text[..whole].lines().enumerate();
    let head = lines.next().map(|(_, line)| serde_json::from_str::<Head>(line));
    let head =
        head.ok_or_else(|| broken(1, "it is empty".to_owned()))?.map_err(|error| broken(1, error.to_string()))?;
    let mut records = BTreeMap::new();
    for (index, line) in lines {
        let record: Record = serde_json::from_str(line).map_err(|error| broken(index + 1, error.to_string()))?;
        if record.run >= head.plan.runs() {
            return Err(broken(index + 1, format!("the plan has no run {}", record.run)));
        }
        records.insert(record.run, record);
    }
    Ok(Contents { head, records, whole })
}

/// Puts the shards of a sweep together. `places` are folders, of which all shards are meant, and
/// files. The journal of the whole sweep is written into `folder`.
///
/// # Errors
/// If a shard is missing, there twice, not finished, or of another sweep.
pub fn merge(places: &[PathBuf], folder: &Path) -> Result<(Plan, Vec<Record>), JournalError> {
    let refuse = |sentence: String| Err(JournalError::Shards(sentence));
    let mut shards: BTreeMap<usize, (PathBuf, Contents)> = BTreeMap::new();
    let mut first: Option<(PathBuf, Plan, usize)> = None;
    for path in files(places)? {
        let text =
            std::fs::read_to_string(&path).map_err(|source| JournalError::File { path: path.clone(), source })?;
        let contents = parse(&path, &text)?;
        let shard = contents.head.shard.as_deref().map(str::parse::<Shard>);
        let Some(Ok(shard)) = shard else {
            return refuse(format!("{} is no shard: merge takes what `sweep --shard` leaves", path.display()));
        };
        let (other, plan, count) = first.get_or_insert_with(|| (path.clone(), contents.head.plan.clone(), shard.count));
        if let Some(difference) = plan.difference(&contents.head.plan) {
            let other = other.display();
            return refuse(format!("{} is not of the same sweep as {other} ({difference})", path.display()));
        }
        if shard.count != *count {
            let (path, other) = (path.display(), other.display());
            return refuse(format!("{path} is of {} shards, and {other} of {count}: give those of one", shard.count));
        }
        if let Some((other, _)) = shards.get(&shard.index) {
            return refuse(format!("shard {shard} is there twice: {} and {}", other.display(), path.display()));
        }
        shards.insert(shard.index, (path, contents));
    }
    let named = || places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
    let Some((_, plan, count)) = first else { return refuse(format!("there is no shard in {}", named())) };
    let mut records = BTreeMap::new();
    for index in 1..=count {
        let shard = Shard { index, count };
        let Some((path, contents)) = shards.remove(&index) else {
            return refuse(format!("shard {shard} is missing in {}: run the sweep with --shard {shard}", named()));
        };
        let due: Vec<usize> = (0..plan.runs()).filter(|run| shard.has(*run)).collect();
        let done = due.iter().filter(|run| contents.records.contains_key(run)).count();
        if done < due.len() {
            let path = path.display();
            return refuse(format!(
                "shard {shard} in {path} has {done} of {} runs: run the sweep with --shard {shard} again",
                due.len()
            ));
        }
        records.extend(contents.records.into_iter().filter(|(run, _)| shard.has(*run)));
    }
    let path = folder.join(file_name(None));
    if let Ok(text) = std::fs::read_to_string(&path) {
        let there = parse(&path, &text)?.head.plan;
        if let Some(difference) = plan.difference(&there) {
            return Err(JournalError::Other { path, difference });
        }
    }
    let records = write(&path, line(&Head { plan: plan.clone(), shard: None }), records)?;
    Ok((plan, records))
}

/// The journals of shards: files as they are named, and those in folders.
fn files(places: &[PathBuf]) -> Result<Vec<PathBuf>, JournalError> {
    let mut files = Vec::new();
    for place in places {
        if !place.is_dir() {
            files.push(place.clone());
            continue;
        }
        let failed = |source| JournalError::File { path: place.clone(), source };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(place).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("runs.") && name.ends_with(".jsonl") && name != "runs.jsonl" {
                found.push(path);
            }
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::super::{Ending, Figure, Figures};
    use super::*;

    fn plan(seeds: &str) -> Plan {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/gm_step_1ms.toml");
        let set = ["record.audio=\"none\"".to_owned()];
        Plan::new(&path, &set, Some(seeds.parse().unwrap()), Vec::new()).unwrap()
    }

    fn record(run: usize) -> Record {
        let values =
            vec![("lock_time_s".to_owned(), Figure(0.1 + run as f64)), ("x".to_owned(), Figure(f64::INFINITY))];
        let figures = vec![Figures { receiver: "engine".to_owned(), values }];
        Record { run, ending: Ending::Passed, error: None, failures: Vec::new(), figures }
    }

    #[test]
    fn finished_runs_are_kept_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), &plan("1..3"), None).unwrap();
        assert!(matches!(Journal::open(folder.path(), &plan("1..3"), None), Err(JournalError::Busy { .. })));
        journal.add(record(2)).unwrap();
        journal.add(record(0)).unwrap();
        let path = journal.path().to_owned();
        drop(journal);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"run\":1,")).unwrap();
        let mut journal = Journal::open(folder.path(), &plan("1..3"), None).unwrap();
        assert_eq!(journal.records().values().cloned().collect::<Vec<_>>(), [record(0), record(2)]);
        journal.add(record(1)).unwrap();
        assert_eq!(journal.finish().unwrap(), [record(0), record(1), record(2)]);
        let sorted = std::fs::read_to_string(&path).unwrap();
        let numbers: Vec<bool> =
            (0..3).map(|run| sorted.lines().nth(run + 1).unwrap().contains(&format!("\"run\":{run},"))).collect();
        assert_eq!(numbers, [true; 3]);
    }

    #[test]
    fn another_sweep_in_the_same_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Journal::open(folder.path(), &plan("1..3"), None).unwrap());
        let error = Journal::open(folder.path(), &plan("1..4"), None).unwrap_err().to_string();
        assert!(error.contains("is of another sweep (seeds: 1..3 there, 1..4 here): give another folder"), "{error}");
        std::fs::write(folder.path().join("runs.jsonl"), "x\n").unwrap();
        let error = Journal::open(folder.path(), &plan("1..3"), None).unwrap_err().to_string();
        assert!(error.contains("runs.jsonl:1: this is no run of a sweep"), "{error}");
    }

    #[test]
    fn shards_make_up_the_whole_or_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = [folder.path().to_owned()];
        let whole = folder.path().join("whole");
        let run = |index: usize, count: usize, runs: &[usize]| {
            let mut journal = Journal::open(folder.path(), &plan("1..4"), Some(Shard { index, count })).unwrap();
            runs.iter().for_each(|run| journal.add(record(*run)).unwrap());
            journal.finish().unwrap();
        };
        let refused = || merge(&place, &whole).unwrap_err().to_string();
        assert!(refused().contains("there is no shard in"));
        run(1, 2, &[2, 0]);
        assert!(refused().contains("shard 2/2 is missing in"), "{}", refused());
        run(2, 2, &[1]);
        assert!(refused().contains("shard 2/2 in") && refused().contains("has 1 of 2 runs"), "{}", refused());
        run(2, 2, &[3]);
        let (_, records) = merge(&place, &whole).unwrap();
        assert_eq!(records, [record(0), record(1), record(2), record(3)]);
        let mut journal = Journal::open(&folder.path().join("single"), &plan("1..4"), None).unwrap();
        [3, 1, 0, 2].iter().for_each(|run| journal.add(record(*run)).unwrap());
        let single = journal.path().to_owned();
        journal.finish().unwrap();
        assert_eq!(std::fs::read(single).unwrap(), std::fs::read(whole.join("runs.jsonl")).unwrap());
        let twice = [place[0].clone(), folder.path().join("runs.1-of-2.jsonl")];
        let error = merge(&twice, &whole).unwrap_err().to_string();
        assert!(error.contains("shard 1/2 is there twice"), "{error}");
        run(1, 3, &[]);
        assert!(refused().contains("of 3 shards") || refused().contains("of 2 shards"), "{}", refused());
    }
}
