//! What happens to logits.

use std::cmp::Ordering;

use crate::{Buffer, TopK};

/// ln Σ exp(x), without overflow.
fn log_sum_exp(row: &[f64]) -> f64 {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + row.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}

pub(super) fn softmax(x: &[f64], width: usize) -> Buffer {
    let row = |row: &[f64]| {
        let sum = log_sum_exp(row);
        let hidden = row.iter().all(|&x| x == f64::NEG_INFINITY);
        row.iter().map(|x| if hidden { 0.0 } else { (x - sum).exp() }).collect::<Vec<_>>()
    };
    x.chunks_exact(width.max(1)).flat_map(row).collect()
}

/// Where y is zero, so is the derivative.
pub(super) fn softmax_dx(dy: &[f64], y: &[f64], width: usize) -> Buffer {
    assert_eq!(dy.len(), y.len(), "buffers of unequal length");
    let row = |(dy, y): (&[f64], &[f64])| {
        let pairs = || dy.iter().zip(y).map(|(&dy, &y)| (if y == 0.0 { 0.0 } else { dy }, y));
        let mean: f64 = pairs().map(|(dy, y)| dy * y).sum();
        pairs().map(|(dy, y)| y * (dy - mean)).collect::<Vec<_>>()
    };
    dy.chunks_exact(width.max(1)).zip(y.chunks_exact(width.max(1))).flat_map(row).collect()
}

pub(super) fn log_softmax(x: &[f64], width: usize) -> Buffer {
    let row = |row: &[f64]| {
        let sum = log_sum_exp(row);
        row.iter().map(|x| x - sum).collect::<Vec<_>>()
    };
    x.chunks_exact(width.max(1)).flat_map(row).collect()
}

pub(super) fn cross_entropy(logits: &[f64], width: usize, targets: &[u32]) -> Buffer {
    assert_eq!(logits.len(), targets.len() * width);
    let row = |(row, &target): (&[f64], &u32)| log_sum_exp(row) - row[target as usize];
    logits.chunks_exact(width.max(1)).zip(targets).map(row).collect()
}

pub(super) fn cross_entropy_dx(dloss: &[f64], logits: &[f64], width: usize, targets: &[u32]) -> Buffer {
    assert_eq!(logits.len(), targets.len() * width);
    let mut dx = Vec::new();
    for (r, row) in logits.chunks_exact(width.max(1)).enumerate() {
        let sum = log_sum_exp(row);
        for (c, x) in row.iter().enumerate() {
            let hot = if c == targets[r] as usize { 1.0 } else { 0.0 };
            dx.push(((x - sum).exp() - hot) * dloss[r]);
        }
    }
    dx.into()
}

pub(super) fn top_k(x: &[f64], width: usize, k: usize) -> TopK {
    assert!(k <= width, "{k} largest of {width}");
    let mut top = TopK { ids: Vec::new(), values: Vec::new() };
    for row in x.chunks_exact(width.max(1)) {
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|&a, &b| match (row[a].is_nan(), row[b].is_nan()) {
            (false, false) => row[b].partial_cmp(&row[a]).unwrap_or(Ordering::Equal),
            (a, b) => a.cmp(&b),
        });
        top.ids.extend(order[..k].iter().map(|&i| i as u32));
        top.values.extend(order[..k].iter().map(|&i| row[i] as f32));
    }
    top
}

pub(super) fn kl_rows(p: &[f64], q: &[f64], width: usize) -> Vec<f64> {
    assert_eq!(p.len(), q.len(), "buffers of unequal length");
    let term = |(&p, &q): (&f64, &f64)| if p == f64::NEG_INFINITY { 0.0 } else { p.exp() * (p - q) };
    let row = |(p, q): (&[f64], &[f64])| p.iter().zip(q).map(term).sum();
    p.chunks_exact(width.max(1)).zip(q.chunks_exact(width.max(1))).map(row).collect()
}
