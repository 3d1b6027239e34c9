//! Building a network: blocks ask for their tensors by the part they play and declare their points and parameters, in
//! the order of use.

use std::sync::Arc;

use kernels::{Backend, DType, Residency};

use crate::point::{Held, Parameter, Point, PointId, Spec};
use crate::weights::{Stored, Weights};
use crate::{Axis, Error, Result, Vector, Weight};

/// Where a file keeps a tensor that plays some part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placed {
    /// What Hugging Face calls it: the parameter's name here too. A piece of a fused tensor has the piece in brackets.
    pub parameter: String,
    /// The file's own name.
    pub name: String,
    /// The stored row of each of its rows, if they are not simply those of the stored tensor in order.
    pub rows: Option<Vec<u32>>,
    /// Rows of the whole stored tensor, if this is a piece of a fused one.
    pub of: Option<usize>,
    /// Which matrix it is, of how many that the file keeps in one stack.
    pub stacked: Option<(usize, usize)>,
    /// Whether the file keeps `[ins, outs]` (rows above are those of the transpose).
    pub transposed: bool,
    /// What is added to every number as it is read: 1 where gains are stored as their difference from 1.
    pub plus: f32,
}

/// From a block (or none) and a part to where its tensor is kept.
type Place<'a> = Box<dyn Fn(Option<usize>, &str) -> Option<Placed> + 'a>;

/// Everything a block needs while it is being built.
pub struct Builder<'a> {
    backend: Arc<dyn Backend>,
    weights: &'a mut Weights,
    residency: Residency,
    place: Place<'a>,
    spec: Spec,
    layer: Option<usize>,
}

impl<'a> Builder<'a> {
    /// A builder for a family. `place` tells where the file keeps the tensor of a block (or of none) that plays a part,
    /// such as `attn.q.weight`; `None` if the family has no such part.
    pub fn new(
        family: &'static str,
        backend: Arc<dyn Backend>,
        residency: Residency,
        weights: &'a mut Weights,
        place: impl Fn(Option<usize>, &str) -> Option<Placed> + 'a,
    ) -> Self {
        let spec = Spec { family, ..Spec::default() };
        Self { backend, weights, residency, place: Box::new(place), spec, layer: None }
    }

    /// Points and tensors from here on belong to this block (or to none).
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

    /// Whether the file has the tensor of a part: optional biases are recognised so.
    pub fn has(&self, part: &str) -> bool {
        (self.place)(self.layer, part).is_some_and(|placed| self.weights.has(&placed.name))
    }

    /// Takes a matrix `[outs, ins]`.
    pub fn matrix(&mut self, part: &str, outs: usize, ins: usize) -> Result<Weight> {
        let mut placed = self.placed(part)?;
        placed.of = placed.of.or(placed.stacked.map(|(_, count)| count * outs));
        let whole = placed.of.unwrap_or(outs);
        let shape = if placed.transposed { [ins, whole] } else { [whole, ins] };
        let mut source = self.take(&placed, &shape, outs)?.source();
        if let Some((which, _)) = placed.stacked {
            placed.rows = Some((which * outs..(which + 1) * outs).map(|row| row as u32).collect());
        }
        if placed.transposed && placed.rows.is_some() {
            source = Stored::of_columns(&source, placed.rows.as_deref().unwrap_or_default()).source();
        } else {
            source.transposed = placed.transposed;
            source.rows = placed.rows;
        }
        let matrix = Arc::new(self.backend.pack(&source, self.residency));
        let id = self.parameter(placed.parameter, vec![outs, ins], Held::Matrix(matrix.clone()));
        Ok(Weight { id, matrix })
    }

    /// Takes a vector.
    pub fn vector(&mut self, part: &str, len: usize) -> Result<Vector> {
        let placed = self.placed(part)?;
        let mut values = self.take(&placed, &[placed.of.unwrap_or(len)], len)?.source().to_f32();
        if let Some(rows) = placed.rows {
            values = rows.iter().map(|&r| values[r as usize]).collect();
        }
        for x in &mut values {
            *x += placed.plus;
        }
        let data = Arc::new(self.backend.upload_f32(&values));
        let id = self.parameter(placed.parameter, vec![len], Held::Vector(data.clone()));
        Ok(Vector { id, data })
    }

    /// Takes a vector if the file has it.
    pub fn optional_vector(&mut self, part: &str, len: usize) -> Result<Option<Vector>> {
        if self.has(part) { self.vector(part, len).map(Some) } else { Ok(None) }
    }

    fn placed(&self, part: &str) -> Result<Placed> {
        (self.place)(self.layer, part)
            .ok_or_else(|| Error::MissingTensor { name: part.to_owned(), family: self.spec.family })
    }

    fn take(&mut self, placed: &Placed, shape: &[usize], rows: usize) -> Result<Stored> {
        if let Some(of) = placed.of {
            self.weights.take_piece(&placed.name, shape, rows, of, self.spec.family)
        } else {
            self.weights.take(&placed.name, shape, self.spec.family)
        }
    }

    fn parameter(&mut self, name: String, shape: Vec<usize>, held: Held) -> usize {
        self.spec.parameters.push(Parameter { name, shape, held });
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

impl Stored {
    /// Some columns of a stored matrix, as the rows of a matrix of their own.
    fn of_columns(source: &kernels::Source, columns: &[u32]) -> Self {
        let (rows, cols) = source.shape();
        let values = source.to_f32();
        let bytes: Vec<u8> = columns
            .iter()
            .flat_map(|&c| (0..rows).map(move |r| r * cols + c as usize))
            .flat_map(|at| values[at].to_le_bytes())
            .collect();
        Self { dtype: DType::F32, shape: vec![columns.len(), rows], bytes: bytes.into() }
    }
}
