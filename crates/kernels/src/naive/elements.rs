//! Element-wise functions and their slopes.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::{Act, Buffer};

pub(super) fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Buffer {
    assert_eq!(a.len(), b.len(), "buffers of unequal length");
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Argument of the tanh in [`Act::GeluTanh`].
fn gelu_inner(x: f64) -> f64 {
    (2.0 / PI).sqrt() * (x + 0.044_715 * x * x * x)
}

/// The normal distribution's cumulative function.
fn phi(x: f64) -> f64 {
    0.5 * erfc(-x * FRAC_1_SQRT_2)
}

/// Complementary error function, to about 1e-15: the Taylor series of erf near zero, beyond it Lentz's continued
/// fraction (Abramowitz and Stegun 7.1.6 and 7.1.14).
pub(crate) fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x < 2.0 {
        let mut term = 2.0 / PI.sqrt() * x * (-x * x).exp();
        let mut sum = term;
        for n in 1..200 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return 1.0 - sum;
    }
    let tail = (1..=80).rev().fold(x, |below, n| x + 0.5 * f64::from(n) / below);
    (-x * x).exp() / (PI.sqrt() * tail)
}

pub(super) fn act(x: f64, act: Act) -> f64 {
    match act {
        Act::Relu | Act::Relu2 if x < 0.0 => 0.0,
        Act::Relu => x,
        Act::Silu => x * sigmoid(x),
        Act::Gelu => x * phi(x),
        Act::GeluTanh => 0.5 * x * (1.0 + gelu_inner(x).tanh()),
        Act::QuickGelu => x * sigmoid(1.702 * x),
        Act::Relu2 => x * x,
        Act::Sigmoid => sigmoid(x),
        Act::Tanh => x.tanh(),
    }
}

/// Derivative of [`act`]; zero at the kinks.
pub(super) fn act_slope(x: f64, act: Act) -> f64 {
    match act {
        Act::Relu | Act::Relu2 if x <= 0.0 => 0.0,
        Act::Relu => 1.0,
        Act::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
        Act::Gelu => phi(x) + x * (-0.5 * x * x).exp() / (2.0 * PI).sqrt(),
        Act::GeluTanh => {
            let tanh = gelu_inner(x).tanh();
            let inner_slope = (2.0 / PI).sqrt() * (1.0 + 3.0 * 0.044_715 * x * x);
            0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * inner_slope
        }
        Act::QuickGelu => {
            let s = sigmoid(1.702 * x);
            s * (1.0 + 1.702 * x * (1.0 - s))
        }
        Act::Relu2 => 2.0 * x,
        Act::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
        Act::Tanh => 1.0 - x.tanh() * x.tanh(),
    }
}
