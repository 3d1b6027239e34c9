//! A vector of f32 that starts on a cache line and lies in recycled memory.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::slice;

use crate::arena::Block;

/// A vector of f32 whose first element lies on a cache line.
pub struct Floats {
    block: Block,
    len: usize,
}

impl Floats {
    /// `len` floats of unspecified value, for a caller that writes them all.
    pub(crate) fn unspecified(len: usize) -> Self {
        Self { block: Block::take(len), len }
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut floats = Self::unspecified(len);
        floats.fill(0.0);
        floats
    }

    /// Makes the length `len`; new elements have unspecified values, old ones too where more memory was needed.
    pub(crate) fn reset(&mut self, len: usize) {
        if len > self.block.capacity() {
            *self = Self::unspecified(len);
        }
        self.len = len;
    }

    /// Appends, in amortised constant time per element.
    pub(crate) fn extend_from_slice(&mut self, more: &[f32]) {
        let (old, len) = (self.len, self.len + more.len());
        if len > self.block.capacity() {
            let mut grown = Self::unspecified(len.max(2 * old));
            grown[..old].copy_from_slice(self);
            *self = grown;
        }
        self.len = len;
        self[old..].copy_from_slice(more);
    }
}

impl Drop for Floats {
    fn drop(&mut self) {
        std::mem::replace(&mut self.block, Block::EMPTY).give();
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len <= capacity` floats from `start` on are initialised; an empty block's dangling start is
        // aligned, which is all a slice of none needs.
        unsafe { slice::from_raw_parts(self.block.start(), self.len) }
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and the block has one owner, borrowed alone here.
        unsafe { slice::from_raw_parts_mut(self.block.start(), self.len) }
    }
}

impl From<&[f32]> for Floats {
    fn from(values: &[f32]) -> Self {
        let mut floats = Self::unspecified(values.len());
        floats.copy_from_slice(values);
        floats
    }
}

impl FromIterator<f32> for Floats {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Self {
        Self::from(values.into_iter().collect::<Vec<_>>().as_slice())
    }
}

impl Clone for Floats {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl PartialEq for Floats {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Default for Floats {
    fn default() -> Self {
        Self { block: Block::EMPTY, len: 0 }
    }
}

impl fmt::Debug for Floats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::ALIGN;

    #[test]
    fn blocks_start_on_cache_lines_and_grow() {
        let mut floats = Floats::default();
        let mut expected = Vec::new();
        for i in 1..300_u16 {
            let more = vec![f32::from(i); usize::from(i)];
            floats.extend_from_slice(&more);
            expected.extend(more);
            assert_eq!(floats.as_ptr().align_offset(ALIGN), 0);
        }
        assert_eq!(&*floats, expected.as_slice());
        assert_eq!(floats.clone(), floats);
    }
}
