//! Which scenario files a command means: files and folders, or all of `scenarios/`.

use crate::{EXIT_USAGE, terminal};
use sim::scenario::Loaded;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where scenarios are unless others are named.
const FOLDER: &str = "scenarios";

/// The scenarios of a command.
#[derive(clap::Args)]
pub(crate) struct Library {
    /// Scenario files, and folders of which all are meant, without those in folders below; all of
    /// `scenarios/` if none is given.
    #[arg(value_name = "FILES|FOLDERS")]
    named: Vec<PathBuf>,
}

impl Library {
    /// Reads all scenarios with these changes.
    ///
    /// # Errors
    /// One sentence for each file that is wrong.
    pub(crate) fn load(&self, overrides: &[String]) -> Result<Vec<Loaded>, Vec<String>> {
        let files = self.files().map_err(|error| vec![error])?;
        let (mut loaded, mut wrong) = (Vec::new(), Vec::new());
        for file in files {
            match Loaded::read(&file, overrides) {
                Ok(scenario) => loaded.push(scenario),
                Err(error) => wrong.push(error.to_string()),
            }
        }
        // What the command line says wrongly is wrong of every file.
        wrong.dedup();
        if wrong.is_empty() { Ok(loaded) } else { Err(wrong) }
    }

    fn files(&self) -> Result<Vec<PathBuf>, String> {
        if self.named.is_empty() {
            return files_of(Path::new(FOLDER)).map_err(|error| format!("{error}; name files or folders"));
        }
        let mut files = Vec::new();
        for path in &self.named {
            if path.is_dir() { files.extend(files_of(path)?) } else { files.push(path.clone()) }
        }
        let mut seen = Vec::new();
        files.retain(|file| {
            let path = file.canonicalize().unwrap_or_else(|_| file.clone());
            let is_new = !seen.contains(&path);
            seen.push(path);
            is_new
        });
        Ok(files)
    }
}

/// The scenario files of a folder, in order of their names.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    if files.is_empty() { Err(format!("{}: there is no scenario in it", folder.display())) } else { Ok(files) }
}

/// Says what is wrong.
pub(crate) fn refuse(wrong: &[String]) -> ExitCode {
    for error in wrong {
        eprintln!("error: {error}");
    }
    ExitCode::from(EXIT_USAGE)
}

/// `sim check`: reads and checks, and runs nothing.
pub(crate) fn check(library: &Library, overrides: &[String]) -> ExitCode {
    match library.load(overrides) {
        Ok(loaded) => {
            let count = loaded.len();
            terminal::say(if count == 1 {
                "1 scenario is valid".to_owned()
            } else {
                format!("{count} scenarios are valid")
            });
            ExitCode::SUCCESS
        }
        Err(wrong) => refuse(&wrong),
    }
}

/// `sim list`: what there is.
pub(crate) fn list(library: &Library) -> ExitCode {
    let loaded = match library.load(&["record.audio=\"none\"".to_owned()]) {
        Ok(loaded) => loaded,
        Err(wrong) => return refuse(&wrong),
    };
    let widest = loaded.iter().map(|loaded| loaded.name.len()).max().unwrap_or(0);
    for one in &loaded {
        let receivers = one.scenario.receivers.len();
        terminal::say(format_args!(
            "{:widest$}  {:>6.0} s x {receivers}  {}",
            one.name,
            one.scenario.duration_s.get(),
            one.scenario.title
        ));
    }
    let all_s: f64 = loaded.iter().map(|one| one.scenario.duration_s.get() * one.scenario.receivers.len() as f64).sum();
    terminal::say(format_args!("{} scenarios, {all_s:.0} s of all receivers together", loaded.len()));
    ExitCode::SUCCESS
}
