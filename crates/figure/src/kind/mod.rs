//! One file per kind of figure: a struct of data and the builders that fill it.

pub(crate) mod bars;
pub(crate) mod code;
pub(crate) mod compare;
pub(crate) mod graph;
pub(crate) mod group;
pub(crate) mod heatmap;
pub(crate) mod histogram;
pub(crate) mod images;
pub(crate) mod lines;
pub(crate) mod scatter;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod tokens;
