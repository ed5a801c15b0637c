//! Loss in bursts: the model of Gilbert and Elliott, one step per packet.

use super::streams::RandomStream;
use crate::scenario::LossBurst;

/// State of a path, which is either good or bad.
#[derive(Clone, Debug)]
pub(super) struct Bursts {
    config: LossBurst,
    stream: RandomStream,
    bad: bool,
}

impl Bursts {
    pub(super) fn new(config: LossBurst, stream: RandomStream) -> Self {
        Self { config, stream, bad: false }
    }

    /// Whether the next packet is lost in a burst.
    pub(super) fn lose(&mut self) -> bool {
        let change = if self.bad { self.config.ends } else { self.config.begins };
        self.bad ^= self.stream.uniform() < change.get();
        // Drawn in either state, so that a change of one probability does not change the other
        // draws.
        let unlucky = self.stream.uniform() < self.config.loss.get();
        self.bad && unlucky
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Probability;

    #[test]
    fn bursts_have_the_model_s_frequency_and_length() {
        let share = |value| Probability::try_from(value).unwrap();
        let config = LossBurst { begins: share(0.01), ends: share(0.25), loss: share(1.0) };
        let mut bursts = Bursts::new(config, RandomStream::new(1, "test"));
        let lost: Vec<bool> = (0..400_000).map(|_| bursts.lose()).collect();
        let runs: Vec<usize> = lost.chunk_by(|a, b| a == b).filter(|run| run[0]).map(<[bool]>::len).collect();
        let mean = runs.iter().sum::<usize>() as f64 / runs.len() as f64;
        assert!((mean - 4.0).abs() < 0.1, "{mean}");
        // A cycle is a good stretch of 100 packets and a burst of 4.
        let cycles = 400_000.0 / 104.0;
        assert!((runs.len() as f64 / cycles - 1.0).abs() < 0.05, "{}", runs.len());
    }

    #[test]
    fn a_burst_need_not_lose_all() {
        let share = |value| Probability::try_from(value).unwrap();
        let config = LossBurst { begins: share(1.0), ends: share(0.0), loss: share(0.3) };
        let mut bursts = Bursts::new(config, RandomStream::new(1, "test"));
        let lost = (0..100_000).filter(|_| bursts.lose()).count();
        assert!((29_000..31_000).contains(&lost), "{lost}");
    }
}
