//! The fast backend, in f32.

use crate::matrix::Repr;
use crate::{Act, AttnShape, Backend, Buffer, Matrix, Naive, NormKind, Residency, RopeStyle, Segment, Source, Span, SpanOp, TopK};

/// The f32 backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Cpu {
    /// The fastest this machine has.
    pub fn new() -> Self {
        Self
    }
}

#[derive(Debug)]
pub(crate) struct Packed(Box<Matrix>);

impl Repr {
    fn naive(&self) -> &Matrix {
        match self {
            Self::Cpu(p) => &p.0,
            Self::Dense(_) => panic!("a matrix of the f64 backend was given to the f32 one"),
        }
    }
}

fn widen(x: &Buffer) -> Buffer {
    x.f32s().iter().map(|&x| f64::from(x)).collect()
}

fn down(x: &Buffer) -> Buffer {
    Buffer::F32(x.to_f32().into_owned())
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu-f32"
    }
    fn zeros(&self, len: usize) -> Buffer {
        Buffer::F32(vec![0.0; len])
    }
    fn upload(&self, values: &[f64]) -> Buffer {
        Buffer::F32(values.iter().map(|&x| x as f32).collect())
    }
    fn upload_f32(&self, values: &[f32]) -> Buffer {
        Buffer::F32(values.to_vec())
    }
    fn append(&self, to: &mut Buffer, from: &Buffer, span: Span) {
        let Buffer::F32(to) = to else { panic!("an f64 buffer was given to the f32 backend") };
        to.extend_from_slice(&from.f32s()[span.start..span.start + span.len]);
    }
    fn edit(&self, x: Buffer, spans: &[Span], op: SpanOp<'_>) -> Buffer {
        let held;
        let op = match op {
            SpanOp::Scale(f) => SpanOp::Scale(f),
            SpanOp::Add(b) => {
                held = widen(b);
                SpanOp::Add(&held)
            }
            SpanOp::Set(b) => {
                held = widen(b);
                SpanOp::Set(&held)
            }
        };
        down(&Naive.edit(widen(&x), spans, op))
    }
    fn pack(&self, source: &Source, residency: Residency) -> Matrix {
        let inner = Naive.pack(source, residency);
        Matrix { outs: inner.outs, ins: inner.ins, repr: Repr::Cpu(Packed(Box::new(inner))) }
    }
    fn unpack(&self, w: &Matrix) -> Vec<f32> {
        Naive.unpack(w.repr.naive())
    }
    fn concat(&self, parts: &[&Buffer]) -> Buffer {
        let held: Vec<Buffer> = parts.iter().map(|b| widen(b)).collect();
        down(&Naive.concat(&held.iter().collect::<Vec<_>>()))
    }

    fn slice(&self, x: &Buffer, span: Span) -> Buffer {
        down(&Naive.slice(&widen(x), span))
    }

    fn linear(&self, x: &Buffer, w: &Matrix, bias: Option<&Buffer>) -> Buffer {
        down(&Naive.linear(&widen(x), w.repr.naive(), bias.map(widen).as_ref()))
    }

    fn linear_columns(&self, x: &Buffer, w: &Matrix, bias: Option<&Buffer>, columns: &[u32]) -> Buffer {
        down(&Naive.linear_columns(&widen(x), w.repr.naive(), bias.map(widen).as_ref(), columns))
    }

    fn linear_dx(&self, dy: &Buffer, w: &Matrix) -> Buffer {
        down(&Naive.linear_dx(&widen(dy), w.repr.naive()))
    }

    fn linear_dw(&self, dy: &Buffer, x: &Buffer, outs: usize, ins: usize) -> Buffer {
        down(&Naive.linear_dw(&widen(dy), &widen(x), outs, ins))
    }

    fn linear_heads(&self, z: &Buffer, w: &Matrix, heads: usize) -> Buffer {
        down(&Naive.linear_heads(&widen(z), w.repr.naive(), heads))
    }

    fn linear_heads_dz(&self, dy: &Buffer, w: &Matrix, heads: usize) -> Buffer {
        down(&Naive.linear_heads_dz(&widen(dy), w.repr.naive(), heads))
    }

    fn linear_heads_dw(&self, dy: &Buffer, z: &Buffer, heads: usize, d_head: usize, d_model: usize) -> Buffer {
        down(&Naive.linear_heads_dw(&widen(dy), &widen(z), heads, d_head, d_model))
    }

    fn gather(&self, w: &Matrix, ids: &[u32]) -> Buffer {
        down(&Naive.gather(w.repr.naive(), ids))
    }

    fn gather_dw(&self, dy: &Buffer, ids: &[u32], outs: usize, ins: usize) -> Buffer {
        down(&Naive.gather_dw(&widen(dy), ids, outs, ins))
    }

    fn select_rows(&self, x: &Buffer, width: usize, index: &[u32]) -> Buffer {
        down(&Naive.select_rows(&widen(x), width, index))
    }

    fn select_rows_dx(&self, dy: &Buffer, width: usize, index: &[u32], rows: usize) -> Buffer {
        down(&Naive.select_rows_dx(&widen(dy), width, index, rows))
    }

    fn sum_rows(&self, x: &Buffer, width: usize) -> Buffer {
        down(&Naive.sum_rows(&widen(x), width))
    }

    fn sum_groups(&self, x: &Buffer, groups: usize, width: usize, bias: Option<&Buffer>) -> Buffer {
        down(&Naive.sum_groups(&widen(x), groups, width, bias.map(widen).as_ref()))
    }

    fn repeat_groups(&self, dy: &Buffer, groups: usize, width: usize) -> Buffer {
        down(&Naive.repeat_groups(&widen(dy), groups, width))
    }

    fn add(&self, a: &Buffer, b: &Buffer) -> Buffer {
        down(&Naive.add(&widen(a), &widen(b)))
    }

    fn mul(&self, a: &Buffer, b: &Buffer) -> Buffer {
        down(&Naive.mul(&widen(a), &widen(b)))
    }

    fn scale(&self, x: &Buffer, factor: f64) -> Buffer {
        down(&Naive.scale(&widen(x), factor))
    }

    fn act(&self, x: &Buffer, act: Act) -> Buffer {
        down(&Naive.act(&widen(x), act))
    }

    fn act_dx(&self, dy: &Buffer, x: &Buffer, act: Act) -> Buffer {
        down(&Naive.act_dx(&widen(dy), &widen(x), act))
    }

    fn act_mul(&self, gate: &Buffer, up_branch: &Buffer, act: Act) -> Buffer {
        down(&Naive.act_mul(&widen(gate), &widen(up_branch), act))
    }

    fn softcap(&self, x: &Buffer, cap: f64) -> Buffer {
        down(&Naive.softcap(&widen(x), cap))
    }

    fn softcap_dx(&self, dy: &Buffer, y: &Buffer, cap: f64) -> Buffer {
        down(&Naive.softcap_dx(&widen(dy), &widen(y), cap))
    }

    fn norm_scale(&self, x: &Buffer, width: usize, kind: NormKind, eps: f64) -> Buffer {
        down(&Naive.norm_scale(&widen(x), width, kind, eps))
    }

    fn norm_scale_dx(&self, dscale: &Buffer, x: &Buffer, scale: &Buffer, width: usize, kind: NormKind) -> Buffer {
        down(&Naive.norm_scale_dx(&widen(dscale), &widen(x), &widen(scale), width, kind))
    }

    fn norm_divide(&self, x: &Buffer, scale: &Buffer, width: usize, kind: NormKind) -> Buffer {
        down(&Naive.norm_divide(&widen(x), &widen(scale), width, kind))
    }

    fn norm_divide_back(&self, dy: &Buffer, y: &Buffer, scale: &Buffer, width: usize, kind: NormKind) -> (Buffer, Buffer) {
        let (a, b) = Naive.norm_divide_back(&widen(dy), &widen(y), &widen(scale), width, kind);
        (down(&a), down(&b))
    }

    fn affine(&self, x: &Buffer, gain: Option<&Buffer>, bias: Option<&Buffer>, width: usize) -> Buffer {
        down(&Naive.affine(&widen(x), gain.map(widen).as_ref(), bias.map(widen).as_ref(), width))
    }

    fn norm(&self, x: &Buffer, gain: Option<&Buffer>, bias: Option<&Buffer>, width: usize, kind: NormKind, eps: f64) -> Buffer {
        down(&Naive.norm(&widen(x), gain.map(widen).as_ref(), bias.map(widen).as_ref(), width, kind, eps))
    }

    fn rope(&self, x: &Buffer, cos: &Buffer, sin: &Buffer, heads: usize, d_head: usize, style: RopeStyle, inverse: bool) -> Buffer {
        down(&Naive.rope(&widen(x), &widen(cos), &widen(sin), heads, d_head, style, inverse))
    }

    fn attn_scores(&self, q: &Buffer, segments: &[Segment<'_>], shape: &AttnShape) -> Buffer {
        let held: Vec<(Buffer, Buffer)> = segments.iter().map(|s| (widen(s.k), widen(s.v))).collect();
        let segments: Vec<Segment<'_>> = segments.iter().zip(&held).map(|(s, (k, v))| Segment { k, v, ..*s }).collect();
        down(&Naive.attn_scores(&widen(q), &segments, shape))
    }

    fn attn_scores_back(&self, dscores: &Buffer, scores: &Buffer, q: &Buffer, segments: &[Segment<'_>], shape: &AttnShape, k_rows: usize) -> (Buffer, Buffer) {
        let held: Vec<(Buffer, Buffer)> = segments.iter().map(|s| (widen(s.k), widen(s.v))).collect();
        let segments: Vec<Segment<'_>> = segments.iter().zip(&held).map(|(s, (k, v))| Segment { k, v, ..*s }).collect();
        let (a, b) = Naive.attn_scores_back(&widen(dscores), &widen(scores), &widen(q), &segments, shape, k_rows);
        (down(&a), down(&b))
    }

    fn attn_softmax(&self, scores: &Buffer, segments: &[Segment<'_>], shape: &AttnShape) -> Buffer {
        let held: Vec<(Buffer, Buffer)> = segments.iter().map(|s| (widen(s.k), widen(s.v))).collect();
        let segments: Vec<Segment<'_>> = segments.iter().zip(&held).map(|(s, (k, v))| Segment { k, v, ..*s }).collect();
        down(&Naive.attn_softmax(&widen(scores), &segments, shape))
    }

    fn attn_softmax_dx(&self, dpattern: &Buffer, pattern: &Buffer, segments: &[Segment<'_>], shape: &AttnShape) -> Buffer {
        let held: Vec<(Buffer, Buffer)> = segments.iter().map(|s| (widen(s.k), widen(s.v))).collect();
        let segments: Vec<Segment<'_>> = segments.iter().zip(&held).map(|(s, (k, v))| Segment { k, v, ..*s }).collect();
        down(&Naive.attn_softmax_dx(&widen(dpattern), &widen(pattern), &segments, shape))
    }

    fn attn_mix(&self, pattern: &Buffer, segments: &[Segment<'_>], shape: &AttnShape, rows: usize) -> Buffer {
        let held: Vec<(Buffer, Buffer)> = segments.iter().map(|s| (widen(s.k), widen(s.v))).collect();
        let segments: Vec<Segment<'_>> = segments.iter().zip(&held).map(|(s, (k, v))| Segment { k, v, ..*s }).collect();
        down(&Naive.attn_mix(&widen(pattern), &segments, shape, rows))
    }

    fn attn_mix_back(&self, dz: &Buffer, pattern: &Buffer, segments: &[Segment<'_>], shape: &AttnShape, k_rows: usize) -> (Buffer, Buffer) {
        let held: Vec<(Buffer, Buffer)> = segments.iter().map(|s| (widen(s.k), widen(s.v))).collect();
        let segments: Vec<Segment<'_>> = segments.iter().zip(&held).map(|(s, (k, v))| Segment { k, v, ..*s }).collect();
        let (a, b) = Naive.attn_mix_back(&widen(dz), &widen(pattern), &segments, shape, k_rows);
        (down(&a), down(&b))
    }

    fn attention(&self, q: &Buffer, segments: &[Segment<'_>], shape: &AttnShape, rows: usize) -> Buffer {
        let held: Vec<(Buffer, Buffer)> = segments.iter().map(|s| (widen(s.k), widen(s.v))).collect();
        let segments: Vec<Segment<'_>> = segments.iter().zip(&held).map(|(s, (k, v))| Segment { k, v, ..*s }).collect();
        down(&Naive.attention(&widen(q), &segments, shape, rows))
    }

    fn log_softmax(&self, x: &Buffer, width: usize) -> Buffer {
        down(&Naive.log_softmax(&widen(x), width))
    }

    fn cross_entropy(&self, logits: &Buffer, width: usize, targets: &[u32]) -> Buffer {
        down(&Naive.cross_entropy(&widen(logits), width, targets))
    }

    fn cross_entropy_dx(&self, dloss: &Buffer, logits: &Buffer, width: usize, targets: &[u32]) -> Buffer {
        down(&Naive.cross_entropy_dx(&widen(dloss), &widen(logits), width, targets))
    }

    fn top_k(&self, x: &Buffer, width: usize, k: usize) -> TopK {
        Naive.top_k(&widen(x), width, k)
    }

    fn kl_rows(&self, p: &Buffer, q: &Buffer, width: usize) -> Vec<f64> {
        Naive.kl_rows(&widen(p), &widen(q), width)
    }
}
