//! Turns a plan into streams that can be started. Errors are found here, before anything is sent.

use super::material::Material;
use super::material::feed::{Feed, Progress};
use super::plan::{OneOrTwo, Origin, Plan, StreamPlan};
use super::status::Shown;
use crate::channels::ChannelList;
use crate::failure::Result;
use crate::meter::Meter;
use crate::session::seed;
use crate::stream_options::{Destination, legs};
use engine::receive::Leg;
use engine::rtp::format::StreamFormat;
use engine::rtp::wire::PayloadType;
use engine::send::{Dither, SenderConfig};
use net::interface::Interface;
use net::send::Outgoing;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;

/// A stream that has been checked.
pub(crate) struct Prepared {
    pub(crate) name: String,
    pub(crate) config: SenderConfig,
    /// Channels of the source, counted from 0.
    pub(crate) map: Vec<u16>,
    pub(crate) ttl: u8,
    pub(crate) dscp: u8,
    pub(crate) source_port: u16,
    pub(crate) sdp: Option<PathBuf>,
    destination: String,
}

/// The source after it has been started.
pub(crate) struct Started {
    pub(crate) outgoing: Vec<Outgoing<Feed>>,
    pub(crate) progress: Progress,
    pub(crate) card: Card,
}

/// The sound card that is being captured, if the source is one.
#[derive(Default)]
pub(crate) struct Card {
    #[cfg(feature = "cpal")]
    capturing: Option<super::material::card::Capturing>,
}

impl Card {
    /// Returns an error if the card has disappeared or stopped.
    pub(crate) fn check(&self) -> Result<()> {
        #[cfg(feature = "cpal")]
        if let Some(capturing) = &self.capturing {
            capturing.check()?;
        }
        Ok(())
    }
}

/// Opens the source that the plan specifies.
pub(crate) fn open(plan: &Plan, origin: &Origin) -> Result<Material> {
    Material::open(&plan.source).map_err(|(key, message)| {
        let path = if key.is_empty() { "source".to_owned() } else { format!("source.{key}") };
        origin.failure(&path, &message)
    })
}

/// Prepares the streams. With `split`, the only stream of the plan is divided into as many streams
/// as needed, with this many channels each.
pub(crate) fn streams(
    plan: &Plan,
    origin: &Origin,
    material: &Material,
    interfaces: &[Interface],
    split: Option<usize>,
) -> Result<Vec<Prepared>> {
    if plan.streams.is_empty() {
        return Err(origin.failure("stream", "there is no stream: add one, with a destination"));
    }
    let plans = match (split, &plan.streams[..]) {
        (Some(size), [one]) => split_up(one, &material.name(), material.channels(), size),
        _ => plan.streams.clone(),
    };
    let one_network = interfaces.iter().all(|interface| interface.index == interfaces[0].index);
    let mut prepared: Vec<Prepared> = Vec::new();
    for (index, stream) in plans.iter().enumerate() {
        let next = prepare(plan, stream, material)
            .map_err(|(key, message)| origin.failure(&format!("stream[{index}]{key}"), &message))?;
        let taken = prepared.iter().find_map(|other| Some((other, common(&other.config, &next.config, one_network)?)));
        if let Some((twin, address)) = taken {
            let message =
                format!("{} goes to {address} already: streams need addresses or ports of their own", twin.name);
            return Err(origin.failure(&format!("stream[{index}].destination"), &message));
        }
        prepared.push(next);
    }
    Ok(prepared)
}

/// An address to which both streams would be sent. With two networks, a leg of one stream may have
/// the same address as the opposite leg of the other stream.
fn common(one: &SenderConfig, other: &SenderConfig, one_network: bool) -> Option<SocketAddr> {
    let pairs = Leg::ALL.into_iter().flat_map(|leg| Leg::ALL.map(|other| (leg, other)));
    let mut on_one_network = pairs.filter(|(leg, other)| one_network || leg == other);
    on_one_network.find_map(|(leg, its)| one.destination(leg).filter(|to| other.destination(its) == Some(*to)))
}

/// Divides a stream into streams with `size` channels each, which are sent to consecutive
/// addresses.
fn split_up(plan: &StreamPlan, name: &str, channels: usize, size: usize) -> Vec<StreamPlan> {
    let name = plan.name.clone().unwrap_or_else(|| name.to_owned());
    let part = |(index, first): (usize, usize)| {
        let count = size.min(channels - first);
        let up = |to: &Destination| {
            let address = Ipv4Addr::from(u32::from(*to.0.ip()).wrapping_add(index as u32));
            Destination(SocketAddrV4::new(address, to.0.port()))
        };
        StreamPlan {
            name: Some(format!("{name} {}-{}", first + 1, first + count)),
            destination: OneOrTwo(plan.destination.0.iter().map(up).collect()),
            channels: Some(ChannelList::run(first, count)),
            ..plan.clone()
        }
    };
    (0..channels).step_by(size).enumerate().map(part).collect()
}

fn prepare(
    plan: &Plan,
    stream: &StreamPlan,
    material: &Material,
) -> std::result::Result<Prepared, (&'static str, String)> {
    let there = material.channels();
    let list = stream.channels.clone().unwrap_or_else(|| ChannelList::run(0, there));
    let map = list.as_slice().to_vec();
    if let Some(channel) = map.iter().find(|channel| usize::from(**channel) >= there) {
        return Err((".channels", format!("the source has {there} channels, and so no channel {}", channel + 1)));
    }
    let format = StreamFormat::new(stream.format.encoding(), material.sample_rate(), map.len());
    let format = format.map_err(|error| (".channels", error.to_string()))?;
    let (primary, secondary) = legs(&stream.destination.0).map_err(|message| (".destination", message))?;
    let config = SenderConfig::new(format, primary.0.into(), seed());
    let config = SenderConfig {
        packet_time: stream.packet_time_ms.packet_time(),
        payload_type: PayloadType::new(stream.payload_type.0).unwrap_or(config.payload_type),
        secondary: secondary.map(|to| to.0.into()),
        dither: Dither::Tpdf { seed: seed() },
        delay: delay(material),
        ..config
    };
    config.packet_frames().map_err(|error| (".packet_time_ms", error.to_string()))?;
    let name = stream.name.clone().unwrap_or_else(|| default_name(material, &list, plan.streams.len()));
    let sdp = stream.sdp.clone().or_else(|| plan.sdp_folder.as_ref().map(|folder| folder.join(file_name(&name))));
    let destination = stream.destination.0.iter().map(Destination::to_string).collect::<Vec<_>>().join(" and ");
    Ok(Prepared {
        name,
        config,
        map,
        ttl: stream.ttl.0,
        dscp: stream.dscp.0,
        source_port: stream.source_port,
        sdp,
        destination,
    })
}

fn delay(material: &Material) -> engine::Nanos {
    match material {
        #[cfg(feature = "cpal")]
        Material::Card(card) => card.delay(),
        Material::Computed { .. } | Material::Read(_) => engine::Nanos::ZERO,
    }
}

fn default_name(material: &Material, list: &ChannelList, streams: usize) -> String {
    if streams == 1 { material.name() } else { format!("{} {list}", material.name()) }
}

/// Converts a stream's name to a file name that is valid on every system.
fn file_name(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '_' }).collect();
    format!("{}.sdp", plain.trim_start_matches('.'))
}

/// Creates the displays of the streams.
pub(crate) fn shown(prepared: &[Prepared]) -> Vec<Shown> {
    let shown = |stream: &Prepared| Shown {
        name: stream.name.clone(),
        destination: stream.destination.clone(),
        meter: Arc::new(Meter::new(stream.map.len())),
    };
    prepared.iter().map(shown).collect()
}

/// Starts the source, with a feed for each stream.
pub(crate) fn start(material: Material, prepared: &[Prepared], shown: &[Shown]) -> Result<Started> {
    let progress = Progress::new(prepared.len());
    #[cfg_attr(not(feature = "cpal"), expect(unused_mut, reason = "without sound cards there is none"))]
    let mut card = Card::default();
    let feeds: Vec<Feed> = match material {
        Material::Computed { signal, layout: (_, rate) } => prepared
            .iter()
            .zip(shown)
            .map(|(stream, shown)| Feed::computed(signal, rate, &stream.map, Arc::clone(&shown.meter)))
            .collect(),
        Material::Read(playlist) => {
            let maps: Vec<_> =
                prepared.iter().zip(shown).map(|(stream, shown)| (&stream.map[..], Arc::clone(&shown.meter))).collect();
            Feed::read(playlist, &maps, &progress)?
        }
        #[cfg(feature = "cpal")]
        Material::Card(opened) => {
            let streams: Vec<_> = prepared
                .iter()
                .zip(shown)
                .map(|(stream, shown)| (&stream.map[..], stream.config.packet_time, Arc::clone(&shown.meter)))
                .collect();
            let (feeds, capturing) = opened.start(&streams)?;
            card.capturing = Some(capturing);
            feeds
        }
    };
    let outgoing = feeds.into_iter().zip(prepared).map(|(feed, stream)| Outgoing {
        ttl: stream.ttl,
        dscp: stream.dscp,
        source_port: stream.source_port,
        ..Outgoing::new(stream.config, feed)
    });
    Ok(Started { outgoing: outgoing.collect(), progress, card })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::SampleRate;
    use engine::rtp::format::Encoding;

    fn to(primary: &str, secondary: Option<&str>) -> SenderConfig {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let format = StreamFormat::new(Encoding::L24, SampleRate::HZ_48000, 2).unwrap();
        let config = SenderConfig::new(format, address(primary), 0);
        SenderConfig { secondary: secondary.map(address), ..config }
    }

    #[test]
    fn addresses_are_taken_on_the_network_that_they_are_used_on() {
        let (a, b, c) = ("239.69.0.1:5004", "239.69.0.2:5004", "239.69.0.3:5004");
        let both = to(a, Some(b));
        let crossed = to(b, Some(a));
        assert_eq!(common(&both, &crossed, false), None, "two networks");
        assert!(common(&both, &crossed, true).is_some(), "one network");
        assert_eq!(common(&both, &to(c, Some(b)), false), Some(b.parse().unwrap()), "the second leg, too");
        assert_eq!(common(&both, &to(c, None), true), None);
    }
}
