//! Running hashes of a trajectory: if two runs differ anywhere, at least one of these differs, and
//! shows on which level.

use engine::LocalTime;
use std::fmt;
use xxhash_rust::xxh3::Xxh3;

/// Hashes of the datagrams on the wire, of the times of events, and of the played audio.
#[derive(Clone, Default)]
pub struct TrajectoryHash {
    wire: Xxh3,
    timing: Xxh3,
    audio: Xxh3,
    /// The last samples as bytes; kept to reuse its memory.
    bytes: Vec<u8>,
}

impl fmt::Debug for TrajectoryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TrajectoryHash {
    pub(super) fn datagram(&mut self, at: i64, bytes: &[u8]) {
        self.wire.update(&at.to_le_bytes());
        self.wire.update(bytes);
    }

    pub(super) fn callback(&mut self, at: LocalTime, depth_s: f64) {
        self.timing.update(&at.as_nanos().to_le_bytes());
        self.timing.update(&depth_s.to_bits().to_le_bytes());
    }

    pub(super) fn audio(&mut self, samples: &[f32]) {
        // One update for all samples, because hashing them one by one would take as long as
        // resampling.
        self.bytes.resize(size_of_val(samples), 0);
        for (bytes, sample) in self.bytes.chunks_exact_mut(size_of::<f32>()).zip(samples) {
            bytes.copy_from_slice(&sample.to_bits().to_le_bytes());
        }
        self.audio.update(&self.bytes);
    }

    /// The three hashes: wire, timing, audio.
    #[must_use]
    pub fn digests(&self) -> [u64; 3] {
        [self.wire.digest(), self.timing.digest(), self.audio.digest()]
    }
}

impl fmt::Display for TrajectoryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [wire, timing, audio] = self.digests();
        write!(f, "wire {wire:016x} timing {timing:016x} audio {audio:016x}")
    }
}
