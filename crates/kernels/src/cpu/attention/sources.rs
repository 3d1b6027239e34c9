//! Keys and values, laid out for products.

use super::layout::{Layer, Rows};
use crate::Floats;
use crate::cpu::gemm::BLOCK;
use crate::cpu::tile::{COLUMN_STEP, COLUMNS};
use crate::cpu::{pool, transpose};

/// Which of a segment's sources.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Keys,
    Values,
}

/// Keys or values of all segments.
pub(super) struct Sources<'a> {
    parts: Vec<Segment<'a>>,
    kv_heads: usize,
    d_head: usize,
    /// Pieces of 48 sources of one head, `piece` elements each, segment by segment and head by head; none where the
    /// sources are used as they lie.
    packed: Floats,
    piece: usize,
}

/// The sources of one segment.
struct Segment<'a> {
    /// `[len, kv_heads, d_head]`
    values: &'a [f32],
    len: usize,
    /// The first of its pieces.
    first: usize,
}

impl<'a> Sources<'a> {
    fn new(layer: &Layer<'a>, which: Which) -> Self {
        let (kv_heads, d_head) = (layer.shape.kv_heads, layer.shape.d_head);
        let mut first = 0;
        let part = |s: &crate::Segment<'a>| {
            let buffer = match which {
                Which::Keys => s.k,
                Which::Values => s.v,
            };
            let row = kv_heads * d_head;
            let values = &buffer.f32s()[s.k_start * row..(s.k_start + s.k_len) * row];
            let part = Segment { values, len: s.k_len, first };
            first += kv_heads * s.k_len.div_ceil(COLUMNS);
            part
        };
        let parts = layer.segments.iter().map(part).collect();
        Self { parts, kv_heads, d_head, packed: Floats::default(), piece: first }
    }

    /// Fills pieces of `size` elements by `fill(sources from the piece's first on, how many, piece)`.
    fn pack(mut self, size: usize, fill: impl Fn(&[f32], usize, &mut [f32]) + Sync) -> Self {
        let pieces = std::mem::replace(&mut self.piece, size);
        let mut packed = Floats::unspecified(pieces * size);
        let fill_piece = |i: usize, out: &mut [f32]| {
            let part = &self.parts[self.parts.partition_point(|part| part.first <= i) - 1];
            let per_head = part.len.div_ceil(COLUMNS);
            let (kv_head, first) = ((i - part.first) / per_head, (i - part.first) % per_head * COLUMNS);
            let values = &part.values[(first * self.kv_heads + kv_head) * self.d_head..];
            fill(values, COLUMNS.min(part.len - first), out);
        };
        // Several pieces at a time, so that a task is worth handing out.
        let together = (1_usize << 14).div_ceil(size.max(1));
        pool::pieces(&mut packed, (together * size).max(1), |i, out| {
            for (j, out) in out.chunks_exact_mut(size).enumerate() {
                fill_piece(i * together + j, out);
            }
        });
        self.packed = packed;
        self
    }

    /// Each 48 sources of a head as a panel `[d_head, 48]`.
    pub(super) fn transposed(layer: &Layer<'a>, which: Which) -> Self {
        let (isa, row, d_head) = (layer.isa, layer.shape.kv_heads * layer.shape.d_head, layer.shape.d_head);
        Self::new(layer, which).pack(d_head * COLUMNS, |values, count, out| {
            transpose::into_panel(isa, values, row, count, d_head, out);
        })
    }

    /// Each source of a head as a row, padded with zeros to whole steps of columns. A copy pays where several rows
    /// use it.
    pub(super) fn in_rows(layer: &Layer<'a>, which: Which) -> Self {
        let (row, d_head) = (layer.shape.kv_heads * layer.shape.d_head, layer.shape.d_head);
        let sources = Self::new(layer, which);
        if d_head.is_multiple_of(COLUMN_STEP) && layer.segments.iter().all(|s| s.q_len == 1) {
            return sources;
        }
        let step = d_head.next_multiple_of(COLUMN_STEP);
        sources.pack(step * COLUMNS, |values, count, out| {
            for (j, out) in out.chunks_exact_mut(step.max(1)).enumerate() {
                let have = if j < count { d_head } else { 0 };
                out[..have].copy_from_slice(&values[(j * row).min(values.len())..][..have]);
                out[have..].fill(0.0);
            }
        })
    }

    /// Panel `i` of the sources of a task's head, of [`transposed`](Self::transposed) ones.
    pub(super) fn panel(&self, rows: &Rows, i: usize) -> &[f32] {
        let part = &self.parts[rows.segment];
        let piece = part.first + rows.kv_head * part.len.div_ceil(COLUMNS) + i;
        &self.packed[piece * self.piece..(piece + 1) * self.piece]
    }

    /// Sources `from..` of a task's head, of those [`in_rows`](Self::in_rows): the elements, and how many from a
    /// source to the next.
    pub(super) fn rows(&self, rows: &Rows, from: usize) -> (&[f32], usize) {
        let part = &self.parts[rows.segment];
        if self.packed.is_empty() {
            let step = self.kv_heads * self.d_head;
            let first = (from * self.kv_heads + rows.kv_head) * self.d_head;
            return (&part.values[first.min(part.values.len())..], step);
        }
        let (step, per_head) = (self.piece / COLUMNS, part.len.div_ceil(COLUMNS));
        let head = (part.first + rows.kv_head * per_head) * self.piece;
        (&self.packed[head + from * step..head + per_head * self.piece], step)
    }

    /// Σ weight · source over the sources `from..` whose weight is not zero, by the same chains as the fast way: for
    /// rows in which a value that is not finite would meet a weight of zero.
    pub(super) fn mix_used(&self, rows: &Rows, from: usize, weights: &[f32], z: &mut [f32]) {
        let (values, step) = self.rows(rows, from);
        for (c, z) in z.iter_mut().enumerate() {
            let chain = |(b, block): (usize, &[f32])| {
                let used = block.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
                used.fold(0.0_f32, |sum, (j, weight)| weight.mul_add(values[(b * BLOCK + j) * step + c], sum))
            };
            *z = weights.chunks(BLOCK).enumerate().map(chain).fold(0.0, |sum, block| sum + block);
        }
    }
}
