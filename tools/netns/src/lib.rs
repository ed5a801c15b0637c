#![forbid(unsafe_code)]
//! Hosts on one wire, for tests and measurements: Linux network namespaces, and programs that run
//! in them.
//!
//! Model: a [`Wire`] has hosts with the names that are asked for, single letters. Host `a` has the
//! interface `va` and the address 10.67.0.1, `b` has `vb` and 10.67.0.2, and so on. Two hosts are
//! joined by a virtual cable, more by a bridge that floods multicast. Programs are started on a
//! host and end at the latest with the process that started them; the hosts go when the wire is
//! dropped.
//!
//! Needs root, iproute2 and util-linux. Where something is missing, [`Wire::new`] says what: a
//! developer's laptop is no test bench.

mod running;
mod tools;

pub use running::{Running, Stopped};
pub use tools::{SYSTEM_PYTHON, TOOLS, Tool, require};

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Set in the environment, this lets the folders be, with all that was written in them, for whoever
/// looks for the cause of a failure.
pub const KEEP: &str = "INTEROP_KEEP";

/// Why there is no wire on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A program is not installed.
    Tool(String),
    /// The system refuses something: it takes root.
    Refused(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Tool(reason) | Self::Refused(reason)) = self;
        f.write_str(reason)
    }
}

/// Hosts, and a folder for their files. All are removed when it is dropped.
#[derive(Debug)]
pub struct Wire {
    id: String,
    hosts: Vec<char>,
    folder: TempDir,
}

impl Wire {
    /// Makes the hosts.
    ///
    /// # Errors
    /// If this machine cannot do it, or lacks one of `tools`, which are needed besides: names of
    /// [`TOOLS`] or programs.
    pub fn new(hosts: &[char], tools: &[&str]) -> Result<Self, Missing> {
        for tool in ["ip", "setpriv"].iter().chain(tools) {
            require(tool).map_err(Missing::Tool)?;
        }
        let keep = std::env::var_os(KEEP).is_some();
        let folder = tempfile::Builder::new()
            .disable_cleanup(keep)
            .tempdir()
            .map_err(|error| Missing::Refused(format!("no folder for files: {error}")))?;
        // The process alone tells wires apart where each test is one, as under nextest; elsewhere
        // the count does.
        let wire = Self { id: format!("{:x}{:x}", std::process::id(), next()), hosts: hosts.to_vec(), folder };
        for step in wire.steps() {
            let done = Command::new("ip").args(step.split(' ')).output();
            let done = done.map_err(|error| Missing::Refused(format!("`ip {step}`: {error}")))?;
            if !done.status.success() {
                let said = String::from_utf8_lossy(&done.stderr).trim().replace(&wire.id, "*");
                let step = step.replace(&wire.id, "*");
                return Err(Missing::Refused(format!("hosts on one wire take root: `ip {step}`: {said}")));
            }
        }
        Ok(wire)
    }

    /// What `ip` is to do.
    fn steps(&self) -> Vec<String> {
        let namespace = |host| self.namespace(host);
        let mut steps: Vec<String> = self.hosts.iter().map(|&host| format!("netns add {}", namespace(host))).collect();
        match self.hosts[..] {
            [a, b] => steps.push(format!(
                "link add v{a} netns {} type veth peer name v{b} netns {}",
                namespace(a),
                namespace(b)
            )),
            _ => {
                let hub = namespace(HUB);
                steps.push(format!("netns add {hub}"));
                steps.push(format!("-n {hub} link add bridge type bridge mcast_snooping 0 forward_delay 0"));
                steps.push(format!("-n {hub} link set bridge up"));
                for &host in &self.hosts {
                    let name = namespace(host);
                    steps.push(format!("link add v{host} netns {name} type veth peer name p{host} netns {hub}"));
                    steps.push(format!("-n {hub} link set p{host} master bridge up"));
                }
            }
        }
        for &host in &self.hosts {
            let name = namespace(host);
            steps.push(format!("-n {name} addr add {}/24 dev v{host}", address(host)));
            steps.push(format!("-n {name} link set lo up"));
            steps.push(format!("-n {name} link set v{host} up"));
            // Without a route multicast is not sent.
            steps.push(format!("-n {name} route add default dev v{host}"));
        }
        steps
    }

    /// The name of a host's namespace.
    #[must_use]
    pub fn namespace(&self, host: char) -> String {
        format!("aes67-{}-{host}", self.id)
    }

    /// Takes the interfaces of two hosts away, and makes others with the same names and addresses
    /// after a pause.
    ///
    /// # Panics
    /// If there are other hosts, or `ip` refuses.
    pub fn replug(&self, pause: std::time::Duration) {
        let [a, _] = self.hosts[..] else { panic!("a cable joins two hosts") };
        self.ip(a, &format!("link del v{a}"));
        std::thread::sleep(pause);
        let is_of_interfaces = |step: &&String| !step.starts_with("netns add") && !step.ends_with("lo up");
        for step in self.steps().iter().filter(is_of_interfaces) {
            let done = Command::new("ip").args(step.split(' ')).output();
            let done = done.unwrap_or_else(|error| panic!("ip cannot be run: {error}"));
            assert!(done.status.success(), "`ip {step}`: {}", String::from_utf8_lossy(&done.stderr));
        }
    }

    /// The folder in which the programs run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program on a host, to be given its arguments.
    #[must_use]
    pub fn command(&self, host: char, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        // Each of these becomes the next, so that the process is the program's; and it ends with
        // us.
        command.args(["netns", "exec", &self.namespace(host), "setpriv", "--pdeathsig", "KILL", "--"]).arg(program);
        command.stdin(Stdio::null()).current_dir(self.folder.path()).env("XDG_STATE_HOME", self.folder.path());
        command
    }

    /// Starts a command; what it writes goes to a file.
    ///
    /// # Panics
    /// If it cannot be started: a bench that cannot go on.
    #[must_use]
    pub fn start(&self, command: Command) -> Running {
        Running::start(command, self.path(&format!("log-{}", next())))
    }

    /// Changes a host's network by a command of `ip`, such as `link set vb down`.
    ///
    /// # Panics
    /// If `ip` refuses.
    pub fn ip(&self, host: char, change: &str) {
        let done = Command::new("ip").args(["-n", &self.namespace(host)]).args(change.split(' ')).output();
        let done = done.unwrap_or_else(|error| panic!("ip cannot be run: {error}"));
        assert!(done.status.success(), "`ip {change}`: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for &host in self.hosts.iter().chain([&HUB]) {
            // It may not have been made.
            let _ = Command::new("ip").args(["netns", "del", &self.namespace(host)]).stderr(Stdio::null()).status();
        }
    }
}

/// Where the bridge is.
const HUB: char = '0';

/// The address of a host.
#[must_use]
pub fn address(host: char) -> String {
    format!("10.67.0.{}", u32::from(host) - u32::from('a') + 1)
}

fn next() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let Err(missing) = Wire::new(&['a', 'b'], &["no-such-program"]) else { panic!("it cannot be there") };
        assert!(missing.to_string().contains("is not installed (Debian: apt-get install"), "{missing}");
    }
}
