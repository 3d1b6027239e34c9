//! How many bytes a tensor takes, and that no two take the same ones.

use std::ops::Range;

use kernels::DType;

use crate::error::shortened;

/// No tensor has more elements, and no file more bytes: sizes up to this can be added and multiplied by the size of an
/// element without overflow.
const MOST_ELEMENTS: u64 = 1 << 48;

/// The shape (outermost first) as it is used in memory, and the bytes it takes.
pub(crate) fn bytes_of(dtype: DType, shape: &[u64]) -> Result<(Vec<usize>, usize), String> {
    // Lengths of zero are left out of this product, so that none of the others can be absurd beside one.
    let elements = shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n.max(1)));
    if elements.is_none_or(|n| n > MOST_ELEMENTS) {
        return Err(format!("no tensor is as large as its shape {shape:?} says"));
    }
    let columns = shape.last().copied().unwrap_or(1);
    if columns % dtype.block_len() as u64 != 0 {
        let (name, block) = (dtype.name(), dtype.block_len());
        return Err(format!("its rows of {columns} elements are not whole {name} blocks of {block}"));
    }
    let shape: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
    let rows: usize = shape.iter().rev().skip(1).product();
    let bytes = rows.checked_mul(dtype.row_bytes(columns as usize));
    bytes.map(|bytes| (shape, bytes)).ok_or_else(|| "its size does not fit this machine's memory".into())
}

/// Checks that no byte belongs to two tensors.
pub(crate) fn no_overlap(mut extents: Vec<(Range<usize>, String)>) -> Result<(), String> {
    extents.retain(|(range, _)| !range.is_empty());
    extents.sort_by_key(|(range, _)| range.start);
    match extents.windows(2).find(|pair| pair[0].0.end > pair[1].0.start) {
        None => Ok(()),
        Some(pair) => Err(format!("tensors `{}` and `{}` overlap", shortened(&pair[0].1), shortened(&pair[1].1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes_of(DType::F32, &[2, 3]), Ok((vec![2, 3], 24)));
        assert_eq!(bytes_of(DType::Q4_1, &[2, 64]), Ok((vec![2, 64], 80)));
        assert_eq!(bytes_of(DType::F32, &[]), Ok((vec![], 4)));
        assert_eq!(bytes_of(DType::F32, &[0, 5]), Ok((vec![0, 5], 0)));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        for shape in [&[u64::MAX, 2][..], &[1 << 40, 1 << 40], &[0, u64::MAX], &[1 << 63, 2, 0], &[u64::MAX; 8]] {
            assert!(bytes_of(DType::F32, shape).is_err(), "{shape:?}");
        }
        assert!(bytes_of(DType::Q8_0, &[4, 33]).unwrap_err().contains("whole Q8_0 blocks of 32"));
    }

    #[test]
    fn overlaps_are_found() {
        let extents = |ranges: &[Range<usize>]| ranges.iter().map(|r| (r.clone(), format!("{r:?}"))).collect();
        assert_eq!(no_overlap(extents(&[8..9, 0..4, 4..8, 4..4])), Ok(()));
        assert!(no_overlap(extents(&[0..5, 9..10, 4..8])).unwrap_err().contains("`0..5` and `4..8`"));
    }
}
