//! The functions for the list of announced streams.

use super::{text_from, write_sized};
use crate::boundary::{guarded, report, report_isolated};
use crate::discovery;
use crate::error::{BassError, code};
use crate::layout::SourceInfo;
use crate::settings;
use bass_ffi::text::copy_into;
use bass_ffi::threads::isolated;
use engine::announce::sdp::{Description, StreamDescription};
use engine::rtp::format::Encoding;
use std::ffi::c_char;

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_DiscoveryStart(interface: *const c_char) -> i32 {
    guarded(0, || {
        // SAFETY: the C header requires the host to guarantee this.
        let wanted = unsafe { text_from(interface) };
        let start = || settings::get().interface(wanted.as_deref()).and_then(discovery::start);
        i32::from(report_isolated(start).is_some())
    })
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_DiscoveryStop() -> i32 {
    let stop =
        || discovery::stop().then_some(()).ok_or_else(|| BassError::new(code::NOTAVAIL, "discovery is not running"));
    guarded(0, || i32::from(report_isolated(stop).is_some()))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_DiscoveryCount() -> u32 {
    guarded(0, || report_isolated(streams).map_or(0, |streams| streams.len() as u32))
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_DiscoveryGet(index: u32, out: *mut SourceInfo) -> i32 {
    guarded(0, || {
        let found = isolated(streams).and_then(|streams| {
            let found = streams.get(index as usize).cloned();
            found.ok_or_else(|| {
                BassError::parameter(format!("there is no stream {index}; counted from 0 there are {}", streams.len()))
            })
        });
        // SAFETY: the C header requires the host to guarantee this.
        let filled =
            found.and_then(|(description, stream)| unsafe { write_sized(out, info_of(&description, &stream)) });
        i32::from(report(filled).is_some())
    })
}

fn streams() -> Result<Vec<(Description, StreamDescription)>, BassError> {
    let sessions = discovery::sessions()?;
    let each = sessions.into_iter().flat_map(|(_, entry)| {
        let description = entry.description;
        let streams = description.streams.clone();
        let several = streams.len() > 1;
        (1..).zip(streams).map(move |(number, stream)| {
            let mut description = description.clone();
            if several {
                // The name gets the form by which a URL selects the stream.
                description.name += &format!("#{number}");
            }
            (description, stream)
        })
    });
    Ok(each.collect())
}

fn info_of(description: &Description, stream: &StreamDescription) -> SourceInfo {
    let leg = stream.legs.first();
    let mut info = SourceInfo {
        size: 0,
        port: leg.map_or(0, |leg| u32::from(leg.port)),
        rate_hz: stream.format.sample_rate().as_hz(),
        channels: stream.format.channels() as u32,
        bits: match stream.format.encoding() {
            Encoding::L16 => 16,
            Encoding::L24 => 24,
        },
        payload_type: u32::from(stream.payload_type),
        packet_frames: stream.packet_frames.unwrap_or(0) as u32,
        legs: stream.legs.len() as u32,
        name: [0; 128],
        group: [0; 64],
        origin: [0; 64],
    };
    copy_into(&description.name, &mut info.name);
    copy_into(&leg.map_or_else(String::new, |leg| leg.destination.to_string()), &mut info.group);
    copy_into(&description.origin.address, &mut info.origin);
    info
}
