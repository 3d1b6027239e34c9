//! The two circuits of an attention head, read from weights alone (Elhage et al. 2021, "A Mathematical Framework for
//! Transformer Circuits"): QK, which tells what looks at what, and OV, which tells what is then written.

use engine::blocks::norm::Norm;
use engine::{Anatomy, AttentionAnatomy, Batch, Error, Graph, Model, Result, Tensor, Weight};
use kernels::{Backend, NormKind};
use nalgebra::{DMatrix, Schur};

use crate::Tick;
use crate::composition::{Baseline, Compositions, Factors, baseline, compositions};
use crate::pairs::{Pair, largest_pairs};
use crate::place::{anatomy, dot, linear_part};

/// What [`head_circuits`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadCircuits {
    /// `[k]`: destination (left) and source (right) tokens with the highest scores of the QK circuit.
    pub looks: Vec<Pair>,
    /// `[k]`: source (left) and output (right) tokens with the highest scores of the OV circuit.
    pub writes: Vec<Pair>,
    /// Σλ / Σ|λ| over the eigenvalues λ of the OV circuit from tokens to tokens: 1 if all are positive, so that tokens
    /// raise themselves; −1 if all are negative. 0 of a circuit that is zero.
    pub copying: f64,
    /// Positions whose scores were computed.
    pub positions: usize,
    /// `[pos/dst, pos/src]`: the score that positions alone give, see [`head_circuits`]; NaN where `src` is behind.
    pub positional: Vec<f64>,
    /// How the head composes with those of earlier layers, less the baseline.
    pub compositions: Compositions,
    /// What random matrices give.
    pub baseline: Baseline,
}

/// How [`head_circuits`] is asked.
#[derive(Clone, Copy, Debug)]
pub struct CircuitOptions {
    /// Pairs of tokens to give.
    pub k: usize,
    /// Positions to compute the positional part for, at most what the model was made for.
    pub positions: usize,
    /// Random draws for the baseline of compositions.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// The circuits of one head. Query head `h` reads key/value head `h / group`.
///
/// A norm's linear part (its gain, and the removal of the mean where it does that) is applied in each circuit where the
/// network applies it: on what the head reads, on what it writes if the layer has a norm there, and before the
/// unembedding. Divisors depend on the whole stream, and biases on no token: both are left out, and so are norms of q and
/// k. Tokens are read as the embedding gives them, with its factor if it has one, and scores of QK carry the head's usual
/// factor (`1/√d_head`).
///
/// The positional part: of learned positions, their own QK scores, computed as those of tokens. Of rotations, the score
/// of one query with one key at each distance, those of the mean embedding after the norm, biases included; where no
/// rotation is, zeros. Scores of token pairs are those at distance 0, where rotations cancel.
pub fn head_circuits(
    model: &dyn Model,
    layer: usize,
    head: usize,
    options: CircuitOptions,
    tick: Tick<'_>,
) -> Result<HeadCircuits> {
    // Each of the two searches is a third of the way, the rest another.
    const PART: u64 = 1000;
    let (anatomy, backend) = (anatomy(model)?, &**model.backend());
    let vocabulary = anatomy.embedding.matrix.outs;
    check(&anatomy, layer, head, options.k, vocabulary)?;
    let circuit = Circuit::of(&anatomy, layer, head, backend);
    let width = circuit.q.nrows();
    let part = |done: u64, of: u64| done * PART / of.max(1);
    let of_tokens = |rows: &DMatrix<f64>, matrix: &Weight| tokens(rows, matrix, backend);
    tick(0, 3 * PART)?;
    let embedded = |rows: &DMatrix<f64>| of_tokens(&(rows * anatomy.embed_scale), anatomy.embedding);
    let (queries, keys) = (embedded(&(&circuit.q * circuit.scale)), embedded(&circuit.k));
    let looks =
        largest_pairs(backend, &queries, &keys, width, options.k, &mut |done, of| tick(part(done, of), 3 * PART))?;
    drop((queries, keys));
    let read = embedded(&circuit.v);
    let written = of_tokens(&final_part(&anatomy, &circuit.o.transpose()), anatomy.unembedding);
    let mut along = |done, of| tick(PART + part(done, of), 3 * PART);
    let writes = largest_pairs(backend, &read, &written, width, options.k, &mut along)?;
    let copying = copying(&read, &written, width);
    drop((read, written));
    let positions = options.positions.min(model.spec().sizes.n_ctx.unwrap_or(usize::MAX)).max(1);
    let positional = circuit.positional(&anatomy, layer, positions, backend)?;
    let steps = (layer + options.draws) as u64;
    let mut along = |done| tick(2 * PART + part(done, steps), 3 * PART);
    let baseline = baseline(width, model.spec().sizes.d_model, options.draws, options.seed, &mut along)?;
    let mut along = |done| tick(2 * PART + part(options.draws as u64 + done, steps), 3 * PART);
    let earlier = (0..layer).map(|i| earlier(&anatomy, i, backend));
    let compositions = compositions(&circuit.factors(), earlier, baseline.mean, &mut along)?;
    tick(3 * PART, 3 * PART)?;
    Ok(HeadCircuits { looks, writes, copying, positions, positional, compositions, baseline })
}

fn check(anatomy: &Anatomy<'_>, layer: usize, head: usize, k: usize, vocabulary: usize) -> Result<()> {
    let wrong = |why: String| Err(Error::Input(why));
    let layers = anatomy.layers.len();
    let Some(found) = anatomy.layers.get(layer) else {
        return wrong(format!("there is no layer {layer}: the model has {layers}, 0 to {}", layers.saturating_sub(1)));
    };
    let heads = found.attention.plan.heads;
    if head >= heads {
        return wrong(format!("there is no head {head}: the layer has {heads}, 0 to {}", heads - 1));
    }
    if !(1..=vocabulary).contains(&k) {
        return wrong(format!("k is {k} and should be 1 to {vocabulary}, the size of the vocabulary"));
    }
    Ok(())
}

/// The matrices of a head, with the linear parts of the norms around it.
struct Circuit {
    /// `[d_head, d_model]`.
    q: DMatrix<f64>,
    /// `[d_head, d_model]`.
    k: DMatrix<f64>,
    /// `[d_head, d_model]`.
    v: DMatrix<f64>,
    /// `[d_model, d_head]`.
    o: DMatrix<f64>,
    /// What q·k is multiplied by.
    scale: f64,
    head: usize,
    kv_head: usize,
}

impl Circuit {
    fn of(anatomy: &Anatomy<'_>, layer: usize, head: usize, backend: &dyn Backend) -> Self {
        let attention = &anatomy.layers[layer].attention;
        let plan = attention.plan;
        let kv_head = head / (plan.heads / plan.kv_heads);
        let reading = |weight: &Weight, head: usize| {
            let whole = rows_of(weight, backend);
            let rows = whole.rows(head * plan.d_head, plan.d_head).into_owned();
            with_norm_before(attention.norm, rows)
        };
        Self {
            q: reading(&attention.q.weight, head),
            k: reading(&attention.k.weight, kv_head),
            v: reading(&attention.v.weight, kv_head),
            o: writing(attention, backend).columns(head * plan.d_head, plan.d_head).into_owned(),
            scale: plan.scale,
            head,
            kv_head,
        }
    }

    fn factors(&self) -> Factors<'_> {
        Factors { q: &self.q, k: &self.k, v: &self.v, o: &self.o }
    }

    /// `[pos/dst, pos/src]`: scores of positions alone, NaN where the source is behind.
    fn positional(&self, anatomy: &Anatomy<'_>, layer: usize, n: usize, backend: &dyn Backend) -> Result<Vec<f64>> {
        let attention = &anatomy.layers[layer].attention;
        let scores = if let Some(positions) = anatomy.positions {
            let ids: Vec<u32> = (0..n as u32).collect();
            let rows = backend.gather(&positions.matrix, &ids).to_f64().into_owned();
            let vectors = DMatrix::from_row_slice(n, self.q.ncols(), &rows);
            (&vectors * self.q.transpose()) * (&vectors * self.k.transpose()).transpose() * self.scale
        } else if let Some(rope) = attention.plan.rope {
            let (q, k) = self.mean_query_and_key(anatomy, attention, backend);
            // Queries at every position, and the key at the first.
            let batch = Batch::one(&vec![0; n])?;
            let angles = anatomy.ropes[rope].angles(backend, &batch);
            let rotated = |x: &[f64]| {
                let rows = Tensor::constant(backend.upload(&x.repeat(n)));
                Graph::new(backend).rope(&rows, &angles, 1, x.len()).data.to_f64().into_owned()
            };
            let (queries, keys) = (rotated(&q), rotated(&k));
            let by_distance: Vec<f64> =
                queries.chunks_exact(q.len()).map(|query| dot(query, &keys[..k.len()]) * self.scale).collect();
            DMatrix::from_fn(n, n, |dst, src| by_distance[dst.saturating_sub(src)])
        } else {
            DMatrix::zeros(n, n)
        };
        Ok((0..n * n).map(|i| if i % n > i / n { f64::NAN } else { scores[(i / n, i % n)] }).collect())
    }

    /// Query and key of the mean embedding after the norm.
    fn mean_query_and_key(
        &self,
        anatomy: &Anatomy<'_>,
        attention: &AttentionAnatomy<'_>,
        backend: &dyn Backend,
    ) -> (Vec<f64>, Vec<f64>) {
        let vocabulary = anatomy.embedding.matrix.outs;
        let each = backend.upload(&vec![anatomy.embed_scale / vocabulary as f64; vocabulary]);
        let mean = backend.linear_dx(&each, &anatomy.embedding.matrix);
        let width = mean.len();
        let read = attention.norm.map_or_else(
            || mean.clone(),
            |norm| {
                let (gain, bias) = (norm.gain().map(|v| &*v.data), norm.bias().map(|v| &*v.data));
                backend.norm(&mean, gain, bias, width, norm.plan().kind, norm.plan().eps)
            },
        );
        let of = |linear: &engine::blocks::mlp::Linear, head: usize| {
            let all = backend.linear(&read, &linear.weight.matrix, linear.bias.as_ref().map(|bias| &*bias.data));
            all.to_f64()[head * self.q.nrows()..][..self.q.nrows()].to_vec()
        };
        (of(attention.q, self.head), of(attention.k, self.kv_head))
    }
}

/// Values and outputs of every head of an earlier layer, as later layers meet them: for each query head v
/// `[d_head, d_model]` and o `[d_model, d_head]`.
fn earlier(anatomy: &Anatomy<'_>, layer: usize, backend: &dyn Backend) -> Vec<(DMatrix<f64>, DMatrix<f64>)> {
    let attention = &anatomy.layers[layer].attention;
    let plan = attention.plan;
    let (group, d_head) = (plan.heads / plan.kv_heads, plan.d_head);
    let v = with_norm_before(attention.norm, rows_of(&attention.v.weight, backend));
    let o = writing(attention, backend);
    let one = |head: usize| {
        (v.rows(head / group * d_head, d_head).into_owned(), o.columns(head * d_head, d_head).into_owned())
    };
    (0..plan.heads).map(one).collect()
}

/// A weight `[outs, ins]`.
fn rows_of(weight: &Weight, backend: &dyn Backend) -> DMatrix<f64> {
    let values = backend.unpack(&weight.matrix);
    DMatrix::from_row_iterator(weight.matrix.outs, weight.matrix.ins, values.into_iter().map(f64::from))
}

/// Rows `[_, d_model]` that read the stream through the linear part of a norm: what they do to the stream itself.
fn with_norm_before(norm: Option<&Norm>, mut rows: DMatrix<f64>) -> DMatrix<f64> {
    let Some(norm) = norm else { return rows };
    if let Some(gain) = norm.gain() {
        let gain = gain.data.to_f64();
        rows.column_iter_mut().zip(gain.iter()).for_each(|(mut column, gain)| column *= *gain);
    }
    if norm.plan().kind == NormKind::Layer {
        let means: Vec<f64> = rows.row_iter().map(|row| row.mean()).collect();
        rows.row_iter_mut().zip(means).for_each(|(mut row, mean)| row.add_scalar_mut(-mean));
    }
    rows
}

/// What all heads of a layer write, `[d_model, heads · d_head]`, through the linear part of the norm behind it.
fn writing(attention: &AttentionAnatomy<'_>, backend: &dyn Backend) -> DMatrix<f64> {
    let mut o = rows_of(&attention.o.weight, backend);
    let Some(norm) = attention.post else { return o };
    if norm.plan().kind == NormKind::Layer {
        o.column_iter_mut().for_each(|mut column| {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
        });
    }
    if let Some(gain) = norm.gain() {
        let gain = gain.data.to_f64();
        o.row_iter_mut().zip(gain.iter()).for_each(|(mut row, gain)| row *= *gain);
    }
    o
}

/// Rows `[_, d_model]` that are written to the stream, as the linear part of the final norm gives them to the unembedding.
fn final_part(anatomy: &Anatomy<'_>, rows: &DMatrix<f64>) -> DMatrix<f64> {
    let Some(norm) = anatomy.final_norm else { return rows.clone() };
    let each = rows.row_iter().flat_map(|row| linear_part(norm, 1.0, &row.iter().copied().collect::<Vec<_>>()));
    DMatrix::from_row_iterator(rows.nrows(), rows.ncols(), each)
}

/// Every token's product with rows `[d_head, d_model]`: `[d_vocab, d_head]`.
fn tokens(rows: &DMatrix<f64>, matrix: &Weight, backend: &dyn Backend) -> Vec<f32> {
    let x: Vec<f64> = rows.row_iter().flat_map(|row| row.iter().copied().collect::<Vec<_>>()).collect();
    let (width, vocabulary) = (rows.nrows(), matrix.matrix.outs);
    let products = backend.linear(&backend.upload(&x), &matrix.matrix, None);
    let products = products.to_f32();
    (0..vocabulary * width).map(|i| products[i % width * vocabulary + i / width]).collect()
}

/// Σλ / Σ|λ| of the matrix `[d_vocab, d_vocab]` whose factors are `read` and `written`, each `[d_vocab, d_head]`. Its
/// eigenvalues other than 0 are those of the product of the factors the other way round, `[d_head, d_head]`.
fn copying(read: &[f32], written: &[f32], width: usize) -> f64 {
    const AT_ONCE: usize = 4096;
    let mut product = DMatrix::<f64>::zeros(width, width);
    for (read, written) in read.chunks(AT_ONCE * width).zip(written.chunks(AT_ONCE * width)) {
        let matrix =
            |values: &[f32]| DMatrix::from_iterator(width, values.len() / width, values.iter().map(|&x| f64::from(x)));
        product.gemm(1.0, &matrix(written), &matrix(read).transpose(), 1.0);
    }
    let Some(schur) = Schur::try_new(product, f64::EPSILON, 100 * width.max(10)) else { return f64::NAN };
    let eigenvalues = schur.complex_eigenvalues();
    let (sum, sizes) = eigenvalues.iter().fold((0.0, 0.0), |(sum, sizes), x| (sum + x.re, sizes + x.norm()));
    if sizes == 0.0 { 0.0 } else { sum / sizes }
}
