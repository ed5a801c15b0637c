//! Deviations from the standard that occur in the field: each is accepted and reported.

use super::*;
use insta::assert_snapshot;
use std::fmt::Write;

/// Loads the files of the folder `cases`.
macro_rules! cases {
    ($($name:literal),* $(,)?) => {
        [$(($name, &include_bytes!(concat!("cases/", $name, ".sdp"))[..])),*]
    };
}

/// Describes how the receiver interprets a text, and its findings.
fn outcome(bytes: &[u8]) -> String {
    let parsed = match Description::parse(bytes) {
        Ok(parsed) => parsed,
        Err(error) => return format!("  refused: {error}\n"),
    };
    let mut text = String::new();
    for stream in &parsed.description.streams {
        let leg = &stream.legs[0];
        let format = stream.format;
        let (encoding, hz, channels) = (format.encoding(), format.sample_rate().as_hz(), format.channels());
        let from = leg.source.map_or_else(String::new, |source| format!(" from {source}"));
        let payload_type = stream.only_payload_type().map_or_else(|| "any".to_owned(), |number| number.to_string());
        let frames = stream.packet_frames.map_or_else(|| "?".to_owned(), |frames| frames.to_string());
        let place = format!("{}:{}{from}", leg.destination, leg.port);
        writeln!(text, "  {place} pt {payload_type} {encoding}/{hz}/{channels}, {frames} frames").unwrap();
        if let Err(obstacle) = leg.check() {
            writeln!(text, "  cannot be received: {obstacle}").unwrap();
        }
    }
    for finding in &parsed.findings {
        writeln!(text, "  {finding}").unwrap();
    }
    text
}

#[test]
fn the_cases_of_the_folder_are_read_or_refused() {
    let cases = cases![
        "bom",
        "indented",
        "c-blanks-instead-of-slashes",
        "c-leading-zeros",
        "c-other-net-first",
        "c-ipv6",
        "c-zero",
        "filter-is-the-group",
        "refclk-zeros",
        "ptime-comma",
        "l20",
        "am824",
        "two-m-different"
    ];
    let all: String = cases.iter().map(|(name, bytes)| format!("{name}\n{}", outcome(bytes))).collect();
    assert_snapshot!(all);
}

/// A text without findings.
const PLAIN: &str = "v=0
o=- 1 1 IN IP4 10.77.0.1
s=Studio
c=IN IP4 239.77.3.1/32
t=0 0
m=audio 5004 RTP/AVP 96
a=rtpmap:96 L24/48000/2
a=ptime:1
a=ts-refclk:ptp=IEEE1588-2008:02-00-00-FF-FE-00-00-01:0
a=mediaclk:direct=0
a=recvonly
";

#[test]
fn every_leniency_is_told() {
    assert_eq!(findings(PLAIN), [""; 0]);
    assert_eq!(findings(&with(PLAIN, "direct=0", "id=MDA6NjA= direct=0 rate=48000/1")), [""; 0]);
    let stream_of = |bytes: &[u8]| Description::parse(bytes).map(|parsed| parsed.description.streams);
    let expected = stream_of(crlf(PLAIN).as_bytes()).unwrap();
    // Each entry is one change, after which the same stream is received.
    let changes = [
        ("v=0", "v = 0"),
        ("v=0\n", ""),
        ("v=0\n", "Content-Type: application/sdp\n\nv=0\n"),
        ("s=Studio\n", ""),
        ("t=0 0\n", ""),
        ("t=0 0", "T=0 0"),
        ("t=0 0", "t=0 0 \t"),
        ("o=- 1 1 IN IP4 10.77.0.1", "o=- 1 10.77.0.1"),
        ("o=- 1 1 IN IP4 10.77.0.1", "o=My desk 1 1 IN IP4 10.77.0.1"),
        ("o=- 1 1", "o=- 1 one"),
        ("s=Studio", "s=Studio\ns=Other"),
        ("c=IN IP4 239.77.3.1/32", "c=in ip4 239.77.3.1/32"),
        ("c=IN IP4 239.77.3.1/32", "c=IN IPv4 239.77.3.1/32"),
        ("c=IN IP4 239.77.3.1/32", "c=239.77.3.1/32"),
        ("c=IN IP4 239.77.3.1/32", "c=IP4 239.77.3.1 /32"),
        ("c=IN IP4 239.77.3.1/32", "c=IN  IP4\t239.77.3.1/32"),
        ("c=IN IP4 239.77.3.1/32", "c=IN\u{a0}IP4 239.77.3.1/32"),
        ("c=IN IP4 239.77.3.1/32", "c=IN IP6 239.77.3.1/32"),
        ("c=IN IP4 239.77.3.1/32", "c=IN IP4 239.77.3.1:5004/32"),
        ("c=IN IP4 239.77.3.1/32", "c=IN IP4 239.77.3.1/32/4"),
        ("c=IN IP4 239.77.3.1/32", "c=IN IP4 239.77.3.1/32\nc=IN IP4 239.77.3.2/32"),
        ("c=IN IP4 239.77.3.1/32", "c=IN IP4 239.77.3.1,32"),
        ("c=IN IP4 239.77.3.1/32", "c=IN IP6 ::ffff:239.77.3.1/32"),
        ("m=audio", "m=AUDIO"),
        ("RTP/AVP", "RTP / AVP"),
        ("RTP/AVP", "AVP"),
        ("5004", "5004-5005"),
        ("RTP/AVP", "rtp/avp"),
        ("5004", "5004/2"),
        ("RTP/AVP 96", "RTP/AVP"),
        ("RTP/AVP 96", "RTP/AVP 96 0"),
        ("a=rtpmap", "a=RTPMAP"),
        ("a=rtpmap:96", "A = rtpmap: 96"),
        ("L24/48000/2", "L24 48000 2"),
        ("L24/48000/2", "L24/48kHz/2"),
        ("L24/48000/2", "L24/48000/2\na=rtpmap:96 L16/48000/8"),
        ("a=ptime:1", "a=ptime=1"),
        ("a=rtpmap:96", "a=rtpmap 96"),
        ("a=ptime:1", "a=ptime:1ms"),
        ("a=ptime:1", "a=ptime:1000 us"),
        ("a=ptime:1", "a=ptime:1,0"),
        ("a=ptime:1", "a=ptime:1\na=ptime:4"),
        ("IEEE1588-2008:02", "02"),
        ("02-00-00-FF-FE-00-00-01", "02-00-00-00-00-01"),
        ("02-00-00-FF-FE-00-00-01", "0x020000FFFE000001"),
        ("02-00-00-FF-FE-00-00-01", "0200.00ff.fe00.0001"),
        ("ptp=IEEE", "ptp = IEEE"),
        ("direct=0", "direct = 0"),
        ("direct=0", "direct:0"),
        ("a=recvonly", "a=source-filter: excl IN IP4 239.77.3.1 10.0.0.9"),
        ("a=recvonly", "a=source-filter: incl IN IP4 239.77.3.1 0.0.0.0"),
        ("a=recvonly", "a=source-filter: incl IN IP4 239.77.3.9 10.0.0.9"),
        ("a=recvonly", "a=source-filter: incl IN IP4 239.77.3.1 ff02::1"),
        ("a=recvonly", "a=source-filter: incl IN IP4 239.77.3.1 10.0.0.8 10.0.0.9"),
        ("a=recvonly\n", "a=recvonly\n\0"),
        ("a=recvonly\n", "a=recvonly\n\0\u{1}rest of a buffer"),
        ("a=recvonly\n", "a=recvonly\nv=0\no=- 2 1 IN IP4 10.77.0.2\nm=audio 5004 RTP/AVP 11\nc=IN IP4 239.1.1.1/32\n"),
        ("a=recvonly\n", "a=recvonly\nm=video 5006 RTP/AVP 97\n"),
        (
            "t=0 0\nm=audio 5004 RTP/AVP 96\na=rtpmap:96 L24/48000/2\na=ptime:1\n",
            "t=0 0\na=rtpmap:96 L24/48000/2\na=ptime:1\nm=audio 5004 RTP/AVP 96\n",
        ),
    ];
    let mut told = String::new();
    for (from, to) in changes {
        let text = crlf(&with(PLAIN, from, to));
        assert_eq!(stream_of(text.as_bytes()).as_ref(), Ok(&expected), "{text:?}");
        let findings = Description::parse(text.as_bytes()).unwrap().findings;
        assert!(!findings.is_empty(), "{text}");
        let advises = |finding: &Finding| {
            matches!(finding.lint, Lint::Refused(_)) || finding.to_string().contains("right would be")
        };
        assert!(findings.iter().all(advises), "{findings:?}");
        let findings: String = findings.iter().map(|finding| format!("  {finding}\n")).collect();
        write!(told, "{:?}\n{findings}", to.trim_end()).unwrap();
    }
    assert_snapshot!(told);
    // The whole text in a different form.
    let utf16 = |text: &str, read: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(read).collect::<Vec<u8>>();
    let forms: [(Vec<u8>, Lint); 9] = [
        (format!("\"{}\"\n", crlf(PLAIN).replace("\r\n", "\\r\\n")).into(), Lint::Escaped),
        (PLAIN.into(), Lint::LineEnd),
        (PLAIN.replace('\n', "\r").into(), Lint::CarriageReturn),
        (crlf(PLAIN).replacen("\r\n", "\n", 1).into(), Lint::LineEnd),
        (crlf(PLAIN).replace("\r\n", "\r\n> ").into(), Lint::Quoted),
        (crlf(&format!("\t{}", PLAIN.replace('\n', "\n\u{a0} "))).into(), Lint::Indented),
        (utf16(&format!("\u{feff}{}", crlf(PLAIN)), u16::to_le_bytes), Lint::Utf16),
        (utf16(&crlf(PLAIN), u16::to_be_bytes), Lint::Utf16),
        ([b"\xEF\xBB\xBF", crlf(PLAIN).as_bytes()].concat(), Lint::ByteOrderMark),
    ];
    for (bytes, lint) in forms {
        assert_eq!(stream_of(&bytes).as_ref(), Ok(&expected), "{lint}");
        let found = Description::parse(&bytes).unwrap().findings;
        assert_eq!(found.iter().map(|finding| &finding.lint).collect::<Vec<_>>(), [&lint]);
    }
}

#[test]
fn what_changes_the_meaning_is_told() {
    let found = |from: &str, to: &str| outcome(crlf(&with(PLAIN, from, to)).as_bytes());
    let changes = [
        ("rtpmap:96", "rtpmap:97"),
        ("RTP/AVP 96\na=rtpmap:96 L24/48000/2", "RTP/AVP 96 97\na=rtpmap:96 L24/48000/2\na=rtpmap:97 L24/48000/2"),
        ("rtpmap:96 L24/48000/2", "rtpmap:97 L24/48000/2\na=rtpmap:98 L16/48000/2"),
        ("L24/48000/2", "L24/48000"),
        ("239.77.3.1/32", "239.77.3.1/0"),
        ("239.77.3.1/32", "239.77.3.1/300"),
        ("239.77.3.1/32", "10.0.0.5/24"),
        ("239.77.3.1/32", "255.255.255.255"),
        ("239.77.3.1/32", "239.77.3"),
        ("239.77.3.1/32", "studio.local"),
        ("IN IP4 239.77.3.1/32", "SM SM track1"),
        ("a=recvonly", "a=source-filter: incl IN IP4 239.77.3.1 127.0.0.1"),
        ("a=recvonly", "a=source-filter: incl in ip4 239.077.003.001 010.0.0.9"),
        ("a=recvonly", "a=source-filter:239.77.3.1 10.0.0.9"),
        ("02-00-00-FF-FE-00-00-01:0", "FF-FF-FF-FF-FF-FF-FF-FF:0"),
        ("IEEE1588-2008:02-00-00-FF-FE-00-00-01:0", "IEEE802.1AS-2011:02-00-00-FF-FE-00-00-01"),
        ("a=recvonly", "a=inactive"),
    ];
    let told: String = changes.iter().map(|(from, to)| format!("{to:?}\n{}", found(from, to))).collect();
    assert_snapshot!(told);
    let latin = [b"v=0\r\no=- 1 1 IN IP4 10.77.0.1\r\ns=B\xFChne \x96 1", crlf(&PLAIN[37..]).as_bytes()].concat();
    let parsed = Description::parse(&latin).unwrap();
    assert_eq!((parsed.description.name.as_str(), &parsed.findings[0].lint), ("Bühne – 1", &Lint::NotUtf8));
}
