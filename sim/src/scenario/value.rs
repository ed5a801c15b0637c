//! The ranges of a scenario's numbers, each checked where its key is read, so that an error points
//! at the line of the value and says what would be right. Every number of a scenario has a range.

use engine::ptp::wire::ClockIdentity;
use engine::rtp::wire::PayloadType;
use engine::{Nanos, SampleRate};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::net::SocketAddrV4;

/// Declares a number with a range: name, doc, test, what would be right, and an example.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, |$value:ident| $test:expr, $right:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize)]
        #[serde(into = "f64")]
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
                let right = $value.is_finite() && $test;
                right.then_some(Self($value)).ok_or_else(|| out_of_range(shown($value), $right))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let wanted = concat!("a number that is ", $right, ", such as ", $example);
                let number = deserializer.deserialize_any(NumberVisitor { wanted })?;
                Self::try_from(number).map_err(D::Error::custom)
            }
        }

        impl From<$name> for f64 {
            fn from(value: $name) -> f64 {
                value.0
            }
        }
    };
}

/// Declares a whole number with a range: name, doc, type, range, what would be right, and an
/// example.
macro_rules! whole {
    ($(#[$doc:meta])* $name:ident($type:ty), $range:expr, $right:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name($type);

        impl $name {
            /// The number.
            #[must_use]
            pub const fn get(self) -> $type {
                self.0
            }
        }

        impl TryFrom<$type> for $name {
            type Error = String;
            fn try_from(number: $type) -> Result<Self, String> {
                let right = $range.contains(&number);
                right.then_some(Self(number)).ok_or_else(|| out_of_range(number, concat!("a whole number ", $right)))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let wanted = concat!("a whole number ", $right);
                let number: $type = whole_number(deserializer, wanted, concat!(", such as ", $example))?;
                Self::try_from(number).map_err(D::Error::custom)
            }
        }
    };
}

fn out_of_range(number: impl fmt::Display, right: &str) -> String {
    format!("{number} is out of range: it must be {right}")
}

/// A number with the fewest digits that identify it, and with an exponent if it would have many
/// zeros.
fn shown(number: f64) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// Takes any number.
struct NumberVisitor {
    wanted: &'static str,
}

impl Visitor<'_> for NumberVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<f64, E> {
        Ok(number as f64)
    }
}

/// Takes whole numbers.
struct WholeVisitor<'a> {
    wanted: &'a str,
    example: &'a str,
}

impl Visitor<'_> for WholeVisitor<'_> {
    type Value = i128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.wanted, self.example)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i128, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i128, E> {
        Ok(number.into())
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<i128, E> {
        Ok(number)
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<i128, E> {
        Err(E::custom(out_of_range(number, self.wanted)))
    }
}

/// A whole number that fits its type.
fn whole_number<'de, T: TryFrom<i128>, D: Deserializer<'de>>(
    deserializer: D,
    wanted: &str,
    example: &str,
) -> Result<T, D::Error> {
    let number = deserializer.deserialize_any(WholeVisitor { wanted, example })?;
    T::try_from(number).map_err(|_| D::Error::custom(out_of_range(number, wanted)))
}

/// A whole number in an inclusive range: for `deserialize_with`, where a field is a plain number.
pub(super) fn whole<'de, const MIN: i64, const MAX: i64, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<i128>,
    D: Deserializer<'de>,
{
    let wanted = format!("a whole number from {MIN} to {MAX}");
    let number: i128 = whole_number(deserializer, &wanted, "")?;
    let right = Some(number).filter(|number| (i128::from(MIN)..=i128::from(MAX)).contains(number));
    right.and_then(|number| T::try_from(number).ok()).ok_or_else(|| D::Error::custom(out_of_range(number, &wanted)))
}

/// As [`whole()`], for an optional key.
pub(super) fn optional_whole<'de, const MIN: i64, const MAX: i64, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<i128>,
    D: Deserializer<'de>,
{
    whole::<MIN, MAX, T, D>(deserializer).map(Some)
}

checked!(
    /// Seconds, from 0 to a year.
    Seconds, |value| (0.0..=31_557_600.0).contains(&value), "between 0 and 31557600 s (a year)", "20"
);
checked!(
    /// Seconds from one time to the next, from a millisecond to a year.
    Period, |value| (0.001..=31_557_600.0).contains(&value), "between 0.001 and 31557600 s (a year)", "1"
);
checked!(
    /// Seconds of a period, or 0 for none. Crystals change their rate once a second.
    SinePeriod, |value| value == 0.0 || (1.0..=31_557_600.0).contains(&value), "between 1 and 31557600 s (a year), or 0 for none", "600"
);
checked!(
    /// Milliseconds, from 0 to an hour.
    Millis, |value| (0.0..=3_600_000.0).contains(&value), "between 0 and 3600000 ms (an hour)", "20"
);
checked!(
    /// Milliseconds that audio waits: from less than the shortest packet time (80 us, SMPTE ST
    /// 2110-30) to what the engine can be asked for.
    DepthMillis, |value| (0.01..=10_000.0).contains(&value), "between 0.01 and 10000 ms", "20"
);
checked!(
    /// Microseconds, from 0 to ten seconds.
    Micros, |value| (0.0..=10_000_000.0).contains(&value), "between 0 and 10000000 us (10 s)", "20"
);
checked!(
    /// Microseconds of either sign, up to a year: errors and steps of a clock's time.
    StepMicros, |value| (-31_557_600e6..=31_557_600e6).contains(&value), "between -31557600000000 and 31557600000000 us (a year)", "-5"
);
checked!(
    /// Milliseconds of either sign, up to a year: steps of a host's clock.
    StepMillis, |value| (-31_557_600e3..=31_557_600e3).contains(&value), "between -31557600000 and 31557600000 ms (a year)", "-5"
);
checked!(
    /// A rate in ppm by which a time service slews a clock. Linux's kernel can be told a tick that
    /// is longer or shorter by a tenth (adjtimex(2)); time services keep to 500 ppm.
    SlewPpm, |value| (-100_000.0..=100_000.0).contains(&value), "between -100000 and 100000 ppm", "80"
);
checked!(
    /// A probability.
    Probability, |value| (0.0..=1.0).contains(&value), "between 0 and 1", "0.01"
);
checked!(
    /// Megabits per second, from 1 kbit/s to 1 Tbit/s.
    MegabitsPerSecond, |value| (0.001..=1_000_000.0).contains(&value), "between 0.001 and 1000000 Mbit/s", "100"
);
checked!(
    /// Messages per second, up to what a fast network carries.
    MessagesPerSecond, |value| (0.001..=100_000.0).contains(&value), "between 0.001 and 100000 a second", "8"
);
checked!(
    /// Tail index of a Pareto distribution: its mean is infinite up to 1.
    TailIndex, |value| value > 1.0 && value <= 100.0, "more than 1 and at most 100", "3"
);
checked!(
    /// A relative frequency in ppm; 1000 ppm is more than any crystal's error.
    PartsPerMillion, |value| (-1000.0..=1000.0).contains(&value), "between -1000 and 1000 ppm", "20"
);
checked!(
    /// Wander of a frequency in ppb, not negative.
    WanderPpb, |value| (0.0..=100_000.0).contains(&value), "between 0 and 100000 ppb", "1"
);
checked!(
    /// Frequency of a tone, up to half of the highest sample rate.
    ToneHz, |value| (0.001..=192_000.0).contains(&value), "between 0.001 and 192000 Hz", "440"
);
checked!(
    /// Peak level of a tone; 24-bit PCM ends at -144 dBFS.
    LevelDbfs, |value| (-200.0..=0.0).contains(&value), "between -200 and 0 dBFS", "-12"
);
checked!(
    /// An interval of observation of a clock.
    Tau, |value| value > 0.0 && value <= 31_557_600.0, "more than 0 and at most 31557600 s (a year)", "10"
);
checked!(
    /// A limit of a metric.
    LimitValue, |_value| true, "finite; leave out a limit that is not needed", "0"
);

whole!(
    /// Shape of a gamma distribution: how many queues add their exponential jitter.
    Queues(u8), (1..=32), "from 1 to 32", "3"
);
whole!(
    /// A small count: packets that overtake another, packets from one copy to the next, bits that
    /// are flipped in a packet.
    SmallCount(u8), (1..=255), "from 1 to 255", "1"
);
whole!(
    /// Size of a queue in bytes: at least an Ethernet frame of 1500 bytes with its header, frame
    /// check sequence, preamble and gap (IEEE 802.3), and at most what the largest switches have.
    QueueBytes(u32), (1538..=67_108_864), "from 1538 (a whole Ethernet frame) to 67108864", "6000"
);
whole!(
    /// Frames that a callback of a sound card requests.
    CallbackFrames(u16), (1..=65_535), "from 1 to 65535", "480"
);
whole!(
    /// Frames of a packet. How many fit depends on the stream's format.
    PacketFrames(u16), (1..=1440), "from 1 to 1440", "48"
);

impl Default for SmallCount {
    fn default() -> Self {
        Self(1)
    }
}

/// An RTP payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPayloadType(pub PayloadType);

impl<'de> Deserialize<'de> for RtpPayloadType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const RIGHT: &str = "a whole number from 0 to 127 (96 to 127 for dynamic types)";
        let number: u8 = whole_number(deserializer, RIGHT, ", such as 96")?;
        PayloadType::new(number).map(Self).ok_or_else(|| D::Error::custom(out_of_range(number, RIGHT)))
    }
}

/// A sample rate that a sound card or a stream can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl<'de> Deserialize<'de> for SampleRateHz {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const RIGHT: &str = "a whole number from 8000 to 384000 Hz";
        let hz: u32 = whole_number(deserializer, RIGHT, ", such as 48000")?;
        let plausible = (8_000..=384_000).contains(&hz).then(|| SampleRate::from_hz(hz)).flatten();
        plausible.map(Self).ok_or_else(|| D::Error::custom(out_of_range(hz, RIGHT)))
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

impl Period {
    /// As a duration.
    #[must_use]
    pub fn nanos(self) -> Nanos {
        Nanos::from_secs_f64(self.0)
    }
}

impl DepthMillis {
    /// As a duration.
    #[must_use]
    pub fn nanos(self) -> Nanos {
        Nanos::from_secs_f64(self.0 * 1e-3)
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
