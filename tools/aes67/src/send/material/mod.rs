//! Sources of audio.

mod audio;
#[cfg(feature = "cpal")]
pub(crate) mod card;
mod compressed;
pub(crate) mod feed;
mod signal;

use super::plan::{SourcePlan, StdinFormat};
use crate::failure::Failure;
use audio::Audio;
use engine::SampleRate;
use signal::Signal;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Default channels, sample rate and level of sources that do not state them.
const CHANNELS: u16 = 2;
const SAMPLE_RATE_HZ: u32 = 48_000;
const LEVEL_DBFS: f64 = -20.0;
/// Files are read in pieces of this many bytes.
const BUFFER: usize = 1 << 18;

/// Channels and sample rate of the audio that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) channels: u16,
    pub(crate) sample_rate_hz: u32,
}

/// The source of the audio to send.
pub(crate) enum Material {
    Computed {
        signal: Signal,
        layout: (u16, SampleRate),
    },
    Read(Playlist),
    #[cfg(feature = "cpal")]
    Card(card::Opened),
}

/// An error in a source: the key, and a sentence.
pub(crate) type Wrong = (&'static str, String);

impl Material {
    /// Opens the source that a plan specifies.
    ///
    /// # Errors
    /// The key, and a sentence that says what is wrong with its value.
    pub(crate) fn open(plan: &SourcePlan) -> Result<Self, Wrong> {
        let wanted =
            [plan.files.is_some(), plan.tone_hz.is_some(), plan.ident, plan.stdin.is_some(), plan.card.is_some()];
        if wanted.iter().filter(|wanted| **wanted).count() != 1 {
            return Err(("", "there must be one source: one of files, tone_hz, ident, stdin and card".to_owned()));
        }
        let channels = plan.channels.unwrap_or(CHANNELS).max(1);
        let rate_hz = plan.sample_rate_hz.unwrap_or(SAMPLE_RATE_HZ);
        let rate = SampleRate::from_hz(rate_hz).ok_or_else(|| ("sample_rate_hz", "0 Hz is no rate".to_owned()))?;
        if let Some(files) = &plan.files {
            return Playlist::open(files, plan.repeat).map(Self::Read).map_err(|message| ("files", message));
        }
        if let Some(format) = plan.stdin {
            return Playlist::stdin(format, channels, rate_hz).map(Self::Read).map_err(|message| ("stdin", message));
        }
        if let Some(name) = &plan.card {
            return open_card(name, plan).map_err(|message| ("card", message));
        }
        let gain = gain(plan.level_dbfs.unwrap_or(LEVEL_DBFS)).map_err(|message| ("level_dbfs", message))?;
        let signal = match plan.tone_hz {
            Some(tone_hz) => {
                let highest = f64::from(rate_hz) / 2.0;
                if !(0.0..highest).contains(&tone_hz) {
                    return Err(("tone_hz", format!("a tone of {tone_hz} Hz: it must be within 0 and {highest} Hz")));
                }
                Signal::Tone { frequency_mhz: (tone_hz * 1e3).round() as i64, gain }
            }
            None => Signal::Ident { gain },
        };
        Ok(Self::Computed { signal, layout: (channels, rate) })
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Computed { signal: Signal::Tone { .. }, .. } => "tone".to_owned(),
            Self::Computed { .. } => "ident".to_owned(),
            Self::Read(playlist) => playlist.name(),
            #[cfg(feature = "cpal")]
            Self::Card(card) => card.name(),
        }
    }

    pub(crate) fn channels(&self) -> usize {
        match self {
            Self::Computed { layout: (channels, _), .. } => usize::from(*channels),
            Self::Read(playlist) => usize::from(playlist.layout().channels),
            #[cfg(feature = "cpal")]
            Self::Card(card) => card.channels(),
        }
    }

    pub(crate) fn sample_rate(&self) -> SampleRate {
        match self {
            Self::Computed { layout: (_, rate), .. } => *rate,
            // The fallback is never used, because files with a rate of 0 Hz are refused when they
            // are opened.
            Self::Read(playlist) => {
                SampleRate::from_hz(playlist.layout().sample_rate_hz).unwrap_or(SampleRate::HZ_48000)
            }
            #[cfg(feature = "cpal")]
            Self::Card(card) => card.rate(),
        }
    }
}

#[cfg(feature = "cpal")]
fn open_card(name: &str, plan: &SourcePlan) -> Result<Material, String> {
    card::Opened::open(name, plan.sample_rate_hz, plan.channels)
        .map(Material::Card)
        .map_err(|failure: Failure| failure.to_string())
}

#[cfg(not(feature = "cpal"))]
fn open_card(_name: &str, _plan: &SourcePlan) -> Result<Material, String> {
    Err(Failure::input("this build has no sound cards: build it with the feature cpal").to_string())
}

fn gain(level_dbfs: f64) -> Result<f64, String> {
    if (-144.0..=0.0).contains(&level_dbfs) {
        return Ok(10f64.powf(level_dbfs / 20.0));
    }
    Err(format!("a level of {level_dbfs} dBFS: it must be within -144 and 0"))
}

/// Files that are read one after another without a gap, or standard input.
pub(crate) struct Playlist {
    files: Vec<PathBuf>,
    repeat: bool,
    current: Option<Box<Audio>>,
    /// Index of the file after the current one.
    next: usize,
    layout: Layout,
    /// Whether the files have yielded any audio since the first one began.
    any: bool,
    /// Notices about the files that have been reported, so that each is reported once, however
    /// often the files are repeated.
    told: BTreeSet<String>,
}

impl Playlist {
    fn open(files: &[PathBuf], repeat: bool) -> Result<Self, String> {
        let (first, others) = files.split_first().ok_or("there is no file")?;
        let current = Audio::open(first)?;
        let layout = current.layout();
        let mut playlist =
            Self { files: files.to_vec(), repeat, current: None, next: 1, layout, any: false, told: BTreeSet::new() };
        playlist.check(&current)?;
        for file in others {
            let mut other = Audio::open(file)?;
            playlist.check(&other)?;
            if other.layout() != layout {
                return Err(format!(
                    "{} has {} channels at {} Hz, but {} has {} at {} Hz: files that follow each other must be alike",
                    file.display(),
                    other.layout().channels,
                    other.layout().sample_rate_hz,
                    first.display(),
                    layout.channels,
                    layout.sample_rate_hz,
                ));
            }
            playlist.tell(&mut other);
        }
        playlist.begin(current);
        Ok(playlist)
    }

    fn stdin(format: StdinFormat, channels: u16, sample_rate_hz: u32) -> Result<Self, String> {
        let audio = Audio::stdin(format, channels, sample_rate_hz)?;
        let layout = audio.layout();
        let mut playlist =
            Self { files: vec![], repeat: false, current: None, next: 0, layout, any: false, told: BTreeSet::new() };
        playlist.check(&audio)?;
        playlist.begin(audio);
        Ok(playlist)
    }

    /// Checks that the source can be used as requested. The error is a sentence.
    fn check(&self, audio: &Audio) -> Result<(), String> {
        let is_wanted_again = self.repeat || self.files.len() > 1;
        let wrong = audio.is_empty().or_else(|| audio.only_once().filter(|_| is_wanted_again));
        wrong.map_or(Ok(()), Err)
    }

    fn begin(&mut self, mut audio: Audio) {
        self.tell(&mut audio);
        self.current = Some(Box::new(audio));
    }

    fn tell(&mut self, audio: &mut Audio) {
        for sentence in audio.take_notices() {
            if !self.told.contains(&sentence) {
                tracing::warn!("{sentence}");
                self.told.insert(sentence);
            }
        }
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    fn is_of_files(&self) -> bool {
        !self.files.is_empty()
    }

    fn name(&self) -> String {
        let stem = self.files.first().and_then(|file| file.file_stem());
        stem.map_or_else(|| "stdin".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    /// Reads the next frames, across the boundaries of files. Returns fewer frames only at the end
    /// of the playlist. If a file cannot be read to its end, this is reported, and the next file
    /// follows.
    pub(crate) fn read(&mut self, frames: usize) -> Vec<f32> {
        let channels = usize::from(self.layout.channels);
        let mut all = Vec::new();
        while let Some(mut audio) = self.current.take_if(|_| all.len() < frames * channels) {
            let count = audio.read(frames - all.len() / channels, &mut all).unwrap_or_else(|error| {
                tracing::warn!("{error}");
                0
            });
            self.tell(&mut audio);
            if count > 0 {
                self.any = true;
                self.current = Some(audio);
            } else {
                self.begin_next();
            }
        }
        all
    }

    /// Whether a file has the same layout as the first one. It may have been replaced in the
    /// meantime.
    fn fits(&self, audio: &Audio) -> bool {
        audio.layout() == self.layout
    }

    /// Begins the next file that can still be opened.
    fn begin_next(&mut self) {
        self.current = None;
        loop {
            if self.next == self.files.len() {
                // Without this check, files without audio would be repeated endlessly.
                if !(self.repeat && self.any) {
                    return;
                }
                (self.next, self.any) = (0, false);
            }
            let Some(file) = self.files.get(self.next) else { return };
            self.next += 1;
            match Audio::open(file) {
                Ok(audio) if self.fits(&audio) => return self.begin(audio),
                Ok(_) => tracing::warn!(
                    "{}: it has other channels or another rate than what is sent, and is left out",
                    file.display()
                ),
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn write(path: &Path, samples: std::ops::Range<i32>, channels: u16) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: 48_000,
            bits_per_sample: 24,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        samples.for_each(|sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
    }

    #[test]
    fn files_follow_each_other_and_repeat_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a.wav", "b.wav"].map(|name| folder.path().join(name));
        write(&files[0], 0..100, 2);
        write(&files[1], 100..106, 2);
        let mut once = Playlist::open(&files, false).unwrap();
        let samples: Vec<i32> = std::iter::from_fn(|| Some(once.read(7)).filter(|block| !block.is_empty()))
            .flatten()
            .map(|x| (x * 8_388_608.0) as i32)
            .collect();
        assert_eq!(samples, (0..106).collect::<Vec<_>>());
        let mut forever = Playlist::open(&files, true).unwrap();
        let samples: Vec<i32> = forever.read(106).iter().map(|x| (x * 8_388_608.0) as i32).collect();
        assert_eq!(samples, (0..106).chain(0..106).collect::<Vec<_>>());
    }

    #[test]
    fn files_that_differ_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a.wav", "b.wav"].map(|name| folder.path().join(name));
        write(&files[0], 0..4, 2);
        write(&files[1], 0..4, 1);
        let error = Playlist::open(&files, false).err().unwrap();
        assert!(
            error.ends_with("files that follow each other must be alike") && error.contains("b.wav has 1 channels"),
            "{error}"
        );
    }

    #[test]
    fn empty_files_are_refused_and_come_to_an_end_if_they_are_emptied_later() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a.wav", "b.wav"].map(|name| folder.path().join(name));
        write(&files[0], 0..4, 2);
        write(&files[1], 0..0, 2);
        let refusal = Playlist::open(&files, true).err().unwrap();
        assert!(refusal.contains("b.wav: there is no audio") && refusal.contains("one frame is needed"), "{refusal}");
        let mut playlist = Playlist::open(&files[..1], true).unwrap();
        write(&files[0], 0..0, 2);
        // The two frames that were already read.
        assert_eq!(playlist.read(10).len(), 4);
        assert!(playlist.read(10).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_opened_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wav");
        write(&file, 0..8, 2);
        let bytes = std::fs::read(&file).unwrap();
        let open = |repeat| {
            let (reader, mut writer) = std::io::pipe().unwrap();
            std::io::Write::write_all(&mut writer, &bytes).unwrap();
            let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
            Playlist::open(&[PathBuf::from(path)], repeat)
        };
        assert_eq!(open(false).unwrap().read(10).len(), 8);
        assert!(
            open(true)
                .err()
                .unwrap()
                .ends_with("is no regular file: it must be the only source, and cannot be repeated")
        );
    }

    #[test]
    fn one_source_is_asked_for() {
        let wrong = Material::open(&SourcePlan::default()).err().unwrap();
        assert_eq!(wrong.1, "there must be one source: one of files, tone_hz, ident, stdin and card");
        let plan = SourcePlan { tone_hz: Some(30_000.0), ..SourcePlan::default() };
        assert_eq!(Material::open(&plan).err().unwrap().0, "tone_hz");
    }
}
