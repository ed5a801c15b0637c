//! Reads the samples of WAV files as `f32` of full scale ±1: the one reader of the simulator and of
//! `aes67 send`.
//!
//! Model: a file is read once from front to back, so a pipe does as well as a file. Three
//! containers are known: RIFF/WAVE with 32-bit lengths, RF64 and BW64 whose `ds64` chunk holds
//! 64-bit lengths, and Wave64. Chunks before the samples are skipped, except `fmt ` and `ds64`. The
//! memory that is needed does not depend on the file.
//!
//! Rules:
//! * The size of a sample is that of the container by `fmt `: its bits rounded up to whole bytes.
//!   `nBlockAlign` must agree.
//! * Valid bits below the container are left-justified in it (`WAVEFORMATEXTENSIBLE`), so full
//!   scale is the container's.
//! * A length on a pipe is a hint: the samples end there only if the pipe does, or if another chunk
//!   begins there.
//! * A length in a file is believed if the file is that long. Where it is not, the samples end with
//!   the file, and a [`Notice`] says so.
//! * A length of 0 is no audio if nothing or another chunk follows; else the file was never
//!   completed, and is read to its end.
//! * A length that is not known (`0xFFFFFFFF`) means to the end.
//! * The pad byte of odd chunks may be missing: the next chunk is looked for at both places.
//! * Floats that are NaN or infinite are silence, counted in a [`Notice`]. Those beyond full scale
//!   are kept and counted; whoever makes integers of them clips them.
//!
//! hound, which writes this project's WAV files, is not used to read them because it misreads
//! valid bits below the container, believes every length, and knows neither RF64 nor 64-bit
//! floats.
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
