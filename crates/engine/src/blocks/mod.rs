//! The parts that networks are made of. Every point of an architecture is declared here, once: the order in which a
//! block declares its points when it is built is the order in which it meets them when it runs (a test holds that).

pub mod attention;
pub mod decoder;
pub mod experts;
pub mod feed;
pub mod mlp;
pub mod norm;
pub mod rope;
