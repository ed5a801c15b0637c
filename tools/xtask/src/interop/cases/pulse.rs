//! Sound servers that ALSA programs reach through its plugin for PulseAudio: PulseAudio itself, and
//! PipeWire, each with a virtual card at the rate of the system's clock.
//!
//! They need neither a desktop nor a session bus, except WirePlumber, which connects players with
//! cards for PipeWire and gets a bus of its own.

use super::super::bench::{Bench, Trouble, pause, read, write};
use super::super::peers::real_time;
use super::cpal_output::Card;
use netns::{Running, Wire};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// ALSA's default device is the server's.
const ASOUNDRC: &str = "pcm.!default { type pulse }\nctl.!default { type pulse }\n";
/// Frames at the start of a recording before the recorder is connected: PipeWire gives it a block
/// of silence.
const CONNECTING_FRAMES: usize = 9_600;
/// Name of the card to which the ports of players are connected.
const CARD: &str = "card";
/// PipeWire's card.
const PIPEWIRE_CARD: &str = "\
context.objects = [
  { factory = adapter
    args = { factory.name = support.null-audio-sink node.name = card media.class = Audio/Sink
             audio.position = [ FL FR ] audio.rate = 48000 object.linger = true } }
]
";

/// A server and its helper programs. The one that was started last ends first.
pub(super) struct Pulse {
    programs: Vec<Running>,
    host: char,
    socket: PathBuf,
}

impl Pulse {
    /// Starts PulseAudio.
    pub(super) fn pulseaudio(wire: &Wire, host: char) -> Result<Self, Trouble> {
        let mut server = Self::new(wire, host, "pulse.sock")?;
        let mut command = real_time(wire, host, "pulseaudio");
        command.args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--log-target=stderr"]);
        let socket = server.socket.display();
        command.arg("-L").arg(format!("module-native-protocol-unix auth-anonymous=1 socket={socket}"));
        command.arg("-L").arg(format!("module-null-sink sink_name={CARD} rate=48000"));
        server.start(wire, command);
        server.ready(wire)
    }

    /// Starts PipeWire, with its server of PulseAudio's protocol.
    pub(super) fn pipewire(wire: &Wire, host: char) -> Result<Self, Trouble> {
        let mut server = Self::new(wire, host, "pulse/native")?;
        let settings = wire.path("pipewire/pipewire.conf.d");
        std::fs::create_dir_all(&settings).map_err(|error| Trouble::Failed(error.to_string()))?;
        write(&settings.join("card.conf"), PIPEWIRE_CARD)?;
        let mut bus = wire.command(host, "dbus-daemon");
        bus.args(["--session", "--nofork", &format!("--address={}", bus_address(wire))]);
        server.start(wire, bus);
        server.start(wire, real_time(wire, host, "pipewire"));
        pause(1.0);
        server.start(wire, wire.command(host, "wireplumber"));
        server.start(wire, real_time(wire, host, "pipewire-pulse"));
        server.ready(wire)
    }

    fn new(wire: &Wire, host: char, socket: &str) -> Result<Self, Trouble> {
        write(&wire.path(".asoundrc"), ASOUNDRC)?;
        Ok(Self { programs: Vec::new(), host, socket: wire.path(socket) })
    }

    fn start(&mut self, wire: &Wire, command: Command) {
        let command = self.with(wire, command);
        self.programs.insert(0, wire.start(command));
    }

    /// Waits for the card.
    fn ready(self, wire: &Wire) -> Result<Self, Trouble> {
        for _ in 0..20 {
            let mut command = wire.command(self.host, "pactl");
            command.args(["list", "short", "sinks"]);
            let listed = wire.start(self.with(wire, command)).wait(20);
            if listed.code == Some(0) && listed.log.contains(CARD) {
                return Ok(self);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Err(Trouble::Failed(format!("there is no card:\n{}", self.log())))
    }
}

fn bus_address(wire: &Wire) -> String {
    format!("unix:path={}", wire.path("bus.sock").display())
}

impl Card for Pulse {
    fn with(&self, wire: &Wire, mut command: Command) -> Command {
        let folder: &Path = wire.folder();
        for name in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(name, folder);
        }
        command.env("PULSE_SERVER", format!("unix:{}", self.socket.display()));
        command.env("DBUS_SESSION_BUS_ADDRESS", bus_address(wire));
        command
    }

    fn record(&self, _: &Bench, wire: &Wire, seconds: u32) -> Result<Vec<u8>, Trouble> {
        let file = wire.path("heard.raw");
        let mut command = real_time(wire, self.host, "parec");
        command.arg(format!("--device={CARD}.monitor"));
        command.args(["--format=s32le", "--rate=48000", "--channels=2", "--latency-msec=100"]).arg(&file);
        let recorder = wire.start(self.with(wire, command));
        pause(f64::from(seconds));
        let said = recorder.stop().log;
        let both = read(&file, &said)?;
        Ok(both.chunks_exact(8).skip(CONNECTING_FRAMES).flat_map(|frame| &frame[..4]).copied().collect())
    }

    fn log(&self) -> String {
        self.programs.iter().map(Running::log).collect()
    }
}
