//! `cargo xtask fuzz --coverage`: which lines of each parser the corpus reaches.
//!
//! The targets are built once more, with the compiler's own counters instead of libFuzzer's, and
//! run on the inputs that were found. LLVM's tools must be of the compiler's version.

use super::{Error, HOST, corpus, files, targets};
use crate::cmd::Cmd;
use serde_json::Value;
use std::path::{Path, PathBuf};

const FLAGS: &str = "-Cinstrument-coverage -Cdebug-assertions=on -Coverflow-checks=on --cfg fuzzing";
/// Inputs of one run: so many paths fit on a command line.
const INPUTS_AT_ONCE: usize = 2000;

/// The lines of a file, or of all files of a target's parser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lines {
    path: String,
    all: u64,
    reached: u64,
}

impl Lines {
    fn row(&self, target: &str) -> String {
        let Self { path, all, reached } = self;
        let percent = 100.0 * *reached as f64 / (*all).max(1) as f64;
        format!("{target:<18} {path:<48} {reached:>6} of {all:>6} lines {percent:>6.1} %")
    }
}

/// Prints a table of the chosen parsers.
pub(super) fn report(chosen: &[String], folder: &Path) -> Result<(), Error> {
    let [profdata, cov] = tools()?;
    let folder = folder.with_file_name("fuzz-coverage");
    build(&folder).run()?;
    for target in chosen.iter().filter(|target| targets::is_parser(target)) {
        let files = measure(target, &folder, &profdata, &cov)?;
        let sum = |of: fn(&Lines) -> u64| files.iter().map(of).sum();
        let total = Lines { path: "together".to_owned(), all: sum(|file| file.all), reached: sum(|file| file.reached) };
        files.iter().chain([&total]).for_each(|lines| println!("{}", lines.row(target)));
    }
    Ok(())
}

fn build(folder: &Path) -> Cmd {
    let cargo = Cmd::cargo("build --release --locked --manifest-path fuzz/Cargo.toml --target").arg(HOST);
    cargo.arg("--target-dir").arg(folder).env("RUSTFLAGS", FLAGS)
}

/// `llvm-profdata` and `llvm-cov` of the compiler's version.
fn tools() -> Result<[String; 2], Error> {
    let version = Cmd::new("rustc").words("--version --verbose").read()?;
    let major = version.lines().find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next());
    let major = major.unwrap_or_default();
    let tools = ["llvm-profdata", "llvm-cov"].map(|tool| format!("{tool}-{major}"));
    match tools.iter().find(|tool| !Cmd::new(tool.as_str()).words("--version").succeeds()) {
        None => Ok(tools),
        Some(missing) => Err(Error::MissingSystem { what: missing.clone(), packages: format!("llvm-{major}") }),
    }
}

/// The files of a target's parser, after its inputs have been run.
fn measure(target: &str, folder: &Path, profdata: &str, cov: &str) -> Result<Vec<Lines>, Error> {
    let program = folder.join(HOST).join("release").join(target);
    let (inputs, raw) = (folder.join("corpus").join(target), folder.join("raw").join(target));
    files::remove(&raw)?;
    files::make_folder(&raw)?;
    corpus::unpack(target, &inputs)?;
    let mut all = files::list(&inputs)?;
    all.extend(found(target, folder)?);
    for inputs in all.chunks(INPUTS_AT_ONCE) {
        let run = Cmd::new(&program).env("LLVM_PROFILE_FILE", raw.join("%p.profraw").display().to_string());
        let run = inputs.iter().fold(run, |run, input| run.arg(input));
        run.run_quietly().map_err(|reason| Error::Unread { command: program.display().to_string(), reason })?;
    }
    let merged = raw.join("merged.profdata");
    let merge = Cmd::new(profdata).words("merge -sparse -o").arg(&merged);
    let merge = files::list(&raw)?.iter().fold(merge, |merge, file| merge.arg(file));
    merge.run()?;
    let export = Cmd::new(cov).words("export -summary-only -instr-profile").arg(&merged).arg(&program);
    let told = export.read()?;
    let unread = |reason: String| Error::Unread { command: export.to_string(), reason };
    let told: Value = serde_json::from_str(&told).map_err(|error| unread(error.to_string()))?;
    let lines = lines_of(&told, targets::parser(target));
    if lines.is_empty() { Err(unread(format!("it tells of no file of {target}"))) } else { Ok(lines) }
}

/// What a search on this machine has found beyond the corpus of the repository.
fn found(target: &str, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let inputs = folder.with_file_name("fuzz").join("corpus").join(target);
    if inputs.exists() { files::list(&inputs) } else { Ok(Vec::new()) }
}

/// The files below `parser` in what `llvm-cov export` says.
fn lines_of(told: &Value, parser: &[&str]) -> Vec<Lines> {
    let files = told["data"][0]["files"].as_array().into_iter().flatten();
    let lines = files.filter_map(|file| {
        let name = file["filename"].as_str()?;
        let path = parser.iter().find_map(|part| name.find(part).map(|at| name[at..].to_owned()))?;
        let count = |key: &str| file["summary"]["lines"][key].as_u64();
        Some(Lines { path, all: count("count")?, reached: count("covered")? })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_parser_are_found_in_what_llvm_says() {
        let file =
            |name: &str| serde_json::json!({"filename": name, "summary": {"lines": {"count": 40, "covered": 30}}});
        let told = serde_json::json!({"data": [{"files": [file("/src/engine/src/rtp/wire.rs"), file("/src/engine/src/units.rs")]}]});
        let expected = Lines { path: "engine/src/rtp/wire.rs".to_owned(), all: 40, reached: 30 };
        assert_eq!(lines_of(&told, targets::parser("rtp_packet")), std::slice::from_ref(&expected));
        assert!(expected.row("rtp_packet").ends_with("30 of     40 lines   75.0 %"), "{}", expected.row("rtp_packet"));
        assert_eq!(lines_of(&Value::Null, targets::parser("rtp_packet")), []);
    }
}
