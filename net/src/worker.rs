//! Threads that wait for datagrams and timeouts, and that can be stopped.

use crate::clock;
use crate::error::{Error, Result};
use crate::platform::{Waitable, thread, wait::Waker};
use crate::system::System;
use engine::{LocalTime, Nanos};
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Longest time for which a thread waits, so that anything it missed is handled soon.
const LONGEST_WAIT: Nanos = Nanos::from_millis(100);
/// Real-time priorities for the two kinds of urgent threads: below those of sound card threads
/// (JACK and PipeWire use 80 and more), and above everything else. Threads with equal priority do
/// not preempt each other, so threads that may wait have a lower priority.
const PROMPT: i32 = 60;
const PATIENT: i32 = 55;

/// How urgently a thread must run when it is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// The thread has the usual priority.
    Normal,
    /// The thread runs before all threads that are not real-time. It may wait for prompt threads,
    /// because its datagrams were stamped on arrival and are not needed at once.
    Patient,
    /// The thread also runs before patient threads, because its work would be late if it waited.
    Prompt,
}

/// How a thread is scheduled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// As a real-time thread, with this priority (`SCHED_FIFO`).
    RealTime(i32),
    /// With the usual priority, because the system refused a higher one for this reason.
    Refused(String),
    /// With the usual priority, because no higher one was requested.
    Normal,
}

impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(System::HERE))
    }
}

impl Scheduling {
    fn text(&self, system: System) -> String {
        match (self, system) {
            (Self::RealTime(_), System::Windows) => "before other programs (MMCSS, Pro Audio)".to_owned(),
            (Self::RealTime(priority), _) => format!("real-time, priority {priority}"),
            (Self::Refused(reason), System::Linux) => format!(
                "normal, because real-time priority was refused ({reason}): give the user an rtprio limit in \
                 /etc/security/limits.conf, or the program CAP_SYS_NICE"
            ),
            (Self::Refused(reason), _) => format!("normal, because a higher priority was refused ({reason})"),
            (Self::Normal, _) => "normal".to_owned(),
        }
    }
}

#[derive(Debug)]
struct Shared {
    waker: Waker,
    stopping: AtomicBool,
    scheduling: OnceLock<Scheduling>,
}

/// The worker as seen by the function that runs in its thread.
#[derive(Debug)]
pub struct Context {
    shared: Arc<Shared>,
}

impl Context {
    /// Whether the worker was dropped. If so, the thread's function must return.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn scheduling(&self) -> Scheduling {
        self.shared.scheduling.get().cloned().unwrap_or(Scheduling::Normal)
    }

    /// Waits for one of the sockets, or until the earliest of the times. Returns at once if a time
    /// has already passed.
    pub(crate) fn wait(&self, sockets: &[Waitable<'_>], due: impl IntoIterator<Item = Option<LocalTime>>) {
        let now = clock::now();
        let next = due.into_iter().flatten().min();
        let timeout = next.map_or(LONGEST_WAIT, |next| (next - now).min(LONGEST_WAIT));
        self.shared.waker.wait(sockets, timeout);
    }

    /// Waits for `interval`. If the worker is dropped in the meantime, returns early, with `false`.
    #[must_use]
    pub fn pause(&self, interval: Nanos) -> bool {
        let end = clock::now() + interval;
        while !self.is_stopping() && clock::now() < end {
            self.wait(&[], [Some(end)]);
        }
        !self.is_stopping()
    }
}

/// A thread, which ends when this is dropped.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread, as a real-time thread if that is requested and permitted. The thread is
    /// already running when this returns, so that a library may be unloaded immediately afterwards.
    ///
    /// # Errors
    /// [`Error::Io`] if the system cannot provide a thread or the means to wake it.
    pub fn spawn(name: &str, urgency: Urgency, body: impl FnOnce(&Context) + Send + 'static) -> Result<Self> {
        let waker = Waker::new().map_err(Error::io("cannot start a thread"))?;
        let shared = Arc::new(Shared { waker, stopping: AtomicBool::new(false), scheduling: OnceLock::new() });
        let context = Context { shared: Arc::clone(&shared) };
        let run = move || {
            let scheduling = match urgency {
                Urgency::Normal => Scheduling::Normal,
                Urgency::Patient => ask_for(PATIENT),
                Urgency::Prompt => ask_for(PROMPT),
            };
            let _ = context.shared.scheduling.set(scheduling);
            body(&context);
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(Error::io("cannot start a thread"))?;
        // Wait until the thread is running. To start, a thread needs the loader lock, which is held
        // while a library is unloaded, and unloading our library waits for its threads, so a thread
        // that has not started yet would cause a deadlock.
        shared.scheduling.wait();
        Ok(Self { shared, thread: Some(thread) })
    }

    /// How the thread is scheduled.
    pub(crate) fn scheduling(&self) -> Scheduling {
        self.shared.scheduling.get().cloned().unwrap_or(Scheduling::Normal)
    }

    /// Wakes the thread if it is waiting; otherwise, its next wait returns at once.
    pub(crate) fn wake(&self) {
        self.shared.waker.wake();
    }

    /// Whether the calling thread is this one.
    #[must_use]
    pub fn is_this_thread(&self) -> bool {
        let own = std::thread::current().id();
        self.thread.as_ref().is_some_and(|thread| thread.thread().id() == own)
    }

    /// Whether the thread has ended by itself, which happens only if it panics.
    pub(crate) fn is_dead(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.waker.wake();
        // If a thread drops its own worker, it ends after the current call, and cannot be joined
        // here.
        let is_this_thread = self.is_this_thread();
        if let Some(thread) = self.thread.take().filter(|_| !is_this_thread) {
            // An error means that the thread has panicked. The panic has been printed, and cannot
            // be handled here.
            let _ = thread.join();
        }
    }
}

/// Makes the calling thread a real-time thread, if the system permits it. This is for threads that
/// stand in for a sound card.
pub fn ask_for_real_time() -> Scheduling {
    ask_for(PROMPT)
}

fn ask_for(priority: i32) -> Scheduling {
    match thread::make_real_time(priority) {
        Ok(()) => Scheduling::RealTime(priority),
        Err(error) => Scheduling::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheduling_is_told_in_the_words_of_the_system() {
        let windows = |scheduling: Scheduling| scheduling.text(System::Windows);
        assert_eq!(windows(Scheduling::RealTime(60)), "before other programs (MMCSS, Pro Audio)");
        let refused = windows(Scheduling::Refused("no".to_owned()));
        assert_eq!(refused, "normal, because a higher priority was refused (no)");
        assert_eq!(Scheduling::RealTime(60).text(System::Linux), "real-time, priority 60");
        assert!(Scheduling::Refused("no".to_owned()).text(System::Linux).contains("limits.conf"));
    }

    /// By the best of several: one may be held up, but not all of them.
    #[test]
    fn a_thread_ends_at_once_when_it_is_told_to() {
        let end = |_| {
            let (tell, waits) = std::sync::mpsc::channel();
            let worker = Worker::spawn("test", Urgency::Normal, move |context| {
                while !context.is_stopping() {
                    let _ = tell.send(());
                    context.wait(&[], [None]);
                }
            })
            .unwrap();
            waits.recv().unwrap();
            assert!(!worker.is_dead());
            let before = clock::now();
            drop(worker);
            (clock::now() - before).as_secs_f64()
        };
        let soonest_s = (0..20).map(end).fold(f64::MAX, f64::min);
        assert!(soonest_s < LONGEST_WAIT.as_secs_f64() / 2.0, "it waited for {soonest_s} s");
    }

    #[test]
    fn a_pause_lasts_unless_the_thread_is_to_end() {
        let (tell, pauses) = std::sync::mpsc::channel();
        let worker = Worker::spawn("test", Urgency::Normal, move |context| {
            let began = clock::now();
            let goes_on = context.pause(Nanos::from_millis(150));
            tell.send((goes_on, clock::now() - began)).unwrap();
            tell.send((context.pause(Nanos::from_secs(3600)), Nanos::ZERO)).unwrap();
        })
        .unwrap();
        let (goes_on, paused) = pauses.recv().unwrap();
        assert!(goes_on && paused >= Nanos::from_millis(150), "{paused:?}");
        drop(worker);
        assert!(!pauses.recv().unwrap().0, "it was told to end");
    }

    #[test]
    fn a_thread_that_was_woken_waits_again() {
        let (tell, waits) = std::sync::mpsc::channel();
        let worker = Worker::spawn("test", Urgency::Normal, move |context| {
            while !context.is_stopping() {
                context.wait(&[], [None]);
                tell.send(()).unwrap();
            }
        })
        .unwrap();
        let before = clock::now();
        worker.wake();
        waits.recv().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(250));
        // Twice as many as there are when each lasts for as long as it may, and some.
        let count = waits.try_iter().count() as f64;
        let most = 5.0 + 2.0 * (clock::now() - before).as_secs_f64() / LONGEST_WAIT.as_secs_f64();
        assert!(count < most, "{count} waits, more than {most}");
        assert!(!worker.is_this_thread());
    }
}
