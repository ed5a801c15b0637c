//! Common parts of playing on a sound card and capturing from one: finding the card by its name,
//! ranking its sample formats, and finding a callback length that it accepts.

use crate::failure::{Failure, Result};
use cpal::{SampleFormat, SupportedBufferSize, SupportedStreamConfig};
use engine::{LocalTime, Nanos};
use net::clock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// Maximum length of a callback, in frames. Cards in use request at most half of this.
pub(crate) const LONGEST_CALLBACK: usize = 16_384;
/// Maximum number of card errors that wait to be read.
pub(crate) const MAX_ERRORS: usize = 16;

/// A card that has made no callback for this long has stopped, even if it reports no error.
const STALL: Nanos = Nanos::from_secs(2);

/// The time of a card's last callback: written by the callback, read by its observer.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<AtomicI64>);

impl Pulse {
    /// Creates a pulse, as if there had been a callback now.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(clock::now().as_nanos())))
    }

    /// Records a callback at `now`.
    pub(crate) fn beat(&self, now: LocalTime) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// The time since the last callback, if it is too long.
    pub(crate) fn stalled(&self) -> Option<Nanos> {
        let silent = clock::now().since(LocalTime::from_nanos(self.0.load(Ordering::Relaxed)));
        (silent >= STALL).then_some(silent)
    }
}

/// Weight of the newest callback in the mean of [`Delay`]. Averaging is necessary because the
/// reported fill of a queue that is emptied in large steps varies from callback to callback.
const NEWEST: f64 = 1.0 / 64.0;

/// Mean time for which the output of a callback waits in the card's queue, as the card reports it.
/// It is written by the callback and read by its observer.
#[derive(Clone)]
pub(crate) struct Delay(Arc<AtomicI64>);

impl Delay {
    /// Marks that no delay has been reported yet.
    const UNTOLD: i64 = i64::MIN;

    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(Self::UNTOLD)))
    }

    /// Records the delay that the card reported to a callback.
    pub(crate) fn told(&self, delay: Nanos) {
        // There is only one writer, so nothing is lost between load and store.
        let mean = match self.0.load(Ordering::Relaxed) {
            Self::UNTOLD => delay.as_nanos(),
            mean => mean + ((delay.as_nanos() - mean) as f64 * NEWEST) as i64,
        };
        self.0.store(mean, Ordering::Relaxed);
    }

    pub(crate) fn mean(&self) -> Option<Nanos> {
        Some(self.0.load(Ordering::Relaxed)).filter(|mean| *mean != Self::UNTOLD).map(Nanos::new)
    }
}

/// Calls `open`, which searches for a card or opens it. The many lines that the ALSA library writes
/// in the meantime go to the log instead of standard error, because `open` returns one error that
/// summarises them.
#[cfg(target_os = "linux")]
pub(crate) fn with_words_logged<T>(open: impl FnOnce() -> T) -> T {
    let words = alsa::Output::local_error_handler();
    let opened = open();
    if let Ok(words) = words {
        words.borrow().to_string().lines().for_each(|line| tracing::debug!("{line}"));
    }
    opened
}

/// Calls `open`, which searches for a card or opens it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn with_words_logged<T>(open: impl FnOnce() -> T) -> T {
    open()
}

/// Finds the first device whose name contains `wanted`. `that` completes the error message
/// `there is no sound card X`.
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

/// Rank of a sample format among the supported ones, the widest samples first; `None` if the format
/// is not supported.
pub(crate) fn rank(format: SampleFormat) -> Option<usize> {
    const KNOWN: [SampleFormat; 4] = [SampleFormat::F32, SampleFormat::I32, SampleFormat::I24, SampleFormat::I16];
    KNOWN.iter().position(|known| *known == format)
}

/// The error for a card with none of the supported formats.
pub(crate) fn unknown_format(format: SampleFormat) -> cpal::Error {
    let unknown = format!("samples of format {format} are not known here");
    cpal::Error::with_message(cpal::ErrorKind::UnsupportedConfig, unknown)
}

/// Callback lengths to try in turn: the one closest to `wanted` within the card's range, then the
/// powers of two around it. Some cards accept only certain lengths within their range and do not
/// list them. For example, ALSA's JACK plugin accepts JACK's period, doubled any number of times.
pub(crate) fn callback_frames(config: &SupportedStreamConfig, wanted: u32) -> [u32; 3] {
    sizes(config.buffer_size(), wanted)
}

fn sizes(supported: &SupportedBufferSize, wanted: u32) -> [u32; 3] {
    let allowed = |frames: u32| match *supported {
        SupportedBufferSize::Range { min, max } => frames.clamp(min, max.max(min)),
        SupportedBufferSize::Unknown => frames,
    };
    let nearest = allowed(wanted).max(1);
    let above = nearest.checked_next_power_of_two().unwrap_or(nearest);
    let below = if above == nearest { nearest / 2 } else { above / 2 };
    [nearest, allowed(below.max(1)), allowed(above)]
}

/// Calls `open` with each length until the card accepts one.
///
/// # Errors
/// The last refusal, if the card accepts no length. Any other error is returned at once.
pub(crate) fn open_with<T, S: Copy>(
    sizes: impl IntoIterator<Item = S>,
    mut open: impl FnMut(S) -> std::result::Result<T, cpal::Error>,
) -> std::result::Result<T, cpal::Error> {
    let mut refusal = cpal::Error::from(cpal::ErrorKind::UnsupportedConfig);
    for size in sizes {
        match open(size) {
            Err(error) if error.kind() == cpal::ErrorKind::UnsupportedConfig => refusal = error,
            other => return other,
        }
    }
    Err(refusal)
}

/// Passes state to a callback. An attempt to open a card consumes the callback even if the card
/// refuses it, so each attempt gets a clone of this, and the first callback takes the contents.
pub(crate) struct Handover<T>(Arc<Mutex<Option<T>>>);

impl<T> Handover<T> {
    pub(crate) fn new(work: T) -> Self {
        Self(Arc::new(Mutex::new(Some(work))))
    }

    /// Takes the contents. This never blocks, because the only other owners are callbacks of
    /// refused attempts.
    pub(crate) fn take(&self) -> Option<T> {
        self.0.try_lock().ok()?.take()
    }
}

impl<T> Clone for Handover<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_the_mean_of_what_is_told() {
        let delay = Delay::new();
        assert_eq!(delay.mean(), None);
        for callback in 0..1000 {
            delay.told(Nanos::from_micros(if callback % 2 == 0 { 8_000 } else { 12_000 }));
        }
        let mean_us = delay.mean().unwrap().as_nanos() / 1000;
        assert!((9_900..10_100).contains(&mean_us), "{mean_us}");
    }

    #[test]
    fn powers_of_two_are_tried_after_what_is_wanted() {
        let range = SupportedBufferSize::Range { min: 32, max: 16_384 };
        assert_eq!(sizes(&range, 480), [480, 256, 512]);
        assert_eq!(sizes(&range, 256), [256, 128, 256]);
        assert_eq!(sizes(&range, 1), [32, 32, 32]);
        assert_eq!(sizes(&SupportedBufferSize::Unknown, 240), [240, 128, 256]);
    }

    #[test]
    fn only_a_refused_size_leads_to_the_next() {
        let opened = |accepted: u32| {
            let mut tried = Vec::new();
            let result = open_with([480, 256, 512], |frames| {
                tried.push(frames);
                if frames == accepted { Ok(frames) } else { Err(cpal::ErrorKind::UnsupportedConfig.into()) }
            });
            (result.ok(), tried)
        };
        assert_eq!(opened(256), (Some(256), vec![480, 256]));
        assert_eq!(opened(0), (None, vec![480, 256, 512]));
        let gone = open_with([480, 256], |_| Err::<(), _>(cpal::ErrorKind::DeviceNotAvailable.into()));
        assert_eq!(gone.unwrap_err().kind(), cpal::ErrorKind::DeviceNotAvailable);
    }
}
