//! Commands: running them, showing them to a person, and interpreting their end.
//!
//! A [`Cmd`] prints exactly the line that a person would type in the workspace's root to do the
//! same.

use std::borrow::Cow;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::interrupt;

/// A command to run in the workspace's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cmd {
    env: Vec<(&'static str, String)>,
    program: OsString,
    args: Vec<OsString>,
}

impl Cmd {
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        Self { env: Vec::new(), program: program.into(), args: Vec::new() }
    }

    /// A cargo command, from its words: `Cmd::cargo("fmt --all")`.
    pub(crate) fn cargo(words: &str) -> Self {
        Self::new("cargo").words(words)
    }

    /// Adds arguments that have no spaces in them.
    pub(crate) fn words(mut self, words: &str) -> Self {
        self.args.extend(words.split_whitespace().map(OsString::from));
        self
    }

    /// Adds one argument as it is.
    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets an environment variable for this command only.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Runs the command with this process's output.
    ///
    /// # Errors
    /// [`Error::Start`] if there is no such program, [`Error::Failed`] if it does not succeed,
    /// [`Error::Interrupted`] if Ctrl-C was pressed before or meanwhile.
    pub(crate) fn run(&self) -> Result<(), Error> {
        interrupt::check()?;
        let status = self.process().status().map_err(|source| Error::Start { command: self.to_string(), source })?;
        interrupt::check()?;
        if status.success() { Ok(()) } else { Err(Error::Failed { command: self.to_string(), code: status.code() }) }
    }

    /// Runs the command with this process's error output, and returns what it wrote to its output.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn read(&self) -> Result<String, Error> {
        interrupt::check()?;
        let start = |source| Error::Start { command: self.to_string(), source };
        let output = self.process().stderr(Stdio::inherit()).output().map_err(start)?;
        interrupt::check()?;
        if !output.status.success() {
            return Err(Error::Failed { command: self.to_string(), code: output.status.code() });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether the command succeeds; its output is dropped.
    pub(crate) fn succeeds(&self) -> bool {
        self.run_quietly().is_ok()
    }

    /// Runs the command without showing its output.
    ///
    /// # Errors
    /// The last line that it wrote to its error output: that is where git and cargo put the reason.
    pub(crate) fn run_quietly(&self) -> Result<(), String> {
        let output = self.process().output().map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(last_line(&String::from_utf8_lossy(&output.stderr))) }
    }

    /// The command as a process that is not started yet.
    ///
    /// It has no input, because no command here asks questions. So it behaves in a terminal as in
    /// CI.
    pub(crate) fn process(&self) -> Command {
        let mut process = Command::new(self.executable());
        process.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        process
    }

    /// Uses the cargo that runs `xtask`, which may not be the first one in the search path.
    fn executable(&self) -> OsString {
        let own_cargo = (self.program == "cargo").then(|| env::var_os("CARGO")).flatten();
        own_cargo.unwrap_or_else(|| self.program.clone())
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(OsStr::new(value)))?;
        }
        f.write_str(&quoted(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

/// The argument, quoted for a shell if necessary.
pub(crate) fn quoted(arg: &OsStr) -> Cow<'_, str> {
    let text = arg.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

fn last_line(text: &str) -> String {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_as_it_is_typed() {
        let cmd = Cmd::cargo("doc --no-deps").env("RUSTDOCFLAGS", "-D warnings").arg("it's here");
        assert_eq!(cmd.to_string(), r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s here'");
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = Cmd::new("no-such-program").words("--version").run().expect_err("it does not exist");
        assert!(error.to_string().starts_with("cannot start `no-such-program --version`"), "{error}");
    }

    #[test]
    fn the_reason_is_the_last_line_with_text() {
        assert_eq!(last_line("Cloning\nfatal: no network\n\n"), "fatal: no network");
        assert_eq!(last_line(""), "no reason given");
    }
}
