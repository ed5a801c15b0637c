//! The BASS add-on `bass_aes67`: AES67 and Livewire streams in any program that plays by BASS.
//!
//! Model: BASS loads the library and asks `entry` for a procedure that opens `aes67://` URLs. A
//! stream is a receiver of `net`, whose audio half BASS pulls as the channel's stream procedure;
//! all streams of an interface and domain share one PTP client. What BASS and the host may call is
//! in `addon`, `config` and `api`; behind these all is safe code.
//!
//! | module | what |
//! |---|---|
//! | `abi`, `bass` | the interface of BASS, and the BASS that is there |
//! | `error`, `boundary` | errors by BASS's numbers, and how the host is told of them |
//! | `entry` | what BASS asks the library |
//! | `url`, `open` | from a URL to a channel |
//! | `addon`, `audio`, `syncs`, `sync_watch` | what BASS asks of a channel |
//! | `config`, `settings` | options |
//! | `api`, `layout` | the functions and structures of `bass_aes67.h` |
//! | `streams`, `clock`, `output`, `discovery` | what is open, the clock, what is sent, what is announced |
//!
//! What `bass_ptp` needs as well (texts, threads, what is told of a clock) is in `bass_ffi`.
//!
//! Assumptions: BASS 2.4. Every thread of ours is joined by whoever ends the last thing that it
//! works for, because the code may be unloaded right after.

mod abi;
mod addon;
mod api;
mod audio;
mod bass;
#[cfg(test)]
#[path = "../../fuzz/bass_url.rs"]
mod bass_url;
mod boundary;
mod clock;
mod config;
mod discovery;
mod entry;
mod error;
mod layout;
mod open;
mod output;
mod platform;
#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;
mod settings;
mod streams;
mod sync_watch;
mod syncs;
mod trust;
mod url;
