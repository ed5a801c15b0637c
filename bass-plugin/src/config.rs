//! The options `BASS_CONFIG_AES67_*`.
//!
//! Model: BASS passes every option to every add-on. For unknown options and wrong types, the
//! handler returns 0, which the host receives as `BASS_ERROR_ILLPARAM`.

use crate::abi::{UNICODE, config};
use crate::api::{clock_view, thousandths};
use crate::boundary::{guarded, remember};
use crate::settings::{self, ClockChoice, Settings};
use crate::streams;
use crate::trust::{self, Keys, PROFILES};
use crate::url::is_payload_type;
use bass_ffi::text::{self, Kept, Recent};
use bass_ffi::threads::isolated;
use engine::Nanos;
use engine::ptp::unicast::UnicastMasters;
use std::ffi::c_void;
use std::net::{IpAddr, Ipv4Addr};

mod option {
    pub(super) const PT: u32 = 0x2_0000;
    pub(super) const INTERFACE: u32 = 0x2_0001;
    /// A payload type according to the first document of this interface, but milliseconds according
    /// to its header; see [`super::change_shared`].
    pub(super) const JITTER: u32 = 0x2_0002;
    pub(super) const PTP_DOMAIN: u32 = 0x2_0003;
    pub(super) const PTP_STATS: u32 = 0x2_0004;
    pub(super) const PTP_OFFSET: u32 = 0x2_0005;
    pub(super) const PTP_STATE: u32 = 0x2_0006;
    pub(super) const PTP_ENABLED: u32 = 0x2_0007;
    pub(super) const JITTER_MS: u32 = 0x2_0008;
    pub(super) const BUFFER_LEVEL: u32 = 0x2_0010;
    pub(super) const JITTER_UNDERRUNS: u32 = 0x2_0011;
    pub(super) const PACKETS_RECEIVED: u32 = 0x2_0012;
    pub(super) const PACKETS_LATE: u32 = 0x2_0013;
    pub(super) const BUFFER_PACKETS: u32 = 0x2_0014;
    pub(super) const TARGET_PACKETS: u32 = 0x2_0015;
    pub(super) const PACKET_TIME: u32 = 0x2_0016;
    pub(super) const PTP_LOCKED: u32 = 0x2_0017;
    pub(super) const PTP_FREQUENCY: u32 = 0x2_0018;
    pub(super) const CLOCK_MODE: u32 = 0x2_0019;
    pub(super) const CLOCK_FALLBACK_TIMEOUT: u32 = 0x2_001A;
    pub(super) const PTP_UNICAST_MASTERS: u32 = 0x2_001B;
    pub(super) const PTP_ACCEPT_MASTERS: u32 = 0x2_001C;
    pub(super) const PTP_ACCEPT_SOURCES: u32 = 0x2_001D;
    pub(super) const PTP_SA_FILE: u32 = 0x2_001E;
    pub(super) const PTP_PROFILE: u32 = 0x2_001F;
    pub(super) const SAP_SOURCES: u32 = 0x2_0020;
}

/// The valid values of an option, as a text for a host that has set an invalid one.
fn right(number: u32) -> Option<&'static str> {
    Some(match number {
        option::PT => "BASS_CONFIG_AES67_PT takes a payload type, 96 to 127, 10 or 11",
        option::INTERFACE => "BASS_CONFIG_AES67_INTERFACE takes a text, by BASS_SetConfigPtr",
        option::JITTER => "BASS_CONFIG_AES67_JITTER takes 1 to 5000 ms; 96 to 127 are payload types",
        option::PTP_DOMAIN => "BASS_CONFIG_AES67_PTP_DOMAIN takes 0 to 127",
        option::PTP_ENABLED => "BASS_CONFIG_AES67_PTP_ENABLED takes 0 or 1",
        option::JITTER_MS => "BASS_CONFIG_AES67_JITTER_MS takes 1 to 5000 ms",
        option::CLOCK_MODE => "BASS_CONFIG_AES67_CLOCK_MODE takes 0 to 3",
        option::CLOCK_FALLBACK_TIMEOUT => "BASS_CONFIG_AES67_CLOCK_FALLBACK_TIMEOUT takes 0 to 86400 s",
        option::PTP_UNICAST_MASTERS => {
            "BASS_CONFIG_AES67_PTP_UNICAST_MASTERS takes addresses with commas between them, by BASS_SetConfigPtr"
        }
        option::PTP_ACCEPT_MASTERS => {
            "BASS_CONFIG_AES67_PTP_ACCEPT_MASTERS takes up to 16 identities of 16 hexadecimal digits with commas between \
             them, by BASS_SetConfigPtr"
        }
        option::PTP_ACCEPT_SOURCES => {
            "BASS_CONFIG_AES67_PTP_ACCEPT_SOURCES takes up to 16 addresses with commas between them, by BASS_SetConfigPtr"
        }
        option::PTP_SA_FILE => {
            "BASS_CONFIG_AES67_PTP_SA_FILE takes the path of a file of keys, by BASS_SetConfigPtr; #1 behind it chooses its \
             association with spp 1, and #1/2 the key 2 of that one"
        }
        option::PTP_PROFILE => "BASS_CONFIG_AES67_PTP_PROFILE takes 0 to 2",
        option::SAP_SOURCES => {
            "BASS_CONFIG_AES67_SAP_SOURCES takes up to 16 addresses with commas between them, by BASS_SetConfigPtr"
        }
        option::PTP_STATS..=option::PTP_STATE | option::BUFFER_LEVEL..=option::PTP_FREQUENCY => "it can only be read",
        _ => return None,
    })
}

/// Stores the text of a refusal; BASS reports the number of the error. Nothing is stored for
/// unknown options, which may belong to another add-on.
fn refuse(number: u32, what: &str) {
    if let Some(right) = right(number) {
        remember(format!("option {number:#x} refuses {what}: {right}"));
    }
}

/// The value of `BASS_CONFIG_AES67_PT` if it has not been set.
const PAYLOAD_TYPE: u8 = 96;
/// Range of depths, in ms.
const JITTERS_MS: std::ops::RangeInclusive<u32> = 1..=5000;
/// Longest fallback time, s: a day.
const MOST_FALLBACK_S: u32 = 86_400;
/// The largest buffer level that is reported, in %.
const MOST_LEVEL: i64 = 200;

static NAMES: Kept = Kept::new();
static MASTERS: Kept = Kept::new();
static ACCEPTED: [Kept; 4] = [Kept::new(), Kept::new(), Kept::new(), Kept::new()];
static STATUS: Recent = Recent::new();

/// The handler of our options, which BASS calls.
///
/// # Safety
/// The value must be of the kind that the flags state, as BASS guarantees.
pub(crate) unsafe extern "system" fn handle(option: u32, flags: u32, value: *mut c_void) -> i32 {
    let (number, wide) = (option & !UNICODE, option & UNICODE != 0);
    let done = guarded(None, || match flags & (config::SET | config::POINTER) {
        // SAFETY: BASS provides a pointer to the number.
        config::SET if !wide && !value.is_null() => set_number(number, unsafe { value.cast::<u32>().read_unaligned() }),
        0 if !wide && !value.is_null() => {
            let answer = number_of(number)?;
            // SAFETY: BASS provides a place for the number.
            unsafe { value.cast::<u32>().write_unaligned(answer) };
            Some(())
        }
        // SAFETY: the value is the host's string or null, and is read only if the option takes a
        // string.
        both if both == config::SET | config::POINTER => unsafe { set_text(number, value, wide) },
        config::POINTER if !value.is_null() => {
            let answer = text_of(number, wide)?;
            // SAFETY: BASS provides a place for the pointer.
            unsafe { value.cast::<*const c_void>().write_unaligned(answer) };
            Some(())
        }
        _ => None,
    });
    i32::from(done.is_some())
}

fn set_number(number: u32, value: u32) -> Option<()> {
    let done = settings::change(|settings| change(settings, number, value));
    if done.is_none() {
        refuse(number, &format!("the number {value}"));
    }
    done
}

fn change(settings: &mut Settings, number: u32, value: u32) -> Option<()> {
    match number {
        option::PT if is_payload_type(value) => settings.payload_type = Some(value as u8),
        option::JITTER => change_shared(settings, value)?,
        option::PTP_DOMAIN if value < 128 => settings.domain = value as u8,
        option::PTP_ENABLED if value < 2 => settings.ptp_enabled = value == 1,
        option::JITTER_MS if JITTERS_MS.contains(&value) => settings.jitter_ms = value,
        option::CLOCK_MODE => settings.clock_mode = ClockChoice::from_number(value)?,
        option::CLOCK_FALLBACK_TIMEOUT if value <= MOST_FALLBACK_S => settings.fallback_s = value,
        option::PTP_PROFILE if PROFILES.get(value as usize).is_some() => settings.trust.profile = value as usize,
        _ => return None,
    }
    Some(())
}

/// Sets option 0x20002: a value that is a dynamic payload type sets the payload type, and all other
/// values are milliseconds. Reading the option returns the value that was set last.
fn change_shared(settings: &mut Settings, value: u32) -> Option<()> {
    settings.shared_is_payload_type = match value {
        96..=127 => {
            settings.payload_type = Some(value as u8);
            true
        }
        _ if JITTERS_MS.contains(&value) => {
            settings.jitter_ms = value;
            false
        }
        _ => return None,
    };
    Some(())
}

/// # Safety
/// The value must be null or a string of the host, with 16-bit units if `wide`.
unsafe fn set_text(number: u32, value: *const c_void, wide: bool) -> Option<()> {
    // SAFETY: the caller guarantees this.
    match unsafe { change_text(number, value, wide) } {
        Ok(()) => return Some(()),
        Err(Some(reason)) => remember(format!("option {number:#x} refuses this text: {reason}")),
        Err(None) => refuse(number, "this text"),
    }
    None
}

/// Sets a text option. The error contains a reason, unless a list of the valid values is
/// sufficient.
///
/// # Safety
/// The same as for [`set_text`].
unsafe fn change_text(number: u32, value: *const c_void, wide: bool) -> Result<(), Option<String>> {
    let is_trust = matches!(number, option::PTP_ACCEPT_MASTERS..=option::PTP_SA_FILE | option::SAP_SOURCES);
    if !is_trust && !matches!(number, option::INTERFACE | option::PTP_UNICAST_MASTERS) {
        return Err(None);
    }
    // SAFETY: the caller guarantees this.
    let text = unsafe { text::from_host(value, wide) };
    if text.is_none() && !value.is_null() {
        return Err(None);
    }
    let text = text.filter(|text| !text.is_empty());
    match number {
        option::INTERFACE => settings::change(|settings| settings.interface = text),
        option::PTP_UNICAST_MASTERS => {
            let masters = text.map(|text| unicast_masters(&text).ok_or(None)).transpose()?;
            settings::change(|settings| settings.unicast_masters = masters);
        }
        _ => change_trust(number, text.as_deref().unwrap_or_default())?,
    }
    Ok(())
}

/// Sets one of the options that restrict which masters, sources and announcers are accepted.
fn change_trust(number: u32, text: &str) -> Result<(), Option<String>> {
    let mut trust = settings::get().trust;
    match number {
        option::PTP_ACCEPT_MASTERS => trust.masters = trust::list(text).ok_or(None)?,
        option::PTP_ACCEPT_SOURCES => trust.sources = trust::list(text).ok_or(None)?,
        option::SAP_SOURCES => trust.announcers = trust::list(text).ok_or(None)?,
        _ => trust.keys = Some(text).filter(|text| !text.is_empty()).map(Keys::read).transpose()?,
    }
    settings::change(|settings| settings.trust = trust);
    Ok(())
}

/// Parses addresses separated by commas; `None` if one is invalid, or there are too many.
fn unicast_masters(text: &str) -> Option<UnicastMasters> {
    let address = |word: &str| word.trim().parse::<Ipv4Addr>().ok().filter(|address| !address.is_multicast());
    let addresses: Option<Vec<IpAddr>> = text.split(',').map(|word| address(word).map(IpAddr::V4)).collect();
    UnicastMasters::new(&addresses?)
}

fn text_of(number: u32, wide: bool) -> Option<*const c_void> {
    match number {
        option::INTERFACE => Some(NAMES.hand_out(&settings::get().interface.unwrap_or_default(), wide)),
        option::PTP_UNICAST_MASTERS => {
            let masters = settings::get().unicast_masters.unwrap_or_default();
            let addresses: Vec<String> = masters.iter().map(|address| address.to_string()).collect();
            Some(MASTERS.hand_out(&addresses.join(","), wide))
        }
        option::PTP_ACCEPT_MASTERS => Some(ACCEPTED[0].hand_out(&trust::text(&settings::get().trust.masters), wide)),
        option::PTP_ACCEPT_SOURCES => Some(ACCEPTED[1].hand_out(&trust::text(&settings::get().trust.sources), wide)),
        option::PTP_SA_FILE => {
            let named = settings::get().trust.keys.map(|keys| keys.named).unwrap_or_default();
            Some(ACCEPTED[2].hand_out(&named, wide))
        }
        option::SAP_SOURCES => Some(ACCEPTED[3].hand_out(&trust::text(&settings::get().trust.announcers), wide)),
        option::PTP_STATS => Some(STATUS.hand_out(&clock_view().text, wide)),
        _ => None,
    }
}

fn number_of(number: u32) -> Option<u32> {
    let settings = settings::get();
    let view = clock_view;
    let payload_type = u32::from(settings.payload_type.unwrap_or(PAYLOAD_TYPE));
    Some(match number {
        option::PT => payload_type,
        option::JITTER if settings.shared_is_payload_type => payload_type,
        option::PTP_DOMAIN => u32::from(settings.domain),
        option::PTP_OFFSET => view().offset_ns as u32,
        option::PTP_STATE => view().state,
        option::PTP_ENABLED => u32::from(settings.ptp_enabled),
        option::JITTER | option::JITTER_MS => settings.jitter_ms,
        option::PTP_LOCKED => u32::from(view().locked),
        option::PTP_FREQUENCY => thousandths(view().frequency_ppm),
        option::CLOCK_MODE => settings.clock_mode.number(),
        option::CLOCK_FALLBACK_TIMEOUT => settings.fallback_s,
        option::PTP_PROFILE => settings.trust.profile as u32,
        option::JITTER_UNDERRUNS..=option::PACKETS_LATE => isolated(|| of_all_streams(number)),
        option::BUFFER_LEVEL..=option::PACKET_TIME => isolated(|| of_newest_stream(number)),
        _ => return None,
    })
}

/// A count summed over all streams.
fn of_all_streams(number: u32) -> u32 {
    let counts = streams::counts();
    (match number {
        option::JITTER_UNDERRUNS => counts.underruns,
        option::PACKETS_RECEIVED => counts.received,
        _ => counts.late,
    }) as u32
}

/// A value of the buffer of the newest stream; 0 if there is no stream.
fn of_newest_stream(number: u32) -> u32 {
    let Some(stream) = streams::newest() else { return 0 };
    let Some(status) = stream.status() else { return 0 };
    let packet_time = stream.packet_time(&status);
    match number {
        option::BUFFER_LEVEL => level_percent(stream.waiting(), status.playout.target_depth),
        option::BUFFER_PACKETS => ratio(stream.waiting(), packet_time) as u32,
        option::TARGET_PACKETS => ratio(status.playout.target_depth, packet_time) as u32,
        _ => (packet_time.as_nanos() / 1000) as u32,
    }
}

/// The audio in the buffer, in % of the target.
fn level_percent(waiting: Nanos, target: Nanos) -> u32 {
    ratio(waiting, Nanos::new(target.as_nanos() / 100)).clamp(0, MOST_LEVEL) as u32
}

/// The rounded quotient; 0 if the divisor is not positive.
fn ratio(value: Nanos, unit: Nanos) -> i64 {
    let unit = unit.as_nanos();
    if unit > 0 { (value.as_nanos() + unit / 2) / unit } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundary::last_text;
    use std::ptr::null_mut;

    fn set(option: u32, mut value: u32) -> i32 {
        // SAFETY: a pointer to a number, as BASS gives.
        unsafe { handle(option, config::SET, (&raw mut value).cast()) }
    }

    fn get(option: u32) -> Option<u32> {
        let mut value = [0xAAAA_AAAA_u32; 2];
        // SAFETY: a place for a number, as BASS gives.
        let done = unsafe { handle(option, 0, value.as_mut_ptr().cast()) };
        assert_eq!(value[1], 0xAAAA_AAAA, "only 4 bytes are written");
        (done == 1).then_some(value[0])
    }

    /// One test, because there is one set of options in a process.
    #[test]
    fn options_have_their_kinds_and_limits() {
        numbers();
        one_number_has_two_meanings();
        texts_come_and_go_in_both_forms();
    }

    fn numbers() {
        for (option, good, bad) in [
            (option::PT, &[96, 127, 10, 11][..], &[0, 9, 12, 95, 128, u32::MAX][..]),
            (option::PTP_DOMAIN, &[0, 127], &[128, u32::MAX]),
            (option::PTP_ENABLED, &[0, 1], &[2]),
            (option::JITTER, &[1, 10, 95, 128, 5000, 96, 127, 40], &[0, 5001]),
            (option::JITTER_MS, &[1, 97, 5000, 40], &[0, 5001]),
            (option::CLOCK_MODE, &[1, 2, 3, 0], &[4]),
            (option::CLOCK_FALLBACK_TIMEOUT, &[0, 86_400, 5], &[86_401]),
            (option::PTP_PROFILE, &[1, 2, 0], &[3, u32::MAX]),
        ] {
            for &value in good {
                assert_eq!((set(option, value), get(option)), (1, Some(value)), "{option:#x}");
            }
            let before = get(option);
            for &value in bad {
                assert_eq!((set(option, value), get(option)), (0, before), "{option:#x} = {value}");
                let words = last_text();
                assert!(words.starts_with(&format!("option {option:#x} refuses the number {value}: BASS_")), "{words}");
            }
        }
        for option in (option::BUFFER_LEVEL..=option::PTP_FREQUENCY).chain([option::PTP_OFFSET, option::PTP_STATE]) {
            assert_eq!((set(option, 1), get(option).is_some()), (0, true), "{option:#x} is read only");
        }
        for option in [0, 1, 0x2_0009, 0x2_000F, 0x2_001B, 0x2_001C, 0x2_0021, option::INTERFACE, option::PTP_STATS] {
            assert_eq!((set(option, 1), get(option)), (0, None), "{option:#x} is no number");
        }
    }

    fn one_number_has_two_meanings() {
        assert_eq!((set(option::PT, 98), set(option::JITTER, 20)), (1, 1));
        assert_eq!([option::PT, option::JITTER, option::JITTER_MS].map(get), [98, 20, 20].map(Some));
        assert_eq!(set(option::JITTER, 101), 1);
        assert_eq!([option::PT, option::JITTER, option::JITTER_MS].map(get), [101, 101, 20].map(Some));
        assert_eq!((set(option::PT, 99), set(option::JITTER_MS, 110)), (1, 1));
        assert_eq!([option::PT, option::JITTER, option::JITTER_MS].map(get), [99, 99, 110].map(Some));
        for (value, is_payload_type) in [(95, false), (96, true), (127, true), (128, false)] {
            assert_eq!([set(option::PT, 99), set(option::JITTER_MS, 30), set(option::JITTER, value)], [1; 3]);
            let expected = if is_payload_type { [value, 30] } else { [99, value] };
            assert_eq!([option::PT, option::JITTER_MS].map(get), expected.map(Some), "{value}");
        }
        assert_eq!(set(option::PT, 99), 1);
        // Static payload types are milliseconds there.
        assert_eq!(set(option::JITTER, 11), 1);
        assert_eq!([option::PT, option::JITTER, option::JITTER_MS].map(get), [99, 11, 11].map(Some));
        assert_eq!(set(option::JITTER, 40), 1);
    }

    fn believe() {
        let both = config::SET | config::POINTER;
        let mut pointer: *const c_void = std::ptr::null();
        let place = (&raw mut pointer).cast::<c_void>();
        for (option, good, told, wrong, reason) in [
            (
                option::PTP_ACCEPT_MASTERS,
                c"00-1B-21-FF-FE-0A-67-01",
                "001b21fffe0a6701",
                c"1b",
                "takes up to 16 identities",
            ),
            (
                option::PTP_ACCEPT_SOURCES,
                c"10.0.0.1, 10.0.0.2",
                "10.0.0.1,10.0.0.2",
                c"host",
                "takes up to 16 addresses",
            ),
            (option::SAP_SOURCES, c"10.0.0.9", "10.0.0.9", c"::1", "takes up to 16 addresses"),
            (option::PTP_SA_FILE, c"", "", c"/nowhere/keys", "/nowhere/keys: "),
        ] {
            // SAFETY: strings that end in a zero, and a place for a pointer.
            unsafe {
                assert_eq!(handle(option, both, good.as_ptr().cast_mut().cast()), 1, "{option:#x}");
                assert_eq!(handle(option, both, wrong.as_ptr().cast_mut().cast()), 0, "{option:#x}");
                assert!(last_text().contains(reason), "{}", last_text());
                assert_eq!(handle(option, config::POINTER, place), 1);
                assert_eq!(text::from_host(pointer, false).unwrap(), told);
                assert_eq!(handle(option, both, null_mut()), 1, "everybody");
                assert_eq!(handle(option, config::POINTER, place), 1);
                assert_eq!(text::from_host(pointer, false).unwrap(), "");
            }
        }
        assert_eq!(settings::get().trust, trust::Trust::NEW);
    }

    fn texts_come_and_go_in_both_forms() {
        let name = c"eth0";
        let wide: Vec<u16> = "Ethernet δ\0".encode_utf16().collect();
        let mut pointer: *const c_void = std::ptr::null();
        let place = (&raw mut pointer).cast::<c_void>();
        let both = config::SET | config::POINTER;
        // SAFETY: strings that end in a zero, and a place for a pointer.
        unsafe {
            assert_eq!(handle(option::INTERFACE, both, name.as_ptr().cast_mut().cast()), 1);
            assert_eq!(handle(option::INTERFACE, config::POINTER, place), 1);
            assert_eq!(text::from_host(pointer, false).unwrap(), "eth0");
            assert_eq!(handle(option::INTERFACE | UNICODE, both, wide.as_ptr().cast_mut().cast()), 1);
            assert_eq!(handle(option::INTERFACE | UNICODE, config::POINTER, place), 1);
            assert_eq!(text::from_host(pointer, true).unwrap(), "Ethernet δ");
            assert_eq!(handle(option::INTERFACE, both, null_mut()), 1, "any interface");
            assert_eq!(handle(option::INTERFACE, config::POINTER, place), 1);
            assert_eq!(text::from_host(pointer, false).unwrap(), "");
            assert_eq!(handle(option::PTP_STATS, config::POINTER, place), 1);
            assert_eq!(text::from_host(pointer, false).unwrap(), "Listening: nothing is open yet");
            assert_eq!(handle(option::PTP_STATS, both, name.as_ptr().cast_mut().cast()), 0);
            assert_eq!(handle(option::JITTER, both, name.as_ptr().cast_mut().cast()), 0);
            let set =
                |text: &std::ffi::CStr| handle(option::PTP_UNICAST_MASTERS, both, text.as_ptr().cast_mut().cast());
            assert_eq!(set(c"10.0.0.1, 10.0.0.2"), 1);
            for refused in [c"10.0.0.x", c"10.0.0.1,", c"224.0.1.129"] {
                assert_eq!(set(refused), 0, "{refused:?}");
            }
            assert_eq!(handle(option::PTP_UNICAST_MASTERS, config::POINTER, place), 1);
            assert_eq!(text::from_host(pointer, false).unwrap(), "10.0.0.1,10.0.0.2");
            assert_eq!(set(c""), 1);
            assert!(settings::get().unicast_masters.is_none());
            believe();
            for flags in 0..8 {
                assert_eq!(handle(option::JITTER, flags, null_mut()), 0);
            }
        }
    }
}
