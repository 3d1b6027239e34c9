//! Derivatives of scores, softmax and mixing.

use super::layout::Layer;
use super::softmax;
use super::sources::{Sources, Which};
use crate::cpu::elements::{CapSlope, Two};
use crate::cpu::gemm::{Left, Part, ZEROS, with_scratch};
use crate::cpu::pool::{self, Shared};
use crate::cpu::tile::COLUMNS;
use crate::{Buffer, Floats};

impl Layer<'_> {
    /// (dq, dk).
    pub(in crate::cpu) fn scores_back(
        &self,
        dscores: &[f32],
        scores: &[f32],
        q: &[f32],
        k_rows: usize,
    ) -> (Buffer, Buffer) {
        let products = self.before_cap(dscores, scores);
        let row = (self.shape.heads * self.shape.d_head).max(1);
        (self.mix_with(&products, Which::Keys, q.len() / row), self.to_sources(&products, q, k_rows))
    }

    /// dscores.
    pub(in crate::cpu) fn softmax_dx(&self, dpattern: &[f32], pattern: &[f32]) -> Buffer {
        assert!(dpattern.len() == self.pairs && pattern.len() == self.pairs, "patterns of all segments");
        let mut out = Floats::unspecified(self.pairs);
        let shared = Shared::new(&mut out);
        self.each_task(|rows| {
            let k_len = self.k_len(rows);
            for row in (0..rows.count).map(|r| rows.scores + r * k_len..rows.scores + (r + 1) * k_len) {
                // SAFETY: tasks have scores of their own.
                let out = unsafe { shared.slice(row.start, k_len) };
                softmax::row_dx(self.isa, &dpattern[row.clone()], &pattern[row], out);
            }
        });
        out.into()
    }

    /// (dpattern, dv).
    pub(in crate::cpu) fn mix_back(&self, dz: &[f32], pattern: &[f32], k_rows: usize) -> (Buffer, Buffer) {
        assert_eq!(pattern.len(), self.pairs, "patterns of all segments");
        let values = Sources::transposed(self, Which::Values);
        let mut out = Floats::unspecified(self.pairs);
        let shared = Shared::new(&mut out);
        self.each_task(|rows| {
            let k_len = self.k_len(rows);
            // SAFETY: tasks have scores of their own.
            let out = unsafe { shared.slice(rows.scores, rows.count * k_len) };
            self.task_products(dz, rows, &values, |_| (0, k_len), out, k_len);
        });
        (out.into(), self.to_sources(pattern, dz, k_rows))
    }

    /// Derivatives of the plain products q · k: through cap and scale, zero where the mask hides.
    fn before_cap(&self, dscores: &[f32], scores: &[f32]) -> Floats {
        assert!(dscores.len() == self.pairs && scores.len() == self.pairs, "scores of all segments");
        let (scale, cap) = (self.shape.scale as f32, self.shape.cap.map(|cap| CapSlope(cap as f32)));
        let mut out = Floats::unspecified(self.pairs);
        let shared = Shared::new(&mut out);
        self.each_task(|rows| {
            let k_len = self.k_len(rows);
            for r in 0..rows.count {
                let (first, allowed) = (rows.scores + r * k_len, self.allowed(rows, r));
                // SAFETY: tasks have scores of their own.
                let out = unsafe { shared.slice(first, k_len) };
                out[..allowed.start].fill(0.0);
                out[allowed.end..].fill(0.0);
                for j in allowed {
                    let d = dscores[first + j];
                    out[j] = scale * cap.map_or(d, |cap| cap.of(d, scores[first + j]));
                }
            }
        });
        out
    }

    /// `Σ weights[h][i][j] · x[i][h]` over destinations i and the heads h that read a source: `[k_rows, kv_heads,
    /// d_head]`.
    fn to_sources(&self, weights: &[f32], x: &[f32], k_rows: usize) -> Buffer {
        let (kv_heads, d_head) = (self.shape.kv_heads, self.shape.d_head);
        let mut out = Floats::zeros(k_rows * kv_heads * d_head);
        let shared = Shared::new(&mut out);
        let mut first = 0;
        let weights_of = |segment: &crate::Segment<'_>| {
            let range = first..first + segment.pairs(self.shape.heads);
            first = range.end;
            &weights[range]
        };
        let each: Vec<_> = self.segments.iter().map(weights_of).collect();
        let mut ranges: Vec<_> = self.segments.iter().map(|s| (s.k_start, s.k_start + s.k_len)).collect();
        ranges.sort_unstable();
        if ranges.windows(2).all(|w| w[0].1 <= w[1].0) {
            pool::run(self.segments.len() * kv_heads, |i| {
                // SAFETY: tasks differ in their key/value head or in their sources.
                unsafe { self.segment_to_sources(i / kv_heads, i % kv_heads, each[i / kv_heads], x, &shared) };
            });
        } else {
            pool::run(kv_heads, |kv_head| {
                for (segment, weights) in each.iter().enumerate() {
                    // SAFETY: tasks differ in their key/value head.
                    unsafe { self.segment_to_sources(segment, kv_head, weights, x, &shared) };
                }
            });
        }
        out.into()
    }

    /// # Safety
    /// Nothing else may use the elements of the segment's sources in `out`, of this key/value head, meanwhile.
    unsafe fn segment_to_sources(&self, segment: usize, kv_head: usize, weights: &[f32], x: &[f32], out: &Shared<f32>) {
        let (segment, shape) = (&self.segments[segment], self.shape);
        let (pairs, group, row) =
            (segment.q_len * segment.k_len, shape.heads / shape.kv_heads, shape.heads * shape.d_head);
        if pairs == 0 {
            return;
        }
        with_scratch(|panel| {
            panel.reset(segment.q_len * COLUMNS);
            for head in kv_head * group..(kv_head + 1) * group {
                for first in (0..shape.d_head).step_by(COLUMNS) {
                    let columns = COLUMNS.min(shape.d_head - first);
                    for (i, out) in panel.chunks_exact_mut(COLUMNS).enumerate() {
                        let from = (segment.q_start + i) * row + head * shape.d_head + first;
                        out[..columns].copy_from_slice(&x[from..from + columns]);
                        out[columns..].fill(0.0);
                    }
                    let part = Part {
                        left: Left { values: &weights[head * pairs..(head + 1) * pairs], row: 1, step: segment.k_len },
                        rows: 0..segment.k_len,
                        terms: 0..segment.q_len,
                        right: panel,
                        right_step: COLUMNS,
                        columns,
                        start: &ZEROS,
                        first: (segment.k_start * shape.kv_heads + kv_head) * shape.d_head + first,
                        out_row: shape.kv_heads * shape.d_head,
                        add: true,
                    };
                    // SAFETY: the caller's promise.
                    unsafe { part.run(self.isa, out) };
                }
            }
        });
    }
}
