//! Receives a stream over a UDP socket of the standard library: `receive stream.sdp 5` plays the
//! stream described in that file for 5 s on a simulated sound card, and prints the peak level.
//!
//! A receiver has two halves. Pass every datagram, with the time of its arrival, to the control
//! half (`Ingest::handle_datagram`); its statistics can be read at any time. The sound card's
//! thread calls the audio half (`Playout::pull`), which always fills the whole buffer. A program
//! that follows PTP passes PTP time to the control half (`set_clock`).

use engine::announce::sdp::Description;
use engine::audio::FusedRateController;
use engine::receive::{Leg, Playout, stream};
use engine::{LocalTime, Nanos};
use std::error::Error;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

/// Latency from the time a packet is sent to the time it is played. Wi-Fi needs more, a quiet
/// network less.
const LATENCY: Nanos = Nanos::from_millis(40);
/// Number of frames that the card requests at a time.
const BLOCK: usize = 480;
/// Maximum length of a UDP datagram.
const DATAGRAM: usize = 65_535;

/// The host's monotonic clock, which gives both halves their time.
#[derive(Clone, Copy)]
struct HostClock(Instant);

impl HostClock {
    #[expect(clippy::disallowed_methods, reason = "a program reads its clock; the engine is told the time")]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(self) -> LocalTime {
        LocalTime::ZERO + Nanos::new(self.0.elapsed().as_nanos() as i64)
    }
}

/// Opens a socket that receives the datagrams sent to the stream's address.
fn open(destination: IpAddr, port: u16) -> Result<UdpSocket, Box<dyn Error>> {
    let IpAddr::V4(address) = destination else { return Err("IPv4 streams only".into()) };
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    if address.is_multicast() {
        socket.join_multicast_v4(&address, &Ipv4Addr::UNSPECIFIED)?;
    }
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(socket)
}

/// The sound card's thread: it requests a block whenever one has been played. Returns the largest
/// absolute sample value.
fn play(
    host: HostClock,
    mut playout: Playout<FusedRateController>,
    channels: usize,
    block: Nanos,
    end: LocalTime,
) -> f32 {
    let mut out = vec![0.0; BLOCK * channels];
    let mut peak = 0.0_f32;
    let mut next = host.now();
    while next < end {
        std::thread::sleep(Duration::from_nanos(next.since(host.now()).as_nanos().try_into().unwrap_or(0)));
        playout.pull(host.now(), &mut out);
        peak = out.iter().fold(peak, |peak, sample: &f32| peak.max(sample.abs()));
        next = next + block;
    }
    peak
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("which description? Such as stream.sdp")?;
    let seconds: i64 = arguments.next().map_or(Ok(10), |text| text.parse())?;

    let description = Description::parse(&std::fs::read(file)?)?.description;
    let described = description.streams.first().ok_or("the description has no stream")?;
    let leg = described.legs.first().ok_or("the stream has no address")?;
    let rate = described.format.sample_rate();
    let config = described.stream_config(LATENCY, rate, BLOCK);
    let (mut ingest, playout) = stream(config)?;
    let socket = open(leg.destination, leg.port)?;

    let host = HostClock::start();
    let end = host.now() + Nanos::from_secs(seconds);
    let channels = config.channel_map.outputs();
    let block = rate.duration(engine::Frames::new(BLOCK as i64));
    let card = std::thread::spawn(move || play(host, playout, channels, block, end));

    let mut datagram = [0; DATAGRAM];
    while host.now() < end {
        match socket.recv(&mut datagram) {
            // A kernel timestamp of the arrival would be more accurate than the time read in this
            // thread.
            Ok(length) => {
                if let Err(reason) = ingest.handle_datagram(Leg::A, host.now(), &datagram[..length]) {
                    eprintln!("refused: {reason}");
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let peak = card.join().map_err(|_| "the sound card's thread has panicked")?;
    let (stats, played) = (ingest.stats(), ingest.playout_stats());
    println!("packets {} lost {} late {}", stats.packets, stats.sequence.lost, played.late_packets);
    println!("peak {peak:.3}");
    Ok(())
}
