//! Models of the world around the receivers: clocks, network, grandmaster, talker, and what a
//! perfect receiver would play.

mod bottleneck;
mod bursts;
mod card;
mod convert;
mod corruption;
mod crystal;
mod forged_packets;
mod forged_ptp;
mod grandmaster;
mod identity;
pub mod interpolate;
mod lies;
mod listed_delays;
mod malformed;
mod overtaking;
mod path;
pub mod programme;
mod slips;
pub mod source;
mod source_wav;
mod streams;
mod talker;
mod wander;

pub use card::SoundCard;
pub use crystal::{CrystalClock, Ramp, SEGMENT, Slew, TrueTime};
pub use forged_packets::ForgedStream;
pub use forged_ptp::{ForgedPtp, Overheard};
pub use grandmaster::GrandmasterModel;
pub use interpolate::Interpolator;
pub use lies::Lying;
pub use malformed::MalformedPtp;
pub use path::{Arrivals, NetworkPath, Passage, next_stall};
pub use source::{SourceError, SourceSignal, Tone};
pub use streams::RandomStream;
pub use talker::{MediaTimeline, Sent, TalkerModel};
pub use wander::Wander;
