//! Audio as a function of time: what a talker sends, read at any rate and between frames.

mod convert;
mod error;
mod interpolate;
pub mod programme;
mod source;
mod source_wav;

pub use error::SourceError;
pub use interpolate::Interpolator;
pub use source::{SourceSignal, Tone};
