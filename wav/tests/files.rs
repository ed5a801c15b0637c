//! Files as recorders, editors and pipes write them.

use std::io::{self, Read};
use wav::{Encoding, Extent, Notice, Reader};

/// A RIFF file that is put together chunk by chunk.
#[derive(Clone)]
struct Wav(Vec<u8>);

impl Wav {
    fn new(id: &[u8; 4]) -> Self {
        Self([&id[..], &u32::MAX.to_le_bytes(), b"WAVE"].concat())
    }

    /// RIFF, stereo of 24 bits at 48 kHz: 6 bytes a frame.
    fn stereo_24() -> Self {
        Self::new(b"RIFF").format()
    }

    fn format(self) -> Self {
        self.chunk(b"fmt ", b"\x01\0\x02\0\x80\xBB\0\0\0\x65\x04\0\x06\0\x18\0")
    }

    fn chunk(self, id: &[u8; 4], content: &[u8]) -> Self {
        let padding = &[0][..content.len() % 2];
        self.stated(id, content.len() as u32, &[content, padding].concat())
    }

    fn stated(mut self, id: &[u8; 4], length: u32, content: &[u8]) -> Self {
        self.0.extend([&id[..], &length.to_le_bytes(), content].concat());
        self
    }

    fn ds64(self, data: u64) -> Self {
        self.chunk(b"ds64", &[&[0; 8][..], &data.to_le_bytes(), &[0; 12]].concat())
    }
}

/// Bytes that are no name of a chunk.
fn audio(frames: usize) -> Vec<u8> {
    (0..6 * frames).map(|index| 128 + (index % 100) as u8).collect()
}

/// Frames and notices.
fn read_from(reader: impl Read, extent: Extent) -> Result<(Vec<f32>, Vec<String>), String> {
    let mut reader = Reader::new(reader, extent).map_err(|error| error.to_string())?;
    let (mut samples, channels) = (Vec::new(), usize::from(reader.format().channels));
    while reader.read(7, &mut samples).map_err(|error| error.to_string())? > 0 {}
    assert_eq!(samples.len() % channels, 0);
    Ok((samples, reader.take_notices().iter().map(Notice::to_string).collect()))
}

fn file(wav: &Wav) -> (usize, String) {
    let (samples, notices) = read_from(&wav.0[..], Extent::Bytes(wav.0.len() as u64)).expect("a file");
    (samples.len() / 2, notices.join("; "))
}

fn pipe(wav: &Wav) -> (usize, String) {
    let (samples, notices) = read_from(Trickle(&wav.0), Extent::Unknown).expect("a file");
    (samples.len() / 2, notices.join("; "))
}

/// A pipe that gives a few bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let few = out.len().min(5);
        self.0.read(&mut out[..few])
    }
}

/// The same for a file and for a pipe, without a word.
fn assert_both(wav: &Wav, frames: usize, what: &str) {
    assert_eq!(file(wav), (frames, String::new()), "{what}, a file");
    assert_eq!(pipe(wav), (frames, String::new()), "{what}, a pipe");
}

#[test]
fn whole_files_are_read_whatever_else_is_in_them() {
    let data = audio(5);
    assert_both(&Wav::stereo_24().chunk(b"data", &data), 5, "plain");
    let odd = Wav::new(b"RIFF").chunk(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0").chunk(b"bext", &[b'x'; 603]).format();
    assert_both(&odd.chunk(b"x y ", b"").chunk(b"data", &data), 5, "odd chunks");
}

#[test]
fn pad_bytes_may_be_missing() {
    let data = audio(5);
    for (name, content) in [(b"LIST", &b"abc"[..]), (b"JUNK", &[0; 7]), (b"note", b"datadatadatas")] {
        let forgotten = Wav::new(b"RIFF").stated(name, content.len() as u32, content).format().chunk(b"data", &data);
        assert_both(&forgotten, 5, "no pad byte before");
    }
    // Three bytes a frame, an odd number of them: a mono file.
    let mono = |pad: &[u8]| {
        let format = b"\x01\0\x01\0\x80\xBB\0\0\x80\x32\x02\0\x03\0\x18\0";
        let wav = Wav::new(b"RIFF").chunk(b"fmt ", format).stated(b"data", 9, &[&data[..9], pad].concat());
        wav.chunk(b"LIST", b"INFOdatadatadata")
    };
    for pad in [&b""[..], b"\0"] {
        let wav = mono(pad);
        for extent in [Extent::Unknown, Extent::Bytes(wav.0.len() as u64)] {
            let (samples, notices) = read_from(&wav.0[..], extent).unwrap();
            assert_eq!((samples.len(), notices.len()), (3, 0), "{pad:?} {extent:?}: {notices:?}");
        }
    }
}

#[test]
fn a_length_of_nothing_is_no_audio_or_an_unfinished_recording() {
    let list = Wav::stereo_24().stated(b"data", 0, &[]).chunk(b"LIST", &[0x7F; 4000]);
    let odd_name = Wav::stereo_24().stated(b"data", 0, &[]).chunk(b"zzzz", &[0x7F; 4000]);
    for wav in [&list, &odd_name] {
        for (frames, notice) in [file(wav), pipe(wav)] {
            assert_eq!(frames, 0);
            assert!(
                notice.starts_with("there is no audio: its `data` chunk is empty, and at byte 44 comes"),
                "{notice}"
            );
        }
    }
    let empty = Wav::stereo_24().chunk(b"data", &[]);
    assert_eq!(file(&empty), (0, "there is no audio: the file ends at byte 44, where its samples should begin".into()));
    assert_eq!(pipe(&empty).0, 0);
    for frames in [1, 500] {
        let unfinished = Wav::stereo_24().stated(b"data", 0, &audio(frames));
        for (found, notice) in [file(&unfinished), pipe(&unfinished)] {
            assert_eq!(found, frames);
            assert!(notice.contains("an unfinished recording, read to its end"), "{notice}");
        }
    }
}

#[test]
fn lengths_that_stand_for_not_known_mean_the_end() {
    for length in [u32::MAX, 0x7FFF_FFFF, 0x7FFF_F000, 0x8000_0000, 0xFFFF_F000, 0x7FFF_FFFF - 36] {
        assert_both(&Wav::stereo_24().stated(b"data", length, &audio(500)), 500, &format!("{length:#x}"));
    }
    for data in [u64::MAX, 0] {
        assert_eq!(file(&Wav::new(b"RF64").ds64(data).format().stated(b"data", u32::MAX, &audio(9))).0, 9);
    }
}

#[test]
fn a_length_is_a_hint_on_a_pipe_and_believed_in_a_file() {
    let goes_on = Wav::stereo_24().stated(b"data", 60, &audio(500));
    assert_eq!(
        pipe(&goes_on),
        (500, "the audio goes on beyond the 60 bytes that the header says: read to its end".into())
    );
    let (frames, notice) = file(&goes_on);
    assert_eq!(frames, 10);
    assert!(notice.contains("the audio ends at byte 104") && notice.contains("2940 bytes behind it"), "{notice}");
    for trailer in [Wav(audio(10)).chunk(b"LIST", &[0x7F; 600]), Wav([audio(10), b"TAGx".repeat(32)].concat())] {
        let wav = Wav::stereo_24().stated(b"data", 60, &trailer.0);
        assert_both(&wav, 10, "trailing");
    }
    let cut = Wav::stereo_24().stated(b"data", 6000, &audio(500));
    for (frames, notice) in [file(&cut), pipe(&cut)] {
        assert_eq!(frames, 500);
        assert_eq!(notice, "the file is cut short: the header says 6000 bytes of audio, and there are 3000");
    }
    let partial = Wav::stereo_24().chunk(b"data", &audio(5)[..28]);
    assert_eq!(file(&partial), (4, "the audio ends within a frame: the last 4 of 6 bytes are left out".into()));
}

#[test]
fn the_lengths_of_rf64_are_found_wherever_they_are() {
    let trailing = |wav: Wav| wav.chunk(b"iXML", &[b'x'; 700]);
    for id in [b"RF64", b"BW64", b"RIFF"] {
        let header = Wav::new(id).ds64(300).format();
        for (what, wav) in [
            ("as specified", header.clone().stated(b"data", u32::MAX, &audio(50))),
            ("0 in 32 bits", header.clone().stated(b"data", 0, &audio(50))),
            ("a wrong one in 32 bits", header.clone().stated(b"data", 60, &audio(50))),
            ("the same in both", header.stated(b"data", 300, &audio(50))),
            ("0 in 64 bits", Wav::new(id).ds64(0).format().stated(b"data", 300, &audio(50))),
            ("a wrong one in 64 bits", Wav::new(id).ds64(60).format().stated(b"data", 300, &audio(50))),
        ] {
            assert_both(&trailing(wav), 50, what);
        }
    }
    // A chunk beyond 4 GiB is in the table of `ds64`.
    let table =
        [&[0; 8][..], &300u64.to_le_bytes(), &[0; 8], &1u32.to_le_bytes(), b"axml", &8u64.to_le_bytes()].concat();
    let long = Wav::new(b"BW64").chunk(b"ds64", &table).stated(b"axml", u32::MAX, b"<xml/>  ").format();
    assert_both(&long.stated(b"data", u32::MAX, &audio(50)), 50, "a long chunk");
}

#[test]
fn wave64_is_read() {
    let guid = |name: &[u8; 4]| [&name[..], b"\xF3\xAC\xD3\x11\x8C\xD1\x00\xC0\x4F\x8E\xDB\x8A"].concat();
    let chunk = |name: &[u8; 4], length: u64, content: &[u8]| {
        let padding = vec![0; content.len().wrapping_neg() % 8];
        [guid(name), (length + 24).to_le_bytes().to_vec(), content.to_vec(), padding].concat()
    };
    let format = b"\x01\0\x02\0\x80\xBB\0\0\0\x65\x04\0\x06\0\x18\0";
    let header = [
        b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\0\0\0\0\0\0\0\0\0\0".to_vec(),
        guid(b"wave"),
        chunk(b"bext", 5, b"12345"),
        chunk(b"fmt ", 16, format),
    ]
    .concat();
    let list = chunk(b"levl", 3, b"abc");
    let wav = |length, audio: &[u8], more: &[u8]| Wav([&header[..], &chunk(b"data", length, audio), more].concat());
    assert_both(&wav(30, &audio(5), &list), 5, "whole");
    assert_both(&wav(u64::MAX / 2 - 24, &audio(4), &[]), 4, "of a pipe");
    assert_eq!(file(&wav(0, &[], &list)).0, 0);
    assert_eq!(file(&wav(300, &audio(4), &[])).0, 4);
}

#[test]
fn floats_that_are_no_numbers_are_silence() {
    for (bits, encoding) in [(32u16, Encoding::F32), (64, Encoding::F64)] {
        let bytes: u16 = bits / 8;
        let format = [3u16, 1, 48_000, 0, 0, 0, bytes, bits].map(u16::to_le_bytes).concat();
        let samples = [0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0, -1.0, 1e300];
        let samples: Vec<u8> = samples
            .iter()
            .flat_map(|s| if bits == 32 { (*s as f32).to_le_bytes().to_vec() } else { s.to_le_bytes().to_vec() })
            .collect();
        let wav = Wav::new(b"RIFF").chunk(b"fmt ", &format).chunk(b"data", &samples).0;
        let mut reader = Reader::new(&wav[..], Extent::Unknown).unwrap();
        assert_eq!(reader.format().encoding, encoding);
        let mut out = Vec::new();
        assert_eq!(reader.read(100, &mut out).unwrap(), 7);
        assert_eq!(out[..6], [0.5, 0.0, 0.0, 0.0, 2.0, -1.0]);
        assert!(out[6] >= 0.0 && out[6].is_finite());
        let notices: Vec<String> = reader.take_notices().iter().map(Notice::to_string).collect();
        let (not_finite, over) = if bits == 32 { (4, "6.0 dB") } else { (3, " dB") };
        assert_eq!(
            notices[0],
            format!("{not_finite} samples are NaN or infinite, the first in frame 1: they become silence")
        );
        assert!(notices[1].contains("beyond full scale, by up to") && notices[1].contains(over), "{notices:?}");
    }
}

#[test]
fn what_is_no_wav_file_says_what_it_is_and_where_it_is_wrong() {
    let reason = |bytes: &[u8]| read_from(bytes, Extent::Unknown).unwrap_err();
    for (bytes, found) in [
        (&b""[..], "an empty file"),
        (b"hello, this is text", "another kind of file"),
        (b"RI", "another kind of file"),
        (b"RIFF\0\0\0\0AVI LIST", "RIFF without sound"),
        (b"RIFX\0\0\0\0WAVEfmt ", "RIFX (a big-endian WAV file)"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"\xFF\xFB\x90\x64\0\0", "MP3"),
        (b"FORM\0\0\0\0AIFF", "AIFF"),
    ] {
        let right = "not WAV: a RIFF, RF64, BW64 or Wave64 file with PCM or float samples is needed";
        assert_eq!(reason(bytes), format!("this is {found}, {right}"));
    }
    for (bytes, said) in [
        (Wav::stereo_24().0, "the file ends at byte 36, within its header"),
        (Wav::new(b"RIFF").chunk(b"data", &audio(5)).0, "the `data` chunk at byte 12 comes before any `fmt `"),
        (Wav::stereo_24().chunk(b"\x01\x02\x03\x04", &[0; 40]).0, "at byte 36 a chunk should begin"),
        (Wav::stereo_24().stated(b"LIST", 5000, &[0; 40]).0, "the file ends at byte 84"),
        ([Wav::stereo_24().0, b"JUNK\0\0\0\0".repeat(2000)].concat(), "within the first 1000 chunks"),
    ] {
        let error = reason(&bytes);
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_hound_writes_is_read_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    for (bits, channels) in [(8u16, 1u16), (16, 2), (24, 3), (32, 5)] {
        let spec = hound::WavSpec {
            channels,
            sample_rate: 44_100,
            bits_per_sample: bits,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        let most = (1i64 << (bits - 1)) as i32;
        let values: Vec<i32> =
            (0..channels * 9).map(|k| (i64::from(k) * i64::from(most / 50) - i64::from(most / 2)) as i32).collect();
        values.iter().for_each(|value| writer.write_sample(*value).unwrap());
        writer.finalize().unwrap();
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!((reader.format().channels, reader.format().sample_rate_hz), (channels, 44_100));
        let mut samples = Vec::new();
        assert_eq!(reader.read(100, &mut samples).unwrap(), 9);
        let scale = (1i64 << (bits - 1)) as f64;
        let wanted: Vec<f32> = values.iter().map(|value| (f64::from(*value) / scale) as f32).collect();
        assert_eq!(samples, wanted, "{bits} bits");
    }
}
