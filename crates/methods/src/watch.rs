//! A pass that is watched.

use engine::{Capture, PointId, Result, Seen, Tap, Tensor};

use crate::Tick;

/// Keeps activations, and tells at each row of the residual stream how far the pass is.
pub(crate) struct Watch<'a> {
    pub(crate) capture: Capture,
    rows: &'a [PointId],
    met: u64,
    tick: Tick<'a>,
}

impl<'a> Watch<'a> {
    /// Keeps what `capture` wants; `tick` is told at each of `rows`.
    pub(crate) fn new(capture: Capture, rows: &'a [PointId], tick: Tick<'a>) -> Self {
        Self { capture, rows, met: 0, tick }
    }
}

impl Tap for Watch<'_> {
    fn wants(&self, id: PointId) -> bool {
        self.rows.contains(&id) || self.capture.wants(id)
    }

    fn keeps(&self) -> bool {
        true
    }

    fn at(&mut self, seen: Seen<'_>) -> Result<Option<Tensor>> {
        if self.rows.contains(&seen.id) {
            (self.tick)(self.met, self.rows.len() as u64)?;
            self.met += 1;
        }
        if self.capture.wants(seen.id) { self.capture.at(seen) } else { Ok(None) }
    }
}
