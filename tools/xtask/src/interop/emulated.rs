//! `cargo xtask interop --emulated`: the cases on a machine without pauses.
//!
//! Model: an emulated processor whose [time is counted](Time::Counted) runs the real kernel, the
//! peers and `aes67`. Delays of the host cannot be noticed there, so any glitch is caused by us or
//! a peer. It is a slow machine with one processor: measurements of load apply only to it, and one
//! of its seconds may take several seconds of the host.
//!
//! While files are read from the host, the guest's time continues. So each case is first run in its
//! short form, whose result does not count, so that programs do not wait for their own pages later.

use super::cases::Case;
use super::{Count, EXIT_SKIPPED};
use crate::cmd::{Cmd, quoted};
use crate::error::Error;
use crate::files::write;
use crate::guest::{Guest, Time};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Output before this line comes from the firmware and the kernel.
const BEGINS: &str = "the emulated machine has started";
const ENDS: &str = "the guest ends";
/// File with the numbers of cases that passed, failed and were skipped.
const COUNTS: &str = "counts";
/// Time limit of a case in its short and its long form, in seconds of the host: more than it takes
/// on a busy host.
const DEADLINE_S: [usize; 2] = [1800, 6 * 3600];
/// Folders of which the guest has its own version.
const HIDDEN: [&str; 5] = ["/run", "/mnt", "/dev", "/proc", "/sys"];
/// Environment variables that are passed to the cases.
const VARIABLES: [&str; 4] = ["PATH", "BASS", "AES67_NODE_MODULES", netns::KEEP];

/// Runs cases with this `aes67`.
///
/// # Errors
/// If the guest does not start or does not finish.
pub(super) fn run(program: &Path, cases: &[&Case], is_long: bool) -> Result<Count, Error> {
    let guest = match Guest::find(&crate::target_folder()) {
        Ok(guest) => guest,
        Err(reason) => {
            println!("    skipped: {reason}");
            return Ok(Count { skipped: cases.len(), ..Count::default() });
        }
    };
    let keep = std::env::var_os(netns::KEEP).is_some();
    let told = |source| Error::File { path: std::env::temp_dir(), source };
    let shared = tempfile::Builder::new().disable_cleanup(keep).tempdir().map_err(told)?;
    write(&shared.path().join("guest.sh"), &script(program, cases, is_long)?)?;
    let deadline_s = DEADLINE_S[usize::from(is_long)] * cases.len();
    let said = start(&guest, shared.path(), deadline_s)?;
    crate::interrupt::check()?;
    if keep {
        println!("kept in {}", shared.path().display());
    }
    let counts = std::fs::read_to_string(shared.path().join(COUNTS)).unwrap_or_default();
    count(&counts, cases.len()).ok_or(Error::Guest { said })
}

/// The counts of the guest, if they include every case.
fn count(counts: &str, cases: usize) -> Option<Count> {
    let numbers: Option<Vec<usize>> = counts.split_whitespace().map(|number| number.parse().ok()).collect();
    let [passed, failed, skipped] = numbers?[..] else { return None };
    (passed + failed + skipped == cases).then_some(Count { passed, failed, skipped })
}

/// Runs the guest to its end or to the deadline. Returns its output before the start of the cases.
fn start(guest: &Guest, shared: &Path, deadline_s: usize) -> Result<String, Error> {
    // Both end when their parent ends.
    let mut machine = Command::new("setpriv");
    machine.args(["--pdeathsig", "KILL", "timeout", "--foreground", &deadline_s.to_string()]);
    machine.args(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"]);
    machine.args(guest.arguments(shared, Time::Counted, &[]));
    let told = |source| Error::Start { command: "qemu-system-x86_64".to_owned(), source };
    let mut machine = machine.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(told)?;
    let said = machine.stdout.take().map(tell).transpose();
    machine.wait().map_err(told)?;
    said.map(Option::unwrap_or_default).map_err(told)
}

/// Passes on the output of the cases. Returns the output before the first one.
fn tell(console: impl Read) -> std::io::Result<String> {
    let (mut before, mut has_begun, mut has_ended) = (String::new(), false, false);
    for line in BufReader::new(console).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        has_ended |= line.contains(ENDS);
        if !has_begun {
            before = before + line.trim_end() + "\n";
            has_begun = line.contains(BEGINS);
        } else if !has_ended {
            println!("{}", line.trim_end());
        }
    }
    Ok(before)
}

/// The script of the guest. It runs the `xtask` that was built with `aes67`, and the workspace has
/// the same path as on the host.
fn script(program: &Path, cases: &[&Case], is_long: bool) -> Result<String, Error> {
    let told = |source| Error::File { path: PathBuf::from("."), source };
    let root = std::env::current_dir().map_err(told)?;
    let (own, target) = (program.with_file_name("xtask"), super::target_dir());
    if let Some(hidden) = [&root, &target, program].into_iter().find(|path| is_hidden(path)) {
        return Err(Error::Hidden { path: hidden.to_owned() });
    }
    let interop = |form: &str, case: &Case| {
        let command = Cmd::new("env").env("CARGO_MANIFEST_DIR", root.join("tools/xtask").display().to_string());
        let command = command.env("CARGO_TARGET_DIR", target.display().to_string()).arg(own.clone());
        command.words("interop --in-guest --program").arg(program).words(form).words("--only").arg(case.name)
    };
    let run = |case: &&Case| {
        let name = case.name;
        let (first, then) = (interop("", case), interop(if is_long { "--long" } else { "" }, case));
        format!(
            "echo '{name}: its short form, which does not count'\n{first} > /run/tmp/first-{name} 2>&1\n\
             {then} 2>&1\n\
             case $? in\n\
             0) passed=$((passed + 1)) ;;\n\
             {EXIT_SKIPPED}) skipped=$((skipped + 1)) ;;\n\
             *) failed=$((failed + 1)) ;;\n\
             esac\n"
        )
    };
    let variables = VARIABLES.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?)));
    let exports: String = variables.map(|(name, value)| export(name, &value)).collect();
    let runs: String = cases.iter().map(run).collect();
    let keep = format!("if [ \"${{{}+x}}\" ]; then cp -r /run/tmp kept; fi\n", netns::KEEP);
    let begin = format!("{exports}ip link set lo up\npassed=0 failed=0 skipped=0\necho '{BEGINS}'\n");
    Ok(format!("{begin}{runs}{keep}echo $passed $failed $skipped > {COUNTS}\n"))
}

fn is_hidden(path: &Path) -> bool {
    HIDDEN.iter().any(|hidden| path.starts_with(hidden))
}

/// `export NAME=VALUE`, quoted.
fn export(name: &str, value: &str) -> String {
    format!("export {name}={}\n", quoted(value.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_cases_say_is_passed_on() {
        let console = format!("firmware\u{1b}\r\nPanic\r\n{BEGINS}\r\n\r\n{ENDS}\r\n");
        let before = tell(console.as_bytes()).unwrap();
        assert!(before.contains("Panic\n") && !before.contains(ENDS), "{before}");
        assert_eq!(tell(&b"no \xff start"[..]).unwrap(), "no \u{fffd} start\n");
    }

    #[test]
    fn a_guest_must_have_counted_every_case() {
        assert_eq!(count("1 0 2\n", 3), Some(Count { passed: 1, failed: 0, skipped: 2 }));
        assert_eq!((count("1 0 0", 2), count("1 0", 1), count("", 0), count("no 0 0", 1)), (None, None, None, None));
    }

    #[test]
    fn a_folder_of_the_guests_own_is_refused() {
        assert!(is_hidden(Path::new("/dev/shm/target/debug/aes67")) && !is_hidden(Path::new("/home/devel/target")));
        let hidden = script(Path::new("/run/user/0/aes67"), &[], false).unwrap_err();
        assert!(hidden.to_string().starts_with("/run/user/0/aes67 is where"), "{hidden}");
    }

    #[test]
    fn variables_are_quoted_for_the_guests_shell() {
        assert_eq!(export("PATH", "/a b:/c"), "export PATH='/a b:/c'\n");
    }
}
