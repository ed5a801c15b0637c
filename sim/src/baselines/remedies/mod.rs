//! Remedies against crackling where a sound card's callback is fed directly, as with cpal: no
//! remedy, and the three of the user's notes.
//!
//! Each is a [`laws::Remedy`] in the same [`Direct`] receiver: packets are put into a queue when
//! they arrive, the remedy moves them into a ring and may resample, and the card's callback takes
//! the available audio. A callback that finds too little plays silence for the rest, and a full
//! ring drops new audio; both are audible.
//!
//! Assumptions, in favour of the remedies: timers are exact, and the PTP clock is linuxptp's PI
//! servo, which follows its master to some microseconds.

mod direct;
mod laws;
mod ring;

pub use direct::Direct;
pub use laws::{OptionA, OptionB, OptionC, Uncorrected};
