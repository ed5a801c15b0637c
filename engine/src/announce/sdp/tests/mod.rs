//! Texts modelled on published forms, with their interpretation, and reading of what has been
//! written.
//!
//! Origin of the texts: all are written for these tests, and none is a capture. AES67: after the
//! example of the standard and RFC 7273, 4.8. Dante: after Audinate's sample in the guide of Dante
//! Domain Manager, and texts of devices that public projects quote. RAVENNA: after texts that
//! public projects quote. FFmpeg, PipeWire: after what these programs write. Livewire+: AES67's
//! form with Livewire's group, packet time and a traceable clock. ST 2022-7: after RFC 7104, 4.1.
//! Addresses, names and identities are invented.

use super::*;
use crate::ptp::wire::ClockIdentity;
use crate::rtp::format::Encoding;

mod cases;
mod ours;
mod properties;

const AES67: &str = "v=0
o=- 1311738121 1311738121 IN IP4 192.0.2.1
s=Stage left I/O
c=IN IP4 239.69.22.33/32
t=0 0
m=audio 5004 RTP/AVP 96
i=Channels 1-8
a=rtpmap:96 L24/48000/8
a=recvonly
a=ptime:1
a=ts-refclk:ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0
a=mediaclk:direct=963214424
";

const DANTE: &str = "v=0
o=- 26214 426217 IN IP4 169.254.9.41
s=DN9610-0a1b2c : 32
c=IN IP4 239.69.161.58/32
t=0 0
a=keywds:Dante
m=audio 5004 RTP/AVP 97
i=2 channels: Left, Right
a=recvonly
a=rtpmap:97 L24/48000/2
a=ptime:1
a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-0A-1B-2C:0
a=mediaclk:direct=2216659908
";

const RAVENNA: &str = "v=0
o=- 3 0 IN IP4 192.0.2.77
s=Desk_MADI_1
t=0 0
a=clock-domain:PTPv2 5
a=ts-refclk:ptp=IEEE1588-2008:00-0B-72-FF-FE-07-DC-FC
a=mediaclk:direct=0
m=audio 5004 RTP/AVP 98
c=IN IP4 239.1.77.3/15
a=rtpmap:98 L24/44100/2
a=source-filter: incl IN IP4 239.1.77.3 192.0.2.77
a=framecount:16-48
a=ptime:0.36
a=recvonly
a=sync-time:0
";

const LIVEWIRE: &str = "v=0
o=Node 1 1 IN IP4 192.0.2.20
s=Studio A PGM
t=0 0
m=audio 5004 RTP/AVP 97
c=IN IP4 239.192.3.21/10
a=rtpmap:97 L24/48000/2
a=ptime:5
a=ts-refclk:ptp=IEEE1588-2008:traceable
a=mediaclk:direct=0
a=fmtp:97 channel-order=SMPTE2110.(ST); emphasis=none
";

const FFMPEG: &str = "v=0
o=- 0 0 IN IP4 127.0.0.1
s=No Name
c=IN IP4 239.69.1.1/15
t=0 0
a=tool:libavformat LIBAVFORMAT_VERSION
m=audio 5004 RTP/AVP 97
b=AS:2304
a=rtpmap:97 L24/48000/2
";

const PIPEWIRE: &str = "v=0
o=user 3891240832 0 IN IP4 192.0.2.30
s=PipeWire RTP Stream on host
i=2 channels: FL, FR
c=IN IP4 239.69.150.243/1
t=3891240832 0
a=recvonly
a=tool:PipeWire 1.2.0
a=type:broadcast
m=audio 46000 RTP/AVP 127
a=rtpmap:127 L16/48000/2
a=ptime:1
a=ts-refclk:localmac=02-00-5e-10-00-01
a=mediaclk:sender
";

const ST_2022_7: &str = "v=0
o=- 123456 11 IN IP4 192.168.100.2
s=Both networks
t=0 0
a=group:DUP primary secondary
m=audio 5004 RTP/AVP 96
c=IN IP4 239.0.1.2/64
a=source-filter: incl IN IP4 239.0.1.2 192.168.100.2
a=rtpmap:96 L24/48000/2
a=ptime:0.125
a=ts-refclk:ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:127
a=mediaclk:direct=0
a=mid:primary
m=audio 5006 RTP/AVP 96
c=IN IP4 239.1.1.2/64
a=source-filter: incl IN IP4 239.1.1.2 192.168.101.2
a=rtpmap:96 L24/48000/2
a=ptime:0.125
a=ts-refclk:ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D1:127
a=mediaclk:direct=0
a=mid:secondary
";

const EXAMPLES: [&str; 7] = [AES67, DANTE, RAVENNA, LIVEWIRE, FFMPEG, PIPEWIRE, ST_2022_7];

/// Converts line ends to those of the standard.
fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

fn parse(text: &str) -> Parsed {
    Description::parse(crlf(text).as_bytes()).unwrap()
}

fn stream(text: &str) -> StreamDescription {
    parse(text).description.streams.swap_remove(0)
}

fn findings(text: &str) -> Vec<String> {
    parse(text).findings.iter().map(Finding::to_string).collect()
}

/// The example with one piece of text replaced.
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

const GRANDMASTER: ClockIdentity = ClockIdentity([0x39, 0xA7, 0x94, 0xFF, 0xFE, 0x07, 0xCB, 0xD0]);

#[test]
fn the_standards_own_form_is_understood_wholly() {
    let parsed = parse(AES67);
    let description = &parsed.description;
    assert_eq!((description.origin.version, description.name.as_str()), (1_311_738_121, "Stage left I/O"));
    let stream = &description.streams[0];
    assert_eq!(stream.format, StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 8).unwrap());
    assert_eq!((stream.payload_type, stream.packet_frames), (96, Some(48)));
    let leg = &stream.legs[0];
    assert_eq!((leg.destination, leg.port, leg.ttl), ([239, 69, 22, 33].into(), 5004, Some(32)));
    assert_eq!(leg.reference_clock, ReferenceClock::ptp(GRANDMASTER, 0));
    assert_eq!(parsed.findings, []);
    let config = stream.stream_config(Nanos::from_millis(10), SampleRate::HZ_48000, 480);
    assert_eq!(config.media_clock, MediaClock::Ptp { offset: 963_214_424 });
    assert_eq!((config.payload_type, config.channel_map.outputs()), (Some(96), 8));
}

#[test]
fn the_forms_of_the_field_are_understood() {
    let dante = stream(DANTE);
    assert_eq!(parse(DANTE).description.information.as_deref(), Some("2 channels: Left, Right"));
    assert_eq!(dante.relation(), MediaClock::Ptp { offset: 2_216_659_908 });
    let ravenna = stream(RAVENNA);
    assert_eq!((ravenna.packet_frames, ravenna.legs[0].source), (Some(16), Some([192, 0, 2, 77].into())));
    assert!(matches!(ravenna.legs[0].reference_clock, ReferenceClock::Ptp { domain: Some(5), .. }));
    let livewire = stream(LIVEWIRE);
    assert_eq!(livewire.packet_time(), Some(Nanos::from_millis(5)));
    assert_eq!(livewire.relation(), MediaClock::Ptp { offset: 0 });
    assert_eq!(livewire.channel_order.as_deref(), Some("SMPTE2110.(ST)"));
    let ffmpeg = stream(FFMPEG);
    assert_eq!((ffmpeg.packet_frames, ffmpeg.relation()), (None, MediaClock::Unrelated));
    let pipewire = stream(PIPEWIRE);
    assert_eq!(pipewire.legs[0].reference_clock, ReferenceClock::LocalMac([2, 0, 0x5E, 0x10, 0, 1]));
    assert_eq!((pipewire.media_clock, pipewire.relation()), (MediaClockSource::Sender, MediaClock::Unrelated));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    assert_eq!(findings(DANTE), [""; 0]);
    assert_eq!(findings(LIVEWIRE), [""; 0]);
    assert_eq!(findings(ST_2022_7), [""; 0]);
    assert_eq!(
        findings(RAVENNA),
        ["line 6: the grandmaster is given without its domain; right would be :0 or another number at the end"]
    );
    assert_eq!(
        findings(FFMPEG),
        [
            "line 7: no a=ptime; right would be a=ptime:1 for packets of 1 ms",
            "line 7: no a=ts-refclk, so the timestamps cannot be tied to PTP; right would be a=ts-refclk:ptp=IEEE1588-2008:<grandmaster>:<domain>",
            "line 7: no a=mediaclk, so the timestamps cannot be tied to PTP; right would be a=mediaclk:direct=0",
        ]
    );
    assert_eq!(
        findings(PIPEWIRE),
        ["line 5: a TTL of 1 keeps the stream within its own network; right would be 15 to 32"]
    );
    let lines = Description::parse(AES67.as_bytes()).unwrap().findings;
    assert_eq!(lines, [Finding { line: 1, lint: Lint::LineEnd }]);
    // The last line may have no line end at all.
    assert_eq!(findings(AES67.trim_end()), [""; 0]);
}

#[test]
fn each_finding_is_found() {
    let clock = "ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0";
    let spelled = |written: &str| Lint::GrandmasterSpelling { written: written.to_owned(), right: GRANDMASTER };
    let cases = [
        ("s=Stage left I/O", "s=-", 3, Lint::Name),
        ("t=0 0", "x", 5, Lint::NoLine),
        ("IN IP4 192.0.2.1", "IN IP4", 2, Lint::Origin),
        ("239.69.22.33/32", "239.69.22.33", 4, Lint::NoTtl),
        ("239.69.22.33/32", "239.69.22.33/1", 4, Lint::TtlOne),
        ("audio 5004", "audio 5005", 6, Lint::OddPort(5005)),
        ("a=ptime:1", "a=ptime:nan", 10, Lint::PacketTime("a=ptime:nan".to_owned())),
        ("a=ptime:1", "a=ptime:-1", 10, Lint::PacketTime("a=ptime:-1".to_owned())),
        ("a=ptime:1", "a=ptime:1\na=framecount:6", 6, Lint::FrameCount { frames: 6, by_packet_time: 48 }),
        ("a=ptime:1", "a=ptime:1\na=maxptime:0.25", 6, Lint::MaxPacketTime),
        ("a=ptime:1", "a=ptime:4", 6, Lint::Payload { bytes: 4608 }),
        (clock, "ptp=traceable", 11, Lint::BareTraceable),
        (clock, "ptp=IEEE1588-2008:39-a7-94-ff-fe-07-cb-d0:0", 11, spelled("39-a7-94-ff-fe-07-cb-d0")),
        (clock, "ptp=IEEE1588-2008:39:A7:94:FF:FE:07:CB:D0:0", 11, spelled("39:A7:94:FF:FE:07:CB:D0")),
        (clock, "ptp=IEEE1588-2008:39A794FFFE07CBD0:0", 11, spelled("39A794FFFE07CBD0")),
        (clock, "ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0", 11, Lint::NoDomain),
        (clock, "ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:128", 11, Lint::Domain("128".to_owned())),
        (clock, "ptp=nonsense", 11, Lint::ReferenceClock("ptp=nonsense".to_owned())),
        (clock, "localmac=00-11", 11, Lint::ReferenceClock("localmac=00-11".to_owned())),
        ("direct=963214424", "direct", 12, Lint::NoOffset),
        ("direct=963214424", "direct=x", 12, Lint::MediaClock("direct=x".to_owned())),
        ("direct=963214424", "IEEE1722=1", 12, Lint::MediaClock("IEEE1722=1".to_owned())),
        (
            "direct=963214424",
            "direct=963214424 rate=44100/1",
            12,
            Lint::MediaClockRate { written: "44100/1".to_owned(), rate_hz: 48_000 },
        ),
        ("a=recvonly", "a=sendonly", 9, Lint::Direction("sendonly".to_owned())),
        ("a=recvonly", "a=source-filter:excl", 9, Lint::SourceFilter("excl".to_owned())),
        ("t=0 0", "t=0 0\na=group:DUP one two", 6, Lint::Duplication),
    ];
    for (from, to, line, lint) in cases {
        let found = parse(&with(AES67, from, to)).findings;
        assert!(found.contains(&Finding { line, lint: lint.clone() }), "{to}: {found:?}, not {lint:?}");
        assert!(lint.to_string().contains("right would be"), "{lint}");
    }
    let text = AES67.replace("96", "35");
    assert!(parse(&text).findings.contains(&Finding { line: 6, lint: Lint::StaticPayloadType(35) }));
    let text = with(AES67, "t=0 0\n", "");
    assert!(parse(&text).findings.contains(&Finding { line: 1, lint: Lint::Time }));
    let text = [AES67, "m=video 5006 RTP/AVP 97\n"].concat();
    let refused = Lint::Refused(Refusal::Medium("video".to_owned()));
    assert_eq!(parse(&text).findings, [Finding { line: 13, lint: refused }]);
}

#[test]
fn every_form_of_clock_is_read() {
    let clock = |value: &str| {
        let stream = stream(&with(AES67, "ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0", value));
        stream.legs[0].reference_clock.clone()
    };
    let ptp =
        |version: &str, domain| ReferenceClock::Ptp { version: version.to_owned(), grandmaster: GRANDMASTER, domain };
    let traceable = |version: &str| ReferenceClock::PtpTraceable { version: version.to_owned() };
    let cases = [
        ("ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:127", ptp("IEEE1588-2008", Some(127))),
        ("ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0", ptp("IEEE1588-2008", None)),
        ("ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:domain-nmbr=3", ptp("IEEE1588-2008", Some(3))),
        ("PTP=IEEE1588-2019:39:A7:94:FF:FE:07:CB:D0:9", ptp("IEEE1588-2019", Some(9))),
        ("ptp=IEEE802.1AS-2011:39-A7-94-FF-FE-07-CB-D0", ptp("IEEE802.1AS-2011", None)),
        ("ptp=IEEE1588-2008:traceable", traceable("IEEE1588-2008")),
        ("ptp=traceable", traceable("IEEE1588-2008")),
        ("localmac=7C-E9-D3-1B-9A-AF", ReferenceClock::LocalMac([0x7C, 0xE9, 0xD3, 0x1B, 0x9A, 0xAF])),
        ("ntp=/traceable/", ReferenceClock::Other("ntp=/traceable/".to_owned())),
        ("ntp=192.0.2.9", ReferenceClock::Other("ntp=192.0.2.9".to_owned())),
        ("gps", ReferenceClock::Other("gps".to_owned())),
        ("private:traceable", ReferenceClock::Other("private:traceable".to_owned())),
        ("local", ReferenceClock::Other("local".to_owned())),
        // Of several clocks, the one that is PTP is used.
        ("gps\na=ts-refclk:ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0", ReferenceClock::ptp(GRANDMASTER, 0)),
    ];
    for (value, expected) in cases {
        assert_eq!(clock(value), expected, "{value}");
    }
    let order = stream(&with(LIVEWIRE, ".(ST); ", ".(ST) x; ")).channel_order;
    assert_eq!(order.as_deref(), Some("SMPTE2110.(ST)"), "one word");
    let media = |value: &str| stream(&with(AES67, "direct=963214424", value)).media_clock;
    assert_eq!(media("direct=-1"), MediaClockSource::Direct { offset: u32::MAX });
    assert_eq!(media("id=MDA6NjA= direct=5 rate=48000/1"), MediaClockSource::Direct { offset: 5 });
    assert_eq!(media("DIRECT=5"), MediaClockSource::Direct { offset: 5 });
}

#[test]
fn two_networks_make_one_stream_of_two_legs() {
    let description = parse(ST_2022_7).description;
    let [both] = &description.streams[..] else { panic!("{description:?}") };
    let legs: Vec<_> = both.legs.iter().map(|leg| (leg.destination, leg.port, leg.source)).collect();
    let address = |octets: [u8; 4]| IpAddr::from(octets);
    assert_eq!(
        legs,
        [
            (address([239, 0, 1, 2]), 5004, Some(address([192, 168, 100, 2]))),
            (address([239, 1, 1, 2]), 5006, Some(address([192, 168, 101, 2]))),
        ]
    );
    // Media of different formats are not one stream.
    let (before, after) = ST_2022_7.rsplit_once("L24").unwrap();
    let other = parse(&[before, "L16", after].concat());
    assert_eq!(other.description.streams.len(), 2);
    assert_eq!(other.findings, [Finding { line: 5, lint: Lint::Duplication }]);
    // Two senders to one group (RFC 7104).
    let text =
        with(AES67, "a=recvonly", "a=ssrc-group:DUP 1000 1010\na=source-filter: incl IN IP4 * 192.0.2.1 192.0.2.2");
    let sources: Vec<_> = stream(&text).legs.iter().map(|leg| leg.source).collect();
    assert_eq!(sources, [Some(address([192, 0, 2, 1])), Some(address([192, 0, 2, 2]))]);
}

#[test]
fn several_media_are_several_streams_with_the_sessions_defaults() {
    let text = with(AES67, "t=0 0", "t=0 0\na=ptime:0.25");
    let second = "m=audio 5006/2 RTP/AVP 0 11\nc=IN IP6 ff15::101\n";
    let streams = parse(&[&text, second].concat()).description.streams;
    assert_eq!(streams.len(), 2);
    assert_eq!(streams[0].packet_frames, Some(48), "the medium's own");
    let format = StreamFormat::new(Encoding::L16, SampleRate::from_hz(44_100).unwrap(), 1).unwrap();
    assert_eq!((streams[1].format, streams[1].payload_type), (format, 11));
    assert_eq!((streams[1].packet_frames, streams[1].legs[0].ttl), (Some(11), None));
}

#[test]
fn what_cannot_be_received_is_refused_in_one_sentence() {
    let error = |text: &str| Description::parse(crlf(text).as_bytes()).unwrap_err().to_string();
    let cases = [
        (with(AES67, "v=0", "v=1"), "line 1: this is no SDP, which starts with v=0"),
        (String::new(), "line 1: this is no SDP, which starts with v=0"),
        (AES67[..60].to_owned(), "line 3: the description ends without a stream (m=audio)"),
        (
            with(AES67, "audio 5004", "audio"),
            "line 6: no stream to receive here: the m= line is not \"m=audio <port> RTP/AVP <payload type>\"",
        ),
        (with(AES67, "5004", "0"), "line 6: no stream to receive here: the port is 0: the stream is switched off"),
        (
            with(AES67, "RTP/AVP", "RTP/SAVP"),
            "line 6: no stream to receive here: the transport is RTP/SAVP: only RTP/AVP is received",
        ),
        (
            with(AES67, "L24/", "AM824/"),
            "line 6: no stream to receive here: the format is AM824/48000/8: only L16 and L24 of 1 to 64 channels are received",
        ),
        (
            with(AES67, "000/8", "000/65"),
            "line 6: no stream to receive here: the format is L24/48000/65: only L16 and L24 of 1 to 64 channels are received",
        ),
        (
            with(AES67, "rtpmap:96", "rtpmap:98 L16/48000/2\na=rtpmap:99"),
            "line 6: no stream to receive here: payload type 96 has no a=rtpmap",
        ),
        (
            with(AES67, "c=IN", "x=IN"),
            "line 6: no stream to receive here: no address: there is no c=IN IP4 or c=IN IP6 line for it that can be read",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(&text), expected);
    }
    let long = vec![b'a'; MAX_TEXT + 1];
    assert_eq!(Description::parse(&long), Err(SdpError::TooLong { bytes: MAX_TEXT + 1 }));
    let many = [AES67, &"m=audio 5004 RTP/AVP 11\n".repeat(100)].concat();
    let parsed = parse(&many);
    assert_eq!(parsed.description.streams.len(), MAX_STREAMS);
    assert!(parsed.findings.len() <= 64);
}
