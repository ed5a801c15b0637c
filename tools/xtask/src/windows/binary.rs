//! Programs and libraries for Windows: their sizes, and the libraries that they need.

use crate::cmd::Cmd;
use crate::error::Error;
use std::fmt::Write as _;
use std::path::Path;

/// Libraries of Windows itself, the only ones that may be needed.
const SYSTEM_LIBRARIES: [&str; 17] = [
    "advapi32.dll",
    "avrt.dll",
    "bcryptprimitives.dll",
    "combase.dll",
    "iphlpapi.dll",
    "kernel32.dll",
    "mmdevapi.dll",
    "msvcrt.dll",
    "ntdll.dll",
    "ole32.dll",
    "oleaut32.dll",
    "propsys.dll",
    "rpcrt4.dll",
    "user32.dll",
    "userenv.dll",
    "winmm.dll",
    "ws2_32.dll",
];

/// A program or library as described by `objdump`.
pub(super) struct Binary {
    name: String,
    bytes: u64,
    needs: Vec<String>,
    /// The complete output of `objdump`, for [`super::exports`].
    pub(super) listed: String,
}

impl Binary {
    /// Reads a file's headers.
    ///
    /// # Errors
    /// If the file is missing, or needs a library that is not part of Windows.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let listed = Cmd::new("x86_64-w64-mingw32-objdump").words("--private-headers").arg(path).read()?;
        let file = std::fs::metadata(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let needs = imports(&listed);
        match needs.iter().find(|name| !is_of_the_system(name)) {
            Some(library) => Err(Error::ForeignLibrary { dll: name, library: library.clone() }),
            None => Ok(Self { name, bytes: file.len(), needs, listed }),
        }
    }
}

/// A table with one line per file: its size, and the libraries that it needs.
pub(super) fn table(binaries: &[Binary]) -> String {
    let mut table = format!("{:<20} {:>9}  needs\n", "", "KiB");
    for Binary { name, bytes, needs, .. } in binaries {
        // Writing to a text cannot fail.
        let _ = writeln!(table, "{name:<20} {:>9}  {}", bytes.div_ceil(1024), needs.join(" "));
    }
    table
}

fn imports(listed: &str) -> Vec<String> {
    let names = listed.lines().filter_map(|line| line.trim().strip_prefix("DLL Name: "));
    let mut names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
    names.sort();
    names.dedup();
    names
}

/// API sets (`api-ms-win-...`) are names for parts of the system.
fn is_of_the_system(name: &str) -> bool {
    SYSTEM_LIBRARIES.contains(&name) || name.starts_with("api-ms-win-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_that_are_needed_are_read() {
        let listed =
            "\tDLL Name: KERNEL32.dll\n\tDLL Name: libgcc_s_seh-1.dll\n\tvma: Hint\n\tDLL Name: kernel32.dll\n";
        let needed = imports(listed);
        assert_eq!(needed, ["kernel32.dll", "libgcc_s_seh-1.dll"]);
        assert_eq!(needed.iter().filter(|name| is_of_the_system(name)).count(), 1);
    }

    #[test]
    fn the_table_has_a_line_for_each() {
        let needs = vec!["kernel32.dll".to_owned(), "ws2_32.dll".to_owned()];
        let binary = Binary { name: "aes67.exe".to_owned(), bytes: 2049, needs, listed: String::new() };
        let table = table(&[binary]);
        assert_eq!(table.lines().nth(1), Some("aes67.exe                    3  kernel32.dll ws2_32.dll"), "{table}");
    }
}
