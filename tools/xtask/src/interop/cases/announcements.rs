//! Announcements of other programs, read by `aes67 discover`.

use super::super::bench::{Bench, Outcome, Trouble, pause};

/// Datagrams that are not valid announcements: truncated, of another version, encrypted,
/// compressed, with a wrong length, or without SDP.
const MALFORMED: &str = "\
import socket, os
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.67.0.1'))
good = bytes([0x20, 0, 0x12, 0x34, 10, 67, 0, 1]) + b'application/sdp\\0v=0\\r\\n'
bad = [good[:n] for n in range(len(good))]
bad += [bytes([first]) + good[1:] for first in (0x00, 0x40, 0x22, 0x21, 0x23, 0xff)]
bad += [good[:1] + bytes([255]) + good[2:], good + b'x' * 1300, good + bytes(range(256)), os.urandom(1400)]
for datagram in bad:
    for group in ('239.255.255.255', '224.2.127.254', '239.195.255.255'):
        s.sendto(datagram, (group, 9875))
print(len(bad) * 3)
";

pub(super) fn ffmpeg(bench: &Bench) -> Outcome {
    let wire = bench.wire(&['a', 'b'], &["ffmpeg", "python3"])?;
    let discover = bench.start(&wire, 'b', "discover --interface vb --json");
    pause(0.5);
    let mut sender = wire.command('a', "ffmpeg");
    sender.args(["-nostdin", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-ac", "2"]);
    sender.args(["-c:a", "pcm_s24be", "-metadata", "title=Stadium", "-f", "sap"]);
    sender.arg("sap://239.69.1.5:5004?announce_addr=239.255.255.255&announce_port=9875&ttl=15");
    let sender = wire.start(sender);
    let appeared = discover.poll(60, |log| log.contains("\"event\":\"added\"") && log.contains("239.69.1.5:5004"));
    bench.check(appeared, format!("no announcement was heard:\n{}\n{}", discover.log(), sender.log()))?;
    // Refused datagrams are reported, and change nothing else.
    let sessions = |log: String| {
        let is_refusal = |line: &&str| line.contains("\"event\":\"refused\"");
        log.lines().filter(|line| !is_refusal(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = sessions(discover.log());
    let mut noise = wire.command('a', "python3");
    noise.args(["-c", MALFORMED]);
    let sent = wire.start(noise).wait(60);
    pause(2.0);
    bench.check(
        sessions(discover.log()) == before,
        format!("malformed datagrams changed something:\n{}", discover.log()),
    )?;
    bench.figure("malformed datagrams without effect", sent.log.trim());
    // FFmpeg withdraws its announcement when it is asked to end.
    let _ = sender.stop();
    let gone = discover.poll(60, |log| log.contains("\"event\":\"removed\""));
    bench.check(gone, format!("it was not removed:\n{}", discover.log()))?;
    let ended = discover.stop();
    match ended.code {
        Some(0) => Ok(()),
        code => Err(Trouble::Failed(format!("discover ended with {code:?}:\n{}", ended.log))),
    }
}
