//! Requests the description of a stream from the device that sends it, by RTSP's DESCRIBE
//! (RFC 2326, 10.2).
//!
//! RAVENNA devices serve the description of each of their streams as `rtsp://host/by-name/NAME` and
//! `rtsp://host/by-id/NUMBER`. RTSP does not set up the stream here, because such a stream is
//! joined like any other. There is one request and one answer, limited to 5 s and 24 KiB.
//! Redirections are followed.

use crate::clock;
use engine::announce::sdp::MAX_TEXT;
use engine::{LocalTime, Nanos};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;
use thiserror::Error;

/// The TCP port (RFC 2326, 3.2).
const PORT: u16 = 554;
/// Time limit for the whole exchange. A device on the same network answers within milliseconds.
const TIMEOUT: Nanos = Nanos::from_secs(5);
/// Maximum length of an answer, with header and body, bytes.
const MAX_ANSWER: usize = 8 * 1024 + MAX_TEXT;
/// Characters that are escaped in a path, besides non-ASCII characters. Stream names may contain
/// blanks.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ');
/// Maximum number of redirections that are followed.
const MAX_REDIRECTS: usize = 3;

/// Why a description could not be obtained.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RtspError {
    /// The text is not an RTSP URL.
    #[error("{0} is not the address of a description; write rtsp://HOST/by-name/NAME or rtsp://HOST:554/by-id/1")]
    Url(String),
    /// The host in the URL cannot be resolved.
    #[error("{url}: the host {host} is not known: {reason}")]
    Host {
        /// The URL.
        url: String,
        /// Its host.
        host: String,
        /// The system's message.
        reason: String,
    },
    /// The connection could not be established, or was lost.
    #[error("{url}: {source}")]
    Connection {
        /// The URL.
        url: String,
        /// The system's message.
        source: io::Error,
    },
    /// No complete answer arrived in time.
    #[error("{0}: no answer within {timeout} s", timeout = TIMEOUT.as_secs_f64())]
    Timeout(String),
    /// The answer is not RTSP, or far too long.
    #[error("{url}: {reason}")]
    Answer {
        /// The URL.
        url: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The device refuses the request.
    #[error("{url}: the device answers {status}{}", advice(.status))]
    Refused {
        /// The URL.
        url: String,
        /// Status code and reason.
        status: String,
    },
}

/// Advice for the user about a status.
fn advice(status: &str) -> &'static str {
    match status.get(..3) {
        Some("401" | "403") => ": it asks for a password, which is not given here; save its SDP in a file instead",
        Some("404") => ": it has no stream of that name",
        _ => "",
    }
}

/// Requests the description at a URL.
///
/// # Errors
/// [`RtspError`] if the description cannot be obtained.
pub fn describe(url: &str) -> Result<Vec<u8>, RtspError> {
    let ends = clock::now() + TIMEOUT;
    let mut url = url.to_owned();
    for _ in 0..=MAX_REDIRECTS {
        match ask(&url, ends)? {
            Answer::Description(text) => return Ok(text),
            Answer::Elsewhere(other) => url = other,
        }
    }
    Err(RtspError::Answer { url, reason: "the device names one other address after another" })
}

/// A parsed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    host: String,
    port: u16,
    /// The URL as it is written in a request.
    request: String,
}

fn parse(url: &str) -> Result<Url, RtspError> {
    let wrong = || RtspError::Url(url.to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let (place, path) = rest.split_once('/').map_or((rest, ""), |(place, path)| (place, path));
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?)
        }
        _ => (place, PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if !scheme.eq_ignore_ascii_case("rtsp") || host.is_empty() {
        return Err(wrong());
    }
    let escaped = utf8_percent_encode(path, ESCAPED);
    Ok(Url { host: host.to_owned(), port, request: format!("rtsp://{place}/{escaped}") })
}

enum Answer {
    Description(Vec<u8>),
    /// The URL of a redirection.
    Elsewhere(String),
}

fn ask(url: &str, ends: LocalTime) -> Result<Answer, RtspError> {
    let parsed = parse(url)?;
    let broken = |source: io::Error| match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => RtspError::Timeout(url.to_owned()),
        _ => RtspError::Connection { url: url.to_owned(), source },
    };
    let left = || {
        let left = u64::try_from((ends - clock::now()).as_nanos()).ok().filter(|ns| *ns > 0);
        left.map(Duration::from_nanos).ok_or_else(|| RtspError::Timeout(url.to_owned()))
    };
    let addresses = (parsed.host.as_str(), parsed.port).to_socket_addrs();
    let unknown = |reason: String| RtspError::Host { url: url.to_owned(), host: parsed.host.clone(), reason };
    let addresses: Vec<SocketAddr> = addresses.map_err(|error| unknown(error.to_string()))?.collect();
    let v4_first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let address = v4_first.ok_or_else(|| unknown("it has no address".to_owned()))?;
    let mut stream = TcpStream::connect_timeout(address, left()?).map_err(broken)?;
    stream.set_write_timeout(Some(left()?)).map_err(broken)?;
    let (request, version) = (&parsed.request, env!("CARGO_PKG_VERSION"));
    let request = format!(
        "DESCRIBE {request} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\nUser-Agent: aes67/{version}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(broken)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        stream.set_read_timeout(Some(left()?)).map_err(broken)?;
        let length = stream.read(&mut buffer).map_err(broken)?;
        answer.extend_from_slice(&buffer[..length]);
        match Header::parse(&answer).map_err(|reason| RtspError::Answer { url: url.to_owned(), reason })? {
            Some(header) if header.is_whole(answer.len()) || length == 0 => return header.answer(url, &answer),
            None if length == 0 => {
                return Err(RtspError::Answer { url: url.to_owned(), reason: "the connection ends before an answer" });
            }
            _ if answer.len() > MAX_ANSWER => {
                return Err(RtspError::Answer {
                    url: url.to_owned(),
                    reason: "the answer is longer than a description",
                });
            }
            _ => {}
        }
    }
}

/// The header of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// Status code and reason.
    status: String,
    /// Where the body begins.
    body: usize,
    /// Length of the body in bytes; if it is missing, the body ends when the connection is closed.
    length: Option<usize>,
    location: Option<String>,
}

impl Header {
    /// Parses the header; `None` while it is incomplete.
    fn parse(answer: &[u8]) -> Result<Option<Self>, &'static str> {
        let start = &answer[..answer.len().min(5)];
        if !b"RTSP/".starts_with(start) {
            return Err("this is no answer of RTSP");
        }
        let end = |pattern: &[u8]| {
            answer.windows(pattern.len()).position(|window| window == pattern).map(|at| (at, at + pattern.len()))
        };
        let Some((end, body)) = end(b"\r\n\r\n").or_else(|| end(b"\n\n")) else { return Ok(None) };
        let text = String::from_utf8_lossy(&answer[..end]);
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split_once(' ')).map_or("", |(_, status)| status.trim());
        let mut header = Self { status: status.to_owned(), body, length: None, location: None };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "content-length" => header.length = value.trim().parse().ok(),
                "location" | "content-location" if header.status.starts_with('3') => {
                    header.location = Some(value.trim().to_owned());
                }
                _ => {}
            }
        }
        Ok(Some(header))
    }

    /// Whether the answer is complete. Only a successful answer has a body: it must have its full
    /// length or, if the length is missing, ends with the connection.
    fn is_whole(&self, available: usize) -> bool {
        !self.status.starts_with("200") || self.length.is_some_and(|length| available - self.body >= length)
    }

    fn answer(self, url: &str, answer: &[u8]) -> Result<Answer, RtspError> {
        let wrong = |reason| RtspError::Answer { url: url.to_owned(), reason };
        if self.status.starts_with('3') {
            return self.location.map(Answer::Elsewhere).ok_or_else(|| wrong("the device names no other address"));
        }
        if !self.status.starts_with("200") {
            return Err(RtspError::Refused { url: url.to_owned(), status: self.status });
        }
        let body = &answer[self.body..];
        match self.length {
            Some(length) if body.len() < length => Err(wrong("the connection ends within the description")),
            Some(length) => Ok(Answer::Description(body[..length].to_vec())),
            None => Ok(Answer::Description(body.to_vec())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread::{JoinHandle, spawn};

    /// A device that gives one answer after another, each in the given pieces; returns the requests
    /// that it got.
    fn device(answers: Vec<Vec<Vec<u8>>>) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = spawn(move || {
            let answer = |pieces: Vec<Vec<u8>>| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).unwrap();
                for piece in pieces {
                    // The client may have disconnected because it has read enough.
                    let _ = stream.write_all(&piece);
                    std::thread::sleep(Duration::from_millis(5));
                }
                String::from_utf8_lossy(&request[..length]).into_owned()
            };
            answers.into_iter().map(answer).collect()
        });
        (host, asked)
    }

    fn one(answer: &[u8]) -> Vec<Vec<Vec<u8>>> {
        vec![vec![answer.to_vec()]]
    }

    #[test]
    fn a_description_is_asked_for_and_read() {
        let answer =
            b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\nmore";
        let pieces = answer.chunks(7).map(<[u8]>::to_vec).collect();
        let (host, asked) = device(vec![pieces]);
        let url = format!("rtsp://{host}/by-name/Studio 1 S\u{fc}d");
        assert_eq!(describe(&url).unwrap(), b"v=0\r\n");
        let asked = asked.join().unwrap();
        assert!(
            asked[0].starts_with(&format!("DESCRIBE rtsp://{host}/by-name/Studio%201%20S%C3%BCd RTSP/1.0\r\n")),
            "{asked:?}"
        );
        assert!(asked[0].ends_with("\r\n\r\n"));
        // Without a length the body ends with the connection.
        let (host, _) = device(one(b"RTSP/1.0 200 OK\nCSeq: 1\n\nv=0\n"));
        assert_eq!(describe(&format!("RTSP://{host}/")).unwrap(), b"v=0\n");
    }

    #[test]
    fn another_address_is_asked_in_turn_and_not_for_ever() {
        let (there, _) = device(one(b"RTSP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nv=0\r\n"));
        let moved = |to: &str| format!("RTSP/1.0 302 Found\r\nLocation: rtsp://{to}/x\r\n\r\n").into_bytes();
        let (here, _) = device(one(&moved(&there)));
        assert_eq!(describe(&format!("rtsp://{here}/by-id/1")).unwrap(), b"v=0\r\n");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let to = host.clone();
        spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.unwrap().write_all(&moved(&to));
            }
        });
        let error = describe(&format!("rtsp://{host}/x")).unwrap_err().to_string();
        assert!(error.ends_with("the device names one other address after another"), "{error}");
    }

    #[test]
    fn whatever_goes_wrong_is_one_sentence() {
        let told = |answer: &[u8]| {
            let (host, _) = device(one(answer));
            describe(&format!("rtsp://{host}/x")).unwrap_err().to_string()
        };
        let cases: [(&[u8], &str); 6] = [
            (b"RTSP/1.0 404 Stream Not Found\r\n\r\n", "answers 404 Stream Not Found: it has no stream of that name"),
            (b"RTSP/1.0 401 Unauthorized\r\n\r\n", "save its SDP in a file instead"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "this is no answer of RTSP"),
            (b"RTSP/1.0 200 OK\r\nContent-Length: 50\r\n\r\nv=0", "the connection ends within the description"),
            (b"", "the connection ends before an answer"),
            (b"RTSP/1.0 302 Found\r\n\r\n", "the device names no other address"),
        ];
        for (answer, expected) in cases {
            let error = told(answer);
            assert!(error.ends_with(expected), "{error}");
        }
        let endless = told(&[b"RTSP/1.0 200 OK\r\n\r\n", &vec![b'x'; 2 * MAX_ANSWER][..]].concat());
        assert!(endless.ends_with("the answer is longer than a description"), "{endless}");
        for url in ["rtsp://", "rtsp://:554/x", "http://10.0.0.1/x", "rtsp://10.0.0.1:0/x", "rtsp://10.0.0.1:99999/x"] {
            assert!(matches!(describe(url), Err(RtspError::Url(_))), "{url}");
        }
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert!(matches!(describe(&format!("rtsp://{gone}/x")), Err(RtspError::Connection { .. })));
    }

    #[test]
    fn urls_have_a_host_and_perhaps_a_port() {
        let of = |url: &str| parse(url).map(|url| (url.host, url.port)).unwrap();
        assert_eq!(of("rtsp://10.0.0.1/by-name/x"), ("10.0.0.1".to_owned(), 554));
        assert_eq!(of("rtsp://desk.local:8554"), ("desk.local".to_owned(), 8554));
        assert_eq!(of("rtsp://[fe80::1]:8554/x"), ("fe80::1".to_owned(), 8554));
    }
}
