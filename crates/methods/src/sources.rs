//! Direct logit attribution of heads, split by the token that they take it from.

use engine::blocks::norm::Norm;
use engine::{Closure, Error, Logits, PointId, Result};
use kernels::Span;

use crate::place::{dot, through};
use crate::{DirectLogit, Subject, Tick, direct_logit};

/// What [`head_sources`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadSources {
    /// The same logit split by heads alone. Its `heads` are read from what the heads write, not summed from here.
    pub direct: DirectLogit,
    /// `[layer, head, pos/src]`: what a head adds to the logit by what it takes from a source.
    pub contributions: Vec<f64>,
    /// `[layer, head, pos/src]`: how much the destination attends to the source.
    pub pattern: Vec<f64>,
}

/// Which logit is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The token; the likeliest if not given.
    pub token: Option<u32>,
    /// The token whose logit is taken away, if any.
    pub minus: Option<u32>,
    /// Whether the mean logit of the vocabulary is taken away.
    pub centred: bool,
    /// The position; negative from the end.
    pub pos: i64,
}

/// Splits what each head adds to a logit at a position by the position it takes it from: pattern`[dst, src]` times the
/// source's value, through the head's rows of the output matrix, to the unembedding (Elhage et al. 2021, "A Mathematical
/// Framework for Transformer Circuits"). Norms on the way divide by what they divided by in this pass. A head's
/// contributions sum to its direct contribution, unless an edit acts between its pattern and the stream.
///
/// `direct` is of the logit itself also where contributions are centred.
pub fn head_sources(subject: Subject<'_>, target: Target, tick: Tick<'_>) -> Result<HeadSources> {
    let Target { token, minus, centred, pos } = target;
    let halfway = |done: u64, of: u64| 500 * done / of.max(1);
    let direct = direct_logit(subject, token, minus, pos, 0, &mut |done, of| tick(halfway(done, of), 1000))?;
    let anatomy = subject.anatomy()?;
    let spec = subject.model.spec();
    let backend = &**subject.model.backend();
    let (n, dst, n_heads) = (subject.tokens.len(), direct.position, direct.n_heads);
    let unembedding = &anatomy.unembedding.matrix;
    let row = |id: u32| backend.gather(unembedding, &[id]).to_f64().into_owned();
    let mut direction = row(direct.token);
    let mut take_away = |row: &[f64], share: f64| direction.iter_mut().zip(row).for_each(|(x, y)| *x -= y * share);
    if let Some(minus) = direct.against {
        take_away(&row(minus), 1.0);
    } else if centred {
        let vocabulary = subject.vocabulary()?;
        let sum = backend.linear_dx(&backend.upload(&vec![1.0; vocabulary]), unembedding);
        take_away(&sum.to_f64(), 1.0 / vocabulary as f64);
    }
    let direction = through(anatomy.final_norm, direct.scale, &direction).0;
    let each = |local: &str| -> Vec<Option<PointId>> {
        (0..anatomy.layers.len()).map(|i| spec.point(&format!("blocks.{i}.{local}"))).collect()
    };
    let (patterns, values) = (each("attn.pattern"), each("attn.v"));
    let scale_of = |norm: Option<&Norm>| norm.and_then(Norm::points).map(|(scale, _)| scale);
    let scales: Vec<Option<PointId>> = anatomy.layers.iter().map(|layer| scale_of(layer.attention.post)).collect();
    let mut wanted: Vec<PointId> = patterns.iter().chain(&values).chain(&scales).flatten().copied().collect();
    wanted.sort_unstable();
    let mut kept = vec![vec![]; wanted.len()];
    let (mut met, of) = (0, wanted.len() as u64);
    let mut tap = Closure::at(wanted.clone(), |seen| {
        tick(500 + halfway(met, of), 1000)?;
        met += 1;
        let data = &seen.tensor.data;
        let slot = wanted.binary_search(&seen.id).map_err(|_| Error::Input("a point was met twice".into()))?;
        kept[slot] = if patterns.contains(&Some(seen.id)) {
            let heads = data.len() / (n * n);
            let row = |head| backend.slice(data, Span { start: (head * n + dst) * n, len: n }).to_f64().into_owned();
            (0..heads).flat_map(row).collect()
        } else {
            data.to_f64().into_owned()
        };
        Ok(None)
    });
    subject.run(Logits::None)?.tap(&mut tap)?;
    let at = |id: Option<PointId>| id.and_then(|id| wanted.binary_search(&id).ok()).map(|slot| kept[slot].as_slice());
    let mut contributions = vec![0.0; anatomy.layers.len() * n_heads * n];
    let mut pattern = contributions.clone();
    for (i, layer) in anatomy.layers.iter().enumerate() {
        let attention = &layer.attention;
        let (Some(looks), Some(v)) = (at(patterns[i]), at(values[i])) else { continue };
        let (d, kv_heads) = (attention.plan.d_head, attention.plan.kv_heads);
        let scale = at(scales[i]).map_or(1.0, |scales| scales[dst]);
        let before = through(attention.post, scale, &direction).0;
        // What a head's output z is worth: its columns of the output matrix, read in the direction.
        let worth = backend.linear_dx(&backend.upload(&before), &attention.o.weight.matrix).to_f64().into_owned();
        for head in 0..attention.plan.heads {
            let group = head * kv_heads / attention.plan.heads;
            let from = (i * n_heads + head) * n;
            pattern[from..from + n].copy_from_slice(&looks[head * n..(head + 1) * n]);
            for src in 0..n {
                let value = &v[(src * kv_heads + group) * d..][..d];
                contributions[from + src] = pattern[from + src] * dot(&worth[head * d..(head + 1) * d], value);
            }
        }
    }
    if contributions.iter().chain(&pattern).any(|x| !x.is_finite()) {
        return Err(subject.not_finite());
    }
    tick(1000, 1000)?;
    Ok(HeadSources { direct, contributions, pattern })
}
