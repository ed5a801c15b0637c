//! Masters that do one thing wrong each, and what the program says of them: see `rig` for what
//! these tests need.

#[expect(dead_code, reason = "the rig serves other tests, too")]
mod rig;

use rig::Wire;

/// What the masters do wrong, each in a domain of its own.
const WRONG: [&str; 8] =
    ["unflagged:1", "utc:2", "zero-follow-up:3", "no-follow-up:4", "no-sync:5", "far:6", "unannounced:7", "early:8"];

/// What is said in a domain, after these arguments.
const SAID: [(&str, &str); 9] = [
    (
        "--domain 2",
        "grandmaster dca600fffeff2eea: the master's Sync time and its Delay_Resp time are 37.0 s (TAI and UTC are mixed) apart",
    ),
    ("--domain 3", "the master's Sync time and its Delay_Resp time are "),
    ("--domain 4", "its Syncs say that Follow_Ups tell their time, but none arrives on UDP port 320"),
    ("--domain 5", "it announces itself, but no Sync arrives on UDP port 319"),
    ("--domain 6", "no master in domain 6, but dca600fffeff2eea is 300 boundary clocks away"),
    ("--domain 7", "no master in domain 7, but Syncs of dca600fffeff2eea-2 arrive on UDP port 319"),
    ("--domain 8", "the master's Sync time and its Delay_Resp time do not agree: they make a path delay of "),
    ("--domain 9", "no master in domain 9, but dca600fffeff2eea is in domain "),
    ("--ptp-domain 9", "no master in domain 9, but dca600fffeff2eea is in domain "),
];

#[test]
fn each_wrong_master_is_named_and_none_is_locked_to() {
    // `vf` is a word of `ip link`.
    let hosts: Vec<char> = ('a'..='l').filter(|&host| host != 'f').collect();
    let Some(wire) = Wire::of(&hosts, &["python3", "chrt"]) else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rig/wrong_masters.py");
    let masters = format!("{script} 10.67.0.1 {}", WRONG.join(" "));
    let _masters = wire.start_real_time('a', "python3", &masters);
    // All at once: each takes the time that it waits.
    let unflagged = wire.start('b', "ptp --interface vb --domain 1 --json");
    let waits = hosts[2..].iter().zip(SAID).map(|(&host, (domain, said))| {
        let interface = format!("--interface v{host} {domain} --wait 7");
        // The first ones by each command that has a clock to wait for.
        let command = match host {
            'c' => format!("send tone --group 239.69.1.1 --no-sap {interface}"),
            'l' => format!("play aes67://239.69.1.2 --output null {interface}"),
            _ => format!("ptp {interface}"),
        };
        (command.clone(), said, wire.start(host, &command))
    });
    let waits: Vec<_> = waits.collect();
    for (command, said, running) in waits {
        let (code, log) = running.end();
        assert_eq!(code, Some(1), "{command}\n{log}");
        assert!(
            log.lines().any(|line| line.starts_with("error: no clock within ") && line.contains(said)),
            "{command}\n{log}"
        );
        assert!(!log.contains("[LOCKED]"), "{command}\n{log}");
    }
    // A master in Python answers late now and then, and is not believed then.
    unflagged.wait_for("\"state\":\"LOCKED\"", 60);
    let (_, log) = unflagged.stop();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.iter().rfind(|line| line["state"] == "LOCKED").unwrap();
    assert_eq!(last["parent_port"], 2, "{log}");
    assert_eq!(log.matches("clears twoStepFlag, but sends Follow_Ups").count(), 1, "{log}");
    // It tells this machine's own time. 1 ms is the bound of a locked clock.
    let error_ns = last["system_minus_ptp_ns"].as_i64().unwrap() + 37_000_000_000;
    assert!(error_ns.abs() < 1_000_000, "{last}");
}

#[test]
fn what_did_nothing_has_failed_and_says_why() {
    let Some(wire) = Wire::new(&[]) else { return };
    let record = wire.start('a', "record aes67://239.69.1.3 --interface va --no-ptp --output out.wav --seconds 1");
    let sent = wire.aes67('b', "send tone --group 239.69.1.3 --interface vb --no-sap --seconds 1");
    let said = String::from_utf8_lossy(&sent.stderr);
    assert_eq!(sent.status.code(), Some(1), "{said}");
    assert!(said.contains("error: nothing was sent: no master in domain 0, and no other PTP is heard"), "{said}");
    let (code, log) = record.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("error: nothing was recorded: no packet has come"), "{log}");
}
