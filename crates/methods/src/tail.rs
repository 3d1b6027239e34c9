//! How heavy the tail of a distribution is: the exponent of a power law fitted to its largest values.

/// Eigenvalues at or below this count as zero, whatever the size of the matrix (`EVALS_THRESH` of WeightWatcher).
const NOTHING: f64 = 1e-5;

/// Fewer values than this give no exponent (`DEFAULT_MIN_EVALS` of WeightWatcher).
const FEWEST: usize = 8;

/// From this many values on the estimate goes without a correction for few (`SMALL_N_CUTOFF` of WeightWatcher).
const MANY: usize = 20;

/// A power law p(x) ∝ x^−α for x ≥ xmin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// Its exponent α.
    pub alpha: f64,
    /// Where it begins.
    pub xmin: f64,
    /// Kolmogorov-Smirnov distance between the values of the tail and the fitted law.
    pub distance: f64,
    /// Values in the tail.
    pub count: usize,
}

/// Fits a power law to the tail of some values, in any order, as WeightWatcher 0.7 does by default (Martin and Mahoney
/// 2021, "Implicit self-regularization in deep neural networks"; the method is that of Clauset, Shalizi and Newman 2009,
/// arXiv 0706.1062): each value but the largest is tried as the beginning; α is the maximum-likelihood estimate
/// 1 + n / Σ ln(x / xmin) there, and the beginning with the smallest Kolmogorov-Smirnov distance wins. With fewer than
/// 20 values the estimate has n − 1 instead of n, and tails have at least 8 values. None of fewer than 8 values above
/// 1e-5.
pub fn tail(values: &[f64]) -> Option<Tail> {
    let mut values: Vec<f64> = values.iter().copied().filter(|&x| x > NOTHING && x.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let total = values.len();
    if total < FEWEST {
        return None;
    }
    let logs: Vec<f64> = values.iter().map(|x| x.ln()).collect();
    let few = total < MANY;
    let last = if few { total - FEWEST } else { total - 2 };
    let mut best: Option<Tail> = None;
    let mut sum: f64 = logs.iter().sum();
    for (start, &log) in logs.iter().enumerate().take(last + 1) {
        let count = total - start;
        let n = count as f64;
        // Σ ln(x / xmin), not below zero but for rounding.
        let spread = (sum - n * log).max(0.0);
        sum -= log;
        let alpha = 1.0 + (if few { n - 1.0 } else { n }) / spread;
        if few && spread <= 1e-12 {
            continue;
        }
        let distance = distance(&logs[start..], alpha);
        if best.is_none_or(|best| distance < best.distance) {
            best = Some(Tail { alpha, xmin: values[start], distance, count });
        }
    }
    best
}

/// The largest difference between the shares of values below each value and what the law says, with values given by
/// their logarithms in rising order, of which the first is where the law begins.
fn distance(logs: &[f64], alpha: f64) -> f64 {
    let n = logs.len() as f64;
    let law = |log: f64| if log == logs[0] { 0.0 } else { 1.0 - ((1.0 - alpha) * (log - logs[0])).exp() };
    logs.iter().enumerate().map(|(i, &log)| (law(log) - i as f64 / n).abs()).fold(0.0, f64::max)
}
