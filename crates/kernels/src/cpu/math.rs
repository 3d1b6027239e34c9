//! Elementary functions of one f32, to about 2 units in the last place ([`phi`]: 7).
//!
//! They have no branches, so that a loop over them becomes vector instructions, and every step is exactly rounded,
//! so that vectors of any width give the same bits. Polynomials are near-minimax fits (Chebyshev nodes, 40 digits).

#![allow(clippy::inline_always, reason = "they must become part of loops compiled for one instruction set")]

use std::f32::consts::{LN_2, LOG2_E};

/// Adding it to a small number leaves the nearest whole number in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;
/// ln 2 − its f32.
const LN_2_REST: f32 = -1.904_654_3e-9;

/// eˣ. The result is x = n ln 2 + r taken apart: 2ⁿ eʳ, in two steps so that both ends of the range round rightly.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Below the first end the result is 0, which is not left to underflow: that is slow. Beyond the second it
    // overflows to ∞. NaN passes.
    let vanishes = x < -104.0;
    let x = if vanishes { 0.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let rounded = x.mul_add(LOG2_E, ROUNDER);
    let n = rounded - ROUNDER;
    let r = n.mul_add(-LN_2_REST, n.mul_add(-LN_2, x));
    let p = polynomial(r, [1.392_617_6e-3, 8.363_173e-3, 4.166_655_4e-2, 0.166_665_77, 0.5]);
    let e = (r * r).mul_add(p, r) + 1.0;
    let n = (rounded.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let half = n >> 1;
    let e = e * two_to(half) * two_to(n.wrapping_sub(half));
    if vanishes { 0.0 } else { e }
}

/// 2ⁿ for −126 <= n <= 127.
#[inline(always)]
fn two_to(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// Horner's rule, highest power first.
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    let mut i = 1;
    while i < N {
        sum = sum.mul_add(x, coefficients[i]);
        i += 1;
    }
    sum
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh x: an odd polynomial near zero, where 1 − 2 / (e²ˣ + 1) would cancel.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let square = a * a;
    let p = polynomial(square, [-6.096_299_5e-3, 2.099_689_4e-2, -5.385_085e-2, 0.133_327_7, -0.333_333_3]);
    let near = (a * square).mul_add(p, a);
    let far = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);
    (if a < 0.625 { near } else { far }).copysign(x)
}

/// The normal distribution's cumulative function at −a for a >= 0: e^(−a²/2) · t P(t), t = 1 / (1 + a/4).
#[inline(always)]
fn phi_below(a: f32) -> f32 {
    let a = if a > 16.0 { 16.0 } else { a };
    let t = 1.0 / a.mul_add(0.25, 1.0);
    let p = polynomial(
        t,
        [
            1.607_147_3e-2,
            -6.022_585e-2,
            4.611_994e-2,
            3.507_515_4e-2,
            7.866_203e-3,
            8.885_936e-2,
            7.138_857e-2,
            9.561_158e-2,
            9.948_557e-2,
            9.974_801e-2,
        ],
    );
    // a² to twice the precision: its rounding error would be magnified by the exponential.
    let square = a * a;
    let rest = a.mul_add(a, -square);
    let e = exp(-0.5 * square);
    e.mul_add(-0.5 * rest, e) * (t * p)
}

/// The normal distribution's cumulative function.
#[inline(always)]
pub(super) fn phi(x: f32) -> f32 {
    let below = phi_below(x.abs());
    if x < 0.0 { below } else { 1.0 - below }
}

/// ln x for positive finite x, to about 1e-15: x = 2ⁿ m, ln m = 2 artanh((m − 1) / (m + 1)).
pub(super) fn ln(x: f64) -> f64 {
    if !(x > 0.0 && x < f64::INFINITY) {
        return if x == 0.0 {
            f64::NEG_INFINITY
        } else if x > 0.0 {
            x
        } else {
            f64::NAN
        };
    }
    let bits = x.to_bits();
    // Sums of exponentials are never subnormal.
    let n = (bits >> 52) as i64 - 1023;
    let m = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    let (n, m) = if m > std::f64::consts::SQRT_2 { (n + 1, 0.5 * m) } else { (n, m) };
    let s = (m - 1.0) / (m + 1.0);
    let series = (0..12_i32).rev().fold(0.0_f64, |sum, k| sum.mul_add(s * s, 1.0 / f64::from(2 * k + 1)));
    (n as f64).mul_add(std::f64::consts::LN_2, 2.0 * s * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error in units in the last place of `f` over points on both sides of zero.
    fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, largest: f32) -> f64 {
        let mut worst = 0.0_f64;
        for i in 0..400_000 {
            let x = largest * (i as f32 / 200_000.0 - 1.0).powi(3);
            let (got, want) = (f64::from(f(x)), exact(f64::from(x)));
            let ulp = f64::from(f32::EPSILON) * 0.5 * 2f64.powi(want.abs().log2().floor() as i32 + 1);
            worst = worst.max((got - want).abs() / ulp.max(1e-44));
        }
        worst
    }

    #[test]
    fn errors_are_a_few_units_in_the_last_place() {
        let tail = |x: f64| crate::naive::elements::erfc(-x * std::f64::consts::FRAC_1_SQRT_2) / 2.0;
        let check = |name, error: f64, bound| assert!(error < bound, "{name}: {error} ulp");
        check("exp", worst(exp, f64::exp, 87.0), 1.5);
        check("sigmoid", worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 80.0), 3.0);
        check("tanh", worst(tanh, f64::tanh, 12.0), 2.5);
        check("phi", worst(phi, tail, 12.0), 7.0);
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan() && phi(f32::NAN).is_nan());
        assert!((f64::from(exp(-100.0)) - (-100_f64).exp()).abs() < 1e-45);
        assert_eq!((tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)), (1.0, -1.0));
        assert_eq!((phi(f32::INFINITY), phi(f32::NEG_INFINITY)), (1.0, 0.0));
        assert!(tanh(-0.0).is_sign_negative());
        assert_eq!((ln(0.0), ln(f64::INFINITY), ln(1.0)), (f64::NEG_INFINITY, f64::INFINITY, 0.0));
        assert!(ln(f64::NAN).is_nan() && ln(-1.0).is_nan());
    }

    #[test]
    fn logarithm_is_that_of_the_standard_library() {
        for i in 1..10_000 {
            let x = f64::from(i).powi(5) * 1e-10;
            assert!((ln(x) - x.ln()).abs() <= 4e-15 * x.ln().abs().max(0.1), "{x}");
        }
    }
}
