//! Rows chosen, rows added up.

use super::isa::{Isa, per_isa};
use super::norm::by_rows;
use super::pool;
use super::products::rows_of;
use super::weights::Packed;
use crate::{Buffer, Floats, Span, SpanOp};

pub(super) fn concat(parts: &[&[f32]]) -> Buffer {
    let mut out = Floats::unspecified(parts.iter().map(|part| part.len()).sum());
    let mut rest = &mut *out;
    for part in parts {
        let (here, after) = rest.split_at_mut(part.len());
        here.copy_from_slice(part);
        rest = after;
    }
    out.into()
}

pub(super) fn edit(x: &mut [f32], spans: &[Span], op: SpanOp<'_>) {
    let mut at = 0;
    for span in spans {
        let values = &mut x[span.start..span.start + span.len];
        match op {
            SpanOp::Scale(0.0) => values.fill(0.0),
            SpanOp::Scale(factor) => values.iter_mut().for_each(|x| *x *= factor as f32),
            SpanOp::Add(other) => values.iter_mut().zip(&other.f32s()[at..at + span.len]).for_each(|(x, y)| *x += y),
            SpanOp::Set(other) => values.copy_from_slice(&other.f32s()[at..at + span.len]),
        }
        at += span.len;
    }
}

pub(super) fn gather(w: &Packed, ins: usize, ids: &[u32]) -> Buffer {
    let mut out = Floats::unspecified(ids.len() * ins);
    by_rows(&mut out, ins, ids.len(), ins, |first, out| {
        for (&id, row) in ids[first..].iter().zip(out.chunks_exact_mut(ins.max(1))) {
            w.row(id as usize, row);
        }
    });
    out.into()
}

pub(super) fn select(x: &[f32], width: usize, index: &[u32]) -> Buffer {
    let mut out = Floats::unspecified(index.len() * width);
    by_rows(&mut out, width, index.len(), width, |first, out| {
        for (&i, row) in index[first..].iter().zip(out.chunks_exact_mut(width.max(1))) {
            row.copy_from_slice(&x[i as usize * width..(i as usize + 1) * width]);
        }
    });
    out.into()
}

/// Adds row `r` of `dy` to row `index[r]` of zeros, in order of `r`.
pub(super) fn scatter(dy: &[f32], width: usize, index: &[u32], rows: usize) -> Buffer {
    assert_eq!(dy.len(), index.len() * width, "an index for each row");
    let mut out = Floats::zeros(rows * width);
    for (&i, dy) in index.iter().zip(dy.chunks_exact(width.max(1))) {
        let row = &mut out[i as usize * width..(i as usize + 1) * width];
        row.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy);
    }
    out.into()
}

per_isa! {
    /// `out[c] += Σ_r x[r · stride + c]`, in order of `r`.
    fn add_rows(x: &[f32], stride: usize, out: &mut [f32]) {
        for row in x.chunks(stride) {
            for (sum, x) in out.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

pub(super) fn sum_rows(isa: Isa, x: &[f32], width: usize) -> Buffer {
    let rows = rows_of(x, width);
    let mut out = Floats::zeros(width);
    // Columns are shared out, so that each is one chain over the rows.
    let columns = if x.len() <= 1 << 15 { width } else { width.div_ceil(2 * pool::threads()).next_multiple_of(64) };
    if rows > 0 {
        pool::pieces(&mut out, columns.max(1), |i, out| add_rows(isa, &x[i * columns..], width, out));
    }
    out.into()
}

pub(super) fn sum_groups(isa: Isa, x: &[f32], groups: usize, width: usize, bias: Option<&[f32]>) -> Buffer {
    assert!(bias.is_none_or(|bias| bias.len() == width), "a bias for each column");
    let rows = rows_of(x, groups * width);
    let mut out = Floats::unspecified(rows * width);
    by_rows(&mut out, width, rows, groups * width, |first, out| {
        let x = x[first * groups * width..].chunks_exact(groups * width);
        for (out, x) in out.chunks_exact_mut(width).zip(x) {
            match bias {
                Some(bias) => out.copy_from_slice(bias),
                None => out.fill(0.0),
            }
            add_rows(isa, x, width, out);
        }
    });
    out.into()
}

pub(super) fn repeat_groups(dy: &[f32], groups: usize, width: usize) -> Buffer {
    let rows = rows_of(dy, width);
    let mut out = Floats::unspecified(rows * groups * width);
    by_rows(&mut out, groups * width, rows, groups * width, |first, out| {
        for (out, dy) in out.chunks_exact_mut(groups * width).zip(dy[first * width..].chunks_exact(width)) {
            out.chunks_exact_mut(width).for_each(|out| out.copy_from_slice(dy));
        }
    });
    out.into()
}
