//! Reading little-endian values one after another, never past the end.

use std::ops::Range;

/// Why a value could not be read.
pub(super) type Fault = String;

/// A position in bytes that come from outside. Nothing is allocated by a length before that many bytes are known to
/// be there.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Position from the start.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let found = *self.rest().first_chunk().ok_or_else(|| self.ends())?;
        self.at += N;
        Ok(found)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(|[b]| b)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length of 64 bits, then that many bytes.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let len = self.u64()?;
        let range = self.skip(len)?;
        Ok(&self.bytes[range])
    }

    /// Text: a length, then UTF-8.
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| format!("the text at byte {start} is not UTF-8"))
    }

    /// Passes over `len` bytes and says where they are.
    pub(super) fn skip(&mut self, len: u64) -> Result<Range<usize>, Fault> {
        if len > self.rest().len() as u64 {
            return Err(format!("{len} bytes should follow at byte {}, but {}", self.at, self.ends()));
        }
        let start = self.at;
        self.at += len as usize;
        Ok(start..self.at)
    }

    fn ends(&self) -> Fault {
        format!("the file ends at byte {}", self.bytes.len())
    }
}
