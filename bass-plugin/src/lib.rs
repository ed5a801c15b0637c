//! The BASS add-on `bass_aes67`: AES67 and Livewire streams in any program that uses BASS.
//!
//! Model: BASS loads the library and requests from `entry` a procedure that opens `aes67://` URLs.
//! A stream is a `net` receiver, whose audio half BASS pulls through the channel's stream
//! procedure; all streams on an interface and domain share one PTP client. The functions that BASS
//! and the host call are in `addon`, `config` and `api`; the code behind these modules is safe.
//!
//! | module | what |
//! |---|---|
//! | `abi`, `bass` | the interface of BASS, and the loaded BASS library |
//! | `error`, `boundary` | errors by BASS's numbers, and reporting them to the host |
//! | `entry` | requests of BASS to the library |
//! | `url`, `open` | from a URL to a channel |
//! | `addon`, `audio`, `syncs`, `sync_watch` | the functions of a channel |
//! | `config`, `settings` | options |
//! | `api`, `layout` | the functions and structures of `bass_aes67.h` |
//! | `streams`, `clock`, `output`, `discovery` | open streams, clocks, outputs, announced streams |
//!
//! Parts that `bass_ptp` also needs (texts, threads, the display of a clock) are in `bass_ffi`.
//!
//! Assumptions: BASS 2.4. The call that ends the last item that uses a thread also joins this
//! thread, because the code may be unloaded directly afterwards.

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
// This file is in the folder of the examples, which use it, too, and are passed on to users as a
// folder.
#[path = "../examples/bass/layout.rs"]
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
