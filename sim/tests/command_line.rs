//! The program as a person or a script meets it: exit codes, messages, and the files that it leaves
//! behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod short;

use short::{SCENARIO, with, write};
use sim::scenario::Loaded;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// What every run with audio leaves behind.
const FILES: [&str; 13] = [
    "index.html",
    "overview.png",
    "drift.png",
    "clock.png",
    "buffer.png",
    "audio.png",
    "stability.png",
    "engine.wav",
    "engine.difference.wav",
    "reference.wav",
    "trace.csv",
    "summary.json",
    "history.csv",
];

fn sim() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.env("NO_COLOR", "1");
    command
}

/// Runs a scenario text in a folder of its own, with the reports beside it.
fn run(folder: &TempDir, text: &str, arguments: &[&str]) -> Output {
    let path = write(folder.path(), text);
    sim().arg(path).arg("--reports").arg(folder.path().join("reports")).args(arguments).output().unwrap()
}

fn error_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", error_of(output));
}

fn summary(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("summary.json")).unwrap()).unwrap()
}

/// Frames of a WAV file, all of which can be read.
fn frames(path: &Path) -> u32 {
    let mut reader = hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 48_000, 16));
    let samples = reader.samples::<i32>().map(Result::unwrap).count();
    let bytes = std::fs::read(path).unwrap();
    let riff = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    assert_eq!(riff + 8, bytes.len(), "{samples} samples");
    // After the samples there are only cue points.
    let cues = bytes.len() - 2 * samples;
    assert!(cues < 10_000 && bytes[2 * samples..].windows(4).any(|name| name == b"cue "), "{cues} bytes");
    reader.duration()
}

#[test]
fn a_reader_that_has_gone_changes_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let path = write(folder.path(), SCENARIO);
    let reports = folder.path().join("reports");
    let output = sim().arg(path).arg("--reports").arg(&reports).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_exit(&output, 0);
    assert_eq!(error_of(&output), "");
}

#[test]
fn a_run_that_holds_exits_with_0_and_leaves_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&folder, SCENARIO, &[]);
    assert_exit(&output, 0);
    let reports = folder.path().join("reports/short");
    for name in FILES.into_iter().filter(|name| *name != "history.csv") {
        assert!(std::fs::metadata(reports.join(name)).is_ok_and(|file| file.len() > 1000), "{name}");
    }
    let history = std::fs::read_to_string(reports.join("history.csv")).unwrap();
    assert_eq!(history.lines().count(), 2, "a heading and a run: {history}");
    // And what says whose they are.
    assert_eq!(std::fs::read_dir(&reports).unwrap().count(), FILES.len() + 1);
    assert_eq!(std::fs::read_to_string(reports.join("scenario.txt")).unwrap(), "../../short.toml\n");
    assert_eq!(frames(&reports.join("engine.wav")) / 48_000, 20);
    assert_eq!(frames(&reports.join("reference.wav")) / 48_000, 20);
    let summary = summary(&reports);
    assert_eq!((&summary["passed"], &summary["interrupted"]), (&true.into(), &false.into()));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(&format!("reports: {}", reports.display())), "{told}");
    assert!(told.contains("pass") && !told.contains("FAIL"), "{told}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_run_without_audio_leaves_no_wav_files() {
    let folder = tempfile::tempdir().unwrap();
    assert_exit(&run(&folder, SCENARIO, &["--set", "record.audio=\"none\""]), 0);
    let reports = folder.path().join("reports/short.record.audio-none");
    assert!(reports.join("trace.csv").exists() && !reports.join("engine.wav").exists());
}

/// The last line is a command; a shell that runs it sees the same failure.
#[test]
fn a_run_that_fails_exits_with_1_and_tells_how_to_repeat_it() {
    // Names that a shell would take apart.
    let folder = tempfile::Builder::new().prefix("it's a test ").tempdir().unwrap();
    let text = with("title = \"A tone", "title = \"A tone that is too low");
    let arguments =
        ["--seed", "5", "--set", "record.audio=\"none\"", "--set", "expect.0.max=10", "--set", "expect.0.min=2.5"];
    let output = run(&folder, &text, &arguments);
    assert_exit(&output, 1);
    let error = error_of(&output);
    let (failure, command) = error.trim_end().split_once('\n').unwrap();
    assert_eq!(failure, "failed: engine: underruns is 0, but must be 2.5 to 10, missed by 2.5");
    let command = command.strip_prefix("reproduce with: cargo run -p sim -- ").unwrap_or_else(|| panic!("{command}"));
    let line = format!("exec \"$0\" {command}");
    let again =
        Command::new("sh").args(["-c", &line, env!("CARGO_BIN_EXE_sim")]).env("NO_COLOR", "1").output().unwrap();
    assert_exit(&again, 1);
    assert_eq!(error_of(&again), error);
    let name = "short.record.audio-none.expect.0.max-10.expect.0.min-2.5.seed-5";
    let summary = summary(&folder.path().join("reports").join(name));
    assert_eq!((&summary["passed"], &summary["seed"]), (&false.into(), &5.into()));
    assert_eq!(summary["expectations"][0]["missed_by"], 2.5);
}

#[test]
fn determinism_is_checked_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&folder, SCENARIO, &["--check-determinism"]);
    assert_exit(&output, 0);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.ends_with("deterministic: two runs, the same trajectory\n"), "{told}");
}

#[test]
fn bad_input_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&folder, &with("callback_frames", "callback_frame"), &[]);
    assert_exit(&output, 2);
    let error = error_of(&output);
    assert!(error.starts_with("error: ") && error.contains("short.toml:46:1: unknown key `callback_frame`"), "{error}");

    let output = sim().arg(folder.path().join("none.toml")).output().unwrap();
    assert_exit(&output, 2);
    assert!(error_of(&output).contains("none.toml: cannot be read: "), "{}", error_of(&output));

    for (bad, right) in [("card.frames=1", "did you mean `callback_frames`?"), ("seed", "write key.key=value")] {
        let output = run(&folder, SCENARIO, &["--set", bad]);
        assert_exit(&output, 2);
        let error = error_of(&output);
        assert!(error.starts_with(&format!("error: --set {bad}: ")) && error.contains(right), "{error}");
    }

    let output = run(&folder, SCENARIO, &["--seed", "x"]);
    assert_exit(&output, 2);
    assert!(!folder.path().join("reports").exists(), "bad input makes no reports");
}

#[test]
fn a_file_in_another_encoding_is_read_or_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    let text = with("A tone", "Grüße");
    let mark = "\u{FEFF}";
    let utf16: Vec<u8> = (mark.to_owned() + &text).encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [utf16, (mark.to_owned() + &text).into_bytes()] {
        std::fs::write(&path, bytes).unwrap();
        assert!(Loaded::read(&path, &[]).unwrap().scenario.title.starts_with("Grüße over"));
    }
    let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    std::fs::write(&path, latin).unwrap();
    let said = Loaded::read(&path, &[]).map(drop).unwrap_err().to_string();
    let right = "line 1, byte 12: the text is not UTF-8 (byte 0xFC); save it as UTF-8";
    assert_eq!(said, format!("{}: {right}", path.display()));
    std::fs::write(&path, vec![b'#'; 2_000_000]).unwrap();
    let said = Loaded::read(&path, &[]).map(drop).unwrap_err().to_string();
    assert!(said.contains("a.toml: more than 1000000 bytes are no scenario"), "{said}");
}

#[test]
fn reports_that_cannot_be_written_exit_with_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reports"), "a file").unwrap();
    let output = run(&folder, SCENARIO, &[]);
    assert_exit(&output, 2);
    let error = error_of(&output);
    assert!(error.contains("reports/short: the folder for the reports cannot be made: "), "{error}");
    assert!(error.ends_with("; give another with --reports\n"), "{error}");

    // A folder where each file would be.
    for name in ["engine.wav", "reference.wav", "overview.png", "trace.csv", "summary.json"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("reports/short").join(name)).unwrap();
        let short = SCENARIO.replace("duration_s = 20", "duration_s = 1").replace("at_s = 15", "at_s = 0.5");
        let output = run(&folder, &short, &[]);
        assert_exit(&output, 2);
        assert!(error_of(&output).contains(name), "{name}: {}", error_of(&output));
    }
}

/// Runs that differ do not overwrite each other's reports, and runs that do not share a folder.
#[test]
fn another_seed_has_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let text = SCENARIO.replace("audio = \"full\"", "audio = \"none\"");
    let reports = folder.path().join("reports");
    let told = |arguments: &[&str]| {
        let output = run(&folder, &text, arguments);
        assert_exit(&output, 0);
        String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned()
    };
    let plain = format!("reports: {}", reports.join("short").display());
    assert_eq!(told(&[]), plain);
    let changed = reports.join("short.card.callback_frames-960.seed-7");
    let why = "(named after what is not as in the file: card.callback_frames=960, seed=7)";
    let said = told(&["--seed", "7", "--set", "card.callback_frames=960"]);
    assert_eq!(said, format!("reports: {} {why}", changed.display()));
    // As the command that repeats the run has it: the seed of the file.
    assert_eq!(told(&["--seed", "3", "--set", "card.callback_frames=480"]), plain);
    let names = std::fs::read_dir(&reports).unwrap().map(|entry| entry.unwrap().path());
    // Beside them is the page of all.
    let mut names: Vec<_> = names.filter(|path| path.is_dir()).collect();
    names.sort();
    assert_eq!(names, [reports.join("short"), changed.clone()]);
    let seeds = [reports.join("short"), changed].map(|folder| summary(&folder)["seed"].as_u64());
    assert_eq!(seeds, [Some(3), Some(7)]);
}

#[test]
fn another_scenario_of_the_same_name_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = SCENARIO.replace("audio = \"full\"", "audio = \"none\"");
    assert_exit(&run(&one, &text, &[]), 0);
    let reports = one.path().join("reports");
    let before = std::fs::read(reports.join("short/summary.json")).unwrap();
    let other = write(two.path(), &text.replace("seed = 3", "seed = 4"));
    let output = sim().arg(&other).arg("--reports").arg(&reports).output().unwrap();
    assert_exit(&output, 2);
    let owner = one.path().join("short.toml").canonicalize().unwrap();
    let right = "give another folder with --reports, or delete this one";
    let said =
        format!("{} belongs to another scenario of that name, {}", reports.join("short").display(), owner.display());
    assert_eq!(error_of(&output), format!("error: {said}: {right}\n"));
    assert_eq!(std::fs::read(reports.join("short/summary.json")).unwrap(), before);
}

/// A baseline that is said to fail, and does not.
#[test]
fn an_unexpected_pass_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let text = with("max = 0", "min = 1\nknown_failure = true").replace("audio = \"full\"", "audio = \"none\"");
    let output = run(&folder, &text, &[]);
    assert_exit(&output, 1);
    let told = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(told.contains("UNEXPECTED PASS"), "{told}");
    let error = error_of(&output);
    let fact = "unexpected pass: engine: underruns is 0, and no longer >= 1: ";
    assert!(error.starts_with(fact) && error.contains("`known_failure = true`"), "{error}");
}

#[test]
fn a_run_that_is_too_large_is_refused_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&folder, SCENARIO, &["--set", "duration_s=31_557_600"]);
    assert_exit(&output, 2);
    let error = error_of(&output);
    assert!(error.contains("short.toml: this run has some 6.7e10 events, more than 2.0e10: "), "{error}");
    assert!(
        error.contains("talker.packet_frames") && error.ends_with("; --allow-large runs it all the same\n"),
        "{error}"
    );
    assert!(!folder.path().join("reports").exists(), "a run that is refused makes no reports");
}

/// A service manager's signal, in a run whose only row comes at its end: it is not waited for.
#[cfg(unix)]
#[test]
fn sigterm_ends_a_run_with_143() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        write(folder.path(), &with("interval_s = 1\n", "interval_s = 10000\n").replace("_s = 20\n", "_s = 10000\n"));
    let reports = folder.path().join("reports");
    let child = sim().arg(path).arg("--reports").arg(&reports).stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
    let child = child.unwrap();
    let wav = reports.join("short/engine.wav");
    while std::fs::metadata(&wav).map_or(0, |file| file.len()) < 500_000 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let sent = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 143);
    let reports = reports.join("short");
    assert_eq!(error_of(&output), format!("interrupted: what was simulated so far is in {}\n", reports.display()));
    assert!(frames(&reports.join("engine.wav")) < 480_000_000);
    assert_eq!(summary(&reports)["interrupted"], true);
    // The stability of a clock takes more than the one row.
    let mut made = FILES.iter().filter(|name| **name != "stability.png");
    assert!(made.all(|name| reports.join(name).exists()));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_with_130_and_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &with("duration_s = 20", "duration_s = 20000"));
    let reports = folder.path().join("reports");
    let child = sim().arg(path).arg("--reports").arg(&reports).stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
    let child = child.unwrap();
    // Not before there is something to interrupt: some MB of audio.
    let wav = reports.join("short/engine.wav");
    while std::fs::metadata(&wav).map_or(0, |file| file.len()) < 2_000_000 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 130);
    let reports = reports.join("short");
    assert_eq!(error_of(&output), format!("interrupted: what was simulated so far is in {}\n", reports.display()));
    let (played, reference) = (frames(&reports.join("engine.wav")), frames(&reports.join("reference.wav")));
    assert!(played > 480_000 && reference > 480_000, "{played} and {reference} frames");
    let summary = summary(&reports);
    assert_eq!((&summary["passed"], &summary["interrupted"]), (&false.into(), &true.into()));
    let rows = std::fs::read_to_string(reports.join("trace.csv")).unwrap().lines().count() as u32 - 1;
    assert_eq!(rows, played / 48_000);
    // Of what was simulated, not of the hours that were asked for: a second at least without a
    // lock, and one with it.
    let locked = summary["receivers"][0]["metrics"]["locked_share"].as_f64().unwrap();
    let second = 1.0 / f64::from(rows);
    assert!((second..=1.0 - second).contains(&locked), "{locked} of {rows} s");
    assert!(FILES.iter().all(|name| reports.join(name).exists()));
}

#[test]
fn the_programme_is_made_and_can_be_played() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("programme.wav");
    assert_exit(&sim().arg("make-programme").arg(&wav).output().unwrap(), 0);
    assert!(hound::WavReader::open(&wav).unwrap().duration() > 48_000);
    let output = sim().arg("make-programme").arg(folder.path().join("none/programme.wav")).output().unwrap();
    assert_exit(&output, 2);
    assert!(error_of(&output).contains("none/programme.wav: "), "{}", error_of(&output));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_second_run_of_a_comparison_too() {
    use std::io::BufRead;
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &with("duration_s = 20", "duration_s = 2000"));
    let mut command = sim();
    command.arg(path).args(["--check-determinism", "--set", "record.audio=\"none\"", "--reports"]);
    command.arg(folder.path().join("reports")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The last line of the first run.
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("reports: ")));
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 130);
    assert!(error_of(&output).contains("interrupted: the second run was not compared"), "{}", error_of(&output));
}
