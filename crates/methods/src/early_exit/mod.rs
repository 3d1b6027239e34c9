//! Early exit: how soon the logit lens says what the whole network will say, and what stopping there would cost.
//!
//! To exit after a block is to take the lens's likeliest token there for the network's. What later tokens would lack (keys
//! and values of the blocks that were left out) is not counted: each position is looked at by itself.

mod groups;
mod rule;

pub use groups::{DOMINANT, Groups};
pub use rule::{ExitRule, Outcome, Parameter, Trial, halves, tradeoff, trial};

use engine::{Capture, Error, Logits, Result};

use crate::{Subject, Tick, logit_lens};

/// What the lens says after each block, at every position of one text or of several.
#[derive(Clone, Debug, PartialEq)]
pub struct Readout {
    /// Blocks.
    pub layers: usize,
    /// Positions.
    pub positions: usize,
    /// `[pos, layer]`: the likeliest token.
    pub top: Vec<u32>,
    /// `[pos, layer]`: its probability.
    pub probs: Vec<f32>,
    /// `[pos, layer, DOMINANT]`: groups of the largest sub-updates, the largest first; empty where no groups were given.
    dominant: Vec<u16>,
}

impl Readout {
    /// Reads a text; `groups` are those of the network's neurons, where a rule needs them.
    pub fn of(subject: Subject<'_>, groups: Option<&Groups>, tick: Tick<'_>) -> Result<Self> {
        let lens = logit_lens(subject, 1, tick)?;
        let (layers, positions) = (lens.layers - 1, lens.positions);
        if layers == 0 {
            return Err(Error::Input("the model has no blocks to leave out".into()));
        }
        // Its rows are the embedding, then each block.
        let cells = (0..positions).flat_map(|pos| (1..=layers).map(move |row| row * positions + pos));
        let (top, probs) = cells.map(|cell| (lens.top_ids[cell], lens.top_probs[cell])).unzip();
        let dominant = match groups {
            Some(groups) => dominant(subject, groups, layers)?,
            None => vec![],
        };
        Ok(Self { layers, positions, top, probs, dominant })
    }

    /// Several texts as one.
    pub fn join(parts: Vec<Self>) -> Result<Self> {
        let mut parts = parts.into_iter();
        let mut all = parts.next().ok_or_else(|| Error::Input("there is no text to read".into()))?;
        for part in parts {
            if part.layers != all.layers || part.dominant.is_empty() != all.dominant.is_empty() {
                return Err(Error::Input("texts that were read in different ways are not joined".into()));
            }
            all.positions += part.positions;
            all.top.extend(part.top);
            all.probs.extend(part.probs);
            all.dominant.extend(part.dominant);
        }
        Ok(all)
    }

    /// The likeliest token after each block at a position.
    pub(crate) fn tops(&self, pos: usize) -> &[u32] {
        &self.top[pos * self.layers..(pos + 1) * self.layers]
    }

    /// Groups of the largest sub-updates, if they were read.
    pub(crate) fn dominant(&self, pos: usize, layer: usize) -> &[u16] {
        let at = (pos * self.layers + layer) * DOMINANT;
        self.dominant.get(at..at + DOMINANT).unwrap_or_default()
    }

    /// Whether groups of sub-updates were read.
    pub(crate) fn has_groups(&self) -> bool {
        !self.dominant.is_empty()
    }

    /// `[pos]`: the block from which on the lens says what the network will say; the last block at the latest.
    pub fn settled(&self) -> Vec<usize> {
        let settled = |pos| {
            let tops = self.tops(pos);
            tops.iter().rposition(|&id| id != tops[self.layers - 1]).map_or(0, |other| other + 1)
        };
        (0..self.positions).map(settled).collect()
    }
}

/// Groups of the largest sub-updates |mᵢ|·‖vᵢ‖ of every layer, `[pos, layer, DOMINANT]`.
fn dominant(subject: Subject<'_>, groups: &Groups, layers: usize) -> Result<Vec<u16>> {
    let mut capture = Capture::of(groups.points().to_vec());
    let positions = subject.tokens.len();
    subject.run(Logits::None)?.tap(&mut capture)?;
    let mut found = vec![0; positions * layers * DOMINANT];
    for (layer, captured) in capture.into_all().into_iter().enumerate() {
        let (norms, activations) = (groups.norms(layer), captured.data.to_f32());
        for (pos, row) in activations.chunks_exact(norms.len()).enumerate() {
            let sizes: Vec<f32> = row.iter().zip(norms).map(|(m, norm)| m.abs() * norm).collect();
            let mut order: Vec<usize> = (0..sizes.len()).collect();
            let falling = |&a: &usize, &b: &usize| sizes[b].total_cmp(&sizes[a]).then(a.cmp(&b));
            order.select_nth_unstable_by(DOMINANT - 1, falling);
            order.truncate(DOMINANT);
            order.sort_by(falling);
            let to = &mut found[(pos * layers + layer) * DOMINANT..][..DOMINANT];
            to.iter_mut().zip(order).for_each(|(to, neuron)| *to = groups.group(layer, neuron));
        }
    }
    Ok(found)
}
