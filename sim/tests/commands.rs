//! The commands about many scenarios, and about what a scenario may say.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod json_schema;
mod short;

use json_schema::violation;
use serde_json::Value;
use short::{SCENARIO, with, write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn sim(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.env("NO_COLOR", "1").current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Two scenarios without audio, one of which fails, in `scenarios/`.
fn library() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("scenarios")).unwrap();
    let quiet = SCENARIO.replace("audio = \"full\"", "audio = \"none\"");
    std::fs::write(folder.path().join("scenarios/good.toml"), &quiet).unwrap();
    let bad = "extends = \"good.toml\"\ntitle = \"It <fails> & \\\"shows\\\" it\"\n[[expect]]\nreceiver = \"engine\"\n\
               metric = \"locked_share\"\nmin = 1\n";
    std::fs::write(folder.path().join("scenarios/bad.toml"), bad).unwrap();
    folder
}

#[test]
fn run_runs_all_and_exits_as_the_worst() {
    let folder = library();
    let output = sim(folder.path(), &["run", "--no-pictures", "--junit", "out/verdicts.xml"]);
    assert_exit(&output, 1);
    let table = text(&output.stdout);
    assert!(table.contains("2 scenarios: 1 passed, 1 failed"), "{table}");
    assert!(table.contains("FAIL: locked_share of engine"), "{table}");
    let errors = text(&output.stderr);
    assert!(errors.contains("bad: failed: engine: locked_share is 0"), "{errors}");
    assert!(errors.contains("reproduce with: cargo run -p sim -- scenarios/bad.toml --seed 3"), "{errors}");
    let xml = std::fs::read_to_string(folder.path().join("out/verdicts.xml")).unwrap();
    assert!(xml.contains("<testsuite name=\"bad\" file=\"scenarios/bad.toml\" tests=\"1\" failures=\"1\""), "{xml}");
    assert!(xml.contains("<testcase classname=\"good.engine\" name=\"underruns &lt;= 0\"/>"), "{xml}");
    let files = |name: &str| folder.path().join("reports/good").join(name).exists();
    assert!(files("summary.json") && !files("overview.png"));
    // A page of an earlier run would show other verdicts.
    assert_exit(&sim(folder.path(), &["scenarios/good.toml"]), 0);
    assert!(files("index.html") && files("overview.png"));
    assert_exit(&sim(folder.path(), &["run", "--no-pictures", "scenarios/good.toml"]), 0);
    assert!(files("summary.json") && !files("index.html") && !files("overview.png"));
}

/// A CI service must not take a run that never was for one that passed.
#[cfg(unix)]
#[test]
fn runs_that_ctrl_c_kept_from_starting_are_reported_as_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::thread::available_parallelism().unwrap().get() + 1;
    for index in 0..count {
        let path = folder.path().join(format!("{index:03}.toml"));
        std::fs::write(path, with("duration_s = 20", "duration_s = 20000")).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.current_dir(folder.path()).args(["run", ".", "--json", "--junit", "verdicts.xml"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while std::fs::metadata(folder.path().join("reports/000/engine.wav")).map_or(0, |file| file.len()) < 500_000 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 130);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let runs = json["runs"].as_array().unwrap();
    assert_eq!(runs.len(), count);
    let last = &runs[count - 1];
    assert_eq!((&last["ending"], &last["summary"]), (&"not_started".into(), &Value::Null));
    let xml = std::fs::read_to_string(folder.path().join("verdicts.xml")).unwrap();
    let suite = format!("<testsuite name=\"{:03}\" file=\"./{:03}.toml\" tests=\"1\"", count - 1, count - 1);
    assert!(xml.contains(&(suite + " failures=\"0\" errors=\"0\" skipped=\"1\">")), "{xml}");
    assert!(xml.contains("<skipped message=\"not started"), "{xml}");
}

#[test]
fn json_is_all_that_is_on_stdout() {
    let folder = library();
    let output = sim(folder.path(), &["run", "--no-pictures", "--json", "scenarios"]);
    assert_exit(&output, 1);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["version"], &json["exit_code"]), (&1.into(), &1.into()));
    let ending = |index: usize| (json["runs"][index]["scenario"].clone(), json["runs"][index]["ending"].clone());
    assert_eq!(ending(0), ("bad".into(), "failed".into()));
    assert_eq!(ending(1), ("good".into(), "passed".into()));
    assert_eq!(json["runs"][1]["summary"]["seed"], 3);
}

#[test]
fn nothing_is_run_if_one_file_is_wrong() {
    let folder = library();
    std::fs::write(folder.path().join("scenarios/ugly.toml"), with("seed = 3", "sed = 3")).unwrap();
    let output = sim(folder.path(), &["run"]);
    assert_exit(&output, 2);
    let errors = text(&output.stderr);
    assert!(errors.starts_with("error: scenarios/ugly.toml:3:1: unknown key `sed`") && errors.lines().count() == 2);
    assert!(!folder.path().join("reports").exists());
    let output = sim(folder.path(), &["check", "scenarios/good.toml", "scenarios/bad.toml"]);
    assert_exit(&output, 0);
    assert_eq!(text(&output.stdout), "2 scenarios are valid\n");
    assert_exit(&sim(folder.path(), &["check"]), 2);
    let output = sim(folder.path(), &["run", "elsewhere"]);
    assert!(text(&output.stderr).contains("elsewhere: cannot be read"), "{}", text(&output.stderr));
}

#[test]
fn an_error_in_an_extended_file_is_told_at_its_line() {
    let folder = library();
    std::fs::write(folder.path().join("scenarios/good.toml"), with("delay_us = 200", "delay_us = -200")).unwrap();
    let output = sim(folder.path(), &["check", "scenarios/bad.toml"]);
    assert_exit(&output, 2);
    let errors = text(&output.stderr);
    let line = SCENARIO.lines().position(|line| line == "delay_us = 200").unwrap() + 1;
    let right = format!("error: scenarios/good.toml:{line}:12: `network.media.delay_us` = -200 is out of range");
    assert!(errors.starts_with(&right), "{errors}");
}

#[test]
fn set_replaces_items_of_lists_and_adds_them() {
    let folder = library();
    let check = |set: &str| sim(folder.path(), &["check", "scenarios/good.toml", "--set", set]);
    assert_exit(&check("fault.0={ at_s = 1, what = \"network_lost\" }"), 0);
    assert_exit(&check("fault.1={ at_s = 1, what = \"network_lost\" }"), 0);
    assert_exit(&check("rival.0.domain=5"), 2);
    assert_exit(&check("fault=[{ at_s = 1, what = \"network_lost\" }, { at_s = 2, what = \"media_lost\" }]"), 0);
    let output = check("fault.7={ at_s = 1, what = \"network_lost\" }");
    assert!(text(&output.stderr).contains("there are 1 of `fault`"), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("fault.1 adds one"), "{}", text(&output.stderr));
}

#[test]
fn list_explain_and_completions_answer() {
    let folder = library();
    let output = sim(folder.path(), &["list"]);
    assert_exit(&output, 0);
    assert!(text(&output.stdout).contains("good      20 s x 1  A tone over a calm network"));
    let output = sim(folder.path(), &["explain", "callback_frames"]);
    assert_exit(&output, 0);
    assert!(text(&output.stdout).contains("unit: frames"));
    assert_exit(&sim(folder.path(), &["explain", "callback_frame"]), 2);
    assert_exit(&sim(folder.path(), &["explain"]), 0);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = sim(folder.path(), &["completions", shell]);
        assert_exit(&output, 0);
        assert!(text(&output.stdout).contains("make-programme"), "{shell}");
    }
}

/// Runs whose results differ are told in order, with their trends, and a page is written.
#[test]
fn history_tells_trends() {
    let folder = library();
    assert_exit(&sim(folder.path(), &["history"]), 2);
    for frames in ["480", "960", "960", "480"] {
        let quiet = SCENARIO.replace("audio = \"full\"", "audio = \"none\"");
        let text = quiet.replace("callback_frames = 480", &format!("callback_frames = {frames}"));
        std::fs::write(folder.path().join("scenarios/good.toml"), text).unwrap();
        sim(folder.path(), &["run", "--no-pictures", "scenarios/good.toml"]);
    }
    let output = sim(folder.path(), &["history", "good", "--metric", "ratio_error"]);
    assert_exit(&output, 0);
    let told = text(&output.stdout);
    assert!(told.starts_with("good: 3 runs (ppp)\n") && told.contains("  engine.ratio_error_ppm  "), "{told}");
    assert!(!told.contains("lock_time_s") && told.contains("page: reports/history.html"), "{told}");
    let page = std::fs::read_to_string(folder.path().join("reports/history.html")).unwrap();
    assert!(page.contains("engine.lock_time_s") && page.contains("3 runs; the last: passed"), "{page}");
    let output = sim(folder.path(), &["history", "bad"]);
    assert_exit(&output, 2);
    assert!(text(&output.stderr).contains("reports/bad: there is no history in it"), "{}", text(&output.stderr));
}

/// Every scenario here is right by the schema that editors get, and a wrong one is not.
#[test]
fn the_json_schema_says_what_scenarios_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let output = sim(&folder, &["explain", "--json-schema"]);
    assert_exit(&output, 0);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (mut folders, mut seen) = (vec![folder], 0);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("base") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                assert_eq!(violation(&schema, &read(&path)), None, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 80, "{seen} scenarios are not all");
    let wrong = |line: &str, replacement: &str| {
        let table: toml::Table = with(line, replacement).parse().unwrap();
        violation(&schema, &serde_json::to_value(table).unwrap())
    };
    assert_eq!(wrong("seed = 3", "seed = 4"), None);
    for (line, replacement) in [
        ("seed = 3", "sed = 3"),
        ("seed = 3", ""),
        ("callback_frames = 480", "callback_frames = 0"),
        ("kind = \"engine\"", "kind = \"motor\""),
        ("jitter.exponential = { mean_us = 50 }\n\n[network.ptp]", "jitter = { mean_us = 50 }\n\n[network.ptp]"),
        ("metric = \"underruns\"", "metric = \"sounds_bad\""),
    ] {
        assert!(wrong(line, replacement).is_some(), "{replacement}");
    }
}

fn read(path: &PathBuf) -> Value {
    serde_json::to_value(std::fs::read_to_string(path).unwrap().parse::<toml::Table>().unwrap()).unwrap()
}

/// Real summaries are what the documented schema says: with audio and without, of clocks only, of
/// two legs, of what never happens, and of what was skipped.
#[test]
fn summaries_are_as_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let schema = std::fs::read_to_string(root.join("docs/summary.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let never = "[[fault]]\nat_s = 0\nwhat = \"network_lost\"\n\n[[expect]]\nreceiver = \"engine\"\nmetric = \"lock_time_s\"\nmax = 5\n\n[[expect]]";
    std::fs::write(folder.path().join("never.toml"), SCENARIO.replacen("[[expect]]", never, 1)).unwrap();
    write(folder.path(), SCENARIO);
    let shipped = |name: &str| root.join("scenarios").join(name).display().to_string();
    let (legs, clock) = (shipped("redundancy_leg_loss.toml"), shipped("bench/clocks/b.toml"));
    let run = |arguments: &[&str]| {
        let output = sim(folder.path(), &[&["run", "--json", "--no-pictures"], arguments].concat());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let check = |report: &Value| {
            let summary = &report["summary"];
            assert_eq!(violation(&schema, summary), None, "{summary:#}");
            let file = folder.path().join(report["folder"].as_str().unwrap()).join("summary.json");
            let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            assert!(written == *summary, "{}", file.display());
            summary.clone()
        };
        json["runs"].as_array().unwrap().iter().map(check).collect::<Vec<Value>>()
    };
    let stable = "metric = \"mtie_ns\"\nclock = \"card\"\n";
    let limits = [format!("{stable}tau_s = 2\nmax = 0"), format!("{stable}mask = \"tenth_of_a_frame\"")];
    let limits = limits.map(|limit| format!("\n[[expect]]\nreceiver = \"engine\"\n{limit}\n")).concat();
    std::fs::write(folder.path().join("stable.toml"), format!("{SCENARIO}{limits}")).unwrap();
    let summaries = run(&["stable.toml"]);
    let judged = summaries[0]["expectations"].as_array().unwrap();
    let judged = |key: &str| judged.iter().rev().take(2).map(|one| one[key].clone()).collect::<Vec<_>>();
    assert_eq!(judged("holds"), [false, false]);
    assert_eq!(judged("clock"), ["card", "card"]);
    assert_eq!((&judged("mask")[0], &judged("tau_s")[1]), (&"tenth_of_a_frame".into(), &2.0.into()));
    let summaries = run(&["never.toml", "short.toml"]);
    let judged = &summaries[0]["expectations"][0];
    assert_eq!((&judged["max"], &judged["min"]), (&5.0.into(), &Value::Null));
    assert_eq!((&judged["measured"], &judged["measured_infinite"]), (&Value::Null, &true.into()));
    assert!(summaries[0]["receivers"][0]["infinite"].as_array().unwrap().contains(&"lock_time_s".into()));
    assert_ne!(summaries[0]["scenario_hash"], summaries[1]["scenario_hash"]);
    let short = ["--set", "duration_s=30", "--set", "record.audio=\"none\"", "--set", "fault=[]", "--set", "expect=[]"];
    let summaries = run(&[&[legs.as_str(), &clock], &short[..]].concat());
    assert_eq!(summaries[0]["receivers"][0]["legs"].as_array().unwrap().len(), 2);
    let files: Vec<&str> =
        summaries[1]["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(files, ["b.toml", "a.toml"]);
}
