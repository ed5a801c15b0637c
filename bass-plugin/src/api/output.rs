//! The functions for output streams.

use super::{Handles, text_from, thousandths, write_sized};
use crate::boundary::{guarded, report, report_isolated};
use crate::error::{BassError, code};
use crate::layout::{OutputForm, OutputSettings, OutputStats, PlainOutputSettings, PlainOutputStats};
use crate::output::{Output, OutputConfig, Pace, format_of};
use crate::settings;
use crate::url::is_payload_type;
use bass_ffi::threads::isolated;
use engine::Nanos;
use engine::rtp::format::PacketTime;
use engine::rtp::wire::PayloadType;
use engine::send::SenderConfig;
use net::interface::Interface;
use std::ffi::c_void;
use std::net::{Ipv4Addr, SocketAddrV4};

static OUTPUTS: Handles<Kept> = Handles::new(0x6600_0000, "output");

/// An output, and the form of the structures that its host uses.
struct Kept {
    output: Output,
    form: OutputForm,
}

/// A handle in C: a number in the form of a pointer, which is never dereferenced, so that an
/// invalid handle is only an error.
type Handle = *mut c_void;

/// Converts a handle to its number. For invalid handles, returns 0, which is never assigned.
fn number_of(handle: Handle) -> u32 {
    u32::try_from(handle.addr()).unwrap_or(0)
}

/// The values of `BASS_AES67_OUTPUT_*`.
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
        output.output.stop();
    }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_OutputCreate(channel: u32, settings: *const c_void) -> Handle {
    guarded(std::ptr::null_mut(), || {
        // SAFETY: the C header requires the host to guarantee this.
        let made = unsafe { made_from(channel, settings) };
        let handle = report(made.map(|made| OUTPUTS.add(made))).unwrap_or(0);
        std::ptr::without_provenance_mut(handle as usize)
    })
}

/// # Safety
/// `settings` must be null, or point to a structure in one of the two forms of the header.
unsafe fn made_from(channel: u32, settings: *const c_void) -> Result<Kept, BassError> {
    if settings.is_null() {
        return Err(BassError::parameter("no settings: the group at least is needed"));
    }
    // SAFETY: the caller guarantees a valid structure, and both forms are longer than these four
    // bytes.
    let first = unsafe { settings.cast::<[u8; 4]>().read_unaligned() };
    let form = OutputForm::of(first).ok_or_else(|| {
        let (size, right) = (u32::from_ne_bytes(first), size_of::<OutputSettings>());
        let [a, b, c, d] = first;
        BassError::parameter(format!(
            "the structure begins with the size {size} or the address {a}.{b}.{c}.{d}: right would be {right}, or a group, 224.0.0.0 to 239.255.255.255"
        ))
    })?;
    let config = match form {
        // SAFETY: the structure has this form.
        OutputForm::Plain => plain_config(channel, unsafe { settings.cast::<PlainOutputSettings>().read_unaligned() }),
        // SAFETY: the structure has this form.
        OutputForm::Sized => unsafe { config_from(channel, settings.cast::<OutputSettings>().read_unaligned()) },
    };
    Ok(Kept { output: Output::new(config?), form })
}

/// Converts the settings in the plain form of the header's structure: a 24-bit stream on the clock
/// of the options.
fn plain_config(channel: u32, given: PlainOutputSettings) -> Result<OutputConfig, BassError> {
    let own = settings::get();
    let group = Ipv4Addr::from(given.group);
    let by_address = Some(Ipv4Addr::from(given.interface)).filter(|address| !address.is_unspecified());
    let interface = own.interface(by_address.map(|address| address.to_string()).as_deref())?;
    let port = if given.port == 0 { RTP_PORT } else { given.port };
    let asked = Asked {
        bits: 0,
        payload_type: u32::from(given.payload_type),
        packet_time_us: given.packet_time_us,
        delay_us: 0,
    };
    let sender = sender_config(channel, &asked, SocketAddrV4::new(group, port))?;
    let (channels, rate_hz) = (sender.format.channels(), sender.format.sample_rate().as_hz());
    for (what, asked, is) in
        [("channels", u32::from(given.channels), channels as u32), ("sample_rate", given.rate_hz, rate_hz)]
    {
        if asked != 0 && asked != is {
            return Err(BassError::parameter(format!("{what} {asked}: right would be {is}, as the channel has it")));
        }
    }
    engine::send::Sender::new(sender).map_err(|error| BassError::parameter(error.to_string()))?;
    Ok(OutputConfig {
        channel,
        name: group.to_string(),
        sender,
        interfaces: vec![interface],
        ttl: TTL,
        domain: own.domain,
        pace: Pace::BySetting,
        announced: true,
    })
}

/// # Safety
/// The pointers must be null or point to zero-terminated strings.
unsafe fn config_from(channel: u32, given: OutputSettings) -> Result<OutputConfig, BassError> {
    // SAFETY: the caller guarantees that the pointers are null or point to strings.
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
    let asked = Asked {
        bits: given.bits,
        payload_type: given.payload_type,
        packet_time_us: given.packet_time_us,
        delay_us: given.delay_us,
    };
    let mut sender = sender_config(channel, &asked, address(&group, given.port)?)?;
    sender.secondary = second_group.map(|group| address(&group, given.port).map(Into::into)).transpose()?;
    // Invalid settings are refused now rather than when the output is started.
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

/// The packet settings that both forms contain; 0 means the default.
struct Asked {
    bits: u32,
    payload_type: u32,
    packet_time_us: u32,
    delay_us: u32,
}

fn sender_config(channel: u32, given: &Asked, to: SocketAddrV4) -> Result<SenderConfig, BassError> {
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

/// A random number from the system's entropy.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputStart(output: Handle) -> i32 {
    let output = number_of(output);
    guarded(0, || i32::from(report_isolated(|| OUTPUTS.find(output)?.output.start()).is_some()))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputStop(output: Handle) -> i32 {
    let output = number_of(output);
    let stop = || {
        let stopped = OUTPUTS.find(output)?.output.stop();
        stopped.then_some(()).ok_or_else(|| BassError::new(code::NOTAVAIL, "the output is not running"))
    };
    guarded(0, || i32::from(report_isolated(stop).is_some()))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputIsRunning(output: Handle) -> i32 {
    let output = number_of(output);
    guarded(0, || i32::from(report_isolated(|| Ok(OUTPUTS.find(output)?.output.is_running())).unwrap_or(false)))
}

/// The rate of an output's clock in ppm. If there is no such output, reports an error and
/// returns 0.
fn frequency_ppm(output: Handle) -> f64 {
    let output = number_of(output);
    report_isolated(|| Ok(OUTPUTS.find(output)?.output.view().frequency_ppm)).unwrap_or(0.0)
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputGetPPM(output: Handle) -> u32 {
    guarded(0, || thousandths(frequency_ppm(output)))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputGetFrequencyPPM(output: Handle) -> f64 {
    guarded(0.0, || frequency_ppm(output))
}

#[unsafe(no_mangle)]
extern "system" fn BASS_AES67_OutputFree(output: Handle) -> i32 {
    let output = number_of(output);
    guarded(0, || {
        let free = || OUTPUTS.remove(output).map(|kept| kept.output.stop());
        i32::from(report_isolated(free).is_some())
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_OutputGetStats(output: Handle, out: *mut c_void) -> i32 {
    let output = number_of(output);
    guarded(0, || {
        let known = isolated(|| {
            let kept = OUTPUTS.find(output)?;
            Ok((kept.form, stats_of(&kept.output), plain_stats_of(&kept.output)))
        });
        let written = known.and_then(|(form, sized, plain)| match form {
            // SAFETY: the C header requires that the structure has the same form as the settings.
            OutputForm::Sized => unsafe { write_sized(out.cast::<OutputStats>(), sized) },
            OutputForm::Plain if out.is_null() => Err(BassError::parameter("no structure to be filled")),
            OutputForm::Plain => {
                // SAFETY: the C header requires that the structure has the same form as the
                // settings, and the pointer is not null.
                unsafe { out.cast::<PlainOutputStats>().write_unaligned(plain) };
                Ok(())
            }
        });
        i32::from(report(written).is_some())
    })
}

/// The statistics in the plain form of the header's structure.
fn plain_stats_of(output: &Output) -> PlainOutputStats {
    let view = output.view();
    let (packets, send_errors) = view.sender.map_or((0, 0), |status| {
        let stream = &status.streams[0];
        (stream.packets, stream.send_errors)
    });
    PlainOutputStats {
        packets_sent: packets,
        samples_sent: packets * output.packet_frames() as u64,
        send_errors,
        underruns: view.underruns,
    }
}

fn stats_of(output: &Output) -> OutputStats {
    let view = output.view();
    let Some(status) = view.sender else { return OutputStats::default() };
    // An output has exactly one stream.
    let stream = &status.streams[0];
    let (sender, late) = (&stream.sender, &stream.departures);
    OutputStats {
        size: 0,
        state: match stream.packets {
            _ if view.stopped => state::STOPPED,
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
