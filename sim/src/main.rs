#![forbid(unsafe_code)]
//! Command line of the simulator.
fn main() {}
