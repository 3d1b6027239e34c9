//! What can go wrong in the engine, each with what to do about it.

use crate::Axis;

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name or glob that no point of the model has.
    #[error("no point of this model is called `{asked}`; the nearest: {}", nearest.join(", "))]
    UnknownPoint {
        /// As asked.
        asked: String,
        /// Similar names that exist.
        nearest: Vec<String>,
    },
    /// An edit names an axis that its point lacks.
    #[error("point `{point}` has no axis `{axis}`; it has {}", list(axes))]
    UnknownAxis {
        /// The point.
        point: String,
        /// As asked.
        axis: String,
        /// What it has.
        axes: Vec<Axis>,
    },
    /// An index beyond an axis.
    #[error("`{axis}={index}` is out of range at `{point}`: the axis has {len} entries (0 to {}, or -{len} to -1)", len.saturating_sub(1))]
    OutOfRange {
        /// The point.
        point: String,
        /// The axis.
        axis: String,
        /// As asked.
        index: i64,
        /// Length of the axis.
        len: usize,
    },
    /// Text that is not an edit.
    #[error("`{text}` is not an edit: {why}; an edit looks like 'blocks.5.attn.z[head=3,pos=-1]=zero'")]
    EditSyntax {
        /// As given.
        text: String,
        /// What was expected.
        why: String,
    },
    /// An edit whose file or prompt was not loaded before the run.
    #[error("edit `{edit}` refers to `{reference}`, which was not loaded before the run")]
    Unresolved {
        /// The edit.
        edit: String,
        /// File or prompt.
        reference: String,
    },
    /// An edit's values do not fit the place they go to.
    #[error("the values of edit `{edit}` do not fit `{point}`: {why}")]
    Misfit {
        /// The edit.
        edit: String,
        /// The point.
        point: String,
        /// The two shapes.
        why: String,
    },
    /// An input the model cannot take.
    #[error("{0}")]
    Input(String),
    /// A tensor the architecture needs and the file lacks.
    #[error("the file has no tensor `{name}`, which {family} needs; it may be incomplete or of another architecture")]
    MissingTensor {
        /// As the file would call it.
        name: String,
        /// The architecture.
        family: &'static str,
    },
    /// A tensor of the wrong shape.
    #[error("tensor `{name}` is {found:?} and should be {expected:?} by the model's configuration")]
    WrongShape {
        /// As the file calls it.
        name: String,
        /// In the file.
        found: Vec<usize>,
        /// By the configuration.
        expected: Vec<usize>,
    },
    /// Tensors that the architecture did not ask for.
    #[error("{} tensors of the file belong to no part of {family}, so the file is of another architecture: {}", names.len(), head(names))]
    Leftovers {
        /// Their names.
        names: Vec<String>,
        /// The architecture.
        family: &'static str,
    },
    /// A configuration value that is missing, absurd or not supported.
    #[error("the model's configuration: {0}")]
    Config(String),
    /// No architecture goes by that name.
    #[error("architecture `{name}` is not supported; supported: {}", known.join(", "))]
    UnknownArchitecture {
        /// As the file calls it.
        name: String,
        /// What is supported.
        known: Vec<&'static str>,
    },
    /// The run would need more memory than it may take.
    #[error("this run needs about {} MiB and may take {}: capture fewer points, or give a shorter or smaller batch", needed >> 20, allowed >> 20)]
    Memory {
        /// Bytes.
        needed: u64,
        /// Bytes.
        allowed: u64,
    },
    /// Numbers that are NaN or infinite where the model should give finite ones.
    #[error(
        "the network's output is not finite: the first bad values are at `{point}` ({culprit}); the weights are damaged, or an edit is too strong"
    )]
    NotFinite {
        /// First point with a NaN or an infinity.
        point: String,
        /// More about the place.
        culprit: String,
    },
    /// A tokenizer that cannot be read or applied.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The caller's callback asked for an end.
    #[error("cancelled")]
    Cancelled,
    /// Everything asked for has been seen; not a failure, and never leaves [`crate::Run`].
    #[error("nothing more to compute")]
    Halt,
}

fn list(axes: &[Axis]) -> String {
    axes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn head(names: &[String]) -> String {
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 5 { format!("{shown}, ...") } else { shown }
}
