#![no_main]

#[allow(dead_code, reason = "what else the command needs of it")]
#[path = "../../tools/aes67/src/channels.rs"]
mod channels;
#[allow(dead_code, reason = "what else the command needs of it")]
#[path = "../../tools/aes67/src/failure.rs"]
mod failure;
#[allow(dead_code, reason = "what else the command needs of it")]
#[path = "../../tools/aes67/src/ptp_plan.rs"]
mod ptp_plan;
#[allow(dead_code, reason = "what else the command needs of it")]
#[path = "../send.rs"]
mod send;
#[allow(dead_code, reason = "what else the command needs of it")]
#[path = "../../tools/aes67/src/stream_options.rs"]
mod stream_options;
#[allow(dead_code, reason = "what else the command needs of it")]
#[path = "../../tools/aes67/src/text_file.rs"]
mod text_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| send::send_config::send_config(bytes));
