//! Filter tables, each of which is shared by all resamplers with the same ratio.
//!
//! A table takes milliseconds to compute and several hundred kilobytes of memory. If one card plays
//! eight streams, they share one table.

use super::filter::{Row, table};
use super::real::Real;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The tables in use, by cutoff. A table that is no longer used by any resampler is freed.
pub(in super::super) struct SharedTables<T, const TAPS: usize> {
    known: Mutex<Vec<Known<T, TAPS>>>,
}

/// The bit pattern of a cutoff, and the table for it.
type Known<T, const TAPS: usize> = (u64, Weak<[Row<T, TAPS>]>);

impl<T: Real, const TAPS: usize> SharedTables<T, TAPS> {
    pub(in super::super) const fn new() -> Self {
        Self { known: Mutex::new(Vec::new()) }
    }

    /// Returns the table for a cutoff. Computes it if no resampler uses it yet.
    pub(in super::super) fn get(&self, cutoff: f64) -> Arc<[Row<T, TAPS>]> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(bits, _)| *bits == cutoff.to_bits());
        if let Some(shared) = found.and_then(|(_, table)| table.upgrade()) {
            return shared;
        }
        let computed: Arc<[_]> = table(cutoff).into();
        known.retain(|(_, table)| table.strong_count() > 0);
        known.push((cutoff.to_bits(), Arc::downgrade(&computed)));
        computed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cutoff_has_one_table_for_as_long_as_it_is_used() {
        let tables = SharedTables::<f32, 8>::new();
        let (first, other) = (tables.get(0.5), tables.get(0.75));
        assert!(Arc::ptr_eq(&first, &tables.get(0.5)) && !Arc::ptr_eq(&first, &other));
        drop(first);
        drop(other);
        let again = tables.get(1.0);
        assert_eq!((tables.known.lock().unwrap().len(), Arc::strong_count(&again)), (1, 1));
    }
}
