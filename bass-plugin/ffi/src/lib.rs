//! The boundary to C that `bass_aes67` and `bass_ptp` share.
//!
//! Model: both libraries are loaded by a program that knows nothing of Rust, may be unloaded at any
//! time, and show the same clock. The code for that is here; neither library exports any of it.
//!
//! | module | what |
//! |---|---|
//! | [`text`] | strings from and to the program |
//! | [`boundary`] | panics, pointers and the version number |
//! | [`threads`] | work that leaves no trace in the program's own threads |
//! | [`clock_view`] | a clock as programs see it |

pub mod boundary;
pub mod clock_view;
pub mod text;
pub mod threads;
