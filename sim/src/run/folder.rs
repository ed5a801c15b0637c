//! Selects the folder for a run's reports, so that no run silently overwrites those of another one.
//!
//! The reports of an unchanged scenario are written to a folder named after its file. If `--seed`
//! or `--set` change the scenario, the name contains the changes as well. A folder belongs to one
//! scenario file; another file of the same name is refused.

use super::SessionError;
use crate::scenario::Loaded;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The file that says which scenario file a folder belongs to, by its path from the folder.
const OWNER: &str = "scenario.txt";
/// Longest name of a folder in bytes: file systems allow 255, and Windows 260 for a whole path.
const LONGEST: usize = 120;

/// Name of the folder for a scenario's reports: the scenario's name and the changes from the
/// command line.
#[must_use]
pub fn folder_name(loaded: &Loaded) -> String {
    let (mut name, mut exact) = (loaded.name.clone(), true);
    for change in &loaded.changes {
        name.push('.');
        let (key, value) = change.split_once('=').unwrap_or((change, ""));
        for part in [key, "-", value].iter().flat_map(|part| part.chars()) {
            match part {
                // Quotes only mark text in TOML, so they are dropped.
                '"' | '\'' => {}
                c if c.is_whitespace() => {}
                c if c.is_ascii_alphanumeric() || "._-+".contains(c) => name.push(c),
                _ => {
                    name.push('-');
                    exact = false;
                }
            }
        }
    }
    if exact && name.len() <= LONGEST || loaded.changes.is_empty() {
        return name;
    }
    // A hash of all changes distinguishes the name from others with the same beginning.
    let end = (0..=LONGEST.min(name.len())).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
    format!("{}-{:08x}", &name[..end], fnv1a(loaded.changes.join("\n").as_bytes()))
}

/// A hash that is the same everywhere: FNV-1a, 32 bits, with the constants of its definition.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Creates a folder for the reports of a scenario file, or uses an existing one that belongs to
/// that file.
///
/// # Errors
/// If it cannot be made, or is another scenario's.
pub fn claim_folder(folder: &Path, scenario: &Path) -> Result<(), SessionError> {
    std::fs::create_dir_all(folder).map_err(|source| SessionError::Folder { path: folder.to_owned(), source })?;
    let mark = folder.join(OWNER);
    let failed = |source| SessionError::Owner { path: mark.clone(), source };
    let path = from_folder(&scenario.canonicalize().map_err(failed)?, &folder.canonicalize().map_err(failed)?);
    match create_whole(&mark, &format!("{path}\n")) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let owner = std::fs::read_to_string(&mark).map_err(failed)?;
    if owner.trim_end() == path {
        return Ok(());
    }
    Err(SessionError::Taken { folder: folder.to_owned(), owner: shown(folder, owner.trim_end()) })
}

/// Creates a file that must not exist yet. Another process sees either no file or all of its
/// contents, because shards of a sweep claim the same folder at the same time.
fn create_whole(path: &Path, contents: &str) -> io::Result<()> {
    /// Distinguishes the temporary files of this process.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if path.exists() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
    std::fs::write(&temporary, contents)?;
    // Unlike a rename, a link never replaces a file.
    let linked = std::fs::hard_link(&temporary, path);
    let removed = std::fs::remove_file(&temporary);
    match linked {
        Ok(()) => removed,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // Not every file system has links.
        Err(_) => OpenOptions::new().write(true).create_new(true).open(path)?.write_all(contents.as_bytes()),
    }
}

/// The path of a file from a folder, with the same separators everywhere. Both are absolute.
fn from_folder(file: &Path, folder: &Path) -> String {
    let (file_parts, folder_parts): (Vec<Component<'_>>, Vec<_>) =
        (file.components().collect(), folder.components().collect());
    let shared = file_parts.iter().zip(&folder_parts).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return file.display().to_string();
    }
    let up = std::iter::repeat_n("..".to_owned(), folder_parts.len() - shared);
    let down = file_parts[shared..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// The path of a folder's scenario for messages: relative to the current directory, if it is below
/// that.
fn shown(folder: &Path, owner: &str) -> PathBuf {
    let Ok(path) = folder.join(owner).canonicalize() else { return owner.into() };
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    here.ok().and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    fn name(changes: &[&str]) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/gm_step_1ms.toml");
        let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
        folder_name(&Loaded { changes, ..Loaded::read(&path, &[]).unwrap() })
    }

    #[test]
    fn shards_that_begin_at_once_share_a_folder() {
        let place = tempfile::tempdir().unwrap();
        let scenario = place.path().join("x.toml");
        std::fs::write(&scenario, "").unwrap();
        for round in 0..100 {
            let folder = place.path().join(round.to_string());
            let begin = Barrier::new(4);
            let claim = || {
                begin.wait();
                claim_folder(&folder, &scenario)
            };
            std::thread::scope(|scope| {
                let claims: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
                claims.into_iter().for_each(|claim| claim.join().unwrap().unwrap());
            });
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "only the mark is left");
        }
    }

    #[test]
    fn a_folder_is_named_after_what_was_changed() {
        assert_eq!(name(&[]), "gm_step_1ms");
        assert_eq!(name(&["seed=7"]), "gm_step_1ms.seed-7");
        assert_eq!(name(&["record.audio=\"none\"", "seed = 7"]), "gm_step_1ms.record.audio-none.seed-7");
        assert_eq!(name(&["host.clock.offset_ppm=-20.5"]), "gm_step_1ms.host.clock.offset_ppm--20.5");
    }

    #[test]
    fn what_a_name_cannot_show_keeps_it_apart_all_the_same() {
        let (one, two) = (name(&["fault=[]"]), name(&["fault={}"]));
        assert!(one.starts_with("gm_step_1ms.fault----") && one.len() == two.len() && one != two, "{one} {two}");
        let long = |end: &str| name(&[&format!("title=\"{}{end}\"", "x".repeat(300))]);
        assert!(long("a").len() <= LONGEST + 9 && long("a") != long("b"), "{}", long("a"));
    }

    #[test]
    fn a_path_leads_from_the_folder_to_the_file() {
        let path = |file: &str, folder: &str| from_folder(Path::new(file), Path::new(folder));
        assert_eq!(path("/a/scenarios/x.toml", "/a/reports/x"), "../../scenarios/x.toml");
        assert_eq!(path("/a/x.toml", "/a"), "x.toml");
    }

    #[test]
    fn a_folder_is_one_scenarios() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("reports/x");
        let file = |name: &str| {
            let path = place.path().join(name).join("x.toml");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let (one, two) = (file("one"), file("two"));
        claim_folder(&folder, &one).unwrap();
        claim_folder(&folder, &place.path().join("two/../one/x.toml")).unwrap();
        let error = claim_folder(&folder, &two).unwrap_err().to_string();
        assert!(error.contains("belongs to another scenario of that name") && error.contains("one/x.toml"), "{error}");
        assert_eq!(std::fs::read_to_string(folder.join(OWNER)).unwrap(), "../../one/x.toml\n");
    }
}
