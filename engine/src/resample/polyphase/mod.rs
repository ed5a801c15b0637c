//! Sums of input frames weighted by a windowed sinc, at positions that move by any step.
//!
//! [`filter`] has the table of coefficients, [`walk`] the position, [`kernel`] the inner loop,
//! [`bank`] the loops around it and [`real`] the precisions. The position and the order in which samples are summed are exact
//! and fixed: blocks of any size give the same bits, on any machine in single precision.

pub(super) mod bank;
pub(super) mod filter;
pub(super) mod kernel;
mod real;
pub(super) mod walk;
