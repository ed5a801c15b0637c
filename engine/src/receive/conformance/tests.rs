use super::*;
use crate::rtp::format::Encoding;
use crate::rtp::format::StreamFormat;
use crate::rtp::wire::{PayloadType, RtpHeader};
use crate::units::SampleRate;

/// Settings of a sender.
#[derive(Clone, Copy)]
struct Sender {
    ssrc: u32,
    payload_type: u8,
    frames: u32,
    bytes_per_frame: usize,
    rate_hz: u32,
}

const L24_STEREO: Sender = Sender { ssrc: 1, payload_type: 96, frames: 48, bytes_per_frame: 6, rate_hz: 48_000 };

fn described(encoding: Encoding, channels: usize, packet_frames: u32) -> Described {
    let format = StreamFormat::new(encoding, SampleRate::HZ_48000, channels).unwrap();
    Described { format, payload_type: Some(96), packet_frames: Some(packet_frames) }
}

fn l24_stereo() -> Described {
    described(Encoding::L24, 2, 48)
}

impl Sender {
    fn at(&self, index: u32) -> LocalTime {
        let ns = u64::from(index) * u64::from(self.frames) * 1_000_000_000 / u64::from(self.rate_hz);
        LocalTime::from_nanos(1_000_000_000 + ns as i64)
    }

    fn observe(&self, watch: &mut Conformance, index: u32) {
        self.observe_at(watch, index, self.at(index));
    }

    fn observe_at(&self, watch: &mut Conformance, index: u32, at: LocalTime) {
        let header = RtpHeader {
            marker: false,
            payload_type: PayloadType::new(self.payload_type).unwrap(),
            sequence: SequenceNumber::new((index as u16).wrapping_add(65_500)),
            timestamp: RtpTimestamp::new(index.wrapping_mul(self.frames).wrapping_add(u32::MAX - 500)),
            ssrc: Ssrc(self.ssrc),
        };
        let payload = vec![0; self.frames as usize * self.bytes_per_frame];
        watch.observe(at, &RtpPacket { header, payload: &payload });
    }
}

/// The finding about a sender after this many packets, in words.
fn said(sender: Sender, described: Described, packets: u32) -> String {
    let mut watch = Conformance::new(described);
    (0..packets).for_each(|index| sender.observe(&mut watch, index));
    watch.finding().map_or_else(String::new, |finding| finding.to_string())
}

#[test]
fn another_size_of_frames_is_told_after_three_packets_with_what_it_may_be() {
    let l16_stereo = described(Encoding::L16, 2, 48);
    let l24_8 = described(Encoding::L24, 8, 48);
    let l24_mono = described(Encoding::L24, 1, 48);
    for (bytes_per_frame, described, sentence) in [
        (
            4,
            l24_stereo(),
            "timestamps advance by 48 frames, the 192 bytes of a packet are 32 of L24 with 2 channels: L16?",
        ),
        (
            6,
            l16_stereo,
            "timestamps advance by 48 frames, the 288 bytes of a packet are 72 of L16 with 2 channels: L24?",
        ),
        (
            24,
            l24_stereo(),
            "the 1152 bytes of a packet are 192 of L24 with 2 channels: L24 with 8 channels or L16 with 12 channels?",
        ),
        (
            6,
            l24_8,
            "the 288 bytes of a packet are 12 of L24 with 8 channels: L24 with 2 channels or L16 with 3 channels?",
        ),
        (3, l24_stereo(), "the 144 bytes of a packet are 24 of L24 with 2 channels: L24 with 1 channel?"),
        (
            6,
            l24_mono,
            "the 288 bytes of a packet are 96 of L24 with 1 channel: L24 with 2 channels or L16 with 3 channels?",
        ),
        (2, l24_stereo(), "the 96 bytes of a packet are 16 of L24 with 2 channels: L16 with 1 channel?"),
        (8, l24_stereo(), "the 384 bytes of a packet are 64 of L24 with 2 channels: L16 with 4 channels, or AM824?"),
        (4, l24_8, "the 192 bytes of a packet are 8 of L24 with 8 channels: L16 with 2 channels?"),
    ] {
        let sender = Sender { bytes_per_frame, ..L24_STEREO };
        assert_eq!(said(sender, described, 2), "");
        let found = said(sender, described, 3);
        assert!(found.ends_with(sentence), "{found}");
    }
    // 45 frames of L16 are as long as 30 of L24; 47 frames of L16 are not a whole number of L24
    // frames.
    let odd = Sender { frames: 47, bytes_per_frame: 4, ..L24_STEREO };
    assert!(said(odd, l24_stereo(), 3).contains("the 188 bytes of a packet are no whole number of frames of L24"));
}

#[test]
fn findings_can_be_corrected_where_the_packets_say_enough() {
    let correct = |sender: Sender, described: Described, packets: u32| {
        let mut watch = Conformance::new(described);
        (0..packets).for_each(|index| sender.observe(&mut watch, index));
        let corrected = watch.contradiction().unwrap().corrected(described).unwrap();
        let mut again = Conformance::new(corrected);
        (0..3000).for_each(|index| sender.observe(&mut again, index));
        assert!(again.is_confirmed(), "{:?}", again.finding());
        corrected
    };
    let l16 = correct(Sender { bytes_per_frame: 4, ..L24_STEREO }, l24_stereo(), 3);
    assert_eq!((l16.format.encoding(), l16.format.channels()), (Encoding::L16, 2));
    let eight = correct(Sender { bytes_per_frame: 24, ..L24_STEREO }, l24_stereo(), 3);
    assert_eq!((eight.format.encoding(), eight.format.channels()), (Encoding::L24, 8));
    let fast = correct(Sender { frames: 96, rate_hz: 96_000, ..L24_STEREO }, l24_stereo(), 600);
    assert_eq!((fast.format.sample_rate().as_hz(), fast.packet_frames), (96_000, Some(96)));
    let slow = correct(Sender { rate_hz: 44_100, ..L24_STEREO }, l24_stereo(), 2500);
    assert_eq!(slow.format.sample_rate().as_hz(), 44_100);
    assert_eq!(correct(Sender { payload_type: 97, ..L24_STEREO }, l24_stereo(), 8).payload_type, Some(97));
    // The packets may be AM824, or L16 with twice the number of channels.
    let four_bytes = Finding::FrameSize { advance: 48, length: 384, described: l24_stereo().format };
    assert_eq!(four_bytes.corrected(l24_stereo()), None);
    let odd = Finding::FrameSize { advance: 90, length: 288, described: l24_stereo().format };
    assert_eq!(odd.corrected(l24_stereo()), None);
    assert!(odd.to_string().ends_with("are 48 of L24 with 2 channels"));
}

#[test]
fn another_rate_is_told_within_seconds() {
    let fast = Sender { frames: 96, rate_hz: 96_000, ..L24_STEREO };
    let sentence = "timestamps advance by about 96000 frames a second, but the description says 48000 Hz";
    assert_eq!(said(fast, described(Encoding::L24, 2, 96), 600), sentence);
    let slow = Sender { rate_hz: 44_100, ..L24_STEREO };
    assert!(said(slow, l24_stereo(), 2500).starts_with("timestamps advance by about 44100 frames a second"));
    assert_eq!(said(Sender { rate_hz: 47_900, ..L24_STEREO }, l24_stereo(), 5000), "");
}

#[test]
fn another_packet_time_is_told_and_played() {
    let long = Sender { frames: 240, ..L24_STEREO };
    assert_eq!(said(long, l24_stereo(), 5), "packets are of 240 frames (5.000 ms), but the description says 1.000 ms");
    let mut watch = Conformance::new(l24_stereo());
    (0..1000).for_each(|index| long.observe(&mut watch, index));
    assert_eq!(watch.contradiction(), None);
    assert!(watch.is_confirmed());
    // A third of a millisecond, rounded as in descriptions.
    assert_eq!(said(Sender { frames: 16, ..L24_STEREO }, described(Encoding::L24, 2, 15), 100), "");
}

#[test]
fn another_payload_type_is_told_if_there_is_nothing_else() {
    let other = Sender { payload_type: 97, ..L24_STEREO };
    assert_eq!(said(other, l24_stereo(), 7), "");
    assert_eq!(said(other, l24_stereo(), 8), "packets have payload type 97, but the description says 96");
    let cd = Sender { payload_type: 10, ..L24_STEREO };
    assert!(said(cd, l24_stereo(), 8).contains("payload type 10 (L16, 44100 Hz, 2 channels)"));
    // If the other type arrives among the stream's own packets, or once a second, it does not
    // count.
    let mut watch = Conformance::new(l24_stereo());
    for index in 0..1000 {
        let sender = if index % 10 < 7 { other } else { L24_STEREO };
        sender.observe(&mut watch, index);
        assert_eq!(watch.finding(), None);
    }
    (0..30).for_each(|second| {
        other.observe_at(&mut watch, second, LocalTime::from_nanos(i64::from(second) * 1_000_000_000));
    });
    assert_eq!(watch.finding(), None);
}

#[test]
fn loss_copies_reordering_jitter_and_two_senders_are_no_finding() {
    let mut watch = Conformance::new(l24_stereo());
    let mut random = 1u32;
    let mut draw = |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) % below
    };
    for index in 0..60_000 {
        // Some packets are lost, some arrive up to 30 ms late together with others, and some arrive
        // twice.
        match draw(9) {
            0..3 => continue,
            3 => L24_STEREO.observe_at(&mut watch, index - draw(30).min(index), L24_STEREO.at(index)),
            4 => (0..2).for_each(|_| L24_STEREO.observe(&mut watch, index)),
            _ => {}
        }
        let at = L24_STEREO.at(index) + Nanos::from_micros(i64::from(draw(7000)));
        L24_STEREO.observe_at(&mut watch, index, at);
        assert_eq!(watch.finding(), None, "packet {index}");
    }
    let mut watch = Conformance::new(l24_stereo());
    let stranger = Sender { ssrc: 2, bytes_per_frame: 4, ..L24_STEREO };
    for index in 0..3000 {
        L24_STEREO.observe(&mut watch, index);
        stranger.observe(&mut watch, index);
        assert_eq!(watch.finding(), None);
    }
}

#[test]
fn bursts_pauses_and_jumps_are_no_finding() {
    let mut watch = Conformance::new(l24_stereo());
    // The pauses become ever longer, and after each, everything arrives at once.
    let mut index = 0;
    for held_ms in [20, 50, 90, 110, 200, 250, 300, 500, 1000, 260, 260, 260] {
        let release = L24_STEREO.at(index + held_ms);
        for _ in 0..held_ms {
            L24_STEREO.observe_at(&mut watch, index, release);
            index += 1;
        }
        for _ in 0..400 {
            L24_STEREO.observe(&mut watch, index);
            index += 1;
        }
        assert_eq!(watch.finding(), None, "{held_ms} ms");
    }
    // A sender that starts a new timeline every tenth of a second.
    let mut watch = Conformance::new(l24_stereo());
    for packet in 0..3000u32 {
        let sequence_and_time = packet + packet / 100 * 7_000_000;
        L24_STEREO.observe_at(&mut watch, sequence_and_time, L24_STEREO.at(packet));
    }
    assert_eq!(watch.finding(), None);
}

#[test]
fn a_change_in_mid_stream_is_found_and_its_end_too() {
    let wrong = Sender { bytes_per_frame: 4, ..L24_STEREO };
    let mut watch = Conformance::new(l24_stereo());
    (0..100).for_each(|index| L24_STEREO.observe(&mut watch, index));
    // The pair at the change still has the earlier size.
    (100..104).for_each(|index| wrong.observe(&mut watch, index));
    assert_eq!(watch.contradiction(), None);
    (104..106).for_each(|index| wrong.observe(&mut watch, index));
    assert!(watch.contradiction().is_some());
    (106..109).for_each(|index| L24_STEREO.observe(&mut watch, index));
    assert_eq!(watch.contradiction(), None);
    // Another source starts.
    (0..5).for_each(|index| wrong.observe(&mut watch, index));
    Sender { ssrc: 9, ..L24_STEREO }.observe(&mut watch, 0);
    assert_eq!(watch.contradiction(), None);
}
