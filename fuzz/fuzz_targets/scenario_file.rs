#![no_main]

#[path = "../scenario_file.rs"]
mod scenario_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scenario_file::scenario_file(bytes));
