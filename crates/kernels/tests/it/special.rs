//! NaN, infinities and zeros of both signs.

use kernels::{AttnShape, Backend, Buffer, Cpu, Mask, Naive, Residency, Segment, Source};

use crate::cases::{ACTS, KINDS, Numbers};

const ODD: [f32; 12] = [
    0.0,
    -0.0,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    1e-40,
    -1e-40,
    100.0,
    -100.0,
];

/// Equal as far as f32 can tell: the same infinity, both NaN, or close.
fn alike(name: &str, fast: &Buffer, naive: &Buffer) {
    assert_eq!(fast.len(), naive.len());
    for (i, (&got, &want)) in fast.to_f32().iter().zip(&*naive.to_f32()).enumerate() {
        let close = got == want || got.is_nan() && want.is_nan() || (got - want).abs() <= 1e-5 * want.abs() + 1e-6;
        assert!(close, "{name}[{i}]: {got} fast, {want} naive");
    }
}

#[test]
fn elementwise_functions_at_odd_numbers() {
    let fast = Cpu::new();
    let (x, y) = (fast.upload_f32(&ODD), Naive.upload_f32(&ODD));
    for act in ACTS {
        alike(&format!("{act:?}"), &fast.act(&x, act), &Naive.act(&y, act));
    }
    alike("softcap", &fast.softcap(&x, 30.0), &Naive.softcap(&y, 30.0));
    alike("softmax", &fast.softmax(&x, 2), &Naive.softmax(&y, 2));
    let hidden = [f32::NEG_INFINITY; 3];
    assert_eq!(fast.softmax(&fast.upload_f32(&hidden), 3).to_f64()[..], [0.0; 3]);
    assert_eq!(Naive.softmax(&Naive.upload_f32(&hidden), 3).to_f64()[..], [0.0; 3]);
    alike("log_softmax", &fast.log_softmax(&x, 12), &Naive.log_softmax(&y, 12));
    for k in 0..=12 {
        let (fast, naive) = (fast.top_k(&x, 12, k), Naive.top_k(&y, 12, k));
        assert_eq!(fast.ids, naive.ids, "{k} of {ODD:?}");
        assert!(fast.values.iter().zip(&naive.values).all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
    }
}

#[test]
fn odd_numbers_reach_every_product_and_norm() {
    let fast = Cpu::new();
    let (outs, ins) = (50, 200);
    for (at, odd) in [(3, f32::NAN), (199, f32::INFINITY), (57, f32::NEG_INFINITY)] {
        let mut n = Numbers::new(9);
        let (w, mut x) = (n.many(outs * ins), n.many(2 * ins));
        x[ins + at] = odd;
        let source = Source::from_f32(&w, outs, ins);
        let (a, b) = (fast.pack(&source, Residency::Expanded), Naive.pack(&source, Residency::Expanded));
        let (x, y) = (fast.upload_f32(&x), Naive.upload_f32(&x));
        let (a, b) = (fast.linear(&x, &a, None), Naive.linear(&y, &b, None));
        alike("linear", &a, &b);
        assert!(a.to_f32()[..outs].iter().all(|x| x.is_finite()) && a.to_f32()[outs..].iter().all(|x| !x.is_finite()));
        for kind in KINDS {
            alike("norm", &fast.norm(&x, None, None, ins, kind, 1e-5), &Naive.norm(&y, None, None, ins, kind, 1e-5));
        }
    }
}

#[test]
fn scaling_by_zero_gives_zero() {
    let spans = [kernels::Span { start: 0, len: 12 }];
    for b in [&Cpu::new() as &dyn Backend, &Naive] {
        let zeroed = b.edit(b.upload_f32(&ODD), &spans, kernels::SpanOp::Scale(0.0));
        assert!(zeroed.to_f32().iter().all(|x| x.to_bits() == 0));
    }
}

/// One prompt, in which source `odd` holds something that is not a number.
fn poisoned(mask: Mask, q_len: usize, odd: usize, value: f32) -> (Vec<f32>, Vec<f32>, Vec<f32>, Vec<f32>) {
    let (k_len, d_head) = (q_len, 20);
    let mut n = Numbers::new(21);
    let (q, k, mut v) = (n.many(q_len * d_head), n.many(k_len * d_head), n.many(k_len * d_head));
    v[odd * d_head + 7] = value;
    let run = |b: &dyn Backend| {
        let (q, k, v) = (b.upload_f32(&q), b.upload_f32(&k), b.upload_f32(&v));
        let shape = AttnShape { heads: 1, kv_heads: 1, d_head, scale: 0.3, cap: None, mask };
        let segments = [Segment { q_start: 0, q_len, k: &k, v: &v, k_start: 0, k_len }];
        let pattern = b.attn_softmax(&b.attn_scores(&q, &segments, &shape), &segments, &shape);
        let parts = b.attn_mix(&pattern, &segments, &shape, q_len);
        (b.attention(&q, &segments, &shape, q_len).to_f32().into_owned(), parts.to_f32().into_owned())
    };
    let ((fused, parts), (naive, _)) = (run(&Cpu::new()), run(&Naive));
    let clean = {
        v[odd * d_head + 7] = 0.0;
        let b = Cpu::new();
        let (q, k, v) = (b.upload_f32(&q), b.upload_f32(&k), b.upload_f32(&v));
        let shape = AttnShape { heads: 1, kv_heads: 1, d_head, scale: 0.3, cap: None, mask };
        b.attention(&q, &[Segment { q_start: 0, q_len, k: &k, v: &v, k_start: 0, k_len }], &shape, q_len)
            .to_f32()
            .into_owned()
    };
    (fused, parts, naive, clean)
}

#[test]
fn a_hidden_source_cannot_poison_a_destination() {
    for (mask, odd) in [(Mask::Causal, 213), (Mask::Causal, 3), (Mask::Window(4), 2), (Mask::Window(200), 9)] {
        for value in [f32::NAN, f32::INFINITY] {
            let q_len = 230;
            let (fused, parts, naive, clean) = poisoned(mask, q_len, odd, value);
            for i in 0..q_len {
                let sees = mask.allowed(i, q_len).contains(&odd);
                for c in 0..20 {
                    let at = i * 20 + c;
                    if sees && c == 7 {
                        assert!(!fused[at].is_finite() && !parts[at].is_finite() && !naive[at].is_finite());
                    } else {
                        assert_eq!(fused[at].to_bits(), clean[at].to_bits(), "{mask:?} {odd}: row {i}, column {c}");
                        assert_eq!(parts[at].to_bits(), clean[at].to_bits(), "{mask:?} {odd}: row {i}, column {c}");
                        assert!((f64::from(fused[at]) - f64::from(naive[at])).abs() < 1e-5);
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_of_hidden_scores_attends_nowhere() {
    for b in [&Cpu::new() as &dyn Backend, &Naive] {
        let k = b.zeros(3);
        let shape = AttnShape { heads: 1, kv_heads: 1, d_head: 1, scale: 1.0, cap: None, mask: Mask::Full };
        let segments = [Segment { q_start: 0, q_len: 3, k: &k, v: &k, k_start: 0, k_len: 3 }];
        let hidden = f64::NEG_INFINITY;
        let scores = b.upload(&[hidden, hidden, hidden, hidden, 1.0, hidden, f64::NAN, hidden, hidden]);
        let pattern = b.attn_softmax(&scores, &segments, &shape);
        assert_eq!(&pattern.to_f32()[..6], &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert!(pattern.to_f32()[6..].iter().all(|p| p.is_nan()));
    }
}
