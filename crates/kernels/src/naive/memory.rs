//! Copies and edits of spans.

use crate::{Buffer, Span, SpanOp};

pub(super) fn append(to: &mut Buffer, from: &[f64], span: Span) {
    let Buffer::F64(to) = to else { panic!("an f32 buffer was given to the f64 backend") };
    to.extend_from_slice(&from[span.start..span.start + span.len]);
}

pub(super) fn edit(mut x: Buffer, spans: &[Span], op: SpanOp<'_>) -> Buffer {
    let Buffer::F64(values) = &mut x else { panic!("an f32 buffer was given to the f64 backend") };
    let mut at = 0;
    for span in spans {
        for value in &mut values[span.start..span.start + span.len] {
            *value = match op {
                SpanOp::Scale(0.0) => 0.0,
                SpanOp::Scale(factor) => *value * factor,
                SpanOp::Add(other) => *value + other.f64s()[at],
                SpanOp::Set(other) => other.f64s()[at],
            };
            at += 1;
        }
    }
    x
}
