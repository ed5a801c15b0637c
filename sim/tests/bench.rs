//! The comparison of clock laws: its model against published figures, its result against itself,
//! and its command line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench_support;
mod short;

use sim::bench::{Figures, Plan, render_csv, render_json, render_markdown, run};
use sim::scenario::ReceiverKind;
use sim::world::Control;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn condition(name: &str) -> PathBuf {
    bench_support::path(&format!("clocks/{name}"))
}

fn bench(name: &str, overrides: &[&str], laws: &[ReceiverKind], seeds: u64) -> Vec<Figures> {
    let conditions = bench_support::condition(&format!("clocks/{name}"), overrides);
    let plan = Plan { conditions, log_sync_intervals: Vec::new(), laws: laws.to_vec(), seeds };
    run(&plan, &Control::default()).unwrap().unwrap()
}

#[track_caller]
fn assert_near(what: &str, measured: Option<f64>, published: f64) {
    let measured = measured.unwrap();
    assert!((measured / published - 1.0).abs() < 0.06, "{what}: {measured}, published {published}");
}

/// The time errors of ptp4l 4.4, run in clknetsim in the same conditions.
#[test]
fn linuxptps_servos_err_as_published() {
    let published = [("a", 1.22, 1.94), ("b", 24.5, 39.2), ("bN", 23.3, 38.5), ("c", 122.0, 194.0)];
    for (name, pi, linreg) in published {
        let figures = bench(name, &[], &[ReceiverKind::LinuxptpPi, ReceiverKind::LinuxptpLinreg], 6);
        assert_near(&format!("pi in {name}"), figures[0].time_rms_us, pi);
        assert_near(&format!("linreg in {name}"), figures[1].time_rms_us, linreg);
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    bench_support::assert_same_on_any_threads(|| {
        let figures = bench("a", &["duration_s=120"], ReceiverKind::CLOCK_LAWS, 3);
        render_json(&figures) + &render_csv(&figures) + &render_markdown(&figures)
    });
}

#[test]
fn json_has_these_keys() {
    let figures = bench("a", &["duration_s=60"], &[ReceiverKind::Engine], 1);
    let list: serde_json::Value = serde_json::from_str(&render_json(&figures)).unwrap();
    let expected = [
        "condition",
        "log_sync_interval",
        "law",
        "seeds",
        "time_rms_us",
        "time_p99_us",
        "time_max_us",
        "time_bias_us",
        "frequency_rms_ppb",
        "lock_10us_s",
        "lock_100us_s",
        "outage_end_worst_us",
        "recovery_s",
        "false_unlocks",
        "coverage_3sigma",
    ];
    bench_support::assert_keys(&list[0], &expected);
    assert_eq!(list[0]["law"], "engine");
    assert!(list[0]["outage_end_worst_us"].is_null());
}

#[test]
fn the_command_writes_its_tables_and_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let sim = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
        command.args(["bench", "clocks", "--seeds", "1", "--laws", "linuxptp_pi", "--reports"]);
        command.arg(folder.path()).args(arguments).output().unwrap()
    };
    let json = folder.path().join("a.json");
    let output = sim(&["--json", json.to_str().unwrap(), condition("a").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("condition a, Sync interval 2^-3 s, 1 seeds"));
    for file in [json, folder.path().join("bench_clocks/clocks.md"), folder.path().join("bench_clocks/clocks.csv")] {
        assert!(std::fs::metadata(&file).is_ok_and(|file| file.len() > 100), "{}", file.display());
    }

    let audio = short::write(folder.path(), &short::with("seed = 3", "seed = 4"));
    let output = sim(&[audio.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("has an audio chain, and this bench compares clocks: leave out [talker]"), "{error}");
    assert_eq!(sim(&["nowhere.toml"]).status.code(), Some(2));
    assert_eq!(sim(&["--seeds", "0"]).status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_bench_with_130_and_without_files() {
    let folder = tempfile::tempdir().unwrap();
    let reports = folder.path().join("reports");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(["bench", "clocks", "--seeds", "100000", "--reports"]).arg(&reports).arg(condition("a"));
    // Until it has got to where it heeds the signal, the signal ends it: as long as that is so, it
    // is given more time.
    let mut wait_ms = 500;
    let output = loop {
        let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        wait_ms *= 2;
        if output.status.code().is_some() || wait_ms > 10_000 {
            break output;
        }
    };
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(!reports.exists());
}
