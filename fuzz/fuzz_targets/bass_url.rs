#![no_main]

#[path = "../bass_url.rs"]
mod bass_url;
#[allow(dead_code, reason = "what else the add-on needs of it")]
#[path = "../../bass-plugin/src/error.rs"]
mod error;
#[allow(dead_code, reason = "what else the add-on needs of it")]
#[path = "../../bass-plugin/src/url.rs"]
mod url;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bass_url::bass_url(bytes));
