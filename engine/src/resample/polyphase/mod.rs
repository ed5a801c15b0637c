//! Sums of input frames weighted by a windowed sinc, at positions that advance by any step.
//!
//! [`filter`] has the table of coefficients, [`phase`] the position, [`kernel`] the inner loop,
//! [`convolver`] the loops around it, [`real`] the precisions, and [`shared`] the tables that
//! resamplers share. The position and the order in which samples are summed are exact and fixed:
//! blocks of any size give the same bits, on any machine in single precision.

pub(super) mod convolver;
pub(super) mod filter;
pub(super) mod kernel;
pub(super) mod phase;
mod real;
pub(super) mod shared;
