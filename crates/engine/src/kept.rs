//! One pass that is looked at many times.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernels::Buffer;

use crate::tap::Seen;
use crate::{Batch, Capture, Edit, Error, Logits, Model, Output, PointId, Result, Run, Tap, Tensor};

/// What a pass over one prompt met, kept so that several questions about it need no pass of their own:
/// see [`Run::kept`].
#[derive(Debug)]
pub struct Kept {
    batch: Arc<Batch>,
    edits: Vec<Edit>,
    points: BTreeMap<PointId, Arc<Buffer>>,
    /// `[pos, d_vocab]`; none of a model without a vocabulary.
    logits: Option<Arc<Buffer>>,
}

impl Kept {
    /// Makes a run of one prompt and keeps some points of it, and every row of its logits.
    pub fn of(run: Run<'_>, points: Vec<PointId>) -> Result<Self> {
        let (batch, edits) = (run.batch().clone(), run.edits_in_force().to_vec());
        if batch.prompts() != 1 {
            return Err(Error::Input("a pass over one prompt can be kept, not one over several".into()));
        }
        let mut capture = Capture::of(points);
        let logits = run.logits(Logits::All).tap(&mut capture)?.logits;
        let points = capture.into_all_by_point();
        Ok(Self { batch, edits, points, logits })
    }

    /// Whether it is of the same tokens under the same edits.
    pub(crate) fn is_of(&self, batch: &Batch, edits: &[Edit]) -> bool {
        batch.prompts() == 1
            && batch.past(0) == 0
            && batch.tokens() == self.batch.tokens()
            && edits == self.edits.as_slice()
    }

    /// Shows a tap what it wants to see and gives the logits, if all of that was kept. `None` if it was not.
    pub(crate) fn show(&self, model: &dyn Model, logits: Logits, tap: &mut dyn Tap) -> Result<Option<Output>> {
        let spec = model.spec();
        let wanted: Vec<PointId> =
            (0..spec.points.len()).map(|i| PointId(i as u32)).filter(|&id| tap.wants(id)).collect();
        if wanted.iter().any(|id| !self.points.contains_key(id)) {
            return Ok(None);
        }
        for id in wanted {
            let tensor = Tensor { data: self.points[&id].clone(), node: None };
            let (point, backend) = (&spec.points[id.index()], &**model.backend());
            match tap.at(Seen { id, point, batch: &self.batch, backend, tensor: &tensor }) {
                Ok(None) => {}
                Ok(Some(_)) => return Err(Error::Input("a pass that was kept cannot be changed".into())),
                Err(Error::Halt) => return Ok(Some(Output { logits: None })),
                Err(error) => return Err(error),
            }
        }
        let last = |all: &Arc<Buffer>| {
            let width = all.len() / self.batch.rows();
            let span = kernels::Span { start: all.len() - width, len: width };
            Arc::new(model.backend().slice(all, span))
        };
        let logits = match logits {
            Logits::None => None,
            Logits::Last => self.logits.as_ref().map(last),
            Logits::All => self.logits.clone(),
        };
        Ok(Some(Output { logits }))
    }
}
