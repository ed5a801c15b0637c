//! The program for Windows on one wire with that for Linux: `a` runs Linux's, `b` that of Windows
//! under Wine. `cargo xtask windows --test` builds it and names it in `AES67_EXE`.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::{Program, Wire, assert_recorded, samples, write_noise};
use std::fs;
use std::process::Command;

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
        let wire = Wire::new(&["wine", "jackd"])?;
        // Wine 8 tells no interfaces where the default route has no gateway.
        wire.ip('b', &["route replace default via 10.67.0.1 dev vb"]);
        Some(Self { wire, exe })
    }

    /// Starts the program for Windows on `b`. A signal would end Wine instead, so that each run has
    /// its `--seconds`, or is [ended](Self::end).
    fn start(&self, arguments: &str) -> Program {
        self.wire.start_program('b', "wine", &format!("{} {arguments}", self.exe))
    }

    /// Ends what runs on `b` as Windows does, by one of its programs; what it wrote. The exit code
    /// tells that it ended by itself.
    fn end(&self, program: Program, by: &str) -> String {
        let asked = self.wire.command('b', "wine", by).output().expect("wine runs");
        assert!(asked.status.success(), "{by}: {}", String::from_utf8_lossy(&asked.stderr));
        let (ended, log) = program.end();
        assert_eq!(ended, Some(0), "{by}:\n{log}");
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
    ends_with_the_session(&bench);
    plays(&bench);
    sends(&bench);
    serves(&bench);
    runs_as_a_service(&bench);
    // Its server would keep on using the network of these hosts, which are gone then.
    let server = bench.wire.command('b', "wineserver", "--kill").status();
    assert!(server.expect("wineserver runs").success());
}

fn help(bench: &Bench) {
    let log = bench.run("--help");
    for command in ["ptp", "discover", "play", "record", "send", "monitor", "loop", "interfaces", "service"] {
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

/// How Windows asks a program to end.
const TASKKILL: &str = "taskkill /im aes67.exe";
/// The same of all programs, when the user logs off.
const LOG_OFF: &str = "wineboot --end-session";

fn ptp(bench: &Bench) {
    let master = bench.wire.start('a', "ptp --interface va --master --json");
    master.wait_for("MASTER", 20);
    let client = bench.start("ptp --interface 10.67.0.2 --json --seconds 600");
    // Some seconds on a machine that is idle. On one where every call of Wine's server took 0.5 ms
    // it was LOCKED after 63 s, and not for long.
    client.wait_for("\"state\":\"LOCKED\"", 500);
    let log = bench.end(client, TASKKILL);
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

/// A recording is complete when the user logs off.
fn ends_with_the_session(bench: &Bench) {
    let send = send_tone(bench, "239.69.2.4");
    let record = bench.start("record aes67://239.69.2.4 --interface vb --no-ptp --output logoff.wav --seconds 300");
    record.wait_for("recording", 60);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let log = bench.end(record, LOG_OFF);
    assert_eq!(send.stop().0, Some(0));
    let recorded = samples(&bench.wire.path("logoff.wav"));
    assert!(recorded.iter().any(|sample| *sample != 0), "{} samples of silence:\n{log}", recorded.len());
    show("record until the user logs off", &format!("{} frames in a complete file", recorded.len() / 2));
}

/// Linux sends a tone of two channels.
fn send_tone(bench: &Bench, group: &str) -> Program {
    let send = bench.wire.start('a', &format!("send tone --group {group} --interface va --clock system --level -20"));
    send.wait_for("packets, late by", 30);
    send
}

/// ALSA's default device is JACK, for a driver that asks for other formats, too.
const ASOUNDRC: &str = "pcm.!default { type plug slave.pcm { type jack \
                        playback_ports { 0 system:playback_1 1 system:playback_2 } } }\n";

/// Windows plays through WASAPI, which Wine's driver takes to ALSA, and that to JACK: what a client
/// of JACK records is the tone.
fn plays(bench: &Bench) {
    fs::write(bench.wire.path(".asoundrc"), ASOUNDRC).expect("a file");
    let server = format!("wine-{}", std::process::id());
    let with = |mut command: Command| {
        command.env("HOME", bench.wire.path("")).env("JACK_DEFAULT_SERVER", &server);
        command.env("JACK_NO_START_SERVER", "1");
        command
    };
    let start =
        |program: &str, arguments: &str| bench.wire.start_command(with(bench.wire.command('b', program, arguments)));
    // Without real-time priority, which would keep everything else of a busy machine from running.
    let jack = start("jackd", &format!("-r -n {server} -d dummy -r 48000 -p 1024"));
    let send = send_tone(bench, "239.69.2.3");
    let play = format!("{} play aes67://239.69.2.3 --interface vb --clock arrivals --json --seconds 300", bench.exe);
    let play = start("wine", &play);
    play.wait_until("it plays", 100, |log| log.contains("\"state\":\"PLAYING\""));
    let (_, ports) = start("jack_lsp", "").end();
    let port = ports.lines().find(|line| line.ends_with(":out_000"));
    let port = port.unwrap_or_else(|| panic!("no port of JACK's:\n{ports}\n{}\n{}", play.log(), jack.log()));
    let (code, log) = start("jack_rec", &format!("-f heard.wav -d 5 -b 32 {port}")).end();
    assert_eq!(code, Some(0), "{log}");
    let said = last(&bench.end(play, TASKKILL));
    let heard = samples(&bench.wire.path("heard.wav"));
    // Of -20 dBFS.
    let loud = heard.iter().filter(|sample| sample.unsigned_abs() > i32::MAX as u32 / 100).count();
    let share = loud * 100 / heard.len().max(1);
    show("play by WASAPI", &format!("{share} % of {} samples are the tone: {said}", heard.len()));
    assert!(share > 50, "{share} % of {} samples are the tone\n{said}", heard.len());
    assert_eq!(send.stop().0, Some(0));
    jack.stop();
}

/// Seconds for which Windows serves: `AES67_WINE_SERVICE_S` says for how many more than a few.
fn service_s() -> u32 {
    std::env::var("AES67_WINE_SERVICE_S").map_or(20, |seconds| seconds.parse().expect("a number of seconds"))
}

/// Windows is master, sends, records and plays, all at once and for long; Linux follows its clock
/// and hears its stream.
fn serves(bench: &Bench) {
    let seconds = service_s();
    let limit = seconds + 120;
    let send = bench.start(&format!(
        "send tone --group 239.69.2.5 --interface vb --clock master --level -20 --sdp service.sdp --seconds {seconds}"
    ));
    send.wait_for("packets, late by", 60);
    let hear =
        |host: &str, more: &str| format!("play aes67://239.69.2.5 --interface {host} --output null --json {more}");
    let here = bench.start(&hear("vb", &format!("--clock arrivals --seconds {seconds}")));
    let there = bench.wire.start('a', &hear("va", ""));
    let (code, log) = send.end_within(limit);
    assert_eq!(code, Some(0), "{log}");
    let (code, played) = here.end_within(limit);
    assert_eq!(code, Some(0), "{played}");
    let (code, followed) = there.stop();
    assert_eq!(code, Some(0), "{followed}");
    let packets = rig::told::<u64>(&log.replace('\r', ""), " packets");
    assert!(packets > u64::from(seconds) * 500, "less than half of the packets were sent:\n{log}");
    for played in [&played, &followed] {
        assert!(played.contains("\"state\":\"PLAYING\""), "{played}");
    }
    show(&format!("send for {seconds} s"), log.trim());
    show("  play here", &last(&played).to_string());
    show("  aes67 plays there", &last(&followed).to_string());
}

/// A service of Windows's own kind records for 20 s, and is stopped by the service manager: the
/// file is complete. Another one fails, and says why in its log.
fn runs_as_a_service(bench: &Bench) {
    let noise = write_noise(&bench.wire.path("service.wav"), 2, 60);
    // Wine ends its services as soon as no other program runs.
    let other = bench.start("discover --interface vb --seconds 600");
    // A run that failed may have left its services.
    for service in ["studio", "wrong"] {
        bench.start(&format!("service uninstall {service}")).end();
    }
    let said = bench.run_to(2, "service install studio --log service.log -- record");
    assert!(said.contains("what the service is to run is not a command of aes67"), "{said}");
    let record = "record aes67://239.69.2.6 --interface vb --no-ptp --output by_service.wav --seconds 600";
    let said = bench.run(&format!("service install studio --log service.log -- {record}"));
    show("service install studio", &said);
    let twice = bench.run_to(2, &format!("service install studio -- {record}"));
    assert!(twice.contains("there is a service studio already"), "{twice}");
    let asked = |arguments: &str| {
        let (code, log) = bench.wire.start_program('b', "wine", arguments).end();
        assert_eq!(code, Some(0), "{arguments}:\n{log}");
    };
    let said_in = |name: &str| fs::read_to_string(bench.wire.path(name)).unwrap_or_default().replace('\r', "");
    // A service writes its log when it has started, which `net` does not wait for.
    let waits_for = |name: &str, text: &str| {
        let is_said = (0..300).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            said_in(name).contains(text)
        });
        assert!(is_said, "{text} is not in {name}: {}", said_in(name));
    };
    asked("net start studio");
    waits_for("service.log", "recording ");
    let send = bench.wire.start('a', "send service.wav --group 239.69.2.6 --interface va --clock system");
    send.wait_for("packets, late by", 30);
    std::thread::sleep(std::time::Duration::from_secs(20));
    asked("net stop studio");
    let log = said_in("service.log");
    let (_, sent) = send.stop();
    let recorded = samples(&bench.wire.path("by_service.wav"));
    // Windows does not count what it drops, and the log does not tell it.
    let told = format!("{log} 0 dropped by the kernel");
    assert_recorded((&told, &sent), (&recorded, &noise), 2, true);
    assert!(recorded.len() > 10 * 2 * 48_000, "{} samples of 20 s:\n{log}", recorded.len());
    show("service: 20 s of recording", log.trim());
    show("service uninstall studio", &bench.run("service uninstall studio"));
    let gone = bench.run_to(2, "service uninstall studio");
    assert!(gone.contains("there is no service studio"), "{gone}");
    bench.run("service install wrong --log wrong.log -- ptp --interface none9");
    // Whether `net` says that it has failed depends on how soon it does.
    bench.wire.start_program('b', "wine", "net start wrong").end();
    waits_for("wrong.log", "error: there is no network interface none9");
    bench.run("service uninstall wrong");
    show("service: what fails", said_in("wrong.log").trim());
    bench.end(other, TASKKILL);
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
