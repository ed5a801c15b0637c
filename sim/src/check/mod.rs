//! Judges of what was played: they see what a listener hears, not what the receiver says of itself.

mod align;
mod crackle;
mod hop;
mod loss;
mod measured;
mod residual;
mod splice;
mod tally;
mod verdict;

pub use crackle::CrackleDetector;
pub use measured::{Evidence, Span};
pub use tally::{Crackle, CrackleKind, CrackleReport};
pub use verdict::Judgement;
