//! `sim sweep` and `sim merge`: the same bytes however a sweep was run, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(target_os = "linux")]
#[expect(dead_code, reason = "the test of a run's page uses all of it")]
mod browser;
mod short;

use short::{with, write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// What a finished sweep leaves.
const FILES: [&str; 6] = ["runs.jsonl", "runs.csv", "runs.parquet", "metrics.csv", "sweep.json", "index.html"];
/// Variables by which schedulers tell of a shard, which the tests may themselves run under.
const SCHEDULERS: [&str; 3] = ["SLURM_ARRAY_TASK_ID", "HQ_TASK_ID", "JOB_COMPLETION_INDEX"];

fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    for name in SCHEDULERS {
        command.env_remove(name);
    }
    command.current_dir(folder).args(shlex(words)).stdin(Stdio::null());
    command
}

/// Words, in which single quotes keep spaces together.
fn shlex(words: &str) -> Vec<String> {
    let parts = words.split('\'').enumerate();
    parts.fold(Vec::new(), |mut all, (index, part)| {
        if index % 2 == 1 {
            all.push(part.to_owned());
        } else {
            all.extend(part.split_whitespace().map(str::to_owned));
        }
        all
    })
}

#[track_caller]
fn run(folder: &Path, words: &str, code: i32) -> String {
    told(&command(folder, words).output().unwrap(), code)
}

#[track_caller]
fn told(output: &Output, code: i32) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// A scenario without audio, and one that fails with late callbacks.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let quiet = with("audio = \"full\"", "audio = \"none\"");
    std::fs::write(folder.path().join("calm.toml"), &quiet).unwrap();
    let limit = "\n[[expect]]\nreceiver = \"engine\"\nmetric = \"lock_time_s\"\nmax = 2\n";
    std::fs::write(folder.path().join("late.toml"), quiet + limit).unwrap();
    folder
}

#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    for name in FILES {
        let [one, other] = [one, other].map(|folder| std::fs::read(folder.join(name)).unwrap());
        assert!(!one.is_empty() && one == other, "{name}");
    }
}

#[test]
fn a_sweep_tells_what_fails_and_the_command_repeats_it() {
    let folder = folder();
    let sweep =
        "sweep late.toml --seeds 1..3 --vary network.ptp.delay_us=150,400 --vary card.clock.offset_ppm=-20..20/2";
    let text = run(folder.path(), sweep, 1);
    assert!(text.contains("12 runs: 0 passed, 12 failed"), "{text}");
    assert!(text.contains("failed in 12 runs: engine: lock_time_s <= 2"), "{text}");
    let reports = folder.path().join("reports/late.sweep");
    let csv = std::fs::read_to_string(reports.join("runs.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(names[..5], ["run", "seed", "network.ptp.delay_us", "card.clock.offset_ppm", "ending"]);
    let column = names.iter().position(|name| name == "engine.lock_time_s").unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 12);
    let worst = rows.iter().max_by(|a, b| a[column].parse::<f64>().unwrap().total_cmp(&b[column].parse().unwrap()));
    let worst = worst.unwrap();
    // It is the whole command: settings and seed.
    let alone = worst[names.len() - 1].strip_prefix("cargo run -p sim -- ").unwrap();
    run(folder.path(), &format!("{alone} --reports alone"), 1);
    let summary = std::fs::read_dir(folder.path().join("alone"))
        .unwrap()
        .find_map(|entry| std::fs::read_to_string(entry.unwrap().path().join("summary.json")).ok());
    let summary: serde_json::Value = serde_json::from_str(&summary.unwrap()).unwrap();
    let metrics = &summary["receivers"][0]["metrics"];
    assert_eq!(metrics["lock_time_s"].as_f64(), worst[column].parse().ok());
    for (index, name) in names.iter().enumerate() {
        if let Some(metric) = name.strip_prefix("engine.") {
            let there = metrics[metric].as_f64().map_or("inf".to_owned(), |value| value.to_string());
            assert!(worst[index] == *there || worst[index].is_empty(), "{metric}: {} and {there}", &worst[index]);
        }
    }
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(reports.join("sweep.json")).unwrap()).unwrap();
    assert_eq!((&json["runs"], &json["failed"]), (&12.into(), &12.into()));
}

/// What is heard must be counted as in a run that keeps its WAV files.
#[test]
fn audio_is_judged_though_no_wav_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &with("duration_s = 20", "duration_s = 18"));
    run(folder.path(), "sweep short.toml --seeds 3", 0);
    run(folder.path(), "short.toml --seed 3", 0);
    let summary = std::fs::read(folder.path().join("reports/short/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    let csv = std::fs::read_to_string(folder.path().join("reports/short.sweep/runs.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().unwrap().clone();
    let row = reader.records().next().unwrap().unwrap();
    for metric in ["heard_share", "latency_ms", "residual_dbfs"] {
        let column = names.iter().position(|name| name == format!("engine.{metric}")).unwrap();
        assert_eq!(row[column].parse().ok(), summary["receivers"][0]["metrics"][metric].as_f64(), "{metric}");
    }
    assert!(!folder.path().join("reports/short.sweep/engine.wav").exists());
}

#[cfg(unix)]
#[test]
fn a_sweep_goes_on_after_ctrl_c_with_the_same_bytes() {
    let folder = folder();
    let sweep = "sweep calm.toml --seeds 1..60";
    let journal = folder.path().join("reports/calm.sweep/runs.jsonl");
    let child = command(folder.path(), sweep).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while std::fs::read_to_string(&journal).map_or(0, |text| text.lines().count()) < 4 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    let text = told(&child.wait_with_output().unwrap(), 130);
    assert!(text.contains("of 60 runs are kept in reports/calm.sweep; the same command runs the others"), "{text}");
    let done = std::fs::read_to_string(&journal).unwrap().lines().count() - 1;
    assert!((3..60).contains(&done), "{done} runs");
    let text = run(folder.path(), sweep, 0);
    assert!(text.contains(&format!("{done} of 60 runs are there already")), "{text}");
    assert!(text.contains("60 runs: 60 passed"), "{text}");
    run(folder.path(), &format!("{sweep} --reports other"), 0);
    assert_same(&folder.path().join("reports/calm.sweep"), &folder.path().join("other/calm.sweep"));
    let text = run(folder.path(), "sweep calm.toml --seeds 1..61", 2);
    let right = "error: reports/calm.sweep/runs.jsonl is of another sweep (seeds: 1..60 there, 1..61 here)";
    assert!(text.starts_with(right) && text.lines().count() == 1, "{text}");
}

#[test]
fn shards_are_merged_into_the_same_bytes() {
    let folder = folder();
    let sweep = "sweep late.toml --seeds 1..5 --vary card.callback_frames=240,480";
    run(folder.path(), &format!("{sweep} --reports whole"), 1);
    run(folder.path(), &format!("{sweep} --shard 2/3"), 1);
    let text = run(folder.path(), "merge reports/late.sweep", 2);
    assert!(text.starts_with("error: shard 1/3 is missing in reports/late.sweep"), "{text}");
    // Slurm numbers its tasks as it was told to.
    let mut task = command(folder.path(), sweep);
    task.envs([("SLURM_ARRAY_TASK_ID", "4"), ("SLURM_ARRAY_TASK_MIN", "0"), ("SLURM_ARRAY_TASK_MAX", "4")]);
    task.envs([("SLURM_ARRAY_TASK_COUNT", "3"), ("SLURM_ARRAY_TASK_STEP", "2")]);
    let text = told(&task.output().unwrap(), 1);
    assert!(text.contains("shard 3/3: 3 runs are in reports/late.sweep/runs.3-of-3.jsonl"), "{text}");
    let mut task = command(folder.path(), &format!("{sweep} --shards 3 --reports elsewhere"));
    let text = told(&task.env("JOB_COMPLETION_INDEX", "0").output().unwrap(), 1);
    assert!(text.contains("shard 1/3: 4 runs"), "{text}");
    run(folder.path(), "merge reports/late.sweep elsewhere/late.sweep --into merged", 1);
    assert_same(&folder.path().join("whole/late.sweep"), &folder.path().join("merged"));
    run(folder.path(), &format!("{sweep} --shard 1/3"), 1);
    let text = run(folder.path(), "merge reports/late.sweep elsewhere/late.sweep --into merged", 2);
    assert!(text.starts_with("error: shard 1/3 is there twice: reports/"), "{text}");
    let text = run(folder.path(), "merge reports/late.sweep elsewhere/late.sweep", 2);
    assert!(text.contains("say with --into in which folder"), "{text}");
}

#[test]
fn bad_input_is_refused_before_anything_is_run() {
    let folder = folder();
    for (words, wrong) in [
        ("sweep none.toml", "none.toml: "),
        ("sweep calm.toml --vary card.callback_frames=480,0", "card.callback_frames"),
        ("sweep calm.toml --vary card.callback_frame=480", "card.callback_frame"),
        ("sweep calm.toml --vary card.callback_frames=1,2 --vary card.callback_frames=3", "is varied twice"),
        ("sweep calm.toml --seeds 5..1", "run backwards"),
        ("sweep calm.toml --shard 4/3", "is no shard"),
        ("sweep calm.toml --shards 3", "give --shard K/3"),
        ("merge nowhere", "nowhere: "),
    ] {
        let text = run(folder.path(), words, 2);
        assert!(text.starts_with("error: ") && text.contains(wrong), "{words}: {text}");
        assert!(!folder.path().join("reports").exists(), "{words}");
    }
}

/// The line that the documents have for several machines without a scheduler.
#[cfg(target_os = "linux")]
#[test]
fn gnu_parallel_runs_the_shards() {
    if let Err(missing) = netns::require("parallel") {
        return skips::tell(missing);
    }
    let folder = folder();
    let path = format!("{}:/usr/bin:/bin", Path::new(env!("CARGO_BIN_EXE_sim")).parent().unwrap().display());
    let parallel = |line: &str, code: i32| {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(folder.path()).env("PATH", &path).env("HOME", folder.path());
        told(&shell.output().unwrap(), code)
    };
    parallel("parallel sim sweep calm.toml --seeds 1..9 --shard {}/4 ::: $(seq 4) && sim merge reports/calm.sweep", 0);
    run(folder.path(), "sweep calm.toml --seeds 1..9 --reports whole", 0);
    assert_same(&folder.path().join("whole/calm.sweep"), &folder.path().join("reports/calm.sweep"));
    // The exit code is then the number of shards that were refused.
    let text = parallel("parallel sim sweep calm.toml --seeds 9..1 --shard {}/4 ::: $(seq 4)", 4);
    assert!(text.contains("run backwards"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_browser_shows_maps_and_bands() {
    if let Err(missing) = netns::require("chromium") {
        return skips::tell(missing);
    }
    let folder = folder();
    run(
        folder.path(),
        "sweep late.toml --seeds 1..4 --vary network.ptp.delay_us=150,400,800 --vary card.callback_frames=240,480",
        1,
    );
    let mut browser = browser::Browser::start(folder.path(), 1200, 900);
    browser.open(&folder.path().join("reports/late.sweep/index.html"));
    browser.until("window.sweepPage !== undefined && document.querySelectorAll('#map td button').length === 6");
    assert_eq!(browser.value("document.querySelector('#map td button').textContent"), "100");
    let chosen = "const select = document.getElementById('metric'); select.value = [...select.options].findIndex(one => \
                  one.text === 'engine: lock_time_s'); select.dispatchEvent(new Event('change')); 0";
    browser.value(&format!("(() => {{ {chosen} }})()"));
    browser.until("sweepPage.plots().length === 2");
    // The worst cell is the reddest, and names the command of its worst run.
    let badness = "[...document.querySelectorAll('#map td')].map(cell => cell.dataset.badness).sort().at(-1)";
    assert_eq!(browser.value(badness), "1.000");
    browser.value("document.querySelector('#map td[data-badness=\"1.000\"] button').click(); 0");
    let command = browser.value("document.getElementById('command').textContent");
    let csv = std::fs::read_to_string(folder.path().join("reports/late.sweep/metrics.csv")).unwrap();
    let command = command.as_str().unwrap().to_owned();
    let worst = csv.lines().filter(|line| line.contains(",lock_time_s,4,"));
    assert!(worst.clone().any(|line| line.ends_with(&command)), "{command}");
    let drawn = "sweepPage.plots().every(plot => new Set(new Uint32Array(plot.ctx.getImageData(0, 0, plot.ctx.canvas.width, \
                 plot.ctx.canvas.height).data.buffer)).size > 20)";
    assert_eq!(browser.value(drawn), true);
    // A drag zooms in.
    browser.value("document.getElementById('distribution').scrollIntoView({ block: 'center' }); 0");
    let plot = "sweepPage.plots()[1]";
    let at = |browser: &mut browser::Browser, x: u32| {
        let left = format!("{plot}.over.getBoundingClientRect().left + {plot}.valToPos({x}, 'x')");
        (browser.number(&left), browser.number(&format!("{plot}.over.getBoundingClientRect().top + 60")))
    };
    let (from, to) = (at(&mut browser, 25), at(&mut browser, 75));
    browser.drag(from, to);
    browser.until(&format!("Math.abs({plot}.scales.x.min - 25) < 2 && Math.abs({plot}.scales.x.max - 75) < 2"));
    run(folder.path(), "ab late.toml --seeds 1..3 --b network.ptp.delay_us=400", 0);
    browser.open(&folder.path().join("reports/late.ab/index.html"));
    browser.until("window.comparePage !== undefined && comparePage.plots().length > 1");
    assert_eq!(browser.value(&drawn.replace("sweepPage", "comparePage")), true);
    assert_eq!(browser.complaints(), [""; 0]);
}
