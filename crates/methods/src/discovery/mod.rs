//! Circuits: which edges of a network's graph a behaviour runs over.

mod edges;

pub use edges::{Edge, Edges, Receiver, Sender};
