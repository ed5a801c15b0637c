//! Whatever happens to a stream, in whatever order: nothing panics, nothing is left unwritten, and
//! sound is back as soon as it can be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(dead_code, reason = "the rig serves other tests, too")]

mod rig;

use engine::Nanos;
use engine::receive::{MediaClock, Playout, StreamConfig};
use proptest::prelude::*;
use rig::{Arrival, CHANNELS, PACKET, RATE, Rig, Sender, TARGET_DEPTH, at_ms};

/// What may happen to a stream. Times are in ms.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Nothing.
    Steady {
        ms: i64,
    },
    /// The sender stops; it then goes on as if it had not.
    Pause {
        ms: i64,
    },
    /// The sender goes on at once with any sequence number, timestamp and SSRC.
    Restart {
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
    },
    /// Sequence number and timestamp wrap within 300 ms.
    NearWrap {
        same_source: bool,
    },
    /// Another source sends to the group, beside the first.
    Intruder {
        ms: i64,
        ssrc: u32,
    },
    /// One leg loses all, or both lose some.
    LegAway {
        b: bool,
        ms: i64,
    },
    Loss {
        one_in: usize,
    },
    /// Packets are held back and come together.
    Stall {
        ms: i64,
    },
    /// Every packet comes again.
    Copies {
        after_ms: i64,
    },
    Garbage {
        length: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (100i64..1_000).prop_map(|ms| Event::Steady { ms }),
        (1i64..2_000).prop_map(|ms| Event::Pause { ms }),
        any::<(u16, u32, u32)>().prop_map(|(sequence, timestamp, ssrc)| Event::Restart { sequence, timestamp, ssrc }),
        any::<bool>().prop_map(|same_source| Event::NearWrap { same_source }),
        (1i64..500, any::<u32>()).prop_map(|(ms, ssrc)| Event::Intruder { ms, ssrc }),
        (any::<bool>(), 1i64..3_000).prop_map(|(b, ms)| Event::LegAway { b, ms }),
        (2usize..20).prop_map(|one_in| Event::Loss { one_in }),
        (1i64..200).prop_map(|ms| Event::Stall { ms }),
        (0i64..100).prop_map(|after_ms| Event::Copies { after_ms }),
        (0usize..40).prop_map(|length| Event::Garbage { length }),
    ]
}

/// The sender and its network: writes what arrives by each leg.
struct World {
    now_ms: i64,
    sender: Sender,
    sequence: u16,
    /// Media frames sent.
    sent: i64,
    legs: [Vec<Arrival>; 2],
    skew: Nanos,
}

impl World {
    fn new(skew: Nanos) -> Self {
        let sender = Sender { ssrc: 1, timestamp: 77, frequency_hz: 440.0 };
        Self { now_ms: 0, sender, sequence: 9, sent: 0, legs: [Vec::new(), Vec::new()], skew }
    }

    /// Sends for some time; `keep(leg, packet)`.
    fn send(&mut self, ms: i64, keep: impl Fn(usize, usize) -> bool) {
        for i in 0..ms as usize {
            let datagram = self.sender.datagram(rig::format(), self.sequence, self.sent, PACKET, |_| 1.0);
            self.now_ms += 1;
            self.sequence = self.sequence.wrapping_add(1);
            self.sent += PACKET as i64;
            for leg in [0, 1].into_iter().filter(|&leg| keep(leg, i)) {
                self.legs[leg].push((at_ms(self.now_ms) + self.skew.times(leg as i64), datagram.clone()));
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Steady { ms } => self.send(ms, |_, _| true),
            Event::Pause { ms } => {
                self.now_ms += ms;
                self.sequence = self.sequence.wrapping_add(ms as u16);
                self.sent += ms * PACKET as i64;
            }
            Event::Restart { sequence, timestamp, ssrc } => self.restart(sequence, timestamp, ssrc),
            Event::NearWrap { same_source } => {
                let ssrc = self.sender.ssrc.wrapping_add(u32::from(!same_source));
                self.restart(u16::MAX - 150, u32::MAX - 10_000, ssrc);
                self.send(300, |_, _| true);
            }
            Event::Intruder { ms, ssrc } => {
                let intruder = Sender { ssrc, timestamp: ssrc, frequency_hz: 997.0 };
                let packets = intruder.packets(self.now_ms..self.now_ms + ms);
                self.legs[0].extend(packets);
                self.send(ms, |_, _| true);
            }
            Event::LegAway { b, ms } => self.send(ms, |leg, _| leg != usize::from(b)),
            Event::Loss { one_in } => self.send(300, |leg, i| (i + leg) % one_in != 0),
            Event::Stall { ms } => {
                let from = self.legs.each_ref().map(Vec::len);
                self.send(ms, |_, _| true);
                for (leg, from) in self.legs.iter_mut().zip(from) {
                    let until = at_ms(self.now_ms) + self.skew;
                    leg[from..].iter_mut().for_each(|arrival| arrival.0 = until);
                }
            }
            Event::Copies { after_ms } => {
                let from = self.legs[0].len();
                self.send(200, |_, _| true);
                let copies: Vec<_> = self.legs[0][from..].to_vec();
                self.legs[0]
                    .extend(copies.into_iter().map(|(at, datagram)| (at + Nanos::from_millis(after_ms), datagram)));
            }
            Event::Garbage { length } => self.legs[0].push((at_ms(self.now_ms), vec![0x80; length])),
        }
    }

    fn restart(&mut self, sequence: u16, timestamp: u32, ssrc: u32) {
        self.sender = Sender { ssrc, timestamp, ..self.sender };
        (self.sequence, self.sent) = (sequence, 0);
    }
}

/// Longest time without a sound, in frames.
fn longest_silence(played: &[f32]) -> usize {
    let mut longest = 0;
    let mut silent = 0;
    for frame in played.chunks_exact(CHANNELS) {
        silent = if frame[0].abs() < 0.01 { silent + 1 } else { 0 };
        longest = longest.max(silent);
    }
    longest
}

/// A new source is let in after 250 ms of silence of the old one; then come the estimate of its
/// clock, the depth and the skew.
const SILENCE_RULE: Nanos = Nanos::from_millis(250);
const BEGIN: Nanos = Nanos::from_millis(600);

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sound_is_back_as_soon_as_it_can_be(events in proptest::collection::vec(event(), 0..12), skew_ms in 0i64..20) {
        let skew = Nanos::from_millis(skew_ms);
        let mut world = World::new(skew);
        world.send(1_000, |_, _| true);
        let mut interrupted_ms = 0;
        for &event in &events {
            world.happen(event);
            // Events in a row add up: what follows a restart may be a pause.
            interrupted_ms += match event {
                Event::Pause { ms } | Event::Stall { ms } | Event::Intruder { ms, .. } => ms,
                Event::Restart { .. } | Event::NearWrap { .. } => 300,
                _ => 0,
            };
        }
        world.send(2_000, |_, _| true);
        for leg in &mut world.legs {
            leg.sort_by_key(|arrival| arrival.0);
        }
        let end_ms = world.now_ms / 10 * 10;
        let config = rig::config(rig::format(), MediaClock::Unrelated);
        let mut rig = Rig::of(StreamConfig { depth_limit: TARGET_DEPTH.times(2), ..config });
        let [a, b] = &world.legs;
        let played = rig.run_legs(0..end_ms, [a, b], Playout::pull);
        let allowed = SILENCE_RULE + BEGIN + skew + Nanos::from_millis(interrupted_ms);
        let silence = longest_silence(&played);
        prop_assert!(silence as f64 <= RATE.frames_in(allowed), "{silence} frames of silence, {allowed} allowed");
        // However it went, 2 s of a whole stream end in that stream.
        let tail = &played[played.len() - 24_000 * CHANNELS..];
        prop_assert!(longest_silence(tail) < 50, "no steady sound at the end: {:?} {:?}", rig.playout.stats(), rig.ingest.stats());
    }
}
