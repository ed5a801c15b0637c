//! A sweep as a task array of a real Slurm: its controller and two nodes on loopback. Without
//! Slurm, or without root, this is skipped.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod short;

use short::{with, write};
use std::fs::{File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long the daemons may take to be ready: no measurement, but the end of hope. In quarters of
/// a second.
const PATIENCE: usize = 240;
const NODES: [&str; 2] = ["n1", "n2"];

/// The daemons, which end with it.
struct Cluster {
    folder: TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        // munged and the nodes go through the folder as whoever submits a job.
        mode(folder.path(), 0o755);
        let munge = folder.path().join("munge");
        std::fs::create_dir(&munge).unwrap();
        mode(&munge, 0o711);
        let mut random = File::open("/dev/urandom").unwrap();
        let mut key = File::create(munge.join("key")).unwrap();
        std::io::copy(&mut std::io::Read::take(&mut random, 128), &mut key).unwrap();
        mode(&munge.join("key"), 0o400);
        std::fs::write(folder.path().join("slurm.conf"), configuration(folder.path())).unwrap();
        let mut cluster = Self { folder, daemons: Vec::new() };
        let option = |name: &str, file: &str| format!("--{name}={}", munge.join(file).display());
        let options = [("socket", "socket"), ("key-file", "key"), ("pid-file", "pid"), ("log-file", "log")];
        let options = options.map(|(name, file)| option(name, file));
        cluster.daemon("munged", &[&["--foreground".to_owned(), option("seed-file", "seed")], &options[..]].concat());
        cluster.until("the socket of munged", |cluster| cluster.path("munge/socket").exists());
        let configuration = cluster.path("slurm.conf").display().to_string();
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        cluster.daemon("slurmctld", &words(&["-D", "-i", "-f", &configuration]));
        for node in NODES {
            cluster.daemon("slurmd", &words(&["-D", "-N", node, "-f", &configuration]));
        }
        cluster.until("two idle nodes", |cluster| {
            let output = cluster.client("sinfo").args(["-h", "-N", "-o", "%T"]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).lines().filter(|state| *state == "idle").count() == NODES.len()
        });
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn daemon(&mut self, name: &str, words: &[String]) {
        let log = File::create(self.path(&format!("{name}.{}.out", self.daemons.len()))).unwrap();
        let mut command = Command::new(PathBuf::from("/usr/sbin").join(name));
        command.args(words).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.daemons.push(command.spawn().unwrap());
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..PATIENCE {
            if holds(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        let logs = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "out"));
        let logs: Vec<String> = logs.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        panic!("no {what}: {}", logs.join("\n"));
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.path("slurm.conf")).env("SIM", env!("CARGO_BIN_EXE_sim"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Submits the script of the documents and waits for all its tasks.
    fn submit(&self, words: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sweep.sbatch");
        self.client("sbatch").args(["--wait", "--array=1-3"]).arg(script).args(words).output().unwrap()
    }

    fn sim(&self, words: &[&str]) -> Output {
        self.client(env!("CARGO_BIN_EXE_sim")).args(words).output().unwrap()
    }

    /// What the tasks have written.
    fn logs(&self) -> String {
        let paths = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let logs = paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("sweep."));
        logs.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Those that need the others first. They have ended already if they cannot be killed.
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn configuration(folder: &Path) -> String {
    let output = Command::new("uname").arg("-n").output().unwrap();
    let host = String::from_utf8(output.stdout).unwrap();
    let host = host.trim().split('.').next().unwrap().to_owned();
    // All three at the same time, so that they differ.
    let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [control, ports @ ..] = sockets.map(|socket| socket.local_addr().unwrap().port());
    let path = folder.display();
    let nodes: String = NODES
        .iter()
        .zip(ports)
        .map(|(node, port)| format!("NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1\n"))
        .collect();
    format!(
        "ClusterName=sweep\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={control}\nSlurmUser=root\nSlurmdUser=root\n\
         AuthType=auth/munge\nAuthInfo=socket={path}/munge/socket\nCredType=cred/munge\nStateSaveLocation={path}/state\n\
         SlurmdSpoolDir={path}/spool.%n\nSlurmctldPidFile={path}/control.pid\nSlurmdPidFile={path}/%n.pid\n\
         ProctrackType=proctrack/pgid\nTaskPlugin=task/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n\
         MpiDefault=none\nReturnToService=2\n{nodes}PartitionName=main Nodes=n1,n2 Default=YES State=UP\n"
    )
}

#[test]
fn a_task_array_runs_the_sweep_that_one_machine_would() {
    if let Err(missing) = netns::require("slurm") {
        return skips::tell(missing);
    }
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return skips::tell("the daemons of Slurm need root");
    }
    let cluster = Cluster::start();
    write(cluster.folder.path(), &with("audio = \"full\"", "audio = \"none\""));
    let sweep = ["short.toml", "--seeds", "1..8"];
    let done = cluster.submit(&sweep);
    assert_eq!(done.status.code(), Some(0), "{}{}", String::from_utf8_lossy(&done.stderr), cluster.logs());
    for line in ["shard 1/3: 3 runs", "shard 2/3: 3 runs", "shard 3/3: 2 runs"] {
        assert!(cluster.logs().contains(line), "{}", cluster.logs());
    }
    assert_eq!(cluster.sim(&["merge", "reports/short.sweep"]).status.code(), Some(0));
    assert_eq!(cluster.sim(&[&["sweep"], &sweep[..], &["--reports", "whole"]].concat()).status.code(), Some(0));
    for name in ["runs.jsonl", "runs.csv", "runs.parquet", "metrics.csv", "sweep.json", "index.html"] {
        let read = |folder: &str| std::fs::read(cluster.path(folder).join("short.sweep").join(name)).unwrap();
        assert!(read("reports") == read("whole"), "{name}");
    }
    // Whoever waits for the array learns that its input was wrong.
    let wrong = cluster.submit(&["short.toml", "--seeds", "8..1"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", cluster.logs());
    assert!(cluster.logs().contains("the seeds 8..1 run backwards: write 1..8"), "{}", cluster.logs());
}
