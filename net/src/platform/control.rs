//! Parses the control messages of sockets, in the layout of Linux (`cmsghdr`) and Windows
//! (`WSACMSGHDR`).

/// Length of a message header, bytes: the length of header and data (a machine word), the level and
/// the type (4 bytes each).
const HEADER: usize = size_of::<usize>() + 8;
/// Messages begin at multiples of this number of bytes (`CMSG_ALIGN`, `MAX_NATURAL_ALIGNMENT`).
const ALIGNMENT: usize = size_of::<usize>();

/// Returns the level, the type and the data of each message in `bytes`, up to the first truncated
/// one.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = ((i32, i32), &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..HEADER)?;
        let (length, kind) = header.split_at(size_of::<usize>());
        let length = usize::from_ne_bytes(length.try_into().ok()?);
        let [level, kind] = [&kind[..4], &kind[4..]].map(|part| part.try_into().map(i32::from_ne_bytes));
        let data = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some(((level.ok()?, kind.ok()?), data))
    })
}

/// A message, with the padding before the next one.
#[cfg(test)]
pub(crate) fn message((level, kind): (i32, i32), data: &[u8]) -> Vec<u8> {
    let length = HEADER + data.len();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend([level.to_ne_bytes(), kind.to_ne_bytes()].concat());
    bytes.extend(data);
    bytes.resize(length.next_multiple_of(ALIGNMENT), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_in_order_up_to_a_truncated_one() {
        let bytes = [message((1, 2), b"odd"), message((3, 4), b""), message((5, 6), b"truncated")].concat();
        let found: Vec<_> = messages(&bytes[..bytes.len() - ALIGNMENT]).collect();
        assert_eq!(found, [((1, 2), &b"odd"[..]), ((3, 4), b"")]);
    }

    #[test]
    fn no_length_reads_beyond_the_end() {
        let whole = [message((1, 2), b"first"), message((3, 4), b"second")].concat();
        let lengths = (0..=whole.len() + ALIGNMENT).chain([usize::MAX - ALIGNMENT, usize::MAX]);
        for length in lengths {
            let mut wrong = whole.clone();
            wrong[..size_of::<usize>()].copy_from_slice(&length.to_ne_bytes());
            for end in 0..=wrong.len() {
                let found: Vec<_> = messages(&wrong[..end]).collect();
                assert!(found.len() <= end / HEADER, "a message of length {length} in {end} bytes: {found:?}");
                assert!(length >= HEADER || found.is_empty(), "length {length} is less than a header");
            }
        }
    }
}
