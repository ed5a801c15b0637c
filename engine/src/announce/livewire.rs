//! Livewire: channel numbers, and the advertisements that nodes send.
//!
//! Model: a channel is a number from 1 to 32767, and its group is 239.192.0.0 plus that number.
//! Nodes advertise on 239.192.255.3, port 4001: they list all their sources after a change and at
//! long intervals, and in between send a summary that only shows that the node is alive. A datagram
//! has a header of 16 bytes, followed by *phrases*: four letters, a type, and an operand whose
//! length depends on the type.
//!
//! Assumptions: the format is not published. This description is based on observations of others on
//! the wire (`read_lw_sources` by N. Prater and its successors). Unknown phrases are skipped. An
//! unknown type is an error, because its length is unknown, too.

use crate::event_queue::EventQueue;
use crate::units::{LocalTime, Nanos};
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use thiserror::Error;

/// The group on which nodes advertise.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 192, 255, 3);
/// The UDP port of advertisements.
pub const PORT: u16 = 4001;

/// The group of channel 0.
const FIRST_GROUP: u32 = 0xEFC0_0000;
const LAST_CHANNEL: u16 = 32_767;
const HEADER: usize = 16;
const MAGIC: [u8; 4] = [3, 0, 2, 7];
/// Maximum number of nodes that are remembered.
const MAX_NODES: usize = 1024;
/// Maximum number of sources that are remembered: as many as the channels of a large broadcaster.
const MAX_SOURCES: usize = 4096;
/// A node that has not advertised for this long is considered gone: nodes advertise every 20 to 25
/// s.
const TIMEOUT: Nanos = Nanos::from_secs(100);
/// Maximum number of events that wait in the queue.
const MAX_EVENTS: usize = 1024;
/// Maximum length of a name, bytes; longer names are truncated.
const MAX_NAME: usize = 64;

/// A channel.
///
/// ```
/// use engine::announce::livewire::Channel;
/// let channel = Channel::new(6031).unwrap();
/// assert_eq!(channel.group(), std::net::Ipv4Addr::new(239, 192, 23, 143));
/// assert_eq!(Channel::of_group(channel.group()), Some(channel));
/// assert_eq!(Channel::new(0), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel(u16);

impl Channel {
    /// Creates the channel with this number; `None` unless the number is from 1 to 32767.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        u16::try_from(number).ok().filter(|number| (1..=LAST_CHANNEL).contains(number)).map(Self)
    }

    /// The channel whose packets are sent to this group, if there is one.
    #[must_use]
    pub fn of_group(group: Ipv4Addr) -> Option<Self> {
        Self::new(u32::from(group).checked_sub(FIRST_GROUP)?)
    }

    /// The channel's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The group to which the channel's packets are sent.
    #[must_use]
    pub fn group(self) -> Ipv4Addr {
        Ipv4Addr::from(FIRST_GROUP + u32::from(self.0))
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a datagram is not an advertisement.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LivewireError {
    /// The datagram does not begin with the header of an advertisement.
    #[error("this is no message of Livewire's")]
    Header,
    /// The datagram ends within a phrase.
    #[error("it ends within a phrase")]
    Truncated,
    /// The length of the next operand is unknown.
    #[error("type {0:#04x} is not known")]
    Type(u8),
    /// The datagram is a message of another kind, such as a request for a channel.
    #[error("this is a message of another kind")]
    OtherKind,
}

/// A source of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivewireSource {
    /// Its channel.
    pub channel: Channel,
    /// Its name on the node.
    pub name: String,
}

/// An advertisement of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// The node's name; empty if the advertisement does not contain it.
    pub node_name: String,
    /// All its sources; `None` in a summary.
    pub sources: Option<Vec<LivewireSource>>,
}

enum Operand<'a> {
    Number(u32),
    Text(&'a [u8]),
    Nothing,
}

impl Advertisement {
    /// Parses a datagram. Sources that are not ordinary channels, such as backfeeds, are ignored.
    ///
    /// # Errors
    /// If the datagram is not an advertisement.
    pub fn parse(datagram: &[u8]) -> Result<Self, LivewireError> {
        let mut rest = datagram.get(HEADER..).ok_or(LivewireError::Header)?;
        if datagram[..MAGIC.len()] != MAGIC {
            return Err(LivewireError::Header);
        }
        let (mut kind, mut node_name) = (0, String::new());
        let mut sources: Vec<(Option<Channel>, String, Option<Ipv4Addr>)> = Vec::new();
        while !rest.is_empty() {
            let (opcode, operand) = phrase(&mut rest)?;
            match (opcode, operand) {
                (b"ADVT", Operand::Number(number)) => kind = number,
                (b"ATRN", Operand::Text(text)) => node_name = name(text),
                ([b'S', digits @ ..], _) if digits.iter().all(u8::is_ascii_digit) => {
                    sources.push((None, String::new(), None));
                }
                (b"PSID", Operand::Number(number)) => {
                    if let Some(source) = sources.last_mut() {
                        source.0 = Channel::new(number);
                    }
                }
                (b"PSNM", Operand::Text(text)) => {
                    if let Some(source) = sources.last_mut() {
                        source.1 = name(text);
                    }
                }
                (b"FSID", Operand::Number(number)) => {
                    if let Some(source) = sources.last_mut() {
                        source.2 = Some(Ipv4Addr::from(number));
                    }
                }
                _ => {}
            }
        }
        let ordinary = sources.into_iter().filter_map(|(channel, name, group)| {
            let channel = channel.filter(|channel| group.is_none_or(|group| group == channel.group()))?;
            Some(LivewireSource { channel, name })
        });
        match kind {
            1 => Ok(Self { node_name, sources: Some(ordinary.collect()) }),
            2 => Ok(Self { node_name, sources: None }),
            _ => Err(LivewireError::OtherKind),
        }
    }
}

/// Removes the next phrase from `rest` and returns it.
fn phrase<'a>(rest: &mut &'a [u8]) -> Result<(&'a [u8; 4], Operand<'a>), LivewireError> {
    let opcode = rest.split_first_chunk::<4>().ok_or(LivewireError::Truncated)?;
    let (opcode, after) = opcode;
    let (&kind, after) = after.split_first().ok_or(LivewireError::Truncated)?;
    *rest = after;
    let operand = match kind {
        0x00 | 0x07 => Operand::Number(u32::from(take::<1>(rest)?[0])),
        0x01 => Operand::Number(u32::from_be_bytes(*take(rest)?)),
        0x03 => {
            let length = usize::from(u16::from_be_bytes(*take(rest)?));
            let (text, after) = rest.split_at_checked(length).ok_or(LivewireError::Truncated)?;
            *rest = after;
            Operand::Text(text)
        }
        0x06 | 0x08 => Operand::Number(u32::from(u16::from_be_bytes(*take(rest)?))),
        0x09 => {
            take::<8>(rest)?;
            Operand::Nothing
        }
        _ => return Err(LivewireError::Type(kind)),
    };
    Ok((opcode, operand))
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], LivewireError> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(LivewireError::Truncated)?;
    *rest = after;
    Ok(taken)
}

/// The text up to the first zero byte.
fn name(text: &[u8]) -> String {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(&text[..text.len().min(MAX_NAME)]).trim().to_owned()
}

/// A change in the advertised sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LivewireEvent {
    /// A source is new or has been renamed.
    Added(LivewireEntry),
    /// A node no longer advertises the source, or the node is considered gone.
    Removed(LivewireEntry),
}

/// A source and its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivewireEntry {
    /// The source.
    pub source: LivewireSource,
    /// The node's name.
    pub node_name: String,
    /// Its address.
    pub node: Ipv4Addr,
}

#[derive(Clone, Debug, Default)]
struct Node {
    name: String,
    sources: BTreeMap<Channel, String>,
    heard_at: LocalTime,
}

/// The sources that nodes currently advertise. Sans-IO: time and datagrams are arguments, and
/// memory is bounded.
#[derive(Debug, Default)]
pub struct LivewireDirectory {
    nodes: BTreeMap<Ipv4Addr, Node>,
    events: EventQueue<LivewireEvent, MAX_EVENTS>,
}

impl LivewireDirectory {
    /// Handles a datagram from `node`.
    ///
    /// # Errors
    /// If the datagram is not an advertisement. Nothing changes in this case.
    pub fn handle_datagram(&mut self, now: LocalTime, node: Ipv4Addr, datagram: &[u8]) -> Result<(), LivewireError> {
        let advertisement = Advertisement::parse(datagram)?;
        let count: usize = self.nodes.values().map(|node| node.sources.len()).sum();
        let known = self.nodes.get(&node).map_or(0, |node| node.sources.len());
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&node) {
            return Ok(());
        }
        let known_node = self.nodes.entry(node).or_default();
        known_node.heard_at = now;
        if !advertisement.node_name.is_empty() {
            known_node.name = advertisement.node_name;
        }
        let Some(sources) = advertisement.sources else { return Ok(()) };
        let room = MAX_SOURCES - (count - known).min(MAX_SOURCES);
        let new: BTreeMap<Channel, String> =
            sources.into_iter().take(room).map(|source| (source.channel, source.name)).collect();
        let old = std::mem::replace(&mut known_node.sources, new.clone());
        let node_name = known_node.name.clone();
        let entry = |channel: &Channel, name: &String| LivewireEntry {
            source: LivewireSource { channel: *channel, name: name.clone() },
            node_name: node_name.clone(),
            node,
        };
        let gone = old.iter().filter(|(channel, _)| !new.contains_key(channel));
        let removed = gone.map(|(channel, name)| LivewireEvent::Removed(entry(channel, name)));
        let changed = new.iter().filter(|(channel, name)| old.get(channel) != Some(name));
        let events: Vec<_> =
            removed.chain(changed.map(|(channel, name)| LivewireEvent::Added(entry(channel, name)))).collect();
        events.into_iter().for_each(|event| self.events.push(event));
        Ok(())
    }

    /// Removes nodes that have been silent for too long.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        let silent: Vec<Ipv4Addr> =
            self.nodes.iter().filter(|(_, node)| now - node.heard_at >= TIMEOUT).map(|(address, _)| *address).collect();
        for address in silent {
            let Some(node) = self.nodes.remove(&address) else { continue };
            for (channel, name) in node.sources {
                let source = LivewireSource { channel, name };
                self.events.push(LivewireEvent::Removed(LivewireEntry {
                    source,
                    node_name: node.name.clone(),
                    node: address,
                }));
            }
        }
    }

    /// When [`LivewireDirectory::handle_timeout`] is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        self.nodes.values().map(|node| node.heard_at + TIMEOUT).min()
    }

    /// Removes and returns the next change.
    pub fn poll_event(&mut self) -> Option<LivewireEvent> {
        self.events.pop()
    }

    /// All sources that are currently advertised.
    pub fn entries(&self) -> impl Iterator<Item = LivewireEntry> {
        self.nodes.iter().flat_map(|(address, node)| {
            node.sources.iter().map(|(channel, name)| LivewireEntry {
                source: LivewireSource { channel: *channel, name: name.clone() },
                node_name: node.name.clone(),
                node: *address,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NODE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

    fn text(opcode: &[u8; 4], text: &str) -> Vec<u8> {
        let mut padded = text.as_bytes().to_vec();
        padded.resize(16, 0);
        [&opcode[..], &[3, 0, 16], &padded].concat()
    }

    fn datagram(kind: u8, sources: &[(u32, &str, [u8; 4])]) -> Vec<u8> {
        let mut bytes =
            [&MAGIC[..], &[0; 12], b"ADVT\x07", &[kind], b"INIP\x01", &[10, 0, 0, 7], b"NUMS\x08\x00\x02"].concat();
        bytes.extend(text(b"ATRN", "Studio A"));
        for (index, (channel, name, group)) in sources.iter().enumerate() {
            bytes.extend(format!("S{index:03}").as_bytes());
            bytes.extend([6, 0, 40]);
            bytes.extend([b"PSID\x01", &channel.to_be_bytes()[..], b"FSID\x01", group].concat());
            bytes.extend(text(b"PSNM", name));
            bytes.extend(b"XXXX\x09\0\0\0\0\0\0\0\0");
        }
        bytes
    }

    fn at(seconds: i64) -> LocalTime {
        LocalTime::ZERO + Nanos::from_secs(seconds)
    }

    #[test]
    fn sources_come_change_and_go() {
        let mut directory = LivewireDirectory::default();
        let full = datagram(
            1,
            &[(6031, "PGM1", [239, 192, 23, 143]), (7, "Mic", [239, 192, 0, 7]), (8, "Backfeed", [239, 193, 0, 8])],
        );
        directory.handle_datagram(at(0), NODE, &full).unwrap();
        let names: Vec<String> = directory
            .entries()
            .map(|entry| format!("{} {} {}", entry.source.channel, entry.source.name, entry.node_name))
            .collect();
        assert_eq!(names, ["7 Mic Studio A", "6031 PGM1 Studio A"]);
        assert_eq!(std::iter::from_fn(|| directory.poll_event()).count(), 2);
        directory.handle_datagram(at(20), NODE, &full).unwrap();
        assert_eq!(directory.poll_event(), None);
        directory.handle_datagram(at(40), NODE, &datagram(1, &[(7, "Guest", [239, 192, 0, 7])])).unwrap();
        let changes: Vec<LivewireEvent> = std::iter::from_fn(|| directory.poll_event()).collect();
        assert!(
            matches!(&changes[..], [LivewireEvent::Removed(gone), LivewireEvent::Added(new)] if gone.source.name == "PGM1" && new.source.name == "Guest"),
            "{changes:?}"
        );
        // A summary shows that the node is alive.
        directory.handle_datagram(at(130), NODE, &datagram(2, &[])).unwrap();
        directory.handle_timeout(at(229));
        assert_eq!(directory.entries().count(), 1);
        directory.handle_timeout(at(230));
        assert_eq!((directory.entries().count(), directory.poll_timeout()), (0, None));
    }

    #[test]
    fn what_is_cut_short_or_of_another_kind_changes_nothing() {
        let mut directory = LivewireDirectory::default();
        let full = datagram(1, &[(6031, "PGM1", [239, 192, 23, 143])]);
        assert_eq!(directory.handle_datagram(at(0), NODE, &full[..full.len() - 1]), Err(LivewireError::Truncated));
        assert_eq!(directory.handle_datagram(at(0), NODE, &datagram(3, &[])), Err(LivewireError::OtherKind));
        assert_eq!(directory.handle_datagram(at(0), NODE, b"v=0"), Err(LivewireError::Header));
        assert_eq!(directory.entries().count(), 0);
    }

    #[test]
    fn nodes_without_end_are_not_remembered() {
        let mut directory = LivewireDirectory::default();
        for node in 0..5_000u32 {
            directory.handle_datagram(at(0), Ipv4Addr::from(0x0A00_0000 + node), &datagram(2, &[])).unwrap();
        }
        assert_eq!(directory.nodes.len(), MAX_NODES);
    }

    proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), from in 0usize..200) {
            let mut datagram = datagram(1, &[(6031, "PGM1", [239, 192, 23, 143])]);
            let _ = Advertisement::parse(&bytes);
            let from = from.min(datagram.len());
            datagram.truncate(from);
            datagram.extend(bytes);
            let _ = Advertisement::parse(&datagram);
        }
    }
}
