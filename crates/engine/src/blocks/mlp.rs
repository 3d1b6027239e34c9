//! Feed-forward layers: plain, and gated. The neuron axis is `mlp.post`.

use kernels::Act;

use crate::{Axis, Builder, Dim, Pass, PointId, Result, Tensor, Vector, Weight};

/// An affine map.
#[derive(Debug)]
pub struct Linear {
    pub(crate) weight: Weight,
    pub(crate) bias: Option<Vector>,
}

impl Linear {
    /// `{tensor}.weight` `[outs, ins]` and, if the file has it, `{tensor}.bias`.
    pub fn new(b: &mut Builder<'_>, tensor: &str, outs: usize, ins: usize) -> Result<Self> {
        let weight = b.matrix(&format!("{tensor}.weight"), outs, ins)?;
        let bias = b.optional_vector(&format!("{tensor}.bias"), outs)?;
        Ok(Self { weight, bias })
    }

    /// x `[rows, ins]` → `[rows, outs]`.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Tensor) -> Tensor {
        pass.graph.linear(x, &self.weight, self.bias.as_ref())
    }
}

/// down(act(gate(x)) · up(x)), as llama has it. Points: `mlp.pre` (the gate), `mlp.pre_linear` (the other branch),
/// `mlp.post` (their product), each `[pos, neuron]`.
#[derive(Debug)]
pub struct GatedMlp {
    gate: Linear,
    up: Linear,
    down: Linear,
    act: Act,
    pre: PointId,
    pre_linear: PointId,
    post: PointId,
}

impl GatedMlp {
    /// With tensors `{tensor}.{gate_proj,up_proj,down_proj}`.
    pub fn new(b: &mut Builder<'_>, tensor: &str, d_model: usize, d_mlp: usize, act: Act) -> Result<Self> {
        let axes = [(Axis::new(Dim::Pos), None), (Axis::new(Dim::Neuron), Some(d_mlp))];
        Ok(Self {
            gate: Linear::new(b, &format!("{tensor}.gate_proj"), d_mlp, d_model)?,
            up: Linear::new(b, &format!("{tensor}.up_proj"), d_mlp, d_model)?,
            down: Linear::new(b, &format!("{tensor}.down_proj"), d_model, d_mlp)?,
            act,
            pre: b.point("mlp.pre", &axes),
            pre_linear: b.point("mlp.pre_linear", &axes),
            post: b.point("mlp.post", &axes),
        })
    }

    /// x `[rows, d_model]` → `[rows, d_model]`.
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Tensor) -> Result<Tensor> {
        let pre = self.gate.forward(pass, x);
        let pre = pass.at(self.pre, pre)?;
        let up = self.up.forward(pass, x);
        let up = pass.at(self.pre_linear, up)?;
        let post = pass.graph.act_mul(&pre, &up, self.act);
        let post = pass.at(self.post, post)?;
        Ok(self.down.forward(pass, &post))
    }
}
