//! Rows of scores and patterns, and what else goes through a softmax.

use crate::cpu::elements::{Cap, One};
use crate::cpu::isa::per_isa;
use crate::cpu::{lanes, math};

per_isa! {
    /// Scale, then cap.
    pub(super) fn finish(row: &mut [f32], scale: f32, cap: Option<Cap>) {
        match cap {
            None => row.iter_mut().for_each(|x| *x *= scale),
            Some(cap) => row.iter_mut().for_each(|x| *x = cap.of(*x * scale)),
        }
    }
}

per_isa! {
    /// Softmax in place. A row of nothing but −∞ becomes zeros.
    pub(in crate::cpu) fn row(row: &mut [f32]) {
        let max = lanes::max(row);
        if max == f32::NEG_INFINITY && !row.iter().any(|x| x.is_nan()) {
            row.fill(0.0);
            return;
        }
        for x in row.iter_mut() {
            *x = math::exp(*x - max);
        }
        let sum = lanes::sum(row);
        for x in row.iter_mut() {
            *x /= sum;
        }
    }
}

per_isa! {
    /// Derivative of [`row`] from its result. Where the pattern is zero, so is the derivative.
    pub(in crate::cpu) fn row_dx(dpattern: &[f32], pattern: &[f32], out: &mut [f32]) {
        let mean = lanes::sum_pairs(pattern, dpattern, |sum, p, d| if p == 0.0 { sum } else { p.mul_add(d, sum) });
        for ((out, &p), &d) in out.iter_mut().zip(pattern).zip(dpattern) {
            *out = if p == 0.0 { 0.0 } else { p * (d - mean) };
        }
    }
}

per_isa! {
    /// Turns −0 into 0, so that zeros added or left out make no difference. Returns whether all is finite.
    pub(super) fn settle(z: &mut [f32]) -> bool {
        let mut largest = 0;
        for z in z {
            *z += 0.0;
            largest = (z.to_bits() & !SIGN).max(largest);
        }
        largest < f32::INFINITY.to_bits()
    }
}

per_isa! {
    /// Whether every element is zero.
    pub(super) fn all_zero(row: &[f32]) -> bool {
        row.iter().fold(0, |any, p| any | (p.to_bits() & !SIGN)) == 0
    }
}

const SIGN: u32 = 1 << 31;
