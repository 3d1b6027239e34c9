//! Attention weighted by the size of what it moves.

use engine::{Closure, Error, Logits, PointId, Result};

use crate::{Patterns, Subject, Tick};

/// By which size attention is weighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The source's value: ‖v‖.
    Value,
    /// What the source's value writes to the residual stream: ‖`W_O` v‖.
    Output,
}

/// Attention times the size of what is looked at, of the same layers, heads and positions as `patterns`: how much each
/// source adds, where attention alone tells how much it is looked at. Heads rest on tokens whose values are small
/// (Kobayashi, Kuribayashi, Yokoi & Inui 2020, "Attention is Not Only a Weight"). Norms behind the attention are left out.
pub fn weighted(subject: Subject<'_>, patterns: &Patterns, by: Weight, tick: Tick<'_>) -> Result<Vec<f32>> {
    let anatomy = subject.anatomy()?;
    let spec = subject.model.spec();
    let backend = &**subject.model.backend();
    let point = |layer: usize| spec.point(&format!("blocks.{layer}.attn.v"));
    let none = || Error::Input("the model has no values of attention (no point `attn.v`)".into());
    let wanted: Vec<PointId> =
        patterns.layers.iter().map(|&layer| point(layer).ok_or_else(none)).collect::<Result<_>>()?;
    let mut values = Vec::with_capacity(wanted.len());
    let (mut met, of) = (0, 2 * wanted.len() as u64);
    let mut tap = Closure::at(wanted.clone(), |seen| {
        tick(met, of)?;
        met += 1;
        values.push(seen.tensor.data.to_f64().into_owned());
        Ok(None)
    });
    subject.run(Logits::None)?.tap(&mut tap)?;
    let n = patterns.positions;
    let mut out = Vec::with_capacity(patterns.data.len());
    let mut each = patterns.each();
    for (at, (&layer, values)) in patterns.layers.iter().zip(&values).enumerate() {
        tick((wanted.len() + at) as u64, of)?;
        let attention = &anatomy.layers[layer].attention;
        let (d, heads, kv_heads) = (attention.plan.d_head, attention.plan.heads, attention.plan.kv_heads);
        let o = (by == Weight::Output).then(|| backend.unpack(&attention.o.weight.matrix));
        for &head in &patterns.heads {
            let group = head * kv_heads / heads;
            let value = |src: usize| &values[(src * kv_heads + group) * d..][..d];
            let gram = o.as_ref().map(|o| gram(o, heads * d, head * d, d));
            let size = |src: usize| match &gram {
                Some(gram) => quadratic(gram, value(src)).max(0.0).sqrt(),
                None => value(src).iter().map(|x| x * x).sum::<f64>().sqrt(),
            };
            let sizes: Vec<f64> = (0..n).map(size).collect();
            let pattern = each.next().unwrap_or_default();
            out.extend(pattern.iter().enumerate().map(|(i, &p)| (f64::from(p) * sizes[i % n]) as f32));
        }
    }
    if out.iter().any(|x| !x.is_finite()) { Err(subject.not_finite()) } else { Ok(out) }
}

/// Of a matrix `[rows, width]`, the products of its columns `start .. start + d` with each other, `[d, d]`: with it the
/// size of what a head writes is found without its `d_model` coordinates.
fn gram(matrix: &[f32], width: usize, start: usize, d: usize) -> Vec<f64> {
    let mut gram = vec![0.0; d * d];
    for row in matrix.chunks_exact(width) {
        let part = &row[start..start + d];
        for (i, &x) in part.iter().enumerate() {
            let x = f64::from(x);
            gram[i * d..(i + 1) * d].iter_mut().zip(part).for_each(|(sum, &y)| *sum += x * f64::from(y));
        }
    }
    gram
}

/// xᵀ G x.
fn quadratic(gram: &[f64], x: &[f64]) -> f64 {
    let row = |row: &[f64]| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
    gram.chunks_exact(x.len()).zip(x).map(|(of, x)| x * row(of)).sum()
}
