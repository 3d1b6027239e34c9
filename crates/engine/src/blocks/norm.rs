//! Norms, with the points `scale` (the divisor) and `normalized` (before gain and bias).

use kernels::NormKind;

use crate::{Axis, Builder, Dim, Graph, Pass, PointId, Result, Tensor, Vector};

/// What a norm divides by, and how it guards against zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormPlan {
    /// Scale only, or mean and scale.
    pub kind: NormKind,
    /// Added under the root.
    pub eps: f64,
}

/// A norm over `width` elements of each row.
#[derive(Debug)]
pub struct Norm {
    plan: NormPlan,
    width: usize,
    gain: Option<Vector>,
    bias: Option<Vector>,
    points: Option<Points>,
}

#[derive(Debug)]
struct Points {
    scale: PointId,
    normalized: PointId,
}

impl Norm {
    /// A norm of the residual stream with tensors `{part}.{weight,bias}`, either of which the file may lack: declares
    /// `{part}.scale` `[pos]` and `{part}.normalized` `[pos, d_model]`.
    pub fn of_stream(b: &mut Builder<'_>, part: &str, plan: NormPlan, width: usize) -> Result<Self> {
        let pos = (Axis::new(Dim::Pos), None);
        let scale = b.point(&format!("{part}.scale"), &[pos]);
        let normalized = b.point(&format!("{part}.normalized"), &[pos, (Axis::new(Dim::DModel), Some(width))]);
        let mut norm = Self::of_heads(b, part, plan, width)?;
        norm.points = Some(Points { scale, normalized });
        Ok(norm)
    }

    /// A norm inside another block, which declares no points.
    pub fn of_heads(b: &mut Builder<'_>, part: &str, plan: NormPlan, width: usize) -> Result<Self> {
        let gain = Some(b.vector(&format!("{part}.weight"), width)?);
        let bias = b.optional_vector(&format!("{part}.bias"), width)?;
        Ok(Self { plan, width, gain, bias, points: None })
    }

    /// What it divides by.
    pub fn plan(&self) -> NormPlan {
        self.plan
    }

    /// Its gain `[width]`.
    pub fn gain(&self) -> Option<&Vector> {
        self.gain.as_ref()
    }

    /// Its bias `[width]`.
    pub fn bias(&self) -> Option<&Vector> {
        self.bias.as_ref()
    }

    /// Its points `scale` `[pos]` and `normalized` `[pos, width]`, if it declares any.
    pub fn points(&self) -> Option<(PointId, PointId)> {
        self.points.as_ref().map(|points| (points.scale, points.normalized))
    }

    /// x `[rows, width]` → `[rows, width]`.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Tensor) -> Result<Tensor> {
        let Some(points) = self.points.as_ref().filter(|p| pass.wants(p.scale) || pass.wants(p.normalized)) else {
            return Ok(self.apply(&mut pass.graph, x));
        };
        let NormPlan { kind, eps } = self.plan;
        let scale = pass.graph.norm_scale(x, self.width, kind, eps);
        let scale = pass.at(points.scale, scale)?;
        let normalized = pass.graph.norm_divide(x, &scale, self.width, kind);
        let normalized = pass.at(points.normalized, normalized)?;
        Ok(pass.graph.affine(&normalized, self.gain.as_ref(), self.bias.as_ref(), self.width))
    }

    /// The same numbers without meeting a point.
    pub fn apply(&self, graph: &mut Graph<'_>, x: &Tensor) -> Tensor {
        let (gain, bias) = (self.gain.as_ref(), self.bias.as_ref());
        let NormPlan { kind, eps } = self.plan;
        if !graph.recording() {
            return graph.norm_fused(x, gain, bias, self.width, kind, eps);
        }
        let scale = graph.norm_scale(x, self.width, kind, eps);
        let normalized = graph.norm_divide(x, &scale, self.width, kind);
        graph.affine(&normalized, gain, bias, self.width)
    }
}
