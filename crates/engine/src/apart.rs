//! Operations that keep apart what a network adds up: heads that read inputs of their own, and readers that weigh each
//! of those who wrote.

use std::sync::Arc;

use kernels::Buffer;

use crate::{Graph, Tensor, Vector, Weight};

impl Graph<'_> {
    /// Each head of its own input: x `[heads, rows, ins]` → `[rows, heads, outs]`, by its own rows of w
    /// `[heads · outs, ins]`.
    pub fn linear_each(&mut self, x: &Tensor, w: &Weight, b: Option<&Vector>, heads: usize) -> Tensor {
        let y = self.backend.linear_each(&x.data, &w.matrix, b.map(|b| &*b.data), heads);
        let parents = vec![x.node, self.parameter(w.id), b.and_then(|b| self.parameter(b.id))];
        let need: Vec<bool> = parents.iter().map(Option::is_some).collect();
        let (x, w) = (x.data.clone(), w.matrix.clone());
        self.output(y, parents, move |be, dy| {
            vec![
                need[0].then(|| be.linear_each_dx(dy, &w, heads)),
                need[1].then(|| be.linear_each_dw(dy, &x, heads, w.outs / heads, w.ins)),
                need[2].then(|| be.sum_rows(dy, w.outs)),
            ]
        })
    }

    /// Sums of senders, weighed for each receiver: parts `[senders of the part, n]` one after another, weights
    /// `[receivers, senders]` → `[receivers, n]`. Each sum begins at `start` `[n]`, which nothing is differentiated
    /// through.
    pub fn mix_groups(&mut self, parts: &[Tensor], n: usize, weights: &Tensor, start: Option<&Buffer>) -> Tensor {
        let data: Vec<Arc<Buffer>> = parts.iter().map(|part| part.data.clone()).collect();
        let y = self.backend.mix_groups(&borrowed(&data), n, &weights.data, start);
        let parents: Vec<_> = parts.iter().map(|part| part.node).chain([weights.node]).collect();
        let need: Vec<bool> = parents.iter().map(Option::is_some).collect();
        let of = data.iter().map(|part| part.len()).sum::<usize>() / n.max(1);
        let weights = weights.data.clone();
        self.output(y, parents, move |be, dy| {
            let mut first = 0;
            let mut back = Vec::with_capacity(need.len());
            for (part, &need) in data.iter().zip(&need) {
                let senders = first..first + part.len() / n.max(1);
                first = senders.end;
                back.push(need.then(|| be.mix_groups_dx(dy, n, &weights, senders, of)));
            }
            back.push(need[data.len()].then(|| be.mix_groups_dw(dy, &borrowed(&data), n)));
            back
        })
    }

    /// x `[n]` for each of some receivers → `[receivers, n]`.
    pub fn repeat(&mut self, x: &Tensor, receivers: usize) -> Tensor {
        let n = x.data.len();
        let y = self.backend.repeat_groups(&x.data, receivers, n);
        self.output(y, vec![x.node], move |be, dy| vec![Some(be.sum_groups(dy, receivers, n, None))])
    }
}

fn borrowed(parts: &[Arc<Buffer>]) -> Vec<&Buffer> {
    parts.iter().map(|part| &**part).collect()
}
