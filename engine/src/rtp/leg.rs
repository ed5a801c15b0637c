//! The two legs of seamless redundancy (SMPTE ST 2022-7).

/// The network on which a packet is sent or received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Leg {
    /// The primary network, which also carries streams without redundancy.
    #[default]
    A,
    /// The secondary network.
    B,
}

impl Leg {
    /// Both legs, the primary one first.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}
