//! Peers that several cases use, with the settings that make them comparable.

use super::bench::Trouble;
use netns::{Running, Wire};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The domain of all cases.
pub(crate) const DOMAIN: u8 = 10;

/// A program with the priority of our own threads. Without it, results on a busy machine would only
/// show the load.
pub(crate) fn real_time(wire: &Wire, host: char, program: impl AsRef<OsStr>) -> Command {
    let mut command = wire.command(host, "chrt");
    command.args(["-f", "60"]).arg(program);
    command
}

/// Compiles a program of one C file; `None` without a C compiler.
pub(super) fn compile(wire: &Wire, name: &str, source: &str) -> Option<PathBuf> {
    let (file, program) = (wire.path(&format!("{name}.c")), wire.path(name));
    fs::write(&file, source).ok()?;
    let compiled = Command::new("cc").args(["-O2", "-o"]).args([&program, &file]).status();
    compiled.is_ok_and(|status| status.success()).then_some(program)
}

/// A grandmaster or slave of linuxptp. It serves this machine's own clock and steers nothing.
pub(crate) struct Ptp4l {
    pub(super) priority_1: u8,
    pub(super) slave_only: bool,
    /// Whether it uses the dialect of AirPlay, in which it answers all our messages by unicast.
    is_receiver: bool,
    /// Whether it serves by unicast on request only.
    is_asked: bool,
    /// `logMinDelayReqInterval`.
    log_delay_interval: i8,
    /// `fault_reset_interval`: how long it pauses after a fault, such as invalid bytes.
    fault_reset_interval: &'static str,
}

impl Ptp4l {
    pub(crate) fn master(priority_1: u8) -> Self {
        Self {
            priority_1,
            slave_only: false,
            is_receiver: false,
            is_asked: false,
            log_delay_interval: -3,
            fault_reset_interval: "4",
        }
    }

    pub(crate) fn slave() -> Self {
        Self { slave_only: true, ..Self::master(255) }
    }

    /// A clock that is better than the one that an AirPlay sender offers.
    pub(super) fn receiver() -> Self {
        Self { is_receiver: true, ..Self::master(100) }
    }

    /// A master that serves by unicast on request only.
    pub(super) fn unicast_master(priority_1: u8) -> Self {
        Self { is_asked: true, ..Self::master(priority_1) }
    }

    /// Requests Delay_Reqs once per second, as in media profiles, and not eight times; and does not
    /// pause for 16 s after a fault.
    pub(crate) fn attacked(self) -> Self {
        Self { log_delay_interval: 0, fault_reset_interval: "ASAP", ..self }
    }

    /// Starts ptp4l on a host.
    pub(crate) fn start(&self, wire: &Wire, host: char) -> Result<Running, Trouble> {
        let name = format!("ptp4l-{host}");
        let socket = wire.path(&format!("{name}.sock"));
        let (domain, sdo_id) = if self.is_receiver { (0, 1) } else { (DOMAIN, 0) };
        let is_asked = u8::from(self.is_asked);
        let config = format!(
            "[global]\ndomainNumber {domain}\ntransportSpecific {sdo_id}\nhybrid_e2e {sdo_id}\npriority1 {}\nclockClass 248\nlogAnnounceInterval 0\nannounceReceiptTimeout 3\n\
             logSyncInterval -3\nlogMinDelayReqInterval {}\nfault_reset_interval {}\ndelay_mechanism E2E\nnetwork_transport UDPv4\n\
             time_stamping software\ntwoStepFlag 1\nfree_running 1\nudp_ttl 1\nsummary_interval -4\nslaveOnly {}\n\
             unicast_listen {is_asked}\ninhibit_multicast_service {is_asked}\nuds_address {}\n",
            self.priority_1,
            self.log_delay_interval,
            self.fault_reset_interval,
            u8::from(self.slave_only),
            socket.display()
        );
        let file = wire.path(&format!("{name}.cfg"));
        fs::write(&file, config).map_err(|error| Trouble::Failed(format!("{}: {error}", file.display())))?;
        let mut command = real_time(wire, host, "ptp4l");
        command.args(["-i", &format!("v{host}"), "-S", "-m", "-q", "-f"]).arg(&file);
        Ok(wire.start(command))
    }
}

/// A GStreamer sender whose RTP timestamps are PTP time: noise of 24 bits that is the same in every
/// run, written to a file beside the stream.
const GST_SENDER: &str = "\
import sys, gi
gi.require_version('Gst', '1.0'); gi.require_version('GstNet', '1.0')
from gi.repository import Gst, GstNet, GLib
interface, address, domain, frames, file = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
Gst.init(None)
GstNet.ptp_init(GstNet.PTP_CLOCK_ID_NONE, [interface])
clock = GstNet.PtpClock.new('p', domain)
if not clock.wait_for_sync(60 * Gst.SECOND):
    sys.exit('no PTP')
pipeline = Gst.parse_launch(
    f'audiotestsrc wave=white-noise volume=0.3 is-live=true samplesperbuffer={frames} ! audio/x-raw,format=S24BE,rate=48000,channels=2 ! tee name=t '
    f't. ! queue ! rtpL24pay pt=96 min-ptime={frames * 10**9 // 48000} max-ptime={frames * 10**9 // 48000} timestamp-offset=0 ! '
    f'udpsink host={address} port=5004 ttl-mc=15 multicast-iface={interface} qos-dscp=34 sync=true processing-deadline=0 '
    f't. ! queue ! filesink buffer-mode=unbuffered location={file}')
pipeline.use_clock(clock); pipeline.set_start_time(Gst.CLOCK_TIME_NONE); pipeline.set_base_time(0)
pipeline.set_state(Gst.State.PLAYING)
print('sending', flush=True)
GLib.MainLoop().run()
";

/// Starts the GStreamer sender. The audio that it sends is also written to `file` as raw L24.
pub(super) fn gstreamer(wire: &Wire, host: char, address: &str, frames: u32, file: &str) -> Running {
    let mut command = real_time(wire, host, netns::SYSTEM_PYTHON);
    command.args(["-c", GST_SENDER, &format!("v{host}"), address, &DOMAIN.to_string(), &frames.to_string(), file]);
    wire.start(command)
}

/// An FFmpeg sender: it encodes a file itself, and sends at the rate of its own clock.
pub(super) struct Ffmpeg<'a> {
    /// File with raw audio in the stream's format.
    pub(super) input: &'a str,
    /// `s24be` or `s16be`.
    pub(super) format: &'a str,
    pub(super) channels: usize,
    /// Bytes of a packet with its header.
    pub(super) packet_bytes: usize,
    pub(super) group: &'a str,
}

impl Ffmpeg<'_> {
    pub(super) fn start(&self, wire: &Wire, host: char) -> Running {
        let mut command = real_time(wire, host, "ffmpeg");
        let channels = self.channels.to_string();
        command.args(["-nostdin", "-loglevel", "warning", "-f", self.format, "-ar", "48000", "-ac", &channels]);
        command.args([
            "-i",
            self.input,
            "-af",
            // With `-re` instead, it would send all audio that its demuxer reads at once, 40 ms.
            "asetnsamples=n=480:p=0,arealtime",
            "-c:a",
            &format!("pcm_{}", self.format),
            "-f",
            "rtp",
            "-payload_type",
            "97",
        ]);
        let address = netns::address(host);
        command.arg(format!("rtp://{}:5004?pkt_size={}&ttl=15&localaddr={address}", self.group, self.packet_bytes));
        wire.start(command)
    }
}
