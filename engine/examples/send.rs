//! Sends a tone over a UDP socket of the standard library, and writes its description to the
//! standard output: `send 127.0.0.1:5004 10 > stream.sdp` sends for 10 s to a receiver at that
//! address; the address may also be a multicast group.
//!
//! To drive a sender, set its clock (`set_clock`), wait until `poll_timeout`, call
//! `handle_timeout`, which requests the audio for one packet, and send whatever `poll_transmit`
//! returns. This example takes the time from the system clock. A program that follows PTP drives a
//! `ptp::Port` in the same manner, and passes its reading to the reference as `Sources::ptp`.

use engine::announce::sdp::Session;
use engine::clock::{ClockMap, ClockReading, LockState, PathDelay, PtpMap};
use engine::clock::{ClockMode, Reference, ReferenceConfig, Sources};
use engine::rtp::format::{Encoding, StreamFormat};
use engine::send::{Sender, SenderConfig};
use engine::{Frames, LocalTime, Nanos, PtpTime, SampleRate};
use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

const CHANNELS: usize = 2;
const TONE_HZ: i64 = 1000;
/// Multicast TTL stated in the description: packets stay on the local network.
const TTL: u8 = 1;

/// The host's monotonic clock, which gives the engine its time.
struct HostClock(Instant);

impl HostClock {
    #[expect(clippy::disallowed_methods, reason = "a program reads its clock; the engine is told the time")]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(&self) -> LocalTime {
        LocalTime::ZERO + Nanos::new(self.0.elapsed().as_nanos() as i64)
    }

    fn sleep_until(&self, due: LocalTime) {
        std::thread::sleep(Duration::from_nanos(due.since(self.now()).as_nanos().try_into().unwrap_or(0)));
    }
}

/// Reads the system clock at `now`. It is read only once, so its rate is assumed to equal the
/// monotonic clock's from then on.
#[expect(clippy::disallowed_methods, reason = "a program reads its clock; the engine is told the time")]
fn system_clock(now: LocalTime) -> Result<ClockReading, Box<dyn Error>> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let time = PtpTime::from_timestamp(since_epoch.as_secs(), since_epoch.subsec_nanos());
    let map = PtpMap::new(now, time, ClockMap::default());
    Ok(ClockReading { state: LockState::Locked, map: Some(map), epoch: 0, path_delay: PathDelay::Measured })
}

/// The tone's samples from frame `first` of the media timeline on.
fn tone(first: Frames, out: &mut [f32]) {
    let period = i64::from(SampleRate::HZ_48000.as_hz()) / TONE_HZ;
    for (n, frame) in (first.get()..).zip(out.chunks_mut(CHANNELS)) {
        let phase = n.rem_euclid(period) as f32 / period as f32;
        frame.fill(0.5 * (std::f32::consts::TAU * phase).sin());
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let destination: SocketAddr = arguments.next().ok_or("where to? Such as 127.0.0.1:5004")?.parse()?;
    let seconds: i64 = arguments.next().map_or(Ok(10), |text| text.parse())?;

    let host = HostClock::start();
    let system = system_clock(host.now())?;
    let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, CHANNELS)?;
    // The SSRC and the first sequence number are derived from this seed.
    let seed = system.map.map_or(0, |map| (map.ptp_at(host.now()) - PtpTime::EPOCH).as_nanos() as u64);
    let mut sender = Sender::new(SenderConfig::new(format, destination, seed))?;

    // Connecting a UDP socket sends nothing, but shows which local address is used as the source of
    // packets.
    let probe = UdpSocket::bind(("0.0.0.0", 0))?;
    probe.connect(destination)?;
    let started_s = seed / 1_000_000_000;
    let session = Session::new(sender.config(), probe.local_addr()?.ip(), started_s, "Tone", TTL)?;
    print!("{}", session.to_sdp());

    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    let mut reference = Reference::new(ReferenceConfig { mode: ClockMode::System, ..ReferenceConfig::default() });
    let end = host.now() + Nanos::from_secs(seconds);
    while host.now() < end {
        let now = host.now();
        reference.advance(now, &Sources { system: Some(system), ..Sources::default() });
        sender.set_clock(now, &reference);
        let Some(due) = sender.poll_timeout() else { return Err("the reference has no time".into()) };
        host.sleep_until(due);
        sender.handle_timeout(host.now(), &mut |first: Frames, out: &mut [f32]| tone(first, out));
        while let Some(packet) = sender.poll_transmit() {
            // The socket is not connected, because on a connected one, sending fails while nobody
            // listens.
            socket.send_to(packet.datagram, packet.destination)?;
        }
    }
    let stats = sender.stats();
    eprintln!("{} packets, {} left out", stats.packets, stats.skipped_packets);
    Ok(())
}
