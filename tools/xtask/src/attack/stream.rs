//! One attack on a stream or its announcement: a sender of ours, a player and a recorder or a
//! listener to announcements, and the attacker, on one wire.
//!
//! The sender sends a tone at the rate of its computer's crystal, so that there is no clock to be
//! attacked. The files of the player and the recorder are analysed by [`sound`](super::sound).

use super::clock::begin;
use super::judge::Times;
use super::rows::{Bar, Meets, Row, Target};
use super::sound::{Figures, Heard, WINDOW_S, right_after_s, windows};
use super::table::{Outcome, ascending, percent, seconds};
use super::{Options, Result, now};
use crate::interop::measure::wav_data;
use crate::interop::peers::real_time;
use netns::{Running, Wire};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SENDER: char = 'a';
const PLAYER: char = 'b';
/// The recorder, or the listener to announcements.
const OTHER: char = 'd';
const HOSTS: [char; 4] = [SENDER, PLAYER, super::clock::ATTACKER, OTHER];
const NAME: &str = "Studio";
const DESCRIPTION: &str = "studio.sdp";
/// How long a stream plays before it is attacked.
const SETTLING: Duration = Duration::from_secs(3);
/// How long a stream is watched after an attack. An announcement is repeated every 5 s here.
const WATCH: Duration = Duration::from_secs(7);
/// A sender that starts during an attack does so this long after its beginning.
const START_AFTER: Duration = Duration::from_secs(4);
/// A player that starts during an attack does so this long after its beginning.
const JOIN_AFTER: Duration = Duration::from_secs(1);
/// Time after an attack within which the sound must be right again, and within which a session must
/// be found although many are announced, s.
const RECOVERY_S: f64 = 1.0;
const FOUND_S: f64 = 10.0;
/// Share of a stream that must be heard under an attack that must have no effect. The rest allows
/// for pauses of the machine.
const SHARE: f64 = 0.99;

/// A program that receives the stream, and the audio that it received.
struct Listener {
    name: &'static str,
    start_s: f64,
    /// The time of the first window.
    file_s: f64,
    heard: Vec<Heard>,
}

impl Listener {
    /// The windows from a time on; before the first one there is nothing.
    fn from(&self, at_s: f64) -> Vec<Heard> {
        let index = ((at_s - self.file_s) / WINDOW_S) as i64;
        let nothing = std::iter::repeat_n(Heard::Gap, usize::try_from(-index).unwrap_or(0));
        let skipped = usize::try_from(index).unwrap_or(0);
        nothing.chain(self.heard.iter().skip(skipped).copied()).collect()
    }

    fn during(&self, times: Times) -> Figures {
        let begin_s = times.begin_s.max(self.start_s);
        let mut all = self.from(begin_s);
        // Audio that was not written counts as not heard.
        all.resize(((times.end_s - begin_s) / WINDOW_S) as usize, Heard::Gap);
        Figures::of(&all)
    }

    fn right_after_s(&self, meets: Meets, times: Times) -> Option<f64> {
        right_after_s(&self.from(if meets == Meets::Locked { times.end_s } else { self.start_s }))
    }
}

/// The reports of `aes67 discover` on the attacked session.
#[derive(Debug, Default, PartialEq)]
struct Told {
    listed: bool,
    /// How often it was removed, and how often its destination changed.
    removed: usize,
    replaced: usize,
}

impl Told {
    fn of(log: &str) -> Self {
        let mut told = Self::default();
        for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let is_ours = line["from"] == netns::address(SENDER);
            let leads_here = line.to_string().contains("239.69.1.1:5004");
            match line["event"].as_str() {
                Some("removed") if line["name"] == NAME => (told.listed, told.removed) = (false, told.removed + 1),
                Some("added" | "changed" | "updated") if line["name"] == NAME && is_ours => {
                    told.listed |= leads_here;
                    told.replaced += usize::from(!leads_here);
                }
                _ => {}
            }
        }
        told
    }
}

/// The measurements.
pub(super) struct Sounds {
    times: Times,
    meets: Meets,
    bar: Bar,
    listeners: Vec<Listener>,
    told: Option<Told>,
    attacker: String,
}

struct Scene<'a> {
    wire: &'a Wire,
    options: &'a Options,
    zero: Instant,
}

/// Runs a row.
pub(super) fn run(row: &Row, options: &Options) -> Result<Sounds> {
    let wire = Wire::new(&HOSTS, &["chrt"]).map_err(|missing| missing.to_string())?;
    super::tell_folder(row, &wire);
    let scene = Scene { wire: &wire, options, zero: now() };
    let lasts = Duration::from_secs_f64(options.seconds.unwrap_or(row.seconds));
    let is_announced = row.target == Target::Announcement;
    let discover = is_announced.then(|| scene.start(OTHER, "discover --interface vd --json"));
    let (sender, players, (begin_s, attacker));
    match row.meets {
        Meets::Locked => {
            sender = scene.start_sender()?;
            players = scene.start_listeners(is_announced);
            scene.wait_playing(&players)?;
            (begin_s, attacker) = begin(row, &wire, lasts, scene.zero)?;
        }
        Meets::Starting => {
            (begin_s, attacker) = begin(row, &wire, lasts, scene.zero)?;
            sleep(START_AFTER);
            sender = scene.start_sender()?;
            players = scene.start_listeners(is_announced);
        }
        Meets::Joining => {
            sender = scene.start_sender()?;
            (begin_s, attacker) = begin(row, &wire, lasts, scene.zero)?;
            sleep(JOIN_AFTER);
            players = scene.start_listeners(is_announced);
        }
    }
    let attacker = super::clock::end(row, attacker, lasts)?;
    let times = Times { begin_s, end_s: scene.zero.elapsed().as_secs_f64() };
    sleep(WATCH);
    let listeners: Result<Vec<Listener>> = players.into_iter().map(|player| scene.end(player)).collect();
    // It is stopped before the sender, which withdraws its announcement.
    let told = discover.map(|running| Told::of(&running.stop().log));
    drop(sender);
    Ok(Sounds { times, meets: row.meets, bar: row.bar, listeners: listeners?, told, attacker })
}

impl Scene<'_> {
    fn start(&self, host: char, arguments: &str) -> Running {
        // A listener to announcements may be late, but must not delay the other programs.
        let mut command = if arguments.starts_with("discover") {
            self.wire.command(host, &self.options.program)
        } else {
            real_time(self.wire, host, &self.options.program)
        };
        command.args(arguments.split_whitespace());
        self.wire.start(command)
    }

    /// Waits until the player plays, and a while longer. A player that was given a name first waits
    /// for the next announcement.
    fn wait_playing(&self, players: &[(&'static str, f64, Running)]) -> Result<()> {
        for (_, _, player) in players.iter().filter(|(name, ..)| *name == "play") {
            if !player.poll(20, |log| log.contains("PLAYING")) {
                return Err(format!("nothing is played before the attack:\n{}", player.log()));
            }
        }
        sleep(SETTLING);
        Ok(())
    }

    /// Ends a listener, and reads what it wrote: up to its end, or from when it created the file if
    /// it had ended by itself.
    fn end(&self, (name, start_s, mut running): (&'static str, f64, Running)) -> Result<Listener> {
        let (is_over, stopped_s) = (running.is_over(), self.zero.elapsed().as_secs_f64());
        let said = running.stop();
        let path = self.wire.path(&format!("{name}.wav"));
        let (data, frame_bytes) = wav_data(&path).map_err(|trouble| format!("{trouble:?}: {}", said.log))?;
        let heard = windows(&data, frame_bytes);
        let created =
            std::fs::metadata(&path).and_then(|file| file.created()?.elapsed().map_err(std::io::Error::other));
        let created = created.map_err(|error| format!("{}: {error}", path.display()))?;
        let length_s = heard.len() as f64 * WINDOW_S;
        let file_s =
            if is_over { self.zero.elapsed().as_secs_f64() - created.as_secs_f64() } else { stopped_s - length_s };
        Ok(Listener { name, start_s, file_s, heard })
    }

    fn start_sender(&self) -> Result<Running> {
        let stream = "send tone --group 239.69.1.1 --interface va --clock system --no-wait --source-channels 2";
        let running = self.start(SENDER, &format!("{stream} --name {NAME} --sap-interval 5 --sdp {DESCRIPTION}"));
        if running.poll(20, |log| log.contains(" packets, ")) { Ok(running) } else { Err(running.log()) }
    }

    /// Starts a player of the description and a recorder, or a player of the session's name.
    fn start_listeners(&self, is_announced: bool) -> Vec<(&'static str, f64, Running)> {
        let start =
            |name, host, arguments: &str| (name, self.zero.elapsed().as_secs_f64(), self.start(host, arguments));
        let options = &self.options.client_options;
        if is_announced {
            return vec![start("play", PLAYER, &format!("play {NAME} --interface vb --output play.wav {options}"))];
        }
        let record = format!("record {DESCRIPTION} --interface vd --no-ptp --output record.wav {options}");
        vec![
            start("play", PLAYER, &format!("play {DESCRIPTION} --interface vb --output play.wav {options}")),
            start("record", OTHER, &record),
        ]
    }
}

impl Outcome for Sounds {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for listener in &self.listeners {
            let (name, figures) = (listener.name, listener.during(self.times));
            if self.bar == Bar::Right && figures.foreign_s > 0.0 {
                faults.push(format!("{name}: the attacker is heard for {}", seconds(Some(figures.foreign_s))));
            }
            if self.bar == Bar::Right && self.meets == Meets::Locked && figures.share < SHARE {
                faults.push(format!("{name}: {} heard", percent(figures.share)));
            }
            let bar_s = if self.meets == Meets::Locked { RECOVERY_S } else { FOUND_S };
            match listener.right_after_s(self.meets, self.times) {
                Some(after_s) if after_s <= bar_s => {}
                Some(after_s) => faults.push(format!("{name}: right after {after_s:.1} s")),
                None => faults.push(format!("{name}: never right")),
            }
        }
        if let Some(told) = &self.told {
            if !told.listed {
                faults.push("not listed at the end".to_owned());
            }
            for (count, what) in [(told.removed, "taken off the list"), (told.replaced, "led elsewhere")] {
                if self.bar == Bar::Right && count > 0 {
                    faults.push(format!("{what} {count} times"));
                }
            }
        }
        faults
    }

    fn columns(&self) -> String {
        let each = |of: &dyn Fn(&Listener) -> String| {
            let texts: Vec<String> = self.listeners.iter().map(of).collect();
            texts.join(" / ")
        };
        let figures = |listener: &Listener| listener.during(self.times);
        let told = self.told.as_ref().map_or_else(String::new, |told| {
            format!(
                "listed {}, removed {}, replaced {}",
                if told.listed { "yes" } else { "no" },
                told.removed,
                told.replaced
            )
        });
        format!(
            "{:>17} {:>19} {:>19} {:>17} {:>37}",
            each(&|listener| percent(figures(listener).share)),
            each(&|listener| seconds(Some(figures(listener).foreign_s))),
            each(&|listener| seconds(Some(figures(listener).longest_gap_s))),
            each(&|listener| ascending(listener.right_after_s(self.meets, self.times))),
            told
        )
    }

    fn json(&self) -> Value {
        let listener = |listener: &Listener| {
            let figures = listener.during(self.times);
            json!({
                "program": listener.name,
                "heard_share": figures.share,
                "foreign_s": figures.foreign_s,
                "longest_gap_s": figures.longest_gap_s,
                "right_after_s": listener.right_after_s(self.meets, self.times),
            })
        };
        json!({
            "begin_s": self.times.begin_s,
            "end_s": self.times.end_s,
            "ours": self.listeners.iter().map(listener).collect::<Vec<_>>(),
            "discover": self.told.as_ref().map(|told| json!({ "listed": told.listed, "removed": told.removed, "replaced": told.replaced })),
            "attacker": self.attacker,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sounds(bar: Bar, heard: impl Fn(usize) -> Heard, told: Option<Told>) -> Vec<String> {
        let listener = Listener { name: "play", start_s: 1.0, file_s: 2.0, heard: (0..1500).map(heard).collect() };
        let times = Times { begin_s: 5.0, end_s: 10.0 };
        Sounds { times, meets: Meets::Locked, bar, listeners: vec![listener], told, attacker: String::new() }.faults()
    }

    #[test]
    fn each_kind_of_fault_is_told() {
        let at = |from: usize, to: usize, kind| move |n| if (from..to).contains(&n) { kind } else { Heard::Tone };
        assert_eq!(sounds(Bar::Right, at(0, 300, Heard::Gap), None), [""; 0]);
        assert_eq!(sounds(Bar::Right, at(300, 303, Heard::Foreign), None), ["play: the attacker is heard for 30 ms"]);
        assert_eq!(sounds(Bar::Right, at(300, 350, Heard::Gap), None), ["play: 90.0 % heard"]);
        assert_eq!(sounds(Bar::Recovery, at(300, 900, Heard::Foreign), None), [""; 0]);
        assert_eq!(sounds(Bar::Recovery, at(300, 910, Heard::Foreign), None), ["play: right after 1.1 s"]);
        assert_eq!(sounds(Bar::Recovery, at(300, 1500, Heard::Gap), None), ["play: never right"]);
        let told = |listed, removed| Some(Told { listed, removed, replaced: 0 });
        let tone = |_| Heard::Tone;
        assert_eq!(sounds(Bar::Right, tone, told(true, 1)), ["taken off the list 1 times"]);
        assert_eq!(sounds(Bar::Recovery, tone, told(true, 1)), [""; 0]);
        assert_eq!(sounds(Bar::Recovery, tone, told(false, 1)), ["not listed at the end"]);
    }

    #[test]
    fn what_discover_tells_is_counted() {
        let log = "{\"event\":\"added\",\"name\":\"Studio\",\"from\":\"10.67.0.1\",\"streams\":[{\"addresses\":[\"239.69.1.1:5004\"]}]}\n\
                   {\"event\":\"changed\",\"name\":\"Studio\",\"from\":\"10.67.0.1\",\"streams\":[{\"addresses\":[\"239.70.9.9:5004\"]}]}\n\
                   {\"event\":\"removed\",\"name\":\"Studio\",\"reason\":\"deleted\"}\n\
                   {\"event\":\"added\",\"name\":\"Invented 1\",\"from\":\"10.67.0.3\"}\n";
        assert_eq!(Told::of(log), Told { listed: false, removed: 1, replaced: 1 });
    }
}
