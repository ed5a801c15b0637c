//! Bytes as a row of choices.

/// Choices that end when the bytes do: then all of them are 0.
pub(crate) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next byte; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `limit`, which is at most 256.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    pub(crate) fn word(&mut self) -> u32 {
        u32::from_be_bytes([(); 4].map(|()| self.byte()))
    }

    /// A number of any size, of both signs: from 1 to 2^55, a little more or less than a power of
    /// two.
    pub(crate) fn exponent(&mut self) -> i64 {
        let (size, rest) = (self.byte(), i64::from(self.byte()));
        let shift = u32::from(size & 0x3F).min(47);
        let magnitude = (1_i64 << shift).saturating_mul(256 + rest) >> 8;
        if size & 0x80 == 0 { magnitude } else { -magnitude }
    }

    /// So many bytes as they are, or as many as there are.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}
