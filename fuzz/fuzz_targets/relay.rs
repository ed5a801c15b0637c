#![no_main]

#[allow(dead_code, reason = "each target uses one property")]
#[path = "../machines.rs"]
mod machines;
#[path = "../script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| machines::relay(bytes));
