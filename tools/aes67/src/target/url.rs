//! Parses URLs that describe streams: `aes67://` and `rtp://` groups, and Livewire channels.

use super::Target;
use super::options::{Options, Suffix};
use crate::session::warn;
use engine::SampleRate;
use engine::announce::livewire::Channel;
use engine::announce::sdp::{LegDescription, MediaClockSource, ReferenceClock, StreamDescription};
use engine::rtp::format::{Encoding, StreamFormat};
use std::net::IpAddr;

/// Scheme of Livewire channels, and the packet time of their standard streams, which are stereo
/// L24.
pub(super) const LIVEWIRE: &str = "livewire:";
const LIVEWIRE_PTIME_MS: f64 = 5.0;
/// The usual RTP port (AES67-2018, 6.3).
const RTP_PORT: u16 = 5004;
/// The payload type for a URL that does not state it: the first dynamic one.
const ANY_PAYLOAD_TYPE: u8 = 96;

/// The meaning of the timestamps in a group's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    /// PTP time, as in AES67.
    Ptp,
    /// The sender's own time, as in any RTP stream.
    Arrivals,
}

/// Parses `livewire:6031`. Classic Livewire timestamps are unrelated to PTP, so the stream is
/// played by arrivals.
pub(super) fn livewire(text: &str) -> Result<Target, String> {
    let (channel, suffix) = Suffix::split(text)?;
    let number = channel.parse().ok().and_then(Channel::new);
    let number = number.ok_or_else(|| format!("{channel} is no channel of Livewire; right would be 1 to 32767"))?;
    let ptime_ms = suffix.options.ptime_ms.or(Some(LIVEWIRE_PTIME_MS));
    let options = Options { ptime_ms, ..suffix.options };
    let target = describe(number.group().into(), RTP_PORT, &options, Timing::Arrivals)?;
    Ok(Target { name: format!("Livewire {number}"), ..target })
}

/// Parses the text after `aes67://` or `rtp://`:
/// `239.69.0.1:5004?channels=2&rate=48000&format=L24&ptime=1&interface=eth0&latency=20&domain=0`.
/// The sender may precede the group, as in VLC: `10.0.0.7@239.69.0.1`.
pub(super) fn group(rest: &str, timing: Timing) -> Result<Target, String> {
    let scheme = if timing == Timing::Ptp { "aes67" } else { "rtp" };
    let (rest, number) = rest.split_once('#').unwrap_or((rest, "1"));
    if number != "1" {
        return Err(format!("#{number}: a URL of a group describes one stream"));
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = place.trim_end_matches('/');
    let (sender, place) = place.split_once('@').unwrap_or(("", place));
    let (address, port) = match place.rsplit_once(':') {
        Some((address, port)) if !address.contains(':') || address.ends_with(']') => (address, Some(port)),
        _ => (place, None),
    };
    let is_address = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let address = is_address(address)
        .map_err(|_| format!("{address} is no address; right would be {scheme}://239.69.0.1:5004"))?;
    let port = match port {
        None => RTP_PORT,
        Some(port) => {
            let number = port.parse().ok().filter(|port| *port != 0);
            number.ok_or_else(|| format!("{port} is no port; right would be 1 to 65535"))?
        }
    };
    let mut options = Options::parse(query)?;
    if !sender.is_empty() {
        let sender = is_address(sender).map_err(|_| format!("{sender} is no address of a sender"))?;
        options.source.get_or_insert(sender);
    }
    let target = describe(address, port, &options, timing)?;
    let is_told = options.format.is_some() && options.rate.is_some() && options.channels.is_some();
    if timing == Timing::Arrivals && !is_told {
        let assumed = super::describe_format(&target.stream);
        warn(format_args!(
            "rtp:// says nothing of the format: it is taken for {assumed}; other ones are told as ?format=L16&rate=44100&channels=1&ptime=5"
        ));
    }
    Ok(target)
}

fn describe(address: IpAddr, port: u16, options: &Options, timing: Timing) -> Result<Target, String> {
    let hz = options.rate.unwrap_or(48_000);
    let rate = SampleRate::from_hz(hz).ok_or("the rate is 0")?;
    let (encoding, channels) = (options.format.unwrap_or(Encoding::L24), options.channels.unwrap_or(2));
    let format = StreamFormat::new(encoding, rate, channels).map_err(|error| error.to_string())?;
    let (media_clock, reference_clock) = match timing {
        Timing::Ptp => (
            MediaClockSource::Direct { offset: 0 },
            ReferenceClock::PtpTraceable { version: "IEEE1588-2008".to_owned() },
        ),
        Timing::Arrivals => (MediaClockSource::Sender, ReferenceClock::Unknown),
    };
    let frames = (options.ptime_ms.unwrap_or(1.0) * f64::from(hz) / 1000.0).round() as usize;
    let stream = StreamDescription {
        format,
        payload_type: options.payload_type.unwrap_or(ANY_PAYLOAD_TYPE),
        alternative_payload_type: None,
        packet_frames: Some(frames.max(1)),
        max_packet_frames: None,
        media_clock,
        channel_order: None,
        legs: vec![LegDescription { destination: address, port, ttl: None, source: options.source, reference_clock }],
    };
    Ok(Target {
        name: format!("{address}:{port}"),
        stream,
        payload_type: options.payload_type,
        interfaces: options.interfaces.clone(),
        latency_ms: options.latency_ms,
        domain: options.domain,
    })
}
