//! What must hold of a reader of traces for any bytes whatsoever.
//!
//! Shared by the fuzz target and by `trace/tests/properties.rs`.

/// The heading of a trace, and two rows.
const TRACE: &[u8] = include_bytes!("bases/trace.csv");

/// A file of any bytes is refused with a sentence, or read; what was read is written and read again
/// as the same rows.
///
/// Bytes that begin with one that no text has are lines that follow those of a trace.
pub(crate) fn trace_file(bytes: &[u8]) {
    let continued = match bytes.split_first() {
        Some((&first, lines)) if first < 8 => [TRACE, lines].concat(),
        _ => bytes.to_vec(),
    };
    let bytes = &continued[..];
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
