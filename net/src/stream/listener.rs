//! Threads that receive streams. Each thread receives several streams.
//!
//! Model: a thread that is woken for each packet spends most of its time on waking up, and 64
//! streams with 1 ms packets have 64 000 packets a second. So a thread owns the sockets and sinks
//! of up to [`STREAMS`] streams whose packets may wait for the same time, and polls all of them at
//! this interval; the kernel's stamps still give the arrival time of each packet. All threads poll
//! at multiples of the interval, so that one interrupt wakes all of them. While no packets arrive,
//! they wait for the sockets. A thread is shared only if there are already as many threads as
//! processors.
//!
//! A packet without a stamp gets the time at which it is read. So a stream without stamps has its
//! own thread, which waits for each packet.

use super::LegConfig;
use crate::clock;
use crate::error::Result;
use crate::platform::Waitable;
use crate::socket::{Inbox, LONGEST_DATAGRAM, ROUND, Socket, SocketConfig, SocketStats, Timestamping};
use crate::timeline::Timeline;
use crate::worker::{Context, Scheduling, Urgency, Worker};
use engine::clock::ClockReading;
use engine::receive::{Datagram, Leg};
use engine::{LocalTime, Nanos};
use std::fmt;
use std::net::IpAddr;
use std::num::NonZero;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::available_parallelism;

/// Maximum number of streams per thread. Handling the packets that all of them receive in 2.5 ms,
/// with 1 ms packets, takes less than half a millisecond.
const STREAMS: usize = 16;
/// Upper limit for the time that packets wait in the socket.
pub(super) const LONGEST_LATENCY: Nanos = Nanos::from_micros(2_500);

/// Handles the datagrams of a stream in the listener's thread. A sink must not wait for anything
/// slow, because other streams use the same thread. Do not drop a listener while holding a lock
/// that any sink acquires.
pub trait MediaSink: Send + 'static {
    /// Handles a datagram.
    fn handle_datagram(&mut self, datagram: Datagram<'_>);

    /// Called at least ten times a second, when all datagrams that arrived until `until` have been
    /// handled. Later datagrams may still be waiting, for example after a process was stalled.
    /// `clock` is the reading of the timeline, if there is one.
    fn handle_idle(&mut self, until: LocalTime, clock: Option<&ClockReading>, legs: &[LegStatus]);

    /// How long datagrams may wait before they are passed to the sink; called once.
    fn max_latency(&self) -> Nanos {
        LONGEST_LATENCY
    }
}

/// The status of a leg's socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegStatus {
    /// The socket's counters.
    pub socket: SocketStats,
    /// Origin of the timestamps.
    pub timestamping: Timestamping,
}

impl LegStatus {
    fn of(socket: &Socket) -> Self {
        Self { socket: socket.stats(), timestamping: socket.timestamping() }
    }
}

/// Receives the legs of a stream. Ends when it is dropped. The drop returns only after the sink has
/// been dropped, unless a sink drops its own listener: then the sink is dropped when its current
/// call has returned.
#[derive(Debug)]
pub struct MediaListener {
    number: u64,
    thread: Arc<MediaThread>,
}

impl MediaListener {
    /// Joins one or two legs, and passes their datagrams to `sink`.
    ///
    /// # Errors
    /// If a socket is refused, or a thread cannot be started.
    pub fn start(legs: &[LegConfig], timeline: Option<Timeline>, sink: impl MediaSink) -> Result<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let open = |leg: &LegConfig| {
            leg.check()?;
            Socket::open(SocketConfig::receive(leg.interface.clone(), leg.destination, leg.source))
        };
        let sockets: Vec<Socket> = legs.iter().take(Leg::ALL.len()).map(open).collect::<Result<_>>()?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let (legs, max_latency) = (sockets.iter().map(LegStatus::of).collect(), sink.max_latency());
        let stream = Stream { number, sockets, legs, timeline, sink: Box::new(sink), faulty: false };
        let thread = if stream.is_stamped() { MediaThread::with_room(max_latency) } else { MediaThread::start(None) }?;
        thread.tell(Command::Add(stream));
        Ok(Self { number, thread })
    }

    /// How the thread is scheduled.
    #[must_use]
    pub fn scheduling(&self) -> Scheduling {
        self.thread.worker.scheduling()
    }
}

impl Drop for MediaListener {
    fn drop(&mut self) {
        // A thread that serves only this stream ends together with the stream, which then need not
        // be removed from the thread.
        if self.thread.max_latency.is_some() {
            let (give_back, given_back) = sync_channel(1);
            self.thread.tell(Command::Remove(self.number, give_back));
            // The stream is dropped by this thread, so that other streams are not delayed.
            if !self.thread.worker.is_this_thread() {
                drop(given_back.recv());
            }
        }
        self.thread.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread, and the number of streams that it has or is about to receive.
#[derive(Debug)]
struct MediaThread {
    worker: Worker,
    commands: Sender<Command>,
    streams: AtomicUsize,
    /// How long packets may wait; `None` if they may not wait, because the thread belongs to one
    /// stream.
    max_latency: Option<Nanos>,
}

/// The running threads, which streams can share.
static THREADS: Mutex<Vec<Weak<MediaThread>>> = Mutex::new(Vec::new());

impl MediaThread {
    /// Returns a thread for a stream with this `max_latency`, and counts the stream there.
    fn with_room(max_latency: Nanos) -> Result<Arc<Self>> {
        // This is declared before the lock, and so dropped after the lock is released: dropping the
        // last reference to a thread waits for the thread to end.
        let running: Vec<Arc<Self>>;
        let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        running = threads.iter().filter_map(Weak::upgrade).collect();
        let alike = running.iter().filter(|thread| thread.max_latency == Some(max_latency) && thread.has_room());
        let least = alike.min_by_key(|thread| thread.streams.load(Ordering::Relaxed));
        let processors = available_parallelism().map_or(1, NonZero::get);
        if let Some(thread) = least.filter(|_| running.len() >= processors) {
            thread.streams.fetch_add(1, Ordering::Relaxed);
            return Ok(Arc::clone(thread));
        }
        let thread = Self::start(Some(max_latency))?;
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&thread));
        Ok(thread)
    }

    /// Starts a thread with one stream. If `max_latency` is given, other streams can share it.
    fn start(max_latency: Option<Nanos>) -> Result<Arc<Self>> {
        let (commands, told) = channel();
        let worker = Worker::spawn("media", Urgency::Patient, move |context| listen(context, &told, max_latency))?;
        Ok(Arc::new(Self { worker, commands, streams: AtomicUsize::new(1), max_latency }))
    }

    fn has_room(&self) -> bool {
        self.streams.load(Ordering::Relaxed) < STREAMS && !self.worker.is_dead()
    }

    fn tell(&self, command: Command) {
        // This fails only if the thread has panicked, and the panic has been printed.
        let _ = self.commands.send(command);
        self.worker.wake();
    }
}

enum Command {
    Add(Stream),
    /// Removes the stream with this number, and returns it through the channel.
    Remove(u64, SyncSender<Stream>),
}

struct Stream {
    number: u64,
    sockets: Vec<Socket>,
    legs: Vec<LegStatus>,
    timeline: Option<Timeline>,
    sink: Box<dyn MediaSink>,
    faulty: bool,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("number", &self.number).field("legs", &self.legs).finish_non_exhaustive()
    }
}

/// The result of polling the sockets.
#[derive(Clone, Copy, Debug, Default)]
struct Polled {
    read: usize,
    /// Whether more datagrams may be waiting.
    more: bool,
}

impl AddAssign for Polled {
    fn add_assign(&mut self, other: Self) {
        *self = Self { read: self.read + other.read, more: self.more | other.more };
    }
}

impl Stream {
    fn is_stamped(&self) -> bool {
        self.legs.iter().all(|leg| leg.timestamping != Timestamping::UserSpace)
    }

    /// Handles arrivals, at most one round for each leg.
    fn poll(&mut self, inbox: &mut Inbox) -> Polled {
        let mut polled = Polled::default();
        let mut until = clock::now();
        for (leg, socket) in Leg::ALL.into_iter().zip(&mut self.sockets) {
            let sink = &mut self.sink;
            let round = socket.receive(inbox, ROUND, |received, bytes| {
                let from = Some(IpAddr::V4(*received.source.ip()));
                sink.handle_datagram(Datagram { leg, at: received.at, from, bytes });
            });
            polled += Polled { read: round.read, more: round.more };
            until = until.min(round.until);
            round.warn_once(&mut self.faulty);
        }
        self.legs.iter_mut().zip(&self.sockets).for_each(|(leg, socket)| *leg = LegStatus::of(socket));
        let reading = self.timeline.as_ref().map(Timeline::reading);
        self.sink.handle_idle(until, reading.as_ref(), &self.legs);
        polled
    }
}

fn listen(context: &Context, commands: &Receiver<Command>, max_latency: Option<Nanos>) {
    let mut inbox = Inbox::new(LONGEST_DATAGRAM);
    let mut streams: Vec<Stream> = Vec::with_capacity(STREAMS);
    while !context.is_stopping() {
        commands.try_iter().for_each(|command| apply(&mut streams, command));
        let polled = poll_all(&mut streams, &mut inbox);
        if polled.more {
            continue;
        }
        let max_latency = max_latency.filter(|_| polled.read > 0 && streams.iter().all(Stream::is_stamped));
        let sockets: Vec<Waitable<'_>> = match max_latency {
            Some(_) => Vec::new(),
            None => streams.iter().flat_map(|stream| &stream.sockets).map(Socket::waitable).collect(),
        };
        context.wait(&sockets, [max_latency.map(|max_latency| next_poll(clock::now(), max_latency))]);
    }
}

/// Polls all streams. If one of them panics, which is printed, only this stream is removed, so that
/// the others continue.
fn poll_all(streams: &mut Vec<Stream>, inbox: &mut Inbox) -> Polled {
    let (mut all, mut at) = (Polled::default(), 0);
    while let Some(stream) = streams.get_mut(at) {
        match catch_unwind(AssertUnwindSafe(|| stream.poll(inbox))) {
            Ok(polled) => {
                all += polled;
                at += 1;
            }
            Err(_) => {
                let faulty = streams.swap_remove(at);
                // The sink may be in an inconsistent state, so dropping it may panic, too.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(faulty)));
            }
        }
    }
    all
}

fn apply(streams: &mut Vec<Stream>, command: Command) {
    match command {
        Command::Add(stream) => streams.push(stream),
        Command::Remove(number, give_back) => {
            if let Some(place) = streams.iter().position(|stream| stream.number == number) {
                // This fails only if nobody waits for the stream, which is then dropped here.
                let _ = give_back.send(streams.swap_remove(place));
            }
        }
    }
}

/// The time of the next poll: the next multiple of `max_latency`.
fn next_poll(now: LocalTime, max_latency: Nanos) -> LocalTime {
    let latency_ns = max_latency.as_nanos().max(1);
    LocalTime::from_nanos((now.as_nanos().div_euclid(latency_ns) + 1).saturating_mul(latency_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::Interface;
    use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
    use std::sync::mpsc::RecvTimeoutError;
    use std::time::Duration;

    /// Longer than any machine stands still.
    const LONG: Duration = Duration::from_secs(10);

    /// Handles each datagram as instructed.
    struct Sink<F>(F);

    impl<F: FnMut(&[u8]) + Send + 'static> MediaSink for Sink<F> {
        fn handle_datagram(&mut self, datagram: Datagram<'_>) {
            assert_eq!(datagram.from, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
            (self.0)(datagram.bytes);
        }

        fn handle_idle(&mut self, _now: LocalTime, _clock: Option<&ClockReading>, legs: &[LegStatus]) {
            assert_eq!(legs.len(), 1);
        }
    }

    /// A listener, and the address on which it listens.
    fn start(handle: impl FnMut(&[u8]) + Send + 'static) -> (MediaListener, SocketAddrV4) {
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let destination = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free);
        let interface = Interface::find(Some("127.0.0.1")).unwrap();
        let leg = LegConfig { interface, destination, source: None };
        (MediaListener::start(&[leg], None, Sink(handle)).unwrap(), destination)
    }

    fn send(to: SocketAddrV4, datagram: &[u8]) {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().send_to(datagram, to).unwrap();
    }

    #[test]
    fn streams_share_threads_and_each_hears_its_own() {
        let (tell, told) = channel();
        let streams: Vec<_> = (0..2 * STREAMS + 1)
            .map(|stream| {
                let tell = tell.clone();
                start(move |datagram| tell.send((stream, datagram.to_vec())).unwrap())
            })
            .collect();
        let of = |thread: &Arc<MediaThread>| {
            streams.iter().filter(|(listener, _)| Arc::ptr_eq(&listener.thread, thread)).count()
        };
        let of_each: Vec<usize> = streams.iter().map(|(listener, _)| of(&listener.thread)).collect();
        assert!(of_each.iter().all(|&streams| streams <= STREAMS), "{of_each:?}");
        // A thread of n streams is listed n times.
        let threads: f64 = of_each.iter().map(|&streams| 1.0 / streams as f64).sum();
        let processors = available_parallelism().unwrap().get();
        let shares = streams.iter().all(|(listener, _)| listener.thread.max_latency.is_some());
        let most = if shares { processors.max(3) } else { streams.len() };
        assert!(threads < most as f64 + 0.5, "{threads} threads: {of_each:?}");
        for (number, (_, destination)) in streams.iter().enumerate() {
            send(*destination, &[number as u8]);
            assert_eq!(told.recv_timeout(LONG), Ok((number, vec![number as u8])));
        }
    }

    #[test]
    fn a_sink_is_gone_when_its_listener_is_and_the_others_go_on() {
        let ((tell, told), (tell_other, told_other)) = (channel(), channel());
        let (other, destination) = start(move |datagram| tell_other.send(datagram.to_vec()).unwrap());
        let (listener, _) = start(move |_| tell.send(()).unwrap());
        drop(listener);
        assert_eq!(told.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
        send(destination, b"on");
        assert_eq!(told_other.recv_timeout(LONG), Ok(b"on".to_vec()));
        drop(other);
    }

    #[test]
    fn a_listener_that_its_own_sink_drops_ends_after_the_call() {
        let own: Arc<Mutex<Option<MediaListener>>> = Arc::default();
        let (tell, told) = channel();
        let mine = Arc::clone(&own);
        let (listener, destination) = start(move |_| {
            drop(mine.lock().unwrap().take());
            tell.send(()).unwrap();
        });
        *own.lock().unwrap() = Some(listener);
        send(destination, b"end");
        assert_eq!(told.recv_timeout(LONG), Ok(()));
        assert_eq!(told.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_fault_of_one_sink_silences_no_other() {
        let (tell, told) = channel();
        let (listener, destination) = start(move |_| tell.send(()).unwrap());
        let (_faulty, fault) = start(|_| panic!("as it is meant to"));
        send(fault, b"panic");
        // Datagrams that are sent before the other sink has panicked would prove nothing.
        std::thread::sleep(Duration::from_millis(50));
        send(destination, b"on");
        assert_eq!(told.recv_timeout(LONG), Ok(()));
        drop(listener);
    }

    #[test]
    fn polls_fall_on_multiples() {
        let at = |ns| next_poll(LocalTime::from_nanos(ns), Nanos::from_micros(1)).as_nanos();
        assert_eq!([at(0), at(999), at(1000), at(-1), at(i64::MAX)], [1000, 1000, 2000, 0, i64::MAX]);
        assert_eq!(next_poll(LocalTime::from_nanos(5), Nanos::ZERO).as_nanos(), 6);
    }
}
