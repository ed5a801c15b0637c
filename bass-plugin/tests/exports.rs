//! What the libraries export is what their headers declare, and the entry point of BASS; and all
//! that programs written for the public headers import is among it.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Functions of the public headers of `bass_aes67` and `bass_ptp`, each behind its library's name.
const PUBLIC: &str = include_str!("public_names.txt");

/// Those of one library.
fn public(library: &str) -> BTreeSet<String> {
    let rows = PUBLIC.lines().filter_map(|row| row.split_once(' '));
    rows.filter(|(of, _)| *of == library).map(|(_, name)| name.to_owned()).collect()
}

/// Names that a header declares by its macro, such as `BASS_PTPDEF(BASS_PTP_Stop)`.
fn declared(header: &str, entry: &[&str]) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include").join(header);
    let text = std::fs::read_to_string(path).expect("a header");
    let names = text.split("DEF(BASS_").skip(1).filter_map(|rest| Some(format!("BASS_{}", rest.split_once(')')?.0)));
    names.chain(entry.iter().map(|&name| name.to_owned())).collect()
}

/// Names that a library gives to whoever looks them up.
fn exported(library: &str) -> BTreeSet<String> {
    let path = std::env::current_exe().expect("a program").with_file_name(library);
    let listed = Command::new("nm").args(["-D", "--defined-only", "--format=just-symbols"]).arg(&path).output();
    let listed = listed.expect("nm runs");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8_lossy(&listed.stdout).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_libraries_export_what_their_headers_declare() {
    if let Err(missing) = netns::require("nm") {
        return skips::tell(missing);
    }
    for (name, entry, least) in [("bass_aes67", &["BASSplugin"][..], 27), ("bass_ptp", &[], 18)] {
        let (library, header) = (format!("lib{name}.so"), format!("{name}.h"));
        let (declared, exported) = (declared(&header, entry), exported(&library));
        assert!(declared.len() >= least, "{header} declares {declared:?}");
        let missing: Vec<&String> = declared.difference(&exported).collect();
        let undeclared: Vec<&String> = exported.difference(&declared).collect();
        assert!(
            missing.is_empty() && undeclared.is_empty(),
            "{library} lacks {missing:?}, and has besides {undeclared:?}"
        );
        let public = public(name);
        assert!(public.len() >= 11, "{public:?}");
        let lost: Vec<&String> = public.difference(&exported).collect();
        assert!(lost.is_empty(), "programs that import {lost:?} do not start with {library}");
    }
}
