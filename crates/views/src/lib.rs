//! Views: questions that a person can put to a model, their answers as typed numbers, and figures of those.
//!
//! A [`View`] is a struct: its fields are the question's parameters, its doc comments the product's help, its file the
//! name and its folder the shelf. Command line, web page and reference book fold over [`VIEWS`] and know none of them
//! by name. [`AnyView`] is a view without its type.
//!
//! Invariants: views compute through `methods` and draw with `figure`; none writes to a terminal or reads a file by
//! itself.

#![allow(rustdoc::broken_intra_doc_links, reason = "doc comments are the product's help, where `[pos]` tells axes")]

mod any;
mod circuit_figure;
mod circuit_graph;
mod contrasted;
mod corpus;
mod cx;
mod edits;
mod error;
mod extracted;
mod extraction_figure;
mod finite_recipe;
mod known_circuits;
mod layers;
mod lexicon;
mod maker;
mod opened;
mod outside;
mod pairs;
mod passage;
mod prompt;
mod pupil;
mod registry;
mod reproduction;
mod sentences;
mod sums;
mod view;

pub mod attention;
pub mod attribution;
pub mod causal;
pub mod circuits;
pub mod compare;
pub mod finite;
pub mod generate;
pub mod heads;
pub mod lens;
pub mod makers;
pub mod neurons;
pub mod reproductions;
pub mod residual;
pub mod steer;
pub mod training;
pub mod weights;

pub use any::{Answer, AnyView, prompt_parameter};
pub use corpus::CorpusRef;
pub use cx::{Cx, Other, Others, Progress, Quiet};
pub use edits::{load_edits, program_files};
pub use error::{Error, Result};
pub use extracted::{extracted, spliced};
pub use extraction_figure::{extraction_figure, extraction_report};
pub use maker::{AnyMaker, Made, Maker, News, Onlooker, Workplace};
pub use makers::MAKERS;
pub use opened::Opened;
pub use outside::Outside;
pub use prompt::{Encoding, OtherPrompt, Prompt, PromptRef};
pub use registry::VIEWS;
pub use reproduction::{AnyReproduction, Bench, Quantity, Report, Reproduction, Row};
pub use reproductions::REPRODUCTIONS;
pub use sentences::Template;
pub use view::{View, Why};
