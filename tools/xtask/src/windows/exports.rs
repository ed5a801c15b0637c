//! Checks that a library for Windows exports exactly what its header declares, including everything
//! that programs written for the public header import.

use super::Library;
use crate::error::Error;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Functions of the public headers, each after the name of its library.
const PUBLIC: &str = include_str!("../../../../bass-plugin/tests/public_names.txt");

/// Compares the header with the exports of the library that `objdump --private-headers` has listed.
///
/// # Errors
/// If a function is missing, or an exported function is neither declared nor an entry point.
pub(super) fn check(library: &Library, listed: &str) -> Result<(), Error> {
    let path = Path::new(library.header);
    let header = fs::read_to_string(path).map_err(|source| Error::File { path: path.to_path_buf(), source })?;
    let mut declared = declared(&header);
    declared.extend(library.entry.iter().map(|&name| name.to_owned()));
    declared.extend(public(library.dll));
    compare(library.dll, &declared, &exported(listed))
}

/// The public functions of a library.
fn public(dll: &str) -> BTreeSet<String> {
    let rows = PUBLIC.lines().filter_map(|row| row.split_once(' '));
    rows.filter(|(library, _)| dll.strip_suffix(".dll") == Some(library)).map(|(_, name)| name.to_owned()).collect()
}

fn compare(dll: &str, declared: &BTreeSet<String>, exported: &BTreeSet<String>) -> Result<(), Error> {
    let named = |names: Vec<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let missing = named(declared.difference(exported).collect());
    let undeclared = named(exported.difference(declared).collect());
    if missing.is_empty() && undeclared.is_empty() && !declared.is_empty() {
        return Ok(());
    }
    Err(Error::Exports { dll: dll.to_owned(), missing, undeclared })
}

/// Names that a header declares by its macro, such as `BASS_PTPDEF(BASS_PTP_Stop)`.
fn declared(header: &str) -> BTreeSet<String> {
    let names = header.split("DEF(BASS_").skip(1);
    names.filter_map(|rest| Some(format!("BASS_{}", rest.split_once(')')?.0))).collect()
}

/// Names of the list: `[   1] +base[   2] 0001 BASS_AES67_ClockStop`, or without `+base` as older
/// versions write it.
fn exported(listed: &str) -> BTreeSet<String> {
    let table = listed.split("[Ordinal/Name Pointer] Table").nth(1).unwrap_or_default();
    let rows = table.lines().skip(1).take_while(|line| line.trim_start().starts_with('['));
    rows.filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "\
[Ordinal/Name Pointer] Table -- Ordinal Base 1
\t[   0] +base[   1]  0000 BASS_PTP_Start
\t[   1] +base[   2]  0001 BASS_PTP_Stop

The Function Table";

    #[test]
    fn each_library_has_public_functions() {
        assert_eq!((public("bass_aes67.dll").len(), public("bass_ptp.dll").len()), (11, 17));
    }

    #[test]
    fn the_lists_are_compared_both_ways() {
        let header = "int BASS_PTPDEF(BASS_PTP_Start)(void);\nint BASS_PTPDEF(BASS_PTP_Stop)(void);";
        let names = BTreeSet::from(["BASS_PTP_Start".to_owned(), "BASS_PTP_Stop".to_owned()]);
        assert_eq!((declared(header), exported(LISTED)), (names.clone(), names.clone()));
        assert!(compare("x.dll", &names, &names).is_ok());
        let fewer = BTreeSet::from(["BASS_PTP_Stop".to_owned()]);
        let lacks = compare("x.dll", &names, &fewer).unwrap_err().to_string();
        assert_eq!(lacks, "x.dll lacks [BASS_PTP_Start] of its header, and exports [] besides");
        let besides = compare("x.dll", &fewer, &names).unwrap_err().to_string();
        assert_eq!(besides, "x.dll lacks [] of its header, and exports [BASS_PTP_Start] besides");
        assert!(compare("x.dll", &BTreeSet::new(), &BTreeSet::new()).is_err(), "nothing was read");
    }
}
