//! Structures of `bass_aes67.h`, for the add-on and the examples. Their layouts are checked here
//! and, against the same numbers, by the header itself.

use std::ffi::c_char;
use std::mem::{offset_of, size_of};

/// `BASS_AES67_STATS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) size: u32,
    pub(crate) state: u32,
    pub(crate) rate_hz: u32,
    pub(crate) channels: u32,
    pub(crate) packet_frames: u32,
    pub(crate) generation: u32,
    pub(crate) on_ptp: u32,
    pub(crate) locked: u32,
    pub(crate) packets_received: u64,
    pub(crate) packets_lost: u64,
    pub(crate) packets_late: u64,
    pub(crate) packets_dropped: u64,
    pub(crate) packets_duplicate: u64,
    pub(crate) packets_reordered: u64,
    pub(crate) packets_refused: u64,
    pub(crate) packets_overflowed: u64,
    pub(crate) concealed_frames: u64,
    pub(crate) underruns: u64,
    pub(crate) jumps: u64,
    pub(crate) ratio_ppm: f64,
    pub(crate) card_ppm: f64,
    pub(crate) sender_ppm: f64,
    pub(crate) buffer_ms: f64,
    pub(crate) target_ms: f64,
    pub(crate) latency_ms: f64,
    pub(crate) jitter_ms: f64,
}

/// `BASS_AES67_OUTPUT_CONFIG_EX`: our own structure, which begins with its size.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputSettings {
    pub(crate) size: u32,
    pub(crate) port: u32,
    pub(crate) bits: u32,
    pub(crate) packet_time_us: u32,
    pub(crate) payload_type: u32,
    pub(crate) ttl: u32,
    pub(crate) domain: u32,
    pub(crate) clock: u32,
    pub(crate) flags: u32,
    pub(crate) delay_us: u32,
    pub(crate) name: *const c_char,
    pub(crate) group: *const c_char,
    pub(crate) second_group: *const c_char,
    pub(crate) interface: *const c_char,
    pub(crate) second_interface: *const c_char,
}

/// `BASS_AES67_OUTPUT_CONFIG`: the structure of the public header, which begins with a group.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainOutputSettings {
    pub(crate) group: [u8; 4],
    pub(crate) port: u16,
    pub(crate) interface: [u8; 4],
    pub(crate) payload_type: u8,
    pub(crate) channels: u16,
    pub(crate) rate_hz: u32,
    pub(crate) packet_time_us: u32,
}

/// `BASS_AES67_OUTPUT_STATS`: the structure of the public header, without a size.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlainOutputStats {
    pub(crate) packets_sent: u64,
    pub(crate) samples_sent: u64,
    pub(crate) send_errors: u64,
    pub(crate) underruns: u64,
}

/// `BASS_AES67_OUTPUT_STATS_EX`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OutputStats {
    pub(crate) size: u32,
    pub(crate) state: u32,
    pub(crate) packets: u64,
    pub(crate) send_errors: u64,
    pub(crate) skipped_packets: u64,
    pub(crate) jumps: u64,
    pub(crate) starved_frames: u64,
    pub(crate) late_us: f64,
    pub(crate) late_99_us: f64,
    pub(crate) ppm: f64,
}

/// `BASS_AES67_SOURCE`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SourceInfo {
    pub(crate) size: u32,
    pub(crate) port: u32,
    pub(crate) rate_hz: u32,
    pub(crate) channels: u32,
    pub(crate) bits: u32,
    pub(crate) payload_type: u32,
    pub(crate) packet_frames: u32,
    pub(crate) legs: u32,
    pub(crate) name: [c_char; 128],
    pub(crate) group: [c_char; 64],
    pub(crate) origin: [c_char; 64],
}

/// The form of an output's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputForm {
    /// [`OutputSettings`].
    Sized,
    /// [`PlainOutputSettings`].
    Plain,
}

impl OutputForm {
    /// The form of a configuration by its first four bytes. The plain one begins with a group,
    /// whose first byte is 224 to 239 (RFC 5771). The sized one begins with its size in the
    /// machine's byte order, of which no byte is in that range: the forms cannot be confused in
    /// either order.
    pub(crate) fn of(first: [u8; 4]) -> Option<Self> {
        match first {
            [224..=239, ..] => Some(Self::Plain),
            size if u32::from_ne_bytes(size) as usize == size_of::<OutputSettings>() => Some(Self::Sized),
            _ => None,
        }
    }
}

/// No byte of the size, in either order, begins a group; of a 32-bit library, either.
const _: () = {
    let sizes = [size_of::<OutputSettings>() as u32, 60, 80];
    let mut n = 0;
    while n < sizes.len() {
        let [first, .., last] = sizes[n].to_le_bytes();
        assert!(first >> 4 != 0xE && last >> 4 != 0xE);
        n += 1;
    }
};

/// Bytes of these structures, as in the header.
const _: () = assert!(size_of::<Stats>() == 176 && offset_of!(Stats, packets_received) == 32);
const _: () = assert!(offset_of!(Stats, ratio_ppm) == 120);
const _: () = assert!(size_of::<OutputSettings>() == 40 + 5 * size_of::<usize>());
const _: () = assert!(offset_of!(OutputSettings, name) == 40);
const _: () = assert!(size_of::<OutputStats>() == 72 && offset_of!(OutputStats, late_us) == 48);
const _: () = assert!(size_of::<SourceInfo>() == 288 && offset_of!(SourceInfo, name) == 32);
const _: () = assert!(size_of::<PlainOutputSettings>() == 24 && offset_of!(PlainOutputSettings, interface) == 6);
const _: () = assert!(offset_of!(PlainOutputSettings, channels) == 12);
const _: () = assert!(offset_of!(PlainOutputSettings, rate_hz) == 16);
const _: () = assert!(size_of::<PlainOutputStats>() == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_no_group_in_either_byte_order() {
        let size = size_of::<OutputSettings>() as u32;
        assert_eq!(OutputForm::of(size.to_ne_bytes()), Some(OutputForm::Sized));
        assert_ne!(OutputForm::of(size.to_be_bytes()), Some(OutputForm::Plain));
        for first in 0..=255 {
            let is_group = std::net::Ipv4Addr::new(first, 0, 0, 1).is_multicast();
            assert_eq!(OutputForm::of([first, 0, 0, 1]) == Some(OutputForm::Plain), is_group, "{first}");
        }
        assert_eq!(OutputForm::of([192, 168, 1, 5]), None);
        assert_eq!(OutputForm::of([0; 4]), None);
    }
}
