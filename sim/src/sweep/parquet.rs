//! A table as a Parquet file, which pandas, Polars, DuckDB and Spark read.
//!
//! Model: the subset of the format that a flat table of numbers and texts needs: one page for each
//! column of a row group, plain encoding, no compression (Apache Parquet format 2.10,
//! `parquet.thrift`; the metadata are in Thrift's compact protocol). That is less code than the
//! dependencies of a library for the whole format.

/// The first and the last bytes of a file.
const MAGIC: &[u8] = b"PAR1";
/// Rows of a group: a page must stay below 2 GiB.
const GROUP: usize = 100_000;

// Enumerations of `parquet.thrift`.
const INT64: i64 = 2;
const DOUBLE: i64 = 5;
const BYTE_ARRAY: i64 = 6;
const REQUIRED: i64 = 0;
const OPTIONAL: i64 = 1;
const UTF8: i64 = 0;
const PLAIN: i64 = 0;
const RLE: i64 = 3;
const UNCOMPRESSED: i64 = 0;
const DATA_PAGE: i64 = 0;

// Types of Thrift's compact protocol.
const I32_TYPE: u8 = 5;
const I64_TYPE: u8 = 6;
const BINARY_TYPE: u8 = 8;
const LIST_TYPE: u8 = 9;
const STRUCT_TYPE: u8 = 12;

/// A column.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Numbers, some of which may be missing.
    Real(Vec<Option<f64>>),
    /// Texts.
    Text(Vec<String>),
}

impl Column {
    fn kind(&self) -> i64 {
        match self {
            Self::Whole(_) => INT64,
            Self::Real(_) => DOUBLE,
            Self::Text(_) => BYTE_ARRAY,
        }
    }

    /// The rows of a page: whether each has a value, if one may be missing, then the values.
    fn page(&self, rows: std::ops::Range<usize>) -> Vec<u8> {
        match self {
            Self::Whole(all) => all[rows].iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Text(all) => all[rows].iter().flat_map(|text| bytes(text)).collect(),
            Self::Real(all) => {
                let levels = levels(&all[rows.clone()]);
                let mut page = (levels.len() as u32).to_le_bytes().to_vec();
                page.extend(levels);
                page.extend(all[rows].iter().flatten().flat_map(|value| value.to_le_bytes()));
                page
            }
        }
    }
}

/// A text with its length before it.
fn bytes(text: &str) -> Vec<u8> {
    let length = (text.len() as u32).to_le_bytes();
    length.into_iter().chain(text.bytes()).collect()
}

/// Runs of present and missing values.
fn levels(values: &[Option<f64>]) -> Vec<u8> {
    let mut levels = Vec::new();
    for run in values.chunk_by(|a, b| a.is_some() == b.is_some()) {
        varint(&mut levels, (run.len() as u64) << 1);
        levels.push(u8::from(run[0].is_some()));
    }
    levels
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// A structure of Thrift's compact protocol. Fields are added in the order of their numbers.
#[derive(Default)]
struct Struct {
    bytes: Vec<u8>,
    last: u8,
}

impl Struct {
    fn field(mut self, number: u8, kind: u8) -> Self {
        // No two fields here are 16 numbers apart.
        self.bytes.push((number - self.last) << 4 | kind);
        self.last = number;
        self
    }

    fn number(self, field: u8, kind: u8, value: i64) -> Self {
        let mut with = self.field(field, kind);
        varint(&mut with.bytes, (value << 1 ^ value >> 63) as u64);
        with
    }

    fn i32(self, field: u8, value: i64) -> Self {
        self.number(field, I32_TYPE, value)
    }

    fn i64(self, field: u8, value: i64) -> Self {
        self.number(field, I64_TYPE, value)
    }

    fn text(self, field: u8, text: &str) -> Self {
        let mut with = self.field(field, BINARY_TYPE);
        varint(&mut with.bytes, text.len() as u64);
        with.bytes.extend(text.bytes());
        with
    }

    fn inner(self, field: u8, inner: Self) -> Self {
        let mut with = self.field(field, STRUCT_TYPE);
        with.bytes.extend(inner.end());
        with
    }

    fn list(self, field: u8, kind: u8, items: &[Vec<u8>]) -> Self {
        let mut with = self.field(field, LIST_TYPE);
        if items.len() < 15 {
            with.bytes.push((items.len() as u8) << 4 | kind);
        } else {
            with.bytes.push(0xf0 | kind);
            varint(&mut with.bytes, items.len() as u64);
        }
        with.bytes.extend(items.iter().flatten());
        with
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

/// The bytes of a file with these columns, which are of the same length.
pub(super) fn file(columns: &[(String, Column)], rows: usize) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    let mut groups = Vec::new();
    for start in (0..rows).step_by(GROUP) {
        groups.push(group(&mut file, columns, start..(start + GROUP).min(rows)));
    }
    let root = Struct::default().text(4, "runs").i32(5, columns.len() as i64).end();
    let schema: Vec<Vec<u8>> =
        [root].into_iter().chain(columns.iter().map(|(name, column)| element(name, column))).collect();
    let metadata = Struct::default()
        .i32(1, 1)
        .list(2, STRUCT_TYPE, &schema)
        .i64(3, rows as i64)
        .list(4, STRUCT_TYPE, &groups)
        .text(6, concat!("sim ", env!("CARGO_PKG_VERSION")))
        .end();
    file.extend(&metadata);
    file.extend((metadata.len() as u32).to_le_bytes());
    file.extend(MAGIC);
    file
}

fn element(name: &str, column: &Column) -> Vec<u8> {
    let repetition = if matches!(column, Column::Real(_)) { OPTIONAL } else { REQUIRED };
    let element = Struct::default().i32(1, column.kind()).i32(3, repetition).text(4, name);
    if column.kind() == BYTE_ARRAY { element.i32(6, UTF8).end() } else { element.end() }
}

/// Writes the pages of some rows; returns the metadata of the group.
fn group(file: &mut Vec<u8>, columns: &[(String, Column)], rows: std::ops::Range<usize>) -> Vec<u8> {
    let (count, start) = (rows.len() as i64, file.len());
    let mut chunks = Vec::new();
    for (name, column) in columns {
        let page = column.page(rows.clone());
        let offset = file.len() as i64;
        let data = Struct::default().i32(1, count).i32(2, PLAIN).i32(3, RLE).i32(4, RLE);
        let size = page.len() as i64;
        file.extend(Struct::default().i32(1, DATA_PAGE).i32(2, size).i32(3, size).inner(5, data).end());
        file.extend(page);
        let size = file.len() as i64 - offset;
        let plain = |value: i64| vec![(value << 1) as u8];
        let mut path = Vec::new();
        varint(&mut path, name.len() as u64);
        path.extend(name.bytes());
        let metadata = Struct::default()
            .i32(1, column.kind())
            .list(2, I32_TYPE, &[plain(PLAIN), plain(RLE)])
            .list(3, BINARY_TYPE, &[path])
            .i32(4, UNCOMPRESSED)
            .i64(5, count)
            .i64(6, size)
            .i64(7, size)
            .i64(9, offset);
        chunks.push(Struct::default().i64(2, offset).inner(3, metadata).end());
    }
    let size = (file.len() - start) as i64;
    Struct::default().list(1, STRUCT_TYPE, &chunks).i64(2, size).i64(3, count).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Vec<u8> {
        let columns = [
            ("run".to_owned(), Column::Whole(vec![0, -3])),
            ("x".to_owned(), Column::Real(vec![None, Some(f64::INFINITY)])),
            ("t".to_owned(), Column::Text(vec!["a".to_owned(), "bc".to_owned()])),
        ];
        file(&columns, 2)
    }

    /// pyarrow 26 reads such pages as what was put in.
    #[test]
    fn pages_have_lengths_levels_and_values() {
        let file = small();
        let page = |bytes: &[u8]| file.windows(bytes.len()).any(|window| window == bytes);
        assert!(page(&[[0; 8], (-3_i64).to_le_bytes()].concat()));
        // Two runs of one level each, in four bytes; then the value that is there.
        assert!(page(&[&[4, 0, 0, 0, 2, 0, 2, 1][..], &f64::INFINITY.to_le_bytes()].concat()));
        assert!(page(b"\x01\0\0\0a\x02\0\0\0bc"));
        let length = u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().unwrap()) as usize;
        assert_eq!((&file[..4], &file[file.len() - 4..]), (MAGIC, MAGIC));
        // The metadata begin with the version, 1, and end with who wrote them.
        let metadata = &file[file.len() - 8 - length..file.len() - 8];
        assert_eq!(metadata[..2], [0x15, 0x02]);
        assert!(metadata.ends_with(concat!("sim ", env!("CARGO_PKG_VERSION"), "\0").as_bytes()));
    }

    #[test]
    fn numbers_are_zigzag_and_of_seven_bits() {
        assert_eq!(Struct::default().i32(1, -1).i64(3, 300).end(), [0x15, 0x01, 0x26, 0xd8, 0x04, 0]);
    }
}
