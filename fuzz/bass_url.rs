//! What must hold of the URLs of the BASS add-on, whatever a host gives it.
//!
//! Shared by the fuzz target, which compiles the add-on's module beside this one, and by the
//! add-on's tests.

use crate::error::code;
use crate::url::{Place, Url, is_ours, is_payload_type};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a sentence about a URL may be longer than it is told: by the list of options.
const LONGEST_REASON: usize = 400;

/// Any text is a URL within the limits of its options, or is refused with a sentence that repeats
/// it; what follows its first line is no part of it, and it means the same if its options are
/// escaped.
pub(crate) fn bass_url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let url = if is_ours(&text) { text.into_owned() } else { format!("aes67://{text}") };
    let parsed = Url::parse(&url);
    assert_eq!(Url::parse(&format!("{url}\r\nX-Header: 1")), parsed, "a header is no part of {url:?}");
    match &parsed {
        Err(error) => {
            let first_line = url.split(['\r', '\n']).next().unwrap_or_default().trim_end();
            assert_eq!(error.code, code::ILLPARAM);
            let reason = error.text.strip_prefix(first_line).and_then(|rest| rest.strip_prefix(": "));
            let reason = reason.unwrap_or_else(|| panic!("{url:?} is not what {:?} is about", error.text));
            // An option and its value are repeated at most twice; a byte may become three when it
            // is no text.
            assert!(!reason.is_empty() && reason.len() <= 6 * url.len() + LONGEST_REASON, "{reason:?}");
        }
        Ok(parsed) => {
            within_limits(parsed);
            let escaped = escaped(&url);
            assert_eq!(Url::parse(&escaped).as_ref(), Ok(parsed), "{escaped:?} is {url:?}");
        }
    }
}

fn within_limits(url: &Url) {
    let options = &url.options;
    let in_ms = |ms: Option<f64>| ms.is_none_or(|ms| (0.1..=5000.0).contains(&ms));
    assert!(in_ms(options.latency_ms) && in_ms(options.jitter_ms), "{url:?}");
    assert!(options.payload_type.is_none_or(|number| is_payload_type(number.into())), "{url:?}");
    assert!(options.domain.is_none_or(|domain| domain < 128), "{url:?}");
    assert!(options.wait_ms.is_none_or(|ms| ms <= 60_000), "{url:?}");
    assert!(url.number.is_none_or(|number| number > 0), "{url:?}");
    match &url.place {
        Place::Group { address, port } => {
            assert!(*port > 0 && url.number.is_none_or(|number| number == 1), "{url:?}");
            let stream = options.describe(*address, *port).expect("its options are within limits");
            assert!((1..=64).contains(&stream.format.channels()), "{url:?}");
            assert!(stream.packet_frames != Some(0), "{url:?}");
            assert_eq!((stream.legs.len(), stream.legs[0].port), (1, *port));
        }
        Place::File(path) => assert!(!path.as_os_str().is_empty()),
        Place::Announced(name) => assert!(!name.is_empty()),
    }
}

/// The same URL, with every value of an option escaped.
fn escaped(url: &str) -> String {
    let url = url.split(['\r', '\n']).next().unwrap_or_default().trim_end();
    let is_number = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, number) = match url.rsplit_once('#') {
        Some((rest, number)) if is_number(number) => (rest, format!("#{number}")),
        _ => (url, String::new()),
    };
    let Some((place, query)) = rest.split_once('?') else { return url.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, value)) => {
            let value = percent_decode_str(value).decode_utf8_lossy();
            format!("{key}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC))
        }
        None => pair.to_owned(),
    });
    format!("{place}?{}{number}", pairs.collect::<Vec<_>>().join("&"))
}
