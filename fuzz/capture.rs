//! What must hold of a sound card that is sent, whatever it captures and whenever.
//!
//! Model: bytes are a [`Script`]: numbers of it choose a configuration, then what happens next: a
//! block of the card, a clock, time that passes. Blocks are mostly of a card's usual lengths and
//! come at their pace, so that searching gets past the time in which a card settles.
//!
//! Shared by the fuzz target and by `engine/tests/properties.rs`.

use crate::machines::{LARGEST_SAMPLE, card_rate, format, pass, reading};
use crate::script::Script;
use engine::clock::{PtpMap, Reference, ReferenceConfig, Sources};
use engine::rtp::format::PacketTime;
use engine::rtp::wire::{RTP_HEADER_LEN, RtpPacket};
use engine::send::{
    CaptureConfig, CaptureError, CaptureInput, CaptureSource, CaptureStats, Dither, Sender, SenderConfig, Source,
    capture,
};
use engine::{Frames, LocalTime, Nanos, Ppb, RtpTimestamp, SampleRate};

/// Far more packets than are due at a time: those of a second or so, the others are left out.
const MANY: usize = 10_000;
/// No sample of a card, and no number that arithmetic of samples within full scale comes to.
const UNTOUCHED: f32 = 1e30;
/// Longest block that is captured at once, in frames: longer than the rings, in which it is lost.
const LONGEST_BLOCK: usize = 60_000;

/// The sender's half, of which each answer is looked at.
struct Watched {
    source: CaptureSource,
    /// What the card captures is within full scale.
    is_tame: bool,
}

impl Source for Watched {
    fn read(&mut self, first: Frames, out: &mut [f32]) {
        out.fill(UNTOUCHED);
        self.source.read(first, out);
        assert!(out.iter().all(|sample| sample.to_bits() != UNTOUCHED.to_bits()), "not filled");
        let is_bounded = !self.is_tame || out.iter().all(|sample| sample.abs() <= LARGEST_SAMPLE);
        assert!(is_bounded, "beyond full scale: {out:?}");
    }

    fn set_timeline(&mut self, timeline: &PtpMap) {
        self.source.set_timeline(timeline);
    }
}

/// The packets that were sent.
#[derive(Default)]
struct Sent {
    packets: u64,
    /// Sequence number and timestamp that follow those of the last packet.
    next: Option<(u16, u32)>,
}

/// A card's two halves with a sender: packets are RTP of the stream's format, in order, as many as
/// are counted; their audio is always filled and within full scale; what is counted never runs
/// backwards, and no more is lost than was captured.
pub(crate) fn capture_and_send(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let stream = format(&mut script);
    let packet_time = [PacketTime::MS_1, PacketTime::US_125, PacketTime::MS_4][script.below(3)];
    let delay = Nanos::from_millis(script.below(60) as i64);
    let second_leg = script.flag().then(|| ([239, 69, 1, 1], 5004).into());
    let dither = if script.flag() { Dither::Tpdf { seed: 1 } } else { Dither::Off };
    let output = SenderConfig {
        packet_time,
        delay,
        secondary: second_leg,
        dither,
        ..SenderConfig::new(stream, ([239, 69, 0, 1], 5004).into(), 1)
    };
    let Ok(mut sender) = Sender::new(output) else { return };
    let Some((mut input, source, config)) = card(&mut script, stream.sample_rate(), stream.channels(), &sender) else {
        return;
    };
    let mut source = Watched { source, is_tame: script.byte() < 0xF0 };
    let mut reference = Reference::new(ReferenceConfig::default());
    let mut now = LocalTime::from_nanos(1_000_000_000);
    let (mut sent, mut pushed, mut before) = (Sent::default(), 0, CaptureStats::default());
    while let Some(step) = script.next() {
        match step % 8 {
            0..=3 => pushed += push(&mut script, &mut input, now, &config, source.is_tame),
            4 => {
                let ptp = Some(reading(&mut script, now));
                reference.advance(now, &Sources { ptp, ..Sources::default() });
                sender.set_clock(now, &reference);
                if let Some(timeline) = reference.timeline() {
                    source.set_timeline(timeline);
                }
            }
            5 => now = sender.poll_timeout().map_or(now, |due| due.max(now).min(now + Nanos::from_secs(1))),
            _ => {}
        }
        now = if step >= 0x80 { now + Nanos::from_millis(5) } else { pass(&mut script, now) };
        send(&mut sender, &mut source, now, &mut sent);
        before = look(source.source.stats(), &before, pushed);
    }
    assert_eq!((sender.stats().packets, sender.stats().unsent), (sent.packets, 0), "each packet is handed out once");
}

/// A card and its configuration; `None` if that is refused, which it is only for its channels.
fn card(
    script: &mut Script<'_>,
    stream_rate: SampleRate,
    channels: usize,
    sender: &Sender,
) -> Option<(CaptureInput, CaptureSource, CaptureConfig)> {
    let card_channels = script.below(10);
    let config = CaptureConfig {
        card_rate: card_rate(script, stream_rate),
        card_channels,
        channels: (0..channels).map(|_| script.below(16) % (card_channels + 1)).collect(),
        stream_rate,
        packet_frames: sender.config().packet_frames().expect("a sender was made of it"),
        remembered: script.flag().then(|| Ppb::from_ppm(f64::from(script.byte()) - 128.0)),
    };
    match capture(&config) {
        Ok((input, source)) => Some((input, source, config)),
        Err(CaptureError::Channels(refused, _)) => {
            assert!(refused.iter().any(|&channel| channel >= card_channels), "{refused:?} of {card_channels}");
            None
        }
        Err(error) => panic!("{config:?}: {error}"),
    }
}

/// The card's callback: so many frames, and sometimes a part of one, which is none. Returns how
/// many it captured.
fn push(
    script: &mut Script<'_>,
    input: &mut CaptureInput,
    now: LocalTime,
    config: &CaptureConfig,
    is_tame: bool,
) -> u64 {
    let kind = script.byte();
    let frames = [240, 240, 240, 480, 48, 1024, 1, LONGEST_BLOCK][usize::from(kind & 7)];
    let frames = if kind & 8 == 0 || frames == LONGEST_BLOCK { frames } else { usize::from(script.byte()) };
    // The longest ones are lost, which is seen once; more of them take time and show nothing.
    let frames = if frames == LONGEST_BLOCK && kind < 0xE0 { 240 } else { frames };
    let level = if is_tame { f32::from(script.byte() as i8) / 128.0 } else { f32::from_bits(script.word()) };
    let part = usize::from(kind >> 4 & 1).min(config.card_channels - 1);
    input.push(now, &vec![level; frames * config.card_channels + part]);
    frames as u64
}

/// Writes what is due, and hands it out.
fn send(sender: &mut Sender, source: &mut Watched, now: LocalTime, sent: &mut Sent) {
    let legs = 1 + usize::from(sender.config().secondary.is_some());
    let frames = sender.config().packet_frames().expect("a sender was made of it");
    let payload = frames * sender.config().format.bytes_per_frame();
    for count in 0.. {
        if sender.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        assert!(count < MANY, "packets without end");
        let written = sender.stats().packets;
        sender.handle_timeout(now, source);
        let mut first = None;
        let mut handed_out = 0;
        while let Some(transmit) = sender.poll_transmit() {
            handed_out += 1;
            assert_eq!(transmit.datagram.len(), RTP_HEADER_LEN + payload);
            let header = RtpPacket::parse(transmit.datagram).expect("what is sent is RTP").header;
            assert_eq!(*first.get_or_insert(header), header, "both legs carry the same");
        }
        let Some(header) = first else { continue };
        assert_eq!((handed_out, sender.stats().packets), (legs, written + 1));
        sent.packets += 1;
        let (sequence, timestamp) = (header.sequence.get(), header.timestamp);
        if let Some((next_sequence, next_timestamp)) = sent.next {
            assert_eq!(sequence, next_sequence);
            assert!(header.marker || timestamp == RtpTimestamp::new(next_timestamp), "a jump that is not told");
        }
        sent.next = Some((sequence.wrapping_add(1), timestamp.get().wrapping_add(frames as u32)));
    }
}

fn look(stats: &CaptureStats, before: &CaptureStats, pushed: u64) -> CaptureStats {
    assert!(stats.card_rate.as_ppb().is_finite(), "{stats:?}");
    assert!(stats.lost_frames <= pushed, "{stats:?}: more is lost than was captured");
    let runs_on = stats.concealed_frames >= before.concealed_frames
        && stats.jumps >= before.jumps
        && stats.lost_frames >= before.lost_frames;
    assert!(runs_on, "counts run backwards: {before:?}, {stats:?}");
    *stats
}
