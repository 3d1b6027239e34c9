//! Direct logit attribution: how much each part of the network adds to a logit.

use engine::blocks::mlp::Linear;
use engine::blocks::norm::Norm;
use engine::{Anatomy, Error, Graph, PointId, Result, Tensor};

use crate::place::{Place, dot, through};
use crate::{Subject, Tick};

/// What [`direct_logit`] finds. Contributions are in logits; they sum to [`logit`](Self::logit) up to rounding.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectLogit {
    /// The token whose logit it is.
    pub token: u32,
    /// The token whose logit is taken away, if any.
    pub against: Option<u32>,
    /// The position.
    pub position: usize,
    /// The logit, or the difference of two, before a soft cap.
    pub logit: f64,
    /// What the final norm divides by at that position; 1 without a final norm.
    pub scale: f64,
    /// Query heads of a layer.
    pub n_heads: usize,
    /// From the embedding.
    pub embed: f64,
    /// From the learned position; 0 where there is none.
    pub pos_embed: f64,
    /// `[layer, head]`.
    pub heads: Vec<f64>,
    /// `[layer]`: from biases of the attention layer's output.
    pub attention_biases: Vec<f64>,
    /// `[layer]`: from feed-forward layers with their biases; 0 where there is none.
    pub mlps: Vec<f64>,
    /// From the biases of the final norm and of the unembedding: the same whatever the prompt.
    pub bias: f64,
    /// From whatever else the stream holds: what edits of the stream itself put there. Without such edits it is rounding.
    pub other: f64,
    /// The neurons that contribute most, either way, in falling order of size.
    pub neurons: Vec<NeuronShare>,
}

/// What one neuron adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeuronShare {
    /// Its layer.
    pub layer: usize,
    /// Its number.
    pub neuron: usize,
    /// Its activation.
    pub activation: f64,
    /// What it adds.
    pub contribution: f64,
}

impl DirectLogit {
    /// The sum of all contributions but the neurons', which are part of their layers'.
    pub fn sum(&self) -> f64 {
        let each = [&self.heads, &self.attention_biases, &self.mlps].into_iter().flatten().sum::<f64>();
        self.embed + self.pos_embed + each + self.bias + self.other
    }
}

/// Splits the logit of `token` (the likeliest if not given), or its difference to that of `against`, at a position into
/// what each part of the network writes to the residual stream there (Elhage et al. 2021, "A Mathematical Framework for
/// Transformer Circuits"; direct logit attribution in TransformerLens). The final norm, and norms on what a layer writes,
/// divide by what they divided by in this pass, which makes them linear. `neurons`: how many single neurons to give, of
/// layers that are no mixture of experts.
///
/// Edits that act behind the last block are an error: they change no contribution.
pub fn direct_logit(
    subject: Subject<'_>,
    token: Option<u32>,
    against: Option<u32>,
    pos: i64,
    neurons: usize,
    tick: Tick<'_>,
) -> Result<DirectLogit> {
    let (model, spec) = (subject.model, subject.model.spec());
    let (anatomy, position) = (subject.anatomy()?, subject.position(pos)?);
    let backend = &**model.backend();
    let points = Points::of(subject)?;
    let place = Place::of(subject, position, points.all(neurons > 0, &anatomy), tick)?;
    let resid = place.row(points.last).unwrap_or_default();
    let logits = before_cap(subject, &anatomy, resid);
    if logits.iter().any(|x| !x.is_finite()) {
        return Err(subject.not_finite());
    }
    let likeliest = || (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a))).unwrap_or(0);
    let token = token.unwrap_or_else(|| likeliest() as u32);
    if let Some(id) = [Some(token), against].into_iter().flatten().find(|&id| id as usize >= logits.len()) {
        return Err(Error::Input(format!("there is no token {id}: the vocabulary has {}", logits.len())));
    }
    let difference = |of: &dyn Fn(u32) -> f64| of(token) - against.map_or(0.0, of);
    let row = |id: u32| backend.gather(&anatomy.unembedding.matrix, &[id]).to_f64().into_owned();
    let mut unembedding = row(token);
    if let Some(against) = against {
        unembedding.iter_mut().zip(row(against)).for_each(|(x, y)| *x -= y);
    }
    let scale = divisor(anatomy.final_norm, resid, subject);
    let (direction, mut bias) = through(anatomy.final_norm, scale, &unembedding);
    if let Some(added) = anatomy.unembedding_bias {
        let added = added.data.to_f64();
        bias += difference(&|id| added[id as usize]);
    }
    let from = |id: Option<PointId>| place.row(id).map_or(0.0, |row| dot(&direction, row));
    let n_heads = anatomy.layers.iter().map(|layer| layer.attention.plan.heads).max().unwrap_or(0);
    let mut found = DirectLogit {
        token,
        against,
        position,
        logit: difference(&|id| logits[id as usize]),
        scale,
        n_heads,
        embed: from(points.embed),
        pos_embed: from(points.pos_embed),
        heads: vec![0.0; anatomy.layers.len() * n_heads],
        attention_biases: vec![],
        mlps: points.mlp_out.iter().map(|&id| from(id)).collect(),
        bias,
        other: 0.0,
        neurons: vec![],
    };
    for (i, layer) in anatomy.layers.iter().enumerate() {
        let attention = &layer.attention;
        let (before, constant) = behind(attention.post, &place, &direction);
        let results = place.row(points.result[i]).unwrap_or_default();
        for (head, result) in results.chunks_exact(spec.sizes.d_model).enumerate() {
            found.heads[i * n_heads + head] = dot(&before, result);
        }
        found.attention_biases.push(constant + of_bias(attention.o, &before));
        if let ([mlp], true) = (layer.mlps.as_slice(), neurons > 0) {
            let before = behind(mlp.post, &place, &direction).0;
            let written = backend.linear_dx(&backend.upload(&before), &mlp.down.weight.matrix).to_f64().into_owned();
            let activations = place.row(Some(mlp.neurons)).unwrap_or_default();
            found.neurons.extend(written.iter().zip(activations).enumerate().map(|(neuron, (w, &activation))| {
                NeuronShare { layer: i, neuron, activation, contribution: w * activation }
            }));
        }
    }
    found.other = dot(&direction, resid) + bias - found.sum();
    found.neurons.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    found.neurons.truncate(neurons);
    Ok(found)
}

/// The logits that a row of the stream after the last block leads to, without a soft cap.
fn before_cap(subject: Subject<'_>, anatomy: &Anatomy<'_>, resid: &[f64]) -> Vec<f64> {
    let backend = &**subject.model.backend();
    let row = Tensor::constant(backend.upload(resid));
    let normed = anatomy.final_norm.map_or_else(|| row.clone(), |norm| norm.apply(&mut Graph::new(backend), &row));
    let bias = anatomy.unembedding_bias.map(|bias| &*bias.data);
    backend.linear(&normed.data, &anatomy.unembedding.matrix, bias).to_f64().into_owned()
}

/// What a norm divides a row by.
fn divisor(norm: Option<&Norm>, row: &[f64], subject: Subject<'_>) -> f64 {
    let backend = &**subject.model.backend();
    norm.map_or(1.0, |norm| {
        let plan = norm.plan();
        backend.norm_scale(&backend.upload(row), row.len(), plan.kind, plan.eps).to_f64()[0]
    })
}

/// A direction of the stream before the norm on what a layer writes to it, and what that norm's bias adds.
fn behind(norm: Option<&Norm>, place: &Place, direction: &[f64]) -> (Vec<f64>, f64) {
    let scale = place.row(norm.and_then(Norm::points).map(|(scale, _)| scale)).map_or(1.0, |row| row[0]);
    through(norm, scale, direction)
}

/// What the bias of a layer's output adds.
fn of_bias(output: &Linear, direction: &[f64]) -> f64 {
    output.bias.as_ref().map_or(0.0, |bias| dot(direction, &bias.data.to_f64()))
}

/// Where parts of the network write to the stream; `None` where a layer lacks the part.
struct Points {
    embed: Option<PointId>,
    pos_embed: Option<PointId>,
    result: Vec<Option<PointId>>,
    mlp_out: Vec<Option<PointId>>,
    last: Option<PointId>,
}

impl Points {
    fn of(subject: Subject<'_>) -> Result<Self> {
        let spec = subject.model.spec();
        let each = |local: &str| (0..spec.sizes.n_layers).map(|i| spec.point(&format!("blocks.{i}.{local}"))).collect();
        let last = spec.per_layer("resid_post").last().copied();
        let last =
            last.ok_or_else(|| Error::Input("the model has no residual stream (no point `resid_post`)".into()))?;
        for edit in subject.edits {
            if let Some(late) = edit.point.resolve(spec)?.into_iter().find(|&id| id > last) {
                let name = &spec.points[late.index()].name;
                let why = format!("an edit at `{name}` is behind all that adds to a logit: leave it out");
                return Err(Error::Input(why));
            }
        }
        Ok(Self {
            embed: spec.point("embed"),
            pos_embed: spec.point("pos_embed"),
            result: each("attn.result"),
            mlp_out: each("mlp_out"),
            last: Some(last),
        })
    }

    /// All of them, the divisors of norms on what layers write and, if wanted, neurons.
    fn all(&self, neurons: bool, anatomy: &Anatomy<'_>) -> Vec<PointId> {
        let mut all: Vec<PointId> = [self.embed, self.pos_embed, self.last].into_iter().flatten().collect();
        all.extend(self.result.iter().chain(&self.mlp_out).flatten());
        for layer in &anatomy.layers {
            let norms = layer.mlps.iter().map(|mlp| mlp.post).chain([layer.attention.post]);
            all.extend(norms.flatten().filter_map(Norm::points).map(|(scale, _)| scale));
            if let ([mlp], true) = (layer.mlps.as_slice(), neurons) {
                all.push(mlp.neurons);
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}
