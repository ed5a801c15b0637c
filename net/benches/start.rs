//! What it takes to start a stream: time for each of many receivers of one process, and memory
//! before a packet has come. The groups are joined on the loopback interface; nothing is sent.

use engine::receive::{Playout, StreamConfig};
use engine::rtp::format::{Encoding, StreamFormat};
use engine::{Nanos, SampleRate};
use net::clock;
use net::interface::Interface;
use net::stream::{LegConfig, Receiver};
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::ExitCode;

/// Streams that are started one after the other.
const STREAMS: u32 = 256;
/// The group of the first stream, in a range that no device uses by default.
const FIRST_GROUP: Ipv4Addr = Ipv4Addr::new(239, 69, 254, 0);

/// Memory that this process occupies; `None` where the system does not say.
fn memory_kib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    resident.trim().trim_end_matches(" kB").parse().ok()
}

type Started = (Receiver, Playout<engine::audio::FusedRateController>);

fn start(stream: u32, interface: &Interface) -> Result<Started, net::Error> {
    let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2).expect("two channels");
    let config = StreamConfig::new(format, Nanos::from_millis(20), 480);
    let group = Ipv4Addr::from(u32::from(FIRST_GROUP) + stream);
    let leg = LegConfig { interface: interface.clone(), destination: SocketAddrV4::new(group, 5004), source: None };
    Receiver::start(config, &[leg], None)
}

fn measure(streams: u32) -> Result<(), net::Error> {
    let interface = Interface::find(Some("127.0.0.1"))?;
    let mut running = vec![start(0, &interface)?];
    let (memory_before, mut took_us) = (memory_kib(), Vec::new());
    for stream in 1..=streams {
        let before = clock::now();
        running.push(start(stream, &interface)?);
        took_us.push((clock::now() - before).as_nanos() as f64 / 1e3);
    }
    let memory = memory_kib().zip(memory_before).map(|(after, before)| (after - before) / f64::from(streams));
    took_us.sort_unstable_by(f64::total_cmp);
    let share = |share: f64| took_us[((took_us.len() - 1) as f64 * share) as usize];
    println!(
        "start of a stream, {streams} of them: {:.0} us (median), {:.0} us (95 %), {:.0} us (longest)",
        share(0.5),
        share(0.95),
        share(1.0)
    );
    if let Some(memory_kib) = memory {
        println!("memory of a stream before its first packet: {memory_kib:.0} KiB");
    }
    Ok(())
}

fn main() -> ExitCode {
    // `cargo test --benches` only wants to see that it works.
    let streams = if std::env::args().any(|argument| argument == "--bench") { STREAMS } else { 2 };
    match measure(streams) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
