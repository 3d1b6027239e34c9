//! Rows chosen, rows added up.

use crate::Buffer;

pub(super) fn select(x: &[f64], width: usize, index: &[u32]) -> Buffer {
    index.iter().flat_map(|&i| &x[i as usize * width..(i as usize + 1) * width]).copied().collect()
}

pub(super) fn scatter(dy: &[f64], width: usize, index: &[u32], rows: usize) -> Buffer {
    let mut dx = vec![0.0; rows * width];
    for (r, &i) in index.iter().enumerate() {
        for c in 0..width {
            dx[i as usize * width + c] += dy[r * width + c];
        }
    }
    dx.into()
}

pub(super) fn sum_rows(x: &[f64], width: usize) -> Buffer {
    let mut sum = vec![0.0; width];
    for (i, x) in x.iter().enumerate() {
        sum[i % width] += x;
    }
    sum.into()
}

pub(super) fn sum_groups(x: &[f64], groups: usize, width: usize, bias: Option<&[f64]>) -> Buffer {
    let mut y = Vec::new();
    for row in x.chunks_exact((groups * width).max(1)) {
        for c in 0..width {
            let start = bias.map_or(0.0, |bias| bias[c]);
            y.push((0..groups).fold(start, |sum, g| sum + row[g * width + c]));
        }
    }
    y.into()
}

pub(super) fn repeat_groups(dy: &[f64], groups: usize, width: usize) -> Buffer {
    dy.chunks_exact(width.max(1)).flat_map(|row| std::iter::repeat_n(row, groups).flatten()).copied().collect()
}
