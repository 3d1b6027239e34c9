//! Reductions of a row in a fixed order: element `i` goes to lane `i mod 64`, and lanes are joined as a tree.
//!
//! The order depends on the position in the row alone, so zeros after the end of a row change nothing, and vectors
//! of any width add in the same order.

#![allow(clippy::inline_always, reason = "they must become part of loops compiled for one instruction set")]

/// Lanes of a reduction: four of the widest vectors, enough to hide an addition's latency.
pub(super) const LANES: usize = 64;

type Lanes = [f32; LANES];

/// `step(lane, element)` over all elements, then `join` of the lanes. `neutral` is an element that changes no lane.
#[inline(always)]
fn fold(x: &[f32], first: f32, neutral: f32, step: impl Fn(f32, f32) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [first; LANES];
    let (chunks, rest) = x.as_chunks();
    for chunk in chunks {
        lanes = each(lanes, chunk, &step);
    }
    if !rest.is_empty() {
        lanes = each(lanes, &padded(rest, neutral), &step);
    }
    tree(&lanes, join)
}

#[inline(always)]
fn each(mut lanes: Lanes, x: &Lanes, step: impl Fn(f32, f32) -> f32) -> Lanes {
    for l in 0..LANES {
        lanes[l] = step(lanes[l], x[l]);
    }
    lanes
}

/// `Σ step(0, x, y)` in the same order; `step(sum, 0, 0)` must be `sum`.
#[inline(always)]
pub(super) fn sum_pairs(x: &[f32], y: &[f32], step: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let each = |mut lanes: Lanes, x: &Lanes, y: &Lanes| {
        for l in 0..LANES {
            lanes[l] = step(lanes[l], x[l], y[l]);
        }
        lanes
    };
    let mut lanes = [0.0; LANES];
    let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks(), y.as_chunks());
    for (x, y) in xs.iter().zip(ys) {
        lanes = each(lanes, x, y);
    }
    if !x_rest.is_empty() {
        lanes = each(lanes, &padded(x_rest, 0.0), &padded(y_rest, 0.0));
    }
    tree(&lanes, |a, b| a + b)
}

#[inline(always)]
fn padded(rest: &[f32], neutral: f32) -> Lanes {
    let mut chunk = [neutral; LANES];
    chunk[..rest.len()].copy_from_slice(rest);
    chunk
}

/// Never part of the loops above: seen together with it, the compiler would take their vectors apart.
#[inline(never)]
fn tree(lanes: &Lanes, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = *lanes;
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for l in 0..width {
            lanes[l] = join(lanes[l], lanes[l + width]);
        }
    }
    lanes[0]
}

/// Σ x.
#[inline(always)]
pub(super) fn sum(x: &[f32]) -> f32 {
    fold(x, 0.0, 0.0, |sum, x| sum + x, |a, b| a + b)
}

/// The largest, of none −∞; NaN counts as nothing.
#[inline(always)]
pub(super) fn max(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    fold(x, f32::NEG_INFINITY, f32::NEG_INFINITY, larger, larger)
}

/// Σ (x − centre)².
#[inline(always)]
pub(super) fn sum_squares(x: &[f32], centre: f32) -> f32 {
    fold(x, 0.0, centre, |sum, x| (x - centre).mul_add(x - centre, sum), |a, b| a + b)
}

/// Σ x·y.
#[inline(always)]
pub(super) fn dot(x: &[f32], y: &[f32]) -> f32 {
    sum_pairs(x, y, |sum, x, y| x.mul_add(y, sum))
}
