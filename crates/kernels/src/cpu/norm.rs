//! Root-mean-square and layer norms.

#![allow(clippy::inline_always, reason = "they must become part of loops compiled for one instruction set")]

use super::isa::{Isa, per_isa};
use super::products::rows_of;
use super::{lanes, pool};
use crate::{Buffer, Floats, NormKind};

#[inline(always)]
fn centre(row: &[f32], kind: NormKind) -> f32 {
    match kind {
        NormKind::Rms => 0.0,
        NormKind::Layer => lanes::sum(row) / row.len() as f32,
    }
}

#[inline(always)]
fn divisor(row: &[f32], centre: f32, eps: f64) -> f32 {
    (f64::from(lanes::sum_squares(row, centre)) / row.len() as f64 + eps).sqrt() as f32
}

#[inline(always)]
fn divide_row(x: &[f32], centre: f32, scale: f32, out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = (x - centre) / scale;
    }
}

#[inline(always)]
fn affine_row(row: &mut [f32], gain: Option<&[f32]>, bias: Option<&[f32]>) {
    if let Some(gain) = gain {
        for (x, gain) in row.iter_mut().zip(gain) {
            *x *= gain;
        }
    }
    if let Some(bias) = bias {
        for (x, bias) in row.iter_mut().zip(bias) {
            *x += bias;
        }
    }
}

per_isa! {
    fn scale_rows(x: &[f32], width: usize, kind: NormKind, eps: f64, out: &mut [f32]) {
        for (row, out) in x.chunks_exact(width).zip(out) {
            *out = divisor(row, centre(row, kind), eps);
        }
    }
}

per_isa! {
    fn scale_dx_rows(dscale: &[f32], x: &[f32], scale: &[f32], width: usize, kind: NormKind, out: &mut [f32]) {
        for (r, (row, out)) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).enumerate() {
            let centre = centre(row, kind);
            let slope = dscale[r] / (width as f32 * scale[r]);
            for (out, x) in out.iter_mut().zip(row) {
                *out = slope * (x - centre);
            }
        }
    }
}

per_isa! {
    fn divide_rows(x: &[f32], scale: &[f32], width: usize, kind: NormKind, out: &mut [f32]) {
        for ((row, out), &scale) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(scale) {
            divide_row(row, centre(row, kind), scale, out);
        }
    }
}

per_isa! {
    fn divide_back_rows(dy: &[f32], y: &[f32], scale: &[f32], width: usize, kind: NormKind, dx: &mut [f32], dscale: &mut [f32]) {
        for (r, dx) in dx.chunks_exact_mut(width).enumerate() {
            let (dy, y) = (&dy[r * width..(r + 1) * width], &y[r * width..(r + 1) * width]);
            divide_row(dy, centre(dy, kind), scale[r], dx);
            dscale[r] = -lanes::dot(dy, y) / scale[r];
        }
    }
}

per_isa! {
    fn norm_rows(x: &[f32], gain: Option<&[f32]>, bias: Option<&[f32]>, width: usize, kind: NormKind, eps: f64, out: &mut [f32]) {
        for (row, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let centre = centre(row, kind);
            divide_row(row, centre, divisor(row, centre, eps), out);
            affine_row(out, gain, bias);
        }
    }
}

per_isa! {
    fn affine_rows(x: &[f32], gain: Option<&[f32]>, bias: Option<&[f32]>, width: usize, out: &mut [f32]) {
        out.copy_from_slice(x);
        for row in out.chunks_exact_mut(width) {
            affine_row(row, gain, bias);
        }
    }
}

/// Calls `f(first row, part of out)` for parts of `rows` rows, whose cost grows with `width`; `out` has `out_width`
/// elements a row.
pub(super) fn by_rows(
    out: &mut [f32],
    out_width: usize,
    rows: usize,
    width: usize,
    f: impl Fn(usize, &mut [f32]) + Sync,
) {
    let size = rows_at_once(rows, width);
    pool::pieces(out, (size * out_width).max(1), |i, out| f(i * size, out));
}

/// Rows a task takes: all where threads cost more than they save.
pub(super) fn rows_at_once(rows: usize, width: usize) -> usize {
    if rows * width <= 1 << 15 { rows.max(1) } else { rows.div_ceil(4 * pool::threads()).max(1) }
}

pub(super) fn scale(isa: Isa, x: &[f32], width: usize, kind: NormKind, eps: f64) -> Buffer {
    let rows = rows_of(x, width);
    let mut out = Floats::unspecified(rows);
    by_rows(&mut out, 1, rows, width, |r, out| {
        scale_rows(isa, &x[r * width..][..out.len() * width], width, kind, eps, out);
    });
    out.into()
}

pub(super) fn scale_dx(isa: Isa, dscale: &[f32], x: &[f32], scale: &[f32], width: usize, kind: NormKind) -> Buffer {
    let rows = rows_of(x, width);
    let mut out = Floats::unspecified(x.len());
    by_rows(&mut out, width, rows, width, |r, out| {
        scale_dx_rows(isa, &dscale[r..], &x[r * width..][..out.len()], &scale[r..], width, kind, out);
    });
    out.into()
}

pub(super) fn divide(isa: Isa, x: &[f32], scale: &[f32], width: usize, kind: NormKind) -> Buffer {
    let rows = rows_of(x, width);
    assert_eq!(scale.len(), rows, "a divisor for each row");
    let mut out = Floats::unspecified(x.len());
    by_rows(&mut out, width, rows, width, |r, out| {
        divide_rows(isa, &x[r * width..][..out.len()], &scale[r..], width, kind, out);
    });
    out.into()
}

pub(super) fn divide_back(
    isa: Isa,
    dy: &[f32],
    y: &[f32],
    scale: &[f32],
    width: usize,
    kind: NormKind,
) -> (Buffer, Buffer) {
    let rows = rows_of(dy, width);
    assert!(y.len() == dy.len() && scale.len() == rows, "dy, y and scale have the same rows");
    let (mut dx, mut dscale) = (Floats::unspecified(dy.len()), Floats::unspecified(rows));
    let shared = pool::Shared::new(&mut dscale);
    by_rows(&mut dx, width, rows, width, |r, dx| {
        let count = dx.len() / width;
        // SAFETY: the parts of `dx`, and so the rows of `dscale`, do not overlap.
        let dscale = unsafe { shared.slice(r, count) };
        let part = r * width..r * width + dx.len();
        divide_back_rows(isa, &dy[part.clone()], &y[part], &scale[r..], width, kind, dx, dscale);
    });
    (dx.into(), dscale.into())
}

pub(super) fn affine(isa: Isa, x: &[f32], gain: Option<&[f32]>, bias: Option<&[f32]>, width: usize) -> Buffer {
    check_columns(gain, bias, width);
    let rows = rows_of(x, width);
    let mut out = Floats::unspecified(x.len());
    by_rows(&mut out, width, rows, width, |r, out| {
        affine_rows(isa, &x[r * width..][..out.len()], gain, bias, width, out);
    });
    out.into()
}

pub(super) fn norm(
    isa: Isa,
    x: &[f32],
    gain: Option<&[f32]>,
    bias: Option<&[f32]>,
    width: usize,
    kind: NormKind,
    eps: f64,
) -> Buffer {
    check_columns(gain, bias, width);
    let rows = rows_of(x, width);
    let mut out = Floats::unspecified(x.len());
    by_rows(&mut out, width, rows, width, |r, out| {
        norm_rows(isa, &x[r * width..][..out.len()], gain, bias, width, kind, eps, out);
    });
    out.into()
}

fn check_columns(gain: Option<&[f32]>, bias: Option<&[f32]>, width: usize) {
    assert!(gain.is_none_or(|gain| gain.len() == width), "a gain for each column");
    assert!(bias.is_none_or(|bias| bias.len() == width), "a bias for each column");
}
