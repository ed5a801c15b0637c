use super::*;
use engine::receive::MediaClock;
use engine::rtp::format::Encoding;
use std::net::IpAddr;

fn group(text: &str) -> std::result::Result<Target, String> {
    match Place::of(text)? {
        Place::Group(target) => Ok(target),
        Place::Description(place, _) | Place::Announced { name: place, .. } => Err(format!("{place} is no group")),
    }
}

const TWO: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=Studio\r\nc=IN IP4 239.77.3.1/32\r\nt=0 0\r\n\
    m=audio 5004 RTP/AVP 96\r\na=rtpmap:96 L24/48000/2\r\n\
    m=audio 5006 RTP/AVP 97\r\na=rtpmap:97 L16/48000/8\r\n";

fn description(text: &str) -> Description {
    Description::parse(text.as_bytes()).unwrap().description
}

fn suffix(text: &str) -> Suffix {
    Suffix::split(text).unwrap().1
}

#[test]
fn a_description_may_be_in_utf_16() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("powershell.sdp");
    for (mark, bytes) in [([0xFF, 0xFE], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xFE, 0xFF], u16::to_be_bytes)] {
        let text = TWO.encode_utf16().flat_map(bytes);
        std::fs::write(&path, mark.into_iter().chain(text).collect::<Vec<u8>>()).unwrap();
        let parsed = read_description(path.to_str().unwrap()).unwrap();
        assert_eq!((parsed.description.name.as_str(), parsed.description.streams.len()), ("Studio", 2));
    }
    std::fs::write(&path, [0xFF, 0xFE, 0x00, 0xD8, 0x41, 0x00]).unwrap();
    let refused = read_description(path.to_str().unwrap()).err().unwrap().to_string();
    assert!(refused.contains("powershell.sdp: "), "{refused}");
}

#[test]
fn a_url_tells_all_of_a_stream() {
    let url = "aes67://239.69.0.1:5006?channels=8&rate=96000&format=l16&ptime=0.25&interface=eth0&latency=20&domain=3";
    let target = group(url).unwrap();
    assert_eq!((target.stream.legs[0].port, target.stream.packet_frames), (5006, Some(24)));
    assert_eq!((target.stream.format.channels(), target.stream.format.encoding()), (8, Encoding::L16));
    assert_eq!((target.interfaces, target.latency_ms, target.domain), (vec!["eth0".to_owned()], Some(20.0), Some(3)));
    let plain = group("AES67://239.69.0.1#1").unwrap();
    assert_eq!((plain.stream.legs[0].port, plain.payload_type), (5004, None));
    assert_eq!(plain.stream.relation(), MediaClock::Ptp { offset: 0 });
}

#[test]
fn plain_rtp_is_played_by_arrivals_and_may_name_its_sender() {
    let target = group("rtp://10.0.0.7@239.69.0.1:5006?format=L16&rate=44100&channels=1&localaddr=10.0.0.2").unwrap();
    assert_eq!((target.stream.relation(), target.payload_type), (MediaClock::Unrelated, None));
    let leg = &target.stream.legs[0];
    assert_eq!((leg.port, leg.source), (5006, Some(IpAddr::from([10, 0, 0, 7]))));
    assert_eq!(target.interfaces, ["10.0.0.2"]);
    let usual = group("rtp://@239.69.0.1").unwrap();
    assert_eq!(describe_format(&usual.stream), "L24, 48000 Hz, 2 channels, packets of 1000.0 us");
    assert_eq!((usual.stream.legs[0].source, usual.stream.legs[0].port), (None, 5004));
}

#[test]
fn a_livewire_channel_is_played_by_arrivals() {
    let target = group("livewire:6031?interface=eth1").unwrap();
    assert_eq!(target.stream.legs[0].destination, IpAddr::from([239, 192, 23, 143]));
    assert_eq!((target.stream.packet_frames, target.stream.relation()), (Some(240), MediaClock::Unrelated));
    assert_eq!((target.name.as_str(), &target.interfaces[..]), ("Livewire 6031", &["eth1".to_owned()][..]));
    assert!(group("livewire:40000").unwrap_err().ends_with("right would be 1 to 32767"));
}

#[test]
fn a_wrong_url_says_what_would_be_right() {
    for (url, reason) in [
        ("aes67://studio", "studio is no address; right would be aes67://239.69.0.1:5004"),
        ("rtp://studio", "studio is no address; right would be rtp://239.69.0.1:5004"),
        ("aes67://239.69.0.1:x", "x is no port; right would be 1 to 65535"),
        ("aes67://239.69.0.1:0", "0 is no port; right would be 1 to 65535"),
        ("aes67://239.69.0.1#2", "#2: a URL of a group describes one stream"),
        ("aes67://239.69.0.1?chanels=2", "chanels is no option; there are channels, rate"),
        ("aes67://239.69.0.1?format=MP3", "format=MP3: right would be format=L16 or L24"),
        ("aes67://239.69.0.1?channels", "channels has no value"),
        ("aes67://239.69.0.1?channels=65", "65 channels, a stream has 1 to 64"),
        ("aes67://239.69.0.1?domain=128", "domain=128: right would be domain=0 to 127"),
        ("aes67://239.69.0.1?interface=a,b,c", "interface=a,b,c: right would be interface=eth0, or eth0,eth1"),
        ("http://10.0.0.1/studio.sdp", "http:// is not read; there are aes67://, rtp://, rtsp://"),
        ("studio.sdp?chanels=2", "chanels is no option"),
        ("studio.sdp#0", "#0 is no stream of a description; right would be #1"),
    ] {
        let error = group(url).unwrap_err();
        assert!(error.starts_with(reason), "{url}: {error}");
    }
}

#[test]
fn places_names_and_what_follows_them_are_told_apart() {
    let of = |text: &str| match Place::of(text).unwrap() {
        Place::Group(target) => format!("group {}", target.name),
        Place::Description(place, suffix) => {
            format!("description {place} {:?} {:?}", suffix.number, suffix.options.interfaces)
        }
        Place::Announced { exact, name, suffix, .. } => {
            format!("name {exact}|{name} {:?} {:?}", suffix.number, suffix.options.interfaces)
        }
    };
    for (text, expected) in [
        ("studio.sdp", "description studio.sdp None []"),
        ("studio.SDP?interface=eth1#2", "description studio.SDP Some(2) [\"eth1\"]"),
        ("studio.sdp#2?interface=eth1", "description studio.sdp Some(2) [\"eth1\"]"),
        ("sdp:///folder/studio.sdp#1", "description sdp:///folder/studio.sdp Some(1) []"),
        ("rtsp://10.0.0.1/by-name/A?interface=a,b", "description rtsp://10.0.0.1/by-name/A None [\"a\", \"b\"]"),
        ("aes67:///folder/a%20b.sdp?latency=5", "description file:///folder/a%20b.sdp None []"),
        ("aes67://sap/Studio%201#2", "name Studio 1|Studio 1 Some(2) []"),
        ("Studio 1", "name Studio 1|Studio 1 None []"),
        ("Studio #2", "name Studio #2|Studio  Some(2) []"),
        ("Studio 1?interface=eth1", "name Studio 1?interface=eth1|Studio 1 None [\"eth1\"]"),
        ("Who? What = that #x", "name Who? What = that #x|Who? What = that #x None []"),
        ("Really?", "name Really?|Really? None []"),
    ] {
        assert_eq!(of(text), expected);
    }
    let path = |text: &str| match Source::of(text).unwrap() {
        Source::File(path) | Source::Device(path) => path,
    };
    assert_eq!(path("SDP:///folder/a%20b.sdp"), "/folder/a b.sdp");
    assert_eq!(path("file:///C:/streams/a.sdp"), "C:/streams/a.sdp");
    assert_eq!(path("a%20b.sdp"), "a%20b.sdp", "a name as it is");
    assert_eq!(path("rtsp://10.0.0.1/x"), "rtsp://10.0.0.1/x");
}

#[test]
fn all_streams_of_a_description_are_meant_unless_one_is_chosen() {
    let two = description(TWO);
    let names = |text: &str| {
        let selected = select("studio.sdp", &two, &suffix(text));
        selected.map(|targets| targets.into_iter().map(|target| target.name).collect::<Vec<_>>())
    };
    assert_eq!(names("x"), Ok(vec!["Studio#1".to_owned(), "Studio#2".to_owned()]));
    assert_eq!(names("x#2"), Ok(vec!["Studio#2".to_owned()]));
    assert_eq!(
        names("x#3").unwrap_err(),
        "studio.sdp#3: there are 2 streams in it: #1 L24, 48000 Hz, 2 channels at 239.77.3.1:5004; \
         #2 L16, 48000 Hz, 8 channels at 239.77.3.1:5006"
    );
    assert_eq!(names("x?rate=48000").unwrap_err(), "studio.sdp: rate is told by the description: leave it out");
    let own = select("x", &two, &suffix("x?interface=eth1&source=10.0.0.9&domain=3#1")).unwrap().remove(0);
    assert_eq!((own.interfaces, own.domain), (vec!["eth1".to_owned()], Some(3)));
    assert_eq!(own.stream.legs[0].source, Some([10, 0, 0, 9].into()));
    // A stream that nobody can receive leaves the other one.
    let mixed = description(&TWO.replace("5006 RTP/AVP 97\r\n", "5006 RTP/AVP 97\r\nc=IN IP6 ff15::1\r\n"));
    let left = select("x", &mixed, &Suffix::default()).unwrap();
    assert_eq!((left.len(), left[0].name.as_str()), (1, "Studio#1"));
    let error = select("x", &mixed, &suffix("x#2")).unwrap_err();
    assert!(error.starts_with("x: ff15::1 is an IPv6 address"), "{error}");
}

/// Whatever `play` and `record` refuse in a description is checked by `lint`.
#[test]
fn receivers_and_lint_refuse_the_same() {
    for address in ["IN IP4 0.0.0.0", "IN IP4 255.255.255.255", "IN IP6 ff15::1", "IN IP4 192.0.2.99"] {
        let text = TWO.replace("IN IP4 239.77.3.1/32", address);
        let described = description(&text);
        let error = select("x", &described, &suffix("x#1")).unwrap_err();
        let linted = LegConfig::check_description(&described.streams[0]).unwrap_err();
        assert_eq!(error, format!("x: {linted}"));
    }
}
