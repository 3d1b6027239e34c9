//! Integrals along a way from 0 to 1, refined where the two ends of a piece show that it is not right yet.

use engine::Result;

/// Places and weights of the Gauss-Legendre rule of four points on [−1, 1] (Abramowitz and Stegun, table 25.4).
const RULE: [(f64, f64); 4] = [
    (-0.861_136_311_594_052_6, 0.347_854_845_137_453_8),
    (-0.339_981_043_584_856_3, 0.652_145_154_862_546_1),
    (0.339_981_043_584_856_3, 0.652_145_154_862_546_1),
    (0.861_136_311_594_052_6, 0.347_854_845_137_453_8),
];

/// Pieces at first.
const FIRST: usize = 4;

/// The error, as a share of the whole change, at which a piece needs no more.
const ENOUGH: f64 = 2e-3;

/// What [`integrate`] finds.
pub(crate) struct Integral {
    /// The integral of each function.
    pub(crate) sums: Vec<f64>,
    /// The common value at 0.
    pub(crate) start: f64,
    /// At how many places the functions were evaluated.
    pub(crate) steps: usize,
}

/// A piece of the way.
struct Piece {
    from: f64,
    to: f64,
    sums: Vec<f64>,
    /// How far the sum of all functions' integrals is from the change of the value.
    error: f64,
}

/// Integrates functions from 0 to 1 whose sum is the derivative of a value. `values` gives that value at some places,
/// `functions` the functions at some places.
///
/// On each piece of the way the integrals must add up to the value's change between its ends. Pieces where they do not
/// are halved, the worst first, until all errors together are small, or `steps` places are used up. The first pieces
/// take as many places as `steps` allows, at least one piece of four.
pub(crate) fn integrate(
    mut values: impl FnMut(&[f64]) -> Result<Vec<f64>>,
    mut functions: impl FnMut(&[f64]) -> Result<Vec<Vec<f64>>>,
    steps: usize,
) -> Result<Integral> {
    let each = RULE.len();
    let pieces = (steps / each).clamp(1, FIRST);
    let ends: Vec<f64> = (0..=pieces).map(|end| end as f64 / pieces as f64).collect();
    let at_ends = values(&ends)?;
    let (start, change) = (at_ends[0], at_ends[pieces] - at_ends[0]);
    let mut measure = |spans: &[[f64; 2]], changes: &[f64]| -> Result<Vec<Piece>> {
        let places: Vec<f64> = spans
            .iter()
            .flat_map(|[from, to]| RULE.map(|(place, _)| f64::midpoint(*from, *to) + place * (to - from) / 2.0))
            .collect();
        let found = functions(&places)?;
        let piece = |((&[from, to], change), found): ((&[f64; 2], &f64), &[Vec<f64>])| {
            let mut sums = vec![0.0; found[0].len()];
            for ((_, weight), found) in RULE.iter().zip(found) {
                sums.iter_mut().zip(found).for_each(|(sum, x)| *sum += weight * (to - from) / 2.0 * x);
            }
            let error = (sums.iter().sum::<f64>() - change).abs();
            Piece { from, to, sums, error }
        };
        Ok(spans.iter().zip(changes).zip(found.chunks_exact(each)).map(piece).collect())
    };
    let spans: Vec<[f64; 2]> = ends.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    let changes: Vec<f64> = at_ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut done = measure(&spans, &changes)?;
    let mut used = spans.len() * each;
    loop {
        let allowed = ENOUGH * change.abs();
        let room = (steps - used) / (2 * each);
        done.sort_by(|a, b| b.error.total_cmp(&a.error));
        let total: f64 = done.iter().map(|piece| piece.error).sum();
        // Those whose halves could bring the whole below what is allowed; never more than fit.
        let share = allowed / done.len() as f64;
        let worst = done.iter().take_while(|piece| piece.error > share).count().min(room);
        if total <= allowed || worst == 0 {
            break;
        }
        let halved: Vec<Piece> = done.drain(..worst).collect();
        let middles: Vec<f64> = halved.iter().map(|piece| f64::midpoint(piece.from, piece.to)).collect();
        // The ends of these pieces once more: their values were compared, not kept.
        let places: Vec<f64> =
            halved.iter().zip(&middles).flat_map(|(piece, &middle)| [piece.from, middle, piece.to]).collect();
        let at = values(&places)?;
        let spans: Vec<[f64; 2]> =
            halved.iter().zip(&middles).flat_map(|(p, &middle)| [[p.from, middle], [middle, p.to]]).collect();
        let changes: Vec<f64> = at.chunks_exact(3).flat_map(|v| [v[1] - v[0], v[2] - v[1]]).collect();
        done.extend(measure(&spans, &changes)?);
        used += spans.len() * each;
    }
    let mut sums = vec![0.0; done[0].sums.len()];
    for piece in &done {
        sums.iter_mut().zip(&piece.sums).for_each(|(sum, x)| *sum += x);
    }
    Ok(Integral { sums, start, steps: used })
}
