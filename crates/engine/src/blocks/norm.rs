//! Norms, with the points `scale` (the divisor) and `normalized` (before gain and bias).

use kernels::NormKind;

use crate::{Axis, Builder, Dim, Graph, Pass, PointId, Result, Tensor, Vector};

/// A norm over `width` elements of each row.
#[derive(Debug)]
pub struct Norm {
    kind: NormKind,
    eps: f64,
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
    /// A norm of the residual stream: declares `{name}.scale` `[pos]` and `{name}.normalized` `[pos, d_model]`.
    pub fn of_stream(
        b: &mut Builder<'_>,
        name: &str,
        tensor: &str,
        kind: NormKind,
        width: usize,
        eps: f64,
    ) -> Result<Self> {
        let pos = (Axis::new(Dim::Pos), None);
        let scale = b.point(&format!("{name}.scale"), &[pos]);
        let normalized = b.point(&format!("{name}.normalized"), &[pos, (Axis::new(Dim::DModel), Some(width))]);
        let mut norm = Self::of_heads(b, tensor, kind, width, eps)?;
        norm.points = Some(Points { scale, normalized });
        Ok(norm)
    }

    /// A norm inside another block, which declares no points.
    pub fn of_heads(b: &mut Builder<'_>, tensor: &str, kind: NormKind, width: usize, eps: f64) -> Result<Self> {
        let gain = Some(b.vector(&format!("{tensor}.weight"), width)?);
        let bias = b.optional_vector(&format!("{tensor}.bias"), width)?;
        Ok(Self { kind, eps, width, gain, bias, points: None })
    }

    /// x `[rows, width]` → `[rows, width]`.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Tensor) -> Result<Tensor> {
        let seen = self.points.as_ref().filter(|p| pass.wants(p.scale) || pass.wants(p.normalized));
        if seen.is_none() {
            return Ok(self.apply(&mut pass.graph, x));
        }
        let mut scale = pass.graph.norm_scale(x, self.width, self.kind, self.eps);
        if let Some(points) = seen {
            scale = pass.at(points.scale, scale)?;
        }
        let mut normalized = pass.graph.norm_divide(x, &scale, self.width, self.kind);
        if let Some(points) = seen {
            normalized = pass.at(points.normalized, normalized)?;
        }
        Ok(pass.graph.affine(&normalized, self.gain.as_ref(), self.bias.as_ref(), self.width))
    }

    /// The same numbers without meeting a point.
    pub fn apply(&self, graph: &mut Graph<'_>, x: &Tensor) -> Tensor {
        let (gain, bias) = (self.gain.as_ref(), self.bias.as_ref());
        if !graph.recording() {
            return graph.norm_fused(x, gain, bias, self.width, self.kind, self.eps);
        }
        let scale = graph.norm_scale(x, self.width, self.kind, self.eps);
        let normalized = graph.norm_divide(x, &scale, self.width, self.kind);
        graph.affine(&normalized, gain, bias, self.width)
    }
}
