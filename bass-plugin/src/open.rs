//! Opens a URL as a BASS channel.

use crate::abi::{self, SAMPLE_FLOAT, STREAM_DECODE, STREAM_FLAGS};
use crate::addon::{self, Instance};
use crate::audio::{Audio, Controller, Samples};
use crate::bass::{self, Bass};
use crate::clock;
use crate::discovery;
use crate::error::{BassError, code};
use crate::settings::{self, ClockChoice, Settings};
use crate::streams::{self, Live, Stream};
use crate::url::{Place, Url};
use bass_ffi::threads::isolated;
use engine::Nanos;
use engine::announce::sdp::{Description, StreamDescription};
use engine::audio::FusedRateController;
use engine::receive::{DepthFrom, MediaClock, StreamConfig};
use net::interface::Interface;
use net::stream::{LegConfig, Receiver};
use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Maximum number of frames that are resampled at a time.
const BLOCK_FRAMES: usize = 2048;
/// Limit up to which late packets may increase the depth, if the URL does not fix the depth.
const DEPTH_LIMIT: Nanos = Nanos::from_millis(250);
/// The timeout for announced streams if BASS does not report its own: BASS's default.
const NET_TIMEOUT_MS: u32 = 5000;
/// How often to check whether the first packet has arrived.
const WAITING_STEP: Duration = Duration::from_millis(5);

/// Opens a URL as a channel. Returns BASS's handle.
///
/// # Errors
/// If the stream cannot be opened, with the code for `BASS_ErrorGetCode`.
pub(crate) fn open(url: &str, flags: u32) -> Result<u32, BassError> {
    let bass = bass::get().ok_or_else(|| BassError::new(code::INIT, "no BASS 2.4 in this process"))?;
    let (stream, audio) = isolated(|| prepare(&bass, url, flags))?;
    // The channel is created in the host's thread, because the device that the host has selected
    // belongs to this thread.
    create(&bass, &stream, audio, flags & STREAM_FLAGS)
}

/// Starts to receive the stream at a URL. Returns its control side and its audio.
fn prepare(bass: &Bass, url: &str, flags: u32) -> Result<(Arc<Stream>, Audio), BassError> {
    let parsed = Url::parse(url)?;
    let settings = settings::get();
    let interface = settings.interface(parsed.options.interface.as_deref())?;
    let (described, description) = describe(&parsed, &interface, bass)?;
    check_latency(&parsed, &description)?;
    let playback = flags & STREAM_DECODE == 0;
    let samples = if flags & SAMPLE_FLOAT == 0 { Samples::Int16 } else { Samples::Float };
    let domain = parsed.options.domain.or(description.ptp_domain()).unwrap_or(settings.domain);
    // If PTP is not available, the stream is played by arrivals, and the status says why. If the
    // Livewire clock is selected, a stream follows it even if its description does not mention PTP.
    let is_placed = matches!(description.relation(), MediaClock::Ptp { .. }) || settings.is_on_livewire();
    let timeline = if is_placed { clock::timeline(&settings, &interface, domain).unwrap_or(None) } else { None };
    let payload_type = parsed.options.payload_type.or(described).or(settings.payload_type);
    let config = stream_config(&parsed, &description, &settings, payload_type);
    let format = config.format;
    let mut legs = LegConfig::of(&description, &[interface])?;
    legs.iter_mut().for_each(|leg| leg.source = parsed.options.source.or(leg.source));
    let (receiver, playout) = Receiver::start_by(config, &legs, timeline.clone(), controller(&parsed))?;
    wait_for_packets(&receiver, parsed.options.wait_ms)?;
    let audio = Audio::new(playout, format.channels(), format.sample_rate(), samples, playback);
    let url = CString::new(url.split(['\r', '\n']).next().unwrap_or_default()).unwrap_or_default();
    let live = Live { receiver, timeline };
    let stream = Stream::new(live, format, description.packet_frames, samples, audio.waiting(), url);
    Ok((Arc::new(stream), audio))
}

/// The description of the stream at a URL, and its payload type if a description states it.
fn describe(url: &Url, interface: &Interface, bass: &Bass) -> Result<(Option<u8>, StreamDescription), BassError> {
    let description = match &url.place {
        Place::Group { address, port } => return Ok((None, url.options.describe(*address, *port)?)),
        Place::File(path) => read(path)?,
        Place::Announced(name) => {
            let timeout_ms = bass.config(abi::CONFIG_NET_TIMEOUT).unwrap_or(NET_TIMEOUT_MS);
            discovery::wait_for(name, interface, Duration::from_millis(u64::from(timeout_ms)))?
        }
    };
    if let Some(option) = url.options.contradicts_description() {
        return Err(BassError::parameter(format!(
            "{option} is told by the stream's description: leave it out of the URL"
        )));
    }
    let stream = choose(description, url.number)?;
    Ok((stream.only_payload_type(), stream))
}

/// Selects the stream with this number. A BASS channel plays one stream, so if there are several, a
/// number must be given.
fn choose(description: Description, number: Option<usize>) -> Result<StreamDescription, BassError> {
    let (name, streams) = (description.name, description.streams);
    let count = streams.len();
    let number = match number {
        None if count > 1 => {
            return Err(BassError::parameter(format!(
                "{name} has {count} streams: choose one by its number at the end of the URL, #1 to #{count}"
            )));
        }
        other => other.unwrap_or(1),
    };
    let chosen = streams.into_iter().nth(number - 1);
    chosen.ok_or_else(|| BassError::parameter(format!("{name} has no stream #{number}: the last is #{count}")))
}

fn read(path: &Path) -> Result<Description, BassError> {
    let fault = |code, text: String| BassError::new(code, format!("{}: {text}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| fault(code::FILEOPEN, error.to_string()))?;
    let parsed = Description::parse(&bytes).map_err(|error| fault(code::FILEFORM, error.to_string()))?;
    Ok(parsed.description)
}

fn stream_config(
    url: &Url,
    description: &StreamDescription,
    settings: &Settings,
    payload_type: Option<u8>,
) -> StreamConfig {
    let fixed = url.options.latency_ms;
    let jitter_ms = url.options.jitter_ms.unwrap_or_else(|| f64::from(settings.jitter_ms));
    let target = Nanos::from_secs_f64(fixed.unwrap_or(jitter_ms) / 1000.0);
    let limit = if fixed.is_some() { target } else { target.max(DEPTH_LIMIT) };
    let plain = description.stream_config(target, description.format.sample_rate(), BLOCK_FRAMES);
    let media_clock = match settings.clock_mode {
        _ if !settings.ptp_enabled => MediaClock::Unrelated,
        ClockChoice::Arrivals => MediaClock::Unrelated,
        ClockChoice::Livewire => MediaClock::Ptp { offset: 0 },
        ClockChoice::Ptp | ClockChoice::System => plain.media_clock,
    };
    let depth_from = if fixed.is_some() { DepthFrom::Stamp } else { DepthFrom::Sending };
    StreamConfig { payload_type, depth_from, depth_limit: limit, media_clock, ..plain }
}

/// # Errors
/// If the latency is shorter than a packet, so that all packets would be late.
fn check_latency(url: &Url, description: &StreamDescription) -> Result<(), BassError> {
    let (Some(latency_ms), Some(frames)) = (url.options.latency_ms, description.packet_frames) else { return Ok(()) };
    let packet_ms = frames as f64 * 1000.0 / f64::from(description.format.sample_rate().as_hz());
    if latency_ms > packet_ms {
        return Ok(());
    }
    Err(BassError::parameter(format!(
        "latency={latency_ms} is too little for packets of {packet_ms} ms, which take that long to fill: give more, or jitter= in its place"
    )))
}

fn controller(url: &Url) -> Controller {
    if url.options.paced_by_ptp { Controller::Paced } else { Controller::Fused(FusedRateController::default()) }
}

/// # Errors
/// If no packet arrives in time.
fn wait_for_packets(receiver: &Receiver, wait_ms: Option<u32>) -> Result<(), BassError> {
    let Some(wait_ms) = wait_ms.filter(|ms| *ms > 0) else { return Ok(()) };
    let until = net::clock::now() + Nanos::from_millis(i64::from(wait_ms));
    while receiver.status().last_packet.is_none() {
        if net::clock::now() >= until {
            let refusal = receiver.status().last_refusal.clone();
            let reason = refusal.map_or_else(String::new, |reason| format!("; refused was: {reason}"));
            return Err(BassError::new(code::TIMEOUT, format!("no packet came within {wait_ms} ms{reason}")));
        }
        std::thread::sleep(WAITING_STEP);
    }
    Ok(())
}

/// Passes the stream to BASS, which creates the channel.
fn create(bass: &Bass, stream: &Arc<Stream>, audio: Audio, flags: u32) -> Result<u32, BassError> {
    let (rate, channels) = (stream.format.sample_rate(), stream.format.channels());
    let instance = Instance::new(Arc::clone(stream), audio).into_raw();
    let functions = bass.functions();
    // SAFETY: `stream_proc` and the functions of `ADDON` expect this instance, which lives until
    // BASS has called `free` once, or until it is dropped below.
    let handle = unsafe {
        (functions.create_stream)(
            rate.as_hz(),
            channels as u32,
            flags,
            addon::stream_proc,
            instance,
            &raw const addon::ADDON,
        )
    };
    if handle == 0 {
        let refused = BassError::new(bass.error(), "BASS made no channel of it");
        // SAFETY: BASS does not free a stream that it has not created, so nobody else has the
        // pointer.
        drop(unsafe { Instance::from_raw(instance) });
        isolated(|| streams::remove(stream));
        return Err(refused);
    }
    streams::add(stream, handle);
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_longer_than_a_packet() {
        let text = |ptime: &str| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 239.77.3.1/32\r\nt=0 0\r\nm=audio 5004 RTP/AVP 96\r\na=rtpmap:96 L24/48000/2\r\n{ptime}"
            )
        };
        for (ptime, latency, is_right) in
            [("a=ptime:5\r\n", "5", false), ("a=ptime:5\r\n", "5.1", true), ("", "1", true)]
        {
            let mut description = Description::parse(text(ptime).as_bytes()).unwrap().description;
            let url = Url::parse(&format!("aes67://239.77.3.1?latency={latency}")).unwrap();
            let checked = check_latency(&url, &description.streams.remove(0));
            assert_eq!(checked.is_ok(), is_right, "{ptime} {latency}");
            if let Err(error) = checked {
                assert!(error.text.starts_with("latency=5 is too little for packets of 5 ms"), "{error}");
            }
        }
    }

    #[test]
    fn of_several_streams_one_is_chosen() {
        let text = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=Studio\r\nc=IN IP4 239.77.3.1/32\r\nt=0 0\r\nm=audio 5004 RTP/AVP 11\r\nm=audio 5006 RTP/AVP 10\r\n";
        let of = |text: &str, number| choose(Description::parse(text.as_bytes()).unwrap().description, number);
        assert_eq!(of(text, Some(2)).unwrap().legs[0].port, 5006);
        for (number, words) in [(None, "Studio has 2 streams: choose one"), (Some(3), "Studio has no stream #3")] {
            let error = of(text, number).unwrap_err();
            assert!(error.text.starts_with(words) && error.code == code::ILLPARAM, "{error}");
        }
        let (one, _) = text.split_once("m=audio 5006").unwrap();
        assert_eq!(of(one, None).unwrap().legs[0].port, 5004);
        assert!(of(one, Some(2)).is_err());
    }
}
