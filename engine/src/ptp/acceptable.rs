//! Lists of clocks and addresses from which a port accepts messages.

/// Maximum number of entries in a list. Judgement: networks have two or four grandmasters and some
/// boundary clocks.
const MOST: usize = 16;

/// A list of accepted items; an empty list accepts everything.
///
/// A master is identified by the clock that sends Announce, Sync, Follow_Up and Delay_Resp, as in
/// the acceptable master table (IEEE 1588-2019, 17.5): behind a boundary clock, that is the
/// boundary clock and not the grandmaster. Anyone who knows an identity or address can forge it; a
/// switch that filters source addresses blocks such packets.
///
/// ```
/// use engine::ptp::Acceptable;
/// use engine::ptp::wire::ClockIdentity;
/// let [a, b] = [1, 2].map(|id| ClockIdentity([id; 8]));
/// assert!(Acceptable::default().accepts(&a));
/// let list = Acceptable::new(&[a]).unwrap();
/// assert!(list.accepts(&a) && !list.accepts(&b));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptable<T>([Option<T>; MOST]);

impl<T: Copy> Default for Acceptable<T> {
    fn default() -> Self {
        Self([None; MOST])
    }
}

impl<T: Copy + PartialEq> Acceptable<T> {
    /// Accepts everything.
    pub const EVERYTHING: Self = Self([None; MOST]);
    /// Maximum number of entries in a list.
    pub const MOST: usize = MOST;

    /// Creates a list with the given entries; `None` if there are more than [`Acceptable::MOST`].
    #[must_use]
    pub fn new(accepted: &[T]) -> Option<Self> {
        let mut list = Self::default();
        let mut places = list.0.iter_mut();
        for &entry in accepted {
            *places.next()? = Some(entry);
        }
        Some(list)
    }

    /// The entries; none if everything is accepted.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// Whether an item is accepted.
    #[must_use]
    pub fn accepts(&self, what: &T) -> bool {
        let mut listed = self.iter().peekable();
        listed.peek().is_none() || listed.any(|entry| entry == what)
    }
}
