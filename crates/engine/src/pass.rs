//! One pass through a network: where edits, taps, the tape and the key/value cache meet the blocks.

use std::collections::HashMap;
use std::sync::Arc;

use kernels::{Backend, Span};

use crate::cache::{Cache, Keys};
use crate::graph::{Change, Graph};
use crate::tape::NodeId;
use crate::{Batch, Error, PointId, Result, Seen, Spec, Tap, Tensor};

/// Which rows are unembedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Logits {
    /// Every token's.
    #[default]
    All,
    /// The last token's of each prompt.
    Last,
    /// None: the pass ends with the last point that a tap wants.
    None,
}

/// One pass. Blocks compute through [`graph`](Self::graph) and hand every activation to [`at`](Self::at).
pub struct Pass<'a> {
    /// The operations.
    pub graph: Graph<'a>,
    pub(crate) batch: Arc<Batch>,
    pub(crate) spec: &'a Spec,
    pub(crate) tap: &'a mut dyn Tap,
    /// Planned edits: spans and changes at each point, in order.
    pub(crate) edits: HashMap<PointId, Vec<(Vec<Span>, Change)>>,
    pub(crate) cache: Option<&'a mut Cache>,
    pub(crate) logits: Logits,
    /// The point after which nothing is wanted any more.
    pub(crate) halt_after: Option<PointId>,
    /// The layer to start at, and the residual stream there.
    pub(crate) start: Option<(usize, Tensor)>,
    /// While gradients are recorded: the points whose gradients are wanted.
    pub(crate) differentiated: Vec<PointId>,
    /// Those of them met so far, with their nodes.
    pub(crate) met: Vec<(PointId, NodeId, Tensor)>,
}

impl<'a> Pass<'a> {
    /// The prompts.
    pub fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// Where operations run.
    pub fn backend(&self) -> &'a dyn Backend {
        self.graph.backend
    }

    /// Whether somebody wants to see or change a point: those that cost extra are only computed then.
    pub fn wants(&self, id: PointId) -> bool {
        self.differentiated.binary_search(&id).is_ok() || self.edits.contains_key(&id) || self.tap.wants(id)
    }

    /// An activation passes its point: edits are made, taps see it, and what is to go on comes back.
    pub fn at(&mut self, id: PointId, x: Tensor) -> Result<Tensor> {
        let mut x = x;
        if let Some(edits) = self.edits.get(&id) {
            for (spans, change) in edits {
                x = self.graph.edit(&x, spans, change);
            }
        }
        if self.tap.wants(id) {
            let point = &self.spec.points[id.index()];
            let seen = Seen { id, point, batch: &self.batch, backend: self.graph.backend, tensor: &x };
            if let Some(replaced) = self.tap.at(seen)? {
                if replaced.data.len() != x.data.len() {
                    let (was, is) = (x.data.len(), replaced.data.len());
                    return Err(Error::Input(format!("a tap replaced the {was} numbers at `{}` by {is}", point.name)));
                }
                x = replaced;
            }
        }
        if let Some(tape) = self.graph.tape.as_mut().filter(|_| self.differentiated.binary_search(&id).is_ok()) {
            let node = x.node.unwrap_or_else(|| tape.leaf());
            tape.keep(node);
            x.node = Some(node);
            self.met.push((id, node, x.clone()));
        }
        if self.halt_after == Some(id) { Err(Error::Halt) } else { Ok(x) }
    }

    /// The same for an activation of rows `index` of the pass alone, if one is given: at the point all others are zeros,
    /// and whatever edits and taps make of those is lost.
    pub fn at_rows(&mut self, id: PointId, x: Tensor, index: Option<&[u32]>) -> Result<Tensor> {
        let Some(index) = index else { return self.at(id, x) };
        if !self.wants(id) {
            return Ok(x);
        }
        let width = self.spec.points[id.index()].width();
        let all = self.graph.place_rows(&x, width, index, self.batch.rows());
        let all = self.at(id, all)?;
        Ok(self.graph.select_rows(&all, width, index))
    }

    /// The first block to run, and the residual stream it starts from, if the pass does not start at the tokens.
    pub fn start(&mut self) -> Option<(usize, Tensor)> {
        self.start.take()
    }

    /// Adds this pass's keys and values of one block to the cache, if there is one. Once per block, before
    /// [`with_keys`](Self::with_keys).
    pub fn remember(&mut self, layer: usize, k: &Tensor, v: &Tensor) {
        if let Some(cache) = &mut self.cache {
            cache.extend(layer, &self.batch, &k.data, &v.data, self.graph.backend);
        }
    }

    /// Computes with the keys and values that this pass's queries look at in one block: its own, or with a cache all
    /// that it holds.
    pub fn with_keys<R>(
        &mut self,
        layer: usize,
        k: &Tensor,
        v: &Tensor,
        compute: impl FnOnce(&mut Graph<'_>, &Keys<'_>) -> R,
    ) -> R {
        let batch = self.batch.clone();
        let keys = match &self.cache {
            None => Keys::of_pass(batch, k.clone(), v.clone()),
            Some(cache) => Keys::cached(batch, cache.layer(layer)),
        };
        compute(&mut self.graph, &keys)
    }

    /// The rows of a residual stream `[rows, d_model]` that are to be unembedded.
    pub fn rows_to_unembed(&mut self, x: &Tensor, width: usize) -> Tensor {
        if self.logits == Logits::Last && self.batch.rows() > self.batch.prompts() {
            self.graph.select_rows(x, width, &self.batch.last_rows())
        } else {
            x.clone()
        }
    }
}
