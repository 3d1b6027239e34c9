//! The fast backend computes what the naive one defines.

use kernels::{Backend, Cpu, Naive, NormKind, Residency};
use proptest::prelude::*;

use crate::cases::{Numbers, every_operation, sizes};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every operation, to f32 rounding. A sum may cancel to nearly nothing, so that what rounding may do to it goes
    /// by its number of terms, each of the order of 1.
    #[test]
    fn every_operation_is_that_of_the_naive_backend(sizes in sizes()) {
        let naive = every_operation(&Naive, Residency::Expanded, &sizes);
        let terms = sizes.rows.max(sizes.outs).max(sizes.ins) as f64;
        for residency in [Residency::Expanded, Residency::Stored] {
            let fast = every_operation(&Cpu::new(), residency, &sizes);
            prop_assert_eq!(fast.len(), naive.len());
            for ((name, want), (_, got)) in naive.iter().zip(&fast) {
                let (want, got) = (want.to_f64(), got.to_f64());
                prop_assert_eq!(want.len(), got.len(), "{}", name);
                let largest = want.iter().copied().filter(|x| x.is_finite()).fold(0.0_f64, |a, x| a.max(x.abs()));
                for (i, (&want, &got)) in want.iter().zip(&*got).enumerate() {
                    let close = want == got || (want - got).abs() <= 1e-5 * want.abs() + 2e-6 * largest + 1e-6 + 2e-8 * terms;
                    prop_assert!(close, "{name}[{i}]: {want} naive, {got} fast");
                }
            }
        }
    }

    /// Products, relative to the sum of the magnitudes of their terms.
    #[test]
    fn products_are_exact_to_1e_6_of_their_terms(
        rows in 1..70_usize, outs in 1..100_usize, ins in 1..1600_usize, seed in any::<u64>(),
    ) {
        let mut n = Numbers::new(seed);
        let (x, w) = (n.many(rows * ins), n.many(outs * ins));
        let cpu = Cpu::new();
        let packed = cpu.pack(&kernels::Source::from_f32(&w, outs, ins), Residency::Expanded);
        let y = cpu.linear(&cpu.upload_f32(&x), &packed, None);
        for (i, &got) in y.to_f64().iter().enumerate() {
            let (r, o) = (i / outs, i % outs);
            let terms = || (0..ins).map(|i| f64::from(x[r * ins + i]) * f64::from(w[o * ins + i]));
            let (want, size): (f64, f64) = (terms().sum(), terms().map(f64::abs).sum());
            prop_assert!((want - got).abs() <= 1e-6 * size, "{want} {got}");
        }
    }
}

/// Rows that are nearly constant: what rounding of the mean may do to a layer norm, and no more.
#[test]
fn nearly_constant_rows_are_as_good_as_their_condition() {
    let (fast, naive, mut n) = (Cpu::new(), Naive, Numbers::new(11));
    for (width, spread) in [(2, 1e-1), (3, 1e-2), (17, 1e-3), (640, 1e-3)] {
        let x: Vec<f32> = n.many(5 * width).iter().map(|x| 2.0 + spread * x).collect();
        let divided = |b: &dyn Backend| {
            let x = b.upload_f32(&x);
            let scale = b.norm_scale(&x, width, NormKind::Layer, 1e-5);
            (b.norm_divide(&x, &scale, width, NormKind::Layer).to_f64().into_owned(), scale.to_f64().into_owned())
        };
        let ((ours, _), (want, scale)) = (divided(&fast), divided(&naive));
        for (i, (ours, want)) in ours.iter().zip(&want).enumerate() {
            let bound = 4.0 * f64::from(f32::EPSILON) * (2.0 / scale[i / width] + want.abs() * 2.0 / scale[i / width]);
            assert!((ours - want).abs() <= bound, "{width}, {spread}, {i}: {want} naive, {ours} fast, bound {bound:e}");
        }
    }
}

/// Long rows, as logits have: several blocks of candidates, and sums of many exponentials.
#[test]
fn long_rows_agree() {
    let mut n = Numbers::new(7);
    let (rows, width) = (3, 50_257);
    let values: Vec<f32> = n.many(rows * width).iter().map(|x| x * x * x).collect();
    let (fast, naive) = (Cpu::new(), Naive);
    let (x, y) = (fast.upload_f32(&values), naive.upload_f32(&values));
    for k in [0, 1, 10, 1000] {
        assert_eq!(fast.top_k(&x, width, k), naive.top_k(&y, width, k));
    }
    let (a, b) = (fast.log_softmax(&x, width), naive.log_softmax(&y, width));
    let worst = a.to_f64().iter().zip(&*b.to_f64()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 3e-6, "{worst}");
}
