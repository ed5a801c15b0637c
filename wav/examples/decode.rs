//! Decodes a WAV file to raw 32-bit floats, for comparison with other readers: `decode FILE` or
//! `decode - < FILE`.

use std::io::{Read, Write};
use std::path::Path;
use wav::{Extent, Reader};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which file?")?;
    match path.as_str() {
        "-" => decode(Reader::new(std::io::stdin().lock(), Extent::Unknown)?),
        path => decode(Reader::open(Path::new(path))?),
    }
}

fn decode(mut reader: Reader<impl Read>) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut samples = Vec::new();
    loop {
        samples.clear();
        let frames = reader.read(4800, &mut samples)?;
        reader.take_notices().iter().for_each(|notice| eprintln!("{notice}"));
        if frames == 0 {
            return Ok(out.flush()?);
        }
        for sample in &samples {
            out.write_all(&sample.to_le_bytes())?;
        }
    }
}
