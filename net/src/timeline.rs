//! Sources of time for streams: our own PTP client, the Livewire clock, or a system clock that
//! another program disciplines.

use crate::clock::{self, SystemReader};
use crate::error::Result;
use crate::livewire_clock::LivewireClient;
use crate::ptp::PtpClient;
use crate::worker::{Context, Urgency, Worker};
use arc_swap::ArcSwap;
use engine::Nanos;
use engine::clock::{ClockMode, ClockReading, PtpMap, Reference, ReferenceConfig, Sources, SystemReport};
use std::sync::Arc;

/// How often the system clock is read.
const INTERVAL: Nanos = Nanos::from_millis(125);

/// A source of time, which several streams can share.
#[derive(Clone, Debug)]
pub enum Timeline {
    /// Our own PTP client.
    Ptp(Arc<PtpClient>),
    /// The Livewire clock, whose time is the time of Livewire streams, and not PTP time.
    Livewire(Arc<LivewireClient>),
    /// The system clock.
    System(Arc<SystemTimeline>),
}

impl Timeline {
    /// The current reading, for [`engine::receive::Ingest::set_clock`].
    #[must_use]
    pub fn reading(&self) -> ClockReading {
        match self {
            Self::Ptp(client) => client.reading(),
            Self::Livewire(client) => client.reading(),
            Self::System(system) => system.reading(),
        }
    }

    /// Whether `self` and `other` are the same source.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ptp(client), Self::Ptp(other)) => Arc::ptr_eq(client, other),
            (Self::Livewire(client), Self::Livewire(other)) => Arc::ptr_eq(client, other),
            (Self::System(system), Self::System(other)) => Arc::ptr_eq(system, other),
            _ => false,
        }
    }

    /// The map of the timeline, and a number that changes when the timeline is stepped. Unlike
    /// [`Self::reading`], this includes the time of a clock to which the client has fallen back.
    #[must_use]
    pub fn map_and_epoch(&self) -> Option<(PtpMap, u32)> {
        match self {
            Self::Ptp(client) => timeline_of(&client.status().reference),
            Self::Livewire(client) => timeline_of(&client.status().reference),
            Self::System(system) => {
                let reading = system.reading();
                reading.map.map(|map| (map, reading.epoch))
            }
        }
    }
}

fn timeline_of(reference: &Reference) -> Option<(PtpMap, u32)> {
    reference.timeline().map(|map| (*map, reference.reading().epoch))
}

/// The system clock as PTP time, disciplined by another program (ptp4l with phc2sys, or an NTP
/// daemon). The clock is unusable while no program disciplines it.
#[derive(Debug)]
pub struct SystemTimeline {
    published: Arc<ArcSwap<(ClockReading, SystemReport)>>,
    _worker: Worker,
}

impl SystemTimeline {
    /// Starts a thread that reads the clock. It ends when the result is dropped.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start() -> Result<Self> {
        let mut follower = Follower::new();
        let published = Arc::new(ArcSwap::from_pointee(follower.read()));
        let publish = Arc::clone(&published);
        let worker = Worker::spawn("system-clock", Urgency::Normal, move |context| follower.run(context, &publish))?;
        Ok(Self { published, _worker: worker })
    }

    /// The current reading.
    #[must_use]
    pub fn reading(&self) -> ClockReading {
        self.published.load().0
    }

    /// Whether and how well the clock is disciplined.
    #[must_use]
    pub fn report(&self) -> SystemReport {
        self.published.load().1
    }
}

struct Follower {
    reader: SystemReader,
    reference: Reference,
}

impl Follower {
    fn new() -> Self {
        let config = ReferenceConfig { mode: ClockMode::System, ..ReferenceConfig::default() };
        Self { reader: SystemReader::new(), reference: Reference::new(config) }
    }

    fn read(&mut self) -> (ClockReading, SystemReport) {
        self.reader.read();
        let now = clock::now();
        let system = Some(self.reader.clock().reading(now));
        self.reference.advance(now, &Sources { system, ..Sources::default() });
        while let Some(event) = self.reference.poll_event() {
            tracing::debug!("system clock: {event}");
        }
        (self.reference.reading(), self.reader.clock().report())
    }

    fn run(&mut self, context: &Context, published: &ArcSwap<(ClockReading, SystemReport)>) {
        while !context.is_stopping() {
            published.store(Arc::new(self.read()));
            context.wait(&[], [Some(clock::now() + INTERVAL)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_tells_whether_it_is_of_use() {
        let timeline = SystemTimeline::start().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let (reading, report) = (timeline.reading(), timeline.report());
        assert!(reading.map.is_none() || report.discipline.synchronised, "{reading:?} {report:?}");
    }
}
