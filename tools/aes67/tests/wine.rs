//! The program for Windows on one wire with that for Linux: `a` runs Linux's, `b` that of Windows
//! under Wine. `cargo xtask windows --test` builds it and names it in `AES67_EXE`.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::{Program, Wire, assert_recorded, samples, write_noise};
use std::fs;

/// The hosts, and the program.
struct Bench {
    wire: Wire,
    exe: String,
}

impl Bench {
    fn new() -> Option<Self> {
        let Ok(exe) = std::env::var("AES67_EXE") else {
            skips::tell("`cargo xtask windows --test` builds what this needs");
            return None;
        };
        let wire = Wire::new(&["wine"])?;
        // Wine 8 tells no interfaces where the default route has no gateway.
        wire.ip('b', &["route replace default via 10.67.0.1 dev vb"]);
        Some(Self { wire, exe })
    }

    /// Starts the program for Windows on `b`. A signal would end Wine instead, so that each run has
    /// its `--seconds`, or is [ended](Self::end).
    fn start(&self, arguments: &str) -> Program {
        self.wire.start_program('b', "wine", &format!("{} {arguments}", self.exe))
    }

    /// Ends the program that runs on `b` as Windows does; what it wrote. The exit code tells that
    /// it ended by itself.
    fn end(&self, program: Program) -> String {
        let asked = self.wire.command('b', "wine", "taskkill /im aes67.exe").output().expect("wine runs");
        assert!(asked.status.success(), "taskkill: {}", String::from_utf8_lossy(&asked.stderr));
        let (ended, log) = program.end();
        assert_eq!(ended, Some(0), "after taskkill:\n{log}");
        log.replace('\r', "")
    }

    /// Runs it to its end; what it wrote.
    fn run(&self, arguments: &str) -> String {
        self.run_to(0, arguments)
    }

    fn run_to(&self, code: i32, arguments: &str) -> String {
        let (ended, log) = self.start(arguments).end();
        // Wine's own messages are no part of it.
        let log = log.replace('\r', "");
        assert_eq!(ended, Some(code), "{arguments}:\n{log}");
        log
    }
}

/// What a run showed, for whoever reads the log.
fn show(what: &str, log: &str) {
    let last = log.lines().last().unwrap_or_default();
    eprintln!("aes67.exe {what}\n    {last}");
}

#[test]
fn the_program_for_windows_works_on_one_wire_with_that_for_linux() {
    let Some(bench) = Bench::new() else { return };
    help(&bench);
    errors(&bench);
    ptp(&bench);
    hears(&bench);
    sends(&bench);
    // Its server would keep on using the network of these hosts, which are gone then.
    let server = bench.wire.command('b', "wineserver", "--kill").status();
    assert!(server.expect("wineserver runs").success());
}

fn help(bench: &Bench) {
    let log = bench.run("--help");
    for command in ["ptp", "discover", "play", "record", "send", "monitor", "loop", "interfaces"] {
        assert!(log.contains(&format!("\n  {command} ")), "{log}");
    }
    show("--help", &log);
    let log = bench.run("interfaces --json");
    assert!(log.contains("\"10.67.0.2\""), "{log}");
    show("interfaces --json", log.trim());
}

fn errors(bench: &Bench) {
    let log = bench.run_to(2, "ptp --interface none9 --seconds 1");
    assert!(log.contains("there is no network interface none9"), "{log}");
    show("ptp --interface none9", &log);
}

/// The last line of what a run wrote, as JSON.
fn last(log: &str) -> serde_json::Value {
    let line = log.lines().rev().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON in\n{log}"));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn ptp(bench: &Bench) {
    let master = bench.wire.start('a', "ptp --interface va --master --json");
    master.wait_for("MASTER", 20);
    // Some seconds on a machine that is idle. On one where every call of Wine's server took 0.5 ms
    // it was LOCKED after 63 s, and not for long.
    let client = bench.start("ptp --interface 10.67.0.2 --json --seconds 600");
    client.wait_for("\"state\":\"LOCKED\"", 500);
    let log = bench.end(client);
    let said = last(&log);
    // A lock takes two of them, and comes soon.
    assert!(said["grandmaster"].is_string() && said["delay_responses"].as_u64() >= Some(2), "{log}");
    for linux in ["ptp4l", "setcap", "kernel", "SCHED_FIFO"] {
        assert!(!log.contains(linux), "{linux} means nothing on Windows: {log}");
    }
    show("ptp", &format!("{said}"));
    assert_eq!(master.stop().0, Some(0));
}

/// Linux sends; Windows discovers, records, and plays.
fn hears(bench: &Bench) {
    let noise = write_noise(&bench.wire.path("in.wav"), 2, 12);
    let discover = bench.start("discover --interface vb --json --seconds 10");
    let record = bench.start("record aes67://239.69.2.1 --interface vb --no-ptp --output out.wav --seconds 9");
    record.wait_for("recording", 20);
    let send = bench
        .wire
        .start('a', "send in.wav --group 239.69.2.1 --interface va --clock system --name Noise --sdp noise.sdp");
    send.wait_for("packets, late by", 15);
    let played = bench.run("play aes67://239.69.2.1 --interface vb --clock arrivals --output null --json --seconds 4");
    let (_, heard) = discover.end();
    let (code, log) = record.end();
    let (_, said) = send.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(heard.contains("\"event\":\"added\",\"name\":\"Noise\""), "{heard}");
    show("discover", heard.trim());
    let recorded = samples(&bench.wire.path("out.wav"));
    // Windows does not count what it drops, and the log does not tell it.
    let told = format!("{log} 0 dropped by the kernel");
    assert_recorded((&told, &said), (&recorded, &noise), 2, true);
    show("record", log.trim());
    let played = last(&played);
    assert_eq!(played["state"], "PLAYING", "{played}");
    show("play --output null", &played.to_string());
}

/// Windows sends, on a clock that it serves; Linux records bit for bit.
fn sends(bench: &Bench) {
    let noise = write_noise(&bench.wire.path("from_windows.wav"), 2, 3);
    let record = bench.wire.start('a', "record aes67://239.69.2.2 --interface va --output from_windows_out.wav");
    record.wait_for("recording", 10);
    let said = bench.run("send from_windows.wav --group 239.69.2.2 --interface vb --clock system --sdp sent.sdp");
    let (code, log) = record.stop();
    assert_eq!(code, Some(0), "{log}");
    let recorded = samples(&bench.wire.path("from_windows_out.wav"));
    assert_recorded((&log, &said), (&recorded, &noise), 2, false);
    let description = fs::read_to_string(bench.wire.path("sent.sdp")).expect("a description");
    assert!(description.contains("239.69.2.2"), "{description}");
    show("send", said.trim());
}
