//! The output: a sound card, or a timer that replaces it.

#[cfg(feature = "cpal")]
use super::card;
use super::mix::Mixer;
use super::{PlayArguments, timer};
use crate::failure::{Failure, Result};
use engine::rtp::format::StreamFormat;
use engine::{Nanos, SampleRate};

/// An opened output, ready to play.
pub(super) enum Output {
    Timer(timer::Opened),
    #[cfg(feature = "cpal")]
    Card(card::Opened),
}

impl Output {
    /// Opens the requested output for streams with this format's rate and this number of channels.
    pub(super) fn open(arguments: &PlayArguments, format: StreamFormat, channels: usize) -> Result<Self> {
        match &arguments.output {
            Some(output) => {
                let block = arguments.block as usize;
                timer::Opened::open(output, format.sample_rate(), channels, arguments.ppm, block).map(Self::Timer)
            }
            #[cfg(feature = "cpal")]
            None => card::Opened::open(arguments.device.as_deref(), format.sample_rate(), channels).map(Self::Card),
            #[cfg(not(feature = "cpal"))]
            None => Err(Failure::input(
                "this program was built without sound cards: give --output null or a WAV file, or build it with the feature `cpal`",
            )),
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Timer(opened) => opened.name(),
            #[cfg(feature = "cpal")]
            Self::Card(opened) => opened.name(),
        }
    }

    pub(super) fn rate(&self) -> SampleRate {
        match self {
            Self::Timer(opened) => opened.rate(),
            #[cfg(feature = "cpal")]
            Self::Card(opened) => opened.rate(),
        }
    }

    pub(super) fn channels(&self) -> usize {
        match self {
            Self::Timer(opened) => opened.channels(),
            #[cfg(feature = "cpal")]
            Self::Card(opened) => opened.channels(),
        }
    }

    pub(super) fn block_frames(&self) -> usize {
        match self {
            Self::Timer(opened) => opened.block_frames(),
            #[cfg(feature = "cpal")]
            Self::Card(_) => card::BLOCK_FRAMES,
        }
    }

    /// Maximum number of frames in one callback.
    pub(super) fn longest_callback(&self) -> usize {
        match self {
            Self::Timer(opened) => opened.block_frames(),
            #[cfg(feature = "cpal")]
            Self::Card(_) => crate::sound_card::LONGEST_CALLBACK,
        }
    }

    #[cfg_attr(not(feature = "cpal"), expect(unused_variables, reason = "a timer has the callback it is told"))]
    pub(super) fn start(self, mixer: Mixer, latency: Nanos) -> Result<Playing> {
        match self {
            Self::Timer(opened) => opened.start(mixer).map(Playing::Timer),
            #[cfg(feature = "cpal")]
            Self::Card(opened) => opened.start(mixer, latency).map(Playing::Card),
        }
    }
}

/// An output that is playing. Stops when it is dropped.
pub(super) enum Playing {
    Timer(timer::Playing),
    #[cfg(feature = "cpal")]
    Card(card::Playing),
}

/// Why the output no longer plays.
pub(super) enum Lost {
    /// The output may come back, for example a card that was unplugged.
    #[cfg(feature = "cpal")]
    ForNow(String),
    /// The output will not come back, for example a file that cannot be written.
    ForGood(Failure),
}

impl Playing {
    /// The latency of the card from its callback to the sound; `None` for a timer.
    pub(super) fn latency(&self) -> Option<Nanos> {
        match self {
            Self::Timer(_) => None,
            #[cfg(feature = "cpal")]
            Self::Card(playing) => playing.latency(),
        }
    }

    /// Reports events of the output.
    ///
    /// # Errors
    /// If the output no longer plays.
    pub(super) fn check(&mut self) -> std::result::Result<(), Lost> {
        match self {
            Self::Timer(playing) => playing.check().map_err(Lost::ForGood),
            #[cfg(feature = "cpal")]
            Self::Card(playing) => playing.check().map_err(Lost::ForNow),
        }
    }
}
