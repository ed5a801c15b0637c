//! Judgement of the output by what a listener hears, not by what the receiver reports.

mod align;
mod correlation;
mod crackle;
mod heard;
mod hop;
mod listening;
mod loss;
mod measured;
mod measurement;
mod residual;
mod splice;
mod stability;
mod tally;
mod verdict;

pub use crackle::CrackleDetector;
pub use heard::{Gap, Heard, HeardHop, HeardTimeline, Waypoint};
pub use listening::{Circumstances, FrameTimes, Glitch, GlitchKind, HeardSeconds, Listening};
pub use measured::{Evidence, Span};
pub use measurement::Measurement;
pub(crate) use stability::of_recording as stability_of;
pub use tally::{Crackle, CrackleKind, CrackleReport};
pub use verdict::Judgement;
