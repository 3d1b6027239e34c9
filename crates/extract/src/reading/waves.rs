//! Networks that turn a circle by each of their tokens, and answer where it stops.

use engine::{Model, PointId};
use lab::Random;
use methods::finite::{Finite, Fourier, NeuronLogits, Table, key_frequencies};
use nalgebra::DMatrix;
use serde::Serialize;

use std::ops::Range;

use super::Circle;
use super::phases::{Complex, amplitudes, conjugate, factors, place, size, times, turn};
use crate::families::trigonometric;
use crate::program::{Expr, Input, Program};

/// On circles of fewer places all frequencies are looked at: a few are no background that others could stand out of.
const SMALL: usize = 11;

/// Bits of the mantissas of amplitudes and phases.
const MANTISSA: u32 = 10;

/// Neurons are in use that together make up this part of the variance that neurons write into the logits.
const IN_USE: f64 = 0.99;

/// Draws of other frequencies.
const DRAWS: usize = 10;
/// Distinguishes them from other uses of a seed.
const OTHERS: u64 = 1 << 50;

/// A mechanism: the answer is the place c on a circle of m where a sum of cosines is largest.
///
/// ```text
/// argmax_c Σ_k α_k cos(2πk(L − c)/m + φ_k), where L = Σ_i s_i(x_i)
/// ```
///
/// Frequencies are those of the map from neurons to logits, a product of weights; s is how far each token turns them, read
/// from the stream that the unembedding reads; α and φ are what is left of each wave after that turn.
#[derive(Clone, Debug)]
pub struct Waves {
    /// Where answers stand.
    pub circle: Circle,
    /// The key frequencies, in falling order of their amplitudes.
    pub waves: Vec<Wave>,
    /// Positions whose tokens vary.
    pub positions: Vec<usize>,
    /// How far each token turns the circle, `[position][token]`, counted from the first token; of circles that leave 0 out
    /// without the first token.
    pub turns: Vec<Vec<i64>>,
    /// Part of the variance of logits over all inputs and answers, without the mean over the answers of each input, that the
    /// sum of cosines explains.
    pub logit_fve: f64,
    /// The same for as many other frequencies, drawn at random.
    pub other_fve: Vec<f64>,
    /// Accuracy without the key frequencies: where they are taken out of the unembedding.
    pub without: f64,
    /// Accuracy without as many other frequencies, drawn at random.
    pub without_others: Vec<f64>,
    /// Of the neurons what one key frequency explains; none where the network has none, or an input of other than two tokens.
    pub neurons: Option<Neurons>,
}

/// Angles below this are taken for none: it costs half a percent of a wave.
const STRAIGHT: f64 = 0.1;

/// One cosine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Wave {
    /// k.
    pub frequency: usize,
    /// α, in logits.
    pub amplitude: f64,
    /// φ, in radians.
    pub phase: f64,
}

/// How neurons are explained by one frequency each.
#[derive(Clone, Debug, PartialEq)]
pub struct Neurons {
    /// The frequency that explains each best.
    pub frequency: Vec<usize>,
    /// The part of its variance over inputs that a polynomial of degree 2 in the cosines and sines of this frequency of both
    /// tokens explains (Nanda et al. 2023, section 4.3).
    pub explained: Vec<f64>,
    /// The variance over inputs of what each writes into the logits, summed over answers without their mean.
    pub written: Vec<f64>,
}

impl Neurons {
    /// Share of the neurons of which more than this part is explained, as Nanda et al. 2023 count it.
    pub fn above(&self, part: f64) -> f64 {
        self.share(part, &(0..self.explained.len()).collect::<Vec<_>>())
    }

    /// The same of the neurons [in use](Self::in_use).
    pub fn above_in_use(&self, part: f64) -> f64 {
        self.share(part, &self.in_use())
    }

    /// The fewest neurons that make up nearly all of what neurons write, those that write most first. A network has
    /// more neurons than it needs: the others fade under weight decay, and what shape they have left is nothing that it
    /// computes with.
    pub fn in_use(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.written.len()).collect();
        order.sort_by(|&i, &j| self.written[j].total_cmp(&self.written[i]));
        let needed = IN_USE * self.written.iter().sum::<f64>();
        let mut sum = 0.0;
        let enough = order.iter().position(|&i| {
            sum += self.written[i];
            sum >= needed
        });
        order.truncate(enough.map_or(0, |last| last + 1));
        order
    }

    fn share(&self, part: f64, some: &[usize]) -> f64 {
        some.iter().filter(|&&neuron| self.explained[neuron] > part).count() as f64 / some.len().max(1) as f64
    }
}

/// What a network says on a domain, as far as waves are concerned.
struct Observed {
    /// `[input, answer]`.
    logits: Vec<f64>,
    answers: usize,
    /// Places of tokens `[input, position]`, counted from the first that takes part.
    digits: Vec<usize>,
    counts: Vec<usize>,
    /// Numbers of the inputs that take part.
    inputs: Vec<usize>,
}

impl Waves {
    /// Reads them; `Err` says in words why there are none. `table` is what the network says on all inputs, with the point
    /// [of its neurons](Self::neurons_point) if it has any; `right` is what accuracy is measured against, `[input]`, counted
    /// from the first answer.
    pub fn read(finite: &Finite<'_>, table: &Table, right: &[usize], seed: u64) -> Result<Self, String> {
        let model = finite.model;
        let answers = finite.domain.answers.len();
        let map = match NeuronLogits::of(model) {
            Ok(map) => map,
            Err(error) => return Err(error.to_string()),
        };
        let chosen = Circle::all(answers).into_iter().filter_map(|circle| {
            let shares = Fourier::new(circle.len()).shares(&circle.sorted(&map.data, map.neurons), map.neurons);
            let key = if circle.len() < SMALL { (1..=circle.len() / 2).collect() } else { key_frequencies(&shares) };
            (!key.is_empty()).then_some((circle, key))
        });
        // Frequencies may stand out on several circles, and on small ones all are looked at: then it is the circle whose
        // waves the logits are made of.
        let logits = table.answer_logits();
        let mut best: Option<(Self, Observed, Vec<usize>)> = None;
        let mut any = false;
        for (circle, key) in chosen {
            any = true;
            let observed = Observed::of(finite, &circle, &logits);
            if observed.inputs.is_empty() {
                continue;
            }
            let waves = Self::of(&observed, circle, &key, seed);
            if best.as_ref().is_none_or(|(best, ..)| best.logit_fve < waves.logit_fve) {
                best = Some((waves, observed, key));
            }
        }
        let Some((mut waves, observed, key)) = best else {
            let why = if any {
                "no position of the input varies"
            } else {
                "no frequency stands out in the map from neurons to logits"
            };
            return Err(why.into());
        };
        waves.positions = finite.domain.free();
        let accuracy = |frequencies: &[usize]| {
            let left = without(&logits, answers, &waves.circle, frequencies);
            methods::finite::score(&left, answers, right, None).accuracy
        };
        waves.without = accuracy(&key);
        let mut random = Random::new(seed, OTHERS + 1);
        waves.without_others =
            (0..DRAWS).filter_map(|_| waves.circle.others(&key, &mut random)).map(|k| accuracy(&k)).collect();
        if let Some(activations) = Self::neurons_point(model).and_then(|post| table.activations.get(&post)) {
            waves.neurons = waves.of_neurons(&observed, activations, &map);
        }
        Ok(waves)
    }

    /// The neurons that are looked at, those of the last block.
    pub fn neurons_point(model: &dyn Model) -> Option<PointId> {
        model.spec().per_layer("mlp.post").last().copied()
    }

    fn of(observed: &Observed, circle: Circle, key: &[usize], seed: u64) -> Self {
        let m = circle.len();
        let centred = centred(&observed.logits, observed.answers, &circle);
        let z: Vec<Vec<Complex>> = key.iter().map(|&k| amplitudes(&centred, observed.answers, &circle, k)).collect();
        let by_token: Vec<Vec<Vec<Complex>>> =
            z.iter().map(|z| factors(z, &observed.digits, &observed.counts)).collect();
        let weights: Vec<f64> = z.iter().map(|z| z.iter().map(|z| size(*z)).sum::<f64>()).collect();
        let turns: Vec<Vec<i64>> = (0..observed.counts.len())
            .map(|position| {
                let token = |token: usize| {
                    let each = key.iter().zip(&weights).zip(&by_token);
                    let turned: Vec<_> = each.map(|((&k, &w), factors)| (k, w, factors[position][token])).collect();
                    place(m, &turned)
                };
                (0..observed.counts[position]).map(token).collect()
            })
            .collect();
        let n = observed.inputs.len() as f64;
        let total: f64 = centred.iter().map(|x| x * x).sum();
        let mean = |k: usize| {
            let z = amplitudes(&centred, observed.answers, &circle, k);
            let turned = z.iter().zip(observed.digits.chunks_exact(turns.len()));
            let sum = turned.fold([0.0; 2], |sum, (z, digits)| {
                let x: i64 = digits.iter().zip(&turns).map(|(&digit, turns)| turns[digit]).sum();
                let left = times(*z, conjugate(turn(m, k, x)));
                [sum[0] + left[0], sum[1] + left[1]]
            });
            [sum[0] / n, sum[1] / n]
        };
        let wave = |frequency: usize| {
            let z = mean(frequency);
            let phase = z[1].atan2(z[0]);
            let (amplitude, phase) = if phase.abs() < STRAIGHT { (z[0], 0.0) } else { (size(z), phase) };
            Wave { frequency, amplitude, phase }
        };
        // Cosines of different frequencies are orthogonal over the circle, and have a mean square of a half.
        let part = |wave: Wave| {
            let square = if 2 * wave.frequency == m { 1.0 } else { 0.5 };
            n * wave.amplitude.powi(2) * m as f64 * square / total
        };
        let fve = |frequencies: &[usize]| frequencies.iter().map(|&k| part(wave(k))).sum::<f64>();
        let mut waves: Vec<Wave> = key.iter().map(|&k| wave(k)).collect();
        waves.sort_by(|a, b| b.amplitude.total_cmp(&a.amplitude));
        let mut random = Random::new(seed, OTHERS);
        let other_fve = (0..DRAWS).filter_map(|_| circle.others(key, &mut random)).map(|others| fve(&others)).collect();
        Self {
            logit_fve: fve(key),
            other_fve,
            waves,
            positions: Vec::new(),
            turns,
            without: f64::NAN,
            without_others: Vec::new(),
            neurons: None,
            circle,
        }
    }

    /// What each wave gives to each answer, `[wave][answer]`, for tokens `[position]` counted from the first that each
    /// position may have. NaN for an answer that has no place on the circle; `None` where a token has none.
    pub fn scores(&self, tokens: &[u32]) -> Option<Vec<Vec<f64>>> {
        let skipped = usize::from(self.circle.generator.is_some());
        let turned = self.turns.iter().zip(tokens);
        let turned = turned.map(|(turns, &token)| turns.get((token as usize).checked_sub(skipped)?).copied());
        let sum: i64 = turned.sum::<Option<i64>>()?;
        let m = self.circle.len();
        let scores = |wave: &Wave| {
            let mut scores = vec![f64::NAN; m + skipped];
            for (place, &answer) in self.circle.answers.iter().enumerate() {
                let [cosine, sine] = turn(m, wave.frequency, sum - place as i64);
                scores[answer] = wave.amplitude * (cosine * wave.phase.cos() - sine * wave.phase.sin());
            }
            scores
        };
        Some(self.waves.iter().map(scores).collect())
    }

    /// How much of a frequency's cosine and sine each neuron writes into the logits, for an activation of 1: the map from
    /// neurons to logits, as waves of the answers' places. `None` where the network has no such map.
    pub fn written(&self, model: &dyn Model, frequency: usize) -> Option<Vec<[f64; 2]>> {
        let map = NeuronLogits::of(model).ok()?;
        let by_neuron: Vec<f64> =
            (0..map.neurons).flat_map(|neuron| map.data.iter().skip(neuron).step_by(map.neurons)).copied().collect();
        Some(amplitudes(&by_neuron, map.answers, &self.circle, frequency))
    }

    /// The mechanism as a program of the inputs that vary.
    pub fn program(&self, inputs: &[Input], answers: Range<u32>) -> Program {
        let named = |names: &str, i: usize| format!("{names}_{}", inputs[i].name);
        let is_plain = |turns: &[i64]| turns.iter().enumerate().all(|(token, &turn)| turn == token as i64);
        let skipped = usize::from(self.circle.generator.is_some());
        let parts: Vec<trigonometric::Part> = (0..inputs.len())
            .map(|input| {
                let turns = &self.turns[input];
                // What has no place on the circle never comes to be looked up.
                let values = std::iter::repeat_n(0, skipped).chain(turns.iter().copied()).collect();
                let labels = (skipped > 0 || inputs[input].first > 0 || !is_plain(turns))
                    .then(|| trigonometric::Labels { name: named("turn", input), values });
                trigonometric::Part { input, weight: 1, labels }
            })
            .collect();
        let wave = |wave: &Wave| trigonometric::Wave {
            frequency: wave.frequency as u32,
            amplitude: wave.amplitude,
            phase: wave.phase,
            origin: format!("unembed · blocks.0.mlp.down, frequency {}", wave.frequency),
        };
        let circle =
            trigonometric::Circle { steps: self.circle.len() as u32, waves: self.waves.iter().map(wave).collect() };
        if self.circle.generator.is_none() {
            let plain = self.circle.len() as u32;
            let mut program = circle.mechanism(inputs, &parts, None, 0..plain, MANTISSA);
            if answers.start > 0 {
                program.answer = program.answer + i64::from(answers.start);
            }
            program.answers = answers;
            return program;
        }
        let mut places = vec![0; self.circle.len()];
        self.circle.answers.iter().enumerate().for_each(|(place, &answer)| places[answer - 1] = place as i64);
        let of_answers = trigonometric::Labels { name: "place_of_answer".into(), values: places };
        let mut program = circle.mechanism(inputs, &parts, Some(&of_answers), answers.start + 1..answers.end, MANTISSA);
        let zero = |input: usize| Expr::Input(input).equals(i64::from(inputs[input].first));
        let any = (1..inputs.len()).fold(zero(0), |any, input| any | zero(input));
        program.answer = Expr::choose(any, i64::from(answers.start).into(), program.answer);
        program.answers = answers;
        program
    }

    /// Key frequencies, in the order of the waves.
    pub fn frequencies(&self) -> Vec<usize> {
        self.waves.iter().map(|wave| wave.frequency).collect()
    }

    /// Σ over answers of the square of what a neuron writes for an activation of 1, less its mean over them.
    fn spread(&self, map: &NeuronLogits, neuron: usize) -> f64 {
        let written = self.circle.answers.iter().map(|&answer| map.data[answer * map.neurons + neuron]);
        let mean = written.clone().sum::<f64>() / self.circle.len() as f64;
        written.map(|x| (x - mean).powi(2)).sum()
    }

    fn of_neurons(&self, observed: &Observed, activations: &[f64], map: &NeuronLogits) -> Option<Neurons> {
        if self.turns.len() != 2 || self.circle.len() < SMALL {
            return None;
        }
        let (m, n, neurons) = (self.circle.len(), observed.inputs.len(), map.neurons);
        // `[neuron, input]` without its mean, as nalgebra's columns are neurons.
        let mut values = DMatrix::from_fn(n, neurons, |i, j| activations[observed.inputs[i] * neurons + j]);
        for mut column in values.column_iter_mut() {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
        }
        let squares: Vec<f64> = values.column_iter().map(|column| column.norm_squared()).collect();
        let written = (0..neurons).zip(&squares).map(|(j, square)| square / n as f64 * self.spread(map, j)).collect();
        let mut best = Neurons { frequency: vec![0; neurons], explained: vec![0.0; neurons], written };
        for k in self.frequencies() {
            let waves = |position: usize, i: usize| turn(m, k, self.turns[position][observed.digits[2 * i + position]]);
            // All products of at most two of the cosines and sines; that of a sine with itself follows from the others.
            let products = |i: usize| {
                let ([a, x], [b, y]) = (waves(0, i), waves(1, i));
                [1.0, a, x, b, y, a * b, a * y, x * b, x * y, a * a, a * x, b * b, b * y]
            };
            let rows: Vec<[f64; 13]> = (0..n).map(products).collect();
            let basis = orthonormal(DMatrix::from_fn(n, 13, |i, column| rows[i][column]));
            let along = basis.transpose() * &values;
            for (j, column) in along.column_iter().enumerate() {
                let explained = if squares[j] > 0.0 { column.norm_squared() / squares[j] } else { 0.0 };
                if explained > best.explained[j] {
                    (best.frequency[j], best.explained[j]) = (k, explained);
                }
            }
        }
        Some(best)
    }
}

impl Observed {
    fn of(finite: &Finite<'_>, circle: &Circle, logits: &[f64]) -> Self {
        let (domain, answers) = (finite.domain, finite.domain.answers.len());
        let free = domain.free();
        let skipped = usize::from(circle.generator.is_some());
        let counts: Vec<usize> = free.iter().map(|&i| domain.tokens[i].len() - skipped).collect();
        let (mut kept, mut digits, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
        for (i, row) in logits.chunks_exact(answers).enumerate() {
            let input = domain.input(i as u64);
            let places: Vec<usize> = free.iter().map(|&at| (input[at] - domain.tokens[at].start) as usize).collect();
            if !free.is_empty() && places.iter().all(|&place| place >= skipped) {
                kept.extend_from_slice(row);
                digits.extend(places.iter().map(|place| place - skipped));
                inputs.push(i);
            }
        }
        Self { logits: kept, answers, digits, counts, inputs }
    }
}

/// Logits of answers on the circle without their mean for each input; what has no place on it is 0.
fn centred(logits: &[f64], answers: usize, circle: &Circle) -> Vec<f64> {
    let row = |row: &[f64]| {
        let mean = circle.answers.iter().map(|&answer| row[answer]).sum::<f64>() / circle.len() as f64;
        let mut centred = vec![0.0; answers];
        circle.answers.iter().for_each(|&answer| centred[answer] = row[answer] - mean);
        centred
    };
    logits.chunks_exact(answers).flat_map(row).collect()
}

/// Logits `[input, answer]` without some frequencies of the answer: what is left of them if these are taken out of the
/// unembedding.
fn without(logits: &[f64], answers: usize, circle: &Circle, frequencies: &[usize]) -> Vec<f64> {
    let m = circle.len();
    let mut left = logits.to_vec();
    for &k in frequencies {
        let z = amplitudes(logits, answers, circle, k);
        for (row, z) in left.chunks_exact_mut(answers).zip(z) {
            for (place, &answer) in circle.answers.iter().enumerate() {
                row[answer] -= times(z, conjugate(turn(m, k, place as i64)))[0];
            }
        }
    }
    left
}

/// Columns made orthonormal, one after another; those that follow from the ones before become zero.
fn orthonormal(mut basis: DMatrix<f64>) -> DMatrix<f64> {
    for i in 0..basis.ncols() {
        let before = basis.column(i).norm();
        for j in 0..i {
            let along = basis.column(j).dot(&basis.column(i));
            let other = basis.column(j).clone_owned();
            basis.column_mut(i).axpy(-along, &other, 1.0);
        }
        let norm = basis.column(i).norm();
        basis.column_mut(i).scale_mut(if norm > 1e-9 * before { 1.0 / norm } else { 0.0 });
    }
    basis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neurons_in_use_are_the_fewest_that_write_nearly_all() {
        let neurons = Neurons {
            frequency: vec![1; 5],
            explained: vec![0.2, 0.9, 0.95, 0.1, 0.99],
            written: vec![1e-6, 3.0, 6.0, 0.0, 1.0],
        };
        assert_eq!(neurons.in_use(), [2, 1, 4]);
        assert_eq!((neurons.above_in_use(0.85), neurons.above_in_use(0.92)), (1.0, 2.0 / 3.0));
        assert_eq!(neurons.above(0.85), 0.6);
        let idle = Neurons { written: vec![0.0; 5], ..neurons };
        assert!(idle.in_use().len() <= 1);
    }
}
