//! A receiver that is a program of its own, and speaks with the simulator through pipes.
//!
//! Model: the simulator sends a message for each packet, PTP message, timer and callback, and waits
//! for the answer before simulated time goes on. So the same program gives the same bytes in every
//! run, however fast it is. The protocol is in docs/own-receiver.md.

mod child;
mod wire;

pub(crate) use wire::Hello;

use crate::record::ClockState;
use crate::scenario::Program;
use crate::world::{Clock, HostTime, Playback, Receiver};
use child::{ReadError, RunningProgram};
use engine::clock::{ClockMap, PtpMap};
use engine::ptp::wire::ClockIdentity;
use engine::ptp::{Transmit, TransmitToken};
use engine::receive::Leg;
use engine::{Frames, LocalTime, MediaPosition, Nanos, Ppb};
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use wire::{Answer, AudioAnswer, ClockAnswer, LONGEST, Request, VERSION};

/// Most messages of one answer.
const MOST_MESSAGES: usize = 1000;
/// Most timers and PTP messages that a program may have within [`WAKE_WINDOW`]. Judgement: a timer
/// of 10 us; beyond, a run would take for ever.
const MOST_WAKES: u32 = 100_000;
const WAKE_WINDOW: Nanos = Nanos::from_secs(1);
/// Largest position: what a float holds exactly.
const MOST_FRAMES: i64 = 1 << 53;
/// Largest rate of PTP against the host: a tenth.
const MOST_RATE_PPB: f64 = 1e8;
/// The largest value that may be a sample, as for every receiver.
const LOUDEST: f32 = 4.0;

/// What is still missing in an answer.
struct Due {
    hello: bool,
    audio: bool,
}

impl Due {
    fn check(&self) -> Result<(), String> {
        match self {
            Self { audio: true, .. } => Err("answered a PULL without AUDIO".to_owned()),
            Self { hello: true, .. } => Err("answered the HELLO without one".to_owned()),
            Self { .. } => Ok(()),
        }
    }
}

/// A program as a receiver.
pub(crate) struct ProcessReceiver {
    program: RunningProgram,
    /// The command, for messages.
    command: String,
    number: u32,
    message: Vec<u8>,
    answer: Vec<u8>,
    channels: usize,
    /// The time of the last message to the program.
    now: LocalTime,
    wake: Option<LocalTime>,
    /// Since when timers are counted, and how many there were.
    wakes: (LocalTime, u32),
    transmits: VecDeque<Transmit>,
    events: VecDeque<String>,
    clock: Clock,
    grandmaster: Option<ClockIdentity>,
    playback: Playback,
    has_failed: bool,
    failure: Option<String>,
}

impl ProcessReceiver {
    /// Starts the program, and exchanges the first messages with it.
    ///
    /// # Errors
    /// If it cannot be started, or does not speak the protocol.
    pub(crate) fn start(program: &Program, hello: &Hello<'_>) -> Result<Self, String> {
        let mut receiver = Self {
            program: RunningProgram::start(program)?,
            command: program.command.as_ref().join(" "),
            number: 0,
            message: Vec::new(),
            answer: Vec::new(),
            channels: hello.config.map_or(0, |config| config.format.channels()),
            now: LocalTime::ZERO,
            wake: None,
            wakes: (LocalTime::ZERO, 0),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            clock: Clock { state: ClockState::Listening, map: None, claims_sigma: false },
            grandmaster: None,
            playback: Playback::default(),
            has_failed: false,
            failure: None,
        };
        receiver.ask(LocalTime::ZERO, Request::Hello(hello), &mut []);
        receiver.failure.take().map_or(Ok(receiver), Err)
    }

    /// Sends a message, and takes the answer. Audio goes to `out`.
    fn ask(&mut self, now: LocalTime, request: Request<'_>, out: &mut [f32]) {
        if self.has_failed {
            return;
        }
        // Transmit timestamps may be told late.
        self.now = self.now.max(now);
        if let Err(reason) = self.exchange(now, request, out) {
            self.fail(&reason);
        }
    }

    /// Ends the run for a reason that follows "its program".
    fn fail(&mut self, reason: &str) {
        self.has_failed = true;
        self.wake = None;
        self.failure = Some(format!("its program `{}` {reason} (docs/own-receiver.md)", self.command));
    }

    fn exchange(&mut self, now: LocalTime, request: Request<'_>, out: &mut [f32]) -> Result<(), String> {
        self.number = self.number.wrapping_add(1);
        request.write(&mut self.message, self.number, now);
        if self.program.ask(&self.message).is_err() {
            return Err(self.gone(request));
        }
        let (hello, audio) = (matches!(request, Request::Hello(_)), matches!(request, Request::Pull(_)));
        let mut due = Due { hello, audio };
        for _ in 0..MOST_MESSAGES {
            let mut answer = std::mem::take(&mut self.answer);
            self.program.read(&mut answer, LONGEST).map_err(|error| self.unread(error, request))?;
            let is_last = self.take(Answer::read(&answer)?, request, &mut due, out)?;
            self.answer = answer;
            if is_last {
                self.program.answered();
                return due.check();
            }
        }
        Err(format!("answered {} with more than {MOST_MESSAGES} messages", request.name()))
    }

    /// Takes a message. Returns whether it is the last one of the answer.
    fn take(
        &mut self,
        answer: Answer<'_>,
        request: Request<'_>,
        due: &mut Due,
        out: &mut [f32],
    ) -> Result<bool, String> {
        match answer {
            Answer::Hello(version) if due.hello => {
                due.hello = false;
                if version != VERSION {
                    return Err(format!("speaks version {version} of the protocol, and this is version {VERSION}"));
                }
            }
            Answer::Audio(playback, samples) if due.audio => {
                due.audio = false;
                self.take_samples(samples, out)?;
                self.take_playback(playback)?;
            }
            Answer::Hello(_) => return Err(format!("answered {} with a HELLO", request.name())),
            Answer::Audio(..) => return Err(format!("answered {} with an AUDIO too many", request.name())),
            Answer::Send(datagram) => {
                let transmit = Transmit::encoded(datagram).map_err(|error| format!("sent no PTP message: {error}"))?;
                self.transmits.push_back(transmit);
            }
            Answer::Event(text) => self.events.push_back(text.to_owned()),
            Answer::Clock(clock) => self.take_clock(clock)?,
            Answer::Done(number, wake) => {
                if number != self.number {
                    return Err(format!("ended its answer to message {number}, and message {} was sent", self.number));
                }
                self.wake = wake.map(|wake| wake.max(self.now));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why nothing could be read.
    fn unread(&self, error: ReadError, request: Request<'_>) -> String {
        match error {
            ReadError::Ended => self.gone(request),
            ReadError::TooLong(length) => format!(
                "sent a message of {length} bytes, more than the {LONGEST} that one may have: its standard output is for the \
                 protocol alone"
            ),
            ReadError::Io(error) => format!("cannot be read from: {error}"),
        }
    }

    /// Why the program is gone.
    fn gone(&self, request: Request<'_>) -> String {
        let name = request.name();
        let status = self.program.wait();
        if self.program.was_too_slow() {
            return format!("did not answer {name} within process.answer_limit_s and was ended");
        }
        match status {
            Ok(status) => format!("ended ({status}) instead of answering {name}"),
            Err(error) => format!("ended ({error}) instead of answering {name}"),
        }
    }

    fn take_samples(&self, samples: &[u8], out: &mut [f32]) -> Result<(), String> {
        let (values, rest) = samples.as_chunks::<4>();
        if values.len() != out.len() || !rest.is_empty() {
            let (bytes, wanted, frames) = (samples.len(), 4 * out.len(), out.len() / self.channels.max(1));
            return Err(format!("sent {bytes} bytes of audio, and {frames} frames of {wanted} bytes were asked for"));
        }
        for (sample, value) in out.iter_mut().zip(values) {
            *sample = f32::from_le_bytes(*value);
            // NaN is not in the range.
            if !(-LOUDEST..=LOUDEST).contains(sample) {
                return Err(format!("sent {sample}, which is not a sample"));
            }
        }
        Ok(())
    }

    fn take_playback(&mut self, audio: AudioAnswer) -> Result<(), String> {
        let AudioAnswer { position, underruns, late_packets, overruns, jumps, fill_ns } = audio;
        let position = match position {
            Some((frame, fraction))
                if (-MOST_FRAMES..=MOST_FRAMES).contains(&frame) && (0.0..1.0).contains(&fraction) =>
            {
                Some(MediaPosition::at_frame(Frames::new(frame)).advanced(fraction))
            }
            Some((frame, fraction)) => {
                return Err(format!("plays at frame {frame} + {fraction}, which is no position"));
            }
            None => None,
        };
        let playback = Playback {
            position,
            discontinuities: jumps.into(),
            fill: Nanos::new(fill_ns),
            underruns: underruns.into(),
            late_packets: late_packets.into(),
            overruns: overruns.into(),
        };
        let counts = |of: &Playback| [of.discontinuities, of.underruns, of.late_packets, of.overruns];
        if counts(&self.playback).iter().zip(counts(&playback)).any(|(before, now)| *before > now) {
            return Err(
                "sent a count of jumps, underruns, late packets or overruns that is less than before".to_owned()
            );
        }
        self.playback = playback;
        Ok(())
    }

    fn take_clock(&mut self, answer: ClockAnswer) -> Result<(), String> {
        let ClockAnswer { state, map, grandmaster } = answer;
        let state = match state {
            0 => ClockState::Listening,
            1 => ClockState::Acquiring,
            2 => ClockState::Locked,
            3 => ClockState::Holdover,
            4 => ClockState::Unlocked,
            _ => return Err(format!("says that its clock is in state {state}, and there are 0 to 4")),
        };
        let map = match map {
            Some((at, ptp, rate_ppb)) => {
                if at > self.now || at < LocalTime::ZERO || ptp.as_nanos() < 0 {
                    return Err(format!("sent a clock map from {} ns, which is not between 0 and now", at.as_nanos()));
                }
                if !(-MOST_RATE_PPB..=MOST_RATE_PPB).contains(&rate_ppb) {
                    return Err(format!("sent a clock map with a rate of {rate_ppb} ppb, which no clock has"));
                }
                Some(PtpMap::new(at, ptp, ClockMap::exact(at, 0.0, Ppb::new(rate_ppb))))
            }
            None => None,
        };
        self.clock = Clock { state, map, claims_sigma: false };
        self.grandmaster = grandmaster;
        Ok(())
    }

    /// Ends the run of a program that would never let time go on.
    fn count_wake(&mut self, now: LocalTime) {
        let (since, count) = self.wakes;
        self.wakes = if now - since > WAKE_WINDOW { (now, 1) } else { (since, count + 1) };
        if self.wakes.1 > MOST_WAKES {
            self.fail(&format!("asked to be woken or sent PTP messages more than {MOST_WAKES} times in a second"));
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        self.exchange(self.now, Request::End, &mut [])?;
        // Its end is a part of the answer.
        self.program.ask(&[]).map_err(|_| self.gone(Request::End))?;
        let rest = self.program.close().map_err(|error| format!("cannot be read from: {error}"))?;
        if !rest.is_empty() {
            return Err("sent more after its answer to END".to_owned());
        }
        let status = self.program.wait().map_err(|error| format!("cannot be waited for: {error}"))?;
        match self.program.was_too_slow() {
            true => Err("did not end within process.answer_limit_s after END and was ended".to_owned()),
            false if status.success() => Ok(()),
            false => Err(format!("ended with {status} after END, and not with success")),
        }
    }
}

impl Receiver for ProcessReceiver {
    fn begin(&mut self, now: LocalTime) -> bool {
        self.wakes.0 = now;
        self.ask(now, Request::Timeout, &mut []);
        true
    }

    fn handle_ptp(&mut self, now: LocalTime, datagram: &[u8]) {
        self.ask(now, Request::Ptp(Ipv4Addr::UNSPECIFIED, datagram), &mut []);
    }

    fn handle_ptp_from(&mut self, now: HostTime, source: Ipv4Addr, datagram: &[u8]) {
        self.ask(now.by(self.stamp_clock()), Request::Ptp(source, datagram), &mut []);
    }

    fn handle_media_from(&mut self, now: LocalTime, leg: Leg, source: Ipv4Addr, datagram: &[u8]) {
        self.ask(now, Request::Media(leg, source, datagram), &mut []);
    }

    fn handle_timeout(&mut self, now: LocalTime) {
        self.wake = None;
        self.count_wake(now);
        self.ask(now, Request::Timeout, &mut []);
    }

    fn poll_timeout(&self) -> Option<LocalTime> {
        self.wake
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    fn handle_transmitted(&mut self, token: TransmitToken, sent: LocalTime) {
        self.count_wake(self.now);
        self.ask(sent, Request::Transmitted(token.sequence_id()), &mut []);
    }

    fn pull(&mut self, now: LocalTime, out: &mut [f32]) {
        let frames = (out.len() / self.channels.max(1)) as u32;
        self.ask(now, Request::Pull(frames), out);
        if self.has_failed {
            out.fill(0.0);
        }
    }

    fn playback(&self) -> Playback {
        self.playback
    }

    fn clock(&self, _now: LocalTime) -> Clock {
        self.clock
    }

    fn grandmaster(&self) -> Option<ClockIdentity> {
        self.grandmaster
    }

    fn poll_event(&mut self) -> Option<String> {
        self.events.pop_front()
    }

    fn end(&mut self) {
        if !self.has_failed
            && let Err(reason) = self.finish()
        {
            self.fail(&reason);
        }
    }

    fn failure(&mut self) -> Option<String> {
        self.failure.take()
    }
}
