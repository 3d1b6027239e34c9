//! Properties of the backends, over random shapes and values.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod agreement;
mod bits;
mod cases;
mod slopes;
mod special;
