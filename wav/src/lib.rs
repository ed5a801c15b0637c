//! Reads the samples of WAV files as `f32` with full scale ±1, for the simulator and for
//! `aes67 send`.
//!
//! Model: a file is read once from front to back, so it may also be a pipe. Three containers are
//! supported: RIFF/WAVE with 32-bit lengths, RF64 and BW64 whose `ds64` chunk contains 64-bit
//! lengths, and Wave64. Chunks before the samples are skipped, except `fmt ` and `ds64`. The
//! required memory does not depend on the file.
//!
//! Rules:
//! * The size of a sample is the size of its container according to `fmt `: its bits rounded up to
//!   whole bytes. `nBlockAlign` must agree.
//! * If there are fewer valid bits than bits in the container, they are left-justified
//!   (`WAVEFORMATEXTENSIBLE`), so full scale is the container's.
//! * On a pipe, a stated length is only a hint: the samples end there only if the pipe ends there,
//!   or if another chunk begins there.
//! * In a file, a stated length is used if the file is long enough. Otherwise, the samples end with
//!   the file, and a [`Notice`] says so.
//! * A length of 0 means that there is no audio if nothing or another chunk follows. Otherwise, the
//!   file was never completed, and is read to its end.
//! * If the length is unknown (`0xFFFFFFFF`), the samples are read to the end.
//! * The pad byte after a chunk of odd length may be missing, so the next chunk may begin at either
//!   position.
//! * Floats that are NaN or infinite are replaced with silence, and counted in a [`Notice`]. Floats
//!   beyond full scale are kept and counted; they are clipped where samples are converted to
//!   integers.
//!
//! hound, which writes this project's WAV files, is not used to read them, because it misreads
//! samples with fewer valid bits than their container, trusts every length, and supports neither
//! RF64 nor 64-bit floats.
//!
//! Sources: IBM and Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", 1991
//! (RIFF, WAVE); Microsoft, `WAVEFORMATEXTENSIBLE` (mmreg.h) and "Multiple channel audio data and
//! WAVE files", 2001; EBU Tech 3306 (RF64) and ITU-R BS.2088 (BW64); Sony Pictures Digital, "Wave64
//! file format", 2003.
//!
//! ```
//! use wav::{Extent, Reader};
//! let format = b"fmt \x10\0\0\0\x01\0\x01\0\x80\xBB\0\0\0\x77\x01\0\x02\0\x10\0";
//! let data = b"data\x04\0\0\0\x00\x40\x00\xC0";
//! let file = [&b"RIFF\x28\0\0\0WAVE"[..], format, data].concat();
//! let mut reader = Reader::new(&file[..], Extent::Bytes(file.len() as u64))?;
//! assert_eq!((reader.format().channels, reader.format().sample_rate_hz), (1, 48_000));
//! let mut samples = Vec::new();
//! assert_eq!(reader.read(100, &mut samples)?, 2);
//! assert_eq!(samples, [0.5, -0.5]);
//! assert!(reader.take_notices().is_empty());
//!
//! let error = Reader::new(&b"fLaC..."[..], Extent::Unknown).err().expect("no WAV file");
//! assert!(error.to_string().starts_with("this is FLAC, not WAV"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod complete;
mod container;
mod cues;
mod error;
mod format;
mod lookahead;
mod reader;

pub use complete::complete;
pub use cues::{Cue, add_cues};
pub use error::{Error, Notice};
pub use format::{Encoding, Format, MAX_CHANNELS};
pub use lookahead::Extent;
pub use reader::Reader;
