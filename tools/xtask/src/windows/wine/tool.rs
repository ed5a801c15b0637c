//! `aes67.exe` on one wire with `aes67`: the test `wine` of `tools/aes67`, which needs two hosts.

use super::Prefix;
use crate::cmd::Cmd;
use crate::error::Error;
use std::path::Path;

/// Environment variable that names the program to the test.
const PROGRAM: &str = "AES67_EXE";
/// Environment variable for how long the test lets the program serve, s.
const SERVICE: (&str, &str) = ("AES67_WINE_SERVICE_S", "600");

/// Runs the test.
///
/// # Errors
/// If it fails.
pub(super) fn test(prefix: &Prefix, folder: &Path) -> Result<(), Error> {
    let test = Cmd::cargo("test --locked -p aes67 --test wine -- --nocapture");
    let test = test.env(PROGRAM, folder.join("aes67.exe").display().to_string()).env(SERVICE.0, SERVICE.1);
    prefix.set(test).run()
}
