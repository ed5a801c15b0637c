//! The library `bass_ptp`: a PTP clock, and a timer at its rate, for programs that were written for
//! the library of that name. The program plays by whatever it likes: nothing here needs BASS.
//!
//! Model: one clock and one timer in a process. The functions of `bass_ptp.h` (`api`) take their
//! arguments from C and call the safe core (`clock`, `timer`). The clock is `net`'s PTP client,
//! told of in the same words as in `bass_aes67`.
//!
//! Assumptions: every thread of ours is joined when what it works for is stopped, because the
//! library may be unloaded right after.

mod api;
mod clock;
mod timer;
#[cfg(unix)]
mod unload;
