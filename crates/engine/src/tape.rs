//! An eager tape: what was computed from what, so that one walk back gives every gradient.

use kernels::{Backend, Buffer};

/// A value on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// From the gradient of an operation's output to those of its inputs, one for each parent.
pub(crate) type Back = Box<dyn FnOnce(&dyn Backend, &Buffer) -> Vec<Option<Buffer>>>;

struct Node {
    /// Inputs; one that needs no gradient is `None`.
    parents: Vec<Option<NodeId>>,
    /// `None` for a leaf.
    back: Option<Back>,
    keep: bool,
}

/// The record of one forward pass.
#[derive(Default)]
pub struct Tape {
    nodes: Vec<Node>,
}

impl Tape {
    /// A value that comes from outside.
    pub(crate) fn leaf(&mut self) -> NodeId {
        self.push(vec![], None)
    }

    /// An operation's output.
    pub(crate) fn record(&mut self, parents: Vec<Option<NodeId>>, back: Back) -> NodeId {
        self.push(parents, Some(back))
    }

    fn push(&mut self, parents: Vec<Option<NodeId>>, back: Option<Back>) -> NodeId {
        self.nodes.push(Node { parents, back, keep: false });
        NodeId((self.nodes.len() - 1) as u32)
    }

    /// Asks for the gradient of a value.
    pub(crate) fn keep(&mut self, node: NodeId) {
        self.nodes[node.0 as usize].keep = true;
    }

    /// Walks back from `root`, whose gradient is `seed`. Gradients of kept nodes come back by node; those of others are
    /// freed as soon as they have been passed on. A kept node that `root` does not depend on is absent: its gradient
    /// is zero.
    pub(crate) fn backward(mut self, backend: &dyn Backend, root: NodeId, seed: Buffer) -> Vec<(NodeId, Buffer)> {
        let mut grads: Vec<Option<Buffer>> = self.nodes.iter().map(|_| None).collect();
        grads[root.0 as usize] = Some(seed);
        let mut kept = Vec::new();
        for i in (0..=root.0 as usize).rev() {
            let Some(grad) = grads[i].take() else { continue };
            let node = &mut self.nodes[i];
            if let Some(back) = node.back.take() {
                for (parent, dx) in node.parents.iter().zip(back(backend, &grad)) {
                    if let (Some(parent), Some(dx)) = (parent, dx) {
                        let slot = &mut grads[parent.0 as usize];
                        *slot = Some(match slot.take() {
                            None => dx,
                            Some(sum) => backend.add(&sum, &dx),
                        });
                    }
                }
            }
            if node.keep {
                kept.push((NodeId(i as u32), grad));
            }
        }
        kept
    }
}
