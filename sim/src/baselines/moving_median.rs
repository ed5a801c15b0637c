//! The median of the last samples: linuxptp's default filter of path delays
//! (`delay_filter = moving_median`).

use std::collections::VecDeque;

/// `delay_filter_length`, default.
const LENGTH: usize = 10;

/// The filter.
#[derive(Clone, Debug, Default)]
pub(super) struct MovingMedian {
    samples: VecDeque<f64>,
}

impl MovingMedian {
    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        self.samples.clear();
    }

    /// Takes a sample.
    pub(super) fn push(&mut self, sample: f64) {
        if self.samples.len() == LENGTH {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The median; of an even number of samples, the mean of the middle two.
    pub(super) fn median(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.samples.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some((lower + upper) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::MovingMedian;

    #[test]
    fn the_last_ten_count_and_the_middle_two_are_averaged() {
        let mut filter = MovingMedian::default();
        assert_eq!(filter.median(), None);
        for i in 1..=3 {
            filter.push(f64::from(i * i));
        }
        assert_eq!(filter.median(), Some(4.0));
        for i in 1..=10 {
            filter.push(f64::from(i));
        }
        assert_eq!(filter.median(), Some(5.5));
    }
}
