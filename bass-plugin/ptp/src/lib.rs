//! The library `bass_ptp`: a PTP clock, and a timer at its rate, for programs that were written for
//! the library of that name. The program may play by any means: nothing here needs BASS.
//!
//! Model: one clock and one timer in a process. The functions of `bass_ptp.h` (`api`) take their
//! arguments from C and call the safe core (`clock`, `timer`). The clock is `net`'s PTP client,
//! shown in the same words as in `bass_aes67`.
//!
//! Assumptions: each thread is joined when the item that it works for is stopped, because the
//! library may be unloaded directly afterwards.

mod api;
mod clock;
mod timer;
#[cfg(unix)]
mod unload;
