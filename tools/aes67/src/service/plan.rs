//! Checks the plan of a service, and creates the command line that Windows stores for it.

use super::Plan;
use crate::failure::{Failure, Result};
use crate::{Arguments, Command};
use clap::Parser as _;
use std::ffi::OsString;
use std::path::Path;

/// Maximum length of a name that the service manager accepts.
const LONGEST_NAME: usize = 256;

impl Plan {
    /// Parses the command that the service runs.
    ///
    /// # Errors
    /// If the command is invalid, or the name is unsuitable for a service or a file.
    pub(super) fn command(&self) -> Result<Arguments> {
        let is_plain = |c: char| c.is_alphanumeric() || " -_.".contains(c);
        let is_name = self.name.chars().all(is_plain) && self.name.starts_with(char::is_alphanumeric);
        if !is_name || self.name.len() > LONGEST_NAME {
            let right = "a letter or digit, then at most 255 letters, digits, spaces, `-`, `_` and `.`";
            return Err(Failure::input(format!("`{}` is no name for a service; right would be {right}", self.name)));
        }
        let words = [OsString::from("aes67")].into_iter().chain(self.command.iter().cloned());
        let arguments = Arguments::try_parse_from(words).map_err(|error| {
            let said = error.to_string();
            // The usage follows after an empty line, and is left out.
            let lines = said.trim_start_matches("error: ").lines().map(str::trim);
            let said: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
            Failure::input(format!("what the service is to run is not a command of aes67: {}", said.join(" ")))
        })?;
        if matches!(arguments.command, Command::Service(_)) {
            return Err(Failure::input("a service cannot run `service`; right would be `play`, `record` or the like"));
        }
        Ok(arguments)
    }

    /// The arguments with which the service manager starts this program.
    pub(super) fn launch(&self, folder: &Path, log: &Path) -> Vec<OsString> {
        let words = ["service", "run", &self.name].map(OsString::from).into_iter();
        let words = words.chain(["--folder".into(), folder.into(), "--log".into(), log.into(), "--".into()]);
        words.chain(self.command.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(name: &str, command: &[&str]) -> Plan {
        Plan { name: name.to_owned(), folder: None, log: None, command: command.iter().map(OsString::from).collect() }
    }

    #[test]
    fn what_windows_keeps_is_read_back() {
        let plan = plan("Studio 1", &["play", "studio.sdp", "--output", "null", "-v"]);
        assert_eq!(plan.command().expect("a command").verbose, 1);
        let launch = plan.launch(Path::new("C:\\AES 67"), Path::new("D:\\studio.log"));
        let words = [OsString::from("aes67.exe")].into_iter().chain(launch);
        let Command::Service(read) = Arguments::try_parse_from(words).expect("a command line").command else {
            panic!("it is no service");
        };
        let super::super::What::Run(read) = read.what else { panic!("it is not to run") };
        assert_eq!((&read.name, &read.command), (&plan.name, &plan.command));
        assert_eq!(read.folder.as_deref(), Some(Path::new("C:\\AES 67")));
        assert_eq!(read.log.as_deref(), Some(Path::new("D:\\studio.log")));
    }

    #[test]
    fn what_makes_no_sense_is_said_in_one_sentence() {
        let said = |name: &str, command: &[&str]| match plan(name, command).command() {
            Ok(_) => panic!("{name} {command:?} is right"),
            Err(failure) => failure.to_string(),
        };
        for name in ["", "a/b", "a\\b", "a:b", ".a", "a\"b", &"a".repeat(257)] {
            assert!(said(name, &["interfaces"]).contains("is no name for a service; right would be"), "{name}");
        }
        let wrong = said("a", &["play"]);
        assert!(wrong.starts_with("what the service is to run is not a command of aes67: "), "{wrong}");
        assert_eq!(wrong.lines().count(), 1, "{wrong}");
        assert!(said("a", &["service", "uninstall", "a"]).contains("cannot run `service`"));
    }
}
