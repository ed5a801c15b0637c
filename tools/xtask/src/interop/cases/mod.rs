//! The cases, one file for each kind of claim.

mod announcements;
mod bass;
mod bass_latency;
mod cpal_output;
mod endurance;
mod hardware;
mod latency;
mod many;
mod play;
mod ptp;
mod ptp_unicast;
mod ptp_yield;
mod pulse;
mod receive;
mod send;

use super::bench::{Bench, Outcome};

/// One case.
pub(super) struct Case {
    /// The name that `--only` takes, and that is part of the name of its test.
    pub(super) name: &'static str,
    /// One line.
    pub(super) help: &'static str,
    /// The function that performs the case.
    pub(super) run: fn(&Bench) -> Outcome,
}

const fn case(name: &'static str, help: &'static str, run: fn(&Bench) -> Outcome) -> Case {
    Case { name, help, run }
}

/// All cases, in the order in which they run.
pub(super) const ALL: &[Case] = &[
    case(
        "sap-ffmpeg",
        "FFmpeg's announcement comes and goes in `discover`; malformed ones change nothing",
        announcements::ffmpeg,
    ),
    case("gst-receive", "GStreamer's streams on PTP: recorded bit for bit, played at 20 ms", receive::gstreamer_l24),
    case("ffmpeg-receive", "FFmpeg's bursts of L24 and L16: recorded bit for bit, played at 20 ms", receive::ffmpeg),
    case("ptp-accuracy", "our PTP client on ptp4l's time, beside a slave of linuxptp", ptp::accuracy),
    case("ptp-failover", "ptp4l is killed, and another one takes its place", ptp::failover),
    case("ptp-takeover", "a better ptp4l comes and goes", ptp::takeover),
    case("ptp-serve", "ptp4l follows our master", ptp::serve),
    case("ptp-hardware", "stamps by network cards with clocks, in an emulated guest", hardware::stamps),
    case(
        "slewed-clock",
        "the wall clock by which the kernel stamps is slewed and set, in an emulated guest",
        hardware::slewed,
    ),
    case(
        "ptp-yield",
        "a receiver of AirPlay's kind is offered our clock, and is followed until it is killed",
        ptp_yield::run,
    ),
    case(
        "ptp-unicast",
        "masters that serve only who asks, beside multicast; killed and started anew",
        ptp_unicast::run,
    ),
    case("jack-play", "a stream on jackd's dummy card: underruns, ratio, latency", play::jack),
    case("jack-latency", "the latency that `play` reports, beside the one that a client of JACK hears", latency::run),
    case("jack-lost", "jackd goes and comes back", play::jack_lost),
    case("send-ffmpeg", "FFmpeg receives our stream by its description and by its announcement", send::ffmpeg),
    case("send-gstreamer", "GStreamer's RFC 7273 receiver reads back our capture time", send::gstreamer),
    case("send-tshark", "what tshark says of our packets", send::tshark),
    case("send-sdp", "sdpoker and sdp-transform read our descriptions", send::sdp_libraries),
    case(
        "send-lateness",
        "how late our packets are, and what they cost, beside GStreamer's and a bare loop's",
        send::lateness,
    ),
    case("bass-receive", "GStreamer's stream on PTP, decoded by BASS bit for bit", bass::receive),
    case("bass-no-sound", "BASS plays a stream on its device without sound", bass::no_sound),
    case("bass-jack", "BASS plays a stream on jackd's dummy card", bass::jack),
    case(
        "cpal-output",
        "the example with a sound card's callback on jackd's dummy card: silent blocks and clicks",
        cpal_output::on_jack,
    ),
    case("cpal-pulseaudio", "the same on PulseAudio, through ALSA", cpal_output::on_pulseaudio),
    case(
        "cpal-pipewire",
        "the same on PipeWire, through ALSA and PipeWire's server for PulseAudio",
        cpal_output::on_pipewire,
    ),
    case(
        "bass-latency",
        "the latency of BASS's channels: asked for, told, and measured from the stamps on the wire",
        bass_latency::run,
    ),
    case("bass-many", "32 streams in one program of BASS", bass::many),
    case("bass-cycles", "streams of BASS are opened and freed 10000 times", bass::cycles),
    case("bass-send", "FFmpeg and GStreamer receive a channel of BASS; a stream is sent on", bass::send),
    case("trace", "a trace of `play` shows its glitches in the simulator", play::trace),
    case("many-streams", "64 and 256 stereo streams in one process, beside a bare loop and GStreamer", many::streams),
    case("endurance", "play and record while sender, grandmaster and network go and come", endurance::run),
];
