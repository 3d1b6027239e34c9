//! Rotary positions, scores, softmax and mixing.

use std::ops::Range;

use crate::{AttnShape, Buffer, RopeStyle, Segment};

pub(super) fn rope(
    x: &[f64],
    cos: &[f64],
    sin: &[f64],
    heads: usize,
    d_head: usize,
    style: RopeStyle,
    inverse: bool,
) -> Buffer {
    let mut y = x.to_vec();
    let rows = x.len() / (heads * d_head).max(1);
    let pairs = cos.len() / rows.max(1);
    for r in 0..rows {
        for h in 0..heads {
            for p in 0..pairs {
                let head = (r * heads + h) * d_head;
                let (i, j) = match style {
                    RopeStyle::Halves => (head + p, head + p + pairs),
                    RopeStyle::Pairs => (head + 2 * p, head + 2 * p + 1),
                };
                let cos = cos[r * pairs + p];
                let sin = if inverse { -sin[r * pairs + p] } else { sin[r * pairs + p] };
                y[i] = x[i] * cos - x[j] * sin;
                y[j] = x[i] * sin + x[j] * cos;
            }
        }
    }
    y.into()
}

/// One (destination, head) of a segment: where its elements lie.
struct Row {
    /// Its query, or its z: elements of `[rows, heads, d_head]`.
    query: Range<usize>,
    /// Its first score in `[heads, q_len, k_len]`, counted over all segments.
    scores: usize,
    /// The sources it may attend to.
    allowed: Range<usize>,
    /// The key/value head it reads.
    kv_head: usize,
}

/// Every (destination, head) of every segment.
fn each_row(segments: &[Segment<'_>], shape: &AttnShape, mut f: impl FnMut(&Segment<'_>, Row)) {
    let mut scores = 0;
    for segment in segments {
        for head in 0..shape.heads {
            for i in 0..segment.q_len {
                let query = ((segment.q_start + i) * shape.heads + head) * shape.d_head;
                let row = Row {
                    query: query..query + shape.d_head,
                    scores,
                    allowed: shape.mask.allowed(segment.k_len - segment.q_len + i, segment.k_len),
                    kv_head: head / (shape.heads / shape.kv_heads),
                };
                f(segment, row);
                scores += segment.k_len;
            }
        }
    }
}

/// The elements of source `j`'s key or value.
fn source(segment: &Segment<'_>, shape: &AttnShape, kv_head: usize, j: usize) -> Range<usize> {
    let start = ((segment.k_start + j) * shape.kv_heads + kv_head) * shape.d_head;
    start..start + shape.d_head
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn pairs(segments: &[Segment<'_>], shape: &AttnShape) -> usize {
    segments.iter().map(|segment| segment.pairs(shape.heads)).sum()
}

pub(super) fn scores(q: &[f64], segments: &[Segment<'_>], shape: &AttnShape) -> Buffer {
    let mut scores = vec![f64::NEG_INFINITY; pairs(segments, shape)];
    each_row(segments, shape, |segment, row| {
        for j in row.allowed {
            let k = &segment.k.f64s()[source(segment, shape, row.kv_head, j)];
            let score = shape.scale * dot(&q[row.query.clone()], k);
            scores[row.scores + j] = shape.cap.map_or(score, |cap| cap * (score / cap).tanh());
        }
    });
    scores.into()
}

/// Scores the mask hid have no derivative.
pub(super) fn scores_back(
    dscores: &[f64],
    scores: &[f64],
    q: &[f64],
    segments: &[Segment<'_>],
    shape: &AttnShape,
    k_rows: usize,
) -> (Buffer, Buffer) {
    let mut dq = vec![0.0; q.len()];
    let mut dk = vec![0.0; k_rows * shape.kv_heads * shape.d_head];
    each_row(segments, shape, |segment, row| {
        for j in row.allowed {
            let s = row.scores + j;
            let slope = shape.cap.map_or(1.0, |cap| 1.0 - (scores[s] / cap).powi(2));
            let ds = dscores[s] * slope * shape.scale;
            for (qi, ki) in row.query.clone().zip(source(segment, shape, row.kv_head, j)) {
                dq[qi] += ds * segment.k.f64s()[ki];
                dk[ki] += ds * q[qi];
            }
        }
    });
    (dq.into(), dk.into())
}

pub(super) fn softmax(scores: &[f64], segments: &[Segment<'_>], shape: &AttnShape) -> Buffer {
    let mut pattern = vec![0.0; pairs(segments, shape)];
    each_row(segments, shape, |segment, row| {
        let (from, to) = (row.scores, row.scores + segment.k_len);
        let row = &scores[from..to];
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|s| (s - max).exp()).sum();
        if row.iter().any(|&s| s != f64::NEG_INFINITY) {
            pattern[from..to].iter_mut().zip(row).for_each(|(p, s)| *p = (s - max).exp() / sum);
        }
    });
    pattern.into()
}

/// Where the pattern is zero, so is the derivative.
pub(super) fn softmax_dx(dpattern: &[f64], pattern: &[f64], segments: &[Segment<'_>], shape: &AttnShape) -> Buffer {
    let mut dscores = vec![0.0; pairs(segments, shape)];
    each_row(segments, shape, |segment, row| {
        let seen = (row.scores..row.scores + segment.k_len).filter(|&s| pattern[s] != 0.0);
        let mean: f64 = seen.clone().map(|s| pattern[s] * dpattern[s]).sum();
        for s in seen {
            dscores[s] = pattern[s] * (dpattern[s] - mean);
        }
    });
    dscores.into()
}

/// A zero adds nothing, whatever the value it meets.
pub(super) fn mix(pattern: &[f64], segments: &[Segment<'_>], shape: &AttnShape, rows: usize) -> Buffer {
    let mut z = vec![0.0; rows * shape.heads * shape.d_head];
    each_row(segments, shape, |segment, row| {
        for j in (0..segment.k_len).filter(|j| pattern[row.scores + j] != 0.0) {
            for (zi, vi) in row.query.clone().zip(source(segment, shape, row.kv_head, j)) {
                z[zi] += pattern[row.scores + j] * segment.v.f64s()[vi];
            }
        }
    });
    z.into()
}

pub(super) fn mix_back(
    dz: &[f64],
    pattern: &[f64],
    segments: &[Segment<'_>],
    shape: &AttnShape,
    k_rows: usize,
) -> (Buffer, Buffer) {
    let mut dpattern = vec![0.0; pairs(segments, shape)];
    let mut dv = vec![0.0; k_rows * shape.kv_heads * shape.d_head];
    each_row(segments, shape, |segment, row| {
        for j in 0..segment.k_len {
            let p = row.scores + j;
            let v = source(segment, shape, row.kv_head, j);
            dpattern[p] = dot(&dz[row.query.clone()], &segment.v.f64s()[v.clone()]);
            for (zi, vi) in row.query.clone().zip(v).filter(|_| pattern[p] != 0.0) {
                dv[vi] += pattern[p] * dz[zi];
            }
        }
    });
    (dpattern.into(), dv.into())
}
