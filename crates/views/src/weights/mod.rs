//! Weights by themselves: what a file's numbers tell without running anything.

pub mod spectra;
