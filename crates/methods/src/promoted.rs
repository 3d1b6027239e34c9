//! What neurons say in the vocabulary: a feed-forward layer as a sum of vectors, each of which promotes some tokens
//! (Geva, Caciularu, Wang & Goldberg 2022, arXiv 2203.14680).
//!
//! A layer's output is Σ mᵢvᵢ (and a bias, where it has one): vᵢ is what neuron i writes, column i of `down`; mᵢ its
//! activation. mᵢvᵢ is a sub-update, and its size is |mᵢ|·‖vᵢ‖.

use engine::blocks::mlp::Linear;
use engine::blocks::norm::Norm;
use engine::{Capture, Error, LayerAnatomy, Logits, MlpAnatomy, Model, PointId, Result, Tensor, Vector, unembed};
use kernels::Span;

use crate::stream::rank;
use crate::{Subject, Tick};

/// The tokens that a vector promotes and those that it suppresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Promoted {
    /// `[k]`, highest scores first.
    pub top_ids: Vec<u32>,
    /// `[k]`.
    pub top_scores: Vec<f32>,
    /// `[k]`, lowest scores first.
    pub bottom_ids: Vec<u32>,
    /// `[k]`.
    pub bottom_scores: Vec<f32>,
}

/// The sub-updates of a prompt at one position.
#[derive(Clone, Debug, PartialEq)]
pub struct SubUpdates {
    /// Blocks.
    pub layers: usize,
    /// Sub-updates that are told of each layer.
    pub k: usize,
    /// `[layer, k]`: neurons, by falling size of their sub-updates.
    pub neurons: Vec<u32>,
    /// `[layer, k]`: their activations mᵢ.
    pub activations: Vec<f64>,
    /// `[layer, k]`: |mᵢ|·‖vᵢ‖.
    pub sizes: Vec<f64>,
    /// `[layer, k]`: the token that each promotes most, with its sign.
    pub promotes: Vec<u32>,
    /// `[layer, k]`: score of the reference token in each sub-update, mᵢvᵢ·e: of the eliminated token in the layer of the
    /// elimination, elsewhere of the final prediction.
    pub scores: Vec<f64>,
    /// `[layer]`: the reference token.
    pub references: Vec<u32>,
    /// `[layer]`: the likeliest token before the feed-forward layer.
    pub before: Vec<u32>,
    /// `[layer]`: the likeliest token after it.
    pub after: Vec<u32>,
    /// `[layer]`: rank, from 0, after the layer of the token that was likeliest before it.
    pub rank_after: Vec<u32>,
    /// The layer that makes the final prediction the likeliest token for good, if a feed-forward layer does.
    pub saturation: Option<usize>,
    /// The layer in which the likeliest token falls to the lowest rank, if it falls in any.
    pub elimination: Option<usize>,
    /// `[layer]`: `‖Σ mᵢvᵢ + bias − mlp_out‖ / ‖mlp_out‖`.
    pub errors: Vec<f64>,
}

/// The one feed-forward layer of a block.
fn layer<'a>(layers: &'a [LayerAnatomy<'a>], at: usize) -> Result<&'a MlpAnatomy<'a>> {
    let block = layers.get(at).ok_or_else(|| {
        Error::Input(format!("there is no layer {at}: the model has {}, 0 to {}", layers.len(), layers.len() - 1))
    })?;
    match block.mlps.as_slice() {
        [one] => Ok(one),
        [] => Err(Error::Input(format!("block {at} has no feed-forward layer, so no neurons"))),
        _ => Err(Error::Input(format!("block {at} has several experts, which write through a router"))),
    }
}

/// What neuron `neuron` of a layer promotes: the `k` highest and the `k` lowest of E·v, with E the unembedding, and if
/// `gain` is set of E·(g ⊙ v), with g the final norm's gain. Biases and the norms' scales are left out: they are the
/// same for all neurons, or not known without a prompt.
pub fn promoted_tokens(model: &dyn Model, at: usize, neuron: usize, k: usize, gain: bool) -> Result<Promoted> {
    let anatomy = model.anatomy().ok_or_else(no_neurons)?;
    let mlp = layer(&anatomy.layers, at)?;
    let (backend, down) = (&**model.backend(), &mlp.down.weight.matrix);
    if neuron >= down.ins {
        let why = format!("there is no neuron {neuron}: layer {at} has {}, 0 to {}", down.ins, down.ins - 1);
        return Err(Error::Input(why));
    }
    let written: Vec<f32> = backend.unpack(down).iter().skip(neuron).step_by(down.ins).copied().collect();
    promoted_by(model, &written, k, gain)
}

/// The same for any vector `[d_model]` that is added to the residual stream.
pub fn promoted_by(model: &dyn Model, written: &[f32], k: usize, gain: bool) -> Result<Promoted> {
    let anatomy = model.anatomy().ok_or_else(no_neurons)?;
    let (backend, vocabulary) = (&**model.backend(), anatomy.unembedding.matrix.outs);
    if !(1..=vocabulary).contains(&k) {
        return Err(Error::Input(format!("k is {k} and should be 1 to {vocabulary}, the size of the vocabulary")));
    }
    let mut written = written.to_vec();
    if let Some(gain) = anatomy.final_norm.and_then(|norm| norm.gain()).filter(|_| gain) {
        written.iter_mut().zip(gain.data.to_f32().iter()).for_each(|(v, g)| *v *= g);
    }
    let scores = backend.linear(&backend.upload_f32(&written), &anatomy.unembedding.matrix, None);
    let top = backend.top_k(&scores, vocabulary, k);
    let bottom = backend.top_k(&backend.scale(&scores, -1.0), vocabulary, k);
    Ok(Promoted {
        top_ids: top.ids,
        top_scores: top.values,
        bottom_ids: bottom.ids,
        bottom_scores: bottom.values.iter().map(|x| -x).collect(),
    })
}

fn no_neurons() -> Error {
    Error::Input("the model's neurons do not write to one residual stream".into())
}

/// What is read of a block at the position in question.
struct Places {
    neurons: PointId,
    mlp_out: PointId,
    resid_mid: Option<PointId>,
    resid_post: PointId,
    post_scale: Option<PointId>,
}

/// The sub-updates at position `pos` (negative from the end) of every layer, and what they do to the prediction.
///
/// Predictions before and after a layer are those of the logit lens, through the final norm. As the publication has it,
/// the *saturation* is where the final prediction becomes the likeliest token and stays so, and the *elimination* where
/// the likeliest token falls to the lowest rank. Where a norm follows the layer, sub-updates go through it with its
/// scale as it was. `tick` is told at each layer.
pub fn sub_updates(subject: Subject<'_>, pos: i64, k: usize, tick: Tick<'_>) -> Result<SubUpdates> {
    let model = subject.model;
    let (spec, backend) = (model.spec(), &**model.backend());
    let anatomy = model.anatomy().ok_or_else(no_neurons)?;
    let layers = anatomy.layers.len();
    let mlps = (0..layers).map(|at| layer(&anatomy.layers, at)).collect::<Result<Vec<_>>>()?;
    let row = if pos < 0 { pos + subject.tokens.len() as i64 } else { pos };
    if row < 0 || row as usize >= subject.tokens.len() {
        return Err(Error::Input(format!("there is no position {pos} in a prompt of {} tokens", subject.tokens.len())));
    }
    let least = mlps.iter().map(|mlp| mlp.down.weight.matrix.ins).min().unwrap_or(0);
    if !(1..=least).contains(&k) {
        return Err(Error::Input(format!("k is {k} and should be 1 to {least}, the neurons of a layer")));
    }
    let places = mlps
        .iter()
        .enumerate()
        .map(|(at, mlp)| {
            let named = |local: &str| spec.point(&format!("blocks.{at}.{local}"));
            Ok(Places {
                neurons: mlp.neurons,
                mlp_out: named("mlp_out").ok_or_else(no_neurons)?,
                resid_mid: named("resid_mid"),
                resid_post: named("resid_post").ok_or_else(no_neurons)?,
                post_scale: mlp.post.and_then(Norm::points).map(|(scale, _)| scale),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let wanted = places.iter().flat_map(|p| {
        [Some(p.neurons), Some(p.mlp_out), p.resid_mid, Some(p.resid_post), p.post_scale].into_iter().flatten()
    });
    let mut kept = Capture::of(wanted.collect());
    subject.run(Logits::None)?.tap(&mut kept)?;
    let read = |id: PointId| -> Vec<f64> {
        let Some(captured) = kept.get(id) else { return Vec::new() };
        let len = captured.data.len() / subject.tokens.len();
        backend.slice(&captured.data, Span { start: row as usize * len, len }).to_f64().into_owned()
    };
    let stream = |of: &dyn Fn(&Places) -> Vec<f64>| -> Vec<f64> { places.iter().flat_map(of).collect() };
    let before = stream(&|p| match p.resid_mid {
        Some(mid) => read(mid),
        None => read(p.resid_post).iter().zip(read(p.mlp_out)).map(|(after, out)| after - out).collect(),
    });
    let after = stream(&|p| read(p.resid_post));
    if after.iter().any(|x| !x.is_finite()) {
        return Err(subject.not_finite());
    }
    let lens = Lens::of(model, &before, &after, subject.vocabulary()?);
    let (saturation, elimination) = (lens.saturation(), lens.elimination());
    let mut found = SubUpdates {
        layers,
        k,
        neurons: vec![],
        activations: vec![],
        sizes: vec![],
        promotes: vec![],
        scores: vec![],
        references: vec![],
        rank_after: lens.rank_after.clone(),
        saturation,
        elimination,
        errors: vec![],
        before: lens.before.clone(),
        after: lens.after.clone(),
    };
    for (at, (mlp, place)) in mlps.iter().zip(&places).enumerate() {
        tick(at as u64, layers as u64)?;
        let written = Written::of(backend, mlp, place.post_scale.map(|id| read(id)[0]));
        let m = read(place.neurons);
        found.errors.push(written.error(&m, mlp.down, &read(place.mlp_out)));
        let sizes: Vec<f64> = m.iter().zip(&written.norms).map(|(m, norm)| m.abs() * norm).collect();
        let mut order: Vec<usize> = (0..m.len()).collect();
        order.sort_by(|&a, &b| sizes[b].total_cmp(&sizes[a]).then(a.cmp(&b)));
        order.truncate(k);
        let updates: Vec<f64> =
            order.iter().flat_map(|&n| written.column(n).map(move |v| (n, v))).map(|(n, v)| m[n] * v).collect();
        let logits = backend.linear(&backend.upload(&updates), &anatomy.unembedding.matrix, None);
        let vocabulary = anatomy.unembedding.matrix.outs;
        let reference = if elimination == Some(at) { lens.before[at] } else { lens.after[layers - 1] };
        let logits_f32 = logits.to_f32();
        found.promotes.extend(backend.top_k(&logits, vocabulary, 1).ids);
        found.scores.extend(logits_f32.chunks_exact(vocabulary).map(|row| f64::from(row[reference as usize])));
        found.references.push(reference);
        found.neurons.extend(order.iter().map(|&n| n as u32));
        found.activations.extend(order.iter().map(|&n| m[n]));
        found.sizes.extend(order.iter().map(|&n| sizes[n]));
    }
    tick(layers as u64, layers as u64)?;
    Ok(found)
}

/// What the neurons of a layer write to the stream.
struct Written {
    /// `[d_model, neurons]`.
    down: Vec<f32>,
    /// What row d is multiplied by: of a norm that follows, gain over scale.
    factors: Vec<f64>,
    /// `[neurons]`: ‖vᵢ‖.
    norms: Vec<f64>,
}

impl Written {
    fn of(backend: &dyn kernels::Backend, mlp: &MlpAnatomy<'_>, scale: Option<f64>) -> Self {
        let (down, matrix) = (backend.unpack(&mlp.down.weight.matrix), &mlp.down.weight.matrix);
        let gain = mlp.post.and_then(|norm| norm.gain()).map(|gain: &Vector| gain.data.to_f64().into_owned());
        let factors: Vec<f64> =
            (0..matrix.outs).map(|d| gain.as_ref().map_or(1.0, |g| g[d]) / scale.unwrap_or(1.0)).collect();
        let mut squares = vec![0.0; matrix.ins];
        for (row, factor) in down.chunks_exact(matrix.ins).zip(&factors) {
            squares.iter_mut().zip(row).for_each(|(sum, &v)| *sum += (f64::from(v) * factor).powi(2));
        }
        Self { down, factors, norms: squares.into_iter().map(f64::sqrt).collect() }
    }

    /// vᵢ.
    fn column(&self, neuron: usize) -> impl Iterator<Item = f64> + '_ {
        let neurons = self.norms.len();
        self.factors.iter().enumerate().map(move |(d, factor)| f64::from(self.down[d * neurons + neuron]) * factor)
    }

    /// How far the sum of sub-updates is from what the layer added.
    fn error(&self, m: &[f64], down: &Linear, mlp_out: &[f64]) -> f64 {
        let bias = down.bias.as_ref().map(|bias| bias.data.to_f64().into_owned());
        let (mut off, mut size) = (0.0, 0.0);
        for (d, row) in self.down.chunks_exact(m.len()).enumerate() {
            let sum: f64 = row.iter().zip(m).map(|(&v, m)| f64::from(v) * m).sum();
            let sum = (sum + bias.as_ref().map_or(0.0, |bias| bias[d])) * self.factors[d];
            off += (sum - mlp_out[d]).powi(2);
            size += mlp_out[d].powi(2);
        }
        (off / size).sqrt()
    }
}

/// What the stream predicts before and after every feed-forward layer.
struct Lens {
    before: Vec<u32>,
    after: Vec<u32>,
    rank_after: Vec<u32>,
}

impl Lens {
    fn of(model: &dyn Model, before: &[f64], after: &[f64], vocabulary: usize) -> Self {
        let backend = &**model.backend();
        let logits = |rows: &[f64]| unembed(model, &Tensor::constant(backend.upload(rows))).data;
        let top = |logits| backend.top_k(logits, vocabulary, 1).ids;
        let (first, second) = (logits(before), logits(after));
        let (before, after) = (top(&first), top(&second));
        let ranks = second.to_f32();
        let rank_after = ranks.chunks_exact(vocabulary).zip(&before).map(|(row, &id)| rank(row, id) as u32).collect();
        Self { before, after, rank_after }
    }

    fn saturation(&self) -> Option<usize> {
        let last = *self.after.last()?;
        // The first layer from which on the final prediction stands first after every feed-forward layer.
        let from = self.after.iter().rposition(|&id| id != last).map_or(0, |other| other + 1);
        (self.before[from] != last).then_some(from)
    }

    fn elimination(&self) -> Option<usize> {
        let (at, &rank) = self.rank_after.iter().enumerate().max_by_key(|&(at, rank)| (rank, usize::MAX - at))?;
        (rank > 0).then_some(at)
    }
}
