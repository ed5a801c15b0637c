//! Joins announced streams to count their packets.

use crate::target::describe_format;
use engine::announce::sap::SessionKey;
use engine::announce::sdp::StreamDescription;
use engine::clock::ClockReading;
use engine::receive::{Datagram, MediaClock};
use engine::rtp::sequence::SequenceTracker;
use engine::rtp::wire::RtpPacket;
use engine::{Frames, LocalTime, NANOS_PER_SECOND, Nanos};
use net::clock;
use net::interface::Interface;
use net::sap::Sessions;
use net::stream::{LegConfig, LegStatus, MediaListener, MediaSink};
use net::timeline::Timeline;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A packet that is later than this comes from a sender that does not follow PTP.
const ON_PTP: Nanos = Nanos::from_secs(1);

/// The counts of a stream.
#[derive(Debug, Default)]
struct Counts {
    sequence: SequenceTracker,
    packets: u64,
    late: Option<(Nanos, Nanos)>,
}

struct Sink {
    stream: StreamDescription,
    clock: Option<ClockReading>,
    counts: Arc<Mutex<Counts>>,
}

impl Sink {
    /// Time from the end of the packet, according to its timestamp, to its arrival.
    fn lateness(&self, at: LocalTime, packet: &RtpPacket<'_>) -> Option<Nanos> {
        let MediaClock::Ptp { offset } = self.stream.relation() else { return None };
        let now = self.clock.filter(|clock| clock.state.is_usable())?.map?.ptp_at(at);
        let rate = self.stream.format.sample_rate();
        let (second, hz) = (i128::from(NANOS_PER_SECOND), i128::from(rate.as_hz()));
        let ticks = Frames::new((now.as_nanos() * hz / second) as i64 + i64::from(offset));
        let frames = self.stream.format.frames_in_payload(packet.payload.len()).ok()?;
        let end = packet.header.timestamp.unwrap_near(ticks) + Frames::new(frames as i64);
        let late = rate.duration(ticks - end);
        (late.abs() < ON_PTP).then_some(late)
    }
}

impl MediaSink for Sink {
    fn handle_datagram(&mut self, datagram: Datagram<'_>) {
        let Ok(packet) = RtpPacket::parse(datagram.bytes) else { return };
        let late = self.lateness(datagram.at, &packet);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.packets += 1;
        counts.sequence.insert(packet.header.sequence);
        if let Some(late) = late {
            let (least, most) = counts.late.unwrap_or((late, late));
            counts.late = Some((least.min(late), most.max(late)));
        }
    }

    fn handle_idle(&mut self, _now: LocalTime, clock: Option<&ClockReading>, _legs: &[LegStatus]) {
        self.clock = clock.copied();
    }
}

/// A stream in the directory.
struct Followed {
    name: String,
    address: String,
    format: String,
    counts: Arc<Mutex<Counts>>,
    /// The counts a second ago.
    seen: (u64, u64),
    /// `None` if the stream could not be joined, or exceeds the maximum number.
    listener: Option<MediaListener>,
    problem: String,
}

/// All announced streams.
pub(super) struct Streams {
    interface: Interface,
    timeline: Option<Timeline>,
    most: usize,
    looked_at: LocalTime,
    followed: BTreeMap<(SessionKey, u64, usize), Followed>,
}

impl Streams {
    pub(super) fn new(interface: &Interface, timeline: Option<Timeline>, most: usize) -> Self {
        Self { interface: interface.clone(), timeline, most, looked_at: clock::now(), followed: BTreeMap::new() }
    }

    /// Joins new streams, and leaves those that have disappeared. A new version of a description
    /// counts as a new stream.
    pub(super) fn follow(&mut self, sessions: &Sessions) {
        let mut now = BTreeMap::new();
        for (key, entry) in sessions {
            for (index, stream) in entry.description.streams.iter().enumerate() {
                now.insert((key.clone(), entry.description.origin.version, index), (&entry.description.name, stream));
            }
        }
        self.followed.retain(|key, _| now.contains_key(key));
        for (key, (name, stream)) in now {
            if !self.followed.contains_key(&key) {
                let followed = self.join(name, stream);
                self.followed.insert(key, followed);
            }
        }
    }

    fn join(&self, name: &str, stream: &StreamDescription) -> Followed {
        let counts = Arc::new(Mutex::new(Counts::default()));
        let sink = Sink { stream: stream.clone(), clock: None, counts: Arc::clone(&counts) };
        let joined = self.followed.values().filter(|followed| followed.listener.is_some()).count();
        let started = match LegConfig::of(stream, std::slice::from_ref(&self.interface)) {
            Ok(_) if joined >= self.most => Err(format!("not joined: more than {} streams (--streams)", self.most)),
            // Only one leg is joined, because both legs have the same sequence numbers.
            Ok(legs) => MediaListener::start(&legs[..1.min(legs.len())], self.timeline.clone(), sink)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let leg = stream.legs.first();
        let (listener, problem) = match started {
            Ok(listener) => (Some(listener), String::new()),
            Err(problem) => (None, problem),
        };
        Followed {
            name: name.to_owned(),
            address: leg.map_or_else(String::new, |leg| format!("{}:{}", leg.destination, leg.port)),
            format: describe_format(stream),
            counts,
            seen: (0, 0),
            listener,
            problem,
        }
    }

    /// The lines for the screen, with the changes since the last call.
    pub(super) fn rows(&mut self) -> Vec<Row> {
        let now = clock::now();
        let elapsed = now - std::mem::replace(&mut self.looked_at, now);
        self.followed.values_mut().map(|followed| followed.row(elapsed)).collect()
    }
}

impl Followed {
    fn row(&mut self, elapsed: Nanos) -> Row {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (packets, lost) = (counts.packets, counts.sequence.counts().lost);
        let late = counts.late.take();
        let us = |time: Nanos| time.as_nanos() / 1000;
        let row = Row {
            name: self.name.clone(),
            address: self.address.clone(),
            format: self.format.clone(),
            packets_per_s: ((packets - self.seen.0) as f64 / elapsed.as_secs_f64()).round() as u64,
            loss_per_s: lost.saturating_sub(self.seen.1),
            lost,
            late_min_us: late.map(|(least, _)| us(least)),
            late_max_us: late.map(|(_, most)| us(most)),
            problem: self.problem.clone(),
        };
        self.seen = (packets, lost);
        row
    }
}

/// A line on the screen.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: String,
    address: String,
    format: String,
    packets_per_s: u64,
    loss_per_s: u64,
    lost: u64,
    late_min_us: Option<i64>,
    late_max_us: Option<i64>,
    problem: String,
}

impl Row {
    pub(super) fn line(&self) -> String {
        let Self { name, address, format, packets_per_s, loss_per_s, lost, problem, .. } = self;
        let late = match (self.late_min_us, self.late_max_us) {
            (Some(least), Some(most)) => format!("{least} to {most} us"),
            _ => "-".to_owned(),
        };
        let flow = if problem.is_empty() && *packets_per_s == 0 { "nothing comes" } else { problem };
        format!("  {name:22} {address:21} {packets_per_s:>9} {loss_per_s:>5} {lost:>6}  {late:20} {format} {flow}")
            .trim_end()
            .to_owned()
    }
}

pub(super) fn header() -> String {
    format!("{:24} {:21} {:>9} {:>5} {:>6}  {:20} format", "STREAM", "address", "packets/s", "loss", "lost", "late")
}
