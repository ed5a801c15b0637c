#![forbid(unsafe_code)]
//! Discrete-event simulator of a network audio chain.
pub mod record;
