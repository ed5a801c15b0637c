//! Command lines in listings.

/// Whose command line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The simulator, started by its name or by `cargo run -p sim`.
    Sim,
    /// `aes67`, started by its name or by `cargo run -p aes67`.
    Aes67,
    /// `cargo xtask`.
    Xtask,
    /// Another command of cargo.
    Cargo,
}

/// A command line in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// File and line.
    pub place: String,
    /// Whose it is.
    pub program: Program,
    /// The words after the program's name; of cargo's, all after `cargo`, also if they start one of
    /// the other programs.
    pub arguments: Vec<String>,
}

impl CommandLine {
    /// A command line of one of ours, or none.
    pub(crate) fn of(place: String, words: Vec<String>) -> Option<Self> {
        let is_prefix =
            |word: &String| word == "sudo" || word.split_once('=').is_some_and(|(name, _)| is_variable(name));
        let mut words = words.into_iter().skip_while(is_prefix);
        let program = words.next()?;
        let words: Vec<String> = words.collect();
        let (program, arguments) = match program.rsplit(['/', '\\']).next().unwrap_or_default() {
            "sim" | "sim.exe" => (Program::Sim, words),
            "aes67" | "aes67.exe" => (Program::Aes67, words),
            "cargo" => started_by_cargo(words),
            _ => return None,
        };
        Some(Self { place, program, arguments })
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn started_by_cargo(words: Vec<String>) -> (Program, Vec<String>) {
    if words.first().is_some_and(|word| word == "xtask") {
        return (Program::Xtask, words.into_iter().skip(1).collect());
    }
    let (own, passed) =
        words.iter().position(|word| word == "--").map_or((&words[..], None), |at| (&words[..at], Some(at + 1)));
    let package = own.iter().position(|word| word == "-p").and_then(|at| own.get(at + 1)).map(String::as_str);
    let program = match package {
        _ if own.first().is_none_or(|word| word != "run") || own.iter().any(|word| word == "--example") => None,
        Some("sim") => Some(Program::Sim),
        Some("aes67") => Some(Program::Aes67),
        _ => None,
    };
    match program {
        Some(program) => (program, passed.map_or_else(Vec::new, |from| words[from..].to_vec())),
        None => (Program::Cargo, words),
    }
}

/// The shell whose rules a listing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    /// POSIX.
    Posix,
    /// That of Windows, which knows neither comments behind a command nor single quotes, and takes
    /// a backslash as it is.
    Cmd,
}

impl Shell {
    /// That of a listing of this kind.
    pub(crate) fn of(kind: &str) -> Option<Self> {
        match kind {
            "sh" => Some(Self::Posix),
            "bat" => Some(Self::Cmd),
            _ => None,
        }
    }

    /// What the shell cannot split is no command of ours.
    fn split(self, line: &str) -> Vec<String> {
        match self {
            Self::Posix => shlex::split(line).unwrap_or_default(),
            Self::Cmd => split_of_cmd(line),
        }
    }
}

fn split_of_cmd(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut quoted, mut within) = (false, false);
    for c in line.chars() {
        let ends = c.is_whitespace() && !quoted;
        if !ends && !within {
            words.push(String::new());
        }
        within = !ends;
        match (c, words.last_mut()) {
            ('"', _) => quoted = !quoted,
            (c, Some(word)) if within => word.push(c),
            _ => {}
        }
    }
    words
}

/// The commands of a listing, each with the number of its line in it, from 0. A line of a POSIX
/// shell that ends in a backslash goes on in the next one; of a pipe, each program is a command.
pub(crate) fn read(shell: Shell, listing: &str) -> impl Iterator<Item = (usize, Vec<String>)> {
    let mut commands = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (number, line) in listing.lines().enumerate() {
        let (first, mut text) = begun.take().unwrap_or((number, String::new()));
        if let Some(line) = line.strip_suffix('\\').filter(|_| shell == Shell::Posix) {
            text.push_str(line);
            begun = Some((first, text));
            continue;
        }
        text.push_str(line);
        let words = shell.split(&text);
        let parts = words.split(|word| matches!(word.as_str(), "|" | "&&" | "||" | ";"));
        for part in parts {
            let ends = |word: &&String| !matches!(word.as_str(), "&" | ">" | "2>" | ">>" | "<");
            commands.push((first, part.iter().take_while(ends).cloned().collect::<Vec<_>>()));
        }
    }
    commands.into_iter().filter(|(_, words)| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(Program, String)> {
        let (_, words) = read(Shell::Posix, line).next()?;
        CommandLine::of(String::new(), words).map(|command| (command.program, command.arguments.join(" ")))
    }

    #[test]
    fn programs_are_told_apart_however_they_are_started() {
        let is = |line: &str, program, arguments: &str| assert_eq!(of(line), Some((program, arguments.to_owned())));
        is("cargo run --release -p sim --features peers -- bench resamplers # why", Program::Sim, "bench resamplers");
        is("sudo target/debug/aes67 ptp &", Program::Aes67, "ptp");
        is("cargo xtask test --only fmt", Program::Xtask, "test --only fmt");
        is("A_B=1 cargo nextest run -p sim", Program::Cargo, "nextest run -p sim");
        is("cargo run -p engine --example receive -- x", Program::Cargo, "run -p engine --example receive -- x");
        assert_eq!(of("echo aes67"), None);
    }

    #[test]
    fn quotes_pipes_and_long_lines_are_the_shells() {
        let commands: Vec<_> = read(Shell::Posix, "sim \\\n  'a b' | sim c > d\nsim e").collect();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(commands, [(0, words(&["sim", "a b"])), (0, words(&["sim", "c"])), (2, words(&["sim", "e"]))]);
    }

    #[test]
    fn windows_has_rules_of_its_own() {
        let commands: Vec<_> = read(Shell::Cmd, "aes67 play \"Studio 1\" C:\\\nsim  it's # \"\"\n").collect();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            commands,
            [(0, words(&["aes67", "play", "Studio 1", "C:\\"])), (1, words(&["sim", "it's", "#", ""]))]
        );
    }
}
