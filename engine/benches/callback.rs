//! An upper bound on the audio callback: instructions of the worst `Playout::pull` of 10 ms, as
//! Valgrind counts them, for 2, 8 and 64 channels.
//!
//! Nothing else bounds the time of a callback, which never waits. Three kinds are counted: the
//! usual one; one in which a packet is missing, so that a gap is predicted, filled and crossfaded;
//! and the first one after the card has stood still for so long that the ring of packets is full.
//! Valgrind has no AVX-512, so the resampler's kernel is that for AVX2.

mod player;

use player::{CALLBACK, Player};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, io};

/// Callbacks between the counted ones, and the number of those.
const BETWEEN: i64 = 30;
const COUNTED: i64 = 20;
/// How long a card stands still, in callbacks: longer than the ring of packets, and shorter than
/// an absence of the card, after which the packets would be useless. In ms the ring holds 2048.
const STANDSTILL: i64 = 250;
/// The argument of a run under Valgrind.
const RUN: &str = "--run";

/// Kinds of callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Usual,
    Gap,
    FullRing,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Usual, Self::Gap, Self::FullRing];

    fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Gap => "a gap",
            Self::FullRing => "a full ring",
        }
    }
}

/// Valgrind counts inside this function and writes the count when it returns.
#[inline(never)]
fn counted_callback(player: &mut Player) {
    player.pull();
}

fn run(channels: usize, kind: Kind) {
    let mut player = Player::new(channels);
    for callback in 1..=BETWEEN * (COUNTED + 2) {
        let is_counted = callback > 2 * BETWEEN && callback % BETWEEN == 0;
        if is_counted && kind == Kind::FullRing {
            player.callbacks += STANDSTILL;
        }
        // The audio of a gap is played two callbacks after its packet was due.
        let is_lossy = kind == Kind::Gap && (callback + 1) % BETWEEN == 0;
        player.receive(is_lossy);
        if is_counted {
            counted_callback(&mut player);
        } else {
            player.pull();
        }
    }
    let stats = player.playout.stats();
    assert!(stats.started, "it plays");
    assert_eq!(kind == Kind::Gap, stats.concealed_frames > 0 && kind != Kind::FullRing, "{stats:?}");
}

/// The instructions of the counted callbacks; an error if Valgrind cannot be run.
fn count(folder: &Path, channels: usize, kind: Kind) -> io::Result<Vec<u64>> {
    let dumps = folder.join(format!("{channels}-{kind:?}"));
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*counted_callback*"])
        .arg("--dump-after=callback::counted_callback*")
        .arg(format!("--callgrind-out-file={}", dumps.display()))
        .arg(env::current_exe()?)
        .args([RUN, &channels.to_string(), kind.name()])
        .stderr(Stdio::piped())
        .output()?;
    if !done.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    let mut counts = Vec::new();
    for dump in 1..=COUNTED {
        let text = fs::read_to_string(format!("{}.{dump}", dumps.display()))?;
        let total = text.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok());
        counts.push(total.ok_or_else(|| io::Error::other("a dump of Valgrind's has no summary"))?);
    }
    counts.sort_unstable();
    Ok(counts)
}

fn table(folder: &Path) -> io::Result<()> {
    println!("{:>8}  {:<12}  {:>12}  {:>12}", "channels", "callback", "median", "worst");
    for channels in [2, 8, 64] {
        for kind in Kind::ALL {
            let counts = count(folder, channels, kind)?;
            let (median, worst) = (counts[counts.len() / 2], counts[counts.len() - 1]);
            println!("{channels:>8}  {:<12}  {median:>12}  {worst:>12}", kind.name());
        }
    }
    println!("instructions of a callback of {CALLBACK} frames, {COUNTED} of each kind");
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [command, channels, kind] = &arguments[..]
        && command == RUN
    {
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
        let (Ok(channels), Some(kind)) = (channels.parse(), kind) else { return ExitCode::from(2) };
        run(channels, kind);
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` only wants to see that it works.
    if !arguments.iter().any(|argument| argument == "--bench") {
        Kind::ALL.into_iter().for_each(|kind| run(2, kind));
        return ExitCode::SUCCESS;
    }
    let folder = env::temp_dir().join(format!("aes67-callback-{}", std::process::id()));
    let told = fs::create_dir(&folder).and_then(|()| table(&folder));
    // What is left there disturbs nobody.
    let _ = fs::remove_dir_all(&folder);
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: instructions cannot be counted with valgrind (Debian: valgrind): {error}");
            ExitCode::FAILURE
        }
    }
}
