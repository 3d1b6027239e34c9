//! Root-mean-square and layer norms, in their two steps: the divisor, and the division.

use crate::{Buffer, NormKind};

fn mean(row: &[f64]) -> f64 {
    row.iter().sum::<f64>() / row.len() as f64
}

fn centre(row: &[f64], kind: NormKind) -> f64 {
    match kind {
        NormKind::Rms => 0.0,
        NormKind::Layer => mean(row),
    }
}

pub(super) fn scale(x: &[f64], width: usize, kind: NormKind, eps: f64) -> Buffer {
    let divisor = |row: &[f64]| {
        let centre = centre(row, kind);
        (row.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / width as f64 + eps).sqrt()
    };
    x.chunks_exact(width.max(1)).map(divisor).collect()
}

/// With s² = mean (x − mean)² + eps: ds/dx = (x − mean) / (width · s); the mean's own derivative sums to nothing.
pub(super) fn scale_dx(dscale: &[f64], x: &[f64], scale: &[f64], width: usize, kind: NormKind) -> Buffer {
    let mut dx = Vec::new();
    for (r, row) in x.chunks_exact(width.max(1)).enumerate() {
        let centre = centre(row, kind);
        dx.extend(row.iter().map(|x| dscale[r] * (x - centre) / (width as f64 * scale[r])));
    }
    dx.into()
}

pub(super) fn divide(x: &[f64], scale: &[f64], width: usize, kind: NormKind) -> Buffer {
    let mut y = Vec::new();
    for (r, row) in x.chunks_exact(width.max(1)).enumerate() {
        let centre = centre(row, kind);
        y.extend(row.iter().map(|x| (x - centre) / scale[r]));
    }
    y.into()
}

pub(super) fn divide_back(dy: &[f64], y: &[f64], scale: &[f64], width: usize, kind: NormKind) -> (Buffer, Buffer) {
    let (mut dx, mut dscale) = (Vec::new(), Vec::new());
    for (r, (dy, y)) in dy.chunks_exact(width.max(1)).zip(y.chunks_exact(width.max(1))).enumerate() {
        let centre = centre(dy, kind);
        dx.extend(dy.iter().map(|dy| (dy - centre) / scale[r]));
        dscale.push(-dy.iter().zip(y).map(|(dy, y)| dy * y).sum::<f64>() / scale[r]);
    }
    (dx.into(), dscale.into())
}

pub(super) fn affine(x: &[f64], gain: Option<&[f64]>, bias: Option<&[f64]>, width: usize) -> Buffer {
    let column = |i: usize, x: f64| {
        let c = i % width;
        x * gain.map_or(1.0, |gain| gain[c]) + bias.map_or(0.0, |bias| bias[c])
    };
    x.iter().enumerate().map(|(i, &x)| column(i, x)).collect()
}
