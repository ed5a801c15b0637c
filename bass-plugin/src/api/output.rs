//! Output streams.

use super::{Handles, text_from, write_sized};
use crate::error::{BassError, code, guarded, report, report_isolated};
use crate::layout::{OutputSettings, OutputStats};
use crate::output::{Output, OutputConfig, Pace, format_of};
use crate::platform::isolated;
use crate::settings;
use crate::url::is_payload_type;
use engine::Nanos;
use engine::rtp::format::PacketTime;
use engine::rtp::wire::PayloadType;
use engine::send::SenderConfig;
use net::interface::Interface;
use std::net::{Ipv4Addr, SocketAddrV4};

static OUTPUTS: Handles<Output> = Handles::new(0x6600_0000, "output");

/// `BASS_AES67_OUTPUT_*`.
mod state {
    pub(super) const STOPPED: u32 = 0;
    pub(super) const WAITING: u32 = 1;
    pub(super) const SENDING: u32 = 2;
    pub(super) const ENDED: u32 = 3;
}

const FLAG_NO_SAP: u32 = 1;
const BY_SETTING: u32 = u32::MAX;
const RTP_PORT: u16 = 5004;
const TTL: u8 = 32;
const PAYLOAD_TYPE: u32 = 96;

#[cfg(unix)]
pub(super) fn end() {
    for output in OUTPUTS.remove_all().values() {
        output.stop();
    }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_OutputCreate(channel: u32, settings: *const OutputSettings) -> u32 {
    guarded(0, || {
        // SAFETY: as the header asks for.
        let config = unsafe { config_from(channel, settings) };
        report(config.map(|config| OUTPUTS.add(Output::new(config)))).unwrap_or(0)
    })
}

/// # Safety
/// `settings` is null, or to a structure as the header has it.
unsafe fn config_from(channel: u32, settings: *const OutputSettings) -> Result<OutputConfig, BassError> {
    if settings.is_null() {
        return Err(BassError::parameter("no settings: the group at least is needed"));
    }
    // SAFETY: as the caller says; the size is looked at before anything else.
    let size = unsafe { settings.cast::<u32>().read_unaligned() } as usize;
    if size != size_of::<OutputSettings>() {
        return Err(BassError::parameter(format!(
            "the structure's size is {size}: right would be {}",
            size_of::<OutputSettings>()
        )));
    }
    // SAFETY: it is of that size.
    let given = unsafe { settings.read_unaligned() };
    // SAFETY: the pointers are null or to strings, as the caller says.
    let [name, group, second_group, interface, second_interface] = unsafe {
        [given.name, given.group, given.second_group, given.interface, given.second_interface]
            .map(|text| text_from(text))
    };
    let own = settings::get();
    let mut interfaces: Vec<Interface> = vec![own.interface(interface.as_deref())?];
    if let Some(second) = second_interface {
        interfaces.push(own.interface(Some(&second))?);
    }
    let group = group.ok_or_else(|| BassError::parameter("no group to send to"))?;
    let mut sender = sender_config(channel, &given, address(&group, given.port)?)?;
    sender.secondary = second_group.map(|group| address(&group, given.port).map(Into::into)).transpose()?;
    // Refused now rather than when it is started.
    engine::send::Sender::new(sender).map_err(|error| BassError::parameter(error.to_string()))?;
    Ok(OutputConfig {
        channel,
        name: name.unwrap_or(group),
        sender,
        interfaces,
        ttl: if given.ttl == 0 { TTL } else { byte("ttl", given.ttl)? },
        domain: match given.domain {
            BY_SETTING => own.domain,
            0..128 => given.domain as u8,
            other => return Err(BassError::parameter(format!("domain {other}: right would be 0 to 127"))),
        },
        pace: match given.clock {
            0 => Pace::Ptp,
            1 => Pace::Serve,
            2 => Pace::System,
            other => return Err(BassError::parameter(format!("clock {other}: right would be 0, 1 or 2"))),
        },
        announced: given.flags & FLAG_NO_SAP == 0,
    })
}

fn byte(what: &str, value: u32) -> Result<u8, BassError> {
    u8::try_from(value).map_err(|_| BassError::parameter(format!("{what} {value}: right would be 1 to 255")))
}

fn address(group: &str, port: u32) -> Result<SocketAddrV4, BassError> {
    let port = match u16::try_from(port) {
        Ok(0) => RTP_PORT,
        Ok(port) => port,
        Err(_) => return Err(BassError::parameter(format!("{port} is no port"))),
    };
    let parsed = group.parse::<Ipv4Addr>().ok();
    let address =
        parsed.ok_or_else(|| BassError::parameter(format!("{group} is no address; right would be 239.69.0.1")))?;
    Ok(SocketAddrV4::new(address, port))
}

fn sender_config(channel: u32, given: &OutputSettings, to: SocketAddrV4) -> Result<SenderConfig, BassError> {
    let format = format_of(channel, given.bits)?;
    let payload_type = if given.payload_type == 0 { PAYLOAD_TYPE } else { given.payload_type };
    let payload_type =
        Some(payload_type).filter(|&number| is_payload_type(number)).and_then(|number| PayloadType::new(number as u8));
    let packet_time = match given.packet_time_us {
        125 => PacketTime::US_125,
        250 => PacketTime::US_250,
        333 => PacketTime::US_333,
        0 | 1000 => PacketTime::MS_1,
        4000 => PacketTime::MS_4,
        5000 => PacketTime::MS_5,
        other => {
            let right = "125, 250, 333, 1000, 4000 or 5000";
            return Err(BassError::parameter(format!("packets of {other} us: right would be {right}")));
        }
    };
    Ok(SenderConfig {
        packet_time,
        payload_type: payload_type
            .ok_or_else(|| BassError::parameter("the payload type must be 96 to 127, 10 or 11"))?,
        delay: Nanos::from_micros(i64::from(given.delay_us)),
        ..SenderConfig::new(format, to.into(), seed())
    })
}

/// From the system's entropy.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputStart(output: u32) -> i32 {
    guarded(0, || i32::from(report_isolated(|| OUTPUTS.find(output)?.start()).is_some()))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputStop(output: u32) -> i32 {
    let stop = || {
        let stopped = OUTPUTS.find(output)?.stop();
        stopped.then_some(()).ok_or_else(|| BassError::new(code::NOTAVAIL, "the output is not running"))
    };
    guarded(0, || i32::from(report_isolated(stop).is_some()))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputIsRunning(output: u32) -> i32 {
    guarded(0, || i32::from(report_isolated(|| Ok(OUTPUTS.find(output)?.is_running())).unwrap_or(false)))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputGetPPM(output: u32) -> f64 {
    guarded(0.0, || report_isolated(|| Ok(OUTPUTS.find(output)?.view().frequency_ppm)).unwrap_or(0.0))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputFree(output: u32) -> i32 {
    guarded(0, || {
        let free = || OUTPUTS.remove(output).map(|output| output.stop());
        i32::from(report_isolated(free).is_some())
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_OutputGetStats(output: u32, out: *mut OutputStats) -> i32 {
    guarded(0, || {
        let known = isolated(|| Ok(stats_of(&*OUTPUTS.find(output)?)));
        // SAFETY: as the header asks for.
        i32::from(report(known.and_then(|stats| unsafe { write_sized(out, stats) })).is_some())
    })
}

fn stats_of(output: &Output) -> OutputStats {
    let view = output.view();
    let Some(status) = view.sender else {
        return OutputStats { state: state::STOPPED, starved_frames: view.starved_frames, ..OutputStats::default() };
    };
    // An output is one stream.
    let stream = &status.streams[0];
    let (sender, late) = (&stream.sender, &stream.departures);
    OutputStats {
        size: 0,
        state: match stream.packets {
            _ if view.ended => state::ENDED,
            0 => state::WAITING,
            _ => state::SENDING,
        },
        packets: stream.packets,
        send_errors: stream.send_errors,
        skipped_packets: sender.skipped_packets,
        jumps: sender.realignments,
        starved_frames: view.starved_frames,
        late_us: late.max().as_nanos() as f64 / 1e3,
        late_99_us: late.quantile(0.99).as_nanos() as f64 / 1e3,
        ppm: view.frequency_ppm,
    }
}
