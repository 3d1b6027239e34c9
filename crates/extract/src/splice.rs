//! A program put back into the network that it came from, in place of its mechanism.

use engine::{Array, ByInput, Domain, Edit, Model, PointId, Spec};
use methods::Tick;
use methods::finite::{Finite, Over, Table};
use serde::Serialize;

use crate::program::Program;
use crate::{Error, Result};

/// More inputs than this are not run through a program one by one.
const MOST: u64 = 1 << 24;

/// What stands for a program's answers where the network computed with its mechanism: at the last position, behind all
/// blocks.
///
/// The row of an answer is the mean of the network's own activation over all inputs to which the program gives it. Of all
/// that depends on the answer alone this is nearest to the network, by least squares; how near is told by
/// [`Splice::explained`].
#[derive(Clone, Debug, PartialEq)]
pub struct Splice {
    /// The point.
    pub point: String,
    /// `[answer, ...]`, counted from the first answer; zeros for answers that are never given.
    pub rows: Array,
    /// The part of the activation's variance over inputs that the rows explain.
    pub explained: f64,
}

/// A network with a program in it, beside the network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spliced {
    /// Where the program is: an edit `POINT[pos=-1]=program:DIR` puts it there.
    pub point: String,
    /// The part of the activation's variance over inputs that follows from the program's answer.
    pub explained: f64,
    /// Inputs that the network answers as before.
    pub agree_network: u64,
    /// Share of inputs that the network answers as it should be; none where that is not known.
    pub accuracy_before: Option<f64>,
    /// The same with the program in it.
    pub accuracy_after: Option<f64>,
    /// The network's mean cross entropy, in nats, over the whole vocabulary; none where the right answers are not known.
    pub loss_before: Option<f64>,
    /// The same with the program in it.
    pub loss_after: Option<f64>,
    /// Parameters of the network.
    pub parameters_before: u64,
    /// Those that are still needed, which lie behind the point, and the rows.
    pub parameters_after: u64,
    /// Bytes of the parameters, 4 each.
    pub bytes_before: u64,
    /// The same with the program in it, and the program's own.
    pub bytes_after: u64,
    /// Nanoseconds of the network for one input by itself, measured.
    pub ns_before: Option<f64>,
    /// Nanoseconds with the program in it: the sum of two measurements, the compiled program and the unembedding of one row
    /// with the engine.
    pub ns_after: Option<f64>,
    /// Nanoseconds of the compiled program for an input.
    pub ns_program: Option<f64>,
    /// Nanoseconds of the unembedding of one row.
    pub ns_unembedding: Option<f64>,
}

impl Splice {
    /// Where a program is put: behind the last block.
    pub fn point(model: &dyn Model) -> Option<PointId> {
        model.spec().per_layer("resid_post").last().copied()
    }

    /// What stands for the answers of a program at a point; `table` is of all inputs, and has the point.
    pub fn of(program: &Program, finite: &Finite<'_>, point: PointId, table: &Table) -> Result<Self> {
        let chosen = chosen(program, finite.domain)?;
        let of = &finite.model.spec().points[point.index()];
        let (answers, width) = (program.answers.len(), of.width());
        let values = &table.activations[&point];
        let mut sums = vec![0.0; answers * width];
        let mut counts = vec![0_u32; answers];
        for (row, &answer) in values.chunks_exact(width).zip(&chosen) {
            counts[answer as usize] += 1;
            sums[answer as usize * width..].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        for (sums, &count) in sums.chunks_exact_mut(width).zip(&counts) {
            for sum in sums {
                *sum /= f64::from(count.max(1));
            }
        }
        let explained = explained(values, &sums, &chosen, width);
        let mut shape = vec![answers];
        shape.extend(of.axes.iter().filter_map(|(_, len)| *len));
        let rows = Array { axes: None, shape, data: sums.iter().map(|&x| x as f32).collect() };
        Ok(Self { point: of.name.clone(), rows, explained })
    }

    /// The network with the program in it, after one pass over all inputs. `table` is the network without, `right`
    /// `[input]` are right answers, counted from the first. The times are left to be measured.
    pub fn measured(
        &self,
        program: &Program,
        finite: &Finite<'_>,
        table: &Table,
        right: Option<&[usize]>,
        tick: Tick<'_>,
    ) -> Result<Spliced> {
        let spec = finite.model.spec();
        let mut edit: Edit = format!("{}[pos=-1]=program:DIR", self.point).parse()?;
        edit.load_by_input::<Error>(spec, |_| by_input(program, finite.domain, &self.rows))?;
        let edits: Vec<Edit> = finite.edits.iter().cloned().chain([edit]).collect();
        let after = Finite { edits: &edits, ..*finite }.table(&[], tick)?;
        let agree = table.given().iter().zip(after.given()).filter(|(before, after)| *before == after).count();
        let score = |table: &Table, over| right.map(|right| table.score(right, None, over));
        let accuracy = |table: &Table| score(table, Over::Answers).map(|score| score.accuracy);
        let loss = |table: &Table| score(table, Over::Vocabulary).map(|score| score.loss);
        let parameters_after = needed(finite.model) + self.rows.data.len() as u64;
        Ok(Spliced {
            point: self.point.clone(),
            explained: self.explained,
            agree_network: agree as u64,
            accuracy_before: accuracy(table),
            accuracy_after: accuracy(&after),
            loss_before: loss(table),
            loss_after: loss(&after),
            parameters_before: spec.parameter_count(),
            parameters_after,
            bytes_before: 4 * spec.parameter_count(),
            bytes_after: 4 * parameters_after + program.cost().bits.div_ceil(8),
            ns_before: None,
            ns_after: None,
            ns_program: None,
            ns_unembedding: None,
        })
    }
}

/// A program's answers to all inputs of a network, with what stands for each: `rows` `[answer, ...]`.
pub fn by_input(program: &Program, domain: &Domain, rows: &Array) -> Result<ByInput> {
    let answers = program.answers.len();
    if rows.shape.first() != Some(&answers) {
        let shape = &rows.shape;
        return Err(Error::Domain(format!(
            "the program has {answers} answers, and the rows for them have shape {shape:?}"
        )));
    }
    Ok(ByInput::new(domain.clone(), chosen(program, domain)?, rows)?)
}

/// The answer to each input of a domain, counted from the program's first.
fn chosen(program: &Program, domain: &Domain) -> Result<Vec<u32>> {
    let free = domain.free();
    let same = |(input, &at): (&crate::Input, &usize)| input.tokens() == domain.tokens[at];
    if program.inputs.len() != free.len() || !program.inputs.iter().zip(&free).all(same) {
        return Err(Error::Domain(
            "the program was taken out of a network that was made for other inputs than this one".into(),
        ));
    }
    program.check()?;
    let count = domain.len().filter(|&count| count <= MOST);
    let count =
        count.ok_or_else(|| Error::Domain(format!("there are more than {MOST} inputs to run the program on")))?;
    let answer = |i: u64| {
        let input = domain.input(i);
        let tokens: Vec<u32> = free.iter().map(|&at| input[at]).collect();
        Ok(program.run(&tokens)? - program.answers.start)
    };
    (0..count).map(answer).collect()
}

/// The part of the variance of values `[input, width]` that means `[answer, width]` explain.
fn explained(values: &[f64], means: &[f64], chosen: &[u32], width: usize) -> f64 {
    let n = chosen.len() as f64;
    let mut mean = vec![0.0; width];
    for row in values.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / n);
    }
    let (mut total, mut left) = (0.0, 0.0);
    for (row, &answer) in values.chunks_exact(width).zip(chosen) {
        let own = &means[answer as usize * width..][..width];
        total += row.iter().zip(&mean).map(|(x, mean)| (x - mean).powi(2)).sum::<f64>();
        left += row.iter().zip(own).map(|(x, mean)| (x - mean).powi(2)).sum::<f64>();
    }
    if total > 0.0 { 1.0 - left / total } else { 0.0 }
}

/// Parameters that lie behind all blocks: of the last norm and the unembedding; all where the parts are not known.
fn needed(model: &dyn Model) -> u64 {
    let spec: &Spec = model.spec();
    let Some(anatomy) = model.anatomy() else { return spec.parameter_count() };
    let matrix = &anatomy.unembedding.matrix;
    let bias = anatomy.unembedding_bias.map_or(0, |bias| bias.data.len());
    let norm = anatomy
        .final_norm
        .map_or(0, |norm| [norm.gain(), norm.bias()].into_iter().flatten().map(|vector| vector.data.len()).sum());
    (matrix.outs * matrix.ins + bias + norm) as u64
}
