//! Compares `sim.exe` with `sim`: the same scenario must give identical files.

use super::Prefix;
use crate::cmd::Cmd;
use crate::error::Error;
use crate::files::{list, make_folder, remove};
use std::collections::BTreeMap;
use std::path::Path;

/// Scenarios and their options: the complete scenario of the original report, and parts of
/// scenarios that convert sample rates.
const SCENARIOS: [(&str, &str); 3] = [
    ("scenarios/unlock_recover.toml", ""),
    ("scenarios/device_44k1.toml", "--set duration_s=30 --set expect=[]"),
    ("scenarios/stream_44k1.toml", "--set duration_s=30 --set expect=[]"),
];

/// Runs both, and compares what they wrote.
///
/// # Errors
/// If one fails, or a file differs.
pub(super) fn test(prefix: &Prefix, folder: &Path) -> Result<(), Error> {
    let reports = ["reports-linux", "reports-windows"].map(|name| folder.join(name));
    reports.iter().try_for_each(|reports| remove(reports).and_then(|()| make_folder(reports)))?;
    for (scenario, options) in SCENARIOS {
        let [linux, windows] = [Cmd::cargo("run --locked --quiet -p sim --"), prefix.program(&folder.join("sim.exe"))];
        linux.arg(scenario).words(options).arg("--reports").arg(&reports[0]).run()?;
        windows.arg(scenario).words(options).arg("--reports").arg(&reports[1]).run()?;
    }
    let [linux, windows] = [sums(&reports[0])?, sums(&reports[1])?];
    println!("sim.exe beside sim, {} files:", linux.len());
    for (file, sum) in &linux {
        println!("  {sum}  {file}");
    }
    match first_difference(&linux, &windows) {
        None => {
            println!("  all the same");
            Ok(())
        }
        Some(what) => Err(Error::Wine { program: "sim.exe".to_owned(), reason: what }),
    }
}

fn first_difference(linux: &BTreeMap<String, String>, windows: &BTreeMap<String, String>) -> Option<String> {
    if linux.is_empty() {
        return Some("no file was written".to_owned());
    }
    let names = linux.keys().chain(windows.keys());
    let differing = names.filter(|name| linux.get(*name) != windows.get(*name));
    let mut differing: Vec<&str> = differing.map(String::as_str).collect();
    differing.dedup();
    (!differing.is_empty()).then(|| format!("these files differ from those of Linux: {}", differing.join(", ")))
}

/// The checksum of every file, by its name below the folder.
fn sums(folder: &Path) -> Result<BTreeMap<String, String>, Error> {
    let mut sums = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(list(&path)?);
            continue;
        }
        let told = Cmd::new("sha256sum").arg(&path).read()?;
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        sums.insert(name, told.split_whitespace().next().unwrap_or_default().to_owned());
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_differ_or_are_missing_are_named() {
        let files = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
            list.iter().map(|(name, sum)| ((*name).to_owned(), (*sum).to_owned())).collect()
        };
        let linux = files(&[("a.wav", "1"), ("b.csv", "2")]);
        assert_eq!(first_difference(&linux, &linux), None);
        let windows = files(&[("a.wav", "1"), ("b.csv", "3"), ("c.png", "4")]);
        let told = first_difference(&linux, &windows).expect("they differ");
        assert_eq!(told, "these files differ from those of Linux: b.csv, c.png");
        assert!(first_difference(&files(&[]), &files(&[])).is_some());
    }
}
