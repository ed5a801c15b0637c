//! Numbers of a scenario file that check themselves, so that an error points at the line of the value.

use engine::ptp::wire::ClockIdentity;
use engine::rtp::wire::PayloadType;
use engine::{Nanos, SampleRate};
use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;

/// Declares a checked number: name, doc, test, and what would be right.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, |$value:ident| $test:expr, $right:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Deserialize, Serialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// The number.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = String;
            fn try_from($value: f64) -> Result<Self, String> {
                if $value.is_finite() && $test { Ok(Self($value)) } else { Err(format!(concat!("{} is out of range: it must be ", $right), $value)) }
            }
        }

        impl From<$name> for f64 {
            fn from(value: $name) -> f64 {
                value.0
            }
        }
    };
}

checked!(
    /// Seconds, from 0 to a year.
    Seconds, |value| (0.0..=31_557_600.0).contains(&value), "between 0 and 31557600 s (a year)"
);
checked!(
    /// Milliseconds, from 0 to an hour.
    Millis, |value| (0.0..=3_600_000.0).contains(&value), "between 0 and 3600000 ms (an hour)"
);
checked!(
    /// Microseconds, from 0 to ten seconds.
    Micros, |value| (0.0..=10_000_000.0).contains(&value), "between 0 and 10000000 us (10 s)"
);
checked!(
    /// Microseconds of either sign, up to a year: what a clock's time can be off by, or step.
    StepMicros, |value| (-31_557_600e6..=31_557_600e6).contains(&value), "between -31557600000000 and 31557600000000 us (a year)"
);
checked!(
    /// Milliseconds of either sign, up to a year: what a host's clock can step by.
    StepMillis, |value| (-31_557_600e3..=31_557_600e3).contains(&value), "between -31557600000 and 31557600000 ms (a year)"
);
checked!(
    /// A rate in ppm by which a time service slews a clock. Linux's kernel can be told a tick that
    /// is longer or shorter by a tenth (adjtimex(2)); time services keep to 500 ppm.
    SlewPpm, |value| (-100_000.0..=100_000.0).contains(&value), "between -100000 and 100000 ppm"
);
checked!(
    /// A probability.
    Probability, |value| (0.0..=1.0).contains(&value), "between 0 and 1"
);
checked!(
    /// Megabits per second, from 1 kbit/s to 1 Tbit/s.
    MegabitsPerSecond, |value| (0.001..=1_000_000.0).contains(&value), "between 0.001 and 1000000 Mbit/s"
);
checked!(
    /// Messages per second, up to what a fast network carries.
    MessagesPerSecond, |value| (0.001..=100_000.0).contains(&value), "between 0.001 and 100000 a second"
);
checked!(
    /// Tail index of a Pareto distribution: its mean is infinite up to 1.
    TailIndex, |value| value > 1.0 && value <= 100.0, "more than 1 and at most 100"
);
checked!(
    /// A relative frequency in ppm; 1000 ppm is more than any crystal's error.
    PartsPerMillion, |value| (-1000.0..=1000.0).contains(&value), "between -1000 and 1000 ppm"
);
checked!(
    /// A size of a frequency's wander in ppb, not negative.
    WanderPpb, |value| (0.0..=100_000.0).contains(&value), "between 0 and 100000 ppb"
);

/// Shape of a gamma distribution: how many queues add their exponential jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct Queues(u8);

impl Queues {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Queues {
    type Error = String;
    fn try_from(number: u8) -> Result<Self, String> {
        let right = (1..=32).contains(&number);
        right
            .then_some(Self(number))
            .ok_or_else(|| format!("{number} queues are out of range: it must be between 1 and 32"))
    }
}

/// A small count: packets that overtake another, bits that are flipped in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct SmallCount(u8);

impl SmallCount {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for SmallCount {
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<u8> for SmallCount {
    type Error = String;
    fn try_from(number: u8) -> Result<Self, String> {
        (number > 0).then_some(Self(number)).ok_or_else(|| "0 is out of range: it must be between 1 and 255".to_owned())
    }
}

/// Size of a queue in bytes: at least an Ethernet frame of full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct QueueBytes(u32);

/// An Ethernet frame of 1500 bytes with its header, frame check sequence, preamble and gap (IEEE
/// 802.3).
const LONGEST_FRAME: u32 = 1538;

impl QueueBytes {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for QueueBytes {
    type Error = String;
    fn try_from(bytes: u32) -> Result<Self, String> {
        let right = bytes >= LONGEST_FRAME;
        right.then_some(Self(bytes)).ok_or_else(|| {
            format!(
                "a queue of {bytes} bytes is too short: it must be at least {LONGEST_FRAME}, a whole Ethernet frame"
            )
        })
    }
}

/// Frames that a callback of a sound card asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub struct CallbackFrames(u16);

impl CallbackFrames {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for CallbackFrames {
    type Error = String;
    fn try_from(frames: u16) -> Result<Self, String> {
        (frames > 0).then_some(Self(frames)).ok_or_else(|| "callback_frames must be more than 0".to_owned())
    }
}

/// Frames of a packet. How many fit depends on the stream's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub struct PacketFrames(u16);

impl PacketFrames {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for PacketFrames {
    type Error = String;
    fn try_from(frames: u16) -> Result<Self, String> {
        (frames > 0).then_some(Self(frames)).ok_or_else(|| "packet_frames must be more than 0".to_owned())
    }
}

/// An RTP payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct RtpPayloadType(pub PayloadType);

impl TryFrom<u8> for RtpPayloadType {
    type Error = String;
    fn try_from(number: u8) -> Result<Self, String> {
        let known = PayloadType::new(number).map(Self);
        known.ok_or_else(|| format!("{number} is no payload type: it is 0 to 127, and 96 to 127 for dynamic ones"))
    }
}

/// A sample rate that a sound card or a stream can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct SampleRateHz(SampleRate);

impl SampleRateHz {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.as_hz()
    }

    /// The engine's type for it.
    #[must_use]
    pub const fn rate(self) -> SampleRate {
        self.0
    }
}

impl TryFrom<u32> for SampleRateHz {
    type Error = String;
    fn try_from(hz: u32) -> Result<Self, String> {
        let plausible = (8_000..=384_000).contains(&hz).then(|| SampleRate::from_hz(hz)).flatten();
        plausible.map(Self).ok_or_else(|| format!("{hz} is out of range: it must be between 8000 and 384000 Hz"))
    }
}

/// A multicast group with its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MulticastGroup(pub SocketAddrV4);

impl TryFrom<String> for MulticastGroup {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let group = text.parse::<SocketAddrV4>().ok().filter(|group| group.ip().is_multicast());
        group.map(Self).ok_or_else(|| {
            format!("`{text}` is no multicast group: write its IPv4 address and port, such as 239.192.76.52:5004")
        })
    }
}

/// A clock identity, 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Identity(pub ClockIdentity);

impl TryFrom<String> for Identity {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(&text, 16).ok().filter(|_| digits);
        let identity = number.map(|number| Self(ClockIdentity(number.to_be_bytes())));
        identity.ok_or_else(|| {
            format!("`{text}` is no clock identity: it has 16 hexadecimal digits, such as dca600fffeff2eea")
        })
    }
}

impl Seconds {
    /// As a duration.
    #[must_use]
    pub fn nanos(self) -> Nanos {
        Nanos::from_secs_f64(self.0)
    }
}

impl Millis {
    /// As a duration.
    #[must_use]
    pub fn nanos(self) -> Nanos {
        Nanos::from_secs_f64(self.0 * 1e-3)
    }
}

impl StepMillis {
    /// As a duration.
    #[must_use]
    pub fn nanos(self) -> Nanos {
        Nanos::from_secs_f64(self.0 * 1e-3)
    }
}

impl StepMicros {
    /// As a duration.
    #[must_use]
    pub fn nanos(self) -> Nanos {
        Nanos::from_secs_f64(self.0 * 1e-6)
    }
}

impl Micros {
    /// As a duration.
    #[must_use]
    pub fn nanos(self) -> Nanos {
        Nanos::from_secs_f64(self.0 * 1e-6)
    }
}
