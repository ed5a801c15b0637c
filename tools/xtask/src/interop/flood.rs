//! Many streams from one process, as efficiently as possible, because the receiver is to be
//! measured.

use super::bench::{Bench, Trouble};
use super::peers::real_time;
use netns::{Running, Wire};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Frames of a packet of 1 ms, and bytes of its stereo L24 payload.
const FRAMES: u32 = 48;
const PAYLOAD: usize = 48 * 6;
/// `cargo xtask <this> COUNT ADDRESS`, for [`start`].
pub(crate) const COMMAND: &str = "interop-flood";

/// The group of a stream, which are counted from 1: 239.69.2.1, .2 and so on.
pub(super) fn group(stream: u16) -> Ipv4Addr {
    (u32::from(Ipv4Addr::new(239, 69, 2, 0)) + u32::from(stream)).into()
}

/// Sends `count` streams to their [groups](group).
pub(super) fn start(wire: &Wire, host: char, bench: &Bench, count: u16) -> Result<Running, Trouble> {
    let program = bench.beside("xtask")?;
    let mut command = real_time(wire, host, &program);
    command.args([COMMAND, &count.to_string(), &netns::address(host)]);
    let running = wire.start(command);
    running.wait_for("sending", 60);
    Ok(running)
}

/// Lateness above which a sender disturbs its receivers like a [pause](super::pauses) of the
/// machine.
const LATE_MS: f64 = 5.0;

/// The seconds in which a sender was later than [`LATE_MS`], in the form of
/// [`pauses::of`](super::pauses::of), from its log and the time at which it began.
pub(super) fn late(log: &str, began_s: f64) -> Vec<(f64, f64)> {
    let second = |line: &str| {
        let (packets, rest) = line.split_once(" packets of each of ")?;
        let (_, late_ms) = rest.split_once("late by ")?;
        let late_ms: f64 = late_ms.split(' ').next()?.parse().ok()?;
        let middle_s = packets.parse::<f64>().ok()? / 1000.0 - 0.5;
        (late_ms >= LATE_MS).then_some((began_s + middle_s, late_ms))
    };
    log.lines().filter_map(second).collect()
}

/// Sends until it is ended.
#[expect(clippy::disallowed_methods, reason = "a sender keeps time")]
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let [count, address] = arguments else { return ExitCode::from(2) };
    let (Ok(count), Ok(socket)) = (count.parse::<u16>(), UdpSocket::bind((address.as_str(), 0))) else {
        return ExitCode::from(2);
    };
    println!("sending");
    let mut packet = [0; 12 + PAYLOAD];
    (packet[0], packet[1]) = (0x80, 96);
    let start = Instant::now();
    let mut worst = Duration::ZERO;
    for index in 0u32.. {
        let due = start + Duration::from_millis(index.into());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        worst = worst.max(Instant::now().saturating_duration_since(due));
        packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&index.wrapping_mul(FRAMES).to_be_bytes());
        for stream in 1..=count {
            packet[10..12].copy_from_slice(&stream.to_be_bytes());
            if let Err(error) = socket.send_to(&packet, (group(stream), 5004)) {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
        if index % 1000 == 999 {
            let worst_ms = worst.as_secs_f64() * 1e3;
            println!(
                "{} packets of each of {count} streams, late by {worst_ms:.1} ms at most in this second",
                index + 1
            );
            worst = Duration::ZERO;
        }
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_seconds_are_read_from_the_log() {
        let line = |packets: u32, late_ms: f64| {
            format!("{packets} packets of each of 64 streams, late by {late_ms:.1} ms at most in this second\n")
        };
        let log = format!("sending\n{}{}{}", line(1000, 1.2), line(2000, 14.24), line(3000, 4.9));
        assert_eq!(late(&log, 10.0), [(11.5, 14.2)]);
    }
}
