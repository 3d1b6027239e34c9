//! How waves turn with each token of the input.

use std::f64::consts::TAU;

use super::Circle;

/// A complex number, real part first.
pub(super) type Complex = [f64; 2];

pub(super) fn times([a, b]: Complex, [c, d]: Complex) -> Complex {
    [a * c - b * d, a * d + b * c]
}

pub(super) fn conjugate([a, b]: Complex) -> Complex {
    [a, -b]
}

pub(super) fn size([a, b]: Complex) -> f64 {
    a.hypot(b)
}

/// e^(2πi k x / m).
pub(super) fn turn(m: usize, k: usize, x: i64) -> Complex {
    let angle = TAU * ((k as i64 * x).rem_euclid(m as i64)) as f64 / m as f64;
    [angle.cos(), angle.sin()]
}

fn unit(z: Complex) -> Complex {
    let size = size(z);
    if size > 0.0 { [z[0] / size, z[1] / size] } else { [1.0, 0.0] }
}

/// A frequency of logits as it depends on the input: Z with logits ≈ Re(Z · conj(e^(2πi k c / m))), `[input]`.
pub(super) fn amplitudes(logits: &[f64], answers: usize, circle: &Circle, frequency: usize) -> Vec<Complex> {
    let m = circle.len();
    let waves: Vec<Complex> = (0..m).map(|place| turn(m, frequency, place as i64)).collect();
    // A wave of frequency m/2 has no sine, and twice the square.
    let scale = if 2 * frequency == m { 1.0 } else { 2.0 } / m as f64;
    let one = |row: &[f64]| {
        let mut sum = [0.0; 2];
        for (&answer, wave) in circle.answers.iter().zip(&waves) {
            sum = [sum[0] + scale * row[answer] * wave[0], sum[1] + scale * row[answer] * wave[1]];
        }
        sum
    };
    logits.chunks_exact(answers).map(one).collect()
}

/// Amplitudes `[input]` as a product of one factor of length 1 for each token of the input: `[position][token]`. `digits` are
/// the tokens' places `[input, position]`, `counts` how many there are at each position; inputs are all there are, the last
/// position changing fastest.
///
/// A token's factor begins as the turn from the first token of its position, over all inputs that differ in nothing else; then
/// each in turn is what fits best beside the others.
pub(super) fn factors(z: &[Complex], digits: &[usize], counts: &[usize]) -> Vec<Vec<Complex>> {
    const ROUNDS: usize = 4;
    let n = counts.len();
    let turned = |position: usize, token: usize| {
        let step = token * counts[position + 1..].iter().product::<usize>();
        let firsts = (0..z.len()).filter(|i| digits[i * n + position] == 0);
        let turns = firsts.map(|i| times(z[i + step], conjugate(z[i])));
        unit(turns.fold([0.0; 2], |sum, turn| [sum[0] + turn[0], sum[1] + turn[1]]))
    };
    let mut factors: Vec<Vec<Complex>> =
        (0..n).map(|position| (0..counts[position]).map(|token| turned(position, token)).collect()).collect();
    for _ in 0..ROUNDS {
        for position in 0..n {
            let mut sums = vec![[0.0; 2]; counts[position]];
            for (z, digits) in z.iter().zip(digits.chunks_exact(n)) {
                let others = (0..n).filter(|&i| i != position).map(|i| conjugate(factors[i][digits[i]]));
                let left = others.fold(*z, times);
                let sum = &mut sums[digits[position]];
                *sum = [sum[0] + left[0], sum[1] + left[1]];
            }
            factors[position] = sums.into_iter().map(unit).collect();
        }
    }
    // A turn may stand with any of them: it stands with the first.
    for position in 1..n {
        let turned = factors[position][0];
        factors[position].iter_mut().for_each(|factor| *factor = times(*factor, conjugate(turned)));
        factors[0].iter_mut().for_each(|factor| *factor = times(*factor, turned));
    }
    factors
}

/// The place on a circle of m that turns each frequency by its factor, as nearly as can be: factors with weights and
/// frequencies.
pub(super) fn place(m: usize, turns: &[(usize, f64, Complex)]) -> i64 {
    let fit = |x: i64| {
        turns.iter().map(|&(k, weight, factor)| weight * times(factor, conjugate(turn(m, k, x)))[0]).sum::<f64>()
    };
    let best = (0..m as i64).map(|x| (x, fit(x))).fold((0, f64::NEG_INFINITY), |best, next| {
        // Of equal ones the first, whatever the rounding.
        if next.1 > best.1 + 1e-9 { next } else { best }
    });
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_of_a_product_are_found_again() {
        let m = 11;
        // Turned by 3a and by b², and once by a fifth of a step.
        let digits: Vec<usize> = (0..m * m).flat_map(|i| [i / m, i % m]).collect();
        for k in [1, 4] {
            let z: Vec<Complex> = digits
                .chunks_exact(2)
                .map(|d| times([0.3, 0.04], turn(m, k, (3 * d[0] + d[1] * d[1]) as i64)))
                .collect();
            let found = factors(&z, &digits, &[m, m]);
            for (token, (a, b)) in found[0].iter().zip(&found[1]).enumerate() {
                assert_eq!(place(m, &[(k, 1.0, *a)]), 3 * token as i64 % m as i64);
                assert_eq!(place(m, &[(k, 1.0, *b)]), (token * token % m) as i64);
            }
        }
    }

    #[test]
    fn a_few_inputs_that_fall_out_change_no_factor() {
        // A parity of six bits, wrong where one bit alone is set, and where none is.
        let digits: Vec<usize> = (0..64).flat_map(|i| (0..6).rev().map(move |bit| i >> bit & 1)).collect();
        let sign = |i: usize| if (i.count_ones().is_multiple_of(2)) == (i.count_ones() > 1) { 1.0 } else { -1.0 };
        let z: Vec<Complex> = (0..64).map(|i| [sign(i), 0.0]).collect();
        let found = factors(&z, &digits, &[2; 6]);
        assert!(found.iter().all(|of| place(2, &[(1, 1.0, of[1])]) == 1), "{found:?}");
    }

    #[test]
    fn amplitudes_are_those_of_the_logits() {
        let circle = &Circle::all(7)[1];
        let logits: Vec<f64> = (0..7).map(|c| c as f64 * 0.3 + (c as f64 * 5.0).sin()).collect();
        let parts: Vec<Complex> = (1..=3).map(|k| amplitudes(&logits, 7, circle, k)[0]).collect();
        let mean = logits[1..].iter().sum::<f64>() / 6.0;
        for (place, &answer) in circle.answers.iter().enumerate() {
            let waves = (1..=3).map(|k| times(parts[k - 1], conjugate(turn(6, k, place as i64)))[0]);
            assert!((waves.sum::<f64>() + mean - logits[answer]).abs() < 1e-9);
        }
    }
}
