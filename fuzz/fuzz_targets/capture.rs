#![no_main]

#[path = "../capture.rs"]
mod capture;
#[allow(dead_code, reason = "each target uses one property")]
#[path = "../machines.rs"]
mod machines;
#[path = "../script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| capture::capture_and_send(bytes));
