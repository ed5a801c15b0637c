//! The programs that run, and how each is checked.

use super::account::{Account, Glitch, Usage};
use super::faults::Plan;
use super::now;
use crate::attack::forge;
use crate::interop::pauses::{self, Watch};
use crate::interop::peers::{DOMAIN, Ptp4l, real_time};
use netns::{Running, Wire, address};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The hosts of two grandmasters, the sender, the player, the recorder, our PTP client, linuxptp's,
/// the attacker, and the program with BASS. There is no `f`, because `vf` is a word of `ip link`.
pub(super) const HOSTS: [char; 9] = ['a', 'b', 'c', 'd', 'e', 'g', 'h', 'i', 'j'];
/// The first grandmaster.
pub(super) const MASTER_HOST: char = 'a';
const ATTACKER: char = 'i';
const HUB: char = '0';
/// The names of our programs, in the order of [`Scene::ours`].
pub(super) const ROLES: [&str; 5] = ["send", "play", "record", "ptp", "bass"];
pub(super) const ROLE_HOSTS: [char; 5] = ['c', 'd', 'e', 'g', 'j'];
const SEND: usize = 0;
const BASS: usize = 4;
const GROUP: &str = "239.69.1.1";
const DESCRIPTION: &str = "studio.sdp";
/// Largest error of a clock whose time is used, us.
const USED_WITHIN_US: f64 = 1000.0;
/// Counters of `play` whose increase is audible.
const COUNTS: [&str; 5] = ["concealed_frames", "underruns", JUMPS, "restarts", "dropped_by_kernel"];
/// Names of the counters in the output of the program with BASS.
const BASS_COUNTS: [&str; 3] = ["frames concealed", "underruns", JUMPS];
const JUMPS: &str = "jumps";
/// If a jump reduces the depth by more than this, ms, it reverses an earlier increase of the depth.
/// Trimming is slower.
const RETURN_MS: f64 = 1.0;
/// Peak level below which the tone counts as missing; the tone has -20 dBFS.
const QUIET_DBFS: f64 = -30.0;

/// The executables of our programs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) aes67: PathBuf,
    pub(super) bass: Option<BassHost>,
}

/// A program that plays by BASS and the add-on, and what it loads.
#[derive(Clone, Debug)]
pub(super) struct BassHost {
    pub(super) program: PathBuf,
    pub(super) bass: PathBuf,
    pub(super) addon: PathBuf,
}

/// What a program has reported so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    counts: [f64; COUNTS.len()],
    /// Its depth, ms.
    depth_ms: f64,
}

impl Seen {
    /// Records a counter and the depth. Returns how much the counter has grown, except for the jump
    /// by which an increased depth returns after the network has been quiet.
    fn grown(&mut self, index: usize, name: &str, count: f64, depth_ms: f64) -> Option<f64> {
        let grown = count - std::mem::replace(&mut self.counts[index], count);
        let returns = name == JUMPS && self.depth_ms - depth_ms > RETURN_MS;
        (grown > 0.0 && !returns).then_some(grown)
    }
}

/// A program of ours.
struct Ours {
    running: Running,
    start_s: f64,
    /// Number of bytes of its log that were read.
    read: usize,
    seen: Seen,
}

pub(super) struct Scene<'a> {
    wire: &'a Wire,
    programs: &'a Programs,
    zero: Instant,
    watch: Watch,
    /// Time at which the watch began, relative to the start of the scene.
    watch_s: f64,
    ours: Vec<Ours>,
    masters: Vec<Option<Running>>,
    peer: Running,
    peer_read: usize,
    attacker: Option<Running>,
}

impl<'a> Scene<'a> {
    /// Starts all programs, and waits until the player plays.
    pub(super) fn start(wire: &'a Wire, programs: &'a Programs) -> Result<Self, String> {
        let words = |trouble| format!("{trouble:?}");
        let zero = now();
        let own = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let watch = pauses::start_by(&own, wire, ATTACKER).map_err(words)?;
        let watch_s = zero.elapsed().as_secs_f64();
        let first = Ptp4l::master(100).attacked().start(wire, MASTER_HOST).map_err(words)?;
        first.wait_for("assuming the grand master role", 15);
        let second = Ptp4l::master(110).attacked().start(wire, 'b').map_err(words)?;
        let peer = Ptp4l::slave().attacked().start(wire, 'h').map_err(words)?;
        let masters = vec![Some(first), Some(second)];
        let mut scene = Self {
            wire,
            programs,
            zero,
            watch,
            watch_s,
            ours: Vec::new(),
            masters,
            peer,
            peer_read: 0,
            attacker: None,
        };
        let sender = scene.start_one(SEND);
        if !sender.running.poll(30, |_| wire.path(DESCRIPTION).is_file()) {
            return Err(format!("the sender does not send:\n{}", sender.running.log()));
        }
        scene.ours.push(sender);
        for role in 1..scene.roles() {
            let one = scene.start_one(role);
            scene.ours.push(one);
        }
        if !scene.ours[1].running.poll(30, |log| log.contains("\"PLAYING\"")) {
            return Err(format!("the player does not play:\n{}", scene.ours[1].running.log()));
        }
        Ok(scene)
    }

    /// Number of [`ROLES`] in this run: the last one needs BASS.
    pub(super) fn roles(&self) -> usize {
        if self.programs.bass.is_some() { ROLES.len() } else { BASS }
    }

    pub(super) fn elapsed_s(&self) -> f64 {
        self.zero.elapsed().as_secs_f64()
    }

    fn start_one(&self, role: usize) -> Ours {
        let host = ROLE_HOSTS[role];
        let command = match (&self.programs.bass, role) {
            (Some(bass), BASS) => self.bass_command(host, bass),
            _ => self.command(host, ROLES[role]),
        };
        Ours { running: self.wire.start(command), start_s: self.elapsed_s(), read: 0, seen: Seen::default() }
    }

    fn bass_command(&self, host: char, bass: &BassHost) -> Command {
        let mut command = real_time(self.wire, host, &bass.program);
        command.env("BASS", &bass.bass).env("BASS_AES67", &bass.addon);
        let seconds = u32::MAX.to_string();
        command.args([&format!("v{host}"), &DOMAIN.to_string(), &seconds, &format!("aes67://{GROUP}:5004")]);
        command
    }

    fn command(&self, host: char, role: &str) -> Command {
        let arguments = match role {
            "send" => format!(
                "send tone --group {GROUP} --interface vc --domain {DOMAIN} --source-channels 2 --name Studio --sap-interval 5 --sdp {DESCRIPTION}"
            ),
            "play" => format!("play {DESCRIPTION} --interface vd --domain {DOMAIN} --output null --json"),
            "record" => {
                format!("record {DESCRIPTION} --interface ve --domain {DOMAIN} --output take.wav --split 5 --overwrite")
            }
            _ => format!("ptp --interface vg --domain {DOMAIN} --json"),
        };
        let mut command = real_time(self.wire, host, &self.programs.aes67);
        command.args(arguments.split(' '));
        command
    }

    /// Pauses of the machine.
    pub(super) fn pauses(&self) -> Vec<(f64, f64)> {
        pauses::of(&self.watch).into_iter().map(|(at_s, ms)| (at_s + self.watch_s, ms)).collect()
    }

    /// Begins a fault.
    pub(super) fn begin(&mut self, plan: &Plan) -> Result<(), String> {
        match plan {
            Plan::Attack { name, seconds } => {
                let own = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
                let mut command = real_time(self.wire, ATTACKER, &own);
                command.args([forge::COMMAND, name, &address(ATTACKER), &seconds.to_string()]);
                self.attacker = Some(self.wire.start(command));
            }
            Plan::MasterKilled { .. } => {
                if let Some(master) = self.masters[0].take() {
                    master.signal("KILL");
                }
            }
            Plan::Cable { host, .. } => self.wire.ip(HUB, &format!("link set p{host} nomaster")),
            Plan::Stopped { role, .. } => self.ours[*role].running.signal("STOP"),
            Plan::SenderAway { .. } => self.ours[SEND].running.signal("TERM"),
        }
        Ok(())
    }

    /// Ends a fault.
    pub(super) fn end(&mut self, plan: &Plan) -> Result<(), String> {
        match plan {
            // The attacker records for up to 8 s before it forges.
            Plan::Attack { .. } => {
                let ended = self.attacker.take().map(|attacker| attacker.wait(60));
                match ended {
                    Some(ended) if ended.code != Some(0) => return Err(format!("the attacker failed: {}", ended.log)),
                    _ => {}
                }
            }
            Plan::MasterKilled { .. } => {
                let master = Ptp4l::master(100).attacked().start(self.wire, MASTER_HOST);
                self.masters[0] = Some(master.map_err(|trouble| format!("{trouble:?}"))?);
            }
            Plan::Cable { host, .. } => self.wire.ip(HUB, &format!("link set p{host} master bridge")),
            Plan::Stopped { role, .. } => self.ours[*role].running.signal("CONT"),
            Plan::SenderAway { .. } => self.ours[SEND] = self.start_one(SEND),
        }
        Ok(())
    }

    /// Reads the new output of all programs, and their use of resources.
    pub(super) fn look(&mut self, account: &mut Account) -> Result<(), String> {
        let now_s = self.elapsed_s();
        let is_ended = |ours: &mut Ours| ours.running.is_over();
        for (role, ours) in ROLES.into_iter().zip(&mut self.ours) {
            match usage(ours.running.id()) {
                Ok(usage) => account.usage.entry(role).or_default().push((now_s, usage)),
                Err(reason) if !is_ended(ours) => return Err(reason),
                Err(_) => {
                    let what = "has ended by itself".to_owned();
                    account.glitches.push(Glitch { at_s: now_s, who: role, what });
                }
            }
            let log = ours.running.log();
            let new = log.get(ours.read..).unwrap_or_default();
            let whole = new.rfind('\n').map_or(0, |end| end + 1);
            if role == ROLES[BASS] {
                new[..whole].lines().for_each(|line| tell_bass(line, now_s, &mut ours.seen, account));
            }
            for line in new[..whole].lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
                let at_s = ours.start_s + line["elapsed_s"].as_f64().unwrap_or(0.0);
                tell(&line, at_s, (role, &mut ours.seen), account);
            }
            ours.read += whole;
        }
        let log = self.peer.log();
        let offset = |line: &str| line.split_once("master offset")?.1.split_whitespace().next()?.parse::<f64>().ok();
        let new = log.get(self.peer_read..).unwrap_or_default();
        let offsets = new.lines().filter_map(offset).map(|ns| ns.abs() / 1e3);
        account.peer_worst_us = offsets.fold(account.peer_worst_us, f64::max);
        self.peer_read = log.len();
        Ok(())
    }
}

/// Records the contents of a line of a program.
fn tell(line: &Value, at_s: f64, (who, seen): (&'static str, &mut Seen), account: &mut Account) {
    let mut glitch = |what: String| account.glitches.push(Glitch { at_s, who, what });
    let depth_ms = line["achieved_us"].as_f64().map_or(seen.depth_ms, |us| us / 1e3);
    for (index, name) in COUNTS.into_iter().enumerate() {
        let Some(count) = line[name].as_f64() else { continue };
        if let Some(grown) = seen.grown(index, name, count, depth_ms) {
            glitch(format!("{grown} {name}"));
        }
    }
    seen.depth_ms = depth_ms;
    let state = line["state"].as_str().unwrap_or_default();
    if let Some(ns) = line["system_minus_ptp_ns"].as_f64().filter(|_| ["LOCKED", "HOLDOVER"].contains(&state)) {
        let error_us = ns.abs() / 1e3;
        if error_us > USED_WITHIN_US {
            glitch(format!("{state} while {error_us:.0} us off"));
        }
        account.worst_us = account.worst_us.max(error_us);
    }
}

/// Records the contents of a line of the program with BASS, which writes one per second.
fn tell_bass(line: &str, at_s: f64, seen: &mut Seen, account: &mut Account) {
    let mut glitch = |what: String| account.glitches.push(Glitch { at_s, who: ROLES[BASS], what });
    let Some((levels, _)) = line.split_once(" dBFS, ") else { return };
    let peak = levels.rsplit(' ').next().and_then(|peak| peak.parse::<f64>().ok());
    // Silence is minus infinity, and a missing number also means that there is no tone.
    if !peak.is_some_and(|dbfs| dbfs >= QUIET_DBFS) {
        glitch("a second without the tone".to_owned());
    }
    let depth = line.rsplit_once(" of ").and_then(|(_, rest)| rest.strip_suffix(" ms")?.parse::<f64>().ok());
    let depth_ms = depth.unwrap_or(seen.depth_ms);
    for (index, name) in BASS_COUNTS.into_iter().enumerate() {
        let count = line.split(", ").find_map(|part| part.strip_suffix(name)?.trim_end().parse::<f64>().ok());
        if let Some(grown) = count.and_then(|count| seen.grown(index, name, count, depth_ms)) {
            glitch(format!("{grown} {name}"));
        }
    }
    seen.depth_ms = depth_ms;
}

/// The resources that a process uses.
fn usage(id: u32) -> Result<Usage, String> {
    let path = format!("/proc/{id}/status");
    let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| format!("{path} has no {name}"))
    };
    let folder = format!("/proc/{id}/fd");
    let files = std::fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?.count() as u64;
    Ok(Usage { memory_kb: number("VmRSS:")?, threads: number("Threads:")?, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glitches_are_read_from_the_lines_of_programs() {
        let (mut account, mut seen) = (Account::default(), Seen::default());
        for line in [
            r#"{"state":"PLAYING","underruns":0,"concealed_frames":0}"#,
            r#"{"state":"PLAYING","underruns":2,"concealed_frames":0}"#,
            r#"{"state":"PLAYING","underruns":2,"concealed_frames":0}"#,
            r#"{"state":"PLAYING","jumps":1,"achieved_us":190000}"#,
            r#"{"state":"PLAYING","jumps":2,"achieved_us":40000}"#,
        ] {
            tell(&serde_json::from_str(line).unwrap(), 7.0, ("play", &mut seen), &mut account);
        }
        let locked = r#"{"state":"LOCKED","system_minus_ptp_ns":-2000000}"#;
        tell(&serde_json::from_str(locked).unwrap(), 8.0, ("ptp", &mut seen), &mut account);
        let acquiring = r#"{"state":"ACQUIRING","system_minus_ptp_ns":-9000000}"#;
        tell(&serde_json::from_str(acquiring).unwrap(), 9.0, ("ptp", &mut seen), &mut account);
        let told: Vec<&str> = account.glitches.iter().map(|glitch| &glitch.what[..]).collect();
        assert_eq!(told, ["2 underruns", "1 jumps", "LOCKED while 2000 us off"]);
        assert_eq!(account.worst_us as u32, 2000);
    }

    #[test]
    fn glitches_are_read_from_the_lines_of_the_program_with_bass() {
        let (mut account, mut seen) = (Account::default(), Seen::default());
        for (peak, concealed, underruns) in [("-20.0", 0, 0), ("-20.1", 48, 0), ("-inf", 48, 3)] {
            let line = format!(
                "  aes67://239.69.1.1:5004  -20.0 {peak} dBFS, 7 packets, 1 lost, 0 late, {concealed} frames concealed, \
                 {underruns} underruns, 0 jumps, jitter 0.01 ms, level 3.0 of 3.0 ms"
            );
            tell_bass(&line, 7.0, &mut seen, &mut account);
        }
        tell_bass("  9 s  Slave to: PTP/aabb", 9.0, &mut seen, &mut account);
        let told: Vec<&str> = account.glitches.iter().map(|glitch| &glitch.what[..]).collect();
        assert_eq!(told, ["48 frames concealed", "a second without the tone", "3 underruns"]);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.memory_kb > 0 && usage.threads > 0 && usage.files > 0, "{usage:?}");
        assert!(super::usage(u32::MAX).is_err());
    }
}
