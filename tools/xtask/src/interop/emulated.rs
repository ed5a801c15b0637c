//! `cargo xtask interop --emulated`: the cases on a machine that never stands still.
//!
//! Model: an emulated processor whose [time is counted](Time::Counted) runs the real kernel, the peers and `aes67`. What holds up this machine cannot be noticed there, so what is
//! heard there is ours or a peer's. It is a slow machine with one processor: its figures of load are its own, and a second of it may take several of the host's.
//!
//! Files are read from the host while the guest's time goes on. So that programs do not wait for their own pages in the middle of a case, each case is first run in its
//! short form, whose result does not count.

use super::cases::Case;
use crate::cmd::Cmd;
use crate::error::Error;
use crate::files::write;
use crate::guest::{Guest, Time};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What comes before it is said by the firmware.
const BEGINS: &str = "the emulated machine has started";
const ENDS: &str = "the guest ends";
/// Has the number of cases that failed.
const FAILED: &str = "failed";

/// Runs cases with this `aes67`; whether none failed.
///
/// # Errors
/// If the guest does not start, or does not come to its end.
pub(super) fn run(program: &Path, cases: &[&Case], is_long: bool) -> Result<bool, Error> {
    let guest = match Guest::find(&crate::target_folder()) {
        Ok(guest) => guest,
        Err(reason) => {
            println!("    skipped: {reason}");
            return Ok(true);
        }
    };
    let told = |source| Error::File { path: std::env::temp_dir(), source };
    let shared = tempfile::tempdir().map_err(told)?;
    write(&shared.path().join("guest.sh"), &script(program, cases, is_long)?)?;
    let mut machine = Command::new("qemu-system-x86_64");
    machine.args(guest.arguments(shared.path(), Time::Counted, &[]));
    let told = |source| Error::Start { command: "qemu-system-x86_64".to_owned(), source };
    let mut machine = machine.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(told)?;
    let console = machine.stdout.take().map(BufReader::new);
    let lines = console.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
    let lines = lines.skip_while(|line| !line.contains(BEGINS)).skip(1);
    lines.take_while(|line| !line.contains(ENDS)).for_each(|line| println!("{}", line.trim_end()));
    let ended = machine.wait().map_err(told)?;
    crate::interrupt::check()?;
    let failed = std::fs::read_to_string(shared.path().join(FAILED)).unwrap_or_default();
    match failed.trim().parse::<u32>() {
        Ok(failed) => Ok(failed == 0),
        Err(_) => Err(Error::Failed { command: "qemu-system-x86_64".to_owned(), code: ended.code() }),
    }
}

/// What the guest runs: this program, which finds the workspace where it is on the host.
fn script(program: &Path, cases: &[&Case], is_long: bool) -> Result<String, Error> {
    let told = |source| Error::File { path: PathBuf::from("xtask"), source };
    let own = std::env::current_exe().map_err(told)?;
    let root = std::env::current_dir().map_err(told)?;
    let interop = |form: &str, case: &Case| {
        let command = Cmd::new("env").env("CARGO_MANIFEST_DIR", root.join("tools/xtask").display().to_string());
        let command = command.env("CARGO_TARGET_DIR", super::target_dir().display().to_string()).arg(own.clone());
        command.words("interop --in-guest --program").arg(program).words(form).words("--only").arg(case.name)
    };
    let form = if is_long { "--long" } else { "" };
    let runs = cases.iter().map(|case| {
        let first = format!(
            "echo '{}: its short form, which does not count'\n{} > /run/tmp/first 2>&1",
            case.name,
            interop("", case)
        );
        format!("{first}\n{} 2>&1 || failed=$((failed + 1))\n", interop(form, case))
    });
    let runs: String = runs.collect();
    // Programs find each other on the host's search path.
    let path = Cmd::new("export").env("PATH", std::env::var("PATH").unwrap_or_default()).to_string();
    let path = path.strip_suffix(" export").unwrap_or_default().to_owned();
    Ok(format!("export {path}\nip link set lo up\nfailed=0\necho '{BEGINS}'\n{runs}echo $failed > {FAILED}\n"))
}
