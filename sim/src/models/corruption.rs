//! Packets in which bits are flipped.

use super::streams::RandomStream;
use crate::scenario::{Corruption, UdpChecksum};

/// Flips bits in the packets of one path.
#[derive(Clone, Debug)]
pub(super) struct Corrupter {
    config: Option<Corruption>,
    stream: RandomStream,
}

impl Corrupter {
    pub(super) fn new(config: Option<Corruption>, stream: RandomStream) -> Self {
        Self { config, stream }
    }

    /// Damages a datagram at random. Returns whether the receiver's host accepts it.
    pub(super) fn pass(&mut self, datagram: &mut [u8]) -> bool {
        let Some(config) = self.config else { return true };
        let struck = self.stream.uniform() < config.share.get();
        let from = usize::from(config.from_byte).min(datagram.len());
        let to = config.to_byte.map_or(datagram.len(), usize::from).clamp(from, datagram.len());
        if !struck || from == to {
            return true;
        }
        let bits = (to - from) * 8;
        for _ in 0..config.bits.get() {
            let bit = libm::floor(self.stream.uniform() * bits as f64) as usize;
            datagram[from + bit / 8] ^= 1 << (bit % 8);
        }
        config.udp_checksum == UdpChecksum::Absent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Probability;

    fn corrupter(share: f64, udp_checksum: UdpChecksum) -> Corrupter {
        let share = Probability::try_from(share).unwrap();
        let config = Corruption { share, bits: 1.try_into().unwrap(), from_byte: 4, to_byte: Some(8), udp_checksum };
        Corrupter::new(Some(config), RandomStream::new(1, "test"))
    }

    #[test]
    fn a_share_of_the_packets_has_a_bit_flipped_in_the_bytes_that_were_named() {
        let mut corrupter = corrupter(0.25, UdpChecksum::Absent);
        let mut hit = [0u32; 12];
        for _ in 0..10_000 {
            let mut datagram = [0u8; 12];
            assert!(corrupter.pass(&mut datagram));
            assert!(datagram.iter().map(|byte| byte.count_ones()).sum::<u32>() <= 1);
            hit.iter_mut().zip(datagram).for_each(|(hit, byte)| *hit += byte.count_ones());
        }
        let total: u32 = hit.iter().sum();
        assert!((2_350..2_650).contains(&total), "{total}");
        assert!(hit[4..8].iter().all(|&hit| hit > 500) && hit[4..8].iter().sum::<u32>() == total, "{hit:?}");
    }

    #[test]
    fn with_a_checksum_what_is_damaged_is_dropped_and_the_rest_is_whole() {
        let mut corrupter = corrupter(0.25, UdpChecksum::Present);
        let mut taken = 0;
        for _ in 0..10_000 {
            let mut datagram = [7u8; 12];
            if corrupter.pass(&mut datagram) {
                assert_eq!(datagram, [7; 12]);
                taken += 1;
            }
        }
        assert!((7_350..7_650).contains(&taken), "{taken}");
    }

    #[test]
    fn a_datagram_without_the_bytes_that_were_named_is_left_alone() {
        let mut corrupter = corrupter(1.0, UdpChecksum::Absent);
        let mut datagram = [7u8; 4];
        assert!(corrupter.pass(&mut datagram) && datagram == [7; 4]);
    }
}
