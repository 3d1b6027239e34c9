//! Operations on rows apart, as a router of experts needs them: some rows taken out, weighed and put back.

use std::sync::Arc;

use kernels::{Span, SpanOp};

use crate::{Graph, Tensor};

impl Graph<'_> {
    /// Softmax of each row of x `[rows, width]`.
    pub fn softmax(&mut self, x: &Tensor, width: usize) -> Tensor {
        let y = Arc::new(self.backend.softmax(&x.data, width));
        let saved = y.clone();
        self.output(y, vec![x.node], move |be, dy| vec![Some(be.softmax_dx(dy, &saved, width))])
    }

    /// x `[rows, width]` with all but the `k` largest of each row set to zero. The choice itself has no derivative.
    pub fn keep_top(&mut self, x: &Tensor, width: usize, k: usize) -> Tensor {
        let mut kept = vec![0.0; x.data.len()];
        let top = self.backend.top_k(&x.data, width, k);
        for (row, ids) in kept.chunks_exact_mut(width).zip(top.ids.chunks_exact(k)) {
            for &id in ids {
                row[id as usize] = 1.0;
            }
        }
        let kept = self.backend.upload(&kept);
        let y = self.backend.mul(&x.data, &kept);
        self.output(y, vec![x.node], move |be, dy| vec![Some(be.mul(dy, &kept))])
    }

    /// Each row of x `[rows, width]` times its own factor, of `[rows]`.
    pub fn scale_rows(&mut self, x: &Tensor, factors: &Tensor, width: usize) -> Tensor {
        let repeated = self.backend.repeat_groups(&factors.data, width, 1);
        let y = self.backend.mul(&x.data, &repeated);
        let x_data = x.data.clone();
        self.output(y, vec![x.node, factors.node], move |be, dy| {
            let dfactors = be.sum_groups(&be.mul(dy, &x_data), width, 1, None);
            vec![Some(be.mul(dy, &repeated)), Some(dfactors)]
        })
    }

    /// Rows x `[index, width]` as rows `index` of `[rows, width]`, the others of which are zeros.
    pub fn place_rows(&mut self, x: &Tensor, width: usize, index: &[u32], rows: usize) -> Tensor {
        let zeros = self.backend.zeros(rows * width);
        let y = self.backend.edit(zeros, &spans(index, width), SpanOp::Set(&x.data));
        let index = index.to_vec();
        self.output(y, vec![x.node], move |be, dy| vec![Some(be.select_rows(dy, width, &index))])
    }

    /// sum `[rows, width]` with rows x `[index, width]` added to its rows `index`.
    pub fn add_rows(&mut self, sum: Tensor, x: &Tensor, width: usize, index: &[u32]) -> Tensor {
        let y = self.backend.edit(Arc::unwrap_or_clone(sum.data), &spans(index, width), SpanOp::Add(&x.data));
        let index = index.to_vec();
        self.output(y, vec![sum.node, x.node], move |be, dy| {
            vec![Some(dy.clone()), Some(be.select_rows(dy, width, &index))]
        })
    }
}

fn spans(index: &[u32], width: usize) -> Vec<Span> {
    index.iter().map(|&row| Span { start: row as usize * width, len: width }).collect()
}
