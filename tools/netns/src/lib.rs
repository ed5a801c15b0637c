#![forbid(unsafe_code)]
//! Hosts on one wire, for tests and measurements: Linux network namespaces, and programs that run in them.
//!
//! Model: a [`Wire`] has hosts with the names that are asked for, single letters. Host `a` has the interface `va` and the address 10.67.0.1, `b` has `vb` and 10.67.0.2,
//! and so on. Two hosts are joined by a virtual cable, more by a bridge that floods multicast. Programs are started on a host and end at the latest with the process that
//! started them; the hosts go when the wire is dropped.
//!
//! Needs root, iproute2 and util-linux. Where something is missing, [`Wire::new`] says what: a developer's laptop is no test bench.

mod running;

pub use running::{Running, Stopped};

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Debian's packages of the programs that tests use, where a package has another name.
const PACKAGES: [(&str, &str); 11] = [
    ("ip", "iproute2"),
    ("setpriv", "util-linux"),
    ("ptp4l", "linuxptp"),
    ("pmc", "linuxptp"),
    ("nft", "nftables"),
    ("jackd", "jackd2 libasound2-plugins"),
    (
        "gst-launch-1.0",
        "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad",
    ),
    ("python3-gst", "python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0"),
    ("tshark", "tshark"),
    ("node", "nodejs"),
    ("qemu-system-x86_64", "qemu-system-x86"),
];

/// Set in the environment, this lets the folders be, with all that was written in them, for whoever looks for the cause of a failure.
pub const KEEP: &str = "INTEROP_KEEP";

/// The Python that Debian's bindings are for; another one may come first in the search path.
pub const SYSTEM_PYTHON: &str = "/usr/bin/python3";

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
    /// If this machine cannot do it, or lacks one of `tools`: programs that are needed besides, and `python3-gst` for GStreamer's Python bindings.
    pub fn new(hosts: &[char], tools: &[&str]) -> Result<Self, Missing> {
        for tool in ["ip", "setpriv"].iter().chain(tools) {
            if !is_installed(tool) {
                let package = PACKAGES.iter().find(|(name, _)| name == tool).map_or(*tool, |(_, package)| package);
                return Err(Missing::Tool(format!("{tool} is not installed (Debian: apt-get install {package})")));
            }
        }
        let keep = std::env::var_os(KEEP).is_some();
        let folder = tempfile::Builder::new()
            .disable_cleanup(keep)
            .tempdir()
            .map_err(|error| Missing::Refused(format!("no folder for files: {error}")))?;
        // The process alone tells wires apart where each test is one, as under nextest; elsewhere the count does.
        let wire = Self { id: format!("{:x}{:x}", std::process::id(), next()), hosts: hosts.to_vec(), folder };
        for step in wire.steps() {
            let done = Command::new("ip").args(step.split(' ')).output();
            let done = done.map_err(|error| Missing::Refused(format!("`ip {step}`: {error}")))?;
            if !done.status.success() {
                return Err(Missing::Refused(format!("`ip {step}`: {}", String::from_utf8_lossy(&done.stderr).trim())));
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
        // Each of these becomes the next, so that the process is the program's; and it ends with us.
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

fn is_installed(tool: &str) -> bool {
    if tool == "python3-gst" {
        let import = "import gi; gi.require_version('GstNet', '1.0'); gi.require_version('GstRtp', '1.0'); from gi.repository import Gst, GstNet, GstRtp";
        let done = Command::new(SYSTEM_PYTHON).args(["-c", import]).stdin(Stdio::null()).output();
        return done.is_ok_and(|done| done.status.success());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).chain(["/usr/sbin".into()]).any(|folder| folder.join(tool).is_file())
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
