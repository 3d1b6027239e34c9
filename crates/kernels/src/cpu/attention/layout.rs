//! How an attention is cut into tasks, and where each task's elements lie.

use std::ops::Range;

use crate::cpu::gemm::BLOCK;
use crate::cpu::isa::Isa;
use crate::cpu::pool;
use crate::cpu::tile::ROWS;
use crate::{AttnShape, Segment};

/// Destinations that a task takes.
const TASK_ROWS: usize = 32;
/// Below this many multiplications threads cost more than they save.
const WORTH_THREADS: usize = 1 << 16;

/// An attention layer on some segments.
pub(in crate::cpu) struct Layer<'a> {
    pub(super) isa: Isa,
    pub(super) segments: &'a [Segment<'a>],
    pub(super) shape: &'a AttnShape,
    tasks: Vec<Rows>,
    /// Scores of all segments.
    pub(super) pairs: usize,
    /// Elements that queries have at least.
    pub(super) query_len: usize,
}

/// The rows of one task: destinations of one head or, where a segment has one destination only, its heads that share
/// keys.
pub(super) struct Rows {
    pub(super) segment: usize,
    pub(super) kv_head: usize,
    pub(super) count: usize,
    /// The first row's first element in `[rows, heads, d_head]`, and the elements from a row to the next.
    pub(super) query: usize,
    pub(super) query_row: usize,
    /// The first row's first element in the scores of all segments; rows are `k_len` apart.
    pub(super) scores: usize,
    /// Position of the first row in its segment, and positions from a row to the next.
    position: usize,
    position_step: usize,
}

impl<'a> Layer<'a> {
    /// Cuts the attention of `q_elements` elements of queries.
    pub(in crate::cpu) fn new(
        isa: Isa,
        segments: &'a [Segment<'a>],
        shape: &'a AttnShape,
        q_elements: Option<usize>,
    ) -> Self {
        assert!(shape.heads.is_multiple_of(shape.kv_heads.max(1)), "heads are a multiple of key/value heads");
        let row = shape.heads * shape.d_head;
        let mut layer = Self { isa, segments, shape, tasks: Vec::new(), pairs: 0, query_len: 0 };
        let mut ranges: Vec<_> = segments.iter().map(|s| (s.q_start, s.q_start + s.q_len)).collect();
        ranges.retain(|(start, end)| start < end);
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|w| w[0].1 <= w[1].0), "two segments share a query");
        layer.query_len = ranges.last().map_or(0, |last| last.1 * row);
        assert!(q_elements.is_none_or(|len| len >= layer.query_len), "queries for all segments");
        for (i, segment) in segments.iter().enumerate() {
            layer.cut(i, segment);
            layer.pairs += segment.pairs(shape.heads);
        }
        layer
    }

    fn cut(&mut self, index: usize, segment: &Segment<'_>) {
        let &Segment { q_start, q_len, k_len, .. } = segment;
        assert!(q_len <= k_len, "the queries of a segment stand at its last keys");
        let &AttnShape { heads, kv_heads, d_head, .. } = self.shape;
        let group = heads / kv_heads.max(1);
        let pairs = self.pairs;
        let rows = |head: usize, i: usize, count: usize| Rows {
            segment: index,
            kv_head: head / group,
            count,
            query: ((q_start + i) * heads + head) * d_head,
            query_row: heads * d_head,
            scores: pairs + (head * q_len + i) * k_len,
            position: k_len - q_len + i,
            position_step: 1,
        };
        if q_len == 1 {
            let groups = (0..heads).step_by(group.max(1));
            self.tasks.extend(groups.map(|head| Rows { query_row: d_head, position_step: 0, ..rows(head, 0, group) }));
        } else {
            for head in 0..heads {
                let starts = (0..q_len).step_by(TASK_ROWS);
                self.tasks.extend(starts.map(|i| rows(head, i, TASK_ROWS.min(q_len - i))));
            }
        }
    }

    /// Calls `f` for each task, on several threads where that is worth it.
    pub(super) fn each_task(&self, f: impl Fn(&Rows) + Sync) {
        if self.pairs * self.shape.d_head < WORTH_THREADS {
            self.tasks.iter().for_each(f);
        } else {
            pool::run(self.tasks.len(), |i| f(&self.tasks[i]));
        }
    }

    pub(super) fn k_len(&self, rows: &Rows) -> usize {
        self.segments[rows.segment].k_len
    }

    /// Sources that a row may attend to.
    pub(super) fn allowed(&self, rows: &Rows, row: usize) -> Range<usize> {
        self.shape.mask.allowed(rows.position + row * rows.position_step, self.k_len(rows))
    }

    /// Sources that some of the 8 rows that a row is computed with may attend to, the first rounded down to a whole
    /// block.
    pub(super) fn seen(&self, rows: &Rows, row: usize) -> (usize, usize) {
        let first = row / ROWS * ROWS;
        let last = rows.count.min(first + ROWS) - 1;
        (self.allowed(rows, first).start / BLOCK * BLOCK, self.allowed(rows, last).end)
    }
}
