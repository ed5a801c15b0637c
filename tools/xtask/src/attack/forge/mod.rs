//! The attacker: a process on a host of the wire that listens to the others, and forges packets
//! according to a [`Forgery`].
//!
//! It is this program, called as `xtask attack-forge NAME ADDRESS SECONDS`. It learns for as long
//! as the forgery requires, prints [`BEGINS`], forges for SECONDS, prints [`ENDS`], and ends.

pub(super) mod ptp;
mod random;
pub(super) mod rtp;
pub(super) mod sap;
mod wire;

use super::rows;
pub(crate) use random::Random;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::{Wire, listen};

/// `xtask <this> NAME ADDRESS SECONDS`.
pub(crate) const COMMAND: &str = "attack-forge";
/// Printed before the first forged packet, and after the last one.
pub(super) const BEGINS: &str = "the attack begins";
pub(super) const ENDS: &str = "the attack ends";
/// How long the forger waits for packets that it has to receive first.
const PATIENCE: Duration = Duration::from_secs(10);
/// Interval of checks of a forgery that does nothing by itself.
const IDLE: Duration = Duration::from_millis(50);

/// Forges at intervals; the argument is the number of the call.
type Tick = Box<dyn FnMut(&mut Forger, u64)>;
/// Forges in answer to a packet.
type Answer = Box<dyn FnMut(&mut Forger, &Heard)>;

/// An attack.
pub(super) struct Forgery {
    /// Ports and groups that are listened to.
    pub(super) listens: Vec<(u16, Vec<Ipv4Addr>)>,
    /// Packets that have to be received first.
    pub(super) is_ready: fn(&Forger) -> bool,
    /// How long all received packets are recorded first.
    pub(super) records: Duration,
    /// Interval at which `tick` is called.
    pub(super) period: Duration,
    pub(super) tick: Tick,
    pub(super) heard: Answer,
}

/// A packet that was heard.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) from: SocketAddrV4,
    /// The port that it was sent to.
    pub(super) port: u16,
    pub(super) bytes: Vec<u8>,
    /// By the system's clock, since 1970.
    pub(super) at_ns: i64,
}

/// The data and the sockets that a forgery uses.
pub(super) struct Forger {
    pub(super) own: Ipv4Addr,
    pub(super) random: Random,
    /// The packets received during [`Forgery::records`].
    pub(super) recorded: Vec<Heard>,
    /// The last PTP message of each type, by the type's number.
    pub(super) messages: BTreeMap<u8, Heard>,
    /// The last RTP packet, and the last announcement.
    pub(super) rtp: Option<Heard>,
    pub(super) sap: Option<Heard>,
    wire: Wire,
}

impl Forger {
    pub(super) fn send(&mut self, from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) {
        self.wire.send(from, to, payload);
    }

    fn learn(&mut self, heard: &Heard) {
        match heard.port {
            ptp::EVENT | ptp::GENERAL => {
                if let Some(first) = heard.bytes.first().filter(|_| heard.bytes.len() >= ptp::HEADER_BYTES) {
                    self.messages.insert(first & 15, heard.clone());
                }
            }
            sap::PORT => self.sap = Some(heard.clone()),
            _ => self.rtp = Some(heard.clone()),
        }
    }
}

/// The system's clock, which ptp4l serves, in nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "forged times are told relative to the true one")]
pub(super) fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

#[expect(clippy::disallowed_methods, reason = "an attacker keeps time")]
fn instant() -> Instant {
    Instant::now()
}

/// Runs the attacker; its arguments are a row's name, the host's own address and seconds.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let [name, own, seconds] = arguments else { return usage() };
    let (Some(forgery), Ok(own), Ok(seconds)) = (rows::forgery(name), own.parse(), seconds.parse()) else {
        return usage();
    };
    match attack(name, forgery, own, Duration::from_secs_f64(seconds)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("error: `{COMMAND} NAME ADDRESS SECONDS` takes the name of an attack that forges packets");
    ExitCode::from(2)
}

fn attack(name: &str, mut forgery: Forgery, own: Ipv4Addr, lasts: Duration) -> Result<(), String> {
    let (sender, heard) = channel();
    for (port, groups) in &forgery.listens {
        let socket = listen(own, *port, groups).map_err(|error| format!("port {port}: {error}"))?;
        let (sender, port) = (sender.clone(), *port);
        thread::spawn(move || hear(&socket, port, &sender));
    }
    let wire = Wire::open().map_err(|error| format!("raw packets: {error}"))?;
    let mut forger = Forger {
        own,
        random: Random::new(name),
        recorded: Vec::new(),
        messages: BTreeMap::new(),
        rtp: None,
        sap: None,
        wire,
    };
    let until = instant() + PATIENCE;
    while !(forgery.is_ready)(&forger) {
        let packet = next(&heard, until).ok_or("nobody is there to be attacked")?;
        forger.learn(&packet);
    }
    let until = instant() + forgery.records;
    while let Some(packet) = next(&heard, until) {
        forger.learn(&packet);
        forger.recorded.push(packet);
    }
    println!("{BEGINS}");
    forge(&mut forger, &mut forgery, &heard, instant() + lasts);
    println!("{ENDS}: {} packets sent, {} not taken by the system", forger.wire.sent, forger.wire.refused);
    Ok(())
}

fn forge(forger: &mut Forger, forgery: &mut Forgery, heard: &Receiver<Heard>, until: Instant) {
    let (mut due, mut count) = (instant(), 0);
    while instant() < until {
        if let Some(packet) = next(heard, due.min(until)) {
            forger.learn(&packet);
            (forgery.heard)(forger, &packet);
            continue;
        }
        (forgery.tick)(forger, count);
        count += 1;
        // A delayed process catches up, but not by more than a limit.
        due = (due + forgery.period).max(instant().checked_sub(forgery.period * 20).unwrap_or(due));
    }
}

/// The next packet, if one comes before a time.
fn next(heard: &Receiver<Heard>, until: Instant) -> Option<Heard> {
    match heard.recv_timeout(until.saturating_duration_since(instant())) {
        Ok(packet) => Some(packet),
        Err(RecvTimeoutError::Timeout) => None,
        // The forgery listens to nothing.
        Err(RecvTimeoutError::Disconnected) => {
            thread::sleep(until.saturating_duration_since(instant()));
            None
        }
    }
}

fn hear(socket: &UdpSocket, port: u16, sender: &Sender<Heard>) {
    let mut buffer = [0; 2048];
    while let Ok((length, SocketAddr::V4(from))) = socket.recv_from(&mut buffer) {
        let packet = Heard { from, port, bytes: buffer[..length].to_vec(), at_ns: now_ns() };
        if sender.send(packet).is_err() {
            return;
        }
    }
}

/// Nothing is forged: this measures the machine itself.
pub(super) fn none() -> Forgery {
    nothing(vec![], |_| true)
}

/// A forgery that does nothing yet.
fn nothing(listens: Vec<(u16, Vec<Ipv4Addr>)>, is_ready: fn(&Forger) -> bool) -> Forgery {
    Forgery {
        listens,
        is_ready,
        records: Duration::ZERO,
        period: IDLE,
        tick: Box::new(|_, _| {}),
        heard: Box::new(|_, _| {}),
    }
}

impl Forgery {
    /// Calls at this interval.
    fn every(mut self, period: Duration, tick: impl FnMut(&mut Forger, u64) + 'static) -> Self {
        (self.period, self.tick) = (period, Box::new(tick));
        self
    }

    /// Calls this many times a second, in bursts where a timer is too slow.
    fn per_second(self, rate: u32, mut one: impl FnMut(&mut Forger, u64) + 'static) -> Self {
        /// A timer of user space keeps this rate on a busy machine.
        const TIMER_HZ: u32 = 500;
        let burst = u64::from(rate.div_ceil(TIMER_HZ));
        let period = Duration::from_secs(1) * burst as u32 / rate;
        self.every(period, move |forger, count| (0..burst).for_each(|n| one(forger, count * burst + n)))
    }

    /// Called for each received packet.
    fn on(mut self, heard: impl FnMut(&mut Forger, &Heard) + 'static) -> Self {
        self.heard = Box::new(heard);
        self
    }
}
