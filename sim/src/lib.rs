#![forbid(unsafe_code)]
//! Discrete-event simulator of a whole network audio chain: grandmaster, network, host, the
//! shipping engine, a sound card with its own crystal, and a listener who counts what crackles.
//!
//! Same scenario and same seed give the same bytes on any machine: integer time, named ChaCha8
//! streams, `libm`, no hash tables, no wall clock.

pub mod baselines;
pub mod bench;
pub mod check;
pub mod compare;
pub mod models;
pub mod mutants;
mod process;
pub mod receivers;
pub mod record;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod signal;
pub mod sweep;
mod vectors;
pub mod world;
