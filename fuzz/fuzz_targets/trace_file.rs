#![no_main]

#[path = "../trace_file.rs"]
mod trace_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trace_file::trace_file(bytes));
