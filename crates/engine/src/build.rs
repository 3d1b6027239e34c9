//! Building a network: blocks ask for their tensors and declare their points and parameters, in the order of use.

use std::sync::Arc;

use kernels::{Backend, Residency};

use crate::point::{Parameter, Point, PointId, Spec};
use crate::weights::Weights;
use crate::{Axis, Result, Vector, Weight};

/// Where a tensor of a Hugging Face name lies in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placed {
    /// The file's own name.
    pub name: String,
    /// If the file permuted the matrix's rows, the stored row of each row.
    pub rows: Option<Vec<u32>>,
}

/// Everything a block needs while it is being built.
pub struct Builder<'a> {
    backend: Arc<dyn Backend>,
    weights: &'a mut Weights,
    residency: Residency,
    place: Box<dyn Fn(&str) -> Placed + 'a>,
    spec: Spec,
    layer: Option<usize>,
}

impl<'a> Builder<'a> {
    /// A builder for a family; `place` tells where the file keeps what Hugging Face calls by a name.
    pub fn new(
        family: &'static str,
        backend: Arc<dyn Backend>,
        residency: Residency,
        weights: &'a mut Weights,
        place: impl Fn(&str) -> Placed + 'a,
    ) -> Self {
        let spec = Spec { family, ..Spec::default() };
        Self { backend, weights, residency, place: Box::new(place), spec, layer: None }
    }

    /// Points declared from here on belong to this block (or to none).
    pub fn in_layer(&mut self, layer: Option<usize>) {
        self.layer = layer;
    }

    /// Declares a point. In a block, its local name is completed to `blocks.{layer}.{name}`.
    pub fn point(&mut self, name: &str, axes: &[(Axis, Option<usize>)]) -> PointId {
        let id = PointId(self.spec.points.len() as u32);
        let name = self.layer.map_or_else(|| name.to_owned(), |i| format!("blocks.{i}.{name}"));
        self.spec.by_name.insert(name.clone(), id);
        self.spec.points.push(Point { name, layer: self.layer, axes: axes.to_vec() });
        id
    }

    /// Whether the file has a tensor: optional biases are recognised so.
    pub fn has(&self, name: &str) -> bool {
        self.weights.has(&(self.place)(name).name)
    }

    /// Takes a matrix `[outs, ins]`.
    pub fn matrix(&mut self, name: &str, outs: usize, ins: usize) -> Result<Weight> {
        let placed = (self.place)(name);
        let mut source = self.weights.take(&placed.name, &[outs, ins], self.spec.family)?.source();
        source.rows = placed.rows;
        let matrix = Arc::new(self.backend.pack(&source, self.residency));
        Ok(Weight { id: self.parameter(name, vec![outs, ins]), matrix })
    }

    /// Takes a vector.
    pub fn vector(&mut self, name: &str, len: usize) -> Result<Vector> {
        let placed = (self.place)(name);
        let mut values = self.weights.take(&placed.name, &[len], self.spec.family)?.source().to_f32();
        if let Some(rows) = placed.rows {
            values = rows.iter().map(|&r| values[r as usize]).collect();
        }
        let data = Arc::new(self.backend.upload_f32(&values));
        Ok(Vector { id: self.parameter(name, vec![len]), data })
    }

    /// Takes a vector if the file has it.
    pub fn optional_vector(&mut self, name: &str, len: usize) -> Result<Option<Vector>> {
        if self.has(name) { self.vector(name, len).map(Some) } else { Ok(None) }
    }

    fn parameter(&mut self, name: &str, shape: Vec<usize>) -> usize {
        self.spec.parameters.push(Parameter { name: name.to_owned(), shape });
        self.spec.parameters.len() - 1
    }

    /// Where the network will run.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The finished description.
    pub fn finish(self) -> Spec {
        self.spec
    }
}
