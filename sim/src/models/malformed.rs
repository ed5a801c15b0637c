//! A device that sends datagrams that are not PTP messages: noise, and messages of the grandmaster
//! that were truncated or have fields out of range.

use super::crystal::TrueTime;
use super::grandmaster::GrandmasterModel;
use super::streams::RandomStream;
use crate::scenario::Grandmaster;

/// Longest run of noise.
const MAX_NOISE_BYTES: u32 = 128;
/// Number of ways in which a message is damaged.
const TRICKS: u32 = 6;
/// Places in a message (IEEE 1588-2019, 13.3 and 13.6).
const VERSION: usize = 1;
const MESSAGE_LENGTH: usize = 2;
const NANOSECONDS: usize = 40;
/// Length of the header, which every message has.
const HEADER_LENGTH: u16 = 34;

/// The device. Its messages are copies of what the grandmaster would send, so that they differ only
/// in their form.
#[derive(Clone, Debug)]
pub struct MalformedPtp {
    copied: GrandmasterModel,
    stream: RandomStream,
}

impl MalformedPtp {
    /// A device that copies a grandmaster.
    #[must_use]
    pub fn new(copied: Grandmaster, seed: u64) -> Self {
        let stream = |name: &str| RandomStream::new(seed, &format!("network/ptp/malformed/{name}"));
        Self { copied: GrandmasterModel::new(copied, stream("wander")), stream: stream("message") }
    }

    /// The datagram that it sends at `now`.
    pub fn datagram(&mut self, now: TrueTime) -> Vec<u8> {
        let trick = self.stream.bits() % TRICKS;
        if trick == 0 {
            let length = self.stream.bits() % (MAX_NOISE_BYTES + 1);
            return (0..length).map(|_| self.stream.bits() as u8).collect();
        }
        let mut message = self.message(now);
        let longer = message.len() as u16 + 1 + self.stream.bits() as u16 % 1000;
        match trick {
            1 => message.truncate(self.stream.bits() as usize % message.len()),
            2 => message[MESSAGE_LENGTH..][..2].copy_from_slice(&longer.to_be_bytes()),
            3 => message[MESSAGE_LENGTH..][..2].copy_from_slice(&(longer % HEADER_LENGTH).to_be_bytes()),
            4 => message[VERSION] = (message[VERSION] & 0xF0) | 1,
            // More nanoseconds than there are in a second.
            _ => message[NANOSECONDS..][..4].copy_from_slice(&u32::MAX.to_be_bytes()),
        }
        message
    }

    /// A Sync, a Follow_Up or an Announce.
    fn message(&mut self, now: TrueTime) -> Vec<u8> {
        let kind = self.stream.bits() % 3;
        let (sync, follow_up) = self.copied.sync(now);
        match (kind, follow_up) {
            (0, _) => self.copied.announce(),
            (1, Some(follow_up)) => follow_up,
            _ => sync,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::ptp::wire::{Message, WireError};

    #[test]
    fn nothing_of_it_is_a_message_and_everything_is_tried() {
        let config = "identity = 'dca600fffeff2eea'\ndomain = 0\npriority_1 = 128\nclock_class = 6\nlog_announce_interval = 0\n\
                      log_sync_interval = -3\nlog_min_delay_req_interval = 0\ntwo_step = true\nstart_time_s = 1";
        let mut device = MalformedPtp::new(toml::from_str(config).unwrap(), 1);
        let mut errors = [0; 5];
        for i in 0..3_000 {
            let datagram = device.datagram(i * 1_000_000);
            let kind = match Message::parse(&datagram).unwrap_err() {
                WireError::Truncated { .. } => 0,
                WireError::MessageLengthTooShort { .. } => 1,
                WireError::UnsupportedVersion { .. } => 2,
                WireError::InvalidNanoseconds { .. } => 3,
                WireError::UnknownMessageType { .. } => 4,
                error => panic!("{error}"),
            };
            errors[kind] += 1;
        }
        assert!(errors[..4].iter().all(|&count| count > 300), "{errors:?}");
    }
}
