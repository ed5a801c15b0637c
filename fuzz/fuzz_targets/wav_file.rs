#![no_main]

#[path = "../wav_file.rs"]
mod wav_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wav_file::wav_file(bytes));
