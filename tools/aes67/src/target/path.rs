//! Recognises texts that are mistyped files or URLs rather than stream names, so that no command
//! waits for their announcement.

use std::net::{IpAddr, SocketAddr};

/// The schemes of URLs.
const SCHEMES: [&str; 6] = ["aes67", "rtp", "rtsp", "sdp", "file", "livewire"];
/// Maximum length of a file name extension.
const LONGEST_ENDING: usize = 4;

/// Why a text is probably not the name of a stream; `None` if it may be one.
pub(super) fn is_meant(text: &str) -> Option<String> {
    if text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok() {
        return Some(format!("an address alone says nothing of the stream; right would be aes67://{text}"));
    }
    let lower = text.to_ascii_lowercase();
    let rest = SCHEMES.iter().find_map(|scheme| Some((scheme, lower.strip_prefix(scheme)?)));
    if let Some((scheme, rest)) = rest.filter(|(_, rest)| rest.starts_with([':', '/', '\\'])) {
        let rest = rest.trim_start_matches([':', '/', '\\']);
        return Some(match *scheme {
            "livewire" => "a channel of Livewire is given as livewire:6031".to_owned(),
            scheme => format!("this is no {scheme}:// URL; right would be {scheme}://{rest}"),
        });
    }
    let has_drive = lower.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && lower.get(1..3) == Some(":\\");
    (lower.starts_with(['/', '\\', '.', '~']) || has_drive).then(|| {
        "there is no such file; a stream that is announced by such a name is given as aes67://sap/NAME".to_owned()
    })
}

/// Whether a text is more likely a file than the name of a stream, although it may be either.
pub(super) fn may_be_meant(text: &str) -> bool {
    let ending = text.rsplit_once('.').map_or("", |(_, ending)| ending);
    let has_ending = (1..=LONGEST_ENDING).contains(&ending.len())
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && ending.bytes().any(|byte| byte.is_ascii_alphabetic());
    has_ending || text.contains(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_no_name_is_told_with_what_would_be_right() {
        for (text, right) in [
            ("239.69.1.1", "right would be aes67://239.69.1.1"),
            ("239.69.1.1:5004", "right would be aes67://239.69.1.1:5004"),
            ("AES67:/239.1.1.1", "right would be aes67://239.1.1.1"),
            ("aes67//239.1.1.1?channels=2", "right would be aes67://239.1.1.1?channels=2"),
            ("rtsp:10.0.0.1/by-name/x", "right would be rtsp://10.0.0.1/by-name/x"),
            ("Livewire/6031", "livewire:6031"),
            ("./studoi", "there is no such file"),
            ("/srv/streams/studoi", "there is no such file"),
            ("~/studoi", "there is no such file"),
            ("C:\\streams\\studoi", "there is no such file"),
        ] {
            let reason = is_meant(text).unwrap_or_else(|| panic!("{text} is a name?"));
            assert!(reason.contains(right), "{text}: {reason}");
        }
    }

    #[test]
    fn names_of_streams_are_names() {
        for name in
            ["Studio 1", "Stage/FOH 1", "AVIO-1 : 32", "Rtp main", "sdp", "Mix 1.5", "10.1", "a", "\u{e9}t\u{e9}"]
        {
            assert_eq!(is_meant(name), None, "{name}");
        }
        for (text, expected) in
            [("studio.spd", true), ("streams/studio", true), ("Mix 1.5", false), ("Studio 1", false)]
        {
            assert_eq!(may_be_meant(text), expected, "{text}");
        }
    }
}
