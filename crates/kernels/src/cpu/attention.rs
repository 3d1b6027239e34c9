//! Scores, softmax and mixing, apart and in one.
//!
//! A destination's result has the same bits whatever comes after it, whatever else is in the batch and however its
//! sources are divided between a cache and this pass: scores are chains over the head's width, mixing is chains over
//! the sources in blocks of 192 from the segment's first source on, and the softmax adds in lanes counted from there
//! too. Sources that the mask hides have pattern 0, which adds nothing to any of them: they may be left out or not.

mod back;
mod layout;
mod rope;
pub(super) mod softmax;
mod sources;

pub(super) use layout::Layer;
use layout::Rows;
pub(super) use rope::rope;
use sources::{Sources, Which};

use super::elements::Cap;
use super::gemm::{Left, Part, ZEROS, with_scratch};
use super::pool::Shared;
use super::tile::{COLUMN_STEP, COLUMNS, ROWS};
use crate::{Buffer, Floats};

impl Layer<'_> {
    /// Scores after scale, cap and mask: `[heads, q_len, k_len]` per segment.
    pub(super) fn scores(&self, q: &[f32]) -> Buffer {
        let keys = Sources::transposed(self, Which::Keys);
        let mut out = Floats::unspecified(self.pairs);
        let shared = Shared::new(&mut out);
        self.each_task(|rows| {
            let k_len = self.k_len(rows);
            // SAFETY: tasks have scores of their own.
            let out = unsafe { shared.slice(rows.scores, rows.count * k_len) };
            self.task_scores(q, rows, &keys, out, k_len);
            for (r, out) in out.chunks_exact_mut(k_len).enumerate() {
                let (from, to) = self.seen(rows, r);
                out[..from].fill(f32::NEG_INFINITY);
                out[to..].fill(f32::NEG_INFINITY);
            }
        });
        out.into()
    }

    /// Softmax of each row of scores over all its sources.
    pub(super) fn softmax(&self, scores: &[f32]) -> Buffer {
        assert_eq!(scores.len(), self.pairs, "scores of all segments");
        let mut out = Floats::unspecified(self.pairs);
        let shared = Shared::new(&mut out);
        self.each_task(|rows| {
            let k_len = self.k_len(rows);
            // SAFETY: tasks have scores of their own.
            let out = unsafe { shared.slice(rows.scores, rows.count * k_len) };
            out.copy_from_slice(&scores[rows.scores..rows.scores + out.len()]);
            out.chunks_exact_mut(k_len).for_each(|row| softmax::row(self.isa, row));
        });
        out.into()
    }

    /// pattern · v, `[rows, heads, d_head]`.
    pub(super) fn mix(&self, pattern: &[f32], rows: usize) -> Buffer {
        self.mix_with(pattern, Which::Values, rows)
    }

    /// weights `[heads, q_len, k_len]` · keys or values.
    fn mix_with(&self, weights: &[f32], which: Which, rows: usize) -> Buffer {
        assert_eq!(weights.len(), self.pairs, "weights for all segments");
        let sources = Sources::in_rows(self, which);
        let mut out = self.destinations(rows);
        let shared = Shared::new(&mut out);
        self.each_task(|rows| {
            let k_len = self.k_len(rows);
            let weights = &weights[rows.scores..rows.scores + rows.count * k_len];
            // Unless someone edited the pattern, it is zero where the mask hides.
            let hidden_are_zero = |row: usize| {
                let (from, to) = self.seen(rows, row);
                let some = &weights[row * k_len..rows.count.min(row + ROWS) * k_len];
                let zero =
                    |row: &[f32]| softmax::all_zero(self.isa, &row[..from]) && softmax::all_zero(self.isa, &row[to..]);
                some.chunks_exact(k_len).all(zero)
            };
            let seen = |row| if hidden_are_zero(row) { self.seen(rows, row) } else { (0, k_len) };
            self.task_mix(weights, k_len, rows, &sources, seen, &shared);
        });
        out.into()
    }

    /// All three, holding the scores of one task at a time.
    pub(super) fn fused(&self, q: &[f32], rows: usize) -> Buffer {
        let (keys, values) = (Sources::transposed(self, Which::Keys), Sources::in_rows(self, Which::Values));
        let mut out = self.destinations(rows);
        let shared = Shared::new(&mut out);
        self.each_task(|rows| {
            let width = self.k_len(rows).next_multiple_of(COLUMN_STEP);
            with_scratch(|scores| {
                scores.reset(rows.count * width);
                self.task_scores(q, rows, &keys, scores, width);
                for (r, row) in scores.chunks_exact_mut(width).enumerate() {
                    let (from, to) = self.seen(rows, r);
                    softmax::row(self.isa, &mut row[from..to]);
                }
                self.task_mix(scores, width, rows, &values, |row| self.seen(rows, row), &shared);
            });
        });
        out.into()
    }

    /// z `[rows, heads, d_head]`, zero unless segments cover all rows.
    fn destinations(&self, rows: usize) -> Floats {
        let len = rows * self.shape.heads * self.shape.d_head;
        assert!(len >= self.query_len, "a row for each query");
        let covered: usize = self.segments.iter().map(|s| s.q_len).sum();
        if covered == rows { Floats::unspecified(len) } else { Floats::zeros(len) }
    }

    /// Scores of a task, finished, into `out[row · width + source]`, for the sources that [`seen`](Self::seen) gives
    /// each row.
    fn task_scores(&self, q: &[f32], rows: &Rows, keys: &Sources<'_>, out: &mut [f32], width: usize) {
        self.task_products(q, rows, keys, |row| self.seen(rows, row), out, width);
        for (r, out) in out.chunks_exact_mut(width).take(rows.count).enumerate() {
            let (from, to) = self.seen(rows, r);
            let allowed = self.allowed(rows, r);
            out[from..allowed.start].fill(f32::NEG_INFINITY);
            out[allowed.end..to].fill(f32::NEG_INFINITY);
            softmax::finish(
                self.isa,
                &mut out[allowed],
                self.shape.scale as f32,
                self.shape.cap.map(|c| Cap(c as f32)),
            );
        }
    }

    /// x · sourceᵀ of a task into `out[row · width + source]`, for the sources `seen(row)`; those around them up to
    /// `width` are left or overwritten with anything.
    fn task_products(
        &self,
        x: &[f32],
        rows: &Rows,
        sources: &Sources<'_>,
        seen: impl Fn(usize) -> (usize, usize),
        out: &mut [f32],
        width: usize,
    ) {
        let left = Left { values: &x[rows.query..], row: rows.query_row, step: 1 };
        let out = Shared::new(out);
        for first in (0..self.k_len(rows)).step_by(COLUMNS) {
            for row in (0..rows.count).step_by(ROWS) {
                let (from, to) = seen(row);
                if first + COLUMNS <= from || first >= to {
                    continue;
                }
                let part = Part {
                    left,
                    rows: row..rows.count.min(row + ROWS),
                    terms: 0..self.shape.d_head,
                    right: sources.panel(rows, first / COLUMNS),
                    right_step: COLUMNS,
                    columns: (to - first).next_multiple_of(COLUMN_STEP).min(width - first).min(COLUMNS),
                    start: &ZEROS,
                    first,
                    out_row: width,
                    add: false,
                };
                // SAFETY: this call alone borrows `out`.
                unsafe { part.run(self.isa, &out) };
            }
        }
    }

    /// `z[row] = Σ_j weights[row · width + j] · source[j]` of a task, over the sources `seen(row)` of each 8 rows, to
    /// the place that the row's query has in `out`.
    fn task_mix(
        &self,
        weights: &[f32],
        width: usize,
        rows: &Rows,
        sources: &Sources<'_>,
        seen: impl Fn(usize) -> (usize, usize),
        out: &Shared<f32>,
    ) {
        let d_head = self.shape.d_head;
        for row in (0..rows.count).step_by(ROWS) {
            let (from, to) = seen(row);
            let some = row..rows.count.min(row + ROWS);
            let (right, right_step) = sources.rows(rows, from);
            for first in (0..d_head).step_by(COLUMNS) {
                let part = Part {
                    left: Left { values: weights, row: width, step: 1 },
                    rows: some.clone(),
                    terms: from..to,
                    right: &right[first.min(right.len())..],
                    right_step,
                    columns: COLUMNS.min(d_head - first),
                    start: &ZEROS,
                    first: rows.query + first,
                    out_row: rows.query_row,
                    add: false,
                };
                // SAFETY: tasks have rows or heads of `out` of their own.
                unsafe { part.run(self.isa, out) };
            }
            for r in some {
                // SAFETY: as above.
                let z = unsafe { out.slice(rows.query + r * rows.query_row, d_head) };
                if !softmax::settle(self.isa, z) {
                    sources.mix_used(rows, from, &weights[r * width + from..r * width + to], z);
                }
            }
        }
    }
}
