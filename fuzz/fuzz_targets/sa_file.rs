#![no_main]

#[allow(dead_code, reason = "each target uses one property")]
#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::sa_file(bytes));
