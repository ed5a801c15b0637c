//! Lists of the clocks and addresses that a port accepts messages from.

/// The most entries of a list. Judgement: networks have two grandmasters or four, and some boundary
/// clocks.
const MOST: usize = 16;

/// A list of what is accepted; an empty one accepts everything.
///
/// Identities of masters are those of the clocks that send Announce, Sync, Follow_Up and
/// Delay_Resp, as in the acceptable master table (IEEE 1588-2019, 17.5): behind a boundary clock,
/// its identity and not the grandmaster's. Both identities and addresses can be forged by whoever
/// knows them; a switch that filters source addresses keeps such packets out.
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
    /// The most entries of a list.
    pub const MOST: usize = MOST;

    /// A list of these entries; `None` if there are more than [`Acceptable::MOST`].
    #[must_use]
    pub fn new(accepted: &[T]) -> Option<Self> {
        let mut list = Self::default();
        let mut places = list.0.iter_mut();
        for &entry in accepted {
            *places.next()? = Some(entry);
        }
        Some(list)
    }

    /// What is on the list; nothing if everything is accepted.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// Whether something is accepted.
    #[must_use]
    pub fn accepts(&self, what: &T) -> bool {
        let mut listed = self.iter().peekable();
        listed.peek().is_none() || listed.any(|entry| entry == what)
    }
}
