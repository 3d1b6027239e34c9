//! How active neurons are over a text, and where in a longer text one is most active.

use std::collections::BTreeMap;

use engine::{Batch, Closure, Error, Logits, PointId, Result, Run};

use crate::{Subject, Tick};

/// Neurons of a layer over a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Activations {
    /// The neurons.
    pub neurons: Vec<usize>,
    /// `[neuron, pos]`.
    pub data: Vec<f32>,
}

/// Activations of one neuron of a layer, or of the `k` whose activation is largest in magnitude somewhere in the prompt,
/// the largest first. `tick` is told at the start, and when the layer is reached.
pub fn activations(
    subject: Subject<'_>,
    layer: usize,
    neuron: Option<usize>,
    k: usize,
    tick: Tick<'_>,
) -> Result<Activations> {
    let place = Place::of(subject, layer, neuron)?;
    tick(0, 2)?;
    let mut rows = Vec::new();
    let mut tap = Closure::at(vec![place.id], |seen| {
        tick(1, 2)?;
        rows = seen.tensor.data.to_f32().into_owned();
        Ok(None)
    });
    subject.run(Logits::None)?.tap(&mut tap)?;
    if rows.iter().any(|x| !x.is_finite()) {
        return Err(subject.not_finite());
    }
    let of = |neuron: usize| rows.iter().skip(neuron).step_by(place.neurons);
    let neurons = neuron.map_or_else(
        || {
            let peaks: Vec<f32> =
                (0..place.neurons).map(|neuron| of(neuron).fold(0.0, |peak, x| x.abs().max(peak))).collect();
            let mut order: Vec<usize> = (0..place.neurons).collect();
            order.sort_by(|&a, &b| peaks[b].total_cmp(&peaks[a]).then(a.cmp(&b)));
            order.truncate(k);
            order
        },
        |neuron| vec![neuron],
    );
    let data = neurons.iter().flat_map(|&neuron| of(neuron).copied()).collect();
    Ok(Activations { neurons, data })
}

/// Where a neuron is most active in a text that was read in pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct Strongest {
    /// The pieces with the largest activations, the largest first.
    pub samples: Vec<Sample>,
    /// Tokens by the neuron's mean activation at them, highest first: at most `k`.
    pub tokens: Vec<TokenMean>,
    /// Pieces that were read.
    pub pieces: usize,
    /// Mean activation over all positions.
    pub mean: f64,
    /// The share of positions at which the activation is above 0.
    pub active: f64,
}

/// One piece of the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The position in the text of its first token.
    pub start: usize,
    /// The neuron's activation at each of its tokens.
    pub values: Vec<f32>,
}

impl Sample {
    /// The largest activation.
    pub fn peak(&self) -> f32 {
        self.values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

/// A token's mean activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenMean {
    /// The token.
    pub id: u32,
    /// Mean over the positions where it stands.
    pub mean: f64,
    /// How many they are.
    pub count: usize,
}

/// Pieces that are read at once.
const AT_ONCE: usize = 16;

/// Reads the subject's tokens in pieces of `length`, each by itself, and finds those in which a neuron is most active, and
/// the tokens at which it is on average. `tick` is told after every few pieces.
pub fn strongest(
    subject: Subject<'_>,
    layer: usize,
    neuron: usize,
    length: usize,
    k: usize,
    tick: Tick<'_>,
) -> Result<Strongest> {
    let place = Place::of(subject, layer, Some(neuron))?;
    let longest = subject.model.spec().sizes.n_ctx.unwrap_or(usize::MAX);
    if !(1..=longest).contains(&length) {
        return Err(Error::Input(format!("pieces have {length} tokens; the model takes 1 to {longest}")));
    }
    let pieces: Vec<&[u32]> = subject.tokens.chunks(length).collect();
    tick(0, pieces.len() as u64)?;
    let mut samples: Vec<Sample> = Vec::new();
    let mut tokens: BTreeMap<u32, (f64, usize)> = BTreeMap::new();
    let (mut sum, mut active) = (0.0, 0_usize);
    for (at, some) in pieces.chunks(AT_ONCE).enumerate() {
        let batch = Batch::new(some)?;
        let ranges: Vec<_> = (0..some.len()).map(|i| batch.range(i)).collect();
        let mut column = Vec::new();
        let mut tap = Closure::at(vec![place.id], |seen| {
            column = seen.tensor.data.to_f32().iter().skip(neuron).step_by(place.neurons).copied().collect();
            Ok(None)
        });
        let run = Run::new(subject.model, batch).edits(subject.edits).logits(Logits::None);
        match subject.memory {
            Some(bytes) => run.memory(bytes),
            None => run,
        }
        .tap(&mut tap)?;
        if column.iter().any(|x| !x.is_finite()) {
            return Err(Subject { tokens: some[0], kept: None, ..subject }.not_finite());
        }
        for (i, (piece, range)) in some.iter().zip(ranges).enumerate() {
            let values = column[range].to_vec();
            for (&token, &value) in piece.iter().zip(&values) {
                let (total, count) = tokens.entry(token).or_default();
                (*total, *count) = (*total + f64::from(value), *count + 1);
                (sum, active) = (sum + f64::from(value), active + usize::from(value > 0.0));
            }
            samples.push(Sample { start: (at * AT_ONCE + i) * length, values });
        }
        tick((at * AT_ONCE + some.len()) as u64, pieces.len() as u64)?;
        samples.sort_by(|a, b| b.peak().total_cmp(&a.peak()).then(a.start.cmp(&b.start)));
        samples.truncate(k);
    }
    let mut means: Vec<TokenMean> =
        tokens.into_iter().map(|(id, (total, count))| TokenMean { id, mean: total / count as f64, count }).collect();
    means.sort_by(|a, b| b.mean.total_cmp(&a.mean).then(a.id.cmp(&b.id)));
    means.truncate(k);
    let positions = subject.tokens.len() as f64;
    Ok(Strongest {
        samples,
        tokens: means,
        pieces: pieces.len(),
        mean: sum / positions,
        active: active as f64 / positions,
    })
}

/// Where a layer's neurons are.
struct Place {
    id: PointId,
    neurons: usize,
}

impl Place {
    /// The neurons of a layer; an error where the layer or the neuron is none of the model's.
    fn of(subject: Subject<'_>, layer: usize, neuron: Option<usize>) -> Result<Self> {
        let spec = subject.model.spec();
        let ids = spec.per_layer("mlp.post");
        let Some(&id) = ids.get(layer) else {
            let why = match ids.len() {
                0 => "the model has no neurons (no point `mlp.post`)".to_owned(),
                n => format!("there is no layer {layer}: the model has {n}, 0 to {}", n - 1),
            };
            return Err(Error::Input(why));
        };
        let neurons = spec.points[id.index()].axes.last().and_then(|(_, length)| *length).unwrap_or(0);
        match neuron {
            Some(neuron) if neuron >= neurons => {
                let why = format!("there is no neuron {neuron}: a layer has {neurons}, 0 to {}", neurons - 1);
                Err(Error::Input(why))
            }
            _ => Ok(Self { id, neurons }),
        }
    }
}
