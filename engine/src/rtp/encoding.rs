//! Encodings of linear PCM.

use std::fmt;

/// The encoding of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// 16-bit linear PCM (RFC 3551 4.5.11).
    L16,
    /// 24-bit linear PCM (RFC 3190).
    L24,
}

impl Encoding {
    /// Number of bytes in one sample.
    #[must_use]
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::L16 => 2,
            Self::L24 => 3,
        }
    }
}

impl fmt::Display for Encoding {
    /// Writes the encoding name that SDP uses in `a=rtpmap`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L16 => "L16",
            Self::L24 => "L24",
        })
    }
}
