//! The resamplers that are compared, each behind the engine's trait.

use audioadapter_buffers::direct::InterleavedSlice;
use engine::resample::{
    Kernel, NearUnityError, NearUnityResampler, Precision, Resampler, SincResampler, SincResamplerError,
};
use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};
use thiserror::Error;

/// Range of rubato's step, either way.
const MAX_RELATIVE_STEP: f64 = 1.01;

/// A resampler could not be created.
#[derive(Debug, Error)]
pub enum ContestantError {
    /// The engine's own.
    #[error(transparent)]
    NearUnity(#[from] NearUnityError),
    /// The engine's converter.
    #[error(transparent)]
    Sinc(#[from] SincResamplerError),
    /// rubato.
    #[error("rubato: {0}")]
    Rubato(#[from] rubato::ResamplerConstructionError),
    /// A library of the system.
    #[cfg(feature = "peers")]
    #[error(
        "{0} cannot be used: it refused to be made or to run; build without the feature peers, or mend the library"
    )]
    Peer(&'static str),
}

type Make = Box<dyn Fn(usize, usize) -> Result<Box<dyn Resampler>, ContestantError>>;

/// A resampler to be compared.
pub struct Contestant {
    /// Its name.
    pub name: String,
    make: Make,
}

impl Contestant {
    pub(super) fn new(
        name: impl Into<String>,
        make: impl Fn(usize, usize) -> Result<Box<dyn Resampler>, ContestantError> + 'static,
    ) -> Self {
        Self { name: name.into(), make: Box::new(make) }
    }

    /// A new one, for blocks of up to `frames` frames of `channels` channels.
    ///
    /// # Errors
    /// If the resampler refuses.
    pub fn make(&self, channels: usize, frames: usize) -> Result<Box<dyn Resampler>, ContestantError> {
        (self.make)(channels, frames)
    }
}

/// All resamplers: rubato with the parameters that its documentation proposes and with its best
/// ones; the engine's converter between different rates; with the feature `peers`, the libraries
/// that the system has; and the engine's near-unity resampler in either precision with every kernel
/// that this machine supports.
#[must_use]
pub fn contestants() -> Vec<Contestant> {
    let mut all = vec![
        Contestant::new("rubato default", |channels, frames| {
            Ok(Box::new(Rubato { inner: sinc::<f32>(128, channels, frames)?, channels, frames, needed: 0 }))
        }),
        Contestant::new("converter", |channels, frames| Ok(Box::new(SincResampler::new(channels, frames, 1.0)?))),
        Contestant::new("rubato f64", |channels, frames| {
            let inner = Rubato { inner: sinc::<f64>(256, channels, frames)?, channels, frames, needed: 0 };
            Ok(Box::new(Widened {
                inner,
                input: vec![0.0; 2 * channels * frames],
                output: vec![0.0; channels * frames],
            }))
        }),
    ];
    #[cfg(feature = "peers")]
    all.extend(super::peer::contestants());
    for (precision, name) in [(Precision::Single, "f32"), (Precision::Double, "f64")] {
        for kernel in Kernel::available() {
            all.push(Contestant::new(format!("engine {name} {}", kernel.name()), move |channels, frames| {
                Ok(Box::new(NearUnityResampler::with(channels, frames, precision, kernel)?))
            }));
        }
    }
    all
}

/// 256 taps, BlackmanHarris2, cubic.
fn sinc<T: rubato::Sample>(
    phases: usize,
    channels: usize,
    frames: usize,
) -> Result<Async<T>, rubato::ResamplerConstructionError> {
    let parameters = SincInterpolationParameters::new(256, WindowFunction::BlackmanHarris2)
        .oversampling_factor(phases)
        .interpolation(SincInterpolationType::Cubic);
    Async::new_sinc(1.0, MAX_RELATIVE_STEP, &parameters, frames, channels, FixedAsync::Output)
}

/// rubato in blocks of one size.
struct Rubato<T: rubato::Sample> {
    inner: Async<T>,
    channels: usize,
    frames: usize,
    needed: usize,
}

impl<T: rubato::Sample> Rubato<T> {
    fn announce(&mut self, step: f64) -> usize {
        let adjusted = self.inner.set_resample_ratio(1.0 / step, false);
        debug_assert!(adjusted.is_ok(), "the steps of this bench are in range");
        self.needed = self.inner.input_frames_next();
        self.needed
    }

    fn convert(&mut self, input: &[T], output: &mut [T]) {
        let source = InterleavedSlice::new(input, self.channels, self.needed);
        let sink = InterleavedSlice::new_mut(output, self.channels, self.frames);
        let (Ok(source), Ok(mut sink)) = (source, sink) else { return };
        let processed = self.inner.process_into_buffer(&source, &mut sink, None);
        debug_assert!(processed.is_ok(), "rubato was given what it asked for: {processed:?}");
    }
}

impl Resampler for Rubato<f32> {
    fn channels(&self) -> usize {
        self.channels
    }

    fn max_frames(&self) -> usize {
        self.frames
    }

    fn prepare(&mut self, _: usize, step_end: f64) -> usize {
        self.announce(step_end)
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        self.convert(input, output);
    }

    /// Hidden by rubato, and of no interest here.
    fn input_latency_frames(&self) -> f64 {
        f64::NAN
    }
}

/// rubato in double precision, with input and output in single precision.
struct Widened {
    inner: Rubato<f64>,
    input: Vec<f64>,
    output: Vec<f64>,
}

impl Resampler for Widened {
    fn channels(&self) -> usize {
        self.inner.channels
    }

    fn max_frames(&self) -> usize {
        self.inner.frames
    }

    fn prepare(&mut self, _: usize, step_end: f64) -> usize {
        self.inner.announce(step_end)
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        for (wide, narrow) in self.input.iter_mut().zip(input) {
            *wide = f64::from(*narrow);
        }
        self.inner.convert(&self.input[..input.len()], &mut self.output);
        for (narrow, wide) in output.iter_mut().zip(&self.output) {
            *narrow = *wide as f32;
        }
    }

    /// Hidden by rubato, and of no interest here.
    fn input_latency_frames(&self) -> f64 {
        f64::NAN
    }
}
