//! Reads text files that users write.

use crate::failure::{Failure, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Maximum length of a file, bytes: nobody writes a longer one by hand.
const LONGEST: u64 = 10_000_000;

/// Reads the text of a file.
pub(crate) fn read(file: &Path) -> Result<String> {
    let wrong = |what: String| Failure::input(format!("{}: {what}", file.display()));
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|open| open.take(LONGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > LONGEST {
        return Err(wrong(format!("it is longer than {LONGEST} bytes; right would be a file that a person wrote")));
    }
    text_of(file, &bytes)
}

/// Decodes the bytes of a file to text.
pub(crate) fn text_of(file: &Path, bytes: &[u8]) -> Result<String> {
    let text = engine::text::decode(bytes).map(Into::into);
    text.map_err(|error| Failure::input(format!("{}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_no_text_is_told_with_file_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, b"\xFF\xFEa\0").unwrap();
        assert_eq!(super::read(&path).unwrap(), "a");
        std::fs::write(&path, b"a = 1\nname = \"caf\xE9\"\n").unwrap();
        let said = super::read(&path).unwrap_err().to_string();
        let right = "line 2, byte 12: the text is not UTF-8 (byte 0xE9); save it as UTF-8";
        assert_eq!(said, format!("{}: {right}", path.display()));
        std::fs::write(&path, vec![b'a'; 10_000_001]).unwrap();
        assert!(super::read(&path).unwrap_err().to_string().contains("it is longer than 10000000 bytes"));
    }
}
