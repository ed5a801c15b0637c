//! What playing on a sound card and capturing from one have in common: finding it by its name, the samples that are known, the length of its callbacks.

use crate::failure::{Failure, Result};
use cpal::{SampleFormat, SupportedBufferSize, SupportedStreamConfig};

/// The longest callback: none in use asks for more than half of that.
pub(crate) const LONGEST_CALLBACK: usize = 16_384;
/// Errors of a card that nobody has looked at.
pub(crate) const MAX_ERRORS: usize = 16;

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
