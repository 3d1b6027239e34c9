//! What happens to logits.

#![allow(clippy::inline_always, reason = "they must become part of loops compiled for one instruction set")]

use super::attention::softmax;
use super::isa::{Isa, per_isa};
use super::norm::{by_rows, rows_at_once};
use super::products::rows_of;
use super::{lanes, math, pool};
use crate::{Buffer, Floats, TopK};

/// Elements whose exponentials are held at a time. A multiple of the lanes of a reduction.
const HELD: usize = 8 * lanes::LANES;

/// (max, Σ exp(x − max)).
#[inline(always)]
fn max_and_sum(row: &[f32]) -> (f32, f32) {
    let max = lanes::max(row);
    let mut exps = [0.0; HELD];
    let mut sum = 0.0;
    for part in row.chunks(HELD) {
        for (e, x) in exps.iter_mut().zip(part) {
            *e = math::exp(x - max);
        }
        sum += lanes::sum(&exps[..part.len()]);
    }
    (max, sum)
}

/// max + ln Σ exp(x − max), in its two parts.
#[inline(always)]
fn log_sum_exp(row: &[f32]) -> (f32, f64) {
    let (max, sum) = max_and_sum(row);
    (max, math::ln(f64::from(sum)))
}

per_isa! {
    fn log_softmax_rows(x: &[f32], width: usize, out: &mut [f32]) {
        for (row, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let (max, log) = log_sum_exp(row);
            let log = log as f32;
            for (out, x) in out.iter_mut().zip(row) {
                *out = (x - max) - log;
            }
        }
    }
}

per_isa! {
    fn cross_entropy_rows(logits: &[f32], width: usize, targets: &[u32], out: &mut [f32]) {
        for ((row, &target), out) in logits.chunks_exact(width).zip(targets).zip(out) {
            let (max, log) = log_sum_exp(row);
            *out = (log - (f64::from(row[target as usize]) - f64::from(max))) as f32;
        }
    }
}

per_isa! {
    fn cross_entropy_dx_rows(dloss: &[f32], logits: &[f32], width: usize, targets: &[u32], out: &mut [f32]) {
        for (r, (row, out)) in logits.chunks_exact(width).zip(out.chunks_exact_mut(width)).enumerate() {
            let (max, sum) = max_and_sum(row);
            let factor = dloss[r] / sum;
            for (out, x) in out.iter_mut().zip(row) {
                *out = math::exp(x - max) * factor;
            }
            out[targets[r] as usize] -= dloss[r];
        }
    }
}

/// Terms of a divergence that are added in lanes.
const TERMS: usize = 16;

/// Adds `exp(p) · (p − q)` to each lane. The difference of two logarithms is taken in f64, where it is exact.
#[inline(always)]
fn add_divergence(mut sums: [f64; TERMS], p: &[f32; TERMS], q: &[f32; TERMS]) -> [f64; TERMS] {
    for l in 0..TERMS {
        let term = f64::from(math::exp(p[l])) * (f64::from(p[l]) - f64::from(q[l]));
        sums[l] += if p[l] == f32::NEG_INFINITY { 0.0 } else { term };
    }
    sums
}

per_isa! {
    fn kl_row(p: &[f32], q: &[f32]) -> f64 {
        let mut sums = [0.0; TERMS];
        let ((p, p_rest), (q, q_rest)) = (p.as_chunks(), q.as_chunks());
        for (p, q) in p.iter().zip(q) {
            sums = add_divergence(sums, p, q);
        }
        let (mut p, mut q) = ([f32::NEG_INFINITY; TERMS], [0.0; TERMS]);
        p[..p_rest.len()].copy_from_slice(p_rest);
        q[..q_rest.len()].copy_from_slice(q_rest);
        sums = add_divergence(sums, &p, &q);
        sums.iter().sum()
    }
}

pub(super) fn softmax(isa: Isa, x: &[f32], width: usize) -> Buffer {
    let rows = rows_of(x, width);
    let mut out = Floats::from(x);
    by_rows(&mut out, width, rows, width, |_, out| {
        out.chunks_exact_mut(width).for_each(|row| softmax::row(isa, row));
    });
    out.into()
}

pub(super) fn softmax_dx(isa: Isa, dy: &[f32], y: &[f32], width: usize) -> Buffer {
    assert_eq!(dy.len(), y.len(), "buffers of unequal length");
    let rows = rows_of(y, width);
    let mut out = Floats::unspecified(y.len());
    by_rows(&mut out, width, rows, width, |first, out| {
        for (r, out) in (first..).zip(out.chunks_exact_mut(width)) {
            let row = r * width..(r + 1) * width;
            softmax::row_dx(isa, &dy[row.clone()], &y[row], out);
        }
    });
    out.into()
}

pub(super) fn log_softmax(isa: Isa, x: &[f32], width: usize) -> Buffer {
    let rows = rows_of(x, width);
    let mut out = Floats::unspecified(x.len());
    by_rows(&mut out, width, rows, width, |r, out| log_softmax_rows(isa, &x[r * width..][..out.len()], width, out));
    out.into()
}

pub(super) fn cross_entropy(isa: Isa, logits: &[f32], width: usize, targets: &[u32]) -> Buffer {
    check_targets(logits, width, targets);
    let mut out = Floats::unspecified(targets.len());
    by_rows(&mut out, 1, targets.len(), width, |r, out| {
        cross_entropy_rows(isa, &logits[r * width..][..out.len() * width], width, &targets[r..], out);
    });
    out.into()
}

pub(super) fn cross_entropy_dx(isa: Isa, dloss: &[f32], logits: &[f32], width: usize, targets: &[u32]) -> Buffer {
    check_targets(logits, width, targets);
    let mut out = Floats::unspecified(logits.len());
    by_rows(&mut out, width, targets.len(), width, |r, out| {
        cross_entropy_dx_rows(isa, &dloss[r..], &logits[r * width..][..out.len()], width, &targets[r..], out);
    });
    out.into()
}

fn check_targets(logits: &[f32], width: usize, targets: &[u32]) {
    assert_eq!(logits.len(), targets.len() * width, "a target for each row of logits");
    assert!(targets.iter().all(|&t| (t as usize) < width), "targets are columns of the logits");
}

pub(super) fn kl_rows(isa: Isa, p: &[f32], q: &[f32], width: usize) -> Vec<f64> {
    assert_eq!(p.len(), q.len(), "buffers of unequal length");
    let mut out = vec![0.0; rows_of(p, width)];
    let size = rows_at_once(out.len(), width);
    pool::pieces(&mut out, size, |i, out| {
        for (r, out) in (i * size..).zip(out) {
            let row = r * width..(r + 1) * width;
            *out = kl_row(isa, &p[row.clone()], &q[row]);
        }
    });
    out
}

pub(super) fn top_k(isa: Isa, x: &[f32], width: usize, k: usize) -> TopK {
    assert!(k <= width, "{k} largest of {width}");
    let rows = rows_of(x, width);
    let mut ids = vec![0; rows * k];
    if k > 0 {
        let size = rows_at_once(rows, width);
        pool::pieces(&mut ids, size * k, |i, ids| {
            let mut best = Vec::new();
            for (r, ids) in (i * size..).zip(ids.chunks_exact_mut(k)) {
                top_of_row(isa, &x[r * width..(r + 1) * width], k, &mut best);
                ids.iter_mut().zip(&best).for_each(|(id, &(_, i))| *id = i.0);
            }
        });
    }
    let value = |(i, &id): (usize, &u32)| x[i / k * width + id as usize];
    let values = ids.iter().enumerate().map(value).collect();
    TopK { ids, values }
}

/// Orders as the values do, NaN below all, −0 equal to 0.
#[inline(always)]
fn rank(x: f32) -> i32 {
    let bits = (x + 0.0).to_bits() as i32;
    if x.is_nan() { i32::MIN } else { bits ^ ((bits >> 31) as u32 >> 1) as i32 }
}

per_isa! {
    /// Whether any element ranks above `least`.
    fn any_above(x: &[f32], least: i32) -> bool {
        x.iter().fold(false, |any, &x| any | (rank(x) > least))
    }
}

/// The `k` best of a row in order, with their ranks. Candidates gather in `best` and are cut to `k` whenever there
/// are twice as many; most of a long row is then passed over, compared with the last of the best only.
fn top_of_row(isa: Isa, row: &[f32], k: usize, best: &mut Vec<(i32, std::cmp::Reverse<u32>)>) {
    const STRIDE: usize = 256;
    best.clear();
    let mut least = None;
    for (c, part) in row.chunks(STRIDE).enumerate() {
        if least.is_some_and(|least| !any_above(isa, part, least)) {
            continue;
        }
        for (i, &x) in (c * STRIDE..).zip(part) {
            let rank = rank(x);
            // Of equals the first stays: a later one has to be larger.
            if least.is_none_or(|least| rank > least) {
                best.push((rank, std::cmp::Reverse(i as u32)));
                if best.len() == 2 * k {
                    best.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
                    best.truncate(k);
                    least = Some(best[k - 1].0);
                }
            }
        }
    }
    best.sort_unstable_by(|a, b| b.cmp(a));
    best.truncate(k);
}
