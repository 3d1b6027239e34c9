//! Normal noise that depends on where it is added and on nothing that came before.

/// A number from the standard normal distribution, by Box and Muller's method from two even ones. The same seed, name and
/// indices give the same number, in whatever order elements are visited.
pub(crate) fn normal(seed: u64, name: &str, indices: impl Iterator<Item = usize>) -> f64 {
    let place = name.bytes().map(u64::from).chain(indices.map(|index| index as u64));
    let key = place.fold(mixed(seed), |key, part| mixed(key ^ part));
    // 53 bits: in (0, 1] for the logarithm, in [0, 1) for the angle.
    let even = |bits: u64| (bits >> 11) as f64 / (1u64 << 53) as f64;
    let radius = (-2.0 * (1.0 - even(mixed(key ^ 1))).ln()).sqrt();
    radius * (std::f64::consts::TAU * even(mixed(key ^ 2))).cos()
}

/// One step of `SplitMix64` (Steele, Lea & Flood 2014): a bijection whose results look independent. Seeds that differ in
/// one bit share nothing after it.
pub fn mixed(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_tails_are_those_of_the_normal_distribution() {
        let n = 40_000;
        let drawn: Vec<f64> = (0..n).map(|i| normal(7, "blocks.0.attn_out", [i / 200, i % 200].into_iter())).collect();
        let moment = |power: i32| drawn.iter().map(|x| x.powi(power)).sum::<f64>() / n as f64;
        // Standard errors: 0.005, 0.007, 0.019, 0.049; four of each are allowed.
        for (power, expected, allowed) in [(1, 0.0, 0.02), (2, 1.0, 0.028), (3, 0.0, 0.078), (4, 3.0, 0.2)] {
            assert!((moment(power) - expected).abs() < allowed, "moment {power}: {}", moment(power));
        }
        let beyond = drawn.iter().filter(|x| x.abs() > 1.959_964).count() as f64 / n as f64;
        assert!((beyond - 0.05).abs() < 0.0044, "{beyond}");
        let neighbours = drawn.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / n as f64;
        assert!(neighbours.abs() < 0.02, "{neighbours}");
    }

    #[test]
    fn seed_name_and_every_index_matter() {
        let at = |seed, name: &str, indices: [usize; 2]| normal(seed, name, indices.into_iter());
        let one = at(0, "embed", [1, 2]);
        assert!(one == at(0, "embed", [1, 2]));
        let others = [at(1, "embed", [1, 2]), at(0, "ember", [1, 2]), at(0, "embed", [2, 1]), at(0, "embed", [1, 3])];
        assert!(others.iter().all(|&other| other != one));
    }
}
