//! Spectra against a slow decomposition of another kind, and exponents against numbers of WeightWatcher's own code.

#![allow(clippy::unwrap_used, reason = "a test may")]

use engine::{Error, Stored};
use kernels::DType;
use methods::{Spectrum, WeightMatrix, spectra, tail};
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

fn stored(shape: &[usize], values: &[f64]) -> Stored {
    let bytes: Vec<u8> = values.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect();
    Stored { dtype: DType::F32, shape: shape.to_vec(), bytes: bytes.into() }
}

/// Normal numbers (Box and Muller 1958).
fn normal(count: usize, seed: u64) -> Vec<f64> {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut even = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    (0..count).map(|_| (-2.0 * (1.0 - even()).ln()).sqrt() * (std::f64::consts::TAU * even()).cos()).collect()
}

/// Singular values in falling order by rotating pairs of columns until all are at right angles (one-sided Jacobi).
fn jacobi(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let mut w: Vec<Vec<f64>> = (0..columns).map(|c| (0..rows).map(|r| values[r * columns + c]).collect()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    for _ in 0..60 {
        for i in 0..columns {
            for j in i + 1..columns {
                let (a, b, c) = (dot(&w[i], &w[i]), dot(&w[j], &w[j]), dot(&w[i], &w[j]));
                let angle = 0.5 * (2.0 * c).atan2(a - b);
                let (before, from_j) = w.split_at_mut(j);
                for (x, y) in before[i].iter_mut().zip(&mut from_j[0]) {
                    (*x, *y) = (angle.cos() * *x + angle.sin() * *y, angle.cos() * *y - angle.sin() * *x);
                }
            }
        }
    }
    let mut found: Vec<f64> = w.iter().map(|column| dot(column, column).sqrt()).collect();
    found.sort_by(|a, b| b.total_cmp(a));
    found.truncate(rows.min(columns));
    found
}

fn spectrum(tensor: &Stored) -> Spectrum {
    spectra(&WeightMatrix::of("w", tensor), 4096, &mut |_, _| Ok(())).unwrap().remove(0)
}

#[test]
fn singular_values_and_what_follows_from_them() {
    for (rows, columns) in [(12, 30), (30, 12), (9, 9), (1100, 3), (3, 2500)] {
        let values: Vec<f64> = normal(rows * columns, 1).iter().map(|&x| f64::from(x as f32)).collect();
        let found = spectrum(&stored(&[rows, columns], &values));
        // Wide matrices by their transpose, which has the same singular values and fewer columns to rotate.
        let tall = (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect::<Vec<_>>();
        let known = if rows < columns { jacobi(&tall, columns, rows) } else { jacobi(&values, rows, columns) };
        assert_eq!(found.singular_values.len(), known.len());
        for (x, y) in found.singular_values.iter().zip(&known) {
            assert!((x - y).abs() < 1e-7 * known[0], "{rows}x{columns}: {x} {y}");
        }
        let squares: f64 = values.iter().map(|x| x * x).sum();
        assert!((found.frobenius - squares.sqrt()).abs() < 1e-9 * squares);
        assert!((found.stable_rank - squares / known[0].powi(2)).abs() < 1e-6);
        assert_eq!(found.rank, rows.min(columns));
        let entropy: f64 = known.iter().map(|s| -s * s / squares * (s * s / squares).ln()).sum();
        assert!((found.entropy - entropy / (found.rank as f64).ln()).abs() < 1e-6);
    }
}

#[test]
fn few_directions_have_little_rank_and_entropy() {
    let (a, b) = (normal(40, 2), normal(25, 3));
    let one: Vec<f64> = a.iter().flat_map(|x| b.iter().map(move |y| x * y)).collect();
    let found = spectrum(&stored(&[40, 25], &one));
    assert_eq!((found.rank, found.entropy), (1, 0.0));
    assert!((found.stable_rank - 1.0).abs() < 1e-5);
    let alike: Vec<f64> = (0..64).map(|i| if i % 9 == 0 { 2.0 } else { 0.0 }).collect();
    let found = spectrum(&stored(&[8, 8], &alike));
    assert!((found.entropy - 1.0).abs() < 1e-12 && (found.stable_rank - 8.0).abs() < 1e-12);
    let nothing = spectrum(&stored(&[3, 3], &[0.0; 9]));
    assert!(nothing.rank == 0 && nothing.entropy.is_nan() && nothing.tail.is_none());
}

#[test]
fn outliers_are_counted() {
    let (rows, columns) = (150, 80);
    // In a hundred matrices of noise one is expected to have an outlier.
    let noise: usize =
        (0..100).map(|seed| spectrum(&stored(&[rows, columns], &normal(rows * columns, seed))).outliers).sum();
    assert!(noise <= 5, "{noise}");
    let mut planted = normal(rows * columns, 0);
    let (a, b) = (normal(rows, 4), normal(columns, 5));
    for (i, x) in planted.iter_mut().enumerate() {
        *x += 0.4 * a[i / columns] * b[i % columns];
    }
    planted[77] = 40.0;
    let found = spectrum(&stored(&[rows, columns], &planted));
    assert_eq!((found.outliers, found.far_elements), (2, 1), "the direction, and the element");
}

#[test]
fn exponents_are_weight_watchers() {
    // Power laws by their quantiles. The numbers are those of `WWFit` of weightwatcher 0.7.7.
    let law = |n: usize, a: f64| (0..n).map(move |i| ((i as f64 + 0.5) / n as f64).powf(-1.0 / a)).collect::<Vec<_>>();
    let flat = (0..400).map(|i| 0.1 + 0.8 * f64::from(i) / 399.0).collect();
    for (values, alpha, xmin, distance, count) in [
        (
            [law(500, 1.5), flat].concat(),
            2.502_544_530_384_746_2,
            1.000_667_222_716_502_5,
            0.001_345_358_436_193_988,
            500,
        ),
        (law(300, 3.0), 4.008_492_491_256_154, 1.000_556_173_640_802, 0.002_242_596_189_704_238, 300),
        (law(19, 2.0), 2.983_588_849_988_361_6, 1.013_423_419_419_063_4, 0.024_791_768_574_880_635, 19),
        (law(12, 0.8), 1.789_508_022_939_881_2, 1.054_640_043_826_533_8, 0.038_029_892_790_172_66, 12),
        (law(20, 2.0), 3.088_865_205_451_162, 1.012_739_367_086_373_6, 0.033_786_782_739_664_94, 20),
    ] {
        let found = tail(&values).unwrap();
        assert!((found.alpha - alpha).abs() < 1e-9, "{} {alpha}", found.alpha);
        assert!((found.xmin - xmin).abs() < 1e-9, "{} {xmin}", found.xmin);
        assert!((found.distance - distance).abs() < 1e-9, "{} {distance}", found.distance);
        assert_eq!(found.count, count);
    }
    assert!(tail(&law(7, 2.0)).is_none() && tail(&[]).is_none() && tail(&[1e-6; 50]).is_none());
    assert!(tail(&[2.0; 12]).is_none(), "equal values have no tail");
}

#[test]
fn the_matrices_of_a_file() {
    let shapes = |shape: &[usize], dtype: DType| {
        let count = shape.iter().product::<usize>();
        let bytes = vec![0_u8; dtype.row_bytes(count)].into();
        let tensor = Stored { dtype, shape: shape.to_vec(), bytes };
        WeightMatrix::of("w", &tensor).iter().map(|m| (m.name.clone(), m.rows, m.columns)).collect::<Vec<_>>()
    };
    let named = |name: &str, rows, columns| (name.to_owned(), rows, columns);
    assert_eq!(shapes(&[4, 6], DType::F32), [named("w", 4, 6)]);
    assert_eq!(shapes(&[1, 4, 6, 1], DType::F16), [named("w", 4, 6)]);
    assert_eq!(shapes(&[2, 4, 32], DType::Q8_0), [named("w[0]", 4, 32), named("w[1]", 4, 32)]);
    assert_eq!(shapes(&[8, 4, 3], DType::F32), [named("w", 8, 12)]);
    assert_eq!(shapes(&[8, 4, 3, 3], DType::F32), [named("w", 8, 36)]);
    for none in
        [shapes(&[5], DType::F32), shapes(&[], DType::F32), shapes(&[0, 5], DType::F32), shapes(&[4, 4], DType::U8)]
    {
        assert_eq!(none, []);
    }
    let stack: Vec<f64> = normal(2 * 20 * 16, 7);
    let tensor = stored(&[2, 20, 16], &stack);
    let found = spectra(&WeightMatrix::of("w", &tensor), 99, &mut |_, _| Ok(())).unwrap();
    assert_eq!(found[1], spectrum(&stored(&[20, 16], &stack[320..])));
}

#[test]
fn large_and_damaged_matrices_give_what_they_can() {
    let values = normal(30 * 20, 8);
    let large = spectra(&WeightMatrix::of("w", &stored(&[30, 20], &values)), 19, &mut |_, _| Ok(())).unwrap().remove(0);
    assert!(large.singular_values.is_empty() && large.frobenius > 20.0 && large.stable_rank.is_nan());
    for bad in [f64::NAN, f64::INFINITY] {
        let damaged = spectrum(&stored(&[2, 2], &[1.0, bad, 0.0, 1.0]));
        assert!(damaged.singular_values.is_empty() && damaged.tail.is_none());
    }
}

#[test]
fn it_tells_how_far_it_is_and_ends_when_asked() {
    let tensor = stored(&[20, 20], &normal(400, 9));
    let matrices: Vec<WeightMatrix> = (0..6).flat_map(|_| WeightMatrix::of("w", &tensor)).collect();
    let mut told = Vec::new();
    let all = spectra(&matrices, 99, &mut |done, of| {
        told.push((done, of));
        Ok(())
    })
    .unwrap();
    assert!(all.len() == 6 && all.iter().all(|one| *one == all[0]));
    assert!(told.is_sorted() && told.first().unwrap().0 == 0 && told.last().unwrap().0 == told.last().unwrap().1);
    for patience in 0..3 {
        let mut left = patience;
        let stopped = spectra(&matrices, 99, &mut |_, _| {
            left -= 1;
            if left < 0 { Err(Error::Cancelled) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(Error::Cancelled)));
    }
}
