//! Spectra of weight matrices: what can be told about a network from its numbers alone, whatever its architecture.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use engine::{Result, Stored};
use kernels::{DType, Source};
use nalgebra::DMatrix;

use crate::Tick;
use crate::tail::{Tail, tail};

/// Rows or columns that are multiplied at once.
const AT_ONCE: usize = 2048;

/// A level that the largest value of the Tracy-Widom distribution of real matrices exceeds in one case of a hundred.
const TRACY_WIDOM_99: f64 = 2.0234;

/// How many standard deviations make an element an outlier (Dettmers et al. 2022 use the magnitude 6 for activations).
const FAR: f64 = 6.0;

/// A matrix in a file, not read yet.
#[derive(Clone, Debug)]
pub struct WeightMatrix {
    /// The tensor's name; of a stack of matrices with the index in brackets.
    pub name: String,
    /// Rows as stored.
    pub rows: usize,
    /// Columns as stored.
    pub columns: usize,
    source: Source,
}

/// What [`spectra`] finds of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// Singular values in falling order; none where the matrix was too large or holds values that are not finite.
    pub singular_values: Vec<f64>,
    /// Frobenius norm: √Σ w².
    pub frobenius: f64,
    /// Σ σ² / σ₁²: how many directions of the strength of the first would make up the matrix. Not above the rank.
    pub stable_rank: f64,
    /// Singular values above rounding: σ₁ · the longer side · 2⁻²³.
    pub rank: usize,
    /// Entropy of σ² / Σ σ², divided by the logarithm of the rank: 1 if all directions are alike, 0 if there is but one.
    pub entropy: f64,
    /// The power law of the largest eigenvalues σ² of WᵀW.
    pub tail: Option<Tail>,
    /// Singular values beyond what a matrix of independent normal elements of the same size and variance has: above
    /// the 99 % level of its largest one (Johnstone 2001).
    pub outliers: usize,
    /// Elements more than six standard deviations from the mean.
    pub far_elements: usize,
}

impl WeightMatrix {
    /// The matrices of a tensor. Axes of length 1 do not count. Three axes are a stack of matrices, as experts are
    /// kept, unless the last is shorter than 16: then, and with four axes or more, it is the kernel of a convolution,
    /// whose first axis gives the rows and all others the columns. None of vectors and whole numbers.
    pub fn of(name: &str, tensor: &Stored) -> Vec<Self> {
        if matches!(tensor.dtype, DType::I64 | DType::I32 | DType::I16 | DType::I8 | DType::U8) {
            return vec![];
        }
        let axes: Vec<usize> = tensor.shape.iter().copied().filter(|&n| n != 1).collect();
        if axes.contains(&0) {
            return vec![];
        }
        let matrix = |name: String, rows: usize, columns: usize, chosen: Option<Vec<u32>>, stored_rows: usize| {
            let (dtype, bytes) = (tensor.dtype, tensor.bytes.clone());
            let source = Source { dtype, bytes, stored_rows, stored_cols: columns, rows: chosen, transposed: false };
            Self { name, rows, columns, source }
        };
        match *axes.as_slice() {
            [] | [_] => vec![],
            [rows, columns] => vec![matrix(name.to_owned(), rows, columns, None, rows)],
            [stack, rows, columns] if columns >= 16 => {
                let chosen = |i: usize| (i * rows..(i + 1) * rows).map(|row| row as u32).collect();
                let one = |i| matrix(format!("{name}[{i}]"), rows, columns, Some(chosen(i)), stack * rows);
                (0..stack).map(one).collect()
            }
            [rows, ref others @ ..] => vec![matrix(name.to_owned(), rows, others.iter().product(), None, rows)],
        }
    }
}

/// The spectrum of every matrix, several at a time. Matrices whose shorter side is above `largest` are read for their
/// norm and outliers only: the work for singular values grows with the cube of that side.
///
/// Singular values are the roots of the eigenvalues of WᵀW or WWᵀ, whichever is smaller, computed in f64: they are right
/// to about 10⁻⁸ of the largest.
pub fn spectra(matrices: &[WeightMatrix], largest: usize, tick: Tick<'_>) -> Result<Vec<Spectrum>> {
    let total = matrices.iter().map(|matrix| work(matrix, largest)).sum::<u64>().max(1);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (send, found) = mpsc::channel();
    let mut spectra = vec![None; matrices.len()];
    tick(0, total)?;
    thread::scope(|scope| {
        for _ in 0..kernels::threads().min(matrices.len()) {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || {
                while let Some((i, matrix)) = pick(matrices, next).filter(|_| !stop.load(Ordering::Relaxed)) {
                    let spectrum = spectrum(&matrix.source, matrix.rows.min(matrix.columns) <= largest, stop);
                    if send.send((i, spectrum)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let mut done = 0;
        for (i, spectrum) in found {
            done += work(&matrices[i], largest);
            spectra[i] = Some(spectrum);
            if let Err(error) = tick(done, total) {
                stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    })?;
    Ok(spectra.into_iter().flatten().collect())
}

fn pick<'a>(matrices: &'a [WeightMatrix], next: &AtomicUsize) -> Option<(usize, &'a WeightMatrix)> {
    let i = next.fetch_add(1, Ordering::Relaxed);
    Some((i, matrices.get(i)?))
}

/// Multiplications that a matrix takes, about.
fn work(matrix: &WeightMatrix, largest: usize) -> u64 {
    let (short, long) = (matrix.rows.min(matrix.columns) as u64, matrix.rows.max(matrix.columns) as u64);
    if short <= largest as u64 { short * short * (long + 2 * short) } else { short * long }
}

/// The spectrum of one matrix. `stop` asks for an end, after which what comes back is of no use.
fn spectrum(source: &Source, whole: bool, stop: &AtomicBool) -> Spectrum {
    let values = source.to_f32();
    let (rows, columns) = source.shape();
    let n = values.len() as f64;
    let sum = |f: &dyn Fn(f64) -> f64| values.iter().map(|&x| f(f64::from(x))).sum::<f64>();
    let (squares, mean) = (sum(&|x| x * x), sum(&|x| x) / n);
    let deviation = (squares / n - mean * mean).max(0.0).sqrt();
    let far_elements = values.iter().filter(|&&x| (f64::from(x) - mean).abs() > FAR * deviation).count();
    let eigenvalues = if whole && squares.is_finite() { eigenvalues(&values, rows, columns, stop) } else { vec![] };
    let total: f64 = eigenvalues.iter().sum();
    let first = eigenvalues.first().copied().unwrap_or(f64::NAN);
    let singular_values: Vec<f64> = eigenvalues.iter().map(|x| x.sqrt()).collect();
    let rounding = first.sqrt() * rows.max(columns) as f64 * f64::from(f32::EPSILON);
    let rank = singular_values.iter().filter(|&&x| x > rounding).count();
    let shares = eigenvalues.iter().map(|x| x / total).filter(|&p| p > 0.0);
    let entropy = -shares.map(|p| p * p.ln()).sum::<f64>();
    let edge = largest_of_noise(rows, columns) * squares / n;
    Spectrum {
        frobenius: squares.sqrt(),
        stable_rank: total / first,
        rank,
        entropy: match rank {
            0 => f64::NAN,
            1 => 0.0,
            rank => entropy / (rank as f64).ln(),
        },
        tail: tail(&eigenvalues),
        outliers: eigenvalues.iter().filter(|&&x| x > edge).count(),
        far_elements,
        singular_values,
    }
}

/// The level under which the largest eigenvalue of WᵀW stays in 99 cases of a hundred, for a matrix of independent
/// normal elements of variance 1 (Johnstone 2001, "On the distribution of the largest eigenvalue in principal components
/// analysis", theorem 1.1).
fn largest_of_noise(rows: usize, columns: usize) -> f64 {
    let (n, p) = (((rows.max(columns) - 1) as f64).sqrt(), (rows.min(columns) as f64).sqrt());
    (n + p).powi(2) + TRACY_WIDOM_99 * (n + p) * (1.0 / n + 1.0 / p).cbrt()
}

/// Eigenvalues of WᵀW or WWᵀ, whichever is smaller, in falling order, of a row-major matrix; those that rounding made
/// negative are zero.
fn eigenvalues(values: &[f32], rows: usize, columns: usize, stop: &AtomicBool) -> Vec<f64> {
    let (short, long) = (rows.min(columns), rows.max(columns));
    let at = |i: usize, along: usize| {
        f64::from(if rows < columns { values[i * columns + along] } else { values[along * columns + i] })
    };
    let mut gram = DMatrix::<f64>::zeros(short, short);
    for start in (0..long).step_by(AT_ONCE) {
        if stop.load(Ordering::Relaxed) {
            return vec![];
        }
        let part = DMatrix::from_fn(short, AT_ONCE.min(long - start), |i, k| at(i, start + k));
        gram.gemm(1.0, &part, &part.transpose(), 1.0);
    }
    let mut found: Vec<f64> = gram.symmetric_eigenvalues().iter().map(|x| x.max(0.0)).collect();
    found.sort_by(|a, b| b.total_cmp(a));
    found
}
