//! Lists of channels, counted from 1, such as `1-8,11`.

use engine::rtp::format::MAX_CHANNELS;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The source channel for each channel of a stream. Internally, channels are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelList(Vec<u16>);

impl ChannelList {
    /// Maximum number of channels in a source: far more than any device records.
    pub(crate) const MOST: usize = 1024;

    /// Creates a list of `count` consecutive channels from `first` on, counted from 0.
    pub(crate) fn run(first: usize, count: usize) -> Self {
        Self((first..first + count).map(|channel| channel as u16).collect())
    }

    pub(crate) fn as_slice(&self) -> &[u16] {
        &self.0
    }

    /// Adds channels to the list.
    fn add(&mut self, channels: impl IntoIterator<Item = u16>) -> Result<(), String> {
        self.0.extend(channels);
        // A few characters such as `1-1024` stand for many channels, so a long list of ranges could
        // fill the memory.
        if self.0.len() > Self::MOST {
            return Err(format!("more than {} channels are listed: a stream has {MAX_CHANNELS} at most", Self::MOST));
        }
        Ok(())
    }

    fn one(channel: u64) -> Result<u16, String> {
        match usize::try_from(channel) {
            Ok(channel @ 1..=Self::MOST) => Ok(channel as u16 - 1),
            _ => Err(format!("there is no channel {channel}: they are counted from 1 to {}", Self::MOST)),
        }
    }
}

impl FromStr for ChannelList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number = text.trim().parse::<u64>();
            number
                .map_err(|_| format!("{text:?} is no list of channels: right would be 1-8 or 1,2,5"))
                .and_then(Self::one)
        };
        let mut channels = Self(Vec::new());
        for part in text.split(',') {
            match part.split_once('-') {
                None => channels.add([number(part)?])?,
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(format!("{part} runs backwards: right would be {}-{}", last + 1, first + 1));
                    }
                    channels.add(first..=last)?;
                }
            }
        }
        Ok(channels)
    }
}

impl fmt::Display for ChannelList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|a, b| a + 1 == *b);
        for (index, run) in runs.enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match run {
                [one] => write!(f, "{comma}{}", one + 1)?,
                run => write!(f, "{comma}{}-{}", run[0] + 1, run[run.len() - 1] + 1)?,
            }
        }
        Ok(())
    }
}

impl Serialize for ChannelList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChannelList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

/// Deserializes a list from text or from a list of numbers.
struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = ChannelList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channels, such as \"1-8\" or [1, 2]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ChannelList, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ChannelList, A::Error> {
        let mut channels = ChannelList(Vec::new());
        while let Some(channel) = list.next_element::<u64>()? {
            ChannelList::one(channel).and_then(|channel| channels.add([channel])).map_err(A::Error::custom)?;
        }
        if channels.0.is_empty() {
            return Err(A::Error::custom("a stream has one channel at least"));
        }
        Ok(channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_is_written() {
        for (text, channels) in [("1", vec![0]), ("1-3", vec![0, 1, 2]), ("9-10,2,2", vec![8, 9, 1, 1])] {
            let list: ChannelList = text.parse().unwrap();
            assert_eq!(list.as_slice(), channels);
            assert_eq!(list.to_string(), text);
        }
        assert_eq!(serde_json::from_str::<ChannelList>("[3, 4]").unwrap().to_string(), "3-4");
    }

    #[test]
    fn what_is_no_list_says_what_would_be_right() {
        for (text, reason) in [
            ("", "\"\" is no list of channels"),
            ("a", "\"a\" is no list of channels: right would be 1-8"),
            ("0", "there is no channel 0: they are counted from 1"),
            ("8-1", "8-1 runs backwards: right would be 1-8"),
            ("1-1024,1-1024", "more than 1024 channels are listed: a stream has 64 at most"),
        ] {
            let error = text.parse::<ChannelList>().unwrap_err();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
        let list = format!("[{}1]", "1, ".repeat(ChannelList::MOST));
        let error = serde_json::from_str::<ChannelList>(&list).unwrap_err().to_string();
        assert!(error.starts_with("more than 1024 channels are listed"), "{error}");
    }
}
