//! Sums of input frames weighted by a windowed sinc, at positions that advance by any step.
//!
//! [`filter`] contains the table of coefficients, [`phase`] the position, [`kernel`] the inner
//! loop, [`convolver`] the loops around it, [`real`] the precisions, and [`shared`] the tables that
//! resamplers share. The position is exact and samples are summed in a fixed order, so the result
//! has the same bits for blocks of any size and, in single precision, on any machine.

pub(super) mod convolver;
pub(super) mod filter;
pub(super) mod kernel;
pub(super) mod phase;
mod real;
pub(super) mod shared;
