//! The vector instructions of this machine.

use fearless_simd::Level;
use std::sync::LazyLock;

/// The widest that there are. They change the speed, never a bit of a result: the order of sums is
/// written out, and no multiplication is fused with an addition.
pub(crate) static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);
