//! What playing on a sound card and capturing from one have in common: finding it by its name, the samples that are known, the length of its callbacks.

use crate::failure::{Failure, Result};
use cpal::{SampleFormat, SupportedBufferSize, SupportedStreamConfig};
use engine::{LocalTime, Nanos};
use net::clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The longest callback: none in use asks for more than half of that.
pub(crate) const LONGEST_CALLBACK: usize = 16_384;
/// Errors of a card that nobody has looked at.
pub(crate) const MAX_ERRORS: usize = 16;

/// A card that has not called back for this long has stopped, whatever it says.
const STALL: Nanos = Nanos::from_secs(2);

/// When a card called back last: told by its callback, looked at by who watches it.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<AtomicI64>);

impl Pulse {
    /// Begins as if it had called back now.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(clock::now().as_nanos())))
    }

    /// The callback was called at `now`.
    pub(crate) fn beat(&self, now: LocalTime) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// For how long the card has not called back, if that is too long.
    pub(crate) fn stalled(&self) -> Option<Nanos> {
        let silent = clock::now().since(LocalTime::from_nanos(self.0.load(Ordering::Relaxed)));
        (silent >= STALL).then_some(silent)
    }
}

/// The first of the devices whose name contains `wanted`. `that` goes on where the message says `there is no sound card X`.
pub(crate) fn find(
    devices: std::result::Result<impl Iterator<Item = cpal::Device>, cpal::Error>,
    wanted: &str,
    that: &str,
) -> Result<cpal::Device> {
    let devices = devices.map_err(|error| Failure::run(format!("sound cards: {error}")))?;
    let mut names = Vec::new();
    for device in devices {
        let name = device.to_string();
        if name.to_lowercase().contains(&wanted.to_lowercase()) {
            return Ok(device);
        }
        names.push(name);
    }
    let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(Failure::input(format!("there is no sound card {wanted}{that}; there is {there}")))
}

/// Place of a format among those that are known, the widest samples first; `None` for one that is not.
pub(crate) fn rank(format: SampleFormat) -> Option<usize> {
    const KNOWN: [SampleFormat; 4] = [SampleFormat::F32, SampleFormat::I32, SampleFormat::I24, SampleFormat::I16];
    KNOWN.iter().position(|known| *known == format)
}

/// Frames of a callback, as near to `wanted` as the card allows.
pub(crate) fn callback_frames(config: &SupportedStreamConfig, wanted: u32) -> u32 {
    match *config.buffer_size() {
        SupportedBufferSize::Range { min, max } => wanted.clamp(min, max.max(min)),
        SupportedBufferSize::Unknown => wanted,
    }
}
