//! Models of the world around the receivers: clocks, network, grandmaster and talker.

mod bottleneck;
mod bursts;
mod card;
mod corruption;
mod crystal;
mod forged_packets;
mod forged_ptp;
mod grandmaster;
mod identity;
mod lies;
mod listed_delays;
mod malformed;
mod overtaking;
mod path;
mod slips;
mod streams;
mod talker;
mod wander;

pub use card::SoundCard;
pub use crystal::{CrystalClock, Ramp, SEGMENT, Slew, TrueTime};
pub use forged_packets::ForgedStream;
pub use forged_ptp::{ForgedPtp, Overheard};
pub use grandmaster::GrandmasterModel;
pub use lies::Lying;
pub use malformed::MalformedPtp;
pub use path::{Arrivals, NetworkPath, Passage, next_stall};
pub use streams::RandomStream;
pub use talker::{MediaTimeline, Sent, TalkerModel};
pub use wander::Wander;
