//! Resamplers of other projects, from the system's libraries, to compare with.
//!
//! Model: frames go in, and what has become of them comes out, as many as there are. Only those
//! libraries are known whose headers were found when this crate was built (Debian:
//! libsamplerate0-dev, libsoxr-dev, libspeexdsp-dev, libzita-resampler-dev), so there may be none.
//!
//! Development only: the libraries are under BSD, LGPL and GPL, and whatever is linked with them is
//! under the strictest.

use std::ffi::{c_int, c_uint, c_void};
use std::ptr::NonNull;

/// The functions of a shim, see `shim/`.
#[derive(Clone, Copy)]
struct Functions {
    new: unsafe extern "C" fn(c_uint, c_int) -> *mut c_void,
    process: unsafe extern "C" fn(*mut c_void, f64, *const f32, usize, *mut f32, usize) -> usize,
    delete: unsafe extern "C" fn(*mut c_void),
}

/// A library at one quality.
#[derive(Clone, Copy)]
pub struct Library {
    /// Its name, and the quality.
    pub name: &'static str,
    quality: c_int,
    functions: Functions,
}

impl Library {
    /// A resampler of `channels` channels; `None` if the library refuses.
    #[must_use]
    pub fn make(self, channels: usize) -> Option<Peer> {
        let count = c_uint::try_from(channels).ok().filter(|count| *count > 0)?;
        // SAFETY: the shims' constructors take any number of channels and give null when they fail.
        let state = unsafe { (self.functions.new)(count, self.quality) };
        NonNull::new(state).map(|state| Peer { state, channels, functions: self.functions })
    }
}

/// A resampler.
pub struct Peer {
    state: NonNull<c_void>,
    channels: usize,
    functions: Functions,
}

// SAFETY: a state is a plain object of its library, without thread-local data, and used by one
// thread at a time (`&mut self`).
unsafe impl Send for Peer {}

impl Peer {
    /// Takes interleaved input at `step` input frames per output frame; returns how many frames
    /// came out, `None` if the library failed or `output` was too short to take all that came.
    pub fn process(&mut self, step: f64, input: &[f32], output: &mut [f32]) -> Option<usize> {
        let (from, to) = (input.len() / self.channels, output.len() / self.channels);
        // SAFETY: the state is alive until `drop`; both pointers are valid for so many frames of
        // `channels` samples.
        let made = unsafe {
            (self.functions.process)(self.state.as_ptr(), step, input.as_ptr(), from, output.as_mut_ptr(), to)
        };
        (made <= to).then_some(made)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // SAFETY: the state came from the constructor of the same shim, and nobody uses it after
        // this.
        unsafe { (self.functions.delete)(self.state.as_ptr()) };
    }
}

/// Declares a shim's functions, and lists its qualities.
#[cfg(any(peers = "samplerate", peers = "soxr", peers = "speexdsp", peers = "zita"))]
macro_rules! shim {
    ($new:ident, $process:ident, $delete:ident, $qualities:expr) => {{
        unsafe extern "C" {
            fn $new(channels: c_uint, quality: c_int) -> *mut c_void;
            fn $process(
                state: *mut c_void,
                step: f64,
                input: *const f32,
                input_frames: usize,
                output: *mut f32,
                output_frames: usize,
            ) -> usize;
            fn $delete(state: *mut c_void);
        }
        let functions = Functions { new: $new, process: $process, delete: $delete };
        Vec::from($qualities.map(|(name, quality)| Library { name, quality, functions }))
    }};
}

/// The libraries that were found, each at the qualities worth comparing.
#[must_use]
pub fn libraries() -> Vec<Library> {
    let found: &[Vec<Library>] = &[
        // Converter types of samplerate.h.
        #[cfg(peers = "samplerate")]
        shim!(
            peers_samplerate_new,
            peers_samplerate_process,
            peers_samplerate_delete,
            [("libsamplerate best", 0), ("libsamplerate medium", 1)]
        ),
        #[cfg(peers = "soxr")]
        shim!(peers_soxr_new, peers_soxr_process, peers_soxr_delete, [("soxr variable rate", 0)]),
        #[cfg(peers = "zita")]
        shim!(peers_zita_new, peers_zita_process, peers_zita_delete, [("zita VResampler 48", 48)]),
        #[cfg(peers = "speexdsp")]
        shim!(peers_speexdsp_new, peers_speexdsp_process, peers_speexdsp_delete, [("speexdsp q10", 10)]),
    ];
    found.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_of_libsamplerate_at_the_step() {
        check("libsamplerate ");
    }

    #[test]
    fn frames_come_out_of_soxr_at_the_step() {
        check("soxr ");
    }

    #[test]
    fn frames_come_out_of_zita_at_the_step() {
        check("zita ");
    }

    #[test]
    fn frames_come_out_of_speexdsp_at_the_step() {
        check("speexdsp ");
    }

    /// Of each quality of a library, if it was there when this was built.
    fn check(name: &str) {
        let qualities: Vec<Library> =
            libraries().into_iter().filter(|library| library.name.starts_with(name)).collect();
        if qualities.is_empty() {
            skips::tell(format_args!(
                "the headers of {}were missing when this was built (Debian: apt-get install libsamplerate0-dev \
                 libsoxr-dev libspeexdsp-dev libzita-resampler-dev; then cargo clean -p peers)",
                name
            ));
        }
        for library in qualities {
            let mut peer = library.make(2).unwrap_or_else(|| panic!("{} refuses", library.name));
            let input = vec![0.25; 2 * 480];
            let mut output = vec![0.0; 2 * 2000];
            let step = 1.0001;
            let (mut made, mut last) = (0, 0.0);
            for _ in 0..1000 {
                let frames = peer.process(step, &input, &mut output);
                made += frames.unwrap_or_else(|| panic!("{} fails", library.name));
                last = output[1];
            }
            let expected = 1000.0 * 480.0 / step;
            assert!((made as f64 - expected).abs() < 1000.0, "{}: {made}", library.name);
            assert!((last - 0.25).abs() < 1e-3, "{}: {last}", library.name);
        }
    }
}
