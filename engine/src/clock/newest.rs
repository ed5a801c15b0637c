//! The newest values of a series, in a ring of fixed size.

/// The newest `N` values that were pushed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newest<T, const N: usize> {
    values: [Option<T>; N],
    /// Number of values pushed since the ring was last empty.
    count: usize,
}

impl<T: Copy, const N: usize> Default for Newest<T, N> {
    fn default() -> Self {
        Self { values: [None; N], count: 0 }
    }
}

impl<T: Copy, const N: usize> Newest<T, N> {
    /// Adds a value. A full ring drops its oldest value.
    pub(super) fn push(&mut self, value: T) {
        self.values[self.count % N] = Some(value);
        self.count += 1;
    }

    /// Number of values pushed since the ring was last empty, which may exceed its size.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The values, newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        (1..=self.count.min(N)).filter_map(|back| self.values[(self.count - back) % N].as_ref())
    }

    /// Empties the ring.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_values_come_first_and_the_oldest_leave() {
        let mut newest = Newest::<i32, 3>::default();
        assert_eq!(newest.iter().count(), 0);
        (1..=2).for_each(|value| newest.push(value));
        assert_eq!(newest.iter().copied().collect::<Vec<_>>(), [2, 1]);
        (3..=5).for_each(|value| newest.push(value));
        assert_eq!((newest.iter().copied().collect::<Vec<_>>(), newest.count()), (vec![5, 4, 3], 5));
        newest.clear();
        assert_eq!((newest.iter().count(), newest.count()), (0, 0));
    }
}
