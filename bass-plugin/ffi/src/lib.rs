//! The border to C that `bass_aes67` and `bass_ptp` have in common.
//!
//! Model: both libraries are loaded by a program that knows nothing of Rust, may be unloaded at any
//! time, and tell of the same clock. What that takes is here once; neither exports anything of it.
//!
//! | module | what |
//! |---|---|
//! | [`text`] | strings of the program, and those that it is handed |
//! | [`boundary`] | panics, pointers and the version number |
//! | [`threads`] | work that leaves nothing in the program's own threads |
//! | [`clock_view`] | what a program is told of a clock |

pub mod boundary;
pub mod clock_view;
pub mod text;
pub mod threads;
