//! The largest products among very many pairs of vectors.

use engine::Result;
use kernels::{Backend, Matrix, Residency, Source};

use crate::Tick;

/// Vectors of each side that are multiplied at once.
const LEFT: usize = 256;
const RIGHT: usize = 8192;

/// A pair of vectors, by their numbers, and their product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Number of the vector on the left.
    pub left: u32,
    /// Number of the vector on the right.
    pub right: u32,
    /// Their product.
    pub score: f64,
}

/// The `k` pairs with the largest products, in falling order, of vectors `left` `[_, width]` and `right` `[_, width]`.
///
/// Nothing as large as the table of all pairs is made: vectors are taken by falling length, and since no product is
/// larger than that of two lengths, blocks of pairs that cannot be among the largest any more are left out.
pub(crate) fn largest_pairs(
    backend: &dyn Backend,
    left: &[f32],
    right: &[f32],
    width: usize,
    k: usize,
    tick: Tick<'_>,
) -> Result<Vec<Pair>> {
    let (left, right) = (Sorted::of(left, width), Sorted::of(right, width));
    let mut packed: Vec<Option<Matrix>> = right.blocks(RIGHT).map(|_| None).collect();
    let total = left.blocks(LEFT).count() as u64;
    let mut best: Vec<Pair> = Vec::new();
    for (done, rows) in left.blocks(LEFT).enumerate() {
        tick(done as u64, total)?;
        let x = backend.upload_f32(&left.values[rows.start * width..rows.end * width]);
        let cannot = |best: &[Pair], columns: usize| {
            let bound = left.lengths[rows.start] * right.lengths[columns];
            best.len() == k && bound * 1.000_1 < best[k - 1].score
        };
        if cannot(&best, 0) {
            break;
        }
        for (columns, packed) in right.blocks(RIGHT).zip(&mut packed) {
            if cannot(&best, columns.start) {
                break;
            }
            let matrix = packed.get_or_insert_with(|| {
                let values = &right.values[columns.start * width..columns.end * width];
                backend.pack(&Source::from_f32(values, columns.len(), width), Residency::Expanded)
            });
            let each = k.min(columns.len());
            let top = backend.top_k(&backend.linear(&x, matrix, None), columns.len(), each);
            best.extend(top.ids.iter().zip(&top.values).enumerate().map(|(i, (&column, &score))| Pair {
                left: left.order[rows.start + i / each],
                right: right.order[columns.start + column as usize],
                score: f64::from(score),
            }));
            best.sort_by(|a, b| b.score.total_cmp(&a.score).then((a.left, a.right).cmp(&(b.left, b.right))));
            best.truncate(k);
        }
    }
    tick(total, total)?;
    Ok(best)
}

/// Vectors by falling length.
struct Sorted {
    order: Vec<u32>,
    values: Vec<f32>,
    lengths: Vec<f64>,
}

impl Sorted {
    fn of(vectors: &[f32], width: usize) -> Self {
        let length = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let unsorted: Vec<f64> = vectors.chunks_exact(width).map(length).collect();
        let mut order: Vec<u32> = (0..unsorted.len() as u32).collect();
        order.sort_by(|&a, &b| unsorted[b as usize].total_cmp(&unsorted[a as usize]).then(a.cmp(&b)));
        let values = order.iter().flat_map(|&i| &vectors[i as usize * width..][..width]).copied().collect();
        Self { lengths: order.iter().map(|&i| unsorted[i as usize]).collect(), order, values }
    }

    fn blocks(&self, size: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let n = self.order.len();
        (0..n).step_by(size).map(move |start| start..(start + size).min(n))
    }
}
