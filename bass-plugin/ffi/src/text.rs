//! Strings of hosts: bytes in UTF-8 or else Latin-1 (close to the code page of Western Windows), or
//! UTF-16.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::{Mutex, PoisonError};

/// The longest string that is accepted from a host: longer than any path.
const LONGEST: usize = 32 * 1024;
/// Number of returned texts that remain valid.
const KEPT: usize = 64;

/// A host's string; `None` for a null pointer, or one that does not end within 32 768 characters.
///
/// # Safety
/// The pointer is null or to a string that ends in a zero: of bytes, or of 16-bit units if it is
/// `wide`.
pub unsafe fn from_host(text: *const c_void, wide: bool) -> Option<String> {
    if text.is_null() {
        return None;
    }
    if wide {
        let mut units = Vec::new();
        let text = text.cast::<u16>();
        loop {
            // SAFETY: no zero came before this unit, so that it is part of the string. A host's
            // pointer need not be aligned.
            match unsafe { text.add(units.len()).read_unaligned() } {
                0 => return Some(String::from_utf16_lossy(&units)),
                _ if units.len() == LONGEST => return None,
                unit => units.push(unit),
            }
        }
    }
    // SAFETY: as the caller says.
    let bytes = unsafe { CStr::from_ptr(text.cast::<c_char>()) }.to_bytes();
    (bytes.len() <= LONGEST).then(|| decode(bytes))
}

fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// A text for a host: zero-terminated bytes, or 16-bit units.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Encoded {
    Bytes(CString),
    Units(Vec<u16>),
}

impl Encoded {
    fn new(text: &str, wide: bool) -> Self {
        if wide {
            return Self::Units(text.encode_utf16().filter(|&unit| unit != 0).chain([0]).collect());
        }
        let bytes: Vec<u8> = text.bytes().filter(|&byte| byte != 0).collect();
        Self::Bytes(CString::new(bytes).unwrap_or_default())
    }

    fn pointer(&self) -> *const c_void {
        match self {
            Self::Bytes(text) => text.as_ptr().cast(),
            Self::Units(units) => units.as_ptr().cast(),
        }
    }
}

/// Texts that change, such as a status: each remains valid until 64 more have been returned.
pub struct Recent(Mutex<(Vec<Encoded>, usize)>);

impl Recent {
    /// None yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "these are statics")]
    pub const fn new() -> Self {
        Self(Mutex::new((Vec::new(), 0)))
    }

    /// A pointer to the text for a host.
    pub fn hand_out(&self, text: &str, wide: bool) -> *const c_void {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, next) = &mut *all;
        let encoded = Encoded::new(text, wide);
        // The pointer is to the heap, and remains valid when the value moves.
        let pointer = encoded.pointer();
        if kept.len() < KEPT {
            kept.push(encoded);
        } else {
            kept[*next] = encoded;
        }
        *next = (*next + 1) % KEPT;
        pointer
    }
}

/// Texts that are few, such as names of interfaces: they remain valid until the library is
/// unloaded.
pub struct Kept(Mutex<BTreeSet<Encoded>>);

impl Kept {
    /// None yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "these are statics")]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }

    /// A pointer to the text for a host.
    pub fn hand_out(&self, text: &str, wide: bool) -> *const c_void {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded = Encoded::new(text, wide);
        if !all.contains(&encoded) {
            all.insert(encoded.clone());
        }
        all.get(&encoded).map_or(std::ptr::null(), Encoded::pointer)
    }
}

/// Copies a text into a host's array, cut at a whole character, with zeros after it.
pub fn copy_into(text: &str, out: &mut [c_char]) {
    out.fill(0);
    let Some(room) = out.len().checked_sub(1) else { return };
    let end = (0..=room.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    for (out, byte) in out.iter_mut().zip(text[..end].bytes()) {
        *out = byte as c_char;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(pointer: *const c_void) -> String {
        // SAFETY: what is handed out ends in a zero.
        unsafe { from_host(pointer, false) }.unwrap()
    }

    #[test]
    fn strings_come_as_utf_8_latin_1_and_utf_16() {
        let cases: [(&[u8], &str); 2] = [("Küche\0".as_bytes(), "Küche"), (b"K\xFCche\0", "Küche")];
        for (input, expected) in cases {
            // SAFETY: the array ends in a zero.
            assert_eq!(unsafe { from_host(input.as_ptr().cast(), false) }.unwrap(), expected);
        }
        let units: Vec<u16> = "Küche δ\0".encode_utf16().collect();
        // SAFETY: the array ends in a zero.
        assert_eq!(unsafe { from_host(units.as_ptr().cast(), true) }.unwrap(), "Küche δ");
        // SAFETY: null is allowed.
        assert_eq!(unsafe { from_host(std::ptr::null(), true) }, None);
        let endless = vec![u16::from(b'x'); LONGEST + 1];
        // SAFETY: it is read up to its last unit, where it is given up.
        assert_eq!(unsafe { from_host(endless.as_ptr().cast(), true) }, None);
    }

    #[test]
    fn what_was_handed_out_stays_for_a_while() {
        let recent = Recent::new();
        let first = recent.hand_out("first", false);
        for n in 1..KEPT {
            recent.hand_out(&n.to_string(), true);
        }
        assert_eq!(bytes(first), "first");
        let kept = Kept::new();
        let name = kept.hand_out("eth0", false);
        assert_eq!(kept.hand_out("eth0", false), name);
        assert_eq!(bytes(name), "eth0");
    }

    #[test]
    fn copies_are_cut_at_a_whole_character() {
        let mut out = [1; 4];
        copy_into("aδδ", &mut out);
        assert_eq!(out.map(|c| c as u8), [b'a', 0xCE, 0xB4, 0]);
        copy_into("", &mut out);
        assert_eq!(out, [0; 4]);
        copy_into("x", &mut []);
    }
}
