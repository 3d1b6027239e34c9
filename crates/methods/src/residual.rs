//! The residual stream and what blocks write to it: sizes, directions, and shares.

use std::sync::Arc;

use engine::{Capture, Error, Logits, PointId, Result, Spec};
use kernels::Buffer;

use crate::watch::Watch;
use crate::{Subject, Tick};

/// The residual stream of a prompt, and what each block writes to it.
#[derive(Debug)]
pub struct Residual {
    /// Blocks.
    pub blocks: usize,
    /// Positions.
    pub positions: usize,
    /// Width of the stream.
    pub d_model: usize,
    /// Rows of the stream, `[pos, d_model]` each: what the first block reads, then what follows each block.
    stream: Vec<Arc<Buffer>>,
    attn_out: Vec<Written>,
    mlp_out: Vec<Written>,
}

/// What one half of a block adds, and the stream that it adds it to. A block may lack a half.
type Written = Option<(Arc<Buffer>, Arc<Buffer>)>;

/// Norms of the stream and of what is written to it, each Euclidean.
#[derive(Clone, Debug, PartialEq)]
pub struct Norms {
    /// `[blocks + 1, pos]`: what the first block reads, then what follows each block.
    pub resid: Vec<f32>,
    /// `[blocks, pos]`: what the attention adds; 0 where a block has none.
    pub attn_out: Vec<f32>,
    /// `[blocks, pos]`: what the feed-forward layer adds; 0 where a block has none.
    pub mlp_out: Vec<f32>,
    /// `[blocks, pos]`: `‖attn_out‖` / ‖the stream it is added to‖.
    pub attn_share: Vec<f32>,
    /// `[blocks, pos]`: `‖mlp_out‖` / ‖the stream it is added to‖.
    pub mlp_share: Vec<f32>,
}

/// Directions of the stream and of what is written to it. A cosine with a vector of zeros is NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Similarity {
    /// `[blocks + 1, blocks + 1]`: cosine of two rows of the stream, mean over positions.
    pub rows: Vec<f32>,
    /// `[blocks, pos]`: cosine of the stream before and after each block.
    pub consecutive: Vec<f32>,
    /// `[blocks, pos]`: cosine of what the attention adds with the stream it is added to.
    pub attn_cosine: Vec<f32>,
    /// `[blocks, pos]`: the same of the feed-forward layer.
    pub mlp_cosine: Vec<f32>,
    /// `[blocks, pos]`: share of the block's update `u = attn_out + mlp_out` that the attention writes, `attn_out·u / u·u`.
    pub attn_share: Vec<f32>,
    /// `[blocks, pos]`: the same of the feed-forward layer; the two sum to 1.
    pub mlp_share: Vec<f32>,
}

/// The points of a stream.
struct Points {
    /// `blocks.0.resid_pre`, then every `resid_post`.
    stream: Vec<PointId>,
    /// For each block: `attn_out`, and what it is added to.
    attn: Vec<Option<[PointId; 2]>>,
    /// For each block: `mlp_out`, and what it is added to.
    mlp: Vec<Option<[PointId; 2]>>,
}

impl Points {
    fn of(spec: &Spec) -> Result<Self> {
        let blocks = spec.sizes.n_layers;
        let named = |i: usize, local: &str| spec.point(&format!("blocks.{i}.{local}"));
        let mut stream: Vec<PointId> = named(0, "resid_pre").into_iter().collect();
        stream.extend(spec.per_layer("resid_post"));
        if stream.len() != blocks + 1 {
            return Err(Error::Input("the model has no residual stream (no points `resid_pre`, `resid_post`)".into()));
        }
        let half = |i: usize, out: &str, base: &[&str]| Some([named(i, out)?, base.iter().find_map(|b| named(i, b))?]);
        Ok(Self {
            stream,
            attn: (0..blocks).map(|i| half(i, "attn_out", &["resid_pre"])).collect(),
            // Parallel blocks have no `resid_mid`: both halves read and add to the same place.
            mlp: (0..blocks).map(|i| half(i, "mlp_out", &["resid_mid", "resid_pre"])).collect(),
        })
    }

    fn all(&self) -> Vec<PointId> {
        let halves = self.attn.iter().chain(&self.mlp).flatten().flatten();
        let mut all: Vec<PointId> = self.stream.iter().chain(halves).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Runs the prompt and keeps its residual stream. `tick` is told at each row.
pub fn residual(subject: Subject<'_>, tick: Tick<'_>) -> Result<Residual> {
    let spec = subject.model.spec();
    let points = Points::of(spec)?;
    let mut watch = Watch::new(Capture::of(points.all()), &points.stream, tick);
    subject.run(Logits::None)?.tap(&mut watch)?;
    let kept = |id: PointId| {
        let unmet = || Error::Input(format!("the pass did not meet `{}`", spec.points[id.index()].name));
        watch.capture.get(id).map(|captured| captured.data.clone()).ok_or_else(unmet)
    };
    let written = |halves: &[Option<[PointId; 2]>]| -> Result<Vec<Written>> {
        halves.iter().map(|half| half.map(|[out, base]| Ok((kept(out)?, kept(base)?))).transpose()).collect()
    };
    let residual = Residual {
        blocks: spec.sizes.n_layers,
        positions: subject.tokens.len(),
        d_model: spec.sizes.d_model,
        stream: points.stream.iter().map(|&id| kept(id)).collect::<Result<_>>()?,
        attn_out: written(&points.attn)?,
        mlp_out: written(&points.mlp)?,
    };
    let last = residual.stream.last().map(|row| row.to_f32().iter().all(|x| x.is_finite()));
    if last == Some(true) { Ok(residual) } else { Err(subject.not_finite()) }
}

impl Residual {
    /// Euclidean norms.
    pub fn norms(&self) -> Norms {
        let norms = |x: &Buffer| self.each(x, x, |x, _| dot(x, x).sqrt());
        let share = |half: &Written| self.of_half(half, |out, base| (dot(out, out) / dot(base, base)).sqrt());
        let added = |half: &Written| self.of_half(half, |out, _| dot(out, out).sqrt());
        Norms {
            resid: self.stream.iter().flat_map(|row| norms(row)).collect(),
            attn_out: self.attn_out.iter().flat_map(added).collect(),
            mlp_out: self.mlp_out.iter().flat_map(added).collect(),
            attn_share: self.attn_out.iter().flat_map(share).collect(),
            mlp_share: self.mlp_out.iter().flat_map(share).collect(),
        }
    }

    /// Cosines and shares.
    pub fn similarity(&self) -> Similarity {
        let rows = self.stream.len();
        let mut similarity = vec![0.0f32; rows * rows];
        for (i, a) in self.stream.iter().enumerate() {
            for (j, b) in self.stream.iter().enumerate().skip(i) {
                let cosines = self.each(a, b, cosine);
                let mean = cosines.iter().map(|&x| f64::from(x)).sum::<f64>() / self.positions as f64;
                (similarity[i * rows + j], similarity[j * rows + i]) = (mean as f32, mean as f32);
            }
        }
        let halves = || self.attn_out.iter().zip(&self.mlp_out);
        let shares: Vec<[f32; 2]> = halves().flat_map(|(attn, mlp)| self.shares(attn, mlp)).collect();
        Similarity {
            rows: similarity,
            consecutive: self.stream.windows(2).flat_map(|pair| self.each(&pair[0], &pair[1], cosine)).collect(),
            attn_cosine: self.attn_out.iter().flat_map(|half| self.cosines(half)).collect(),
            mlp_cosine: self.mlp_out.iter().flat_map(|half| self.cosines(half)).collect(),
            attn_share: shares.iter().map(|share| share[0]).collect(),
            mlp_share: shares.iter().map(|share| share[1]).collect(),
        }
    }

    /// Cosine of what is added with what it is added to; nothing is added where a block lacks the half.
    fn cosines(&self, half: &Written) -> Vec<f32> {
        half.as_ref().map_or_else(|| vec![f32::NAN; self.positions], |(out, base)| self.each(out, base, cosine))
    }

    /// Shares of the update u = a + b by their projections on it: a·u / u·u and b·u / u·u, for each position.
    fn shares(&self, a: &Written, b: &Written) -> Vec<[f32; 2]> {
        let (Some((a, _)), Some((b, _))) = (a, b) else {
            return vec![[a, b].map(|half| if half.is_some() { 1.0 } else { 0.0 }); self.positions];
        };
        let (a, b) = (a.to_f32(), b.to_f32());
        let each = a.chunks_exact(self.d_model).zip(b.chunks_exact(self.d_model));
        each.map(|(a, b)| {
            let (aa, ab, bb) = (dot(a, a), dot(a, b), dot(b, b));
            [aa + ab, ab + bb].map(|projected| (projected / (aa + 2.0 * ab + bb)) as f32)
        })
        .collect()
    }

    /// A number for each position of a half; 0 where the block has none.
    fn of_half(&self, half: &Written, number: impl Fn(&[f32], &[f32]) -> f64) -> Vec<f32> {
        half.as_ref().map_or_else(|| vec![0.0; self.positions], |(out, base)| self.each(out, base, number))
    }

    /// A number for each position, from its rows in two tensors.
    fn each(&self, a: &Buffer, b: &Buffer, number: impl Fn(&[f32], &[f32]) -> f64) -> Vec<f32> {
        let (a, b) = (a.to_f32(), b.to_f32());
        let pairs = a.chunks_exact(self.d_model).zip(b.chunks_exact(self.d_model));
        pairs.map(|(a, b)| number(a, b) as f32).collect()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
