//! Text that the network writes.

pub mod sample;
