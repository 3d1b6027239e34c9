//! Steering: moving a network along directions, and stopping it early.

pub mod early_exit;
pub mod vector;
