//! What must hold of a WAV reader for any bytes whatsoever.
//!
//! Shared by the fuzz target and by `wav/tests/properties.rs`.

use wav::{Extent, Reader};

/// Frames that are asked for at once.
const FRAMES: usize = 64;

/// A file of any bytes is refused with a sentence, or read to an end: no more samples than it has
/// bytes, all of them finite.
pub(crate) fn wav_file(bytes: &[u8]) {
    for extent in [Extent::Bytes(bytes.len() as u64), Extent::Bytes(u64::MAX), Extent::Bytes(0), Extent::Unknown] {
        let mut reader = match Reader::new(bytes, extent) {
            Ok(reader) => reader,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        let channels = usize::from(reader.format().channels);
        let (mut samples, mut all) = (Vec::new(), 0);
        loop {
            samples.clear();
            let frames = reader.read(FRAMES, &mut samples).expect("memory can be read");
            assert_eq!(samples.len(), frames * channels);
            assert!(samples.iter().all(|sample| sample.is_finite()));
            all += samples.len();
            assert!(all <= bytes.len(), "more samples than bytes");
            if frames < FRAMES {
                break;
            }
        }
        assert_eq!(reader.read(FRAMES, &mut samples).expect("memory can be read"), 0, "the end is the end");
        assert!(reader.take_notices().iter().all(|notice| !notice.to_string().is_empty()));
    }
}
