//! Element-wise functions and their slopes.

#![allow(clippy::inline_always, reason = "they must become part of loops compiled for one instruction set")]

use super::isa::{Isa, per_isa};
use super::{math, pool};
use crate::{Act, Buffer, Floats};

/// A function of one element. Types, not closures, since they must be inlined always.
pub(super) trait One: Copy + Sync {
    fn of(self, x: f32) -> f32;
}

/// A function of two elements.
pub(super) trait Two: Copy + Sync {
    fn of(self, a: f32, b: f32) -> f32;
}

per_isa! {
    fn map_piece<F: One>(f: F, x: &[f32], out: &mut [f32]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = f.of(x);
        }
    }
}

per_isa! {
    fn zip_piece<F: Two>(f: F, a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = f.of(a, b);
        }
    }
}

/// Elements a task takes: all where threads cost more than they save.
fn piece(len: usize) -> usize {
    if len <= 1 << 15 { len.max(1) } else { (len / (4 * pool::threads())).next_multiple_of(1024) }
}

pub(super) fn map(isa: Isa, f: impl One, x: &[f32]) -> Buffer {
    let mut out = Floats::unspecified(x.len());
    let size = piece(x.len());
    pool::pieces(&mut out, size, |i, out| map_piece(isa, f, &x[i * size..][..out.len()], out));
    out.into()
}

pub(super) fn zip(isa: Isa, f: impl Two, a: &[f32], b: &[f32]) -> Buffer {
    assert_eq!(a.len(), b.len(), "buffers of unequal length");
    let mut out = Floats::unspecified(a.len());
    let size = piece(a.len());
    pool::pieces(&mut out, size, |i, out| {
        let part = i * size..i * size + out.len();
        zip_piece(isa, f, &a[part.clone()], &b[part], out);
    });
    out.into()
}

#[derive(Clone, Copy)]
pub(super) struct Add;
#[derive(Clone, Copy)]
pub(super) struct Multiply;
#[derive(Clone, Copy)]
pub(super) struct Scale(pub(super) f32);
/// cap · tanh(x / cap)
#[derive(Clone, Copy)]
pub(super) struct Cap(pub(super) f32);
/// dy · (1 − (y / cap)²)
#[derive(Clone, Copy)]
pub(super) struct CapSlope(pub(super) f32);

impl Two for Add {
    #[inline(always)]
    fn of(self, a: f32, b: f32) -> f32 {
        a + b
    }
}
impl Two for Multiply {
    #[inline(always)]
    fn of(self, a: f32, b: f32) -> f32 {
        a * b
    }
}
impl One for Scale {
    #[inline(always)]
    fn of(self, x: f32) -> f32 {
        x * self.0
    }
}
impl One for Cap {
    #[inline(always)]
    fn of(self, x: f32) -> f32 {
        self.0 * math::tanh(x / self.0)
    }
}
impl Two for CapSlope {
    #[inline(always)]
    fn of(self, dy: f32, y: f32) -> f32 {
        let ratio = y / self.0;
        dy * ratio.mul_add(-ratio, 1.0)
    }
}

/// A non-linearity and its slope.
trait Activation: Copy + Sync {
    fn value(x: f32) -> f32;
    fn slope(x: f32) -> f32;
}

/// `act(x)`
#[derive(Clone, Copy)]
struct Value<A>(A);
/// `dy · act'(x)`
#[derive(Clone, Copy)]
struct Slope<A>(A);
/// `act(gate) · up`
#[derive(Clone, Copy)]
struct Gated<A>(A);

impl<A: Activation> One for Value<A> {
    #[inline(always)]
    fn of(self, x: f32) -> f32 {
        A::value(x)
    }
}
impl<A: Activation> Two for Slope<A> {
    #[inline(always)]
    fn of(self, dy: f32, x: f32) -> f32 {
        dy * A::slope(x)
    }
}
impl<A: Activation> Two for Gated<A> {
    #[inline(always)]
    fn of(self, gate: f32, up: f32) -> f32 {
        A::value(gate) * up
    }
}

macro_rules! activations {
    ($($name:ident: |$x:ident| $value:expr, $slope:expr;)*) => {
        $(
            #[derive(Clone, Copy)]
            struct $name;

            impl Activation for $name {
                #[inline(always)]
                fn value($x: f32) -> f32 {
                    $value
                }
                #[inline(always)]
                fn slope($x: f32) -> f32 {
                    $slope
                }
            }
        )*

        pub(super) fn act(isa: Isa, x: &[f32], act: Act) -> Buffer {
            match act {
                $(Act::$name => map(isa, Value($name), x),)*
            }
        }

        pub(super) fn act_dx(isa: Isa, dy: &[f32], x: &[f32], act: Act) -> Buffer {
            match act {
                $(Act::$name => zip(isa, Slope($name), dy, x),)*
            }
        }

        pub(super) fn act_mul(isa: Isa, gate: &[f32], up: &[f32], act: Act) -> Buffer {
            match act {
                $(Act::$name => zip(isa, Gated($name), gate, up),)*
            }
        }
    };
}

activations! {
    Relu: |x| if x < 0.0 { 0.0 } else { x }, if x <= 0.0 { 0.0 } else { 1.0 };
    Silu: |x| x * math::sigmoid(x), {
        let s = math::sigmoid(x);
        s * x.mul_add(1.0 - s, 1.0)
    };
    Gelu: |x| x * math::phi(x), {
        // 1 / √(2π)
        let density = 0.398_942_3 * math::exp(-0.5 * x * x);
        x.mul_add(density, math::phi(x))
    };
    GeluTanh: |x| x * math::sigmoid(gelu_inner(x)), {
        // Beyond these ends the slope is 0 and 1, and the cube below would overflow.
        let x = if x > 64.0 { 64.0 } else { x };
        let x = if x < -64.0 { -64.0 } else { x };
        let s = math::sigmoid(gelu_inner(x));
        let inner_slope = (GELU_CUBIC * 3.0 * GELU_LINEAR * x).mul_add(x, GELU_LINEAR);
        (x * s * (1.0 - s)).mul_add(inner_slope, s)
    };
    QuickGelu: |x| x * math::sigmoid(1.702 * x), {
        let s = math::sigmoid(1.702 * x);
        s * (1.702 * x).mul_add(1.0 - s, 1.0)
    };
    Relu2: |x| if x < 0.0 { 0.0 } else { x * x }, if x <= 0.0 { 0.0 } else { 2.0 * x };
    Sigmoid: |x| math::sigmoid(x), {
        let s = math::sigmoid(x);
        s * (1.0 - s)
    };
    Tanh: |x| math::tanh(x), {
        let t = math::tanh(x);
        t.mul_add(-t, 1.0)
    };
}

/// 2 √(2/π): since (1 + tanh u) / 2 = sigmoid 2u, which does not cancel.
const GELU_LINEAR: f32 = 1.595_769;
const GELU_CUBIC: f32 = 0.044_715;

#[inline(always)]
fn gelu_inner(x: f32) -> f32 {
    GELU_LINEAR * (GELU_CUBIC * x * x).mul_add(x, x)
}
